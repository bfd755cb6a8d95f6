"""However the stream brings what the venues told, the lane ends the same: the fold is a function of what was told."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain import folding
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.lanes import SeriesState
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record
from tests.unit.domain.test_folding import NAME, NOON, Trade, World, plain_candles, trades_of

BEGIN = NOON - 5 * MINUTE


class Telling(NamedTuple):
    """What a venue told of one series, in messages of every kind, and its trades."""

    trades: list[Trade]
    first: list[Message]
    """What made the series known: candles that were polled, or a trade, or both."""
    messages: list[Message]
    end: int


def truth(trades: Sequence[Trade], start: int, end: int) -> Candles:
    """The venue's own candles of a span, at scales finer than the trades'."""
    bars = [
        Bar(minute, o * 10, h * 10, low * 10, c * 10, volume * 100)
        for minute, (o, h, low, c, volume) in sorted(plain_candles(list(trades)).items())
        if start <= minute < end
    ]
    return Candles("BTC-USDT", 3, 6, start, end, end + 5_000, bars)


def last_ids(trades: Sequence[Trade], time: int) -> dict[str, int]:
    return {"BTC-USDT": max((trade[0] for trade in trades if trade[3] <= time), default=trades[0][0] - 1)}


@st.composite
def tellings(draw: st.DrawFn) -> Telling:
    """Trades whose times rise, in runs of which some are never told; clocks, quotes, and candles of some spans."""
    count = draw(st.integers(2, 24))
    gaps = draw(st.lists(st.sampled_from([1, 700, 20_000, 61_000, 190_000]), min_size=count, max_size=count))
    time, trades = NOON, []
    for number in range(count):
        time += gaps[number]
        trades.append((1000 + number, draw(st.integers(1, 999)), draw(st.integers(1, 999)), time))
    end = time // MINUTE * MINUTE + MINUTE
    cuts = sorted({0, count, *draw(st.lists(st.integers(1, count), max_size=6))})
    runs = [trades_of(*trades[a:b]) for a, b in itertools.pairwise(cuts)]
    told: list[Message] = [run for run in runs[1:] if draw(st.integers(0, 4))]
    times = draw(st.lists(st.integers(trades[0][3], end - 1), max_size=6))
    told += [Clock(time, last_ids(trades, time)) for time in times]
    # A venue has one price at a time.
    told += [Quote("BTC-USDT", 2, draw(st.integers(1, 999)), time) for time in dict.fromkeys(times[:2])]
    minutes = st.integers(0, (end - NOON) // MINUTE)
    for first, last in draw(st.lists(st.tuples(minutes, minutes), max_size=4)):
        if first < last:
            told.append(truth(trades, NOON + first * MINUTE, NOON + last * MINUTE))
    polled = truth([], BEGIN, NOON)
    if draw(st.booleans()):
        return Telling(trades, [polled, runs[0]], told, end)
    return Telling(trades, [runs[0]], [polled, *told], end)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[Telling, list[list[Message]]]:
    """A telling, and batches that bring all of it in any order, some of it twice; what came first stays first."""
    telling = draw(tellings())
    mixed = list(draw(st.permutations(telling.messages)))
    if mixed:
        for again in draw(st.lists(st.sampled_from([*telling.first, *mixed]), max_size=4)):
            mixed.insert(draw(st.integers(0, len(mixed))), again)
    batches: list[list[Message]] = [[each] for each in telling.first] + [[]]
    for message in mixed:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(message)
    return telling, batches


def told(batches: Sequence[Sequence[Message]]) -> World:
    world = World()
    for batch in batches:
        world.fold_records([Record("binance", 0, [message]) for message in batch])
        counted = sum(len(state.missing) for state in world.lane.series.values())
        assert {venue: opened - repaired for venue, (opened, repaired) in world.lane.gaps.items()} in (
            {"binance": counted},
            {},
        )
        assert world.lane.gaps or not counted
    return world


def state(world: World) -> SeriesState:
    return world.lane.series[NAME]


def outcome(world: World) -> dict[str, Any]:
    """All that the lane says of the series, but for what depends on when it was told."""
    series = state(world)
    for item in world.minutes.values():  # a row at rest keeps the scales that it was written at
        for row in item.rows.values():
            row.rescale(3, 6)
    series.rescale(3, 6)
    return {
        "rows": world.rows(),
        "open": sorted(series.open),
        "last": (series.price, series.time),
        "known": (series.high, series.high_minute, series.known_to),
        "missing": sorted(series.missing),
        "repairs": series.repairs,
        "clocks": world.lane.clocks,
    }


def asked(*worlds: World) -> list[tuple[int, int]]:
    """The spans since the beginning that the venue is still to be asked for."""
    return [(max(a, BEGIN), b) for world in worlds for a, b in state(world).repairs if b > BEGIN]


@given(deliveries())
@settings(max_examples=150, deadline=None)
def test_the_lane_ends_the_same_however_it_is_told(delivery: tuple[Telling, list[list[Message]]]) -> None:
    """A hole between two answers may be asked for though trades told late fill it: rows are the same after that too."""
    telling, batches = delivery
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "RANGES", 1_000)
        worlds = told(batches), told([*([each] for each in telling.first), telling.messages])
        spans = asked(*worlds)
        views = [outcome(world) for world in worlds]
        for view in views:
            view["rows"] = {
                minute: row[:-1] if any(start <= minute < end for start, end in spans) else row
                for minute, row in view["rows"].items()
                if row[0] or not any(start <= minute < end for start, end in spans)
            }
            del view["repairs"]
        assert views[0] == views[1]
        for world in worlds:
            world.fold(*(truth(telling.trades, *span) for span in spans))
        assert outcome(worlds[0]) == outcome(worlds[1])


@st.composite
def outages(draw: st.DrawFn) -> tuple[list[Trade], list[list[Message]]]:
    """Trades, and a stream's batches of them with a clock each, some without its trades or lost as a whole."""
    count = draw(st.integers(6, 30))
    gaps = draw(st.lists(st.sampled_from([1, 700, 20_000, 61_000, 190_000]), min_size=count, max_size=count))
    time, trades = NOON, []
    for number in range(count):
        time += gaps[number]
        trades.append((1000 + number, draw(st.integers(1, 999)), draw(st.integers(1, 999)), time))
    batches: list[list[Message]] = []
    for at in range(0, count, 3):
        part = trades[at : at + 3]
        clock = Clock(part[-1][3], last_ids(trades, part[-1][3]))
        kept = draw(st.sampled_from(["all", "clock", "none"])) if at else "all"
        choice: dict[str, list[Message]] = {"all": [trades_of(*part), clock], "clock": [clock], "none": []}
        batches.append(choice[kept])
    return trades, [*batches, [Clock(time + 2 * MINUTE, last_ids(trades, time))]]


