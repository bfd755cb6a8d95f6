"""How history comes in: days, hours, then minutes, the newest first, page by page and resumable."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from cryptopulse.domain.candles import DAY, HOUR, INTERVALS, MINUTE, floor
from cryptopulse.domain.polling import Span, closed
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Candles

DEPTHS: Final = {"1d": 1100 * DAY, "1h": 730 * DAY, "1m": 30 * DAY}
"""How far back (ms) each interval is fetched; hours and minutes are not kept for longer."""
QUICK: Final = {"1d": 1100 * DAY, "1h": 30 * DAY, "1m": DAY}
"""What comes first: enough to look at."""
YOUNG: Final = 3 * HOUR
"""Hours that ended later (ms) belong to the stream, which folds them from their minutes."""

type Stages = list[tuple[str, int]]
"""(interval, depth in ms), in the order to fetch them."""
type Done = Mapping[tuple[Series, str], Span]
"""What has been fetched of each series and interval: one span, which grows into the past."""


class Page(NamedTuple):
    """One call: the candles of a span, `start` included and `end` not, Unix milliseconds."""

    series: Series
    interval: str
    start: int
    end: int


def stages(*, days: int | None = None, quick: bool = False) -> Stages:
    """What to fetch, in order.

    Args:
        days: Go back so many days instead; hours and minutes as far as they are kept.
        quick: Only the part that comes first.
    """
    depths = DEPTHS if days is None else {"1d": days * DAY} | {i: min(DEPTHS[i], days * DAY) for i in ("1h", "1m")}
    first = [(interval, min(depth, depths[interval])) for interval, depth in QUICK.items()]
    if days is not None:
        first[0] = ("1d", depths["1d"])
    return first if quick else first + [(interval, depths[interval]) for interval in ("1h", "1m")]


def pages(series: Iterable[Series], done: Done, now: int, rows: Mapping[str, int], plan: Stages) -> list[Page]:
    """The calls still to be made, in order: each stage over all series, each series the newest first.

    Args:
        series: What to fetch.
        done: What has been fetched.
        now: Unix ms.
        rows: How many rows a call answers, by venue.
        plan: The stages.
    """
    wanted = list(series)
    reached = {(each, interval): _fetched(each, interval, done, now).start for each in wanted for interval in DEPTHS}
    found = []
    for interval, depth in plan:
        for each in wanted:
            for cell in _cells(now - depth, reached[each, interval], rows[each.venue], interval):
                found.append(Page(each, interval, *cell))
                reached[each, interval] = cell.start
    return found


def progress(series: Iterable[Series], done: Done, now: int, rows: Mapping[str, int], plan: Stages) -> tuple[int, int]:
    """How many calls have been made of how many in all; the arguments are those of `pages`."""
    wanted = list(series)
    total = 0
    for interval in DEPTHS:
        depth = max(depth for each, depth in plan if each == interval)
        for each in wanted:
            end = _fetched(each, interval, done, now).end
            total += len(_cells(now - depth, end, rows[each.venue], interval))
    return total - len(pages(wanted, done, now, rows, plan)), total


def split(candles: Candles, at: int) -> tuple[Candles | None, Candles | None]:
    """The candles before `at` (Unix ms) and those from it on; None where there are none."""

    def part(start: int, end: int) -> Candles | None:
        if start >= end:
            return None
        bars = [bar for bar in candles.bars if start <= bar.start < end]
        return Candles(candles.symbol, candles.price_scale, candles.size_scale, start, end, candles.as_of, bars)

    return part(candles.start, min(at, candles.end)), part(max(at, candles.start), candles.end)


def history_end(interval: str, now: int) -> int:
    """Where the history of an interval that was never fetched ends, seen from `now` (both Unix ms)."""
    return closed(now, MINUTE) if interval == "1m" else floor(floor(now - YOUNG, HOUR), INTERVALS[interval])


def _fetched(series: Series, interval: str, done: Done, now: int) -> Span:
    end = history_end(interval, now)
    return done.get((series, interval), Span(end, end))


def _cells(start: int, end: int, rows: int, interval: str) -> list[Span]:
    """The cells of a fixed grid, a call each, that hold a span, the newest first and cut at the end only.

    Cells of minutes are whole hours, as blocks are: no block is written for two pages' sake.
    """
    length = floor(rows * INTERVALS[interval], HOUR if interval == "1m" else INTERVALS[interval])
    starts = range(floor(start, length), end, length)
    return [Span(at, min(at + length, end)) for at in reversed(starts)]
