"""Attempts in the table: none slips through at the same time, and what is refused changes nothing."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.attempts import TRIES, Attempts
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.domain.attempts import HOUR, Rule
from cryptopulse.errors import LimitedError

NOW = 1_795_348_800_000
RULE = Rule(free=3, first=1_000, longest=8_000, kept=HOUR)
LOOSE = Rule(free=100, first=1_000, longest=8_000, kept=HOUR)


class Counting(Client):
    """Does one call at a time, as DynamoDB does the writes of an item (moto does not), and tells the writes' items.

    Args:
        rivals: So many transactions lose, each to a rival that is faster.
    """

    def __init__(self, rivals: int = 0) -> None:
        super().__init__("dynamodb", wiring.account())
        self.written: list[str] = []
        self.rivals = rivals
        self._lock = threading.Lock()

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            if operation == "TransactWriteItems":
                if self.rivals:
                    self.rivals -= 1
                    Attempts(Table(Client("dynamodb", wiring.account()), "Connections")).begin({"a": LOOSE}, NOW)
                self.written += [write["Put"]["Item"]["pk"]["S"] for write in body["TransactItems"]]
            elif operation in ("UpdateItem", "DeleteItem"):
                self.written.append(body["Key"]["pk"]["S"])
            return super().call(operation, body)


@pytest.fixture
def client(aws: boto3.Session) -> Counting:
    return Counting()


@pytest.fixture
def table(client: Counting) -> Table:
    return Table(client, "Connections")


@pytest.fixture
def attempts(table: Table) -> Attempts:
    return Attempts(table, sleep=lambda _: None)


def stored(table: Table, key: str) -> Item | None:
    return table.get(f"ATTEMPTS#{key}", "ATTEMPTS", consistent=True)


def refused(attempts: Attempts, rules: Mapping[str, Rule], now: int) -> int:
    """Seconds to wait."""
    with pytest.raises(LimitedError) as caught:
        attempts.begin(rules, now)
    return caught.value.retry_after


def test_the_functions_have_them_on_their_table(table: Table) -> None:
    wiring.attempts().begin({"a": RULE}, NOW)
    assert stored(table, "a") == {
        "pk": "ATTEMPTS#a",
        "sk": "ATTEMPTS",
        "made": 1,
        "last": NOW,
        "version": 1,
        "expires_at": (NOW + HOUR) // 1000 + 1,
    }


def test_delays_are_to_the_millisecond_and_told_in_whole_seconds(attempts: Attempts) -> None:
    now = NOW
    for delay in (0, 0, 0, 1_000, 2_000, 4_000, 8_000, 8_000):
        if delay:
            assert refused(attempts, {"a": RULE}, now) == delay // 1_000
            assert refused(attempts, {"a": RULE}, now + 1) == delay // 1_000
            assert refused(attempts, {"a": RULE}, now + delay - 1) == 1
        now += delay
        attempts.begin({"a": RULE}, now)


def test_a_refused_attempt_changes_nothing(attempts: Attempts, client: Counting, table: Table) -> None:
    for _ in range(3):
        attempts.begin({"a": RULE}, NOW)
    before, written = stored(table, "a"), len(client.written)
    for later in range(0, 1_000, 100):
        assert refused(attempts, {"a": RULE, "b": LOOSE}, NOW + later) == 1
    assert (stored(table, "a"), stored(table, "b"), len(client.written)) == (before, None, written)
    attempts.begin({"a": RULE, "b": LOOSE}, NOW + 1_000)


def test_the_longest_wait_of_all_keys_is_told(attempts: Attempts) -> None:
    for now in (NOW, NOW, NOW, NOW + 1_000, NOW + 3_000):
        attempts.begin({"slow": RULE}, now)
    for _ in range(3):
        attempts.begin({"quick": RULE}, NOW + 3_000)
    assert refused(attempts, {"quick": RULE, "slow": RULE, "free": RULE}, NOW + 3_000) == 4


def test_an_hour_after_the_last_attempt_all_is_forgotten(attempts: Attempts, table: Table) -> None:
    for _ in range(3):
        attempts.begin({"a": RULE}, NOW)
    attempts.begin({"a": RULE}, NOW + HOUR)
    item = stored(table, "a")
    assert item is not None
    assert (item["made"], item["last"]) == (1, NOW + HOUR)


@pytest.mark.parametrize("keys", [["a"], ["a", "b"]])
def test_of_attempts_made_at_once_no_more_than_are_free_get_through(
    attempts: Attempts, table: Table, keys: list[str]
) -> None:
    rules = {"a": RULE, "b": LOOSE}
    barrier = threading.Barrier(8)

    def attempt(_: int) -> bool:
        barrier.wait(10)
        try:
            attempts.begin({key: rules[key] for key in keys}, NOW)
        except LimitedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        through = sum(pool.map(attempt, range(8)))
    assert through == RULE.free
    counts = [item["made"] for key in keys if (item := stored(table, key))]
    assert counts == [through] * len(keys)


def test_who_is_always_overtaken_comes_again_in_a_second(aws: boto3.Session) -> None:
    slept: list[float] = []
    client = Counting(rivals=TRIES - 1)
    attempts = Attempts(Table(client, "Connections"), sleep=slept.append)
    attempts.begin({"a": LOOSE}, NOW)
    assert len(slept) == TRIES - 1
    client.rivals = TRIES
    assert refused(attempts, {"a": LOOSE}, NOW) == 1
    item = stored(Table(client, "Connections"), "a")
    assert item is not None
    assert item["made"] == TRIES - 1 + 1 + TRIES


def test_a_success_is_forgotten_where_it_was_made_and_taken_back_elsewhere(attempts: Attempts, table: Table) -> None:
    for _ in range(2):
        attempts.begin({"pair": RULE, "address": LOOSE, "account": LOOSE}, NOW)
    attempts.succeed("pair", ["address", "account", "unknown"])
    assert stored(table, "pair") is None
    assert stored(table, "unknown") is None
    counts = [item["made"] for key in ("address", "account") if (item := stored(table, key))]
    assert counts == [1, 1]


def test_no_more_is_taken_back_than_there_was(attempts: Attempts, table: Table) -> None:
    attempts.begin({"address": RULE}, NOW)
    for _ in range(3):
        attempts.succeed("pair", ["address"])
    item = stored(table, "address")
    assert item is not None
    assert item["made"] == 0


def test_successes_and_attempts_at_once_all_count(attempts: Attempts, table: Table) -> None:
    for _ in range(4):
        attempts.begin({"address": LOOSE}, NOW)
    barrier = threading.Barrier(4)

    def begin() -> bool:
        barrier.wait(10)
        try:
            attempts.begin({"address": LOOSE}, NOW)
        except LimitedError:
            return False
        return True

    def succeed() -> bool:
        barrier.wait(10)
        attempts.succeed("pair", ["address"])
        return False

    with ThreadPoolExecutor(4) as pool:
        counted = [pool.submit(work) for work in (begin, begin, succeed, succeed)]
    item = stored(table, "address")
    assert item is not None
    assert item["made"] == 4 + sum(each.result() for each in counted) - 2


def test_what_a_sign_in_writes(attempts: Attempts, client: Counting) -> None:
    """An item in a transaction is two units, any other one: 6 for an attempt with three keys, 3 if it is right."""
    keys = ["pair", "address", "account"]
    attempts.begin(dict.fromkeys(keys, RULE), NOW)
    assert client.written == [f"ATTEMPTS#{key}" for key in keys]
    client.written.clear()
    attempts.succeed("pair", ["address", "account"])
    assert client.written == [f"ATTEMPTS#{key}" for key in keys]
