"""Rows of many series at once: the same as each series' own, from blocks that are read once."""

import random
from collections.abc import Iterable, Iterator, Sequence

import pytest

from bench._memory import MemoryTable
from cryptopulse.aws.blocks import AsOf, Blocks, Span
from cryptopulse.aws.dynamodb import Item
from cryptopulse.aws.histories import Histories
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.aws.prices import Prices
from cryptopulse.domain.candles import DAY, HOUR, INTERVALS, MINUTE, Block, Row, encode, floor, rows_of
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Record, Trades

TODAY = 1_795_305_600_000
"""2026-11-22T00:00:00Z."""
LANES = 2
BTC, ETH, SOL = Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD"), Series("binance", "SOL-USDT")
SERIES = [BTC, ETH, SOL]


class CountingTable(MemoryTable):
    """A table that notes which candle blocks are read."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks_read: list[str] = []

    def get_many(self, keys: Iterable[tuple[str, str]], *, consistent: bool = False) -> dict[tuple[str, str], Item]:
        keys = list(keys)
        self.blocks_read += [sk for pk, sk in keys if pk.startswith("CANDLES")]
        return super().get_many(keys, consistent=consistent)

    def query(
        self,
        pk: str,
        start: str = " ",
        end: str = "~",
        *,
        consistent: bool = False,
        is_backwards: bool = False,
        page: int | None = None,
        attributes: Sequence[str] = (),
    ) -> Iterator[Item]:
        if pk.startswith("CANDLES"):
            self.blocks_read.append(f"{start}-{end}")
        return super().query(
            pk, start, end, consistent=consistent, is_backwards=is_backwards, page=page, attributes=attributes
        )


class Stage:
    """A Market table, filled as the stream and the backfill fill it, and who reads it."""

    def __init__(self) -> None:
        self.table = CountingTable()
        self.market = Market(self.table)
        self.fresh()

    def fresh(self) -> None:
        """Another process."""
        self.prices = Prices(self.market, LANES)
        self.histories = Histories(self.market, self.prices)

    def backfill(self, until: int) -> None:
        for series in SERIES:
            self.market.merge(series, "1d", told(series, DAY, TODAY - 400 * DAY, floor(until, DAY)))
            self.market.merge(series, "1h", told(series, HOUR, TODAY - 70 * DAY, until))
            self.market.merge(series, "1m", told(series, MINUTE, TODAY - 2 * DAY, until))

    def tell(self, venue: str, now: int, *messages: Message, is_packed: bool = True) -> None:
        """What the venue says goes through the stream, as `process_ticks` does it."""
        for number in range(LANES):
            lane, minutes = self.market.lane(number), LazyMinutes(self.market, number)
            own = [each for each in messages if lane_of(Series(venue, each.symbol), LANES) == number]  # type: ignore[union-attr]
            previous = lane.version
            folded = fold(lane, minutes, [Record(venue, number, [*own, Clock(now)])])
            for state in lane.series.values():
                state.repairs = []  # what was before them has been told
            self.market.keep_history(folded, lane.now)
            self.market.write(lane, previous, [minutes[minute] for minute in folded.minutes])
            if is_packed and self.market.pack(lane):
                lane.version += 1
                self.market.write(lane, lane.version - 1)

    def run(self, start: int, end: int) -> None:
        """Polls the venues every half hour, and trades once at the end."""
        for until in range(start + HOUR // 2, end + 1, HOUR // 2):
            self.tell("coinbase", until, *(told(each, MINUTE, until - HOUR // 2, until) for each in (BTC, ETH)))
            self.tell("binance", until - 7_000, told(SOL, MINUTE, until - HOUR // 2, until - MINUTE))
        self.tell("coinbase", end + 3_000, Trades(BTC.symbol, 2, 3, [(9, 6_400_000, 5, end + 1_000)]))

    def same(self, interval: int, start: int, end: int, now: int) -> None:
        """Asserts that all series read as each of its own."""
        found = self.histories.read(SERIES, interval, start, end, now)
        assert list(found) == SERIES
        for series in SERIES:
            lane = self.market.lane(lane_of(series, LANES))
            expected = self.market.candles(lane, series, interval, start, end, now)
            assert found[series].rows() == expected.rows()
            assert found[series][:2] == expected[:2]

    def closes(self, series: Series, interval: int, start: int, end: int, now: int) -> list[int]:
        return list(self.histories.read([series], interval, start, end, now)[series].columns[4])


def told(series: Series, step: int, start: int, end: int, shift: int = 0) -> Candles:
    """Every tenth or so was not traded; SOL's scales have changed with time, its venue told nothing of one day."""
    scale = 3 if series == SOL and start >= TODAY - DAY else 2
    bars = []
    for at in range(start, end, step):
        number = at // step
        close = (15_000 + number * 37 % 101) * 10 ** (scale - 2) + shift
        if number % 10 != 3 or series == BTC:
            bars.append(Bar(at, close - 1, close + 7, close - 9, close, 100 + number % 13))
    return Candles(series.symbol, scale, 3, start, end, end, bars)


