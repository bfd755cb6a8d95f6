"""Analytics over HTTP: the real handler on a table with history, held against TA-Lib and pandas."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.api import views
from cryptopulse.aws.market import Market
from cryptopulse.domain.candles import DAY, HOUR
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles
from functions.queries import app
from tests.functional.conftest import Filled

TODAY = 1_795_305_600_000
"""2026-11-22T00:00Z."""
NOW = TODAY + 6 * HOUR + 5 * 60_000
DAYS = 400
BTC, ETH, SOL = (Series("coinbase", f"{asset}-USD") for asset in ("BTC", "ETH", "SOL"))
FLAT, YOUNG = Series("coinbase", "USDT-USD"), Series("binance", "NEW-USDT")
SERIES = [BTC, ETH, SOL, FLAT, YOUNG]

type Ask = Callable[..., dict[str, Any]]


def bars(series: Series) -> list[Bar]:
    """Its days; in cents and thousandths."""
    chosen, price, told = Random(str(series)), 5_000_000, []
    count = 10 if series == YOUNG else DAYS
    for number in range(count):
        open_, start = price, TODAY - (count - number) * DAY
        if series == FLAT:
            told.append(Bar(start, 100, 100, 100, 100, 5))
            continue
        price = max(1000, round(price * chosen.uniform(0.94, 1.065)))
        low, high = round(min(open_, price) * 0.99), round(max(open_, price) * 1.01)
        told.append(Bar(start, open_, high, low, price, chosen.randrange(1, 10**6)))
    return told


HISTORY = {series: bars(series) for series in SERIES}


def fill(market: Market) -> None:
    market.save_series(SERIES)
    for series, told in HISTORY.items():
        market.merge(series, "1d", Candles(series.symbol, 2, 3, told[0].start, TODAY, TODAY, told))


@pytest.fixture
def ask(filled: Filled, monkeypatch: pytest.MonkeyPatch, http_event: Callable[..., Any], context: LambdaContext) -> Ask:
    filled(fill)
    monkeypatch.setattr(wiring, "now", lambda: NOW)

    def ask(path: str, query: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        return app.handler(http_event("GET", path, query, **more), context)

    return ask


def body(answer: dict[str, Any]) -> Any:
    assert answer["statusCode"] == 200, answer
    return json.loads(answer["body"], parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def frame(series: Series) -> pd.DataFrame:
    table = pd.DataFrame(HISTORY[series], columns=["time", "open", "high", "low", "close", "volume"]).set_index("time")
    return table / [100, 100, 100, 100, 1000]


def same(told: Sequence[float | None], expected: Any) -> None:
    np.testing.assert_allclose(np.array(told, dtype=float), np.asarray(expected), rtol=1e-9, atol=1e-12)


def refused(answer: dict[str, Any]) -> tuple[int, str]:
    problem = json.loads(answer["body"])
    assert problem["status"] == answer["statusCode"]
    return problem["status"], problem["errors"][0]["field"] if "errors" in problem else ""


EVERY = "sma,ema:9,wma:5,rsi,macd,bb,atr,adx,stoch,obv,min:7,max:7,returns,drawdown,vwap,vwap:10"


def test_indicators_are_talibs_over_the_whole_history(ask: Ask) -> None:
    told = body(ask("/indicators/BTC-USD", {"interval": "1d", "indicators": EVERY, "limit": "50"}))
    whole = frame(BTC)
    high, low, close, volume = (whole[name].to_numpy() for name in whole.columns[1:])
    shown = slice(-50, None)
    assert (told["symbol"], told["venue"], told["interval"]) == ("BTC-USD", "coinbase", "1d")
    assert told["time"] == [*whole.index[shown]]
    assert told["complete"]
    macd = dict(zip(("macd", "signal", "histogram"), talib.MACD(close), strict=True))
    bands = dict(zip(("upper", "middle", "lower"), talib.BBANDS(close, 20, 2, 2), strict=True))
    stochastic = dict(zip(("k", "d"), talib.STOCH(high, low, close, 14, 3, slowd_period=3), strict=True))
    typical = (high + low + close) / 3
    rolling = pd.Series(typical * volume).rolling(10).sum() / pd.Series(volume).rolling(10).sum()
    expected = {
        "sma:20": talib.SMA(close, 20)[shown],
        "ema:9": talib.EMA(close, 9)[shown],
        "wma:5": talib.WMA(close, 5)[shown],
        "rsi:14": talib.RSI(close, 14)[shown],
        "macd:12:26:9": {name: values[shown] for name, values in macd.items()},
        "bb:20:2": {name: values[shown] for name, values in bands.items()},
        "atr:14": talib.ATR(high, low, close, 14)[shown],
        "adx:14": talib.ADX(high, low, close, 14)[shown],
        "stoch:14:3:3": {name: values[shown] for name, values in stochastic.items()},
        "obv": talib.OBV(close[shown], volume[shown]),
        "min:7": talib.MIN(close, 7)[shown],
        "max:7": talib.MAX(close, 7)[shown],
        "returns:1": talib.ROCP(close, 1)[shown],
        "drawdown": 1 - close[shown] / np.maximum.accumulate(close[shown]),
        "vwap": typical[shown],
        "vwap:10": rolling.to_numpy()[shown],
    }
    assert [*told["series"]] == [*expected]
    for name, values in expected.items():
        for part, each in values.items() if isinstance(values, dict) else [(None, values)]:
            same(told["series"][name] if part is None else told["series"][name][part], each)


def test_a_series_begins_with_null_and_never_with_nan(ask: Ask) -> None:
    told = body(ask("/indicators/NEW-USDT", {"interval": "1d", "indicators": "sma:4,sma:500,macd"}))
    assert told["series"]["sma:4"][:3] == [None] * 3
    same(told["series"]["sma:4"][3:], talib.SMA(frame(YOUNG)["close"].to_numpy(), 4)[3:])
    assert told["series"]["sma:500"] == [None] * 10
    assert told["series"]["macd:12:26:9"]["signal"] == [None] * 10
    assert told["complete"]


def test_what_does_not_move_divides_by_nothing(ask: Ask) -> None:
    told = body(ask("/indicators/USDT-USD", {"interval": "1d", "indicators": EVERY, "limit": "1"}))["series"]
    assert (told["rsi:14"], told["atr:14"], told["returns:1"], told["drawdown"]) == ([0], [0], [0], [0])
    matrix = body(ask("/correlation", {"symbols": "BTC-USD,USDT-USD"}))["matrix"]
    assert matrix == [[1, None], [None, None]]
    assert body(ask("/beta/BTC-USD", {"benchmark": "USDT-USD"}))["beta"] is None
    assert body(ask("/volatility/USDT-USD", {"limit": "1"}))["values"] == [0]


def test_pages_of_indicators_join(ask: Ask) -> None:
    query = {"interval": "1d", "indicators": "ema:3,obv", "limit": "15", "start": str(TODAY - 40 * DAY)}
    whole = body(ask("/indicators/BTC-USD", {**query, "limit": "40"}))
    times: list[int] = []
    values: list[float] = []
    while True:
        page = body(ask("/indicators/BTC-USD", query))
        times, values = times + page["time"], values + page["series"]["ema:3"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert times == whole["time"]
    same(values, whole["series"]["ema:3"])


def test_indicators_as_a_table(ask: Ask) -> None:
    query = {"interval": "1d", "indicators": "sma:20,macd", "limit": "3"}
    answer = ask("/indicators/BTC-USD", query, headers={"accept": "text/csv"})
    assert answer["headers"]["Content-Type"] == "text/csv; charset=utf-8"
    assert "Accept" in answer["headers"]["Vary"]
    head, *rows = csv.reader(io.StringIO(answer["body"]))
    assert head == ["time", "sma:20", "macd:12:26:9.macd", "macd:12:26:9.signal", "macd:12:26:9.histogram"]
    told = body(ask("/indicators/BTC-USD", query))
    assert [int(row[0]) for row in rows] == told["time"]
    assert [float(row[1]) for row in rows] == told["series"]["sma:20"]
    assert (answer["headers"]["X-Complete"], "X-Next-Cursor" in answer["headers"]) == ("true", True)
    short = ask("/indicators/NEW-USDT", {**query, "fields": "time,sma:20"}, headers={"accept": "text/csv"})
    assert [row[1] for row in csv.reader(io.StringIO(short["body"]))] == ["sma:20", "", "", ""]


def test_the_newest_values_are_those_of_the_series(ask: Ask) -> None:
    told = body(ask("/indicators", {"symbols": "ETH-USD,BTC-USD,NEW-USDT", "interval": "1d", "indicators": EVERY}))
    assert [item["symbol"] for item in told["items"]] == ["ETH-USD", "BTC-USD", "NEW-USDT"]
    for item in told["items"]:
        assert item["time"] == "2026-11-21T00:00:00.000Z"
        own = body(ask(f"/indicators/{item['symbol']}", {"interval": "1d", "indicators": EVERY}))["series"]
        assert [*item["values"]] == [*own]
        for name, value in item["values"].items():
            parts = value.items() if isinstance(value, dict) else [(None, value)]
            for part, each in parts:
                last = own[name][-1] if part is None else own[name][part][-1]
                is_same = each is last if None in (each, last) else each == pytest.approx(last, rel=1e-9, abs=1e-9)
                assert is_same, (item["symbol"], name, part)


def test_volatility_is_the_deviation_of_log_returns(ask: Ask) -> None:
    told = body(ask("/volatility/BTC-USD", {"window": "20", "limit": "100"}))
    returns = np.log(frame(BTC)["close"]).diff()
    same(told["values"], (returns.rolling(20).std() * np.sqrt(365))[-100:])
    assert (told["estimator"], told["window"], told["periods_per_year"]) == ("close", 20, 365)
    assert len(told["time"]) == 100
    for estimator in ("parkinson", "garman_klass", "rogers_satchell", "yang_zhang"):
        (value,) = body(ask("/volatility/BTC-USD", {"estimator": estimator, "limit": "1"}))["values"]
        assert 0.3 < value < 2


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_correlation_is_that_of_pandas(ask: Ask, method: str) -> None:
    told = body(ask("/correlation", {"symbols": "BTC-USD,ETH-USD,SOL-USD", "method": method, "window": "60"}))
    closes = pd.DataFrame({series: frame(series)["close"] for series in (BTC, ETH, SOL)})
    expected = np.log(closes).diff().tail(60).corr(method).to_numpy()
    np.testing.assert_allclose(np.array(told["matrix"]), expected, rtol=1e-9, atol=1e-12)
    assert (told["observations"], told["complete"], told["venues"]) == (60, True, ["coinbase"] * 3)


def test_a_young_series_has_few_observations(ask: Ask) -> None:
    told = body(ask("/correlation", {"symbols": "BTC-USD,NEW-USDT"}))
    assert (told["observations"], told["complete"]) == (9, False)


def test_beta_is_covariance_by_variance(ask: Ask) -> None:
    told = body(ask("/beta/ETH-USD", {"window": "60"}))
    closes = pd.DataFrame({series: frame(series)["close"] for series in (BTC, ETH)})
    cov = np.log(closes).diff().tail(60).cov()
    assert told["beta"] == pytest.approx(cov.loc[[ETH], [BTC]].iloc[0, 0] / cov.loc[[BTC], [BTC]].iloc[0, 0], rel=1e-9)
    assert (told["observations"], told["benchmark"], told["benchmark_venue"]) == (60, "BTC-USD", "coinbase")


def refusals() -> Iterator[tuple[str, dict[str, str], str]]:
    own = "/indicators/BTC-USD"
    for text in ("sma:0", "sma:-1", "sma:x", "sma:", "nope", "", "sma:2:3", "macd:26:12:9", "bb:20:0", "sma,sma:20"):
        yield own, {"indicators": text}, "indicators"
    yield own, {}, "indicators"
    yield own, {"indicators": "sma", "interval": "2h"}, "interval"
    yield own, {"indicators": "sma", "limit": "5001"}, "limit"
    yield own, {"indicators": "sma", "fields": "nope"}, "fields"
    yield "/indicators", {"indicators": "sma"}, "symbols"
    many = ",".join(f"A{number}-USD" for number in range(101))
    yield "/indicators", {"indicators": "sma", "symbols": many}, "symbols"
    yield "/indicators", {"indicators": "sma", "symbols": "BTC-USD,BTC-USD"}, "symbols"
    for window in ("0", "1", "-3", "501", "x", "2.5", ""):
        yield "/volatility/BTC-USD", {"window": window}, "window"
    yield "/volatility/BTC-USD", {"estimator": "nope"}, "estimator"
    yield "/correlation", {"symbols": "BTC-USD"}, "symbols"
    yield "/correlation", {"symbols": many}, "symbols"
    yield "/correlation", {"symbols": "BTC-USD,ETH-USD,BTC-USD"}, "symbols"
    yield "/correlation", {"symbols": "BTC-USD,ETH-USD", "method": "kendall"}, "method"
    yield "/correlation", {"symbols": "BTC-USD,ETH-USD", "window": "1001"}, "window"
    yield "/beta/BTC-USD", {"window": "1"}, "window"


def test_bad_requests_are_told_what_is_wrong(ask: Ask) -> None:
    for path, query, field in refusals():
        assert refused(ask(path, query)) == (422, field), (path, query)
    for path, query in (
        ("/indicators/NOPE-USD", {"indicators": "sma"}),
        ("/indicators", {"indicators": "sma", "symbols": "BTC-USD,NOPE-USD"}),
        ("/volatility/NOPE-USD", {}),
        ("/correlation", {"symbols": "BTC-USD,NOPE-USD"}),
        ("/beta/NOPE-USD", {}),
        ("/beta/BTC-USD", {"benchmark": "NOPE-USD"}),
        ("/indicators/BTC-USD", {"indicators": "sma", "venue": "binance"}),
    ):
        assert refused(ask(path, query)) == (404, ""), (path, query)
    unknown = json.loads(ask("/indicators/BTC-USD", {"indicators": "nope"})["body"])["errors"][0]["message"]
    assert all(name in unknown for name in ("sma", "macd", "drawdown", "vwap"))


def test_newest_values_take_only_so_much(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    query = {"interval": "1d", "indicators": "sma:11,sma:10", "symbols": "BTC-USD,ETH-USD"}
    monkeypatch.setattr(views, "MOST_ROWS", 20)
    monkeypatch.setattr(views, "MOST_PUSHED", 37)
    assert refused(ask("/indicators", query)) == (422, "indicators")
    monkeypatch.setattr(views, "MOST_PUSHED", 38)
    assert len(body(ask("/indicators", query))["items"]) == 2
    monkeypatch.setattr(views, "MOST_ROWS", 19)
    assert refused(ask("/indicators", {**query, "symbols": "ETH-USD,BTC-USD"})) == (422, "indicators")


def test_a_known_answer_costs_no_computation(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    query = {"interval": "1d", "indicators": "sma:20"}
    first = ask("/indicators/BTC-USD", query)
    assert first["headers"]["Cache-Control"] == f"public, max-age={(TODAY + DAY - NOW) // 1000}"
    monkeypatch.setattr(wiring.histories(), "read", lambda *_: pytest.fail("it is read again"))
    again = ask("/indicators/BTC-USD", query, headers={"if-none-match": first["headers"]["ETag"]})
    assert (again["statusCode"], again["body"]) == (304, "")
    second = ask("/indicators/BTC-USD", query)
    assert (second["body"], second["headers"]["ETag"]) == (first["body"], first["headers"]["ETag"])
    assert (first["headers"]["Cache-Status"], second["headers"]["Cache-Status"]) == (
        "CryptoPulse; fwd=miss",
        "CryptoPulse; hit",
    )
    packed = ask("/indicators/BTC-USD", query, headers={"accept-encoding": "gzip"})
    assert packed["isBase64Encoded"]
    assert packed["headers"]["ETag"] != first["headers"]["ETag"]


def test_a_refusal_is_no_miss(ask: Ask) -> None:
    for path in ("/indicators/NOPE-USD", "/indicators/BTC-USD"):
        for _ in range(2):
            assert "Cache-Status" not in ask(path, {"indicators": "sma" if "NOPE" in path else "nope"})["headers"]


def test_what_lacks_its_past_is_not_promised_for_long(ask: Ask) -> None:
    settled = {"interval": "1d", "indicators": "sma:20", "limit": "3"}
    for start, kept in ((TODAY - 100 * DAY, 86_400), (TODAY - DAYS * DAY, 60), (TODAY - (DAYS - 5) * DAY, 60)):
        answer = ask("/indicators/BTC-USD", {**settled, "start": str(start)})
        assert (body(answer)["complete"], answer["headers"]["Cache-Control"]) == (True, f"public, max-age={kept}")


def test_a_gap_is_told(ask: Ask) -> None:
    hole = [bar for bar in HISTORY[SOL] if bar.start != TODAY - 5 * DAY]
    other = Series("coinbase", "GAP-USD")
    wiring.market().save_series([*SERIES, other])
    for part in (hole[:-4], hole[-4:]):
        end = part[-1].start + DAY
        wiring.market().merge(other, "1d", Candles(other.symbol, 2, 3, part[0].start, end, end, part))
    for indicators in ("sma:3", "obv,drawdown,sma:1"):  # the gap is before what they look at
        told = body(ask("/indicators/GAP-USD", {"interval": "1d", "indicators": indicators, "limit": "2"}))
        assert (len(told["time"]), told["complete"]) == (2, True)
    told = body(ask("/indicators/GAP-USD", {"interval": "1d", "indicators": "sma:5", "limit": "2"}))
    assert not told["complete"]