@given(outages(), st.data())
@settings(max_examples=100, deadline=None)
def test_after_any_outage_candles_are_those_of_an_uninterrupted_run(
    outage: tuple[list[Trade], list[list[Message]]], data: st.DataObject
) -> None:
    """What is missing comes by trades or by candles, range by range and in any order."""
    trades, batches = outage
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "RANGES", 1_000)
        world = told([[truth([], BEGIN, NOON)], *batches])
    rows, missing = world.rows(), state(world).missing
    lost = [trade for trade in trades if any(gap.first <= trade[0] <= gap.last for gap in missing)]
    assert not any(row[-1] for trade in lost if (row := rows.get(trade[3] // MINUTE * MINUTE)))

    repairs: list[Message] = [truth(trades, *span) for span in asked(world)]
    for gap in missing:
        if gap.first and data.draw(st.booleans()):
            repairs += [trades_of(trade) for trade in trades if gap.first <= trade[0] <= gap.last]
        else:
            minutes = range(gap.from_minute, gap.to_minute + MINUTE, MINUTE)
            repairs += [truth(trades, minute, minute + MINUTE) for minute in minutes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "RANGES", 1_000)  # trade by trade, more ranges open than are kept
        for message in data.draw(st.permutations(repairs)):
            world.fold(message)

    outcome(world)
    end = trades[-1][3] // MINUTE * MINUTE + MINUTE
    rows = {minute: row for minute, row in world.rows().items() if minute < end}
    bars = {bar.start: tuple(bar[1:]) for bar in truth(trades, NOON, end).bars}
    silent = (0, 0, 0, 0, 0)  # told or proven to be without a trade; shown to nobody
    assert {minute: row[:5] for minute, row in rows.items()} == {
        minute: bars.get(minute, silent) for minute in range(BEGIN, end, MINUTE)
    }
    assert all(row[-1] for row in rows.values())
    assert (state(world).missing, asked(world), state(world).open) == ([], [], {})
    assert [opened - repaired for opened, repaired in world.lane.gaps.values()] == [0]
