"""The fold that moves a lane on: the one place where trades become candles.

The rules are those of docs/architecture.md, "Lanes and candles". In short: a trade counts once, when its id is new or
inside a range known to be missing; a venue's own candle outranks one folded from trades; what a batch does to the state
does not depend on the order, number or grouping of its records.
"""

from collections.abc import Iterable, MutableMapping
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from cryptopulse.domain.candles import DAY, FROM_TRADES, FROM_VENUE, HOUR, MINUTE, floor
from cryptopulse.domain.lanes import TOUCHES, Lane, Minute, MinuteRow, Missing, SeriesState
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record, Trades

GRACE: Final = 2_000
"""A minute closes so many ms after its end on the venue's clock."""
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
    trades: dict[tuple[str, str, int, int], list[list[tuple[int, int, int, int]]]] = {}
    rest: list[tuple[str, Message]] = []
    for record in records:
        venue = record.venue
        for message in record.messages:
            if type(message) is Trades:
                key = venue, message.symbol, message.price_scale, message.size_scale
                trades.setdefault(key, []).append(message.trades)
            else:
                rest.append((venue, message))
    clocks = [(venue, message) for venue, message in rest if isinstance(message, Clock)]
    ends = [message.end for _, message in rest if isinstance(message, Candles)]
    folding = _Folding(lane, minutes, max([lane.now, *ends, *(clock.time for _, clock in clocks)]))
    # A series' trades in one go, and the clocks last: the order does not matter, and long runs count at once.
    for (venue, symbol, price_scale, size_scale), parts in trades.items():
        whole = parts[0] if len(parts) == 1 else list(chain.from_iterable(parts))
        folding.trades(venue, Trades(symbol, price_scale, size_scale, whole))
    for venue, message in rest:
        if isinstance(message, Quote):
            folding.quote(venue, message)
        elif isinstance(message, Candles):
            folding.candles(venue, message)
    for venue, clock in clocks:
        folding.clock(venue, clock)
    return folding.finish()


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
        name = f"{venue}:{message.symbol}"
        state = self.state(name, message.price_scale, message.size_scale)
        if not self.run(venue, name, state, message):
            for trade in message.trades:
                self.trade(venue, name, state, message, *trade)

    def run(self, venue: str, name: str, state: SeriesState, message: Trades) -> bool:
        """Counts trades that follow the highest id without a gap and lie in one open minute, all at once."""
        if not message.trades or not state.high:
            return False
        ids, prices, sizes, times = zip(*message.trades, strict=True)
        if ids[0] != state.high + 1 or ids != tuple(range(ids[0], ids[0] + len(ids))):
            return False
        minute = floor(times[0], MINUTE)
        if not minute <= min(times) <= max(times) < minute + MINUTE or self.is_closed(venue, minute):
            return False
        price = 10 ** (state.price_scale - message.price_scale)
        row = state.open.get(minute)
        if row is None:
            if minute in self.minutes:
                return False
            row = self.new_row(state, prices[0] * price, ids[0])
        row.high = max(row.high, max(prices) * price)
        row.low = min(row.low, min(prices) * price)
        row.close, row.last = prices[-1] * price, ids[-1]
        row.volume += sum(sizes) * 10 ** (state.size_scale - message.size_scale)
        row.as_of = max(row.as_of, self.lane.now)
        state.high, state.high_minute = ids[-1], minute
        self.last(state, row.close, times[-1])
        self.put(state, name, venue, minute, row)
        return True

    def last(self, state: SeriesState, price: int, time: int) -> None:
        """A newer last price; its time never goes back."""
        if time >= state.time and (price, time) != (state.price, state.time):
            state.price, state.time = price, time
            self.touch(state)

    def trade(
        self, venue: str, name: str, state: SeriesState, message: Trades, id_: int, price: int, size: int, time: int
    ) -> None:
        minute = floor(time, MINUTE)
        if not self.counts(name, state, id_, minute):
            return
        self.changed = True
        row = self.row(state, name, venue, minute) if self.is_kept(minute) else None
        price *= 10 ** (state.price_scale - message.price_scale)
        size *= 10 ** (state.size_scale - message.size_scale)
        if id_ == state.high:
            self.last(state, price, time)
        if not self.is_kept(minute):
            self.repair(state, minute, minute + MINUTE)
            return
        if row is None:
            row = self.new_row(state, price, id_)
        elif row.rank != FROM_TRADES:
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

    def counts(self, name: str, state: SeriesState, id_: int, minute: int) -> bool:
        """Whether the trade is new; moves the highest id and the missing ranges."""
        if not state.high:
            state.high, state.high_minute = id_, minute
            if id_ > 1:
                self.miss(name, state, Missing(0, id_ - 1, minute, minute))
            return True
        if id_ > state.high:
            if id_ > state.high + 1:
                first, last = sorted((state.high_minute, minute))
                self.miss(name, state, Missing(state.high + 1, id_ - 1, first, last))
            state.high, state.high_minute = id_, minute
            return True
        for index, gap in enumerate(state.missing):
            if gap.first <= id_ <= gap.last:
                left = Missing(gap.first, id_ - 1, min(gap.from_minute, minute), minute)
                right = Missing(id_ + 1, gap.last, minute, max(gap.to_minute, minute))
                state.missing[index : index + 1] = [part for part in (left, right) if part.first <= part.last]
                self.doubt(name, gap)
                return True
        return False

    def miss(self, name: str, state: SeriesState, gap: Missing) -> None:
        state.missing.append(gap)
        self.doubt(name, gap)

    def doubt(self, name: str, gap: Missing) -> None:
        self.doubted.setdefault(name, set()).update(range(gap.from_minute, gap.to_minute + 1, MINUTE))

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
        for minute in range(max(message.start, kept_from), message.end, MINUTE):
            self.venue_row(venue, name, state, message, minute, bars.get(minute))
        self.account(state, message.start, message.end)
        self.told.setdefault(name, []).append((message.start, message.end))

    def venue_row(
        self, venue: str, name: str, state: SeriesState, message: Candles, minute: int, bar: Bar | None
    ) -> None:
        old = state.open.get(minute) or self.closed_row(state, name, minute)
        price = 10 ** (state.price_scale - message.price_scale)
        size = 10 ** (state.size_scale - message.size_scale)
        shape = (0, 0, 0, 0, 0)
        if bar is not None:
            shape = (bar.open * price, bar.high * price, bar.low * price, bar.close * price, bar.volume * size)
        told = (bar is not None, message.as_of)
        # An answer that repeats itself is no news, though its time is: the row would be written anew each minute.
        # And a bar is never taken back: a venue that tells none where it told one has lost it.
        if old is not None and old.rank == FROM_VENUE and (shape == old.shape or told <= (not old.is_empty, old.as_of)):
            return
        scales = state.price_scale, state.size_scale
        row = MinuteRow(*scales, *shape, 0, 0, FROM_VENUE, message.as_of, True, 0)
        if minute in state.open:
            self.touch(state)
        self.put(state, name, venue, minute, row)

    def account(self, state: SeriesState, start: int, end: int) -> None:
        """Notes that the venue's candles of the span are known."""
        before = (state.known_to, list(state.repairs))
        if not state.known_to:
            state.known_to = end
            self.repair(state, floor(start - NEWCOMER, HOUR), start)
        elif start > state.known_to:
            self.repair(state, state.known_to, start)
        state.known_to = max(state.known_to, end)
        state.repairs = [
            piece
            for first, last in state.repairs
            for piece in ((first, min(last, start)), (max(first, end), last))
            if piece[0] < piece[1]
        ]
        self.changed |= before != (state.known_to, state.repairs)

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
        if message.time > self.lane.clocks.get(venue, 0):
            self.lane.clocks[venue] = message.time
            self.changed = True
        for symbol, last in message.last_ids.items():
            name = f"{venue}:{symbol}"
            state = self.lane.series.get(name)
            if state is not None and state.high and last > state.high:
                minute = floor(message.time, MINUTE)
                self.miss(name, state, Missing(state.high + 1, last, state.high_minute, max(state.high_minute, minute)))
                state.high, state.high_minute = last, max(state.high_minute, minute)
                self.changed = True

    # --- the end of the batch ---

    def finish(self) -> Folded:
        for name, state in self.lane.series.items():
            venue = name.partition(":")[0]
            while len(state.missing) > RANGES:
                gap = state.missing.pop(0)
                self.doubt(name, gap)
                self.repair(state, gap.from_minute, gap.to_minute + MINUTE)
            if state.missing and (name in self.told or name in self.doubted):
                self.trim(name, state)
            for minute in sorted(state.open):
                if self.is_closed(venue, minute):
                    row = state.open[minute]
                    self.touch(state)
                    self.put(state, name, venue, minute, row)
            for minute, row in state.open.items():
                row.complete = not state.lacks(minute) and not self.in_repair(state, minute)
        self.settle()
        self.plan_packing()
        self.give_up()
        if self.changed:
            self.lane.version = self.version
            self.lane.touched += [(self.version, minute) for minute in sorted(self.altered)]
            del self.lane.touched[:-TOUCHES]
        return Folded(self.changed, self.altered, self.history)

    def trim(self, name: str, state: SeriesState) -> None:
        """Drops the missing ranges whose minutes the venue has all told, and shortens those it has told in part."""

        def is_told(minute: int) -> bool:
            if any(start <= minute < end for start, end in self.told.get(name, ())):
                return True
            if minute in state.open or not self.is_kept(minute):
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

    def in_repair(self, state: SeriesState, minute: int) -> bool:
        return any(start <= minute < end for start, end in state.repairs)

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
                lacks = state.lacks(minute) or self.in_repair(state, minute)
                complete = found.rank == FROM_VENUE or not lacks
                if complete != found.complete:
                    found.complete, found.changed = complete, self.version
                    self.altered.add(minute)
                    self.changed = True

    def give_up(self) -> None:
        """Asks no more for minutes that are not kept any longer."""
        oldest = floor(self.lane.now, MINUTE) - KEPT_MINUTES
        for state in self.lane.series.values():
            if state.repairs and state.repairs[0][0] < oldest:
                state.repairs = [(max(start, oldest), end) for start, end in state.repairs if end > oldest]
                self.changed = True

    def plan_packing(self) -> None:
        """Notes which hours are to be packed: those that ended, and packed ones of which a minute changed."""
        lane, now = self.lane, self.lane.now
        if not now:
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
                if state.known_to > lane.packed_to:
                    self.repair(state, lane.packed_to, min(state.known_to, kept_from))
            lane.packed_to = kept_from
        while lane.packed_to + HOUR + PACK_AFTER <= now:
            due.add(lane.packed_to)
            lane.packed_to += HOUR
        new = sorted(due.difference(lane.unpacked))
        if new:
            lane.unpacked = sorted([*lane.unpacked, *new])
            self.changed = True
