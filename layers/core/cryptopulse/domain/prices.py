"""Prices: the series that speaks for a symbol, its last 24 hours, and what a price was."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain.candles import DAY, HOUR, MINUTE, Block, floor
from cryptopulse.domain.series import VENUES, Series, reference
from cryptopulse.domain.times import Time, rfc3339
from cryptopulse.errors import NotFoundError

SHOWN: Final = 41
"""Characters of a client's own words that an answer repeats at most."""
STALE: Final = 5 * MINUTE
"""A price older than this many ms is stale."""
SPARKS: Final = 24
"""Hourly closes in a sparkline."""
RATE: Final = "USDT-USD"
"""What an X-USD that nobody trades is converted by."""
PERCENT_DIGITS: Final = 4


At = Annotated[Time, Meta(description="Ask for the close of the minute, else hour, else day that holds this time")]
Fields = Annotated[str, Meta(description="The members to show, by commas; all, if left out")]
Sparkline = Annotated[bool, Meta(description="Add 24 hourly closes; not with `at`")]


class PriceQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which price to show."""

    venue: Annotated[str, Meta(description="`binance` or `coinbase`; without it the reference")] | UnsetType = UNSET
    at: At | UnsetType = UNSET
    sparkline: Sparkline = False
    fields: Fields | UnsetType = UNSET


class Price(Struct, kw_only=True):
    """A symbol's last price and its last 24 hours; or, with `at`, what it was."""

    symbol: Annotated[str, Meta(examples=["BTC-USD"])]
    venue: Annotated[str, Meta(description="The venue of the series that speaks for the symbol")]
    via: Annotated[str | None, Meta(description="`USDT-USD` where an X-USD that nobody trades is X-USDT × USDT-USD")]
    price: Annotated[float | None, Meta(description="In the quote asset; null where none is known yet")]
    time: Annotated[
        str | None,
        Meta(
            description="When it was the price; of a conversion the older of both; with `at` the end of the candle",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    change_24h: Annotated[float | None, Meta(description="Against the price 24 hours ago, in the quote asset")] = None
    change_pct_24h: Annotated[float | None, Meta(description="Against the price 24 hours ago, in per cent")] = None
    high_24h: Annotated[float | None, Meta(description="The highest price, in the quote asset")] = None
    low_24h: Annotated[float | None, Meta(description="The lowest price, in the quote asset")] = None
    volume_24h: Annotated[float | None, Meta(description="What was traded, in units of the base asset")] = None
    stale: Annotated[bool, Meta(description="Older than 5 minutes; with `at`: as far from it")]
    sparkline: Annotated[
        list[float | None] | UnsetType,
        Meta(description="24 hourly closes in the quote asset, the open hour's last; null before the history begins"),
    ] = UNSET


class Quoted(NamedTuple):
    """A symbol, the series that speaks for it, and for a conversion the series of the rate."""

    symbol: str
    series: Series
    rate: Series | None = None

    @property
    def needed(self) -> tuple[Series, ...]:
        return (self.series,) if self.rate is None else (self.series, self.rate)


class Last(NamedTuple):
    """A price at a scale, and when it was it (Unix ms)."""

    price: int
    scale: int
    time: int


def find(symbol: str, venue: str | None, series: Sequence[Series]) -> Series:
    """The series of a symbol at a venue, or its reference where no venue is named.

    Raises:
        NotFoundError: There is no such venue, or the symbol is not traded (there).
    """
    if venue is not None and venue not in VENUES:
        raise NotFoundError(f"There is no venue {venue[:SHOWN]!r}.")
    traded = [each for each in series if each.symbol == symbol]
    if not traded:
        raise NotFoundError(f"There is no symbol {symbol[:SHOWN]!r}.")
    found = reference(symbol, traded) if venue is None else next((s for s in traded if s.venue == venue), None)
    if found is None:
        raise NotFoundError(f"{venue} does not trade {symbol}.")
    return found


def quoted(symbol: str, venue: str | None, series: Sequence[Series]) -> Quoted:
    """What speaks for a symbol; without a venue also a conversion.

    Raises:
        NotFoundError: Nothing does.
    """
    if venue is None and all(each.symbol != symbol for each in series):
        base, _, quote = symbol.partition("-")
        by_tether, rate = reference(f"{base}-USDT", series), reference(RATE, series)
        if quote == "USD" and by_tether is not None and rate is not None:
            return Quoted(symbol, by_tether, rate)
    return Quoted(symbol, find(symbol, venue, series))


def dollar_symbols(series: Sequence[Series]) -> list[str]:
    """Every X-USD that is traded or can be converted, in the order the series are listed."""
    can_convert = reference(RATE, series) is not None
    quotes = ("USD", "USDT") if can_convert else ("USD",)
    return list(dict.fromkeys(f"{each.base}-USD" for each in series if each.quote in quotes))


# --- now ---


def day_start(now: int) -> int:
    """The start of the last 1,440 minutes, the open one among them."""
    return floor(now, MINUTE) - DAY + MINUTE


def price_now(asked: Quoted, last: Last | None, rows: Block, now: int, *, with_sparkline: bool) -> Price:
    """A symbol's price and its last 24 hours.

    Args:
        asked: The symbol.
        last: Its last price.
        rows: Its rows from `day_start` on: minutes to the next hour, hours, minutes.
        now: Unix ms.
        with_sparkline: Whether to add hourly closes.
    """
    price = _price(asked, last, now)
    if last is not None:
        _add_day(price, last, rows, day_start(now))
    if with_sparkline:
        price.sparkline = sparkline(rows, now)
    return price


def price_at(asked: Quoted, last: Last | None, at: int) -> Price:
    """What a symbol's price was at a time: what `close` found."""
    return _price(asked, last, at)


def close(block: Block, step: int, until: int) -> Last | None:
    """What the one row of a block tells of the price, if it was traded; `until` is up to when trades are known."""
    for row in block.rows():
        if not row.is_empty:
            return Last(row.close, block.price_scale, min(row.start + step, until))
    return None


def _price(asked: Quoted, last: Last | None, moment: int) -> Price:
    return Price(
        symbol=asked.symbol,
        venue=asked.series.venue,
        via=None if asked.rate is None else asked.rate.symbol,
        price=None if last is None else last.price / 10**last.scale,
        time=None if last is None else rfc3339(last.time),
        stale=last is None or abs(moment - last.time) > STALE,
    )


def _add_day(price: Price, last: Last, rows: Block, start: int) -> None:
    """Adds the figures of 24 hours, unless history begins after `start`."""
    starts, opens, highs, lows, _, volumes, *_ = rows.columns
    first = next(filter(None, opens), None)
    if first is None or starts[0] > start:
        return
    scale = max(rows.price_scale, last.scale)
    unit = 10 ** (scale - rows.price_scale)
    now, before = last.price * 10 ** (scale - last.scale), first * unit
    # A polled price is in no candle yet.
    price.high_24h = max(max(highs) * unit, now) / 10**scale
    price.low_24h = min(min(filter(None, lows)) * unit, now) / 10**scale
    price.change_24h = (now - before) / 10**scale
    price.change_pct_24h = round(100 * (now - before) / before, PERCENT_DIGITS)
    price.volume_24h = sum(volumes) / 10**rows.size_scale


def sparkline(rows: Block, now: int) -> list[float | None]:
    """The closes of the last 24 hours, the open one's last; an hour without a trade repeats the one before."""
    ends = [floor(now, HOUR) + HOUR * (1 - back) for back in reversed(range(SPARKS))]
    return [None if close is None else close / 10**rows.price_scale for close in _closes_before(rows, ends)]


def _closes_before(rows: Block, times: Sequence[int]) -> list[int | None]:
    """The close of the last traded row that starts before each time."""
    traded = [(start, close) for start, close in zip(rows.starts, rows.columns[4], strict=True) if close]
    starts = [start for start, _ in traded]
    found = (bisect_left(starts, time) for time in times)
    return [traded[index - 1][1] if index else None for index in found]


# --- conversion ---


def converted_last(last: Last | None, rate: Last | None) -> Last | None:
    """A price times a rate, as old as the older of both."""
    if last is None or rate is None:
        return None
    return Last(last.price * rate.price, last.scale + rate.scale, min(last.time, rate.time))


def converted(rows: Block, rates: Block) -> Block:
    """Rows times the rate's: an open at the rate's open, everything else at its close.

    A row for whose time no rate is known yet is left out.
    """
    opens = dict(zip(rates.starts, rates.columns[1], strict=True))
    closes = _closes_before(rates, [start + 1 for start in rows.starts])
    product = []
    for row, close in zip(rows.rows(), closes, strict=True):
        if close is None:
            continue
        open_, last = row.open * (opens.get(row.start) or close), row.close * close
        high, low = max(row.high * close, open_, last), min(row.low * close, open_, last)
        product.append(row._replace(open=open_, high=high, low=low, close=last))
    return Block.of(rows.price_scale + rates.price_scale, rows.size_scale, product)
