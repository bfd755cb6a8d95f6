"""What a poll asks for: the last minutes of every series, and what is still missing before them; and how it is sent."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.folding import GRACE, KEPT_MINUTES
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Candles, Clock, Quote, Record

RECENT: Final = 5 * MINUTE
"""Always asked again: a venue's newest candles may come late or change."""
SECOND_LOOK: Final = 295 * MINUTE
"""Asked again at every fifth poll: what a venue's answers lacked comes in, and it costs no call more.

Coinbase leaves out minutes without trades, so that a row its answer lacks cannot be told from one.
"""
BARS: Final = 500
"""So many candles fill a stream record."""


class Span(NamedTuple):
    """From `start` to before `end`, in Unix milliseconds."""

    start: int
    end: int


def closed(now: int, interval: int) -> int:
    """The end of the last interval (ms) that is closed, and settled, at `now` on the venue's clock."""
    return (now - GRACE) // interval * interval


def spans(end: int, known_to: int, repairs: Iterable[tuple[int, int]], page: int) -> list[Span]:
    """The spans of minutes to ask a venue for, newest first, each one call.

    Args:
        end: The end of the last closed minute.
        known_to: The minute up to which the series is known; 0 if it is new: then history is not a poll's.
        repairs: Spans known to be missing before that.
        page: Minutes that one call answers.
    """
    recent = end - (SECOND_LOOK if known_to and end // MINUTE % 5 == 1 else RECENT)
    oldest = end - KEPT_MINUTES
    newest = Span(max(oldest, min(known_to or recent, recent)), end)
    wanted = [Span(max(start, oldest), min(stop, end)) for start, stop in repairs]
    found: list[Span] = []
    for span in [newest, *sorted((span for span in wanted if span.start < span.end), key=lambda span: -span.end)]:
        stop = min(span.end, found[-1].start) if found else span.end
        if found and found[-1].end - span.start <= page * MINUTE:
            found[-1] = Span(min(span.start, found[-1].start), found[-1].end)
            continue
        while stop > span.start:
            found.append(Span(max(span.start, stop - page * MINUTE), stop))
            stop = found[-1].start
    return found


def records(venue: str, lanes: int, messages: Iterable[Quote | Candles], time: int) -> list[Record]:
    """The messages as stream records, of one lane each and no larger than it takes, and each lane's clock behind them.

    Args:
        venue: Whose they are.
        lanes: How many lanes there are.
        messages: What the venue told.
        time: The venue's minutes before this (Unix ms) have been asked for.
    """
    by_lane: dict[int, list[Record]] = {}
    sizes: dict[int, int] = {}
    for message in messages:
        lane = lane_of(Series(venue, message.symbol), lanes)
        size = len(message.bars) if isinstance(message, Candles) else 1
        mine = by_lane.setdefault(lane, [])
        if not mine or sizes[lane] + size > BARS:
            mine.append(Record(venue, lane, []))
            sizes[lane] = 0
        mine[-1].messages.append(message)
        sizes[lane] += size
    for mine in by_lane.values():
        mine[-1].messages.append(Clock(time))
    return [record for mine in by_lane.values() for record in mine]
