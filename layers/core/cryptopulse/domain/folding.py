"""The fold that moves a lane on: the one place where trades become candles.

The rules are those of docs/architecture.md, "Lanes and candles". In short: a trade counts once, when its id is new or
inside a range known to be missing; a venue's own candle outranks one folded from trades; what a batch does to the state
does not depend on the order, number or grouping of its records.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from itertools import chain
from math import gcd
from typing import Final, NamedTuple

import msgspec

from cryptopulse.domain.candles import DAY, FROM_TRADES, FROM_VENUE, HOUR, MINUTE, floor
from cryptopulse.domain.lanes import TOUCHES, Lane, Minute, MinuteRow, Missing, SeriesState
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record, Trades

GRACE: Final = 1_000
"""A minute closes so many ms after its end on the venue's clock."""
PATIENCE: Final = 5 * MINUTE
"""Without a clock a trade closes the minutes that ended so long before it."""
ANEW: Final = 5 * MINUTE
"""A venue whose last trade so long after the highest id is a lower one counts anew, or another answers in its name."""
PACK_AFTER: Final = 5 * MINUTE
"""An hour is packed so long after its end."""
KEPT: Final = 90 * MINUTE
"""Minute items take trades and candles for so long, no more than one transaction holds; what is older goes to the
packed blocks."""
KEPT_MINUTES: Final = 30 * DAY
"""Packed minutes are kept for so long; what is missing before is not asked for any more."""
NEWCOMER: Final = 4 * HOUR
"""So much before the first candles of a series is asked for too: what is older is backfill's."""
RANGES: Final = 8
"""Missing ranges kept per series; more become repairs."""

type Minutes = MutableMapping[int, Minute]
"""Minute items by minute; one that does not exist yet reads as an empty one of version 0."""


class Folded(NamedTuple):
    """What a batch did: whether the lane changed, which minutes did, and rows too old for minute items."""

    changed: bool
    minutes: set[int]
    history: dict[Series, list[Candles]]


def expected_minutes(records: Iterable[Record]) -> set[int]:
    """The minutes that a fold of these records will surely look at: for reading them at once beforehand."""
    spans = [
        (message.start, message.end)
        for record in records
        for message in record.messages
        if isinstance(message, Candles)
    ]
    kept_from = max((end for _, end in spans), default=0) - KEPT
    return {minute for start, end in spans for minute in range(max(start, kept_from), end, MINUTE)}


def fold(lane: Lane, minutes: Minutes, records: Iterable[Record]) -> Folded:
    """Moves a lane on by a batch of its records, in place.

    The same batch folded again changes nothing. `lane.version` rises by one when anything changed.
    """
    trades: defaultdict[tuple[str, str], list[Trades]] = defaultdict(list)
    rest: list[tuple[str, Message]] = []
    for record in records:
        venue = record.venue
        for message in record.messages:
            if type(message) is Trades:
                trades[venue, message.symbol].append(message)
            else:
                rest.append((venue, message))
    clocks = [(venue, message) for venue, message in rest if isinstance(message, Clock)]
    # Before any clock, when the venue answered tells how late it is.
    ends = [message.end if lane.now else message.as_of for _, message in rest if isinstance(message, Candles)]
    # A series' trades in one go and in order, and the clocks last: long runs count at once, and few gaps open in vain.
    runs = [(venue, _joined(parts)) for (venue, _), parts in trades.items()]
    times: dict[str, int] = {venue: clock.time for venue, clock in sorted(clocks, key=_time)}
    for venue, run in runs:
        if run.trades:
            times[venue] = max(times.get(venue, 0), run.trades[-1][3] - PATIENCE)
    folding = _Folding(lane, minutes, max([lane.now, *ends, *times.values()]))
    for venue, run in runs:
        folding.trades(venue, run)
    for venue, message in rest:
        if isinstance(message, Quote):
            folding.quote(venue, message)
        elif isinstance(message, Candles):
            folding.candles(venue, message)
    for venue, clock in sorted(clocks, key=_time):
        folding.clock(venue, clock)
    for venue, time in times.items():
        folding.pass_(venue, time)
    return folding.finish()