def stage(begun: int, now: int) -> Stage:
    made = Stage()
    made.backfill(begun)
    if now > begun:
        made.run(begun, now)
    made.table.blocks_read.clear()
    return made


@pytest.mark.parametrize(
    ("begun", "now"),
    [
        pytest.param(TODAY - 3 * HOUR, TODAY - 3 * HOUR, id="no lane has begun"),
        pytest.param(TODAY - 3 * HOUR, TODAY + 2 * MINUTE, id="after midnight, before packing"),
        pytest.param(TODAY + 2 * HOUR, TODAY + 6 * HOUR + 30 * MINUTE, id="in the morning"),
    ],
)
def test_rows_are_those_of_each_series(begun: int, now: int) -> None:
    system, chosen = stage(begun, now), random.Random(8)
    now += 5_000
    for turn in range(60):
        interval = chosen.choice(list(INTERVALS.values()))
        start = floor(now, interval) - chosen.randrange(chosen.choice([1, 3, 40, 300])) * interval
        end = start + chosen.randrange(1, 60) * interval - chosen.choice([0, 7 * MINUTE])
        system.same(interval, start, chosen.choice([end, now + DAY]), now + turn * 17)


def test_rows_are_those_of_each_series_while_they_are_packed() -> None:
    system = stage(TODAY - 3 * HOUR, TODAY - HOUR)
    for minute in range(0, 120, 4):
        now = TODAY - HOUR + minute * MINUTE + 3_000
        if minute % 20 == 0 and minute:
            system.tell(
                "coinbase", now, *(told(each, MINUTE, now - 20 * MINUTE - 3_000, now - 3_000) for each in (BTC, ETH))
            )
        for interval in (5 * MINUTE, HOUR, DAY):
            system.same(interval, floor(TODAY - 4 * HOUR, interval), now + DAY, now + 1)


def test_an_hour_of_the_day_before_that_is_to_be_packed_again_is_read_from_its_minutes() -> None:
    system = stage(TODAY - 3 * HOUR, TODAY + 30 * MINUTE)
    now = TODAY + 31 * MINUTE
    late = told(ETH, MINUTE, TODAY - 20 * MINUTE, TODAY, shift=500)
    late.as_of = now
    system.tell("coinbase", now, late, is_packed=False)
    assert system.market.lane(lane_of(ETH, LANES)).unpacked_from == TODAY - HOUR
    for interval in INTERVALS.values():
        for start in (TODAY - DAY, TODAY):
            system.same(interval, start, now + DAY, now)


def test_a_complete_block_is_read_once_others_after_a_minute() -> None:
    system = stage(TODAY + 2 * HOUR, TODAY + 6 * HOUR)
    now = TODAY + 6 * HOUR + 5_000
    asked = [BTC], HOUR, TODAY - 60 * DAY, now
    system.histories.read(*asked, now)
    assert system.table.blocks_read == ["1h#2026-09", "1h#2026-10", "1h#2026-11"]
    system.histories.read(*asked, now + MINUTE - 1)
    assert len(system.table.blocks_read) == 3
    system.histories.read(*asked, now + MINUTE)
    assert system.table.blocks_read[3:] == ["1h#2026-09", "1h#2026-11"]  # both are not whole


def test_an_hour_just_packed_is_not_missed() -> None:
    system = stage(TODAY + 2 * HOUR, TODAY + 6 * HOUR)
    now = TODAY + 6 * HOUR + 5 * MINUTE
    system.same(HOUR, TODAY, now, now)
    system.tell("coinbase", now, told(BTC, MINUTE, now - 5 * MINUTE, now))
    assert system.market.lane(lane_of(BTC, LANES)).unpacked_from == TODAY + 6 * HOUR
    system.same(HOUR, TODAY, now, now + 1_001)


def test_rows_written_anew_are_seen_within_a_minute() -> None:
    system = stage(TODAY + 2 * HOUR, TODAY + 6 * HOUR)
    now = TODAY + 6 * HOUR + 10_000
    before = system.closes(BTC, HOUR, TODAY - 40 * DAY, now, now)
    marks = system.prices.rewritten(now)
    repaired = told(BTC, HOUR, TODAY - 30 * DAY, TODAY - 30 * DAY + HOUR, shift=5)
    repaired.as_of = now
    system.market.merge(BTC, "1h", repaired)
    assert system.closes(BTC, HOUR, TODAY - 40 * DAY, now, now + MINUTE - 1) == before
    after = system.closes(BTC, HOUR, TODAY - 40 * DAY, now, now + MINUTE)
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [(before[240], before[240] + 5)]
    moved = system.prices.rewritten(now + MINUTE)
    assert {series for series in SERIES if moved[series] != marks[series]} == {BTC}


