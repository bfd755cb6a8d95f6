"""History comes in from the newest to the oldest, in an order useful to those who wait, and only once."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.backfills import DEPTHS, history_end, pages, progress, split, stages
from cryptopulse.domain.candles import DAY, HOUR, INTERVALS, MINUTE, floor
from cryptopulse.domain.polling import Span
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
BTC, ETH = Series("coinbase", "BTC-USD"), Series("binance", "ETH-USDT")
ROWS = {"coinbase": 300, "binance": 1000}


def test_stages_begin_with_what_people_look_at() -> None:
    quick = [("1d", 1100 * DAY), ("1h", 30 * DAY), ("1m", DAY)]
    assert stages(quick=True) == quick
    assert stages() == [*quick, ("1h", 730 * DAY), ("1m", 30 * DAY)]


def test_days_limit_every_interval_and_reach_further_back_only_in_days() -> None:
    assert stages(days=7) == [("1d", 7 * DAY), ("1h", 7 * DAY), ("1m", DAY), ("1h", 7 * DAY), ("1m", 7 * DAY)]
    assert stages(days=2000, quick=True)[0] == ("1d", 2000 * DAY)
    assert stages(days=2000)[3:] == [("1h", 730 * DAY), ("1m", 30 * DAY)]


def test_the_first_pages_are_the_newest_and_hours_of_the_lanes_are_left_out() -> None:
    plan = pages([BTC], {}, NOON, ROWS, stages(quick=True))
    assert plan[0].end == floor(NOON, DAY)
    assert next(page for page in plan if page.interval == "1h").end == NOON - 3 * HOUR
    assert next(page for page in plan if page.interval == "1m").end == NOON - MINUTE
    assert [page.interval for page in plan] == ["1d"] * 5 + ["1h"] * 4 + ["1m"] * 6
    assert plan[-1].start <= NOON - DAY < plan[-1].end


def test_pages_of_minutes_are_whole_hours() -> None:
    plan = [page for page in pages([BTC, ETH], {}, NOON, ROWS, stages()) if page.interval == "1m"]
    assert all(page.start % HOUR == 0 for page in plan)
    assert {page.end - page.start for page in plan if page.series == ETH} >= {16 * HOUR}


@given(st.integers(0, DAY), st.integers(1, 40), st.lists(st.booleans(), max_size=30))
def test_whatever_fails_on_the_way_everything_is_fetched_once_and_counted(
    later: int, days: int, luck: list[bool]
) -> None:
    plan, series, done = stages(days=days), [BTC, ETH], dict[tuple[Series, str], Span]()
    fetched: dict[tuple[Series, str], list[Span]] = {}
    now, draws = NOON + later, iter(luck)
    for _ in range(40):
        todo = pages(series, done, now, ROWS, plan)
        assert progress(series, done, now, ROWS, plan)[0] == sum(len(spans) for spans in fetched.values())
        if not todo:
            break
        failed = set()
        for page in todo:
            key = page.series, page.interval
            if key in failed:
                continue
            if not next(draws, True):
                failed.add(key)
                break
            fetched.setdefault(key, []).append(Span(page.start, page.end))
            done[key] = Span(page.start, done[key].end if key in done else page.end)
    count, total = progress(series, done, now, ROWS, plan)
    assert count == total == sum(len(spans) for spans in fetched.values())
    for (each, interval), spans in fetched.items():
        length = ROWS[each.venue] * INTERVALS[interval]
        assert spans[0].end == history_end(interval, now)
        assert all(newer.start == older.end for newer, older in pairwise(spans))
        assert all(0 < span.end - span.start <= length for span in spans)
        depth = min(days * DAY, DEPTHS[interval]) if interval != "1d" else days * DAY
        assert spans[-1].start <= now - depth
    assert set(fetched) == {(each, interval) for each in series for interval in DEPTHS}


def test_time_going_on_does_not_reopen_what_is_done() -> None:
    plan = stages(days=3)
    done: dict[tuple[Series, str], Span] = {}
    for page in pages([BTC], {}, NOON, ROWS, plan):
        before = done.get((BTC, page.interval), Span(0, page.end))
        done[BTC, page.interval] = Span(page.start, before.end)
    assert pages([BTC], done, NOON + 5 * DAY, ROWS, plan) == []
    deeper = pages([BTC], done, NOON, ROWS, stages(days=20))
    first = {page.interval: page for page in reversed(deeper)}
    assert {interval: page.end for interval, page in first.items()} == {
        interval: done[BTC, interval].start for interval in ("1h", "1m")
    }


@given(st.integers(-3, 13))
def test_split_keeps_every_minute_on_one_side(at: int) -> None:
    bars = [Bar(NOON + n * MINUTE, 1, 1, 1, 1, n) for n in range(0, 10, 2)]
    told = Candles("BTC-USD", 0, 0, NOON, NOON + 10 * MINUTE, NOON, bars)
    old, young = split(told, NOON + at * MINUTE)
    parts = [part for part in (old, young) if part is not None]
    assert [bar for part in parts for bar in part.bars] == bars
    assert [(part.start, part.end) for part in parts] == [
        (start, end)
        for start, end in ((NOON, NOON + min(at, 10) * MINUTE), (NOON + max(at, 0) * MINUTE, NOON + 10 * MINUTE))
        if start < end
    ]
    if old is not None:
        assert all(bar.start < NOON + at * MINUTE for bar in old.bars)
