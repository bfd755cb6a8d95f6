"""Brings the whole system up on this machine, shows live prices, and takes it down in order: `make run`."""

import argparse
import asyncio
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, get_args

import httpx
from rich.console import Console

from local import dashboard, endpoints, feeds, table
from local.backfill import backfill
from local.cloud import Cloud, forget_aws_account, host_environment
from local.endpoints import HOME, Endpoints
from local.feeds import Feeds
from local.processes import ProblemError, Processes, require_free_port, write_atomically
from local.simulator.faults import Newsroom

FIRST_PORT = 4566
FIRST_PRICES_S = 60
FIRST_STREAMS_S = 20
HISTORY_PATIENCE_S = 20
WEB_HOSTS = ("127.0.0.1", "localhost")
"""What a browser may call the dashboard's host."""


class Run:
    """One run of the whole system.

    Args:
        home: Folder of all its state.
        port: The local cloud's; the next one is the simulator's, the one after it the dashboard's.
        console: Where progress is told.
    """

    def __init__(self, home: Path, port: int, console: Console) -> None:
        self._home = home
        self._console = console
        self._simulator_port = port + 1
        self._simulator = f"http://127.0.0.1:{port + 1}"
        self._web_port = port + 2
        self.processes = Processes(home)
        self.cloud = Cloud(home, f"http://127.0.0.1:{port}", self.processes)

    def start(
        self, choice: feeds.Choice, overrides: Mapping[str, str], *, with_dashboard: bool = False
    ) -> tuple[Endpoints, Feeds]:
        """All steps until prices flow.

        Args:
            choice: Whose prices.
            overrides: Parameters of the template, among them PriceMode.
            with_dashboard: Serves the dashboard too, where Node.js is there to build it.

        Raises:
            ProblemError: A step failed.
        """
        endpoints.path(self._home).unlink(missing_ok=True)
        orphans = self.processes.stop_orphans()
        if orphans:
            self._console.print(f"  ended what an earlier run left behind: {', '.join(orphans)}")
        with self._step("Choosing the feeds"):
            chosen = feeds.choose(choice)
        if chosen.note:
            self._console.print(f"  [bold yellow]{chosen.note}")
        parameters: dict[str, str] = {"Feeds": chosen.kind} | dict(overrides)
        dist = self._build_dashboard() if with_dashboard else None
        if dist:
            parameters["WebOrigins"] = ",".join(f"http://{host}:{self._web_port}" for host in WEB_HOSTS)
        if chosen.kind == "simulated":
            with self._step("Starting the simulated exchanges"):
                self._start_simulator()
            parameters |= {"BinanceUrl": f"{self._simulator}/binance", "CoinbaseUrl": f"{self._simulator}/coinbase"}
            streams = self._simulator.replace("http", "ws", 1)
            parameters |= {"BinanceStreamUrl": f"{streams}/binance", "CoinbaseStreamUrl": f"{streams}/coinbase-ws"}
            newsrooms = get_args(Newsroom.__value__)
            parameters["NewsFeeds"] = ",".join(f"{name}={self._simulator}/rss/{name}" for name in newsrooms)
        with self._step("Starting the local cloud"):
            self.cloud.start()
            self.cloud.drop_lease()
        if not self.cloud.is_deployed(parameters):
            with self._step("Building"):
                self.cloud.build()
            with self._step("Deploying"):
                self.cloud.deploy(parameters)
        with self._step("Fetching history"):
            missing = backfill(self.cloud, self._console, {"quick": True}, HISTORY_PATIENCE_S)
        if missing:
            self._console.print(f"  [yellow]not all of it yet, it is fetched further every minute: {missing}")
        outputs = self.cloud.outputs()
        there = Endpoints(
            http=outputs["HttpUrl"],
            websocket=outputs["WebSocketUrl"],
            health=f"{outputs['HttpUrl']}/health",
            web=f"http://{WEB_HOSTS[0]}:{self._web_port}" if dist else None,
            simulator=self._simulator if chosen.kind == "simulated" else None,
        )
        if dist:
            with self._step("Serving the dashboard"):
                self._serve_dashboard(there, dist)
        with self._step("Waiting for the first prices"):
            self.cloud.invoke("IngestPrices")
            self._await_prices(there)
        is_stream = parameters["PriceMode"] == "stream"
        if is_stream:
            self.cloud.begin("StreamPrices")  # its schedule would begin it within a minute
        with self._step("Reading the news"):
            self._read_news()
        if is_stream:
            with self._step("Waiting for the live streams"):
                self._await_streams(there)
        endpoints.write(self._home, there)
        self._write_sam_variables(outputs, parameters)
        return there, chosen

    def stop(self) -> None:
        """Stops everything, the local cloud last to be saved whole."""
        endpoints.path(self._home).unlink(missing_ok=True)
        with self._step("Stopping, and saving the data"):
            self.cloud.settle()
            self.processes.stop()

    def _build_dashboard(self) -> Path | None:
        """Where the built dashboard is; None without Node.js, which is told: everything else runs without it."""
        try:
            with self._step("Building the dashboard"):
                return dashboard.build(lambda what: self._console.print(f"  [dim]{what}"))
        except dashboard.NodeError as problem:
            self._console.print(f"  [bold yellow]No dashboard: {problem}")
            return None

    def _serve_dashboard(self, there: Endpoints, dist: Path) -> None:
        require_free_port(self._web_port, "dashboard")
        upstreams = ["--http", there.http, "--websocket", there.websocket]
        arguments = ["-m", "local.web", "--port", str(self._web_port), *upstreams, "--dist", str(dist)]
        self.processes.start("web", arguments, sys.executable, host_environment())
        self._await_up("web", f"http://127.0.0.1:{self._web_port}/")

    def _start_simulator(self) -> None:
        require_free_port(self._simulator_port, "simulated exchanges")
        arguments = ["-m", "local.simulator", "--port", str(self._simulator_port)]
        self.processes.start("simulator", arguments, sys.executable, host_environment())
        self._await_up("simulator", f"{self._simulator}/admin/health")

    def _await_up(self, name: str, url: str) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            self.processes.check()
            with suppress(httpx.TransportError):
                if httpx.get(url, trust_env=False).is_success:
                    return
            time.sleep(0.1)
        raise ProblemError(f"{name} did not come up: {self.processes.log(name)}")

    def _await_prices(self, there: Endpoints) -> None:
        deadline = time.monotonic() + FIRST_PRICES_S
        while time.monotonic() < deadline:
            self.processes.check()
            health = httpx.get(there.health, timeout=30, trust_env=False)
            if health.is_success and _has_prices(there):
                return
            time.sleep(0.5)
        self._console.print(f"  [yellow]none yet after {FIRST_PRICES_S} s; {there.health} tells why")

    def _await_streams(self, there: Endpoints) -> None:
        deadline = time.monotonic() + FIRST_STREAMS_S
        while time.monotonic() < deadline:
            self.processes.check()
            health = httpx.get(there.health, timeout=30, trust_env=False).json()
            if all(venue["mode"] == "stream" for venue in health["checks"].get("prices", {}).values()):
                return
            time.sleep(0.2)
        self._console.print(f"  [yellow]not all after {FIRST_STREAMS_S} s, the others are polled; {there.health}")

    def _read_news(self) -> None:
        try:
            self.cloud.invoke("IngestNews")
        except ProblemError as problem:
            self._console.print(f"  [yellow]not all of it: {problem}")

    def _write_sam_variables(self, outputs: dict[str, str], parameters: dict[str, str]) -> None:
        """For `sam local --env-vars`: what points its containers at this cloud (docs/operations.md)."""
        urls = {
            "BinanceUrl": "BINANCE_URL",
            "BinanceStreamUrl": "BINANCE_STREAM_URL",
            "CoinbaseStreamUrl": "COINBASE_STREAM_URL",
            "CoinbaseUrl": "COINBASE_URL",
            "NewsFeeds": "NEWS_FEEDS",
        }
        called = {"AWS_ENDPOINT_URL": self.cloud.origin}
        called |= {urls[name]: value for name, value in parameters.items() if name in urls}
        variables = {
            "ACCOUNTS_TABLE": outputs["AccountsTable"],
            "MARKET_TABLE": outputs["MarketTable"],
            "CONNECTIONS_TABLE": outputs["ConnectionsTable"],
            "STREAM_NAME": outputs["StreamName"],
            "FEEDS": parameters["Feeds"],
            "PRICE_MODE": parameters["PriceMode"],
            "ISSUER": outputs["HttpUrl"],
            "SIGNING_KEYS": outputs["SigningKey"],
            "NEWS_ADDRESSES": "any",
        }
        variables |= {name: url.replace("127.0.0.1", "host.docker.internal") for name, url in called.items()}
        text = json.dumps({"Parameters": variables}, indent=2)
        write_atomically(self._home / "sam-local.json", text + "\n")

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        with self._console.status(f"{what} …"):
            yield
        self._console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began:.1f} s")