def test_a_packed_hour_is_marked_when_it_changes_and_only_then() -> None:
    system = stage(TODAY + 2 * HOUR, TODAY + 6 * HOUR)
    begun = system.market.rewritten()
    now = TODAY + 6 * HOUR + 5 * MINUTE
    system.tell("coinbase", now, told(BTC, MINUTE, now - 5 * MINUTE, now))
    assert system.market.rewritten() == begun  # the hour is packed, for the first time
    late = told(ETH, MINUTE, TODAY + 5 * HOUR + 59 * MINUTE, TODAY + 6 * HOUR, shift=3)
    late.as_of = now
    system.tell("coinbase", now + MINUTE, late)
    assert system.market.rewritten() == {**begun, ETH: begun[ETH] + 1}
    system.tell("coinbase", now + 2 * MINUTE, late)
    assert system.market.rewritten() == {**begun, ETH: begun[ETH] + 1}


def test_a_series_that_was_silent_when_its_hour_was_packed_is_marked() -> None:
    system = stage(TODAY + 2 * HOUR, TODAY + 6 * HOUR)
    packed = TODAY + 7 * HOUR + 5 * MINUTE
    system.tell("coinbase", packed, told(BTC, MINUTE, TODAY + 6 * HOUR, packed))
    begun = system.market.rewritten()
    system.tell("coinbase", packed + MINUTE, told(ETH, MINUTE, TODAY + 6 * HOUR, packed))
    assert system.market.rewritten() == {**begun, ETH: begun[ETH] + 1}


def test_marks_are_made_again_after_a_failure_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    system = stage(TODAY + 2 * HOUR, TODAY + 6 * HOUR)
    begun = system.market.rewritten()
    now = TODAY + 6 * HOUR + 5 * MINUTE
    system.tell("coinbase", now, told(BTC, MINUTE, now - 5 * MINUTE, now))
    late = told(ETH, MINUTE, TODAY + 5 * HOUR, TODAY + 6 * HOUR, shift=3)
    late.as_of = now
    with monkeypatch.context() as patched:
        patched.setattr(Market, "_mark", _fail)
        with pytest.raises(OSError, match="gone"):
            system.tell("coinbase", now + MINUTE, late)
    assert system.market.rewritten() == begun
    system.tell("coinbase", now + 2 * MINUTE)
    assert system.market.rewritten() == {**begun, ETH: begun[ETH] + 1}


def _fail(market: Market, many: Iterable[Series]) -> None:
    if list(many):
        raise OSError("gone")


def test_what_is_kept_is_bounded_and_what_was_read_last_stays() -> None:
    table = CountingTable()
    rows = rows_of(told(BTC, MINUTE, TODAY - DAY, TODAY), MINUTE).rows()
    for hour in range(24):
        part = Block.of(2, 3, rows[60 * hour : 60 * hour + 60])
        table.items["CANDLES#coinbase:BTC-USD", f"1m#2026-11-21T{hour:02}"] = {
            "pk": "CANDLES#coinbase:BTC-USD",
            "sk": f"1m#2026-11-21T{hour:02}",
            "data": encode(part),
        }
    blocks = Blocks(table, room=40_000)

    def read(first: int, last: int) -> list[str]:
        """Reads these hours; returns which were not kept."""
        table.blocks_read.clear()
        span = Span(MINUTE, TODAY - DAY + first * HOUR, TODAY - DAY + last * HOUR)
        (found,) = blocks.read({BTC: [span]}, {BTC: AsOf(0, TODAY)}, TODAY)[BTC]
        assert found.rows() == rows[60 * first : 60 * last]
        return [sk[-2:] for sk in table.blocks_read]

    assert len(read(0, 24)) == 24
    assert read(18, 24) == []
    assert read(0, 1) == ["00"]
    assert read(19, 24) == []
    assert read(18, 19) == ["18"]  # it had been read longest ago when there was no room
    assert 0 < blocks._kept._kept.used <= 40_000
    assert len(blocks._kept._kept) == 40_000 // (1500 + 9 * 8 * 60)


def test_numbers_beyond_64_bits_are_kept_too() -> None:
    table = CountingTable()
    market = Market(table)
    rows = [Row(TODAY - DAY + n * HOUR, 5, 9, 3, 7, 10**20 + n, 2, TODAY, True) for n in range(24)]
    market._merge(BTC, HOUR, Block.of(2, 18, rows))
    blocks = Blocks(table)
    for _ in range(2):
        (found,) = blocks.read({BTC: [Span(HOUR, TODAY - DAY, TODAY)]}, {BTC: AsOf(0, TODAY)}, TODAY)[BTC]
        assert found.rows() == rows
    assert table.blocks_read == ["1h#2026-11"]


def test_many_hours_of_minutes_are_read_with_one_query() -> None:
    system = stage(TODAY + 2 * HOUR, TODAY + 2 * HOUR)
    found = system.histories.read([BTC], MINUTE, TODAY - 5 * DAY, TODAY, TODAY + 2 * HOUR)
    assert len(found[BTC].starts) == 2 * 1440
    assert system.table.blocks_read == ["1m#2026-11-17T00-1m#2026-11-21T23"]
