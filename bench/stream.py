"""Live prices: ticks a second per core from a raw frame to the bytes of a stream record, against what others do.

And how long a trade takes to a WebSocket client of the whole system.

All sides run over the same frames in one process and take turns. Ours goes all the way to
the encoded record. cryptofeed's handler goes to Trade objects in a callback, which is less; `cryptofeed, records` goes
on to bytes with its own dictionaries and encoder, as its backends do. It is installed into a folder of its own, some
70 MB, the first time; where that cannot be done, the other side is `json.loads` into pydantic models.
"""

import asyncio
import gc
import gzip
import importlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from itertools import batched
from statistics import median, quantiles
from typing import Any, NamedTuple

from pydantic import BaseModel

from bench import _latency
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.ticks import encode
from cryptopulse.domain.venues import Product
from cryptopulse.feeds.binance_stream import BinanceReader
from cryptopulse.telemetry import COLLECTED
from local.template import ROOT

RECORDINGS = ROOT.parent / "shared" / "data" / "exchange_frames"
KINDS = ('"e":"aggTrade"', '"e":"kline"')
RIVALS = ROOT / ".local" / "rivals"
TURNS = 60
BATCH = 300
"""Trades that fill a record before its 200 ms are over."""
TOGETHER = 300
"""Frames that wait when more come than are read: the collector reads so many at once."""
WATCHED_S = 60
ASKED = {"cryptofeed": 2.0, "pydantic": 5.0}
START = 1_795_348_800_000

type Frame = tuple[str, int]
"""A frame's text, and when it came (Unix ms)."""
type Side = Callable[[Sequence[Frame]], Coroutine[Any, Any, None]]


def recorded_frames() -> list[Frame]:
    """What was recorded of the streams that we subscribe to; or as many of the same shape, of our own making."""
    found = []
    for path in sorted(RECORDINGS.glob("binance_spot_*")):
        with gzip.open(path, "rt") as file:
            entries = [json.loads(line) for line in file]
        ours = [entry for entry in entries if any(kind in entry.get("data", "") for kind in KINDS)]
        found += [(entry["data"], int(entry["ts"] * 1000)) for entry in ours]
    return found or [(_made(number), START + number) for number in range(1500)]


