"""Many WebSocket clients against the whole system: `make load`. Each must get all that it asked for, and in order.

The system runs on a home folder and ports of its own, with simulated exchanges whose prices stream. With `STUB=1` it is
the sender alone, as fast as it can, against bench.fan_out's stand-in for `@connections`: TLS, an answer after 10 ms.
"""

import argparse
import asyncio
import json
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bench import _cloud, fan_out
from cryptopulse.aws.client import Account, Endpoint
from cryptopulse.aws.sockets import Sockets
from cryptopulse_client.errors import CryptoPulseError
from cryptopulse_client.frames import Bye, Refusal, Snapshot, TickFrame, read
from local.cloud import forget_aws_account
from local.processes import ProblemError
from local.run import Run, stop_on_signals

MOST_CLIENTS = 5_000
MOST_STUBBED = 100_000
SECONDS = (10, 600)
"""At least and at most: in less, a client's symbols may all stay as they are."""
PARAMETERS = {"PriceMode": "stream", "ConnectionsPerAddress": "0", "RequestsPerMinute": "1000000"}
"""All clients come from 127.0.0.1."""
SETS = 36
SYMBOLS = (5, 15)
"""In a set, at least and at most."""
INTERVAL_MS = 1_000
DOORS = 8
PAUSE_S = 0.1
"""Of a door between two clients. So 80 a second come at most: an address may subscribe 6,000 times a minute."""
OPENING_S = (60, 0.2)
"""All must have come in so long, and so much more a client."""
ANSWER_S = 60
LEAVING_S = (1, 120)
"""After so long the local cloud has noticed that clients left, and it must have dealt with all of them."""
SPARE_FILES = 500
SHOWN = 10
DELIVERY_S = 30


class Audit:
    """What one client is told, held against what it was promised.

    Args:
        symbols: What it asks for.
    """

    def __init__(self, symbols: Collection[str]) -> None:
        self.lost = 0
        self.wrong: list[str] = []
        self._symbols = frozenset(symbols)
        self.connected()

    def connected(self) -> None:
        """A connection counts its frames from 1, and begins with a snapshot."""
        self.frames = 0
        self.is_shown = False
        self._seq = 0
        self._times: dict[str, datetime] = {}

    def take(self, frame: Snapshot | TickFrame) -> None:
        """Looks at a frame; the same `seq` again is a repeat, which is no fault."""
        if isinstance(frame, Snapshot):
            self.is_shown = True
        else:
            if not self.is_shown:
                self.wrong.append(f"frame {frame.seq} came before the snapshot")
            if frame.seq <= self._seq:
                return
            self.lost += frame.seq - self._seq - 1
            self._seq = frame.seq
            self.frames += 1
        for tick in frame.ticks:
            if tick.symbol not in self._symbols:
                self.wrong.append(f"{tick.symbol} was not asked for")
            if (known := self._times.get(tick.symbol)) and tick.time < known:
                self.wrong.append(f"{tick.symbol} went back from {known} to {tick.time}")
            self._times[tick.symbol] = tick.time

    def faults(self) -> list[str]:
        """All that was wrong, at the end."""
        if not self.is_shown:
            return [*self.wrong, "no snapshot came"]
        return self.wrong if self.frames else [*self.wrong, "no frame came"]


def percentile(delays: Mapping[int, int], share: float) -> int:
    """The delay that so large a share of frames did not exceed.

    Args:
        delays: How many frames had each delay.
        share: 0 to 1.
    """
    left = share * sum(delays.values())
    for delay in sorted(delays):
        left -= delays[delay]
        if left <= 0:
            return delay
    return 0


class Tally:
    """What all clients have seen since it was last asked."""

    def __init__(self) -> None:
        self.connected = self.reconnects = 0
        self.errors = Counter[str]()
        self.renew()

    def renew(self) -> None:
        """Begins anew, but for what is counted all the time."""
        self.frames = 0
        self.from_tick = Counter[int]()
        """Frames by the milliseconds from their newest tick's time until a client had them."""
        self.from_frame = Counter[int]()
        """The same, from their own time."""


