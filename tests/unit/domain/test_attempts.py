"""Delays that grow, end, and are forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain import attempts
from cryptopulse.domain.attempts import HOUR, Past, Rule

NOW = 1_795_348_800_000
NEVER = Past(0, 0)
RULES = [
    attempts.SIGN_IN_PAIR,
    attempts.SIGN_IN_ADDRESS,
    attempts.SIGN_IN_ACCOUNT,
    attempts.SIGN_IN_STRANGER,
    attempts.SIGN_IN_KNOWN,
    attempts.SIGNED_IN,
    attempts.REGISTRATION,
    attempts.PASSWORD,
]

rules = st.builds(Rule, st.integers(0, 200), st.integers(1, 5_000), st.integers(5_000, HOUR), st.just(2 * HOUR))


def delays(rule: Rule, attempts_made: int) -> list[int]:
    """How long each attempt has to wait after the one before, each made as soon as it may be."""
    past, now, told = NEVER, NOW, []
    for _ in range(attempts_made):
        told.append(max(0, rule.wait(past, now)))
        now += told[-1]
        past = rule.add(past, now)
    return told


@pytest.mark.parametrize("rule", [attempts.SIGN_IN_PAIR, attempts.PASSWORD])
def test_after_five_attempts_delays_double_from_a_second_to_fifteen_minutes(rule: Rule) -> None:
    seconds = [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert delays(rule, 17) == [1000 * each for each in seconds]


def test_what_strangers_share_waits_until_as_much_is_forgotten_as_is_tried() -> None:
    seconds = [1, 2, 4, 8, 16, 32]
    assert delays(attempts.SIGN_IN_ACCOUNT, 110) == [0] * 100 + [1_000 * each for each in (*seconds, 60, 60, 60, 60)]
    assert delays(attempts.REGISTRATION, 210) == [0] * 200 + [1_000 * each for each in (*seconds, 32, 32, 32, 32)]


def test_a_hundred_sign_ins_of_an_address_are_free() -> None:
    assert delays(attempts.SIGN_IN_ADDRESS, 103) == [0] * 100 + [1_000, 2_000, 4_000]


@pytest.mark.parametrize("rule", RULES)
def test_all_is_forgotten_an_hour_after_the_last_attempt(rule: Rule) -> None:
    past = Past(1_000, NOW)
    assert rule.wait(past, NOW) == rule.longest
    assert rule.add(past, NOW + HOUR - 1) == Past(1_002 - rule.free, NOW + HOUR - 1)
    assert rule.add(past, NOW + HOUR // 2) == Past(1_001 - rule.free // 2, NOW + HOUR // 2)
    assert rule.wait(past, NOW + HOUR) <= 0
    assert rule.add(past, NOW + HOUR) == Past(1, NOW + HOUR)


@pytest.mark.parametrize("rule", RULES)
def test_what_is_remembered_outlasts_every_delay(rule: Rule) -> None:
    assert rule.longest < rule.kept


@given(rule=rules, count=st.integers(0, 10**6), passed=st.integers(0, HOUR))
def test_a_wait_ends_when_it_says(rule: Rule, count: int, passed: int) -> None:
    past = Past(count, NOW)
    wait = rule.wait(past, NOW + passed)
    assert (wait > 0) == (rule.wait(past, NOW) > passed)
    assert wait <= rule.longest
    assert rule.wait(past, NOW + passed + max(0, wait)) <= 0


@given(rule=rules, count=st.integers(0, 10**6))
def test_an_attempt_never_shortens_the_next_delay(rule: Rule, count: int) -> None:
    past = Past(count, NOW)
    assert rule.wait(rule.add(past, NOW), NOW) >= rule.wait(past, NOW)


def test_a_busy_address_may_go_on_at_the_pace_of_what_is_free() -> None:
    past, now = NEVER, NOW
    for _ in range(1_000):
        assert attempts.REGISTRATION.wait(past, now) <= 0
        past = attempts.REGISTRATION.add(past, now)
        now += HOUR // attempts.REGISTRATION.free


def test_a_clock_that_is_behind_does_not_move_the_last_attempt_back() -> None:
    assert attempts.PASSWORD.add(Past(6, NOW), NOW - 500) == Past(7, NOW)
