"""One holds the live streams at a time: who takes over is known to the one before within a lease."""

from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptopulse import wiring
from cryptopulse.aws.leases import HELD, PK, SK, Lease, Leases
from cryptopulse.domain.streaming import StreamState
from cryptopulse.errors import ConditionError

NOON = 1_795_348_800_000
STATES = {"binance": StreamState(NOON, [NOON - 9], ["X-USDT"]), "coinbase": StreamState()}


@pytest.fixture
def leases(aws: boto3.Session) -> Leases:
    return wiring.leases()


def test_a_lease_is_taken_renewed_and_given_back(leases: Leases) -> None:
    assert leases.read() is None
    lease = leases.take(None, "a", NOON, NOON + 840_000, {})
    assert lease == leases.read() == Lease(1, "a", NOON + HELD, NOON + 840_000, {})
    lease = leases.renew(lease, NOON + 5_000, STATES)
    assert lease == leases.read() == Lease(1, "a", NOON + 5_000 + HELD, NOON + 840_000, STATES)
    leases.release(lease)
    assert leases.read() == Lease(1, "a", 0, NOON + 840_000, STATES)


def test_who_was_taken_over_from_can_neither_renew_nor_give_back(leases: Leases) -> None:
    first = leases.take(None, "a", NOON, NOON, {})
    second = leases.take(leases.read(), "b", NOON + 1, NOON + 1, STATES)
    assert second.generation == 2
    for refused in (lambda: leases.renew(first, NOON + 2, {}), lambda: leases.release(first)):
        with pytest.raises(ConditionError):
            refused()
    assert leases.read() == second


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_that_saw_the_same_one_takes_it(leases: Leases, is_first: bool) -> None:
    seen = None if is_first else leases.take(None, "before", NOON, NOON, {})
    taken = leases.take(seen, "a", NOON, NOON, {})
    with pytest.raises(ConditionError):
        leases.take(seen, "b", NOON, NOON, {})
    assert leases.read() == taken
    assert leases.take(seen, "a", NOON, NOON, {}) == taken  # again, its answer was lost


def test_a_lease_that_was_dropped_is_lost_and_to_be_had(leases: Leases) -> None:
    lease = leases.take(None, "a", NOON, NOON, {})
    wiring.market().table.delete(PK, SK)
    with pytest.raises(ConditionError):
        leases.renew(lease, NOON, {})
    assert leases.take(None, "b", NOON, NOON, {}) == Lease(1, "b", NOON + HELD, NOON, {})
    with pytest.raises(ConditionError):
        leases.renew(lease, NOON, {})


ACTIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["take", "renew", "release", "die"]), st.integers(0, 9_000)),
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ACTIONS)
def test_two_never_believe_they_lead_for_longer_than_a_lease(
    leases: Leases, actions: list[tuple[str, str, int]]
) -> None:
    wiring.market().table.delete(PK, SK)
    now, taken_at = NOON, 0
    believed: dict[str, Lease] = {}
    for number, (name, action, passed) in enumerate(actions):
        asked_at = now
        now += passed  # while the call is under way
        if action == "take":
            seen: Any = leases.read()
            believed[name] = leases.take(seen, f"{name}{number}", asked_at, now + 1, {})
            taken_at = now
        elif name in believed and action == "renew" and asked_at < believed[name].held_to:
            try:
                believed[name] = leases.renew(believed[name], asked_at, {})
            except ConditionError:
                del believed[name]
        elif name in believed and action == "release":
            try:
                leases.release(believed.pop(name))
            except ConditionError:
                continue
        elif action == "die":
            believed.pop(name, None)
        leaders = [lease for lease in believed.values() if now < lease.held_to]
        newest = max((lease.generation for lease in leaders), default=0)
        assert len({lease.generation for lease in leaders}) == len(leaders)
        assert all(now - taken_at < HELD for lease in leaders if lease.generation < newest)
