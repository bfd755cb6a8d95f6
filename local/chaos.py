"""The whole system under random faults: `make chaos`. Afterwards every candle must be the exchange's own.

The system runs on a home folder and ports of its own, with simulated exchanges. Every few seconds something goes wrong:
at the exchanges, or with the processes that hold the streams and fold them. WebSocket clients watch all the while.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import websockets
from rich.console import Console
from websockets.sync.client import connect

from local.endpoints import Endpoints
from local.run import Run
from local.trials import carry_out, options

MINUTE_MS = 60_000
PAUSE_S = (2.0, 5.0)
"""Between two faults, at least and at most."""
STREAM_SECONDS = 60
"""A holder hands over so soon: the least there is."""
TELL_EVERY_S = 15
REPAIR_S = 360
"""All gaps must be repaired so long after the last fault: what is asked for by candles is asked after 2 minutes."""
SETTLED_MS = 5_000
"""So long after its end a minute's candle is certainly closed."""
ASK_EVERY_S = 15
"""In the end what is missing is asked for more often than once a minute."""
QUIET_S = 15
"""So long no gap may be seen: one at the very end shows a little later."""
WATCHERS_MS = (250, 250, 1_000)
SHOWN = 10
PARAMETERS = {"PriceMode": "stream", "StreamSeconds": str(STREAM_SECONDS)}

EXCHANGE_FAULTS: list[tuple[str, dict[str, Any]]] = [
    *((venue, {"kind": "drop", "rate": 0.5, "seconds": 4}) for venue in ("binance", "coinbase")),
    *((venue, {"kind": "freeze", "rate": 0.5, "seconds": 15}) for venue in ("binance", "coinbase")),
    *((venue, {"kind": "duplicate", "rate": 0.5, "seconds": 10}) for venue in ("binance", "coinbase")),
    *((venue, {"kind": "reorder", "rate": 0.5, "seconds": 10}) for venue in ("binance", "coinbase")),
    *((venue, {"kind": "skip", "rate": 0.2, "seconds": 10}) for venue in ("binance", "coinbase")),
    *((venue, {"kind": "malformed", "rate": 0.2, "seconds": 10}) for venue in ("binance", "coinbase")),
    ("binance", {"kind": "server_shutdown", "rate": 0.5, "seconds": 4}),
    ("coinbase", {"kind": "slow_consumer", "rate": 0.5, "seconds": 4}),
    *((venue, {"kind": "server_error", "rate": 0.5, "seconds": 20}) for venue in ("binance", "coinbase")),
    *((venue, {"kind": "truncated", "rate": 0.5, "seconds": 20}) for venue in ("binance", "coinbase")),
    *((venue, {"kind": "timeout", "rate": 0.2, "seconds": 20}) for venue in ("binance", "coinbase")),
    *(
        (venue, {"kind": "rate_limited", "rate": 0.3, "seconds": 20, "retry_after": 5})
        for venue in ("binance", "coinbase")
    ),
]
"""By venue; those of REST go on beside those of the streams. None lies: rows left out of an answer cannot be told."""


class Watch:
    """What one client sees, held against what it was promised."""

    def __init__(self) -> None:
        self.frames = Counter[str]()
        self.doubled: list[str] = []
        self._seq = -1
        self._times: dict[str, str] = {}
        self._closed: dict[tuple[str, int], dict[str, Any]] = {}

    def reconnected(self) -> None:
        """A connection counts its frames from the beginning."""
        self._seq = -1

    def take(self, frame: dict[str, Any]) -> None:
        """Looks at a frame; the same `seq` again repeats the last one, which is no fault."""
        self.frames[frame["type"]] += 1
        if frame["type"] not in ("ticks", "candles") or frame["seq"] == self._seq:
            return
        self._seq = frame["seq"]
        for tick in frame.get("ticks", []):
            name = f"{tick['venue']}:{tick['symbol']}"
            if tick["time"] < self._times.get(name, ""):
                self.doubled.append(f"{name} went back from {self._times[name]} to {tick['time']}")
            self._times[name] = tick["time"]
        for candle in frame.get("candles", []):
            if candle["closed"]:
                name = f"{candle['venue']}:{candle['symbol']}"
                if self._closed.get((name, candle["time"])) == candle:
                    self.doubled.append(f"{name} closed twice: {candle}")
                self._closed[name, candle["time"]] = candle


