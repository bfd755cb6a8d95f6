"""What portfolios need of the Market table: prices of many assets at many times, in few calls."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import batched
from typing import Final

from cryptopulse.aws.blocks import AsOf, KeptBlocks, Key
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.market import KEPT, Market
from cryptopulse.aws.prices import Prices, last_price, packed_end
from cryptopulse.domain.candles import DAY, EMPTY, HOUR, MINUTE, block_key, decode, floor
from cryptopulse.domain.portfolios import Currency
from cryptopulse.domain.prices import quoted
from cryptopulse.domain.quotes import LIVE, Closes, History, Leg, Path, Quotes, path, references
from cryptopulse.domain.series import Series
from cryptopulse.domain.transactions import Mark

BLOCKS_KEPT: Final = 32_000_000
"""Bytes of closes kept in process, about."""
AT_ONCE: Final = 100
"""Blocks read and unpacked before the next ones are: a call's worth."""
BLOCK_KEPT: Final = {MINUTE: HOUR, HOUR: 31 * DAY}
"""A block (an hour of minutes, a month of hours) is kept as long as its last row: its first so much longer."""
LOOKBACK: Final = 31 * DAY
"""How long before a span (ms) its last price may have been."""


class QuotesReader:
    """Reads prices in a base currency.

    Args:
        market: The table.
        prices: Knows the series followed and their lanes.
    """

    def __init__(self, market: Market, prices: Prices) -> None:
        self._prices = prices
        self._blocks = _Blocks(market.table)

    def marks(self, wanted: Iterable[tuple[str, int]], base: Currency, now: int) -> dict[tuple[str, int], Mark]:
        """What things were worth: by the close of the minute, else hour, else day that holds the time; near now, and
        ahead, by the last price.

        Args:
            wanted: Assets or currencies, and times (Unix ms).
            base: What they were worth in.
            now: Unix ms.

        Returns:
            A mark for each of `wanted` whose price is known.
        """
        times: dict[str, set[int]] = defaultdict(set)
        for code, time in wanted:
            times[code].add(time)
        paths = self.paths(times, base, now)
        needed: dict[Series, set[int]] = defaultdict(set)
        for code, legs in paths.items():
            for leg in legs or ():
                needed[leg.series] |= times[code]
        reading = _Reading(self._prices, self._blocks, needed, now)
        reading.add(needed)
        quotes = Quotes(paths, reading.histories)
        found = ((code, time, quotes.quote(code, time)) for code, each in times.items() for time in each)
        return {(code, time): Mark(*quote) for code, time, quote in found if quote is not None}

    def now(self, assets: Iterable[str], base: Currency, now: int) -> dict[str, Mark]:
        """What things are worth: the last prices.

        Args:
            assets: Currencies too.
            base: What they are worth in.
            now: Unix ms.

        Returns:
            A mark for each whose price is known; its time tells how old it is.
        """
        return {asset: mark for (asset, _), mark in self.marks(((each, now) for each in assets), base, now).items()}

    def span(
        self,
        assets: Collection[str],
        base: Currency,
        start: int,
        end: int,
        times: Collection[int],
        now: int,
        since: int | None = None,
    ) -> Quotes:
        """Prices of a span of time.

        Args:
            assets: Currencies too.
            base: What they were worth in.
            start: Unix ms.
            end: Unix ms.
            times: Where the prices of the minute, else the hour, are to be known (Unix ms).
            now: Unix ms.
            since: Where there is no price shortly before the start, the last one from then on is to be known (Unix ms).

        Returns:
            `quote` answers to `times`; `last` to `start`, every 00:00 UTC between, and `end`.
        """
        return self._span(self.paths(assets, base, now), (start, end), times, now, since)

    def closes(self, symbol: str, times: Sequence[int], now: int) -> list[Decimal | None]:
        """A symbol's last price before each time: the close of a candle that ends just then counts.

        Args:
            symbol: Such as `BTC-USD`; an X-USD that nobody trades is converted.
            times: Unix ms.
            now: Unix ms.

        Raises:
            NotFoundError: There is no such symbol.
        """
        legs = tuple(map(Leg, quoted(symbol, None, self._prices.series(now)).needed))
        quotes = self._span({symbol: legs}, times, (), now)
        found = (quotes.last(symbol, time) for time in times)
        return [None if quote is None else quote.price for quote in found]

    def paths(self, codes: Iterable[str], base: Currency, now: int) -> dict[str, Path | None]:
        """The series that lead from assets or currencies to a base currency; None where none do.

        Args:
            codes: The assets or currencies.
            base: Where they lead.
            now: Unix ms.
        """
        speaking = references(self._prices.series(now))
        return {code: path(code, base, speaking) for code in codes}

    def _span(
        self,
        paths: Mapping[str, Path | None],
        edges: Collection[int],
        times: Collection[int],
        now: int,
        since: int | None = None,
    ) -> Quotes:
        """Days from the first to the last of `edges`, finer rows just before each, and at `times`."""
        wanted = {*times, *(time for edge in edges for time in _just_before(edge, now))}
        series = {leg.series for legs in paths.values() for leg in legs or ()}
        reading = _Reading(self._prices, self._blocks, series, now)
        reading.add(dict.fromkeys(series, wanted))
        if edges:
            reading.add_days(min(edges), max(edges))
            reading.add_older_days(min(edges), min(edges) if since is None else since)
        return Quotes(paths, reading.histories)


def _just_before(edge: int, now: int) -> Iterable[int]:
    """Times whose closes tell the last price before an edge, beside those of days."""
    if edge >= now - LIVE:
        return (now,)
    return (edge - MINUTE, edge - HOUR) if edge % DAY else ()