def closed_to(lane: Lane, series: str) -> int:
    """Up to where (Unix ms) the minutes of a series are closed: the venue told them, or its clock is past them."""
    state = lane.series.get(series)
    clock = lane.clocks.get(series.partition(":")[0], 0)
    return max(state.known_to if state else 0, floor(max(0, clock - GRACE), MINUTE))


def _time(clock: tuple[str, Clock]) -> int:
    return clock[1].time


def _joined(parts: Sequence[Trades]) -> Trades:
    """A symbol's trades as one message, by id, at the finest of their scales."""
    price_scale = max(part.price_scale for part in parts)
    size_scale = max(part.size_scale for part in parts)
    lists = (_at(price_scale, size_scale, part).trades for part in parts)
    return Trades(parts[0].symbol, price_scale, size_scale, sorted(chain.from_iterable(lists)))


def _at(price_scale: int, size_scale: int, message: Trades) -> Trades:
    """The trades at other scales, which hold them."""
    if (price_scale, size_scale) == (message.price_scale, message.size_scale):
        return message
    price, size = _rescaling(message.price_scale, price_scale), _rescaling(message.size_scale, size_scale)
    trades = [(id_, price(p), size(s), time) for id_, p, s, time in message.trades]
    return Trades(message.symbol, price_scale, size_scale, trades)


def _rescaling(given: int, scale: int) -> Callable[[int], int]:
    """What brings an integer of a given scale to another, which holds it."""
    unit: int = 10 ** abs(scale - given)
    return unit.__mul__ if scale >= given else unit.__rfloordiv__


def _needed(values: Iterable[int], scale: int, known: int) -> int:
    """The smallest scale from a known one on that holds integers of a scale: venues write more digits than they use."""
    while known < scale and gcd(unit := 10 ** (scale - known), *values) != unit:
        known += 1
    return known