class Watcher(threading.Thread):
    """A client that watches the ticks and candles of all series.

    Args:
        url: The WebSocket API's.
        series: Venue and symbol of each.
        interval_ms: How often it wants to hear of them.
    """

    def __init__(self, url: str, series: Sequence[tuple[str, str]], interval_ms: int) -> None:
        super().__init__(daemon=True)
        self.watch = Watch()
        self._url = url
        self._asked: list[dict[str, Any]] = []
        for venue in sorted({venue for venue, _ in series}):
            symbols = [symbol for of, symbol in series if of == venue]
            asked = {"action": "subscribe", "venue": venue, "symbols": symbols, "interval_ms": interval_ms}
            self._asked += [asked | {"channel": "ticks"}, asked | {"channel": "candles", "interval": "1m"}]
        self._stopping = threading.Event()

    def run(self) -> None:
        """Watches until it is stopped, on one connection after the other."""
        while not self._stopping.is_set():
            with suppress(OSError, websockets.WebSocketException), connect(self._url, proxy=None) as socket:
                self.watch.reconnected()
                for asked in self._asked:
                    socket.send(json.dumps(asked))
                while not self._stopping.is_set():
                    with suppress(TimeoutError):
                        self.watch.take(json.loads(socket.recv(timeout=1)))

    def stop(self) -> None:
        """Ends it."""
        self._stopping.set()
        self.join()


class Chaos:
    """Makes things go wrong in a running system, one after another.

    Args:
        run: The system.
        simulator: Its exchanges.
        chance: Decides what comes next; every kind of fault comes before any comes again.
    """

    def __init__(self, run: Run, simulator: str, chance: random.Random) -> None:
        self._cloud = run.cloud
        self._faults = f"{simulator}/admin/faults"
        self._feeds = f"{simulator}/admin/feeds"
        self._chance = chance
        self._deck: list[Callable[[], str]] = []
        self.done = Counter[str]()

    def strike(self) -> str:
        """Lets one thing go wrong.

        Returns:
            What it is.
        """
        if not self._deck:
            self._deck = self._all()
            self._chance.shuffle(self._deck)
        what = self._deck.pop()()
        self.done[what] += 1
        return what

    def pause(self) -> float:
        """How long nothing more goes wrong, in seconds."""
        return self._chance.uniform(*PAUSE_S)

    def end(self) -> None:
        """No exchange does anything wrong any more."""
        httpx.put(self._faults, json=[], trust_env=False).raise_for_status()

    def done_by_exchanges(self) -> dict[str, dict[str, int]]:
        """How often each did what, by venue and kind."""
        feeds = httpx.get(self._feeds, trust_env=False).raise_for_status().json()
        return {venue: counts["faults"] for venue, counts in feeds.items()}

    def _all(self) -> list[Callable[[], str]]:
        """All that can go wrong, each as often as it does in one round."""
        at_exchanges = [partial(self._exchange, venue, fault) for venue, fault in EXCHANGE_FAULTS]
        return [*at_exchanges, *[self._hand_over] * 3, *[self._kill_holder] * 2, *[self._kill_folder] * 3]

    def _exchange(self, venue: str, fault: dict[str, Any]) -> str:
        going_on = httpx.get(self._faults, trust_env=False).raise_for_status().json()
        faults = [*going_on, {"venue": venue, **fault}]
        httpx.put(self._faults, json=faults, trust_env=False).raise_for_status()
        return f"{venue} {fault['kind']}"

    def _hand_over(self) -> str:
        """One more holder, which takes over if the present one ends soon, and else leaves it alone."""
        self._cloud.begin("StreamPrices")
        return "hand-over"

    def _kill_holder(self) -> str:
        return self._kill("StreamPrices") or self._hand_over()

    def _kill_folder(self) -> str:
        """Kills process_ticks at its work: stopped, it finds some there when it goes on."""
        for process in self._cloud.workers("ProcessTicks"):
            os.kill(process, signal.SIGSTOP)
            time.sleep(1)
            os.kill(process, signal.SIGCONT)
            time.sleep(self._chance.uniform(0, 0.05))
        return self._kill("ProcessTicks")

    def _kill(self, function: str) -> str:
        killed = self._cloud.workers(function)
        for process in killed:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return f"{function} killed" if killed else ""


