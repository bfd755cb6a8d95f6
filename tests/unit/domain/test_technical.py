"""Values of indicators: TA-Lib's on recorded prices, other programs' as their own tests have them, and bad input."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from math import nan
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd
import pytest
import talib

from cryptopulse.domain.candles import DAY, FROM_VENUE, HOUR, MINUTE, Block, Row
from cryptopulse.domain.indicators import parse
from cryptopulse.domain.technical import Floats, Rows, Values, values

DATA: Final = Path(__file__).parents[4] / "shared/data"
RECORDED: Final = DATA / "ohlcv"
GOLDEN: Final = DATA / "indicators"
HISTORIES: Final = sorted(
    path.relative_to(RECORDED).as_posix()
    for pattern in ("daily_*/*.csv", "hourly_*/*.csv", "minute/*", "5min_*/*", "trades_to_candles/*m.csv")
    for path in RECORDED.glob(pattern)
)
LONGEST: Final = 5000
"""Rows taken of each history."""
EVERY: Final = parse("sma,ema,wma,rsi,macd,bb,atr,adx,stoch,obv,min,max,returns,drawdown,vwap,vwap:20")


def lines(found: Values) -> dict[str, Floats]:
    return found if isinstance(found, dict) else {"": found}


def rows(**columns: Sequence[float] | Floats) -> Rows:
    """Hours with these columns; the others are as `close`, or 0."""
    count = len(next(iter(columns.values())))
    filled = (columns.get(name, columns.get("close", [0] * count)) for name in Rows._fields[1:])
    return Rows(np.arange(count) * HOUR, *(np.array(column, np.float64) for column in filled))


def only(text: str, given: Rows, first: int = 0) -> dict[str, Floats]:
    (indicator,) = parse(text)
    return lines(values(indicator, given, first))


# --- recorded prices: what is shown is the same as TA-Lib's over all of the history, wherever it begins ---


def recorded(path: str) -> Rows:
    table = pd.read_csv(RECORDED / path).dropna().head(LONGEST).rename(columns=str.lower)
    starts = pd.to_datetime(table.iloc[:, 0], utc=True).astype("datetime64[ms, UTC]").astype("int64")
    return Rows(starts.to_numpy(), *(table[name].to_numpy(np.float64) for name in Rows._fields[1:]))


def frame(given: Rows) -> pd.DataFrame:
    return pd.DataFrame(given._asdict())


def vwap(given: Rows, window: int | None = None) -> Any:
    table = frame(given)
    table["traded"] = (table.high + table.low + table.close) / 3 * table.volume
    both = table[["traded", "volume"]]
    if window is None:
        sums = both.groupby(table.starts // DAY).cumsum()
    else:
        sums = both.rolling(window).apply(np.sum, raw=True)
    return (sums.traded / sums.volume.where(sums.volume > 0)).to_numpy()


WHOLE: Final[Mapping[str, Callable[[Rows], Any]]] = {
    "sma:2": lambda r: talib.SMA(r.close, 2),
    "sma:50": lambda r: talib.SMA(r.close, 50),
    "ema:2": lambda r: talib.EMA(r.close, 2),
    "ema:20": lambda r: talib.EMA(r.close, 20),
    "ema:100": lambda r: talib.EMA(r.close, 100),
    "wma:20": lambda r: talib.WMA(r.close, 20),
    "rsi:2": lambda r: talib.RSI(r.close, 2),
    "rsi:14": lambda r: talib.RSI(r.close, 14),
    "rsi:50": lambda r: talib.RSI(r.close, 50),
    "macd:12:26:9": lambda r: talib.MACD(r.close, 12, 26, 9),
    "macd:3:7:30": lambda r: talib.MACD(r.close, 3, 7, 30),
    "bb:20:2": lambda r: talib.BBANDS(r.close, 20, 2.0, 2.0),
    "bb:5:0.5": lambda r: talib.BBANDS(r.close, 5, 0.5, 0.5),
    "atr:1": lambda r: talib.ATR(r.high, r.low, r.close, 1),
    "atr:14": lambda r: talib.ATR(r.high, r.low, r.close, 14),
    "adx:2": lambda r: talib.ADX(r.high, r.low, r.close, 2),
    "adx:14": lambda r: talib.ADX(r.high, r.low, r.close, 14),
    "stoch:14:3:3": lambda r: talib.STOCH(r.high, r.low, r.close, 14, 3, slowd_period=3),
    "stoch:5:1:1": lambda r: talib.STOCH(r.high, r.low, r.close, 5, 1, slowd_period=1),
    "min:20": lambda r: talib.MIN(r.close, 20),
    "max:20": lambda r: talib.MAX(r.close, 20),
    "returns:1": lambda r: frame(r).close.pct_change(1).to_numpy(),
    "returns:30": lambda r: talib.ROCP(r.close, 30),
    "vwap": vwap,
    "vwap:20": lambda r: vwap(r, 20),
}
SHOWN: Final[Mapping[str, Callable[[Rows], Any]]] = {
    "obv": lambda r: talib.OBV(r.close, r.volume),
    "drawdown": lambda r: (1 - r.close / frame(r).close.cummax()).to_numpy(),
}
"""These begin with the first row shown."""


def part(given: Rows, start: int, end: int) -> Rows:
    return Rows(*(column[start:end] for column in given))  # type: ignore[arg-type]


@pytest.mark.parametrize("path", HISTORIES)
def test_what_is_shown_is_as_over_the_whole_history(path: str) -> None:
    history = recorded(path)
    interval, count = int(np.diff(history.starts).min()), len(history.starts)
    for indicator in [indicator for name in (*WHOLE, *SHOWN) for indicator in parse(name)]:
        name, memory = str(indicator), indicator.memory(interval)
        whole = np.array(WHOLE[name](history)) if name in WHOLE else None
        for first in sorted({0, 1, 17, memory, memory + 1, memory + 100, count // 2, count - 100} & set(range(count))):
            begin, end = max(0, first - memory), min(count, first + 100)
            found = lines(values(indicator, part(history, begin, end), first - begin))
            expected = SHOWN[name](part(history, first, end)) if whole is None else whole[..., first:end]
            np.testing.assert_allclose(
                np.array([*found.values()]),
                np.atleast_2d(expected),
                rtol=1e-9,
                atol=1e-12 if indicator.name == "stoch" else 0,  # of 100: what rounding leaves of a sum that is 0
                err_msg=f"{name} from {first}",
            )


# --- cases of other programs, each under its own convention ---

golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden cases are not beside this checkout")
PAST: Final = 1000
"""Rows after which no seed is left, to 1e-13 for windows up to 26."""


def read(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text()) if GOLDEN.is_dir() else {"cases": [], "inputs": {}}


def table(name: str) -> dict[str, Floats]:
    """The columns of a spreadsheet by name; NaN where it is empty."""
    with (GOLDEN / "ta_csv" / name).open() as file:
        found = list(csv.DictReader(file))
    return {
        column: np.array([float(row[column] or nan) for row in found])
        for column in found[0]
        if column not in ("Date", "date", "")
    }


def after(count: int, given: Rows) -> Rows:
    """The same rows after so many others at the first close, without volume."""
    price = np.full(count, given.close[0])
    past = (price, price, price, price, np.zeros(count))
    columns = (np.concatenate(each) for each in zip(past, given[1:], strict=True))
    return Rows(np.arange(count + len(given.starts)) * HOUR, *columns)


TULIP: Final = {case["id"]: case for case in read("tulip_cases.json")["cases"]}


def tulip(name: str) -> tuple[Rows, dict[str, Floats]]:
    """The rows of a case, and what is expected of the last of them."""
    case = TULIP[f"tulip-{name}"]
    given = {"close" if column == "real" else column: told for column, told in case["inputs"].items()}
    return rows(**given), {line: np.array(told) for line, told in case["expected"].items()}


def close_to(found: Floats, expected: Floats, within: float) -> None:
    np.testing.assert_allclose(found[-len(expected) :], expected, rtol=0, atol=within)


@golden
@pytest.mark.parametrize(
    ("name", "text", "of_ours"),
    [
        ("untest-sma", "sma:5", {"out": lambda own: own[""]}),
        ("atoz-wma", "wma:5", {"out": lambda own: own[""]}),
        ("untest-rsi", "rsi:5", {"out": lambda own: own[""]}),
        ("untest-bbands", "bb:5:2", {line: itemgetter(line) for line in ("upper", "middle", "lower")}),
        ("extra-stddev", "bb:3:1", {"out": lambda own: own["upper"] - own["middle"]}),
        ("atoz-stoch", "stoch:5:3:3", {"k": itemgetter("k"), "d": itemgetter("d")}),
        ("atoz-willr", "stoch:5:1:1", {"out": lambda own: own["k"] - 100}),
        ("untest-min", "min:5", {"out": lambda own: own[""]}),
        ("untest-max", "max:5", {"out": lambda own: own[""]}),
        ("extra-max", "max:3", {"out": lambda own: own[""]}),
        ("untest-roc", "returns:5", {"out": lambda own: own[""]}),
        ("untest-rocr", "returns:5", {"out": lambda own: own[""] + 1}),
        ("extra-vwma", "vwap:4", {"out": lambda own: own[""]}),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_tulip(name: str, text: str, of_ours: dict[str, Callable[[dict[str, Floats]], Floats]]) -> None:
    given, expected = tulip(name)
    for line, ours in of_ours.items():
        close_to(ours(only(text, given)), expected[line], 0.001)


@golden
def test_tulip_seeds_an_ema_with_the_first_price() -> None:
    # as if that price had been there for ever
    given, expected = tulip("untest-ema")
    close_to(only("ema:5", after(PAST, given))[""], expected["out"], 0.001)
    given, expected = tulip("untest-macd")
    found = only("macd:2:5:9", after(PAST, given))
    close_to(found["macd"], expected["macd"], 0.001)
    # its signal begins at the first of these: what it differs by at first is forgotten
    forgets(found["signal"][-11:] - expected["signal"], 1 - 2 / 10, 0.002)
    close_to(expected["macd"] - expected["signal"], expected["histogram"], 0.0011)


@golden
def test_tulip_has_a_true_range_of_the_first_row_too() -> None:
    # as if the row before had closed within it
    given, expected = tulip("untest-atr")
    close_to(only("atr:5", after(1, given))[""], expected["out"], 0.001)
    close_to(100 * only("atr:5", after(1, given))[""][1:] / given.close, tulip("untest-natr")[1]["out"], 0.001)
    given, expected = tulip("atoz-tr")
    close_to(only("atr:1", after(1, given))[""], expected["out"], 0.001)


@golden
@pytest.mark.parametrize(("name", "window"), [("atoz-adx", 14), ("untest-adx", 5)])
def test_tulip_begins_an_adx_a_row_earlier(name: str, window: int) -> None:
    # The file has what is expected in the place of the closes, which do not matter: the true range cancels.
    case = TULIP[f"tulip-{name}"]["inputs"]
    middle = [(high + low) / 2 for high, low in zip(case["high"], case["low"], strict=True)]
    found = only(f"adx:{window}", rows(high=case["high"], low=case["low"], close=middle))[""]
    forgets((found[-len(case["close"]) :] - case["close"])[1:], 1 - 1 / window, 0.0011)


def forgets(differences: Floats, factor: float, within: float) -> None:
    """Each difference is the one before times the factor: they come from the seed alone."""
    np.testing.assert_allclose(differences[1:], factor * differences[:-1], rtol=0, atol=within)


@golden
def test_tulip_counts_volume_from_the_second_row() -> None:
    given, expected = tulip("untest-obv")
    close_to(only("obv", given)[""] - given.volume[0], expected["out"], 0.001)


TALIPP: Final = read("talipp_cases.json")


def talipp(name: str) -> dict[str, Floats]:
    """What is expected of the last three rows."""
    (case,) = (case for case in TALIPP["cases"] if case["id"] == f"talipp-{name}")
    return {line: np.array(list(told.values())) for line, told in case["expected_at_index"].items()}


@golden
@pytest.mark.parametrize(
    ("name", "text", "of_ours"),
    [
        ("SMA", "sma:20", {"value": lambda own: own[""]}),
        ("ATR", "atr:5", {"value": lambda own: own[""]}),  # another seed, 45 rows before
        ("BB", "bb:5:2", {"ub": itemgetter("upper"), "cb": itemgetter("middle"), "lb": itemgetter("lower")}),
        ("OBV", "obv", {"value": lambda own: own[""]}),
        ("ROC", "returns:20", {"value": lambda own: 100 * own[""]}),
        ("Williams", "stoch:14:1:1", {"value": lambda own: own["k"] - 100}),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_talipp(name: str, text: str, of_ours: dict[str, Callable[[dict[str, Floats]], Floats]]) -> None:
    given = rows(**TALIPP["inputs"]["ohlcv"])
    for line, ours in of_ours.items():
        close_to(ours(only(text, given)), talipp(name)[line], 1e-5)


@golden
def test_talipp_weighs_closes_by_volume_where_we_weigh_typical_prices() -> None:
    given = TALIPP["inputs"]["ohlcv"]
    close_to(only("vwap:20", rows(close=given["close"], volume=given["volume"]))[""], talipp("VWMA")["value"], 1e-5)


@golden
def test_talipp_seeds_the_fast_average_of_a_macd_earlier() -> None:
    # TA-Lib begins both where the slow one can: see what `ema` gives, which talipp seeds as we do.
    given, expected = rows(**TALIPP["inputs"]["ohlcv"]), talipp("MACD")
    macd = (only("ema:12", given)[""] - only("ema:26", given)[""])[25:]
    signal = only("ema:9", rows(close=macd))[""]
    for line, theirs in (("macd", macd), ("signal", signal), ("histogram", macd - signal)):
        close_to(theirs, expected[line], 1e-5)
    forgets(only("macd", given)["macd"][33:] - macd[8:], 1 - 2 / 13, 1e-12)


@golden
def test_stockcharts_rsi() -> None:
    published = json.loads((GOLDEN / "rsi_stockcharts_published.json").read_text())
    found = only("rsi:14", rows(close=published["close"]))[""]
    close_to(found, published["rsi_from_standard_wilder"], 5e-5)
    close_to(found / (100 - found), published["published_rs"], 0.0051)


@golden
@pytest.mark.parametrize(
    ("file", "text", "column"),
    [
        # These seed with the first price, or with no gain and no loss: as after a long time at that price.
        ("cs-ppo.csv", "ema:12", "12 day EMA"),
        ("cs-ppo.csv", "ema:26", "26 day EMA"),
        ("cs-kc.csv", "ema:20", "middle_band"),
        ("cs-rsi.csv", "rsi:14", "RSI"),
        # These have a true range of the first row too: as if the row before had closed within it.
        ("cs-kc.csv", "atr:10", "atr"),
        ("cs-atr.csv", "atr:14", "ATR"),
        # These are as ours are.
        ("cs-wma.csv", "wma:9", "WMA"),
        ("cs-roc.csv", "returns:12", "ROC"),
        ("cs-obv.csv", "obv", "OBV"),
    ],
)
def test_spreadsheets(file: str, text: str, column: str) -> None:
    told = table(file)
    given = rows(**{name.lower(): told[name] for name in ("High", "Low", "Close", "Volume") if name in told})
    before = {"ema": PAST, "rsi": PAST, "atr": 1}.get(text.partition(":")[0], 0)
    found = only(text, after(before, given))[""][before:]
    both = ~np.isnan(found) & ~np.isnan(told[column])
    assert both.sum() >= 8
    close_to(100 * found[both] if column == "ROC" else found[both], told[column][both], 1e-4)


# --- values by hand, and input that is bad or little ---


def test_vwap_by_hand() -> None:
    hours = [0, 6, 12, 18, 24, 36, 54]  # of three days
    given = rows(high=[6] * 7, low=[0] * 7, close=[3, 6, 9, 12, 3, 6, 9], volume=[0, 1, 3, 0, 0, 2, 0])
    given = given._replace(starts=np.array(hours) * HOUR)
    assert only("vwap", given, 1)[""].tolist() == pytest.approx([4, 4.75, 4.75, nan, 4, nan], nan_ok=True)
    assert only("vwap:2", given)[""].tolist() == pytest.approx([nan, 4, 4.75, 5, nan, 4, 4], nan_ok=True)


def test_vwap_after_a_row_that_outweighs_all() -> None:
    given = rows(high=[3.0] * 60, low=[3.0] * 60, close=[3.0] * 60, volume=[1e300, 1e18, *[1e-8] * 30, *[0.0] * 28])
    found = only("vwap:20", given)[""]
    np.testing.assert_allclose(found[19:51], 3, rtol=1e-15)
    assert np.isnan(found[51:]).all()


def test_what_never_forgets_begins_with_the_first_row_shown() -> None:
    given = rows(close=[50, 4, 5, 4, 3, 6, 6], volume=[9, 1, 2, 3, 4, 5, 6])
    assert only("obv", given, 1)[""].tolist() == [1, 3, 0, -4, 1, 1]
    assert only("drawdown", given, 1)[""].tolist() == pytest.approx([0, 0, 0.2, 0.4, 0, 0])
    assert only("returns:2", given, 2)[""].tolist() == pytest.approx([-0.9, 0, -0.4, 0.5, 1])


def test_rows_have_the_digits_of_the_venue_and_a_trade() -> None:
    told = [
        Row(0, 11, 14, 10, 13, 123_456_789, FROM_VENUE, 0, complete=True),
        Row(MINUTE, 0, 0, 0, 0, 0, FROM_VENUE, 0, complete=True),
        Row(2 * MINUTE, 7, 10**20, 7, 7, 3 * 10**25, FROM_VENUE, 0, complete=True),
    ]
    found = Rows.of(Block.of(1, 8, told))
    shown = Block.of(1, 8, told).shown()
    assert list(zip(*(list(column) for column in found), strict=True)) == shown
    assert Rows.of(Block.of(1, 8, told[:1])).close.tolist() == [1.3]
    assert len(Rows.of(Block.of(1, 8, [])).starts) == 0


def test_a_price_that_stands_still() -> None:
    """Nothing is divided by 0: RSI, ADX and the stochastic are 0, as TA-Lib has it."""
    given = rows(close=[0.1] * 600, volume=[1] * 600)
    found = {str(indicator): values(indicator, given, 500) for indicator in EVERY}
    last = {name: {line: column[-1] for line, column in lines(each).items()} for name, each in found.items()}
    still = ("sma:20", "ema:20", "wma:20", "min:20", "max:20", "vwap", "vwap:20")
    zero = ("rsi:14", "adx:14", "atr:14", "returns:1", "drawdown")
    assert last == {
        **{name: {"": pytest.approx(0.1)} for name in still},
        **{name: {"": 0} for name in zero},
        "obv": {"": 1},
        "macd:12:26:9": dict.fromkeys(("macd", "signal", "histogram"), pytest.approx(0, abs=1e-15)),
        "bb:20:2": dict.fromkeys(("upper", "middle", "lower"), pytest.approx(0.1)),
        "stoch:14:3:3": {"k": 0, "d": 0},
    }


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_history_shorter_than_the_window_has_no_values(count: int) -> None:
    given = rows(close=[5.0, 6.0][:count], volume=[0.0] * count)
    at_once = {"obv", "drawdown"}
    for indicator in EVERY:
        for column in lines(values(indicator, given, 0)).values():
            assert len(column) == count
            if indicator.name not in at_once and str(indicator) != "returns:1":
                assert np.isnan(column).all()
    assert not np.isnan(only("obv", given)[""]).any()


@pytest.mark.parametrize("size", [1e-12, 1e-4, 1e9])
def test_prices_of_every_size_have_values(size: float) -> None:
    """Nothing is taken for 0 that is only small; in JSON there is a number or null."""
    close = np.exp(np.random.default_rng(5).normal(0, 0.01, 600).cumsum())
    ours, theirs = (rows(high=at * 1.01, low=at * 0.99, close=at, volume=[1] * 600) for at in (close, size * close))
    sized = ("sma", "ema", "wma", "macd", "bb", "atr", "min", "max", "vwap")
    for indicator in EVERY:
        expected = lines(values(indicator, ours, 0))
        for line, column in lines(values(indicator, theirs, 0)).items():
            scale = size if indicator.name in sized else 1
            np.testing.assert_allclose(column, scale * expected[line], rtol=1e-7, err_msg=str(indicator))
            told = msgspec.json.decode(msgspec.json.encode(column.tolist()))
            assert [number is None for number in told] == np.isnan(column).tolist()


def test_importing_it_leaves_pandas_and_polars_alone() -> None:
    code = """
import sys
import cryptopulse.domain.indicators
assert "numpy" not in sys.modules
import cryptopulse.domain.technical
assert not {"pandas", "polars"} & set(sys.modules)
"""
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "layers/core"}, cwd=root)