def main() -> int:
    """Runs `make run`."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME, help="folder of all state")
    home = parser.parse_args().home.resolve()
    console = Console(highlight=False, soft_wrap=True)
    forget_aws_account()
    stop_on_signals()
    try:
        home.mkdir(parents=True, exist_ok=True)
        choice, port = feeds.parse(os.environ.get("FEEDS", "")), _port(os.environ.get("PORT", ""))
        overrides: dict[str, str] = {"PriceMode": feeds.parse_mode(os.environ.get("PRICES", ""))}
        if assets := os.environ.get("ASSETS", ""):
            overrides["Assets"] = assets
        with _only_run(home):
            return _run(Run(home, port, console), choice, overrides, console)
    except ProblemError as problem:
        console.print(f"[red]✗[/] {problem}")
        return 1


def _run(run: Run, choice: feeds.Choice, overrides: Mapping[str, str], console: Console) -> int:
    began = time.monotonic()
    try:
        there, chosen = run.start(choice, overrides, with_dashboard=True)
        took = time.monotonic() - began
        look = there.web or f"{there.http}/docs"
        console.print(f"\nUp in {took:.0f} s: [bold]{look}[/]  Ctrl-C stops, and keeps the data.\n")
        footer = "Prices are SIMULATED." if chosen.kind == "simulated" else "Prices from Coinbase and Binance."
        asyncio.run(table.show(there, console, f"{footer} {look}", run.processes.check))
    except KeyboardInterrupt:
        console.print()
    finally:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        run.stop()
    return 0


def stop_on_signals() -> None:
    """Every way of ending is Ctrl-C, also in the background of a script, where SIGINT begins ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    signal.signal(signal.SIGHUP, _hang_up)


def _hang_up(*_: object) -> None:
    """The terminal is gone: stop all the same, without telling."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    os.kill(os.getpid(), signal.SIGINT)


def _has_prices(there: Endpoints) -> bool:
    answer = httpx.get(f"{there.http}/prices", timeout=30, trust_env=False)
    return answer.is_success and any(item["price"] is not None for item in answer.json()["items"])


def _port(word: str) -> int:
    if not word:
        return FIRST_PORT
    if not word.isdecimal() or not 1024 <= int(word) <= 65000:
        raise ProblemError(f"PORT={word} is no port from 1024 to 65000")
    return int(word)


@contextmanager
def _only_run(home: Path) -> Iterator[TextIO]:
    """Holds the home folder's lock; the system drops it even when we are killed."""
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ProblemError(f"another `make run` is at work on {home}: stop it there with Ctrl-C") from None
        yield lock


if __name__ == "__main__":
    sys.exit(main())
