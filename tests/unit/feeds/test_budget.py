"""Turns come from one timeline, and nobody exceeds the pace, alone or together."""

import pytest

from cryptopulse.errors import FeedDownError
from cryptopulse.feeds.budget import LATE, PATIENCE, Budget
from tests.unit.feeds.exchange import NOON, Clock


class Timeline:
    def __init__(self) -> None:
        self.slot = 0
        self.taken: list[tuple[int, int]] = []

    def reserve(self, venue: str, length: int, now: int) -> int:
        start = max(self.slot, now)
        self.slot = start + length
        self.taken.append((start, length))
        return start


def test_calls_are_spaced_and_the_timeline_is_asked_once_a_second() -> None:
    clock, timeline = Clock(), Timeline()
    budget = Budget("coinbase", 125, timeline.reserve, clock=clock, sleep=clock.sleep)
    turns = []
    for _ in range(16):
        budget.take(1)
        turns.append(clock.now - NOON)
    assert turns == [125 * n for n in range(16)]
    assert timeline.taken == [(NOON, 1000), (NOON + 1000, 1000)]


def test_two_processes_together_keep_the_pace_of_one() -> None:
    timeline = Timeline()
    clocks = [Clock(), Clock()]
    budgets = [Budget("coinbase", 125, timeline.reserve, clock=clock, sleep=clock.sleep) for clock in clocks]
    turns = []
    for _ in range(16):
        for clock, budget in zip(clocks, budgets, strict=True):
            budget.take(1)
            turns.append(clock.now)
    assert sorted(turns) == [NOON + 125 * n for n in range(32)]


def test_turns_not_used_in_time_lapse() -> None:
    clock, timeline = Clock(), Timeline()
    budget = Budget("coinbase", 125, timeline.reserve, clock=clock, sleep=clock.sleep)
    budget.take(1)
    clock.now += 126 + LATE
    budget.take(1)
    assert timeline.taken == [(NOON, 1000), (NOON + 126 + LATE, 1000)]


def test_a_cost_above_a_second_is_taken_whole() -> None:
    clock, timeline = Clock(), Timeline()
    budget = Budget("binance", 12, timeline.reserve, clock=clock, sleep=clock.sleep)
    budget.take(100)
    budget.take(2)
    assert timeline.taken == [(NOON, 1200), (NOON + 1200, 996)]


def test_a_turn_too_far_away_is_told() -> None:
    clock, timeline = Clock(), Timeline()
    timeline.slot = NOON + PATIENCE + 1
    budget = Budget("coinbase", 125, timeline.reserve, clock=clock, sleep=clock.sleep)
    with pytest.raises(FeedDownError) as told:
        budget.take(1)
    assert (told.value.kind, told.value.until, clock.slept) == ("spent", NOON + PATIENCE + 1, [])