def differences(
    ours: Sequence[Sequence[float]], incomplete: Sequence[int], truth: Sequence[Sequence[float]]
) -> tuple[dict[int, str], int]:
    """What is wrong with a series' candles.

    Args:
        ours: Rows [time, open, high, low, close, volume].
        incomplete: Times of those with a known gap.
        truth: The exchange's rows, alike.

    Returns:
        By time what is wrong there, and how many rows have more volume than the exchange's.
    """
    mine, theirs = {int(row[0]): row for row in ours}, {int(row[0]): row for row in truth}
    wrong = {
        at: f"{mine.get(at)}, not {theirs.get(at)}" for at in sorted(mine | theirs) if mine.get(at) != theirs.get(at)
    }
    doubled = sum(at not in theirs or row[5] > theirs[at][5] for at, row in mine.items())
    return dict.fromkeys(incomplete, "incomplete") | wrong, doubled


class Audit:
    """Holds what the API tells against the exchanges' own.

    Args:
        there: The running system's.
    """

    def __init__(self, there: Endpoints) -> None:
        self._api = httpx.Client(base_url=there.http, trust_env=False, timeout=30)
        self._exchanges = httpx.Client(base_url=there.simulator or "", trust_env=False, timeout=30)
        coins = self._api.get("/coins", params={"limit": 500}).raise_for_status().json()["items"]
        self.series = sorted({(each["venue"], each["symbol"]) for coin in coins for each in coin["symbols"]})

    def prices(self) -> dict[str, dict[str, Any]]:
        """How each venue's prices come in, as /health tells."""
        health: dict[str, Any] = self._api.get("/health").json()
        prices: dict[str, dict[str, Any]] = health["checks"].get("prices", {})
        return prices

    def is_whole(self) -> bool:
        """Whether all venues stream and no gap is known."""
        prices = self.prices().values()
        return bool(prices) and all(venue["mode"] == "stream" and not venue["gaps"] for venue in prices)

    def repaired(self) -> int:
        """Gaps repaired so far."""
        return sum(venue["gaps_repaired"] for venue in self.prices().values())

    def candles(self, start: int, end: int) -> tuple[int, list[str], int]:
        """Compares all minutes of [start, end), Unix ms.

        Returns:
            How many candles there are, what is wrong, and how many have too much volume.
        """
        count, wrong, doubled = 0, [], 0
        span: dict[str, str | int] = {"interval": "1m", "start": start, "end": end}
        for venue, symbol in self.series:
            query = span | {"venue": venue, "limit": 5000, "open": "false"}
            page = self._api.get(f"/candles/{symbol}", params=query).raise_for_status().json()
            answer = self._exchanges.get("/admin/candles", params=span | {"venue": venue, "symbol": symbol})
            truth = [[row[0], *map(float, row[1:6])] for row in answer.raise_for_status().json()["candles"]]
            differing, more = differences(page["candles"], page["incomplete"], truth)
            wrong += [f"{venue}:{symbol} {_clock(at)}: {what}" for at, what in differing.items()]
            doubled += more
            count += len(truth)
        return count, wrong, doubled


