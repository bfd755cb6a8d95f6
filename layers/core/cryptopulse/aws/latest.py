"""Newest values of indicators, from states kept in process that move on as rows are packed.

A state has seen the packed rows of its series and nothing else: these only change when the series' mark does. Rows that
are not packed yet may still change; they are pushed onto a copy.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import batched
from operator import attrgetter
from threading import Lock
from typing import Final, NamedTuple

from cryptopulse.aws.histories import Histories
from cryptopulse.aws.market import KEPT
from cryptopulse.aws.prices import Prices, packed_end
from cryptopulse.aws.recent import Recent
from cryptopulse.domain.candles import EMPTY, Block, floor, joined
from cryptopulse.domain.charts import WIDER, oldest, open_from, traded
from cryptopulse.domain.indicators import Indicator
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.running import SINCE_SHOWN, Candle, Running, Value, candles, reach, running
from cryptopulse.domain.series import Series

SHOWN: Final = 500
"""Rows that `/indicators/{symbol}` shows unless told otherwise: a newest value is the last of these."""
ROOM: Final = 32_000_000
"""Bytes of states kept in process, about."""
AT_ONCE: Final = 50_000
"""Rows that are held at once, about, until states have seen them."""


class Newest(NamedTuple):
    """The values at the last closed row with a trade, by the indicators' full names."""

    time: int | None
    """Its start (Unix ms); None: there is none."""
    values: dict[str, Value]


class _Place(NamedTuple):
    """Where a series' rows are: before `packed` in blocks, before `opened` closed (starts, Unix ms)."""

    packed: int
    opened: int
    lane: Lane
    mark: int


class _Kept(NamedTuple):
    """A state that has seen all rows before `end`, the last of them at `last`; times in Unix ms.

    `value` is that at the last row before `opened`, at `time`, as the lane was in its `version`.
    """

    state: Running
    mark: int
    end: int
    last: int | None
    opened: int
    version: int
    time: int | None
    value: Value

    def holds(self, place: _Place, furthest: int) -> bool:
        """Whether the state can move on from there, and needs no more than `furthest` ms of rows to."""
        return self.mark == place.mark and 0 <= place.packed - self.end <= furthest

    def is_newest(self, place: _Place) -> bool:
        """Whether the value is still the newest."""
        if (self.end, self.opened) != (place.packed, place.opened):
            return False
        touched = place.lane.touched_since(self.version)
        return touched is not None and not any(place.packed <= minute < place.opened for minute in touched)


type _Key = tuple[Series, int, Indicator]