class _Folding:
    """One fold: the lane, the minute items it reads and alters, and what has changed so far."""

    def __init__(self, lane: Lane, minutes: Minutes, now: int) -> None:
        self.lane = lane
        self.minutes = minutes
        self.kept_from = floor(now, MINUTE) - KEPT
        self.version = lane.version + 1
        self.changed = False
        self.altered: set[int] = set()
        self.history: dict[Series, list[Candles]] = {}
        self.doubted: dict[str, set[int]] = {}
        """Minutes whose completeness may have changed with a series' missing ranges."""
        self.told: dict[str, list[tuple[int, int]]] = {}
        """Spans whose candles the venue told in this batch."""
        self.opened: defaultdict[str, int] = defaultdict(int)
        """Missing ranges opened, by venue; one cut in two is one more."""

    def state(self, name: str, price_scale: int, size_scale: int) -> SeriesState:
        state = self.lane.series.get(name)
        if state is None:
            state = self.lane.series[name] = SeriesState()
        if price_scale > state.price_scale or size_scale > state.size_scale:
            state.rescale(price_scale, size_scale)
        return state

    def touch(self, state: SeriesState) -> None:
        state.changed = self.version
        self.changed = True

    def is_closed(self, venue: str, minute: int) -> bool:
        return minute + MINUTE + GRACE <= self.lane.clocks.get(venue, 0)

    def is_kept(self, minute: int) -> bool:
        return minute >= self.kept_from

    def row(self, state: SeriesState, name: str, venue: str, minute: int) -> MinuteRow | None:
        """The row, at the series' scales."""
        if minute in state.open:
            return state.open[minute]
        if not self.is_closed(venue, minute) and minute not in self.minutes:
            return None
        return self.closed_row(state, name, minute)

    def closed_row(self, state: SeriesState, name: str, minute: int) -> MinuteRow | None:
        row = self.minutes[minute].rows.get(name)
        if row is not None:
            state.rescale(row.price_scale, row.size_scale)
            row.rescale(state.price_scale, state.size_scale)
        return row

    def put(self, state: SeriesState, name: str, venue: str, minute: int, row: MinuteRow) -> None:
        """Keeps a new or changed row where it belongs: with the open ones, or in its minute item."""
        row.changed = self.version
        if row.rank == FROM_TRADES and not self.is_closed(venue, minute):
            state.open[minute] = row
            self.touch(state)
            return
        state.open.pop(minute, None)
        known = self.minutes[minute].rows.get(name)
        if known is None or row.rank >= known.rank:
            self.minutes[minute].rows[name] = row
            self.altered.add(minute)
        self.changed = True

    # --- trades ---

    def trades(self, venue: str, message: Trades) -> None:
        if not message.trades:
            return
        name = f"{venue}:{message.symbol}"
        columns = _, prices, sizes, _ = tuple(zip(*message.trades, strict=True))
        state = self.state(name, 0, 0)
        state.rescale(
            _needed(prices, message.price_scale, state.price_scale),
            _needed(sizes, message.size_scale, state.size_scale),
        )
        if not self.run(venue, name, state, message, columns):
            message = _at(state.price_scale, state.size_scale, message)
            for trade in message.trades:
                self.trade(venue, name, state, message, *trade)

    def run(
        self, venue: str, name: str, state: SeriesState, message: Trades, columns: Sequence[tuple[int, ...]]
    ) -> bool:
        """Counts trades that follow the highest id without a gap and lie in one open minute, all at once."""
        ids, prices, sizes, times = columns
        if not state.high_minute or ids[0] != state.high + 1 or ids != tuple(range(ids[0], ids[0] + len(ids))):
            return False
        minute = floor(times[0], MINUTE)
        if not minute <= min(times) <= max(times) == times[-1] < minute + MINUTE or self.is_closed(venue, minute):
            return False
        price = _rescaling(message.price_scale, state.price_scale)
        row = state.open.get(minute)
        if row is None:
            if minute in self.minutes:
                return False
            row = self.new_row(state, price(prices[0]), ids[0])
        row.high = max(row.high, price(max(prices)))
        row.low = min(row.low, price(min(prices)))
        row.close, row.last = price(prices[-1]), ids[-1]
        row.volume += _rescaling(message.size_scale, state.size_scale)(sum(sizes))
        row.as_of = max(row.as_of, self.lane.now)
        self.advance(venue, name, state, state.high, ids[-1], minute)
        if times[-1] >= state.time:
            self.last(state, row.close, times[-1])
        self.put(state, name, venue, minute, row)
        return True

    def last(self, state: SeriesState, price: int, time: int) -> None:
        """Notes the last price."""
        if (price, time) != (state.price, state.time):
            state.price, state.time = price, time
            self.touch(state)

    def trade(
        self, venue: str, name: str, state: SeriesState, message: Trades, id_: int, price: int, size: int, time: int
    ) -> None:
        minute = floor(time, MINUTE)
        counts = self.counts(venue, name, state, id_, minute)
        price *= 10 ** (state.price_scale - message.price_scale)
        size *= 10 ** (state.size_scale - message.size_scale)
        if not counts or not self.is_kept(minute):
            if time > state.time:  # though the venue's candle has told of it
                self.last(state, price, time)
            if counts:
                self.repair(state, minute, minute + MINUTE)
            return
        self.changed = True
        row = self.row(state, name, venue, minute)
        if row is None or (row.is_empty and row.rank == FROM_TRADES):
            row = self.new_row(state, price, id_)
        if time > state.time or (time == state.time and id_ >= row.last):
            self.last(state, price, time)
        if row.rank != FROM_TRADES:
            return
        row.high = max(row.high, price)
        row.low = min(row.low, price)
        row.volume += size
        if id_ <= row.first:
            row.first, row.open = id_, price
        if id_ >= row.last:
            row.last, row.close = id_, price
        row.as_of = max(row.as_of, self.lane.now)
        self.put(state, name, venue, minute, row)

    def new_row(self, state: SeriesState, price: int, id_: int) -> MinuteRow:
        scales = state.price_scale, state.size_scale
        return MinuteRow(*scales, price, price, price, price, 0, id_, id_, FROM_TRADES, self.lane.now, False, 0)

    # --- which ids are known, and what of the minutes follows from it ---

    def counts(self, venue: str, name: str, state: SeriesState, id_: int, minute: int) -> bool:
        """Whether the trade is new; moves the highest id and the missing ranges."""
        if id_ > state.high or not state.high_minute:
            self.advance(venue, name, state, id_ - 1, id_, minute)
            return True
        for index, gap in enumerate(state.missing):
            if gap.first <= id_ <= gap.last:
                left = Missing(gap.first, id_ - 1, min(gap.from_minute, minute), minute)
                right = Missing(id_ + 1, gap.last, minute, max(gap.to_minute, minute))
                self.replace(venue, name, state, index, left, right)
                if gap.first:
                    self.pass_over(name, state, left, left.from_minute, minute)
                else:  # what lacks before the first trade is asked for with the range's minute
                    self.known(state, minute, minute + MINUTE)
                self.pass_over(name, state, right, minute + MINUTE, self.settled(state, right.to_minute))
                return True
        return False

    def advance(self, venue: str, name: str, state: SeriesState, last: int, high: int, minute: int) -> None:
        """Comes to the id `high` in a minute; those above the highest one known, to `last`, have not come."""
        if not state.high_minute:
            if last > 0:
                self.miss(venue, name, state, Missing(0, last, minute, minute))
            begin = state.known_to or floor(minute - NEWCOMER, HOUR)
            if begin < minute:
                self.repair(state, begin, minute)
            state.high, state.high_minute = high, minute
            return
        from_ = min(self.unknown_from(state), minute) if minute < state.high_minute else self.unknown_from(state)
        to = max(minute, state.high_minute)
        gap = Missing(state.high + 1, last, from_, to)
        if gap.first <= gap.last and from_ <= to:
            self.miss(venue, name, state, gap)
        if to > state.high_minute:
            self.pass_over(name, state, gap._replace(from_minute=state.high_minute), from_, to)
        state.high, state.high_minute = high, to

    def unknown_from(self, state: SeriesState) -> int:
        """The first minute from that of the highest id on that the venue's candles leave unknown."""
        spans = [(start, end) for start, end in state.repairs if state.high_minute < end and start < state.known_to]
        return max(state.high_minute, min((start for start, _ in spans), default=state.known_to))

    def settled(self, state: SeriesState, to: int) -> int:
        """Where a range's minutes end that no later trade can lie in."""
        return to + MINUTE if to < state.high_minute else to

    def pass_over(self, name: str, state: SeriesState, gap: Missing, start: int, end: int) -> None:
        """Notes that all trades within the minutes of `gap` are its ids.

        So these need no repair of their own, and where no id is left, those from `start` to before `end` are known.
        """
        before = state.repairs
        self.known(state, gap.from_minute + MINUTE, gap.to_minute)
        if state.repairs != before:
            self.doubt(name, gap.from_minute, gap.to_minute)
            self.changed = True
        if gap.first > gap.last:
            if start < min(self.kept_from, end):
                self.repair(state, start, min(self.kept_from, end))
            for minute in range(max(start, self.kept_from), end, MINUTE):
                self.quiet(state, name, minute)

    def quiet(self, state: SeriesState, name: str, minute: int) -> None:
        """Notes that a minute has no trade."""
        rows = self.minutes[minute].rows
        if minute not in state.open and name not in rows and not self.is_doubtful(state, minute):
            scales = state.price_scale, state.size_scale
            now = self.lane.now
            rows[name] = MinuteRow(*scales, 0, 0, 0, 0, 0, 0, 0, FROM_TRADES, now, True, self.version)
            self.altered.add(minute)
            self.changed = True

    def miss(self, venue: str, name: str, state: SeriesState, gap: Missing) -> None:
        state.missing.append(gap)
        self.opened[venue] += 1
        self.doubt(name, gap.from_minute, gap.to_minute)

    def replace(self, venue: str, name: str, state: SeriesState, index: int, *parts: Missing) -> None:
        """Puts what is left of a missing range in its place."""
        gap, left = state.missing[index], [part for part in parts if part.first <= part.last]
        if left != [gap]:
            state.missing[index : index + 1] = left
            self.opened[venue] += max(0, len(left) - 1)
            self.doubt(name, gap.from_minute, gap.to_minute)
            self.changed = True

    def doubt(self, name: str, first: int, last: int) -> None:
        """Has the closed rows of minutes `first` to `last` looked at again."""
        self.doubted.setdefault(name, set()).update(range(max(first, self.kept_from), last + 1, MINUTE))

    # --- the venue's own words ---

    def quote(self, venue: str, message: Quote) -> None:
        name = f"{venue}:{message.symbol}"
        state = self.state(name, message.price_scale, 0)
        if message.time > state.time:
            state.price = message.price * 10 ** (state.price_scale - message.price_scale)
            state.time = message.time
            self.touch(state)

    def candles(self, venue: str, message: Candles) -> None:
        name = f"{venue}:{message.symbol}"
        state = self.state(name, message.price_scale, message.size_scale)
        kept_from = self.kept_from
        if message.start < kept_from:
            old = msgspec.structs.replace(
                message,
                end=min(message.end, kept_from),
                bars=[bar for bar in message.bars if bar.start < kept_from],
            )
            self.history.setdefault(Series(venue, message.symbol), []).append(old)
        bars = {bar.start: bar for bar in message.bars}
        start = message.start
        for minute in range(max(message.start, kept_from), message.end, MINUTE):
            if not self.venue_row(venue, name, state, message, minute, bars.get(minute)):
                self.account(name, state, start, minute)
                start = minute + MINUTE
        self.account(name, state, start, message.end)

    def venue_row(
        self, venue: str, name: str, state: SeriesState, message: Candles, minute: int, bar: Bar | None
    ) -> bool:
        """Takes what the venue says of a minute; False if it says nothing of one that had trades."""
        old = state.open.get(minute) or self.closed_row(state, name, minute)
        if bar is None and old is not None and old.rank == FROM_TRADES and not old.is_empty:
            return False
        price = 10 ** (state.price_scale - message.price_scale)
        size = 10 ** (state.size_scale - message.size_scale)
        shape = (0, 0, 0, 0, 0)
        if bar is not None:
            shape = (bar.open * price, bar.high * price, bar.low * price, bar.close * price, bar.volume * size)
        told = (bar is not None, message.as_of)
        # An answer that repeats itself is no news, though its time is: the row would be written anew each minute.
        # And a bar is never taken back: a venue that tells none where it told one has lost it.
        if old is not None and old.rank == FROM_VENUE and (shape == old.shape or told <= (not old.is_empty, old.as_of)):
            return True
        scales = state.price_scale, state.size_scale
        row = MinuteRow(*scales, *shape, 0, 0, FROM_VENUE, message.as_of, True, 0)
        if minute in state.open:
            self.touch(state)
        self.put(state, name, venue, minute, row)
        if old is not None and old.complete and shape == old.shape and minute not in self.doubted.get(name, ()):
            row.changed = old.changed  # confirmed: no news to those who follow the lane
        return True

    def account(self, name: str, state: SeriesState, start: int, end: int) -> None:
        """Notes that the venue's candles of the span are known."""
        if start >= end:
            return
        self.told.setdefault(name, []).append((start, end))
        before = (state.known_to, state.repairs)
        if not state.known:
            self.repair(state, floor(start - NEWCOMER, HOUR), start)
        elif start > state.known:
            if state.high_minute:
                self.doubt(name, state.known, start - MINUTE)
            self.repair(state, state.known, start)
        state.known_to = max(state.known_to, end)
        self.known(state, start, end)
        self.changed |= before != (state.known_to, state.repairs)

    def known(self, state: SeriesState, start: int, end: int) -> None:
        """Asks no more for a span."""
        if state.repairs and start < end:
            state.repairs = [
                piece
                for first, last in state.repairs
                for piece in ((first, min(last, start)), (max(first, end), last))
                if piece[0] < piece[1]
            ]

    def repair(self, state: SeriesState, start: int, end: int) -> None:
        """Adds a span to ask the venue for, joined with those it meets."""
        spans = []
        for first, last in state.repairs:
            if last < start or end < first:
                spans.append((first, last))
            else:
                start, end = min(start, first), max(end, last)
        state.repairs = sorted([*spans, (start, end)])
        self.changed = True

    def clock(self, venue: str, message: Clock) -> None:
        minute = floor(message.time, MINUTE)
        for symbol, last in message.last_ids.items():
            if last < 1:  # none yet
                continue
            name = f"{venue}:{symbol}"
            state = self.state(name, 0, 0)
            if last > state.high or (last == state.high and minute > state.high_minute):
                self.advance(venue, name, state, last, last, minute)
                self.changed = True
            elif last < state.high and minute >= state.high_minute + ANEW:
                self.begin_anew(venue, name, state, last, minute)
            else:
                self.narrow(venue, name, state, last, minute)
        for symbol in message.unheard:
            unheard = self.lane.series.get(f"{venue}:{symbol}", SeriesState())
            for minute in unheard.open:
                if minute + MINUTE + GRACE <= message.time:
                    self.repair(unheard, minute, minute + MINUTE)

    def begin_anew(self, venue: str, name: str, state: SeriesState, last: int, minute: int) -> None:
        """Forgets the ids known: candles tell what lies between, as for a series that was polled."""
        for gap in state.missing:
            self.doubt(name, gap.from_minute, gap.to_minute)
            self.repair(state, gap.from_minute, gap.to_minute + MINUTE)
        state.missing, state.known_to, state.high_minute = [], state.known, 0
        self.advance(venue, name, state, last, last, minute)

    def narrow(self, venue: str, name: str, state: SeriesState, last: int, minute: int) -> None:
        """Notes that missing ids to `last` lie in minutes up to this one, and those above it not before."""
        for index in reversed(range(len(state.missing))):
            first, end, from_, to = state.missing[index]
            if not first:  # all before the first trade known of: its minutes are only noted for that one's
                continue
            before = Missing(first, min(last, end), min(from_, minute), min(to, minute))
            after = Missing(max(last + 1, first), end, max(from_, minute), max(to, minute))
            self.replace(venue, name, state, index, before, after)
            if last < first:
                self.pass_over(name, state, Missing(1, 0, from_, after.from_minute), from_, after.from_minute)
            elif last >= end:
                rest = Missing(1, 0, before.to_minute, to)
                self.pass_over(name, state, rest, before.to_minute + MINUTE, self.settled(state, to))

    def pass_(self, venue: str, time: int) -> None:
        """Moves the venue's clock on."""
        if time > self.lane.clocks.get(venue, 0):
            self.lane.clocks[venue] = time
            self.changed = True

    # --- the end of the batch ---

    def finish(self) -> Folded:
        for name, state in self.lane.series.items():
            venue = name.partition(":")[0]
            while len(state.missing) > RANGES:
                gap = state.missing.pop(0)
                self.doubt(name, gap.from_minute, gap.to_minute)
                self.repair(state, gap.from_minute, gap.to_minute + MINUTE)
            if state.missing and (name in self.told or name in self.doubted):
                self.trim(name, state)
            for minute in sorted(state.open):
                if self.is_closed(venue, minute):
                    row = state.open[minute]
                    self.touch(state)
                    self.put(state, name, venue, minute, row)
            for minute, row in state.open.items():
                row.complete = not self.is_doubtful(state, minute)
        self.settle()
        self.plan_packing()
        self.give_up()
        self.count_gaps()
        if self.changed:
            self.lane.version = self.version
            self.lane.touched += [(self.version, minute) for minute in sorted(self.altered)]
            del self.lane.touched[:-TOUCHES]
        return Folded(self.changed, self.altered, self.history)

    def trim(self, name: str, state: SeriesState) -> None:
        """Drops the missing ranges whose minutes the venue has all told, and shortens those it has told in part."""

        def is_told(minute: int) -> bool:
            if not self.is_kept(minute):
                return any(start <= minute < end for start, end in self.told.get(name, ()))
            if minute in state.open:
                return False
            row = self.closed_row(state, name, minute)
            return row is not None and row.rank == FROM_VENUE

        kept = []
        for gap in state.missing:
            start, end = gap.from_minute, gap.to_minute
            while start <= end and is_told(start):
                start += MINUTE
            while start <= end and is_told(end):
                end -= MINUTE
            if start <= end:
                kept.append(gap._replace(from_minute=start, to_minute=end))
        self.changed |= kept != state.missing
        state.missing = kept

    def is_doubtful(self, state: SeriesState, minute: int) -> bool:
        """Whether trades of the minute may be missing."""
        return state.lacks(minute) or any(start <= minute < end for start, end in state.repairs)

    def settle(self) -> None:
        """Tells each closed row that changed, or whose missing trades did, whether it is complete."""
        looked_at = {name: set(minutes) for name, minutes in self.doubted.items()}
        for minute in self.altered:
            for name, row in self.minutes[minute].rows.items():
                if row.changed == self.version:
                    looked_at.setdefault(name, set()).add(minute)
        for name, minutes in looked_at.items():
            state = self.lane.series[name]
            for minute in minutes:
                if minute in state.open or not self.is_kept(minute):
                    continue
                found = self.minutes[minute].rows.get(name)
                if found is None:
                    continue
                complete = found.rank == FROM_VENUE or not self.is_doubtful(state, minute)
                if complete != found.complete:
                    found.complete, found.changed = complete, self.version
                    self.altered.add(minute)
                    self.changed = True

    def give_up(self) -> None:
        """Asks no more for minutes that are not kept any longer."""
        oldest = floor(self.lane.now, MINUTE) - KEPT_MINUTES
        for state in self.lane.series.values():
            if any(gap.to_minute < oldest for gap in state.missing):
                state.missing = [gap for gap in state.missing if gap.to_minute >= oldest]
                self.changed = True
            if state.repairs and state.repairs[0][0] < oldest:
                state.repairs = [(max(start, oldest), end) for start, end in state.repairs if end > oldest]
                self.changed = True

    def count_gaps(self) -> None:
        """Counts the missing ranges opened, and as repaired those of them that are no more."""
        if not self.changed:
            return
        gaps = self.lane.gaps
        for venue, opened in self.opened.items():
            gaps[venue] = gaps.get(venue, (0, 0))[0] + opened, 0
        missing = dict.fromkeys(gaps, 0)
        for name, state in self.lane.series.items():
            if state.missing:
                missing[name.partition(":")[0]] += len(state.missing)
        self.lane.gaps = {venue: (opened, opened - missing[venue]) for venue, (opened, _) in gaps.items()}

    def plan_packing(self) -> None:
        """Notes which hours are to be packed: those that ended, and packed ones of which a minute changed."""
        lane, now = self.lane, self.lane.now
        if not now:  # candles came before any clock: their hours wait for it
            if self.altered:
                first = floor(min(self.altered), HOUR)
                lane.packed_to = min(lane.packed_to or first, first)
            return
        if not lane.packed_to:
            lane.packed_to = floor(now, HOUR)
            self.changed = True
        kept_from = floor(now - KEPT, HOUR)
        due = {floor(minute, HOUR) for minute in self.altered if floor(minute, HOUR) < lane.packed_to}
        if lane.packed_to < kept_from:
            # Back after a long pause: pack what is there, and ask the venues again for what may not be.
            due |= {hour for hour in (lane.packed_to, lane.packed_to + HOUR) if hour < kept_from}
            for state in lane.series.values():
                if state.known > lane.packed_to:
                    self.repair(state, lane.packed_to, min(state.known, kept_from))
            lane.packed_to = kept_from
        while lane.packed_to + HOUR + PACK_AFTER <= now:
            due.add(lane.packed_to)
            lane.packed_to += HOUR
        new = sorted(due.difference(lane.unpacked))
        if new:
            lane.unpacked = sorted([*lane.unpacked, *new])
            self.changed = True
