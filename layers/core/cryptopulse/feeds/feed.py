"""What every feed of prices offers, and how rows of a venue become candles that can be trusted."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from cryptopulse.domain.ticks import FINEST, Bar, Candles, Quote, Trades, scaled
from cryptopulse.domain.venues import Product, Session
from cryptopulse.errors import FeedDownError, UnreadableError

FINEST_SIZE: Final = 8
FINEST_PRICE: Final = 12
"""Digits of a size or volume, and of a price, after the point: no venue trades finer units; more are the noise of a
JSON number, and rounded. All of a series is kept at the scale of its finest value, and is to fit."""
LARGEST: Final = 2**62
"""What is stored must fit 64 bits."""


class Feed(Protocol):
    """One venue. Every call raises FeedDownError, or one of its kinds, where there is no usable answer."""

    name: str
    url: str
    page: int
    """Rows that one call to `candles` answers at most."""
    batch: int
    """Products that one call to `quotes` takes at most."""
    page_time: int
    """Milliseconds of the venue's shared timeline that a call to `candles` takes."""

    def begin(self) -> Session:
        """Starts a session: counts calls and failures anew, and forgets the venue's clock."""
        ...

    def time(self) -> int:
        """The venue's clock, asked now, in Unix milliseconds."""
        ...

    def now(self) -> int:
        """The venue's clock in Unix milliseconds, asked once in a session."""
        ...

    def products(self) -> list[Product]:
        """Everything the venue lists."""
        ...

    def quotes(self, products: Sequence[Product]) -> list[Quote]:
        """The latest prices; a product without one is left out."""
        ...

    def candles(self, product: Product, interval: str, start: int, end: int) -> Candles:
        """The closed candles of the newest part of a span that the venue is sure about.

        The span told is what is known: without the bucket still open, without newest ones that may yet come, and
        what lies before a doubtful hole. It is empty (its start is its end) where nothing is known.

        Args:
            product: What to ask for.
            interval: `1m`, `1h` or `1d`.
            start: Unix milliseconds, aligned to the interval.
            end: Likewise, not included; at most `page` intervals after `start`.
        """
        ...

    def trades(self, product: Product, first: int, last: int) -> Trades | None:
        """Those trades with ids `first` to `last`, at most 1,000, that the venue tells in one call; None if none."""
        ...

    def last_id(self, product: Product) -> int:
        """The id of the newest trade; 0 if there is none yet."""
        ...


class Row(NamedTuple):
    """A candle in the venue's own digits; `start` is Unix milliseconds."""

    start: int
    open: str | Decimal
    high: str | Decimal
    low: str | Decimal
    close: str | Decimal
    volume: str | Decimal
    trades: int = 1
    """How many it is made of, where the venue tells it."""


class Tick(NamedTuple):
    """A trade in the venue's own digits; `time` is Unix milliseconds."""

    id: int
    price: str
    size: str
    time: int


def by_start(rows: Iterable[Row], step: int, start: int, end: int) -> dict[int, Row]:
    """The rows inside the span.

    Raises:
        FeedDownError: Two stand for one time, or one for none.
    """
    found: dict[int, Row] = {}
    for row in rows:
        if not start <= row.start < end:
            continue
        if row.start % step or row.start in found:
            raise FeedDownError(f"a row out of place: {row}")
        found[row.start] = row
    return found


def listed(products: Iterable[Product]) -> list[Product]:
    """What a venue lists.

    Raises:
        FeedDownError: It lists nothing, which no venue does.
    """
    found = list(products)
    if not found:
        raise FeedDownError("a list without products")
    return found


def newest_known(start: int, end: int, step: int, doubtful: Iterable[int]) -> tuple[int, int]:
    """The newest part of a span without a doubtful start in it; both ends are `start` if there is none."""
    doubts = set(doubtful)
    while end > start and end - step in doubts:
        end -= step
    first = end
    while first > start and first - step not in doubts:
        first -= step
    return (first, end) if first < end else (start, start)


def candles_of(symbol: str, rows: Mapping[int, Row], start: int, end: int, as_of: int) -> Candles:
    """The rows of a span as exact integers.

    Raises:
        FeedDownError: A row contradicts itself.
    """
    starts = sorted(at for at in rows if start <= at < end)
    try:
        price_scale, prices = scaled(*(value for at in starts for value in rows[at][1:5]))
        size_scale, volumes = scaled(*(rows[at].volume for at in starts))
    except UnreadableError as error:
        raise FeedDownError(f"{symbol}: {error}") from error
    price_scale, prices = rounded(price_scale, prices, FINEST_PRICE)
    size_scale, volumes = rounded(size_scale, volumes, FINEST_SIZE)
    if max(price_scale, size_scale) > FINEST or max(*prices, *volumes, 0, 0) > LARGEST:
        raise FeedDownError(f"{symbol}: more digits than can be kept")
    shapes = zip(prices[0::4], prices[1::4], prices[2::4], prices[3::4], volumes, strict=True)
    bars = [Bar(at, *shape) for at, shape in zip(starts, shapes, strict=True)]
    for bar in bars:
        if not 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high or bar.volume < 0:
            raise FeedDownError(f"{symbol}: an impossible candle {rows[bar.start]}")
    return Candles(symbol, price_scale, size_scale, start, end, as_of, bars)


def rounded(scale: int, values: list[int], finest: int) -> tuple[int, list[int]]:
    """Values at a scale, at `finest` where they are finer than any can be."""
    if not finest < scale <= FINEST:
        return scale, values
    unit = 10 ** (scale - finest)
    return finest, [(value + unit // 2) // unit for value in values]


def quote_of(symbol: str, price: str, time: int) -> Quote:
    """A price as an exact integer.

    Raises:
        FeedDownError: It is no price, or of no time.
    """
    try:
        scale, (value,) = rounded(*scaled(price), FINEST_PRICE)
    except UnreadableError as error:
        raise FeedDownError(f"{symbol}: {error}") from error
    if not 0 < value <= LARGEST or time <= 0 or scale > FINEST:
        raise FeedDownError(f"{symbol}: an impossible price {price} at {time}")
    return Quote(symbol, scale, value, time)


def trades_of(symbol: str, ticks: Iterable[Tick], first: int, last: int) -> Trades | None:
    """The trades with ids `first` to `last` as exact integers, oldest first; None if there are none.

    Raises:
        FeedDownError: A trade contradicts itself.
    """
    asked = sorted(tick for tick in ticks if first <= tick.id <= last)
    if not asked:
        return None
    try:
        price_scale, prices = rounded(*scaled(*(tick.price for tick in asked)), FINEST_PRICE)
        size_scale, sizes = scaled(*(tick.size for tick in asked))
    except UnreadableError as error:
        raise FeedDownError(f"{symbol}: {error}") from error
    if max(price_scale, size_scale) > FINEST or max(*prices, *sizes) > LARGEST:
        raise FeedDownError(f"{symbol}: more digits than can be kept")
    for tick, price, size in zip(asked, prices, sizes, strict=True):
        if not (price > 0 and size > 0 and tick.time > 0):
            raise FeedDownError(f"{symbol}: an impossible trade {tick}")
    size_scale, sizes = rounded(size_scale, sizes, FINEST_SIZE)
    times = (tick.time for tick in asked)
    return Trades(symbol, price_scale, size_scale, list(zip((t.id for t in asked), prices, sizes, times, strict=True)))
