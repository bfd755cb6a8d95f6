"""A chart: which rows of a series a request shows, and whether there are more."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import compress
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain.candles import DAY, EMPTY, HOUR, INTERVALS, MINUTE, Block, floor, joined, stored_step
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError

FIRST: Final = 1_230_940_800_000
"""The day of Bitcoin's first block, 2009-01-03: nothing is older."""
SETTLED: Final = 2 * HOUR
"""Rows older than this many ms, known without a gap, do not change any more."""
SETTLED_KEPT: Final = 365 * DAY
REPAIRED: Final = MINUTE
CHANGING_KEPT: Final = 1000
"""How long (ms) a page stays that is settled, one whose gaps may be filled any minute, one with an open row."""
LATE_SHARE: Final = 10
"""A page whose next row is late stays for its lateness by this, between the last two of these."""
WIDER: Final = 4
"""Where a span has too few rows, the next one read is so many times as long."""

COLUMNS: Final = ("time", "open", "high", "low", "close", "volume")
"""Of a row as clients see it."""
TABLE: Final = (*COLUMNS, "closed", "complete")
"""Of a row in a table of its own."""

type Read = Callable[[int, int], Block]
"""Reads the rows of an interval with `start` <= row.start < `end`, both aligned to it."""


type IntervalName = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
type Venue = Annotated[
    str, Meta(description="`binance` or `coinbase`; without it the reference", examples=["coinbase"])
]


class RowsQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which rows of a series to show."""

    venue: Venue | UnsetType = UNSET
    interval: IntervalName = "1h"
    start: Annotated[Time, Meta(description="Without `end`: the first rows from here on")] | UnsetType = UNSET
    end: Annotated[Time, Meta(description="The last rows before this; now, if left out")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=5000, description="Rows in a page")] = 500
    cursor: Annotated[str, Meta(description="`next_cursor` of the page before, all else unchanged")] | UnsetType = UNSET

    @property
    def is_newest(self) -> bool:
        """Whether it asks for the newest rows there are."""
        return self.start is UNSET and self.end is UNSET and self.cursor is UNSET


class ChartQuery(RowsQuery, kw_only=True, forbid_unknown_fields=True):
    """Which candles to show."""

    open: Annotated[bool, Meta(description="Whether the open candle may be the last row")] = True
    fields: (
        Annotated[str, Meta(description="The columns of the rows to show, by commas", examples=["time,close"])]
        | UnsetType
    ) = UNSET


class Candles(Struct, kw_only=True):
    """Candles of one series."""

    symbol: str
    venue: str
    interval: str
    candles: Annotated[
        Sequence[tuple[float, ...]],
        Meta(description="[time in Unix ms, open, high, low, close, volume] or those of `fields`, oldest first"),
    ]
    last_open: Annotated[bool, Meta(description="The last row is the open candle")]
    incomplete: Annotated[list[int], Meta(description="Times of rows with a known gap")]
    next_cursor: Annotated[
        str | None,
        Meta(description="With `start` and no `end` newer rows follow, else older ones; null on the last page"),
    ]


class Chart(NamedTuple):
    """The rows of one page with `start` <= row.start < `end`, empty ones among them."""

    rows: Block
    start: int
    end: int
    next: int | None
    """Where the next page begins, or for older rows ends; None if there is none."""

    def is_whole(self, interval: int) -> bool:
        """Whether every row is known, and complete."""
        return is_whole(self.rows, interval, self.start, self.end)


def is_whole(rows: Block, interval: int, start: int, end: int) -> bool:
    """Whether every row with `start` <= row.start < `end` is known, and complete; these are all that there are."""
    return len(rows.starts) == (end - start) // interval and all(rows.columns[-1])


def chart(read: Read, query: RowsQuery, kept: tuple[int, int], position: int | None = None) -> Chart:
    """The page that a request asks for.

    Args:
        read: Reads rows.
        query: The request.
        kept: The first row there can be, and the end of the last one; both aligned, Unix ms.
        position: Where to go on: `next` of the page before.

    Raises:
        InvalidError: It starts after its end.
    """
    interval, (low, high) = INTERVALS[query.interval], kept
    if query.start is not UNSET:
        if query.end is not UNSET and query.start >= query.end:
            raise InvalidError("start", "Expected a time before end")
        low = max(low, ceiling(query.start, interval))
    if query.end is not UNSET:
        high = min(high, ceiling(query.end, interval))
    if query.start is not UNSET and query.end is UNSET:
        return _first_rows(read, interval, query.limit, max(low, position or low), high)
    return last_rows(read, interval, query.limit, low, min(high, position or high))


def last_rows(read: Read, interval: int, limit: int, start: int, end: int) -> Chart:
    """The last rows of a span that were traded, at most so many; start and end are aligned, Unix ms."""
    rows, at, span = EMPTY, end, (limit + 1) * interval
    while at > start and _count(rows) <= limit:
        until, at = at, max(start, _block_start(interval, at - span))
        rows = joined(read(at, until), rows)
        span *= WIDER
    starts = traded(rows).starts
    if len(starts) <= limit:
        return Chart(rows, start, end, None)
    first = starts[-limit] if limit else end
    return Chart(rows.between(first, end), first, end, first)


def _first_rows(read: Read, interval: int, limit: int, start: int, end: int) -> Chart:
    rows, at, span = EMPTY, start, (limit + 1) * interval
    while at < end and _count(rows) <= limit:
        since, at = at, min(end, _block_start(interval, at + span - 1, blocks=1))
        rows = joined(rows, read(since, at))
        span *= WIDER
    starts = traded(rows).starts
    if len(starts) <= limit:
        return Chart(rows, start, end, None)
    return Chart(rows.between(start, starts[limit]), start, starts[limit], starts[limit])


def open_from(lane: Lane, series: Series, interval: int, now: int) -> int:
    """The first row (its start, Unix ms) not closed yet: it ends beyond the venue's clock, or has an open minute."""
    state = lane.series.get(str(series))
    clock = min(now, lane.clocks.get(series.venue, now))
    return floor(min([clock, *(state.open if state else ())]), interval)


