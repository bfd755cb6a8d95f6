"""Quotes: which series lead from an asset to a currency, and what their closes make of a time."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.candles import DAY, FROM_VENUE, HOUR, MINUTE, Block, Row
from cryptopulse.domain.prices import Last
from cryptopulse.domain.quotes import Closes, History, Leg, Path, Quote, Quotes, path, product, references
from cryptopulse.domain.series import Series

FOLLOWED = [
    Series.parse(name)
    for name in (
        "binance:BTC-USD",
        "coinbase:BTC-USD",
        "binance:BTC-USDT",
        "coinbase:ETH-USD",
        "coinbase:ETH-USDT",
        "binance:ETH-USDT",
        "coinbase:ETH-EUR",
        "binance:SOL-USDT",
        "coinbase:OLD-USD",
        "binance:NEW-BTC",
        "coinbase:USDT-USD",
        "coinbase:USDT-EUR",
        "coinbase:USDT-GBP",
    )
]
DAY_0 = 1_735_689_600_000
"""2025-01-01."""


def route(asset: str, base: str, followed: list[Series] = FOLLOWED) -> str | None:
    """The path as a formula."""
    found = path(asset, base, references(followed))
    return None if found is None else " ".join(f"{'÷' if leg.is_inverted else '×'} {leg.series}" for leg in found)


def block(step: int, closes: dict[int, int], scale: int = 2) -> Closes:
    """Rows of any shape; a close of 0 is an empty row."""
    rows = [
        Row(
            start, close and close + 1, close and close + 2, close and close - 1, close, 7, FROM_VENUE, 0, complete=True
        )
        for start, close in sorted(closes.items())
    ]
    return Closes.of(Block.of(scale, 3, rows))


def history(
    minutes: dict[int, int] | None = None,
    hours: dict[int, int] | None = None,
    days: dict[int, int] | None = None,
    *,
    scale: int = 2,
    now: int = DAY_0 + 1000 * DAY,
    until: int | None = None,
    live: Last | None = None,
) -> History:
    made = History(now, now if until is None else until, live)
    for step, closes in ((MINUTE, minutes), (HOUR, hours), (DAY, days)):
        made.add(step, block(step, closes or {}, scale))
    return made


def worth(close: int, time: int) -> Quote:
    """A close at the scale that rows have here unless another is said."""
    return Quote(Decimal(close) / 100, time)


@pytest.mark.parametrize(
    ("asset", "base", "formula"),
    [
        ("USD", "USD", ""),
        ("USDT", "USDT", ""),
        ("NOPE", "NOPE", ""),
        ("BTC", "USD", "× coinbase:BTC-USD"),
        ("ETH", "EUR", "× coinbase:ETH-EUR"),
        ("ETH", "USDT", "× binance:ETH-USDT"),
        ("SOL", "USDT", "× binance:SOL-USDT"),
        ("SOL", "USD", "× binance:SOL-USDT × coinbase:USDT-USD"),
        ("SOL", "EUR", "× binance:SOL-USDT × coinbase:USDT-EUR"),
        ("BTC", "GBP", "× binance:BTC-USDT × coinbase:USDT-GBP"),
        ("ETH", "BTC", "× binance:ETH-USDT ÷ binance:BTC-USDT"),
        ("USDT", "BTC", "÷ binance:BTC-USDT"),
        ("NEW", "BTC", "× binance:NEW-BTC"),
        ("NEW", "USD", "× binance:NEW-BTC × binance:BTC-USDT × coinbase:USDT-USD"),
        ("OLD", "USDT", "× coinbase:OLD-USD ÷ coinbase:USDT-USD"),
        ("OLD", "EUR", "× coinbase:OLD-USD ÷ coinbase:USDT-USD × coinbase:USDT-EUR"),
        ("OLD", "BTC", "× coinbase:OLD-USD ÷ coinbase:USDT-USD ÷ binance:BTC-USDT"),
        ("USDT", "GBP", "× coinbase:USDT-GBP"),
        ("USD", "USDT", "÷ coinbase:USDT-USD"),
        ("USD", "EUR", "÷ coinbase:USDT-USD × coinbase:USDT-EUR"),
        ("USD", "BTC", "÷ coinbase:BTC-USD"),
        ("EUR", "BTC", "÷ coinbase:USDT-EUR ÷ binance:BTC-USDT"),
        ("NOPE", "USD", None),
        ("JPY", "USD", None),
    ],
)
def test_the_way_from_an_asset_to_a_currency(asset: str, base: str, formula: str | None) -> None:
    assert route(asset, base) == formula


def test_without_bitcoin_in_tether_dollars_lead_to_it() -> None:
    followed = [Series("coinbase", symbol) for symbol in ("BTC-USD", "ETH-USD", "USDT-USD")]
    assert route("ETH", "BTC", followed) == "× coinbase:ETH-USD ÷ coinbase:BTC-USD"
    assert route("USDT", "BTC", followed) == "× coinbase:USDT-USD ÷ coinbase:BTC-USD"
    assert route("ETH", "EUR", followed) is None


def test_a_close_of_the_minute_else_hour_else_day_holds_a_time() -> None:
    known = history(
        minutes={DAY_0: 101, DAY_0 + MINUTE: 0}, hours={DAY_0: 102, DAY_0 + HOUR: 0}, days={DAY_0: 103, DAY_0 + DAY: 0}
    )
    for time, last in (
        (DAY_0, worth(101, DAY_0 + MINUTE)),
        (DAY_0 + MINUTE - 1, worth(101, DAY_0 + MINUTE)),
        (DAY_0 + MINUTE, worth(102, DAY_0 + HOUR)),
        (DAY_0 + HOUR - 1, worth(102, DAY_0 + HOUR)),
        (DAY_0 + HOUR, worth(103, DAY_0 + DAY)),
        (DAY_0 + DAY, None),
        (DAY_0 - 1, None),
    ):
        assert known.at(time) == last, time - DAY_0


def test_the_last_price_speaks_for_the_last_two_minutes_and_what_is_ahead() -> None:
    now, live = DAY_0 + 90_000, Quote(Decimal("0.999"), DAY_0 + 80_000)
    known = history(minutes={DAY_0 - MINUTE: 100, DAY_0: 101}, days={DAY_0: 102}, now=now, live=Last(999, 3, live.time))
    for time, last in (
        (now - 2 * MINUTE - 1, worth(100, DAY_0)),
        (now - 2 * MINUTE, live),
        (now, live),
        (now + 5 * MINUTE, live),
    ):
        assert known.at(time) == last, time - now
    without = history(minutes={DAY_0: 101, DAY_0 + MINUTE: 102}, now=now, until=now - 1)
    assert without.at(now + DAY) == worth(102, now - 1)


def test_the_last_close_that_has_ended() -> None:
    known = history(
        minutes={DAY_0 + 26 * HOUR: 103},
        hours={DAY_0 + 24 * HOUR: 102},
        days={DAY_0 - DAY: 100, DAY_0: 101, DAY_0 + DAY: 0},
    )
    for before, last in (
        (DAY_0 - 1, None),
        (DAY_0, worth(100, DAY_0)),
        (DAY_0 + DAY - 1, worth(100, DAY_0)),
        (DAY_0 + DAY, worth(101, DAY_0 + DAY)),
        (DAY_0 + 25 * HOUR, worth(102, DAY_0 + 25 * HOUR)),
        (DAY_0 + 26 * HOUR + MINUTE, worth(103, DAY_0 + 26 * HOUR + MINUTE)),
        (DAY_0 + 900 * DAY, worth(103, DAY_0 + 26 * HOUR + MINUTE)),
    ):
        assert known.last(before) == last, before - DAY_0


def test_what_is_open_ends_where_trades_are_known_to() -> None:
    until, now = DAY_0 + 5 * HOUR + 1000, DAY_0 + 5 * HOUR + 3000
    known = history(hours={DAY_0 + 4 * HOUR: 101, DAY_0 + 5 * HOUR: 102}, days={DAY_0: 102}, now=now, until=until)
    assert known.last(until - 1) == worth(101, DAY_0 + 5 * HOUR)
    assert known.last(until) == known.last(now) == known.last(DAY_0 + DAY) == worth(102, until)


def test_the_last_price_is_the_newest_once_it_was_there() -> None:
    days, moment = {DAY_0: 101}, DAY_0 + DAY + 1
    known, live = history(days=days, now=moment + 1, live=Last(999, 2, moment)), worth(999, moment)
    assert known.last(DAY_0 + DAY) == worth(101, DAY_0 + DAY)
    assert known.last(moment) == known.last(DAY_0 + 9 * DAY) == live
    assert history(days=days, now=DAY_0 + 99 * HOUR, live=Last(999, 2, moment)).last(DAY_0 + 50 * HOUR) == live
    traded = Last(999, 2, DAY_0 + DAY - 1)
    near, far = (history(days=days, now=now, live=traded) for now in (moment + MINUTE, moment + HOUR))
    assert near.last(DAY_0 + DAY) == worth(999, DAY_0 + DAY - 1)
    assert far.last(DAY_0 + DAY) == worth(101, DAY_0 + DAY)


def test_only_the_rows_asked_for_are_taken() -> None:
    known = History(DAY_0 + 9 * DAY, DAY_0 + 9 * DAY)
    known.add(HOUR, block(HOUR, {DAY_0: 1, DAY_0 + HOUR: 2, DAY_0 + 3 * HOUR: 3}), [DAY_0 + HOUR, DAY_0 + 2 * HOUR])
    assert [known.at(DAY_0 + hour * HOUR) for hour in range(4)] == [None, worth(2, DAY_0 + 2 * HOUR), None, None]
    known.add(HOUR, block(HOUR, {DAY_0 + 5 * HOUR: 4}))
    assert known.last(DAY_0 + DAY) == worth(4, DAY_0 + 6 * HOUR)


def test_rows_may_come_in_any_order() -> None:
    history = History(10 * DAY, 10 * DAY)
    for start, close in ((2, 30), (0, 10), (1, 20)):
        history.add(DAY, Closes(0, [start * DAY], [close]))
    assert [history.last(day * DAY) for day in (1, 2, 3)] == [Quote(Decimal(day * 10), day * DAY) for day in (1, 2, 3)]


def test_larger_intervals_close_with_the_last_below_them() -> None:
    known = history(hours={DAY_0 - HOUR: 1, DAY_0 + HOUR: 2, DAY_0 + 2 * HOUR: 3, DAY_0 + 30 * HOUR: 4})
    known.fold(HOUR, DAY, DAY_0)
    assert known.at(DAY_0 - 2 * HOUR) is None
    assert known.at(DAY_0 + 9 * HOUR) == worth(3, DAY_0 + DAY)
    assert known.last(DAY_0 + 2 * DAY) == worth(4, DAY_0 + 2 * DAY)


def test_closes_too_wide_for_machine_integers_are_kept() -> None:
    known = history(days={DAY_0: 10**25 + 1}, scale=18)
    assert known.at(DAY_0) == Quote(Decimal("10000000.000000000000000001"), DAY_0 + DAY)


def priced(quotes: Quotes, asset: str, time: int) -> Decimal | None:
    quote = quotes.quote(asset, time)
    return None if quote is None else quote.price


SOL, EUR, USD = (Series.parse(name) for name in ("binance:SOL-USDT", "coinbase:USDT-EUR", "coinbase:USDT-USD"))
PATHS: dict[str, Path | None] = {
    "SOL": (Leg(SOL), Leg(EUR)),
    "USDT": (Leg(EUR),),
    "USD": (Leg(USD, is_inverted=True), Leg(EUR)),
    "EUR": (),
    "NOPE": None,
}


def test_each_leg_has_the_finest_close_it_knows_and_the_older_time_holds() -> None:
    quotes = Quotes(
        PATHS,
        {
            SOL: history(minutes={DAY_0: 15_050}, days={DAY_0: 15_100}),
            EUR: history(hours={DAY_0: 85_000_000}, days={DAY_0: 86_000_000}, scale=8),
            USD: history(days={DAY_0: 9_990}, scale=4),
        },
    )
    assert quotes.quote("SOL", DAY_0) == Quote(Decimal("127.925"), DAY_0 + MINUTE)
    assert priced(quotes, "SOL", DAY_0 + MINUTE) == Decimal("128.35")
    assert quotes.quote("SOL", DAY_0 + HOUR) == Quote(Decimal("129.86"), DAY_0 + DAY)
    assert quotes.quote("USDT", DAY_0) == Quote(Decimal("0.85"), DAY_0 + HOUR)
    assert quotes.quote("USD", DAY_0) == Quote(Decimal("0.850850850850850851"), DAY_0 + HOUR)
    assert quotes.last("USD", DAY_0 + DAY) == Quote(Decimal("0.860860860860860861"), DAY_0 + DAY)
    assert quotes.last("SOL", DAY_0 + DAY) == Quote(Decimal("129.86"), DAY_0 + DAY)
    assert quotes.last("SOL", DAY_0 + MINUTE) is None  # SOL's minute is over, the hour of USDT in euros is not
    assert quotes.last("SOL", DAY_0 + HOUR) == Quote(Decimal("127.925"), DAY_0 + MINUTE)
    assert quotes.last("USDT", DAY_0 + HOUR) == Quote(Decimal("0.85"), DAY_0 + HOUR)
    assert priced(quotes, "EUR", DAY_0) == 1
    assert quotes.quote("EUR", DAY_0) == quotes.last("EUR", DAY_0) == Quote(Decimal(1), DAY_0)
    for asset in ("NOPE", "never heard of"):
        assert priced(quotes, asset, DAY_0) is None
        assert quotes.last(asset, DAY_0) is None


def test_without_one_leg_there_is_no_price() -> None:
    quotes = Quotes(PATHS, {SOL: history(minutes={DAY_0: 15_050}), EUR: history(days={DAY_0 - DAY: 1}), USD: history()})
    assert priced(quotes, "SOL", DAY_0) is priced(quotes, "USD", DAY_0 - DAY) is None
    assert priced(quotes, "USDT", DAY_0 - DAY) == Decimal("0.01")


def test_a_price_keeps_18_decimals_and_one_below_is_none() -> None:
    quotes = Quotes(
        PATHS,
        {
            SOL: history(days={DAY_0: 1, DAY_0 + DAY: 2}, scale=18),
            EUR: history(days={DAY_0: 4, DAY_0 + DAY: 9}, scale=1),
            USD: history(),
        },
    )
    assert priced(quotes, "SOL", DAY_0) is None  # 0.4 of the last digit
    assert quotes.quote("SOL", DAY_0 + DAY) == Quote(Decimal("2E-18"), DAY_0 + 2 * DAY)


def test_last_prices_make_a_price_too() -> None:
    sol, usd = Last(15_050, 2, DAY_0 + 5), Last(9_990, 4, DAY_0)
    assert product([(sol, False), (usd, False)], DAY_0 + 9) == Quote(Decimal("150.3495"), DAY_0)
    assert product([(usd, True)], DAY_0 + 9) == Quote(Decimal("1.001001001001001001"), DAY_0)
    assert product([(sol, False), (None, True)], DAY_0) is None
    assert product([], DAY_0 + 9) == Quote(Decimal(1), DAY_0 + 9)


def test_prices_have_no_zeros_at_their_end() -> None:
    quotes = Quotes(PATHS, {SOL: history(), EUR: history(days={DAY_0: 8_500}, scale=4), USD: history()})
    assert str(priced(quotes, "USDT", DAY_0)) == "0.85"


def test_there_and_back_is_one() -> None:
    paths: dict[str, Path | None] = {"USD": (Leg(USD, is_inverted=True),)}
    back: dict[str, Path | None] = {"USDT": (Leg(USD),)}
    histories = {USD: history(days={DAY_0: 9_993}, scale=4)}
    there, home = priced(Quotes(paths, histories), "USD", DAY_0), priced(Quotes(back, histories), "USDT", DAY_0)
    assert there is not None
    assert home is not None
    assert abs(there * home - 1) < Decimal("1E-17")


CLOSES = st.dictionaries(st.integers(0, 80), st.integers(0, 10**6), max_size=12)


@given(minutes=CLOSES, hours=CLOSES, days=CLOSES, time=st.integers(0, 3 * DAY))
def test_any_history_answers_as_a_search_of_its_rows_does(
    minutes: dict[int, int], hours: dict[int, int], days: dict[int, int], time: int
) -> None:
    rows = [
        (step, DAY_0 + place * step, close)
        for step, closes in ((MINUTE, minutes), (HOUR, hours), (DAY, days))
        for place, close in closes.items()
        if close
    ]
    known = history(*({start: close for step, start, close in rows if step == each} for each in (MINUTE, HOUR, DAY)))
    moment = DAY_0 + time
    holding = [(step, start, close) for step, start, close in rows if start <= moment < start + step]
    finest = min(holding, default=None)
    assert known.at(moment) == (finest and worth(finest[2], finest[1] + finest[0]))
    ended = [(start + step, -step, close) for step, start, close in rows if start + step <= moment]
    newest = max(ended, default=None)
    assert known.last(moment) == (newest and worth(newest[2], newest[0]))


@given(minutes=CLOSES, hours=CLOSES, days=CLOSES, times=st.lists(st.integers(0, 3 * DAY), max_size=8).map(sorted))
def test_many_are_answered_as_each(
    minutes: dict[int, int], hours: dict[int, int], days: dict[int, int], times: list[int]
) -> None:
    rows = ((MINUTE, minutes), (HOUR, hours), (DAY, days))
    parts = [{DAY_0 + place * step: close for place, close in closes.items()} for step, closes in rows]
    histories = {SOL: history(*parts), EUR: history(*parts[1:], scale=4), USD: history(*parts[2:], scale=4)}
    quotes, moments = Quotes(PATHS, histories), [DAY_0 + time for time in times]
    for asked in (moments, [*moments, DAY_0 + 1000 * DAY]):
        assets = [*PATHS, "NONE"]
        units = [Decimal(1).scaleb(-quotes.scale(asset)) for asset in assets]
        assert [
            [price * unit for price, unit in zip(row, units, strict=True)] for row in quotes.rows(assets, asked)
        ] == [[priced(quotes, asset, time) or 0 for asset in assets] for time in asked]
        assert list(quotes.rows([], asked)) == [()] * len(asked)
