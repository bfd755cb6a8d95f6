"""The table class against DynamoDB as moto plays it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table, Write
from cryptopulse.errors import ConditionError, ServiceError, ThrottledError


@pytest.fixture
def table(aws: boto3.Session) -> Table:
    return Table(Client("dynamodb", wiring.account()), "Market")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.binary(min_size=1, max_size=5)
    | st.integers(-(10**37), 10**37)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(value=values)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_item_comes_back_as_it_was(table: Table, value: object) -> None:
    table.put({"pk": "a", "sk": "b", "value": value})
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "value": value}


def test_whole_numbers_come_back_as_int(table: Table) -> None:
    table.put({"pk": "a", "sk": "b", "whole": 7, "part": Decimal("7.5")})
    item = table.get("a", "b")
    assert item is not None
    assert (type(item["whole"]), type(item["part"])) == (int, Decimal)


def test_what_is_not_there_is_none(table: Table) -> None:
    assert table.get("a", "b") is None


def test_what_dynamodb_cannot_hold_is_refused(table: Table) -> None:
    with pytest.raises(TypeError, match="cannot hold a float"):
        table.put({"pk": "a", "sk": "b", "value": 1.5})


def test_a_version_is_written_over_its_predecessor_only(table: Table) -> None:
    table.put_version({"pk": "a", "sk": "b", "version": 1}, 0)
    with pytest.raises(ConditionError):
        table.put_version({"pk": "a", "sk": "b", "version": 1}, 0)
    table.put_version({"pk": "a", "sk": "b", "version": 2}, 1)
    with pytest.raises(ConditionError):
        table.put_version({"pk": "a", "sk": "b", "version": 2}, 1)
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "version": 2}


def test_a_transaction_is_all_or_nothing(table: Table) -> None:
    table.put({"pk": "a", "sk": "taken", "version": 1})
    with pytest.raises(ConditionError):
        table.transact(
            [Write({"pk": "a", "sk": "free", "version": 1}, 0), Write({"pk": "a", "sk": "taken", "version": 1}, 0)]
        )
    assert table.get("a", "free") is None
    table.transact(
        [Write({"pk": "a", "sk": "free", "version": 1}, 0), Write({"pk": "a", "sk": "taken", "version": 2}, 1)]
    )
    assert [item["version"] for item in table.query("a")] == [1, 2]


def test_a_query_follows_its_pages(table: Table) -> None:
    for number in range(12):
        table.put({"pk": "a", "sk": f"{number:02}", "data": bytes(390_000)})
    assert [item["sk"] for item in table.query("a")] == [f"{number:02}" for number in range(12)]
    assert [item["sk"] for item in table.query("a", "03", "05")] == ["03", "04", "05"]


def test_many_keys_are_read_in_calls_of_a_hundred(table: Table) -> None:
    for number in range(0, 130, 2):
        table.put({"pk": "a", "sk": f"{number}"})
    found = table.get_many([("a", f"{number}") for number in range(130)])
    assert found.keys() == {("a", f"{number}") for number in range(0, 130, 2)}


def test_an_update_sets_adds_and_answers(table: Table) -> None:
    assert table.update("a", "b", set={"name": "x"}, add={"count": 2}) == {
        "pk": "a",
        "sk": "b",
        "name": "x",
        "count": 2,
    }
    changed = table.update("a", "b", add={"count": 3}, condition="#count < :limit", values={"limit": 5})
    assert changed["count"] == 5
    with pytest.raises(ConditionError):
        table.update("a", "b", add={"count": 3}, condition="#count < :limit", values={"limit": 5})


def test_a_deleted_item_is_gone(table: Table) -> None:
    table.put({"pk": "a", "sk": "b"})
    table.delete("a", "b")
    table.delete("a", "b")
    assert table.get("a", "b") is None


def test_who_takes_an_item_gets_it_once(table: Table) -> None:
    item = {"pk": "a", "sk": "b", "data": b"x"}
    table.put(item)
    assert table.take("a", "b") == item
    assert table.take("a", "b") is None
    assert table.get("a", "b") is None


def test_a_table_that_does_not_exist_is_an_error(aws: boto3.Session) -> None:
    with pytest.raises(ServiceError, match="ResourceNotFoundException"):
        Table(Client("dynamodb", wiring.account()), "Nowhere").get("a", "b")


class Throttling(Client):
    """Leaves keys unread so many times."""

    def __init__(self, times: int) -> None:
        super().__init__("dynamodb", wiring.account())
        self.times = times

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "BatchGetItem" and self.times:
            self.times -= 1
            return {"Responses": {}, "UnprocessedKeys": body["RequestItems"]}
        return super().call(operation, body)


def test_keys_left_unread_are_asked_for_again(table: Table) -> None:
    table.put({"pk": "a", "sk": "b"})
    slept: list[float] = []
    patient = Table(Throttling(3), "Market", sleep=slept.append)
    assert patient.get_many([("a", "b")]) == {("a", "b"): {"pk": "a", "sk": "b"}}
    assert slept == [0.05, 0.1, 0.2]
    with pytest.raises(ThrottledError, match="1 keys left unread"):
        Table(Throttling(99), "Market", sleep=slept.append).get_many([("a", "b")])


def test_many_items_are_written_and_removed(table: Table) -> None:
    keys = [("many", f"{number:03}") for number in range(60)]
    table.put_many({"pk": pk, "sk": sk, "data": b"1"} for pk, sk in keys)
    assert [(item["pk"], item["sk"]) for item in table.query("many")] == keys
    table.delete_many(keys[1:])
    assert [(item["pk"], item["sk"]) for item in table.query("many")] == keys[:1]
    table.put_many([])


class Leaving(Client):
    """Writes all but the first of a call's items, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__("dynamodb", wiring.account())
        self.calls: list[int] = []
        self._times = times

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        (first, *others) = body["RequestItems"]["Market"]
        self.calls.append(1 + len(others))
        if len(self.calls) > self._times:
            return super().call(operation, body)
        if others:
            super().call(operation, {"RequestItems": {"Market": others}})
        return {"UnprocessedItems": {"Market": [first]}}


def test_items_left_unwritten_are_written_again(table: Table) -> None:
    slept: list[float] = []
    client = Leaving(2)
    Table(client, "Market", sleep=slept.append).put_many({"pk": "many", "sk": f"{number:02}"} for number in range(30))
    assert (client.calls, slept) == ([25, 1, 1, 5], [0.05, 0.1])
    assert len(list(table.query("many"))) == 30
    with pytest.raises(ThrottledError, match="1 items left unwritten"):
        Table(Leaving(99), "Market", sleep=slept.append).put_many([{"pk": "many", "sk": "x"}])
