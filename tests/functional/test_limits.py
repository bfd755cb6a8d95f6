"""Rate limits in the table: processes share a client's requests, and a table that does not answer costs no second."""

import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.limits import Limits
from cryptopulse.domain.limits import Standing
from cryptopulse.errors import ServiceError
from cryptopulse.wiring import HASTE

NOW = 1_795_348_800_000


class Counting(Client):
    """Tells what was called."""

    def __init__(self) -> None:
        super().__init__("dynamodb", wiring.account())
        self.called: list[str] = []

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.called.append(operation)
        return super().call(operation, body)


@pytest.fixture
def client(aws: boto3.Session) -> Counting:
    return Counting()


@pytest.fixture
def table(client: Counting) -> Table:
    return Table(client, "Connections")


def test_the_functions_have_them_on_their_table(table: Table) -> None:
    standing = wiring.limits().take("ip#192.0.2.44", NOW + 1)
    assert standing == Standing(600, 599, 60, is_allowed=True)
    assert list(table.query("RATE#ip#192.0.2.44")) == [
        {"pk": "RATE#ip#192.0.2.44", "sk": f"{NOW}", "leased": 10, "expires_at": NOW // 1000 + 120}
    ]


def test_processes_share_a_clients_requests(table: Table) -> None:
    processes = [Limits(table, 100) for _ in range(3)]
    standings = [process.take("user#a", NOW) for _ in range(60) for process in processes]
    assert sum(standing.is_allowed for standing in standings) == 100
    assert standings[-3:] == [Standing(100, 0, 60, is_allowed=False)] * 3


def test_a_new_minute_and_another_client_begin_anew(table: Table) -> None:
    limits = Limits(table, 1)
    told = [limits.take(*each) for each in (("a", NOW), ("a", NOW + 59_999), ("b", NOW), ("a", NOW + 60_000))]
    assert told == [
        Standing(1, 0, 60, is_allowed=True),
        Standing(1, 0, 1, is_allowed=False),
        Standing(1, 0, 60, is_allowed=True),
        Standing(1, 0, 60, is_allowed=True),
    ]


def test_who_has_nothing_left_costs_nothing(table: Table, client: Counting) -> None:
    limits = Limits(table, 2)
    for _ in range(2):
        limits.take("a", NOW)
    client.called.clear()
    assert limits.take("a", NOW + 30_000) == Standing(2, 0, 30, is_allowed=False)
    assert client.called == []


def test_a_steady_client_far_below_its_limit_costs_one_write_a_minute(table: Table, client: Counting) -> None:
    limits = Limits(table, 600)
    for minute in range(4):
        for request in range(60):
            limits.take("a", NOW + minute * 60_000 + request * 1_000)
        if not minute:
            client.called.clear()  # the first one is not known
    assert client.called.count("UpdateItem") == 3


def test_a_few_requests_a_minute_cost_one_write(table: Table, client: Counting) -> None:
    limits = Limits(table, 600)
    for minute in range(3):
        for request in range(10):
            limits.take("a", NOW + minute * 60_000 + request * 5_000)
    assert client.called == ["UpdateItem"] * 3


def test_a_process_that_saw_little_of_a_busy_client_asks_and_leases_little(table: Table, client: Counting) -> None:
    hot, cold = Limits(table, 600), Limits(table, 600)
    for _ in range(50):
        hot.take("a", NOW)
    cold.take("a", NOW)
    for _ in range(600):
        hot.take("a", NOW)
    client.called.clear()
    assert cold.take("a", NOW + 60_000).remaining == 599
    assert client.called == ["GetItem", "UpdateItem"]
    item = table.get("RATE#a", f"{NOW + 60_000}")
    assert item is not None
    assert item["leased"] == 4


def test_what_expired_early_is_taken_for_a_quiet_minute(table: Table) -> None:
    hot, cold = Limits(table, 600), Limits(table, 600)
    for _ in range(50):
        hot.take("a", NOW)
    cold.take("a", NOW)
    table.delete("RATE#a", f"{NOW}")
    assert cold.take("a", NOW + 60_000).is_allowed
    item = table.get("RATE#a", f"{NOW + 60_000}")
    assert item is not None
    assert item["leased"] == 10


def test_a_process_remembers_the_clients_that_came_last(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptopulse.aws.limits.KEYS", 2)
    limits = Limits(table, 1)
    for key in ("a", "b", "a", "c"):
        limits.take(key, NOW)
    assert list(limits._windows) == ["a", "c"]
    assert not limits.take("b", NOW).is_allowed


def test_a_refused_call_is_told_and_not_counted(table: Table) -> None:
    limits = Limits(Table(Client("dynamodb", wiring.account()), "Nowhere"), 600)
    for _ in range(2):
        with pytest.raises(ServiceError, match="ResourceNotFoundException"):
            limits.take("a", NOW)
    assert limits._windows["a"].asked == 0


@pytest.fixture
def silence() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_table_that_does_not_answer_is_not_waited_for_long(
    aws: boto3.Session, silence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", silence)
    monkeypatch.setattr(wiring, "HASTE", HASTE)
    wiring.clear()
    began = time.monotonic()
    with pytest.raises(ServiceError, match="NoAnswer"):
        wiring.limits().take("a", NOW)
    assert time.monotonic() - began < 9  # an ordinary client waits for 5 s, twice and more