class Client:
    """A WebSocket client that subscribes to some symbols, and comes again when it loses its connection.

    Args:
        url: The WebSocket API's.
        symbols: What it asks for.
        doors: Through which clients come, a few at a time.
        tally: Where it counts what it sees.
    """

    def __init__(self, url: str, symbols: Collection[str], doors: asyncio.Semaphore, tally: Tally) -> None:
        self.audit = Audit(symbols)
        self._url, self._doors, self._tally = url, doors, tally
        self._asked = {"action": "subscribe", "channel": "ticks", "symbols": [*symbols], "interval_ms": INTERVAL_MS}

    async def live(self) -> None:
        """Connects and listens, until it is cancelled."""
        while True:
            try:
                await self._converse()
            except (OSError, WebSocketException, CryptoPulseError, msgspec.DecodeError) as error:
                self._tally.errors[f"{type(error).__name__}: {error}"] += 1
            self._tally.reconnects += 1

    async def _converse(self) -> None:
        async with self._doors:
            await asyncio.sleep(PAUSE_S)
            socket = await connect(self._url, proxy=None, compression=None, ping_interval=None, open_timeout=ANSWER_S)
            try:
                await self._enter(socket)
            except BaseException:
                socket.transport.abort()
                raise
        self._tally.connected += 1
        try:
            async for raw in socket:
                self._hear(raw)
        finally:
            self._tally.connected -= 1
            socket.transport.abort()

    async def _enter(self, socket: ClientConnection) -> None:
        """Subscribes, and waits for the snapshot."""
        self.audit.connected()
        await socket.send(json.dumps(self._asked))
        async with asyncio.timeout(ANSWER_S):
            while not self.audit.is_shown:
                self._hear(await socket.recv())

    def _hear(self, raw: str | bytes) -> None:
        now, frame = datetime.now(UTC), read(raw)
        match frame:
            case Snapshot():
                self.audit.take(frame)
            case TickFrame():
                self.audit.take(frame)
                self._tally.frames += 1
                self._tally.from_frame[_ms(now - frame.time)] += 1
                self._tally.from_tick[_ms(now - max(tick.time for tick in frame.ticks))] += 1
            case Refusal():
                self.audit.wrong.append(f"refused: {frame.message}")
                raise frame.error
            case Bye():
                self._tally.errors[f"bye: {frame.reason}"] += 1


type Show = Callable[[dict[str, str]], None]
"""Shows what is so now, by name."""


class Crowd:
    """Clients that come, stay for some time, and are looked at every second.

    Args:
        run: The system they are clients of.
        url: Its WebSocket API.
        sets: What they ask for, in turn.
        count: How many there are.
    """

    def __init__(self, run: Run, url: str, sets: list[list[str]], count: int) -> None:
        self._run, self._url = run, url
        self._tally, doors = Tally(), asyncio.Semaphore(DOORS)
        self._clients = [Client(url, sets[number % len(sets)], doors, self._tally) for number in range(count)]

    async def watch(self, seconds: float, show: Show) -> dict[str, float]:
        """Lets them come, then stay for so long.

        Returns:
            The figures, by name.
        """
        tasks = [asyncio.create_task(client.live()) for client in self._clients]
        try:
            await self._come(show)
            return await self._stay(seconds, show)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._leave()

    def faults(self) -> list[str]:
        """All that clients were told wrongly."""
        return [fault for client in self._clients for fault in client.audit.faults()]

    def errors(self) -> list[str]:
        """Why connections were not made, or ended."""
        return [f"{count} times {error}" for error, count in self._tally.errors.most_common(SHOWN)]

    async def _come(self, show: Show) -> None:
        least, each = OPENING_S
        end = time.monotonic() + least + each * len(self._clients)
        while time.monotonic() < end and self._tally.connected < len(self._clients):
            await self._second("coming", show)
            self._tally.renew()

    async def _stay(self, seconds: float, show: Show) -> dict[str, float]:
        frames, from_tick, from_frame = 0, Counter[int](), Counter[int]()
        began = time.monotonic()
        while (stayed := time.monotonic() - began) < seconds:
            await self._second(f"{stayed:.0f} s", show)
            frames += self._tally.frames
            from_tick += self._tally.from_tick
            from_frame += self._tally.from_frame
            self._tally.renew()
        return {
            "clients": self._tally.connected,
            "frames_per_second": round(frames / stayed, 1),
            "frames_lost": self._lost(),
            "delay_p50_ms": percentile(from_tick, 0.5),
            "delay_p99_ms": percentile(from_tick, 0.99),
            "sending_p50_ms": percentile(from_frame, 0.5),
            "sending_p99_ms": percentile(from_frame, 0.99),
            "reconnects": self._tally.reconnects,
            "wrong": len(self.faults()),
        }

    async def _leave(self) -> None:
        """Waits until the local cloud has dealt with who left, one by one; else these hold up its stop.

        It serves them in turn, so whoever comes now comes after them.
        """
        noticed, most = LEAVING_S
        await asyncio.sleep(noticed)
        with suppress(OSError, WebSocketException):
            async with connect(self._url, proxy=None, open_timeout=most):
                pass

    async def _second(self, phase: str, show: Show) -> None:
        began, used = time.monotonic(), time.process_time()
        await asyncio.sleep(1)
        self._run.processes.check()
        tally, took = self._tally, time.monotonic() - began
        show(
            {
                "": phase,
                "clients": f"{tally.connected} of {len(self._clients)}",
                "frames/s": f"{tally.frames / took:.0f}",
                "ms from tick p50/p99": _spread(tally.from_tick),
                "from frame": _spread(tally.from_frame),
                "seq jumps": f"{self._lost()}",
                "reconnects": f"{tally.reconnects}",
                "errors": f"{tally.errors.total()}",
                "own CPU": f"{(time.process_time() - used) / took:.0%}",
            }
        )

    def _lost(self) -> int:
        return sum(client.audit.lost for client in self._clients)


