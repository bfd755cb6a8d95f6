"""An analyst's journey: indicators, volatility, correlation; held against what the candles say."""

import csv
import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from math import isclose, log, sqrt
from statistics import correlation, covariance, fmean, stdev, variance

import httpx

from local.journeys.answers import call, expect, get

AT_ONCE = 20
MARGIN_S = 20
"""Two requests, one after the other, take less."""
EVERY = "sma,ema,wma,rsi,macd,bb,atr,adx,stoch,obv,min,max,returns,drawdown,vwap,vwap:20"


def walk(client: httpx.Client) -> Iterator[str]:
    """Yields what was seen, a line a step.

    Raises:
        WrongError: An answer is not what the contract says.
    """
    yield from _compute(client)
    yield from _compare(client)
    yield from _spare(client)
    yield from _ask_wrongly(client)


def _compute(client: httpx.Client) -> Iterator[str]:
    rows = get(client, "/candles/BTC-USD?interval=1h&limit=60&open=false").json()["candles"]
    closes = {row[0]: row[4] for row in rows}
    page = get(client, "/indicators/BTC-USD?interval=1h&indicators=sma:20,max:20,macd&limit=30").json()
    for place, start in enumerate(page["time"]):
        window = [close for at, close in closes.items() if at <= start][-20:]
        said = page["series"]["sma:20"][place], page["series"]["max:20"][place]
        if start in closes and len(window) == 20:
            expect("sma:20", isclose(said[0], fmean(window), rel_tol=1e-9) and said[1] == max(window), (start, said))
    expect("macd", all(len(each) == 30 for each in page["series"]["macd:12:26:9"].values()), page)
    yield f"indicators: 30 hours to the last digit, the last SMA {page['series']['sma:20'][-1]}"
    items = get(client, f"/indicators?symbols=BTC-USD,ETH-USD&indicators={EVERY}").json()["items"]
    for item in items:
        own = get(client, f"/indicators/{item['symbol']}?indicators={EVERY}").json()
        if own["time"][-1:] != [_ms(item["time"])]:
            continue  # a candle has closed in between
        for name, value in item["values"].items():
            last = own["series"][name]
            pairs = [(value[line], last[line][-1]) for line in last] if isinstance(last, dict) else [(value, last[-1])]
            for mine, theirs in pairs:
                near = mine is theirs or isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-9)
                expect(f"newest {name} of {item['symbol']}", near, (mine, theirs))
    yield f"indicators: the newest {len(items[0]['values'])} of {len(items)} symbols are those of their series"
    table = call(client, "GET", "/indicators/BTC-USD?indicators=sma,macd&limit=5", 200, headers={"Accept": "text/csv"})
    head, *lines = csv.reader(io.StringIO(table.text))
    expect("csv", len(head) == 5 and len(lines) == 5, table.text)
    yield f"indicators as CSV: {','.join(head)}"


def _compare(client: httpx.Client) -> Iterator[str]:
    days = {
        symbol: [row[4] for row in get(client, f"/candles/{symbol}?interval=1d&limit=21&open=false").json()["candles"]]
        for symbol in ("BTC-USD", "ETH-USD")
    }
    own, other = ([log(after / before) for before, after in pairwise(closes)] for closes in days.values())
    page = get(client, "/volatility/BTC-USD?window=20&limit=1").json()
    expect("volatility", isclose(page["values"][0], stdev(own) * sqrt(365), rel_tol=1e-9), page)
    yield f"volatility of BTC-USD over 20 days: {page['values'][0]:.4f} a year"
    page = get(client, "/correlation?symbols=BTC-USD,ETH-USD&window=20").json()
    expect("correlation", isclose(page["matrix"][0][1], correlation(own, other), rel_tol=1e-9), page)
    yield f"correlation of BTC-USD and ETH-USD: {page['matrix'][0][1]:.4f} in {page['observations']} days"
    page = get(client, "/beta/ETH-USD?window=20").json()
    expect("beta", isclose(page["beta"], covariance(own, other) / variance(own), rel_tol=1e-9), page)
    yield f"beta of ETH-USD: {page['beta']:.4f}"


def _spare(client: httpx.Client) -> Iterator[str]:
    """A key that nobody asked for before, asked for by many at once; then by one who knows the answer."""
    path = f"/indicators/BTC-USD?interval=1h&indicators=bb:20:{1 + time.time_ns() // 1_000_000 % 8999 / 1000:.3f}"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [*pool.map(lambda _: get(client, path), range(AT_ONCE))]
    statuses = sorted(answer.headers["Cache-Status"] for answer in answers)
    made = sum("fwd=miss" in status for status in statuses)
    # A second time where what was asked for ends meanwhile, each minute, or who makes it seems to have died.
    expect("computed once", 1 <= made <= 2 and len({answer.content for answer in answers}) <= made, statuses)
    yield f"cache: {AT_ONCE} requests at once for one cold key, computed {'once' if made == 1 else 'twice'}"
    if (left := 60 - time.time() % 60) < MARGIN_S:  # what was asked for may end with the minute
        time.sleep(left)
    tag = get(client, path).headers["etag"]
    again = call(client, "GET", path, 304, headers={"If-None-Match": tag})
    expect("304", not again.content and "hit" in again.headers["Cache-Status"], again.headers)
    packed = answers[0].headers
    expect("gzip", packed["content-encoding"] == "gzip" and "Accept-Encoding" in packed["vary"], packed)
    yield f"cache: ETag {tag} spares the second answer; {packed['cache-control']}"


def _ask_wrongly(client: httpx.Client) -> Iterator[str]:
    for path in ("/indicators/BTC-USD?indicators=nope", "/correlation?symbols=BTC-USD", "/volatility/BTC-USD?window=0"):
        problem = call(client, "GET", path, 422).json()["errors"][0]
        yield f"{path}: 422 {problem['field']}: {problem['message'][:60]}"


def _ms(time_: str) -> int:
    return round(datetime.fromisoformat(time_).timestamp() * 1000)
