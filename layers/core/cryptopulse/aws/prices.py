"""What prices need of the Market table, in few calls; what cannot have changed is kept in process."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from cryptopulse.aws.market import KEPT, Market
from cryptopulse.domain import prices as domain
from cryptopulse.domain.candles import DAY, EMPTY, HOUR, MINUTE, Block, block_key, decode, floor, joined
from cryptopulse.domain.charts import SETTLED
from cryptopulse.domain.lanes import Lane, Minute
from cryptopulse.domain.prices import Last, Price, Quoted
from cryptopulse.domain.series import Series, lane_of

MARKS_KEPT: Final = MINUTE
"""How long (ms) it may take to see that packed rows were written anew."""
SERIES_KEPT: Final = MINUTE
LANES_KEPT: Final = 1000
"""How long (ms) the list of series and the lanes are kept in process: no longer than clients may keep an answer."""

type Places = dict[Series, Lane]
"""Series and their lanes, as read just now."""


class _Recent(NamedTuple):
    """A lane's minute items from `start` (Unix ms) on, as of a version of the lane, and its series' rows in them."""

    start: int
    version: int
    minutes: Mapping[int, Minute]
    rows: dict[Series, Block]


class Prices:
    """Reads prices of many series.

    Args:
        market: The table.
        lanes: How many lanes there are.
    """

    def __init__(self, market: Market, lanes: int) -> None:
        self._market = market
        self._lanes = lanes
        self._series: tuple[int, list[Series]] = (0, [])
        self._marks: tuple[int, dict[Series, int]] | None = None
        self._live: dict[int, tuple[int, Lane]] = {}
        self._packed: dict[Series, tuple[int, int, Block]] = {}
        self._recent: dict[int, _Recent] = {}

    def series(self, now: int) -> list[Series]:
        """The series followed, at most a minute old."""
        read_at, series = self._series
        if not series or now - read_at >= SERIES_KEPT:
            series = self._market.series()
            self._series = (now, series)
        return series

    def rewritten(self, now: int) -> dict[Series, int]:
        """A number for each series whose packed rows were ever written anew, another one each time; a minute old."""
        if self._marks is None or now - self._marks[0] >= MARKS_KEPT:
            self._marks = now, self._market.rewritten()
        return self._marks[1]

    def lanes(self, series: Iterable[Series], now: int) -> Places:
        """The series' lanes, at most a second old."""
        numbers = {each: lane_of(each, self._lanes) for each in series}
        old = [number for number in set(numbers.values()) if now - self._live.get(number, (0, None))[0] >= LANES_KEPT]
        read = self._market.lanes(old) if old else {}
        self._live |= {number: (now, read.get(number) or Lane(number)) for number in old}
        return {each: self._live[number][1] for each, number in numbers.items()}

    def now(self, asked: list[Quoted], now: int, *, with_sparkline: bool = False) -> list[Price]:
        """The symbols' prices and last 24 hours, in order.

        Args:
            asked: The symbols.
            now: Unix ms.
            with_sparkline: Whether to add hourly closes.
        """
        places = self.lanes((series for each in asked for series in each.needed), now)
        days = self._days(places, domain.day_start(now), now)
        found = []
        for each in asked:
            last, rows = last_price(places[each.series], each.series), days[each.series]
            if each.rate is not None:
                last = domain.converted_last(last, last_price(places[each.rate], each.rate))
                rows = domain.converted(rows, days[each.rate])
            found.append(domain.price_now(each, last, rows, now, with_sparkline=with_sparkline))
        return found

    def at(self, asked: list[Quoted], at: int, now: int) -> tuple[list[Price], bool]:
        """What the symbols' prices were, in order: the close of the minute, else hour, else day that holds the time.

        Args:
            asked: The symbols.
            at: Unix ms, not after `now`.
            now: Unix ms.

        Returns:
            The prices, and whether they will stay as they are.
        """
        places = self.lanes((series for each in asked for series in each.needed), now)
        closes: dict[Series, Last] = {}
        is_settled = at < now - SETTLED
        for step in (MINUTE, HOUR, DAY):
            left = {series: lane for series, lane in places.items() if series not in closes}
            # While minutes are kept they may still come, and then speak instead of the hour or day.
            is_settled &= not left or step == MINUTE or at < now - KEPT[MINUTE]
            for series, block in self._rows_at(left, step, floor(at, step), now).items():
                if last := domain.close(block, step, min(now, places[series].clocks.get(series.venue, now))):
                    closes[series] = last
                    is_settled &= all(block.columns[-1])
        found = []
        for each in asked:
            last = closes.get(each.series)
            if each.rate is not None:
                last = domain.converted_last(last, closes.get(each.rate))
            found.append(domain.price_at(each, last, at))
        return found, is_settled and len(closes) == len(places)

    # --- the last day ---

    def _days(self, places: Places, start: int, now: int) -> dict[Series, Block]:
        """Rows from `start` on: packed minutes to the next hour, packed hours, then minutes, the open ones too."""
        ends = {series: packed_end(lane, now) for series, lane in places.items()}
        self._load_packed({s: end for s, end in ends.items() if self._packed.get(s, ())[:2] != (start, end)}, start)
        return {
            series: joined(self._packed[series][2], self.loose(lane, series, max(start, ends[series])))
            for series, lane in places.items()
        }

    def _load_packed(self, ends: Mapping[Series, int], start: int) -> None:
        hour = floor(start + HOUR - 1, HOUR)
        spans = {series: [(MINUTE, start, min(hour, end)), (HOUR, hour, end)] for series, end in ends.items()}
        for series, block in self._blocks(spans).items():
            self._packed[series] = (start, ends[series], block)

    def loose(self, lane: Lane, series: Series, start: int) -> Block:
        """The series' rows from `start` on (Unix ms) that are not packed, the open ones too; its lane as just read."""
        if not lane.packed_to:
            return EMPTY
        recent, name = self._minutes(lane), str(series)
        if series not in recent.rows:
            found = [(minute.start, minute.rows[name]) for minute in recent.minutes.values() if name in minute.rows]
            recent.rows[series] = joined(*(row.block(at) for at, row in found))
        state = lane.series.get(name)
        opened = [row.block(minute) for minute, row in sorted(state.open.items())] if state else []
        return joined(recent.rows[series], *opened).between(start, lane.now + DAY)

    def _minutes(self, lane: Lane) -> _Recent:
        """The lane's minute items that are not packed, read again only where the lane says that they changed."""
        start, kept = lane.unpacked_from, self._recent.get(lane.number)
        touched = lane.touched_since(kept.version) if kept and kept.start <= start else None
        if kept and touched is not None and not touched and kept.start == start:
            return kept
        known = kept.minutes if kept and touched is not None else {}
        wanted = range(start, lane.now + 1, MINUTE) if touched is None else touched
        # Consistently: what an older copy of the table lacks would not be read again.
        read = self._market.minutes_at(lane.number, wanted, consistent=True)
        minutes = {**known, **{minute.start: minute for minute in read}}
        recent = _Recent(start, lane.version, {at: minutes[at] for at in sorted(minutes) if at >= start}, {})
        self._recent[lane.number] = recent
        return recent

    # --- the past ---

    def _rows_at(self, places: Places, step: int, start: int, now: int) -> dict[Series, Block]:
        """The row of a stored step at `start`."""
        packed = [series for series, lane in places.items() if start + step <= packed_end(lane, now)]
        rows = self._blocks({series: [(step, start, start + step)] for series in packed})
        for series in places.keys() - rows.keys():
            rows[series] = self._market.candles(places[series], series, step, start, start + step, now)
        return rows

    def _blocks(self, spans: Mapping[Series, list[tuple[int, int, int]]]) -> dict[Series, Block]:
        """Packed rows of many series: of each the spans (stored step, start, end), none longer than a block, joined."""
        wanted = [
            (series, start, end, f"CANDLES#{series}", key)
            for series, parts in spans.items()
            for step, start, end in parts
            if start < end
            for key in dict.fromkeys((block_key(step, start), block_key(step, end - 1)))
        ]
        items = self._market.table.get_many((pk, sk) for *_, pk, sk in wanted)
        found: dict[Series, list[Block]] = defaultdict(list)
        for series, start, end, pk, sk in wanted:
            if item := items.get((pk, sk)):
                found[series].append(decode(item["data"]).between(start, end))
        return {series: joined(*found[series]) for series in spans}


def packed_end(lane: Lane, now: int) -> int:
    """Before this (Unix ms) rows are in blocks; a lane that has not begun has no others."""
    return lane.unpacked_from if lane.packed_to else floor(now, DAY) + DAY


def last_price(lane: Lane, series: Series) -> Last | None:
    """The last price of one of the lane's series, traded or polled."""
    state = lane.series.get(str(series))
    return Last(state.price, state.price_scale, state.time) if state and state.time else None
