"""A stranger's journey: from the first look to live ticks."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from local.endpoints import Endpoints
from local.journeys.answers import call, expect, get
from local.journeys.listener import Listener, listening

DAY_MS = 86_400_000
MINUTE_MS = 60_000
REPAIRED_MS = 10 * MINUTE_MS
"""What was missed, at the start too, is there after so long."""
TICK_S = 100
"""Polled prices move once a minute, and travel some seconds."""
LIVE_FRAMES, LIVE_S, LIVE_AGE_S = 5, 60, 5
"""A trader hears so often, in so many seconds at most, of trades that are at most so old."""
CLOSED_MS = 3_000
"""A candle closes at most so long after its minute's end."""


def walk(client: httpx.Client, endpoints: Endpoints, slack: float) -> Iterator[str]:
    """Yields what was seen, a line a step.

    Args:
        client: Asks the API.
        endpoints: Of what runs.
        slack: What is promised to come in time may take so many times as long.

    Raises:
        WrongError: An answer is not what the contract says.
    """
    yield from _look_around(client)
    yield from _read_prices(client)
    yield from _read_candles(client, endpoints.simulator)
    yield from _ask_wrongly(client)
    with listening(endpoints.websocket) as listener:
        yield from _talk(listener)
        yield from _listen(listener)
    if get(client, "/health").json()["mode"] == "stream":
        with listening(endpoints.websocket) as listener:
            yield from _trade(listener, slack)


def _look_around(client: httpx.Client) -> Iterator[str]:
    health = get(client, "/health").json()
    expect("status", health["status"] in ("ok", "degraded"), health)
    expect("mode", health["mode"] in ("poll", "stream"), health)
    venues = health["checks"]["prices"]
    expect("venues", sorted(venues) == ["binance", "coinbase"], health)
    yield f"health: {health['status']}, feeds {health['feeds']}, version {health['version']}"
    told = (f"{name} {venue['mode']}, {venue['gaps']} gaps" for name, venue in venues.items())
    yield f"prices by {health['mode']}: {'; '.join(told)}"
    before = datetime.now(UTC)
    now = get(client, "/time").json()["time"]
    drift = timedelta(seconds=5)
    expect("time", before - drift < datetime.fromisoformat(now) < datetime.now(UTC) + drift, now)
    yield f"time: {now}"
    coins = get(client, "/coins").json()["items"]
    bitcoin = next((coin for coin in coins if coin["asset"] == "BTC"), None)
    expect("coins", bitcoin is not None and {"symbol": "BTC-USD", "venue": "coinbase"} in bitcoin["symbols"], coins)
    yield f"coins: {', '.join(coin['asset'] for coin in coins)}"
    expect("openapi", get(client, "/openapi.json").json()["openapi"].startswith("3.1"), "no OpenAPI 3.1 document")
    expect("docs", "text/html" in get(client, "/docs").headers["content-type"], "no page")
    yield "docs: a page and an OpenAPI 3.1 document"


def _read_prices(client: httpx.Client) -> Iterator[str]:
    items = get(client, "/prices?symbols=ETH-USD,BTC-USD").json()["items"]
    expect("prices", [item["symbol"] for item in items] == ["ETH-USD", "BTC-USD"], items)
    for item in items:
        expect("price", item["price"] > 0 and not item["stale"], item)
    yield "prices: " + ", ".join(f"{item['symbol']} {item['price']}" for item in items)
    one = get(client, "/prices/BTC-USD").json()
    expect("24 h", one["low_24h"] <= one["price"] <= one["high_24h"], one)
    yield f"24 h of BTC-USD: {one['low_24h']} to {one['high_24h']}, {one['change_pct_24h']} %"


def _read_candles(client: httpx.Client, simulator: str | None) -> Iterator[str]:
    for interval, limit in (("1d", 30), ("1h", 48), ("1m", 120), ("4h", 6)):
        path = f"/candles/BTC-USD?interval={interval}&limit={limit}&open=false"
        page = get(client, path).json()
        rows = page["candles"]
        expect(interval, len(rows) == limit and rows == sorted(rows), page)
        for _, opened, high, low, closed, _volume in rows:
            expect(interval, low <= min(opened, closed) <= max(opened, closed) <= high, rows)
        if simulator and interval != "4h":
            _expect_truth(simulator, page)
        yield f"candles: {limit} of {interval}, the last {rows[-1]}" + (
            ", as the exchange has them" if simulator else ""
        )
    end = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS
    path = f"/candles/BTC-USD?interval=1d&start={end - 10 * DAY_MS}&end={end}"
    tag = get(client, path).headers["etag"]
    again = call(client, "GET", path, 304, headers={"If-None-Match": tag})
    expect("ETag", not again.content, again)
    yield f"candles: ETag {tag} spares the second transfer"


