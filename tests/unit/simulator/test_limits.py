"""Both venues' ways to count what a client asks."""

from local.simulator.limits import RateLimit, WeightLimit

MINUTE = 60_000_000


def test_weight_adds_up_within_a_minute_and_for_each_client() -> None:
    limit = WeightLimit(100)
    assert [limit.spend("a", 40, 5), limit.spend("a", 2, MINUTE - 1), limit.spend("b", 1, 9)] == [40, 42, 1]
    assert limit.spend("a", 3, MINUTE) == 3


def test_who_ignores_refusals_is_banned_each_time_for_longer() -> None:
    limit = WeightLimit(1)
    for _ in range(limit.PATIENCE + 1):
        limit.spend("a", 1, 0)
    assert limit.banned_until("a") == 0
    limit.spend("a", 1, 0)
    assert limit.banned_until("a") == 2 * MINUTE
    for _ in range(50):
        limit.spend("a", 1, MINUTE)
    assert limit.banned_until("a") == 2 * MINUTE
    for _ in range(limit.PATIENCE + 2):
        limit.spend("a", 1, 3 * MINUTE)
    assert limit.banned_until("a") == 7 * MINUTE
    assert limit.banned_until("b") == 0


def test_a_rate_allows_a_burst_and_then_so_many_a_second() -> None:
    limit = RateLimit(10, 15)
    assert [limit.admits("a", 0) for _ in range(17)] == [True] * 15 + [False] * 2
    assert [limit.admits("a", 100_000) for _ in range(2)] == [True, False]
    assert limit.admits("b", 100_000)
    assert [limit.admits("a", 10_000_000) for _ in range(16)] == [True] * 15 + [False]
