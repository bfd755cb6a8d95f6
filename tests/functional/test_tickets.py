"""Tickets: each good once, for a minute, and for whom it was issued only."""

import threading
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.tickets import LIFETIME, Bound, Tickets

NOW = 1_795_348_800_000
ANN, BOB, SESSION, TOKEN = ("a" * 32, "b" * 32, "5" * 32, "7" * 32)


@pytest.fixture
def tickets(aws: boto3.Session) -> Tickets:
    return wiring.tickets()


def test_a_ticket_stands_for_whom_it_was_issued(tickets: Tickets) -> None:
    issued = [tickets.issue(ANN, SESSION, NOW), tickets.issue(BOB, TOKEN, NOW), tickets.issue(ANN, TOKEN, NOW)]
    assert len(set(issued)) == 3
    assert [tickets.redeem(ticket, NOW) for ticket in issued] == [Bound(ANN, SESSION), Bound(BOB, TOKEN), (ANN, TOKEN)]


def test_a_ticket_is_good_once(tickets: Tickets) -> None:
    ticket = tickets.issue(ANN, SESSION, NOW)
    assert tickets.redeem(ticket, NOW) == Bound(ANN, SESSION)
    assert tickets.redeem(ticket, NOW) is None


def test_a_ticket_is_good_for_a_minute(tickets: Tickets) -> None:
    first, second = tickets.issue(ANN, SESSION, NOW), tickets.issue(ANN, SESSION, NOW)
    assert tickets.redeem(first, NOW + LIFETIME * 1000 - 1) == Bound(ANN, SESSION)
    assert tickets.redeem(second, NOW + LIFETIME * 1000) is None
    assert tickets.redeem(second, NOW) is None


def test_of_those_who_show_a_ticket_at_once_one_comes_in(tickets: Tickets) -> None:
    for _ in range(5):
        ticket, together = tickets.issue(ANN, SESSION, NOW), threading.Barrier(4)
        got: list[Bound | None] = []

        def show(ticket: str = ticket, together: threading.Barrier = together, got: list[Any] = got) -> None:
            together.wait(10)
            got.append(tickets.redeem(ticket, NOW))
            tickets._table._client.endpoint.close()  # each thread has its own

        threads = [threading.Thread(target=show) for _ in range(together.parties)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got, key=repr) == [Bound(ANN, SESSION), None, None, None]


def test_only_its_hash_is_kept(aws: boto3.Session, tickets: Tickets) -> None:
    ticket = tickets.issue(ANN, SESSION, NOW)
    (item,) = aws.resource("dynamodb").Table("Connections").scan()["Items"]
    assert item == {
        "pk": f"TICKET#{sha256(ticket.encode()).hexdigest()}",
        "sk": "TICKET",
        "user": ANN,
        "grant": SESSION,
        "issued_at": NOW,
        "expires_at": NOW // 1000 + 61,
    }


def test_what_is_in_the_table_is_no_ticket(tickets: Tickets) -> None:
    hashed = sha256(tickets.issue(ANN, SESSION, NOW).encode()).hexdigest()
    for forged in (hashed, hashed[:43], f"TICKET#{hashed}", "A" * 43):
        assert tickets.redeem(forged, NOW) is None


@pytest.mark.parametrize("text", ["", "abc", "A" * 42, "A" * 44, "A" * 1_000_000, "é" * 43, "\ud800" * 43, "\0" * 44])
def test_text_of_another_form_is_refused_unseen(tickets: Tickets, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def call(operation: str, body: Mapping[str, Any]) -> None:
        raise AssertionError(operation)

    monkeypatch.setattr(tickets._table._client, "call", call)
    assert tickets.redeem(text, NOW) is None