def crowd(run: Run, clients: int, seconds: float, console: Console) -> dict[str, float]:
    """Starts the system, and lets clients come and stay.

    Returns:
        The figures, by name.

    Raises:
        ProblemError: The system did not come up, or ended.
    """
    _allow_files(clients + SPARE_FILES)
    there, _ = run.start("simulated", PARAMETERS)
    coins = httpx.get(f"{there.http}/coins", params={"limit": 500}, trust_env=False, timeout=30).raise_for_status()
    symbols = sorted({each["symbol"] for coin in coins.json()["items"] for each in coin["symbols"]})
    chance = random.Random(SETS)
    sets = [chance.sample(symbols, min(len(symbols), chance.randint(*SYMBOLS))) for _ in range(SETS)]
    came = Crowd(run, there.websocket, sets, clients)
    with _screen(console) as show:
        figures = asyncio.run(came.watch(seconds, show))
    for line in [*came.errors(), *came.faults()[:SHOWN]]:
        console.print(f"✗ {line}")
    return figures


def stub(clients: int, seconds: float, console: Console) -> dict[str, float]:
    """Sends each client a frame of 6 prices, again and again.

    Returns:
        The figures, by name.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # so begins the stand-in, which we end
    with fan_out.served() as url, _screen(console) as show:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sockets = Sockets(Endpoint(url, "execute-api", Account(_cloud.REGION, fan_out.CREDENTIALS), timeout=1))
        posts = [(name, [fan_out.FRAME]) for name in fan_out.names(clients)]
        sockets.deliver(posts, DELIVERY_S)  # which opens the lines
        sent, lost, spent = 0, 0, 0.0
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            taken, cpu = 0, time.process_time()
            while (took := time.monotonic() - now) < 1:
                deliveries = sum(delivery.taken for delivery in sockets.deliver(posts, DELIVERY_S))
                taken, lost = taken + deliveries, lost + clients - deliveries
            used = time.process_time() - cpu
            sent, spent = sent + taken, spent + used
            show(
                {
                    "": f"{now - began:.0f} s",
                    "clients": f"{clients}",
                    "frames/s": f"{taken / took:.0f}",
                    "µs of CPU a frame": f"{used / max(1, taken) * 1e6:.1f}",
                    "own CPU": f"{used / took:.0%}",
                    "not taken": f"{lost}",
                }
            )
        took = time.monotonic() - began
    return {
        "clients": clients,
        "frames_per_second": round(sent / took, 1),
        "frames_lost": lost,
        "cpu_us_a_frame": round(spent / max(1, sent) * 1e6, 1),
    }


@contextmanager
def _screen(console: Console) -> Iterator[Show]:
    """A table that changes; without a terminal a line each time."""
    if not console.is_terminal:
        yield lambda told: console.print("  ".join(f"{name} {value}".strip() for name, value in told.items()))
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda told: live.update(_table(told), refresh=True)


def _table(told: Mapping[str, str]) -> Table:
    table = Table(*told, box=None, header_style="dim")
    table.add_row(*told.values())
    return table


def _spread(delays: Mapping[int, int]) -> str:
    return f"{percentile(delays, 0.5)}/{percentile(delays, 0.99)}" if delays else "–"


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def _allow_files(count: int) -> None:
    """Lets this process, and those it starts, have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except (OSError, ValueError) as error:
            raise ProblemError(f"{count} files are to be open at once, {hard} may be: take fewer CLIENTS") from error


def main() -> int:
    """Runs `make load`."""
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--clients", type=int, required=True, help="how many")
    parser.add_argument("--seconds", type=float, required=True, help="how long, once all have come")
    parser.add_argument("--port", type=int, required=True, help="the first of two")
    parser.add_argument("--stub", action="store_true", help="the sender alone")
    parser.add_argument("--home", type=Path, help="folder of all state, to be looked at; else a temporary one")
    arguments = parser.parse_args()
    most = MOST_STUBBED if arguments.stub else MOST_CLIENTS
    least, longest = SECONDS
    if not 1 <= arguments.clients <= most or not least <= arguments.seconds <= longest:
        parser.error(f"CLIENTS are 1 to {most}, SECONDS {least} to {longest}")
    console = Console(highlight=False, markup=False, soft_wrap=True)
    forget_aws_account()
    stop_on_signals()
    try:
        if arguments.stub:
            figures = stub(arguments.clients, arguments.seconds, console)
        else:
            with tempfile.TemporaryDirectory(prefix="cryptopulse-load-") as temporary:
                home = (arguments.home or Path(temporary)).resolve()
                home.mkdir(parents=True, exist_ok=True)
                run = Run(home, arguments.port, Console(highlight=False, soft_wrap=True))
                figures = _crowd_on(run, arguments.clients, arguments.seconds, console)
    except ProblemError as problem:
        console.print(f"✗ {problem}")
        return 1
    except KeyboardInterrupt:
        return 130
    for name, value in figures.items():
        console.print(f"figure load.{name} {value}")
    return int(any(figures.get(name, 0) for name in ("frames_lost", "wrong")))


def _crowd_on(run: Run, clients: int, seconds: float, console: Console) -> dict[str, float]:
    try:
        return crowd(run, clients, seconds, console)
    finally:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        run.stop()


if __name__ == "__main__":
    sys.exit(main())