def _made(number: int) -> str:
    symbol = ("BTCUSDT", "ETHUSDT")[number % 2]
    data = {"e": "aggTrade", "E": START + number, "s": symbol, "a": 54605678 + number // 2, "p": "43.53150000"}
    data |= {"q": f"{number + 1}.90000000", "f": 2 * number, "l": 2 * number + 1, "T": START + number, "m": True}
    return json.dumps({"stream": f"{symbol.lower()}@aggTrade", "data": data | {"M": True}}, separators=(",", ":"))


# --- ours ---


def ours(products: Sequence[Product]) -> Side:
    """As the collector does under load: frames, reader, gathering, and a record of each lane."""

    async def side(frames: Sequence[Frame]) -> None:
        gathering = Gathering("binance", 2)
        reader = BinanceReader(products, gathering)
        for some in batched(frames, TOGETHER, strict=False):
            reader.read([frame for frame, _ in some], some[-1][1])
            if gathering.count >= BATCH:
                flush(reader, gathering)
        while gathering.count:
            flush(reader, gathering)
        assert not reader.unreadable

    def flush(reader: BinanceReader, gathering: Gathering) -> None:
        gathering.advance(reader.time)
        for record in gathering.take():
            encode(record)

    return side


# --- others ---


def cryptofeed(products: Sequence[Product]) -> dict[str, Side]:
    """Its Binance feed of trades and candles, with callbacks; empty if it cannot be had here."""
    if not _is_installed():
        return {}
    sys.path.append(str(RIVALS))  # the last: what we have too is ours for both
    binance = importlib.import_module("cryptofeed.exchanges.binance")
    dump = importlib.import_module("cryptofeed._json").dumpb
    symbols = {product.symbol: product.native for product in products}
    info: dict[str, dict[str, str]] = {"instrument_type": {}, "tick_size": {}}
    importlib.import_module("cryptofeed.symbols").Symbols.set("BINANCE", symbols, info)
    told: list[Any] = []

    async def hear(what: Any, at: float) -> None:
        pass

    async def keep(what: Any, at: float) -> None:
        told.append(what.to_dict(numeric_type=str))
        if len(told) == BATCH:
            dump(told)
            told.clear()

    def side(callback: Callable[[Any, float], Coroutine[Any, Any, None]]) -> Side:
        async def handle(frames: Sequence[Frame]) -> None:
            callbacks = {"trades": callback, "candles": callback}
            feed = binance.Binance(symbols=list(symbols), channels=["trades", "candles"], callbacks=callbacks)
            for frame, received in frames:
                await feed.message_handler(frame, None, received)

        return handle

    return {"cryptofeed": side(hear), "cryptofeed, records": side(keep)}


def _is_installed() -> bool:
    """Whether the rivals are there as they are pinned; they are fetched first if they are not."""
    pins = ROOT / "requirements" / "rivals.txt"
    done = RIVALS / pins.name
    if done.exists() and done.read_bytes() == pins.read_bytes():
        return True
    print("installing cryptofeed, once", flush=True)
    shutil.rmtree(RIVALS, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    if subprocess.run([*pip, "--requirement", pins, "--target", RIVALS], check=False).returncode:
        print("cryptofeed cannot be had here")
        return False
    shutil.copy(pins, done)
    return True


class _Trade(BaseModel):
    s: str
    a: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class _Bar(BaseModel):
    t: int
    T: int
    L: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 (Binance's name)
    c: Decimal
    v: Decimal
    x: bool


class _Kline(BaseModel):
    E: int
    s: str
    k: _Bar


async def pydantic(frames: Sequence[Frame]) -> None:
    """`json.loads`, and a model for each kind."""
    for frame, _ in frames:
        data = json.loads(frame)["data"]
        (_Trade if data["e"] == "aggTrade" else _Kline).model_validate(data)


class Measured(NamedTuple):
    """A side's ticks a second in its best turn, and how many times as fast ours was, in the median turn."""

    rate: float
    ratio: float


async def throughput() -> dict[str, Measured]:
    """All sides, turn by turn: a machine that changes its pace changes it for all of a turn."""
    frames = recorded_frames()
    ticks = sum(KINDS[0] in frame for frame, _ in frames)
    natives = sorted({json.loads(frame)["data"]["s"] for frame, _ in frames})
    products = [Product(f"{native[:3]}-{native[3:]}", native, trading=True) for native in natives]
    sides: dict[str, Side] = {"ours": ours(products), "pydantic": pydantic} | cryptofeed(products)
    turns: list[dict[str, float]] = []
    for _ in range(TURNS):
        turns.append({})
        for name, side in sides.items():
            began = time.perf_counter()
            await side(frames)
            turns[-1][name] = time.perf_counter() - began
    return {
        name: Measured(ticks / min(turn[name] for turn in turns), median(turn[name] / turn["ours"] for turn in turns))
        for name in sides
    }


def main() -> int:
    gc.set_threshold(*COLLECTED)  # all sides alike: as every function of ours runs, stream_prices too
    measured = asyncio.run(throughput())
    for name, (rate, ratio) in measured.items():
        print(f"{name}: {rate:,.0f} ticks a second; ours is {ratio:.1f} times as fast")
    other = "cryptofeed" if "cryptofeed" in measured else "pydantic"
    print(f"against {other}, at least {ASKED[other]:g} asked:")
    print(f"figure stream.ticks_ratio {measured[other].ratio:.1f}")
    latency = _latency.measure(WATCHED_S)
    print(f"a client of the whole system on the local cloud, {WATCHED_S} s; a trade")
    print("\n".join(_latency.told(latency)))
    print(f"figure stream.latency_p50_ms {median(latency.received):.0f}")
    print(f"figure stream.latency_p99_ms {quantiles(latency.received, n=100)[98]:.0f}")
    return 0 if measured[other].ratio >= ASKED[other] else 1


if __name__ == "__main__":
    sys.exit(main())