class _Reading:
    """Closes of these series as read at one moment."""

    def __init__(self, prices: Prices, blocks: "_Blocks", series: Iterable[Series], now: int) -> None:
        self._prices = prices
        self._blocks = blocks
        self._now = now
        self._places = prices.lanes(series, now)
        self._packed_ends = {each: packed_end(lane, now) for each, lane in self._places.items()}
        self.histories: dict[Series, History] = {}
        for each, lane in self._places.items():
            until = min(now, lane.clocks.get(each.venue, now))
            self.histories[each] = History(now, until, last_price(lane, each))

    def add(self, wanted: Mapping[Series, Iterable[int]]) -> None:
        """Adds the closes of the minute, else hour, else day that hold these times (Unix ms)."""
        unknown = {series: {min(time, self._now) for time in times} for series, times in wanted.items()}
        for step in (MINUTE, HOUR, DAY):
            unknown = {
                series: {time for time in times if not self.histories[series].knows(time)}
                for series, times in unknown.items()
            }
            self._add(step, {series: {floor(time, step) for time in times} for series, times in unknown.items()})

    def add_days(self, start: int, end: int) -> None:
        """Adds the closes of all days from some before `start` on to `end`, as far as they are over."""
        first = floor(start - LOOKBACK, DAY)
        over = {series: floor(packed, DAY) for series, packed in self._packed_ends.items()}
        self._add_packed(DAY, {series: range(first, min(end, day), DAY) for series, day in over.items()})
        # From midnight on until its last hour is packed yesterday has no row.
        self._add_open_days([series for series, day in over.items() if day + DAY <= end])

    def add_older_days(self, start: int, since: int) -> None:
        """Adds the closes of the days before those, from `since` on, of series that had none shortly before `start`."""
        first, older = (floor(time - LOOKBACK, DAY) for time in (start, since))
        silent = [each for each, history in self.histories.items() if history.last(start) is None]
        self._add_packed(DAY, {each: range(older, first, DAY) for each in silent})

    def _add(self, step: int, starts: Mapping[Series, Collection[int]]) -> None:
        """Adds the rows at `starts`, those too that are folded from the step below."""
        oldest = self._now - KEPT.get(step, self._now) - BLOCK_KEPT.get(step, 0)
        packed, unpacked = {}, []
        for series, each in starts.items():
            end = self._packed_ends[series]
            packed[series] = sorted(start for start in each if oldest < start + step <= end)
            if any(start + step > end for start in each):
                unpacked.append(series)
        self._add_packed(step, packed)
        if step == MINUTE:
            self._add_loose(unpacked)  # their hours too
        elif step == DAY:
            self._add_open_days(unpacked)

    def _add_packed(self, step: int, starts: Mapping[Series, Iterable[int]]) -> None:
        wanted: dict[Key, list[int]] = defaultdict(list)
        owners = {f"CANDLES#{series}": series for series in starts}
        for pk, series in owners.items():
            for start in starts[series]:
                wanted[pk, _sort_key(step, floor(start, HOUR if step == MINUTE else DAY))].append(start)
        if not wanted:
            return
        marks = self._prices.rewritten(self._now)  # before the blocks: what is written after it is seen by the next
        as_of = {pk: AsOf(marks.get(series, 0), self._packed_ends[series]) for pk, series in owners.items()}
        for key, closes in self._blocks.read({key: as_of[key[0]] for key in wanted}, self._now):
            self.histories[owners[key[0]]].add(step, closes, wanted[key])

    def _add_loose(self, series: Iterable[Series]) -> None:
        """Adds the minutes that are not packed yet, and their hours."""
        for each in series:
            lane, history = self._places[each], self.histories[each]
            history.add(MINUTE, Closes.of(self._prices.loose(lane, each, lane.unpacked_from)))
            history.fold(MINUTE, HOUR, lane.unpacked_from)

    def _add_open_days(self, series: Collection[Series]) -> None:
        """Adds the hours since the last midnight that blocks reach to, and their days."""
        ends = {each: self._packed_ends[each] for each in series}
        self._add_loose(series)
        self._add_packed(HOUR, {each: range(floor(end, DAY), end, HOUR) for each, end in ends.items()})
        for each, end in ends.items():
            self.histories[each].fold(HOUR, DAY, floor(end, DAY))


@lru_cache(maxsize=10_000)
def _sort_key(step: int, start: int) -> str:
    return block_key(step, start)


class _Blocks:
    """Reads the closes of blocks; keeps those that were read last."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._kept: KeptBlocks[Closes] = KeptBlocks(BLOCKS_KEPT, lambda closes: 16 * len(closes.starts) + 600)

    def read(self, keys: Mapping[Key, AsOf], now: int) -> Iterator[tuple[Key, Closes]]:
        """The closes of these blocks, in any order; of one that does not exist, none.

        Args:
            keys: The blocks, and what is known of their series.
            now: Unix ms.
        """
        unread = []
        for key, as_of in keys.items():
            kept = self._kept.find(key, as_of, now)
            if kept is None:
                unread.append(key)
            else:
                yield key, kept
        for batch in batched(unread, AT_ONCE, strict=False):
            items = self._table.get_many(batch, consistent=True)  # older rows would be kept under the newer mark
            for key in batch:
                block = decode(items[key]["data"]) if key in items else EMPTY
                closes = Closes.of(block)
                self._kept.keep(key, block, closes, keys[key], now)
                yield key, closes
