"""Frames a second to WebSocket clients, and CPU for each: a boto3 loop, boto3 with 64 threads, ours.

All post to the same stand-in for `@connections`: TLS, an answer after 10 ms, in a process of its own. Below them is a
bare asyncio loop that posts unsigned over as many lines and looks at nothing of the answers but that they came.

A Lambda of 512 MB has 0.29 of a core. Where a cgroup with such a quota can be made, boto3's threads and ours are run in
it; elsewhere it is told what their CPU would allow there, and no more than the rate measured.
"""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import boto3
from botocore.config import Config
from httptools import HttpRequestParser

from bench._cloud import REGION, free_port
from cryptopulse.aws.client import Account, Endpoint
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.aws.sockets import LINES, Sockets
from tests.certificates import self_signed

LATENCY: Final = 0.010
THREADS: Final = 64
COUNTS: Final = {"loop": 40, "threads": 500, "floor": 4_000, "ours": 4_000}
"""Posts of each side in one turn."""
TURNS: Final = 5
CORE, PERIOD = 512 / 1_769, 20_000
"""The share of a core that a Lambda of 512 MB has, and over how many µs it gets it."""
LIMITED: Final = {"threads": 300, "ours": 9_000}
"""Posts of each side within that share."""
LEAST: Final = {"rate_vs_boto3_loop": 60.0, "rate_vs_boto3_threads": 5.0, "rate_at_512mb_vs_boto3_threads": 30.0}
MOST: Final = {"cpu_vs_boto3_threads": 0.067, "cpu_vs_floor": 2.0}

CREDENTIALS: Final = Credentials("testing", "testing", "t" * 700)
TICK: Final = b'{"symbol":"BTC-USD","venue":"coinbase","price":63212.97,"time":"2026-11-22T12:00:00.000Z"}'
FRAME: Final = b'{"type":"ticks","seq":12345,"time":"2026-11-22T12:00:00.000Z","ticks":[%s]}' % b",".join([TICK] * 6)


class Cost(NamedTuple):
    """What posting cost: posts a second, and seconds of CPU a post."""

    rate: float
    cpu: float


type Side = Callable[[int], None]
"""Makes so many posts."""


def names(count: int) -> list[str]:
    return [f"T73xAeZyoAMC{number:04}=" for number in range(count)]


# --- the stand-in ---


class Answering(asyncio.Protocol):
    """One client's line."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        asyncio.get_running_loop().call_later(LATENCY, self._answer)

    def _answer(self) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def stand_in(port: int, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, ssl=context, backlog=512)
    await server.serve_forever()


@contextmanager
def served() -> Iterator[str]:
    """Yields the stand-in's URL; its certificate is the only one that this process and its children trust."""
    with tempfile.TemporaryDirectory() as folder:
        path, port = Path(folder) / "certificate.pem", free_port()
        path.write_bytes(self_signed("localhost"))
        os.environ["SSL_CERT_FILE"] = os.environ["AWS_CA_BUNDLE"] = str(path)
        process = subprocess.Popen([sys.executable, "-m", "bench.fan_out", "stand-in", str(port), str(path)])
        try:
            _wait(port)
            yield f"https://localhost:{port}/ws"
        finally:
            process.terminate()
            process.wait(10)


def _wait(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("the stand-in does not listen")


# --- the sides ---


def boto(url: str) -> Callable[[str], Any]:
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS.access_key,
        aws_secret_access_key=CREDENTIALS.secret_key,
        aws_session_token=CREDENTIALS.token,
        config=Config(max_pool_connections=THREADS),
    )
    return lambda name: client.post_to_connection(ConnectionId=name, Data=FRAME)


def boto3_loop(url: str) -> Side:
    post = boto(url)

    def send(count: int) -> None:
        for name in names(count):
            post(name)

    return send


def boto3_threads(url: str) -> Side:
    post, pool = boto(url), ThreadPoolExecutor(THREADS)

    def send(count: int) -> None:
        for _ in pool.map(post, names(count)):
            pass

    return send


class Bare(asyncio.Protocol):
    """One line that posts the next name as soon as there is an answer."""

    def __init__(self, host: str) -> None:
        self._tail = f" HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(FRAME)}\r\n\r\n".encode() + FRAME

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def begin(self, left: Iterator[str], ended: Callable[[], None]) -> None:
        self._left, self._ended = left, ended
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        if name := next(self._left, None):
            self._transport.write(b"POST /ws/@connections/%s" % name.encode() + self._tail)
        else:
            self._ended()


