"""Rows of any interval of many series, in few calls: packed blocks kept in process, and what is not packed yet."""

from collections.abc import Collection

from cryptopulse.aws.blocks import AsOf, Blocks, Span, chained
from cryptopulse.aws.market import Market
from cryptopulse.aws.prices import Prices, packed_end
from cryptopulse.domain.candles import DAY, HOUR, MINUTE, Block, floor, folded, joined, stored_step
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import Series


class Histories:
    """Reads rows of many series.

    Args:
        market: The table.
        prices: Knows the series' lanes.
    """

    def __init__(self, market: Market, prices: Prices) -> None:
        self._market = market
        self._prices = prices
        self._blocks = Blocks(market.table)

    def has_rows(self, series: Series, interval: int, start: int, end: int) -> bool:
        """Whether there may be packed rows with `start` <= row.start < `end`."""
        return self._market.has_blocks(series, stored_step(interval), start, end)

    def read(self, series: Collection[Series], interval: int, start: int, end: int, now: int) -> dict[Series, Block]:
        """The rows with `start` <= row.start < `end` of each series, empty and open ones too, as `Market.candles`.

        Args:
            series: Any of those followed.
            interval: In ms, one of INTERVALS.
            start: Aligned to the interval, Unix ms.
            end: Unix ms.
            now: Unix ms; tells which row is open.
        """
        step = stored_step(interval)
        end = min(end, floor(now, interval) + interval)
        marks = self._prices.rewritten(now)  # before the blocks: what is written after it is seen by the next
        places = self._prices.lanes(series, now)
        as_of = {each: AsOf(marks.get(each, 0), packed_end(lane, now)) for each, lane in places.items()}
        spans = {each: _packed_spans(step, start, end, as_of[each].packed_to) for each in places}
        packed = self._blocks.read(spans, as_of, now)
        found = {}
        for each, lane in places.items():
            rows, *hours = packed[each]
            until = min(now, lane.clocks.get(each.venue, now))
            if floor(as_of[each].packed_to, step) < end:
                rows = chained(rows, self._fresh(lane, each, step, start, end, until, hours))
            found[each] = folded(rows, step, interval, until)
        return found

    def _fresh(
        self, lane: Lane, series: Series, step: int, start: int, end: int, until: int, hours: Collection[Block]
    ) -> Block:
        """Rows of a stored step that are not packed: minutes, and what is folded from them and the day's hours."""
        minutes = self._prices.loose(lane, series, max(start, lane.unpacked_from)).between(start, end)
        if step == DAY:
            return folded(joined(*hours, folded(minutes, MINUTE, HOUR, until)), HOUR, DAY, until)
        return folded(minutes, MINUTE, step, until)


def _packed_spans(step: int, start: int, end: int, packed_to: int) -> list[Span]:
    """Which rows are in blocks: those of the step, and for days the hours of the day that is not over."""
    rows = Span(step, start, min(end, floor(packed_to, step)))
    if step != DAY:
        return [rows]
    return [rows, Span(HOUR, max(start, floor(packed_to, DAY)), min(end, packed_to))]