def torment(run: Run, assets: str, seconds: float, chance: random.Random, console: Console) -> dict[str, int]:
    """Starts the system, lets things go wrong for some seconds, and tells what came of it.

    Returns:
        The figures, by name.

    Raises:
        ProblemError: The system did not come up, or ended.
    """
    there, _ = run.start("simulated", PARAMETERS | ({"Assets": assets} if assets else {}))
    audit, chaos = Audit(there), Chaos(run, there.simulator or "", chance)
    watchers = [Watcher(there.websocket, audit.series, interval) for interval in WATCHERS_MS]
    repaired = audit.repaired()
    start = _now() // MINUTE_MS * MINUTE_MS + MINUTE_MS  # of the minute of the start the streams know a part only
    for watcher in watchers:
        watcher.start()
    console.print(f"\n{len(audit.series)} series, {len(watchers)} watchers, faults for {seconds:.0f} s")
    try:
        _strike(run, chaos, audit, seconds, console)
        end = await_repairs(run, audit, start, console)
        gaps = sum(venue["gaps"] for venue in audit.prices().values())
        count, wrong, doubled = audit.candles(start, end)
    finally:
        for watcher in watchers:
            watcher.stop()
    seen = [line for watcher in watchers for line in watcher.watch.doubled]
    for line in [*wrong[:SHOWN], *seen[:SHOWN]]:
        console.print(f"✗ {line}")
    console.print(f"the exchanges did: {chaos.done_by_exchanges()}")
    console.print(f"compared {count} candles; the watchers saw {sum((w.watch.frames for w in watchers), Counter())}")
    return {
        "candles_wrong": len(wrong),
        "ticks_doubled": doubled + len(seen),
        "gaps_open": gaps,
        "faults": chaos.done.total(),
        "gaps_repaired": audit.repaired() - repaired,
    }


def _strike(run: Run, chaos: Chaos, audit: Audit, seconds: float, console: Console) -> None:
    began = told = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        run.processes.check()
        console.print(f"{now - began:5.0f} s  {chaos.strike()}")
        if now - told > TELL_EVERY_S:
            told = now
            _tell(audit, console)
        time.sleep(chaos.pause())
    chaos.end()


def await_repairs(run: Run, audit: Audit, start: int, console: Console) -> int:
    """Waits until the last minute with faults is over and nothing is missing or wrong, or patience is over.

    Returns:
        Where the period of the faults ends, Unix ms.
    """
    end = max(_now() // MINUTE_MS * MINUTE_MS, start) + MINUTE_MS
    console.print("no more faults: waiting for the repairs")
    ended = told = whole = time.monotonic()
    asked = 0.0
    while (now := time.monotonic()) < ended + REPAIR_S:
        run.processes.check()
        if now - asked > ASK_EVERY_S:
            asked = now
            run.cloud.begin("IngestPrices")
        if _now() < end + SETTLED_MS or not audit.is_whole() or audit.candles(start, end)[1]:
            whole = now
        if now - whole > QUIET_S:
            break
        if now - told > TELL_EVERY_S:
            told = now
            _tell(audit, console)
        time.sleep(2)
    _tell(audit, console)
    return end


def _tell(audit: Audit, console: Console) -> None:
    venues = (
        f"{name} {each['mode']}, gaps {each['gaps']} open {each['gaps_repaired']} repaired,"
        f" {each['reconnects']} reconnects"
        for name, each in audit.prices().items()
    )
    console.print(f"         {'; '.join(venues)}", style="dim")


def _now() -> int:
    return time.time_ns() // 1_000_000


def _clock(at: int) -> str:
    return time.strftime("%H:%M", time.gmtime(at / 1000))


def main() -> int:
    """Runs `make chaos`."""
    parser = options("chaos", __doc__)
    parser.add_argument("--assets", default="", help="codes to follow, comma-separated; the template's own if empty")
    arguments = parser.parse_args()

    def trial(run: Run, _: Path, console: Console) -> dict[str, int]:
        return torment(run, arguments.assets, arguments.seconds, random.Random(arguments.seed), console)

    return carry_out("chaos", arguments, trial, ("candles_wrong", "ticks_doubled", "gaps_open"))


if __name__ == "__main__":
    sys.exit(main())
