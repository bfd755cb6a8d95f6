"""Which rows a page shows, tried against a plain list of rows."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.candles import DAY, FROM_TRADES, FROM_VENUE, HOUR, INTERVALS, MINUTE, Block, Row
from cryptopulse.domain.charts import (
    CHANGING_KEPT,
    FIRST,
    SETTLED_KEPT,
    Candles,
    Chart,
    ChartQuery,
    candles,
    ceiling,
    chart,
    oldest,
    open_from,
    stays_until,
)
from cryptopulse.domain.lanes import Lane, MinuteRow, SeriesState
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError

BTC = Series("coinbase", "BTC-USD")
END = 1_795_392_000_000
"""2026-11-23T00:00:00Z."""


def row(start: int, *, is_empty: bool = False, complete: bool = True) -> Row:
    shape = (0, 0, 0, 0, 0) if is_empty else (150, 250, 50, 200, 10)
    return Row(start, *shape, FROM_VENUE, END, complete)


def rows_at(interval: int, *, back: int, empty: set[int] = frozenset(), absent: set[int] = frozenset()) -> list[Row]:  # type: ignore[assignment]
    """Rows up to END, numbered back from it: 1 is the last."""
    return [row(END - n * interval, is_empty=n in empty) for n in range(back, 0, -1) if n not in absent]


def reading(rows: list[Row], interval: int) -> Callable[[int, int], Block]:
    def read(start: int, end: int) -> Block:
        assert start < end
        assert start % interval == end % interval == 0
        return Block.of(2, 1, [row for row in rows if start <= row.start < end])

    return read


def query(**given: Any) -> ChartQuery:
    times: dict[str, Any] = {name: Time(given.pop(name)) for name in ("start", "end") if name in given}
    return ChartQuery(**given, **times)


interval_names = st.sampled_from(list(INTERVALS))
numbers = st.sets(st.integers(1, 60))


@given(
    name=interval_names,
    empty=numbers,
    absent=numbers,
    limit=st.integers(1, 70),
    start=st.none() | st.integers(-5, 65),
    end=st.none() | st.integers(-5, 65),
    shift=st.integers(0, 1),
)
def test_pages_together_show_every_traded_row_once_in_order(
    name: str, empty: set[int], absent: set[int], limit: int, start: int | None, end: int | None, shift: int
) -> None:
    interval = INTERVALS[name]
    rows = rows_at(interval, back=60, empty=empty, absent=absent)
    bounds = {
        bound: END - number * interval - shift
        for bound, number in (("start", start), ("end", end))
        if number is not None
    }
    if len(bounds) == 2 and bounds["start"] >= bounds["end"]:
        return
    asked = query(interval=name, limit=limit, **bounds)
    shown: list[int] = []
    position = None
    is_forward = start is not None and end is None
    for _ in range(70):
        page = chart(reading(rows, interval), asked, (END - 62 * interval, END), position)
        body = candles(asked, BTC, page, END, None)
        starts = [int(each[0]) for each in body.candles]
        assert len(starts) <= limit
        assert all(page.start <= each < page.end for each in starts)
        shown = [*shown, *starts] if is_forward else [*starts, *shown]
        if page.next is None:
            break
        assert len(starts) == limit
        position = page.next
    low, high = bounds.get("start", 0), bounds.get("end", END)
    assert shown == [row.start for row in rows if row.open and low <= row.start < high]


def test_a_start_that_is_not_before_the_end_is_invalid() -> None:
    with pytest.raises(InvalidError) as error:
        chart(reading([], MINUTE), query(start=5, end=5), (0, END))
    assert error.value.field == "start"


def test_stored_blocks_are_read_whole() -> None:
    spans = []

    def read(start: int, end: int) -> Block:
        spans.append((start, end))
        return Block.of(2, 1, rows_at(HOUR, back=1000)).between(start, end)

    chart(read, query(interval="1h", limit=100), (FIRST, END))
    november = END - 22 * DAY
    assert spans == [(november, END)]


# --- the answer ---


def test_a_page_as_clients_see_it() -> None:
    rows = [row(END - 3 * HOUR, complete=False), row(END - 2 * HOUR, is_empty=True), row(END - HOUR)]
    page = Chart(Block.of(2, 1, rows), END - 3 * HOUR, END, None)
    assert candles(query(), BTC, page, END - HOUR, "next") == Candles(
        symbol="BTC-USD",
        venue="coinbase",
        interval="1h",
        candles=[(END - 3 * HOUR, 1.5, 2.5, 0.5, 2.0, 1.0), (END - HOUR, 1.5, 2.5, 0.5, 2.0, 1.0)],
        last_open=True,
        incomplete=[END - 3 * HOUR],
        next_cursor="next",
    )


def test_no_rows_are_a_page_too() -> None:
    body = candles(query(), BTC, chart(reading([], HOUR), query(), (FIRST, END)), END, None)
    assert (body.candles, body.last_open, body.incomplete) == ([], False, [])


def whole(*, complete: bool = True) -> Chart:
    return Chart(Block.of(2, 1, [row(END - HOUR, complete=complete)]), END - HOUR, END, None)


@pytest.mark.parametrize(
    ("page", "opened", "now", "kept"),
    [
        pytest.param(whole(), END - HOUR, END - 1, CHANGING_KEPT, id="its last row is open"),
        pytest.param(whole()._replace(end=END + HOUR), END, END + 1, CHANGING_KEPT, id="the open row may come"),
        pytest.param(whole(), END, END + HOUR + 1, CHANGING_KEPT, id="a row that has ended is not closed yet"),
        pytest.param(whole(), END, END + HOUR + 30_000, 3_000, id="nor for half a minute"),
        pytest.param(whole(), END, END + 2 * HOUR - 999, 999, id="nor for an hour, and the next close is near"),
        pytest.param(whole(), END, END + 3 * HOUR + 1, 60_000, id="nor for two hours"),
        pytest.param(whole(), END, END + 1, HOUR - 1, id="to the next close"),
        pytest.param(whole(), END, END + HOUR - 999, 999, id="to the next close, soon"),
        pytest.param(whole(), END + HOUR, END + 2 * HOUR - 1, 1, id="not quite two hours old"),
        pytest.param(whole(), END + 2 * HOUR, END + 2 * HOUR, SETTLED_KEPT, id="settled"),
        pytest.param(whole(complete=False), END + 3 * HOUR, END + 3 * HOUR, 60_000, id="a gap may be filled"),
        pytest.param(whole(complete=False), END, END + HOUR - 999, 999, id="a gap, and the next close is near"),
        pytest.param(
            whole()._replace(start=END - 2 * HOUR), END + 3 * HOUR, END + 3 * HOUR, 60_000, id="a row is not there"
        ),
    ],
)
def test_a_page_is_kept_as_long_as_it_stays(page: Chart, opened: int, now: int, kept: int) -> None:
    assert stays_until(page, HOUR, opened, now) == now + kept


def test_a_page_is_kept_no_longer_than_its_first_row() -> None:
    opened = now = END + 2 * HOUR
    assert stays_until(whole(), HOUR, opened, now, whole().start - 3 * HOUR) == now + 3 * HOUR
    assert stays_until(whole(), HOUR, opened, now, whole().start) == now + CHANGING_KEPT


def test_a_page_of_the_newest_days_is_kept_to_the_next_close_however_old_they_are() -> None:
    day = Chart(Block.of(2, 1, [row(END - DAY)]), END - DAY, END, None)
    assert stays_until(day, DAY, END, END + 5 * HOUR) == END + DAY


# --- what is open, what is kept ---


def open_minute(minute: int) -> dict[int, MinuteRow]:
    return {minute: MinuteRow(0, 0, 1, 1, 1, 1, 1, 1, 1, FROM_TRADES, 0, True, 0)}


@pytest.mark.parametrize(
    ("clock", "opened", "expected"),
    [
        (END, None, END),
        (END + 1, None, END),
        (END - 1, None, END - MINUTE),
        (END + 1_000, END - MINUTE, END - MINUTE),
        (END + HOUR, None, END + MINUTE),
    ],
)
def test_rows_are_open_from_the_venues_clock_on_or_the_first_open_minute(
    clock: int, opened: int | None, expected: int
) -> None:
    state = SeriesState(open=open_minute(opened) if opened else {})
    lane = Lane(0, clocks={"coinbase": clock}, series={str(BTC): state})
    assert open_from(lane, BTC, MINUTE, END + MINUTE) == expected


def test_without_a_clock_our_own_tells_what_is_open() -> None:
    assert open_from(Lane(0), BTC, HOUR, END + 5) == END


def test_rows_are_kept_as_long_as_the_step_they_are_made_of() -> None:
    kept = {MINUTE: DAY, HOUR: 2 * DAY}
    assert [oldest(interval, END + 1, kept) for interval in INTERVALS.values()] == [
        END - DAY + MINUTE,
        END - DAY + 5 * MINUTE,
        END - DAY + 15 * MINUTE,
        END - 2 * DAY + HOUR,
        END - 2 * DAY + 4 * HOUR,
        FIRST,
    ]


def test_a_ceiling_is_the_next_start() -> None:
    assert [ceiling(time, 60) for time in (0, 1, 59, 60, 61)] == [0, 60, 60, 60, 120]
