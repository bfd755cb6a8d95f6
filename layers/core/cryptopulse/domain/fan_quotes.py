"""Prices and candles: which changed in the lanes, and which of them flows are owed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from cryptopulse.domain import frames
from cryptopulse.domain.candles import INTERVALS, MINUTE, Block, floor, joined
from cryptopulse.domain.fan_flows import Flows, Group, Groups, Quoted, Reader
from cryptopulse.domain.fan_state import NEVER, Candle, Client, Tick
from cryptopulse.domain.folding import KEPT, closed_to
from cryptopulse.domain.lanes import Lane, Minute
from cryptopulse.domain.series import Series
from cryptopulse.domain.subscriptions import Connection

CANDLES: Final = 4_000
"""That may be owed from beat to beat. One takes 63 bytes of the state at most, 400 KB of which are an item's limit."""

type Rows = Callable[[Series, int, int, int], Block]
"""Reads the rows of a series at an interval (ms) with `start` <= row.start < `end`."""


class Quotes:
    """The channels `ticks` and `candles`.

    A value is marked with the beat and the lane version that last changed it; a flow is owed what changed after the
    beat it was last sent and after the version its snapshot showed.

    Args:
        flows: Of the shard.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._state = flows.state
        self._groups = Groups()
        self._changes = 0
        """Of values."""
        self._wanted: dict[int, dict[str, set[str]]] = {}
        """By lane and series, the intervals."""
        self._late: dict[int, int] = {}
        """Lanes looked at after the snapshot of an entry that is new here, and that snapshot's version."""

    def begin(self) -> None:
        """Begins a beat."""
        self._late = {}

    def adopt(self, connection: Connection, client: Client) -> None:
        """Takes what is new in a connection."""
        for name, entry in connection.entries():
            seen = self._state.seen.get(entry.lane, 0)
            if entry.added > client.adopted and entry.shown < seen:
                client.flows[name].sent = NEVER
                self._late[entry.lane] = min(entry.shown, self._late.get(entry.lane, seen))

    def enter(self, reader: Reader) -> None:
        """Takes a flow in, if it follows series."""
        if reader.subscribed.entries:
            self._groups.enter(reader)

    def leave(self, reader: Reader) -> None:
        """Lets a flow go."""
        self._groups.leave(reader)

    def derive(self) -> None:
        """Works out what all flows want together."""
        self._wanted = {}
        for interest in self._groups.interests:
            for quoted, lane in interest.places:
                self._wanted.setdefault(lane, {}).setdefault(quoted.series, set()).add(quoted.interval)

    # --- what changed ---

    def lanes(self, new: Collection[int]) -> set[int]:
        """The lanes to look at, given those that have moved on."""
        return {lane for lane in self._wanted if lane in new or lane in self._late}

    def minutes(self, lane: Lane, now: int) -> list[int]:
        """The minutes of the lane to look at for candles that changed."""
        if not any(intervals - {""} for intervals in self._wanted.get(lane.number, {}).values()):
            return []
        touched = lane.touched_since(self._since(lane.number))
        if touched is None:
            return list(range(floor(now - KEPT, MINUTE), floor(now, MINUTE) + MINUTE, MINUTE))
        return sorted(touched)

    def _since(self, lane: int) -> int:
        """The lane's version up to which its changes need no look: they were sent, or shown to all who want them."""
        shown = min(interest.first[lane] for interest in self._groups.interests if lane in interest.first)
        return max(shown, self._late.get(lane, self._state.seen.get(lane, 0)))

    def absorb(self, lane: Lane, minutes: Sequence[Minute], rows: Rows) -> None:
        """Marks what changed in a lane.

        Args:
            lane: As it is now.
            minutes: Its minute items of `minutes`, read after it.
            rows: Reads candles of more than one minute.
        """
        for series, intervals in self._wanted.get(lane.number, {}).items():
            state = lane.series.get(series)
            if state is None:
                continue
            if "" in intervals and state.time:
                price = state.price / 10**state.price_scale
                known = self._state.ticks.get(series)
                if known is None or (known.price, known.time) != (price, state.time):
                    self._state.ticks[series] = Tick(price, state.time, state.changed, self._state.beat)
                    self._changes += 1
            if spans := intervals - {""}:
                self._absorb_candles(lane, series, spans, minutes, rows)

    def _absorb_candles(
        self, lane: Lane, series: str, intervals: set[str], minutes: Sequence[Minute], rows: Rows
    ) -> None:
        since = self._since(lane.number)
        changed = {minute.start: minute.rows[series] for minute in minutes if series in minute.rows}
        changed = {start: row for start, row in (lane.series[series].open | changed).items() if row.changed > since}
        end = closed_to(lane, series)
        before = max(self._state.closed_to.get(series, end), end - KEPT)
        self._state.closed_to[series] = end
        for interval in intervals:
            length = INTERVALS[interval]
            versions: dict[int, int] = {}
            for minute, row in changed.items():
                start = floor(minute, length)
                versions[start] = max(row.changed, versions.get(start, 0))
            if length == MINUTE:
                block = joined(*(row.block(minute) for minute, row in sorted(changed.items())))
            else:
                # A candle closes with time, too: when no trade came in its last minutes, none of its rows changes.
                for close in range(floor(before, length) + length, end + 1, length):
                    versions[close - length] = lane.version
                if not versions:
                    continue
                block = rows(Series.parse(series), length, min(versions), max(versions) + length)
            self._mark(series, interval, block, versions, end, self._state.seen.get(lane.number, 0))

    def _mark(self, series: str, interval: str, block: Block, versions: Mapping[int, int], end: int, seen: int) -> None:
        marks = self._state.candles.setdefault(series, {}).setdefault(interval, {})
        complete = {row.start: row.complete for row in block.rows()}
        for row in block.shown():
            start = row[0]
            if start not in versions:
                continue
            told = (row, start + INTERVALS[interval] <= end, complete[start])
            known = marks.get(start)
            if known is None or (known.row, known.closed, known.complete) != told:
                # What changed before the last look was sent to all but those who came since: beat 0 is theirs.
                beat = self._state.beat if versions[start] > seen else 0
                marks[start] = Candle(*told, versions[start], beat)
                self._changes += 1

    # --- what goes out ---

    def owing(self) -> Iterator[tuple[tuple[Quoted, ...], Collection[Reader]]]:
        """What flows are owed, and which; also those that are owed nothing of what others of their group are."""
        for group in self._groups:
            self._look(group)
            if not group.owed:
                continue
            last = group.interest.last
            if all(version > last[lane] for lane, version in group.lowest.items()):
                yield group.owed, group.readers.values()
                continue
            others: list[Reader] = []
            shares: dict[tuple[Quoted, ...], list[Reader]] = {}  # those who were shown some of it
            for reader in group.readers.values():
                if all(version > reader.shown[lane] for lane, version in group.lowest.items()):
                    others.append(reader)
                else:
                    shares.setdefault(tuple(self._owed(reader)), []).append(reader)
            if others:
                yield group.owed, others
            yield from shares.items()

    def _look(self, group: Group) -> None:
        """Works out what changed since the flows of a group were sent."""
        if group.as_of == self._changes:
            return
        owed: list[Quoted] = []
        lowest: dict[int, int] = {}
        for quoted, lane in group.interest.places:
            for key, value in self._values_of(quoted):
                if value.beat > group.sent:
                    owed.append(key)
                    if value.version < lowest.get(lane, value.version + 1):
                        lowest[lane] = value.version
        group.owed, group.lowest, group.as_of = tuple(owed), lowest, self._changes

    def _values_of(self, quoted: Quoted) -> Iterable[tuple[Quoted, Tick | Candle]]:
        """What there is of a series."""
        if not quoted.interval:
            tick = self._state.ticks.get(quoted.series)
            return ((quoted, tick),) if tick is not None else ()
        marks = self._state.candles.get(quoted.series, {}).get(quoted.interval, {})
        return [(Quoted(quoted.series, quoted.interval, start), marks[start]) for start in sorted(marks)]

    def _owed(self, reader: Reader) -> Iterator[Quoted]:
        for entry in reader.subscribed.entries.values():
            for key, value in self._values_of(Quoted(entry.series, entry.interval)):
                if value.beat > reader.flow.sent and value.version > entry.shown:
                    yield key

    def value(self, key: Quoted) -> bytes:
        """What is told of a price or a candle."""
        if not key.interval:
            tick = self._state.ticks[key.series]
            return frames.tick(key.series, tick.price, tick.time)
        candle = self._state.candles[key.series][key.interval][key.start]
        return frames.candle(key.series, key.interval, candle.row, closed=candle.closed, complete=candle.complete)

    def sent(self, reader: Reader, told: Sequence[Quoted]) -> None:
        """Notes that a flow was told all it was owed."""
        self._groups.sent(reader, self._state.beat)

    def prune(self) -> None:
        """Drops the values that nobody is owed any more."""
        state = self._state
        owed = self._owed_candles() if state.candles else ()
        wanted = {series: intervals for lane in self._wanted.values() for series, intervals in lane.items()}
        state.ticks = {name: tick for name, tick in state.ticks.items() if "" in wanted.get(name, ())}
        state.closed_to = {name: time for name, time in state.closed_to.items() if wanted.get(name, set()) - {""}}
        kept: dict[str, dict[str, dict[int, Candle]]] = {}
        for key in owed:
            marks = kept.setdefault(key.series, {}).setdefault(key.interval, {})
            marks[key.start] = state.candles[key.series][key.interval][key.start]
        if state.candles:
            state.candles = kept
            self._changes += 1

    def _owed_candles(self) -> set[Quoted]:
        """The candles that somebody is owed; where they are too many, who is owed the most loses them.

        The next `seq` jumps, so that he asks for everything again: by two, as he may have had the frame that he did not
        answer.
        """
        kept: set[Quoted] = set()
        for keys, readers in sorted(self.owing(), key=lambda each: len(each[0])):
            owed = {key for key in keys if key.interval} - kept
            if len(kept) + len(owed) <= CANDLES:
                kept |= owed
                continue
            self._flows.changed = True
            for reader in list(readers):
                reader.client.seq += 2
                self.sent(reader, ())
        return kept