def oldest(interval: int, now: int, kept: Mapping[int, int]) -> int:
    """The oldest row kept; `kept` says how long (ms) those of a stored step are, others are for ever."""
    step = stored_step(interval)
    return ceiling(now - kept[step], interval) if step in kept else FIRST


def ceiling(time: int, interval: int) -> int:
    """The first start of an interval that is not before `time`."""
    return time + -time % interval


def candles(query: RowsQuery, series: Series, page: Chart, opened: int, next_cursor: str | None) -> Candles:
    """A page as clients see it; rows from `opened` on are open."""
    shown = traded(page.rows)
    return Candles(
        symbol=series.symbol,
        venue=series.venue,
        interval=query.interval,
        candles=shown.shown(),
        last_open=bool(shown.starts) and shown.starts[-1] >= opened,
        incomplete=[start for start, complete in zip(shown.starts, shown.columns[-1], strict=True) if not complete],
        next_cursor=next_cursor,
    )


def table(chart: Candles) -> Iterator[tuple[float | str, ...]]:
    """The rows of a page with what else is said of each, in the order of TABLE."""
    incomplete, last = set(chart.incomplete), len(chart.candles) - 1
    for place, row in enumerate(chart.candles):
        is_open = chart.last_open and place == last
        yield *row, "false" if is_open else "true", "false" if row[0] in incomplete else "true"


def stays_until(page: Chart, interval: int, opened: int, now: int, oldest_kept: int = FIRST) -> int:
    """Up to when (Unix ms) a page will stay as it is; rows from `opened` on are open, before `oldest_kept` gone."""
    if page.end > opened:
        return now + CHANGING_KEPT
    is_whole = page.is_whole(interval)
    if is_whole and page.end < opened and page.end <= now - SETTLED:
        return now + max(CHANGING_KEPT, min(SETTLED_KEPT, page.start - oldest_kept))
    return closed_until(interval, opened, now, is_whole=is_whole)


def closed_until(interval: int, opened: int, now: int, *, is_whole: bool) -> int:
    """Up to when (Unix ms) what the closed rows say will stay as it is; rows from `opened` on are open."""
    next_close, late = floor(now, interval) + interval, now - interval - opened
    if late >= 0:  # one that has ended closes any moment; of a venue that is silent for long, not so soon
        return min(now + max(CHANGING_KEPT, min(late // LATE_SHARE, REPAIRED)), next_close)
    return next_close if is_whole else min(now + REPAIRED, next_close)


def traded(block: Block) -> Block:
    """The rows that clients see: those in which there was a trade."""
    opens = block.columns[1]
    if 0 not in opens:
        return block
    return block._replace(columns=tuple(list(compress(column, opens)) for column in block.columns))


def _count(block: Block) -> int:
    opens = block.columns[1]
    return len(opens) - opens.count(0)


def _block_start(interval: int, time: int, blocks: int = 0) -> int:
    """The start of the stored block that holds `time`, or of so many after it: each block is read and decoded once."""
    step = stored_step(interval)
    if step == MINUTE:
        return floor(time, HOUR) + blocks * HOUR
    moment = datetime.fromtimestamp(max(time, 0) / 1000, UTC)
    if step == HOUR:
        year, month = divmod(moment.year * 12 + moment.month - 1 + blocks, 12)
        return _midnight(year, month + 1)
    return _midnight(moment.year + blocks, 1)


def _midnight(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
