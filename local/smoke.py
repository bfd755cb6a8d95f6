"""The user's journey against a running system, over HTTP and WebSocket only: `make smoke`, and the end-to-end tests."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from local.endpoints import HOME, Endpoints, read
from local.processes import ProblemError

DAY_MS = 86_400_000
TICK_S = 100
"""Prices move once a minute, and travel some seconds."""


class WrongError(Exception):
    """The system answered something else than it promises."""


def journey(endpoints: Endpoints) -> Iterator[str]:
    """Does what a user does, from first look to live ticks.

    Yields:
        What was seen, a line a step.

    Raises:
        WrongError: An answer is not what the contract says.
    """
    with httpx.Client(base_url=endpoints.http, trust_env=False, timeout=30) as client:
        yield from _look_around(client)
        yield from _read_prices(client)
        yield from _read_candles(client, endpoints.simulator)
        yield from _ask_wrongly(client)
    with connect(endpoints.websocket, proxy=None, open_timeout=30) as socket:
        yield from _talk(socket)
        yield from _listen(socket)


def _look_around(client: httpx.Client) -> Iterator[str]:
    health = _get(client, "/health").json()
    _expect("status", health["status"] in ("ok", "degraded"), health)
    yield f"health: {health['status']}, feeds {health['feeds']}, version {health['version']}"
    now = _get(client, "/time").json()["time"]
    drift = abs((datetime.now(UTC) - datetime.fromisoformat(now)).total_seconds())
    _expect("time", drift < 5, now)
    yield f"time: {now}"
    coins = _get(client, "/coins").json()["items"]
    bitcoin = next((coin for coin in coins if coin["asset"] == "BTC"), None)
    _expect("coins", bitcoin is not None and {"symbol": "BTC-USD", "venue": "coinbase"} in bitcoin["symbols"], coins)
    yield f"coins: {', '.join(coin['asset'] for coin in coins)}"
    _expect("openapi", _get(client, "/openapi.json").json()["openapi"].startswith("3.1"), "no OpenAPI 3.1 document")
    _expect("docs", "text/html" in _get(client, "/docs").headers["content-type"], "no page")
    yield "docs: a page and an OpenAPI 3.1 document"


def _read_prices(client: httpx.Client) -> Iterator[str]:
    items = _get(client, "/prices?symbols=ETH-USD,BTC-USD").json()["items"]
    _expect("prices", [item["symbol"] for item in items] == ["ETH-USD", "BTC-USD"], items)
    for item in items:
        _expect("price", item["price"] > 0 and not item["stale"], item)
    yield "prices: " + ", ".join(f"{item['symbol']} {item['price']}" for item in items)
    one = _get(client, "/prices/BTC-USD").json()
    _expect("24 h", one["low_24h"] <= one["price"] <= one["high_24h"], one)
    yield f"24 h of BTC-USD: {one['low_24h']} to {one['high_24h']}, {one['change_pct_24h']} %"


def _read_candles(client: httpx.Client, simulator: str | None) -> Iterator[str]:
    for interval, limit in (("1d", 30), ("1h", 48), ("1m", 120), ("4h", 6)):
        path = f"/candles/BTC-USD?interval={interval}&limit={limit}&open=false"
        page = _get(client, path).json()
        rows = page["candles"]
        _expect(interval, len(rows) == limit and rows == sorted(rows), page)
        for _, opened, high, low, closed, _volume in rows:
            _expect(interval, low <= min(opened, closed) <= max(opened, closed) <= high, rows)
        if simulator and interval != "4h":
            _expect_truth(simulator, interval, rows)
        yield f"candles: {limit} of {interval}, the last {rows[-1]}" + (
            ", as the exchange has them" if simulator else ""
        )
    end = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
    path = f"/candles/BTC-USD?interval=1d&start={end - 10 * DAY_MS}&end={end}"
    tag = _get(client, path).headers["etag"]
    again = client.get(path, headers={"If-None-Match": tag})
    _expect("ETag", again.status_code == 304 and not again.content, again)
    yield f"candles: ETag {tag} spares the second transfer"


def _expect_truth(simulator: str, interval: str, rows: list[list[float]]) -> None:
    span = {"start": int(rows[0][0]), "end": int(rows[-1][0]) + 1}
    query = {"venue": "coinbase", "symbol": "BTC-USD", "interval": interval} | span
    answer = httpx.get(f"{simulator}/admin/candles", params=query, trust_env=False)
    truth = [[row[0], *map(float, row[1:6])] for row in answer.raise_for_status().json()["candles"]]
    _expect(
        f"{interval} candles",
        rows == truth,
        [(ours, theirs) for ours, theirs in zip(rows, truth, strict=False) if ours != theirs],
    )


def _ask_wrongly(client: httpx.Client) -> Iterator[str]:
    for path, status in (("/prices/NOPE-USD", 404), ("/nowhere", 404), ("/candles/BTC-USD?interval=7m", 422)):
        answer = client.get(path)
        right = answer.status_code == status and answer.headers["content-type"] == "application/problem+json"
        _expect(path, right and answer.json()["status"] == status, f"{answer.status_code} {answer.text}")
        yield f"{path}: {status} {answer.json()['title']}"


def _talk(socket: ClientConnection) -> Iterator[str]:
    pong = _ask(socket, {"action": "ping", "id": 1})
    _expect("ping", pong["type"] == "pong" and pong["id"] == 1, pong)
    yield f"WebSocket: pong at {pong['time']}"
    socket.send("no JSON")
    error = _frame(socket)
    _expect("no JSON", (error["type"], error["code"]) == ("error", "bad_request"), error)
    error = _ask(socket, {"action": "subscribe", "channel": "ticks", "symbols": ["NOPE-USD"]})
    _expect("symbol", (error["code"], error["symbols"]) == ("unknown_symbol", ["NOPE-USD"]), error)
    yield f"WebSocket: {error['message']}"
    told = _ask(
        socket, {"action": "subscribe", "channel": "candles", "symbols": ["BTC-USD"], "interval": "1m", "id": "c"}
    )
    _expect("candles", (told["type"], told["id"], told["interval"]) == ("subscribed", "c", "1m"), told)
    snapshot = _frame(socket)
    _expect("candles", (snapshot["type"], snapshot["channel"]) == ("snapshot", "candles"), snapshot)
    yield f"WebSocket: candles {json.dumps(snapshot['candles'])}"
    told = _ask(socket, {"action": "unsubscribe", "channel": "candles", "symbols": ["BTC-USD"], "interval": "1m"})
    _expect("unsubscribe", told["type"] == "unsubscribed", told)


def _listen(socket: ClientConnection) -> Iterator[str]:
    symbols = ["BTC-USD", "ETH-USD"]
    told = _ask(socket, {"action": "subscribe", "channel": "ticks", "symbols": symbols})
    _expect("ticks", (told["type"], told["symbols"]) == ("subscribed", symbols), told)
    known = {tick["symbol"]: tick["time"] for tick in _frame(socket)["ticks"]}
    _expect("snapshot", sorted(known) == symbols, known)
    began = time.monotonic()
    frame = _frame(socket, TICK_S)
    _expect("ticks", frame["type"] == "ticks" and frame["seq"] == 1, frame)
    for tick in frame["ticks"]:
        _expect("tick", tick["symbol"] in symbols and tick["time"] > known[tick["symbol"]], (tick, known))
    yield f"WebSocket: ticks after {time.monotonic() - began:.0f} s: {json.dumps(frame['ticks'])}"


def _get(client: httpx.Client, path: str) -> httpx.Response:
    answer = client.get(path)
    _expect(path, answer.status_code == 200, f"{answer.status_code} {answer.text}")
    return answer


def _ask(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    socket.send(json.dumps(message))
    return _frame(socket)


def _frame(socket: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    try:
        frame: dict[str, Any] = json.loads(socket.recv(timeout=seconds))
    except TimeoutError:
        raise WrongError(f"WebSocket: no frame in {seconds} s") from None
    return frame


def _expect(what: str, right: bool, seen: object) -> None:
    if not right:
        raise WrongError(f"{what}: {seen}")


def main() -> int:
    """Runs `make smoke`."""
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    seen = 0
    try:
        for line in journey(read(parser.parse_args().home)):
            console.print(f"✓ {line}")
            seen += 1
    except (ProblemError, WrongError) as error:
        console.print(f"✗ {error}")
        return 1
    except (httpx.HTTPError, WebSocketException, LookupError, OSError, ValueError) as error:
        console.print(f"✗ after that: {error!r}")
        return 1
    finally:
        console.print(f"figure smoke.steps {seen}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