def _expect_truth(simulator: str, page: dict[str, Any]) -> None:
    """What is not told to be incomplete must be true; what is young may still be absent."""
    incomplete = page["incomplete"]
    rows = [row for row in page["candles"] if row[0] not in incomplete]
    span = {"start": int(rows[0][0]), "end": int(rows[-1][0]) + 1}
    query = {"venue": "coinbase", "symbol": "BTC-USD", "interval": page["interval"]} | span
    answer = httpx.get(f"{simulator}/admin/candles", params=query, trust_env=False)
    known, old = {row[0] for row in rows}, time.time() * 1000 - REPAIRED_MS
    truth = [[row[0], *map(float, row[1:6])] for row in answer.raise_for_status().json()["candles"]]
    truth = [row for row in truth if row[0] in known or (row[0] < old and row[0] not in incomplete)]
    expect(
        f"{page['interval']} candles",
        rows == truth,
        [(ours, theirs) for ours, theirs in zip(rows, truth, strict=False) if ours != theirs],
    )


def _ask_wrongly(client: httpx.Client) -> Iterator[str]:
    for path, status in (("/prices/NOPE-USD", 404), ("/nowhere", 404), ("/candles/BTC-USD?interval=7m", 422)):
        yield f"{path}: {status} {call(client, 'GET', path, status).json()['title']}"


def _talk(listener: Listener) -> Iterator[str]:
    pong = listener.say("ping")
    expect("ping", pong["type"] == "pong", pong)
    yield f"WebSocket: pong at {pong['time']}"
    listener.send("no JSON")
    error = listener.hear("error")
    expect("no JSON", error["code"] == "bad_request", error)
    error = listener.say("subscribe", channel="ticks", symbols=["NOPE-USD"])
    expect("symbol", (error["code"], error["symbols"]) == ("unknown_symbol", ["NOPE-USD"]), error)
    yield f"WebSocket: {error['message']}"
    told = listener.say("subscribe", channel="candles", symbols=["BTC-USD"], interval="1m")
    expect("candles", (told["type"], told["interval"]) == ("subscribed", "1m"), told)
    snapshot = listener.hear("snapshot")
    expect("candles", snapshot["channel"] == "candles", snapshot)
    yield f"WebSocket: candles {json.dumps(snapshot['candles'])}"
    told = listener.say("unsubscribe", channel="candles", symbols=["BTC-USD"], interval="1m")
    expect("unsubscribe", told["type"] == "unsubscribed", told)


def _listen(listener: Listener) -> Iterator[str]:
    symbols = ["BTC-USD", "ETH-USD"]
    told = listener.say("subscribe", channel="ticks", symbols=symbols)
    expect("ticks", (told["type"], told["symbols"]) == ("subscribed", symbols), told)
    known = {tick["symbol"]: tick["time"] for tick in listener.hear("snapshot")["ticks"]}
    expect("snapshot", sorted(known) == symbols, known)
    began = time.monotonic()
    ticks = listener.hear("ticks", TICK_S)["ticks"]
    for tick in ticks:
        expect("tick", tick["symbol"] in symbols and tick["time"] > known[tick["symbol"]], (tick, known))
    yield f"WebSocket: ticks after {time.monotonic() - began:.0f} s: {json.dumps(ticks)}"


def _trade(listener: Listener, slack: float) -> Iterator[str]:
    symbols = ["BTC-USD", "ETH-USD"]
    told = listener.say("subscribe", channel="ticks", symbols=symbols, interval_ms=250)
    expect("ticks", (told["type"], told["interval_ms"]) == ("subscribed", 250), told)
    began = time.monotonic()
    ages = []
    for _ in range(LIVE_FRAMES):
        ticks = listener.hear("ticks", LIVE_S * slack)["ticks"]
        ages += [time.time() - datetime.fromisoformat(tick["time"]).timestamp() for tick in ticks]
    seconds = time.monotonic() - began
    expect("live ticks", seconds < LIVE_S * slack and max(ages) < LIVE_AGE_S * slack, (seconds, ages))
    yield f"WebSocket: {LIVE_FRAMES} frames of live ticks in {seconds:.1f} s, the oldest {max(ages):.1f} s old"
    listener.say("unsubscribe", channel="ticks", symbols=symbols)
    listener.say("subscribe", channel="candles", symbols=symbols, interval="1m", interval_ms=250)
    start = time.time_ns() // 1_000_000 // MINUTE_MS * MINUTE_MS  # from here on its end is told for certain
    is_closed = False
    while not is_closed:
        candles = listener.hear("candles", TICK_S)["candles"]
        is_closed = any(each["closed"] and each["time"] == start for each in candles)
        late = time.time_ns() // 1_000_000 - start - MINUTE_MS
        expect("a closed candle", late < CLOSED_MS * slack, f"none {late} ms after the end of its minute")
    yield f"WebSocket: the candle of a minute closed {late} ms after its end"
