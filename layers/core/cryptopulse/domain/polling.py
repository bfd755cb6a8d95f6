"""What a venue is asked for each minute: the last minutes of what is polled, what is missing before; how it is sent."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from cryptopulse.domain.candles import MINUTE, floor
from cryptopulse.domain.folding import KEPT_MINUTES
from cryptopulse.domain.lanes import Missing, SeriesState
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Candles, Clock, Quote, Record, Trades

SETTLED: Final = 2_000
"""A venue's candle is asked for no sooner than so many ms after its end."""
RECENT: Final = 5 * MINUTE
"""Always asked again: a venue's newest candles may come late or change."""
SECOND_LOOK: Final = 295 * MINUTE
"""Asked again at every fifth poll: what a venue's answers lacked comes in, and it costs no call more.

Coinbase leaves out minutes without trades, so that a row its answer lacks cannot be told from one.
"""
BY_TRADES: Final = 1_000
"""So many trades come in one call; more than these are repaired by candles."""
PROMPT: Final = 10 * MINUTE
"""Trades missing for longer (ms) are repaired by candles: the venue may not have such ids."""
RIPE: Final = 2 * MINUTE
"""Candles that repair what was streamed are asked for so long (ms) after their end."""
LOOKS: Final = (5, 10, 20, 40, 80)
"""So many minutes after candles told what no stream did it is looked at again: an answer may fail, or lack a row."""
ROWS: Final = 500
"""So many candles or trades fill a stream record."""


class Span(NamedTuple):
    """From `start` to before `end`, in Unix milliseconds."""

    start: int
    end: int


class Ids(NamedTuple):
    """The trades `first` to `last`; the minute that the last lies in ends at `end` (Unix ms)."""

    first: int
    last: int
    end: int


class Plan(NamedTuple):
    """What to ask a venue for of one series, each one call.

    `fresh` are the newest minutes of a polled series; `older` is what repairs, the newest first.
    """

    fresh: Span | None
    older: list[Span | Ids]


def plan(state: SeriesState, now: int, page: int, *, is_streamed: bool) -> Plan:
    """What to ask for.

    Args:
        state: What is known of the series.
        now: Unix ms on the venue's clock.
        page: Minutes that one call for candles answers.
        is_streamed: Whether its trades come by themselves.
    """
    ripe = closed(now - RIPE, MINUTE)
    prompt = [_newest(gap) for gap in state.missing if _is_prompt(gap, now, ripe)]
    late = [gap for gap in state.missing if not _is_prompt(gap, now, ripe)]
    repairs = [*state.repairs, *((gap.from_minute, min(gap.to_minute + MINUTE, ripe)) for gap in late)]
    if is_streamed:
        wanted = [Span(start, min(end, ripe)) for start, end in repairs]
        if (now - state.known_to) // MINUTE in LOOKS:
            wanted.append(Span(state.known_to - SECOND_LOOK, state.known_to))
        fresh, older = None, _paged(wanted, closed(now, MINUTE) - KEPT_MINUTES, page)
    else:
        fresh, *older = spans(closed(now, MINUTE), state.known, repairs, page)
    return Plan(fresh, sorted([*older, *_ids(prompt)], key=lambda call: -call.end))


def _is_prompt(gap: Missing, now: int, ripe: int) -> bool:
    """Whether its trades are asked for, not its candles."""
    if not gap.first:  # all before the first trade known of: the newest of them may tell its minute before a candle can
        return gap.to_minute >= ripe
    return gap.last - gap.first < BY_TRADES and floor(now, MINUTE) - gap.to_minute <= PROMPT


def _newest(gap: Missing) -> Missing:
    """As many of its trades as come in one call."""
    return gap._replace(first=max(gap.first, gap.last - BY_TRADES + 1, 1))


def _ids(gaps: Iterable[Missing]) -> list[Ids]:
    """The trades to ask for; ranges that one call tells together are one."""
    found: list[Ids] = []
    for gap in sorted(gaps, reverse=True):
        if found and found[-1].last - gap.first < BY_TRADES:
            found[-1] = found[-1]._replace(first=gap.first)
        else:
            found.append(Ids(gap.first, gap.last, gap.to_minute + MINUTE))
    return found


def closed(now: int, interval: int) -> int:
    """The end of the last interval (ms) that is closed, and settled, at `now` on the venue's clock."""
    return (now - SETTLED) // interval * interval


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
    return _paged([newest, *(Span(start, min(stop, end)) for start, stop in repairs)], oldest, page)


def _paged(wanted: Iterable[Span], oldest: int, page: int) -> list[Span]:
    """The spans from `oldest` on, newest first, each no longer than a page; near ones are one."""
    cut = [Span(max(span.start, oldest), span.end) for span in wanted]
    found: list[Span] = []
    for span in sorted((span for span in cut if span.start < span.end), key=lambda span: -span.end):
        stop = min(span.end, found[-1].start) if found else span.end
        if found and found[-1].end - span.start <= page * MINUTE:
            found[-1] = Span(min(span.start, found[-1].start), found[-1].end)
            continue
        while stop > span.start:
            found.append(Span(max(span.start, stop - page * MINUTE), stop))
            stop = found[-1].start
    return found


def records(
    venue: str,
    lanes: int,
    messages: Iterable[Quote | Candles | Trades],
    time: int | None = None,
    unheard: Iterable[str] = (),
) -> list[Record]:
    """The messages as stream records, of one lane each and no larger than it takes, and each lane's clock behind them.

    Args:
        venue: Whose they are.
        lanes: How many lanes there are.
        messages: What the venue told.
        time: The venue's minutes before this (Unix ms) have been asked for; None: only some of them.
        unheard: The symbols of which it did not tell all of these.
    """
    by_lane: dict[int, list[Record]] = {}
    sizes: dict[int, int] = {}
    for message in messages:
        lane = lane_of(Series(venue, message.symbol), lanes)
        size = _size(message)
        mine = by_lane.setdefault(lane, [])
        if not mine or sizes[lane] + size > ROWS:
            mine.append(Record(venue, lane, []))
            sizes[lane] = 0
        mine[-1].messages.append(message)
        sizes[lane] += size
    if time is not None:
        unheard_of: dict[int, list[str]] = {}
        for symbol in unheard:
            unheard_of.setdefault(lane_of(Series(venue, symbol), lanes), []).append(symbol)
        for lane, mine in by_lane.items():
            mine[-1].messages.append(Clock(time, unheard=unheard_of.get(lane, [])))
    return [record for mine in by_lane.values() for record in mine]


def _size(message: Quote | Candles | Trades) -> int:
    match message:
        case Candles():
            return len(message.bars)
        case Trades():
            return len(message.trades)
        case Quote():
            return 1
