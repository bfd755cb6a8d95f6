"""What is kept of requests that are done once."""

import random

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table, Write
from cryptopulse.aws.kept import LIFETIME, KeptAnswer, Repeatable
from cryptopulse.errors import ConditionError, ConflictError, InvalidError, TooLargeError

NOW = 1_795_329_063_057
LATER = NOW // 1000 * 1000 + LIFETIME * 1000
REQUEST = Repeatable.of("a" * 32, "POST /things", "key", b"content")
ANSWER = KeptAnswer(201, {"ETag": '"x"', "Location": "/things/1"}, '{"id":"1","name":"ü"}')


@pytest.fixture
def table(aws: boto3.Session) -> Table:
    return Table(Client("dynamodb", wiring.account()), wiring.settings().ACCOUNTS_TABLE)


def test_an_answer_is_found_as_it_was_given(table: Table) -> None:
    assert wiring.kept().find(REQUEST, NOW) is None
    table.transact([Write(REQUEST.kept(ANSWER, NOW).item, 0)])
    assert [wiring.kept().find(REQUEST, now) for now in (NOW, LATER - 1)] == [ANSWER, ANSWER]


def test_it_is_found_by_the_same_user_route_and_key_only(table: Table) -> None:
    table.transact([Write(REQUEST.kept(ANSWER, NOW).item, 0)])
    for other in (
        Repeatable.of("b" * 32, "POST /things", "key", b"content"),
        Repeatable.of("a" * 32, "POST /other", "key", b"content"),
        Repeatable.of("a" * 32, "POST /things", "Key", b"content"),
    ):
        assert wiring.kept().find(other, NOW) is None


def test_another_request_with_its_key_is_refused(table: Table) -> None:
    table.transact([Write(REQUEST.kept(ANSWER, NOW).item, 0)])
    with pytest.raises(InvalidError, match="Was used for another request"):
        wiring.kept().find(Repeatable.of("a" * 32, "POST /things", "key", b"other"), NOW)


def test_what_was_shown_once_is_not_shown_again(table: Table) -> None:
    table.transact([Write(REQUEST.kept(None, NOW).item, 0)])
    with pytest.raises(ConflictError, match="what it showed is shown once"):
        wiring.kept().find(REQUEST, NOW)


def test_it_is_written_once_until_it_has_expired(table: Table) -> None:
    table.transact([Write(REQUEST.kept(ANSWER, NOW).item, 0)])
    with pytest.raises(ConditionError):
        table.transact([Write(REQUEST.kept(None, NOW).item, 0)])
    assert wiring.kept().find(REQUEST, LATER) is None
    table.transact([Write(REQUEST.kept(None, LATER).item, 0)])


def test_who_finds_it_expired_leaves_what_has_taken_its_place(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = REQUEST.kept(None, NOW).item, REQUEST.kept(ANSWER, LATER).item
    table.put(new)
    monkeypatch.setattr(Table, "get", lambda *_, **__: old)
    assert wiring.kept().find(REQUEST, LATER) is None
    monkeypatch.undo()
    assert table.get(new["pk"], new["sk"]) == new


def test_an_answer_that_is_too_long_cannot_be_kept() -> None:
    letters = "".join(chr(letter) for letter in random.Random(7).choices(range(0x20000, 0x2A000), k=180_000))
    fits = REQUEST.kept(KeptAnswer(201, {}, "x" * 10_000_000), NOW)
    assert len(fits.attributes["answer"]) < 300_000
    with pytest.raises(TooLargeError, match="ask for less at once"):
        REQUEST.kept(KeptAnswer(201, {}, letters), NOW)