class Latest:
    """Has the newest values of indicators.

    Args:
        histories: Reads rows.
        prices: Knows the series' lanes.
        room: Bytes of states to keep.
    """

    def __init__(self, histories: Histories, prices: Prices, room: int = ROOM) -> None:
        self._histories = histories
        self._prices = prices
        self._kept: Recent[_Key, _Kept] = Recent(room)
        self._lock = Lock()

    def values(
        self, series: Sequence[Series], interval: int, indicators: Sequence[Indicator], now: int
    ) -> list[Newest]:
        """The newest values of each series, in order.

        Args:
            series: Any of those followed.
            interval: In ms, one of INTERVALS.
            indicators: What to compute.
            now: Unix ms.
        """
        furthest = max(reach(indicator, interval, SHOWN) for indicator in indicators)
        at_once = max(1, AT_ONCE // furthest)
        groups = batched(series, at_once, strict=False)
        return [each for group in groups for each in self._values(group, interval, indicators, now)]

    def _values(
        self, series: Sequence[Series], interval: int, indicators: Sequence[Indicator], now: int
    ) -> list[Newest]:
        marks = self._prices.rewritten(now)  # before the rows: what is written after it is seen by the next
        places = {
            each: _place(each, lane, interval, marks.get(each, 0), now)
            for each, lane in self._prices.lanes(series, now).items()
        }
        kept = {each: self._holding(each, interval, indicators, place) for each, place in places.items()}
        for each, rows in self._rows(places, interval, indicators, kept, now).items():
            for indicator in indicators:
                key = each, interval, indicator
                kept[each][indicator] = self._keep(key, _moved(key, kept[each].get(indicator), rows, places[each]))
        return [
            Newest(
                kept[each][indicators[0]].time,
                {str(indicator): kept[each][indicator].value for indicator in indicators},
            )
            for each in series
        ]

    # --- rows ---

    def _rows(
        self,
        places: Mapping[Series, _Place],
        interval: int,
        indicators: Sequence[Indicator],
        kept: Mapping[Series, Mapping[Indicator, _Kept]],
        now: int,
    ) -> dict[Series, list[Candle]]:
        """The closed rows of each series whose values are not the newest, as far back as they need them."""
        lacking: dict[Series, int] = {}
        behind: dict[int, list[Series]] = defaultdict(list)
        for each, place in places.items():
            states = kept[each]
            if len(states) < len(indicators):
                needs = (reach(indicator, interval, SHOWN) for indicator in indicators if indicator not in states)
                lacking[each] = max(needs)
            elif not all(state.is_newest(place) for state in states.values()):
                behind[min(state.end for state in states.values())].append(each)
        found = self._last_rows(places, interval, lacking, now)
        for start, group in behind.items():
            end = max(places[each].opened for each in group)
            found |= self._histories.read(group, interval, start, end, now)
        return {each: candles(block.between(0, places[each].opened)) for each, block in found.items()}

    def _last_rows(
        self, places: Mapping[Series, _Place], interval: int, needed: Mapping[Series, int], now: int
    ) -> dict[Series, Block]:
        """The closed rows, and before the first not packed so many with a trade, or all there are."""
        found = dict.fromkeys(needed, EMPTY)
        lacking, first = set(needed), oldest(interval, now, KEPT)
        until = max((places[each].opened for each in needed), default=0)
        start = min((places[each].packed for each in needed), default=0)
        span = max(needed.values(), default=0) * interval
        while lacking and until > first:
            start = max(first, floor(start - span, interval))
            for each, block in self._histories.read(lacking, interval, start, until, now).items():
                found[each] = joined(block, found[each])
                packed = traded(found[each].between(0, places[each].packed)).starts
                # A long time of which nothing at all is known was before the series, or is a hole in it.
                is_silent = span >= SHOWN * interval and not block.starts
                if len(packed) >= needed[each] or (
                    is_silent and not self._histories.has_rows(each, interval, first, start)
                ):
                    lacking.remove(each)
            until, span = start, span * WIDER
        return found

    # --- states ---

    def _holding(
        self, series: Series, interval: int, indicators: Sequence[Indicator], place: _Place
    ) -> dict[Indicator, _Kept]:
        """Those of the states kept that can be used; where some cannot, only those that need no rows but theirs."""
        found = {}
        with self._lock:
            for indicator in indicators:
                key = series, interval, indicator
                kept = self._kept.get(key)
                if kept and kept.holds(place, reach(indicator, interval, SHOWN) * interval):
                    found[indicator] = kept
        if len(found) < len(indicators):
            return {indicator: state for indicator, state in found.items() if state.end == place.packed}
        return found

    def _keep(self, key: _Key, kept: _Kept) -> _Kept:
        with self._lock:
            self._kept.put(key, kept, _size(key[2]))
        return kept


def _place(series: Series, lane: Lane, interval: int, mark: int, now: int) -> _Place:
    opened = open_from(lane, series, interval, now)
    return _Place(min(floor(packed_end(lane, now), interval), opened), opened, lane, mark)


def _moved(key: _Key, kept: _Kept | None, rows: Sequence[Candle], place: _Place) -> _Kept:
    """A state, moved on to where rows are not packed; made of the last rows before it where there is none."""
    _, interval, indicator = key
    end = _index(rows, place.packed)
    if kept:
        state, last, begin = kept.state, kept.last, _index(rows, kept.end)
    else:
        state, last, begin = running(indicator, SHOWN), None, max(0, end - reach(indicator, interval, SHOWN))
    if begin < end:
        state, last = _pushed(state, rows[begin:end]), rows[end - 1].start
    loose = rows[end:]
    value, time = (_pushed(state, loose).value, loose[-1].start) if loose else (state.value, last)
    return _Kept(state, place.mark, place.packed, last, place.opened, place.lane.version, time, value)


def _pushed(state: Running, rows: Sequence[Candle]) -> Running:
    state = state.copy()  # another request may read it
    for row in rows:
        state.push(row)
    return state


def _index(rows: Sequence[Candle], start: int) -> int:
    return bisect_left(rows, start, key=attrgetter("start"))


def _size(indicator: Indicator) -> int:
    """Of a state, in bytes, about: most is for the rows in its window."""
    window = SHOWN if indicator.name in SINCE_SHOWN else sum(indicator.parameters)
    return 1000 + int(window) * 120