def floor(url: str) -> Side:
    loop, lines = asyncio.new_event_loop(), list[Bare]()
    host = url.split("/")[2]
    port = int(host.partition(":")[2])

    async def run(count: int) -> None:
        while len(lines) < LINES:
            lines.append(
                (await loop.create_connection(lambda: Bare(host), "localhost", port, ssl=ssl.create_default_context()))[
                    1
                ]
            )
        left, going, done = iter(names(count)), [LINES], loop.create_future()

        def ended() -> None:
            going[0] -= 1
            if not going[0]:
                done.set_result(None)

        for line in lines:
            line.begin(left, ended)
        await done

    return lambda count: loop.run_until_complete(run(count))


def ours(url: str) -> Side:
    sockets = Sockets(Endpoint(url, "execute-api", Account(REGION, CREDENTIALS), timeout=1))

    def send(count: int) -> None:
        deliveries = sockets.deliver([(name, [FRAME]) for name in names(count)], 60)
        missed = sum(not delivery.taken for delivery in deliveries)
        if missed:
            raise SystemExit(f"{missed} of {count} frames were not taken")

    return send


SIDES: Final[dict[str, Callable[[str], Side]]] = {
    "loop": boto3_loop,
    "threads": boto3_threads,
    "floor": floor,
    "ours": ours,
}


def measure(send: Side, count: int) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    send(count)
    return Cost(count / (time.perf_counter() - wall), (time.process_time() - cpu) / count)


def free(url: str) -> dict[str, Cost]:
    """The sides in turn, each on its kept lines: what slows the machine slows all."""
    sides = {name: make(url) for name, make in SIDES.items()}
    for name, send in sides.items():
        send(COUNTS[name] // 4)
    turns = [{name: measure(send, COUNTS[name]) for name, send in sides.items()} for _ in range(TURNS)]
    costs = {name: Cost(*map(median, zip(*(turn[name] for turn in turns), strict=True))) for name in sides}
    for name, cost in costs.items():
        print(f"{name:8} {cost.rate:6.0f} posts a second, {cost.cpu * 1e6:5.0f} µs of CPU each")
    return costs


# --- the share of a core ---


@contextmanager
def group() -> Iterator[Path | None]:
    """Yields a cgroup that gets so much of a core; None where it cannot be made."""
    quota = round(PERIOD * CORE)
    kinds = {
        "/sys/fs/cgroup/cpu": {"cpu.cfs_period_us": f"{PERIOD}", "cpu.cfs_quota_us": f"{quota}"},
        "/sys/fs/cgroup": {"cpu.max": f"{quota} {PERIOD}"},
    }
    for root, limits in kinds.items():
        made = Path(root) / f"cryptopulse-bench-{os.getpid()}"
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            if all((made / name).exists() for name in limits):
                for name, limit in limits.items():
                    (made / name).write_text(limit)
                yield made
                return
        finally:
            made.rmdir()
    yield None


def join(name: str, url: str, cgroup: Path) -> None:
    """Measures one side within the cgroup, in this process; prints what it cost."""
    send = SIDES[name](url)
    send(LIMITED[name] // 4)
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))
    send(LIMITED[name] // 10)  # what it was still allowed is used up
    print(json.dumps(measure(send, LIMITED[name])))


def limited(url: str, costs: dict[str, Cost]) -> dict[str, float]:
    """Posts a second with the share of a core that a Lambda of 512 MB has."""
    with group() as made:
        if made is None:
            print("no cgroup can be made here: at 512 MB the CPU of a post is reckoned with")
            return {name: min(costs[name].rate, CORE / costs[name].cpu) for name in LIMITED}
        rates = {}
        for name in LIMITED:
            command = [sys.executable, "-m", "bench.fan_out", "join", name, url, str(made)]
            rates[name] = Cost(*json.loads(subprocess.check_output(command))).rate
        return rates


def main() -> None:
    subprocess.run([sys.executable, "-m", "bench._crowd"], check=True)  # its peak of memory is its own
    with served() as url:
        costs = free(url)
        rates = limited(url, costs)
    print(f"at 512 MB: threads {rates['threads']:.0f}, ours {rates['ours']:.0f} posts a second")
    loop, threads, bare, own = (costs[name] for name in SIDES)
    figures = {
        "rate_vs_boto3_loop": own.rate / loop.rate,
        "rate_vs_boto3_threads": own.rate / threads.rate,
        "cpu_vs_boto3_threads": own.cpu / threads.cpu,
        "cpu_vs_floor": own.cpu / bare.cpu,
        "rate_at_512mb_vs_boto3_threads": rates["ours"] / rates["threads"],
    }
    for name, number in figures.items():
        print(f"figure fan_out.{name} {number:.3f}")
    missed = [name for name, least in LEAST.items() if figures[name] < least]
    missed += [name for name, most in MOST.items() if figures[name] > most]
    if missed:
        raise SystemExit(f"fan_out misses what it promises: {', '.join(missed)}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["stand-in", port, certificate]:
            asyncio.run(stand_in(int(port), Path(certificate)))
        case ["join", name, url, cgroup]:
            join(name, url, Path(cgroup))
        case _:
            main()
