"""What belongs to another user is what never was: every answer, every call to DynamoDB, every item stays the same."""

import json
import re
from collections.abc import Mapping
from itertools import product
from typing import Any, NamedTuple

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.notices import Notices
from cryptopulse.domain.exports import HEADER
from cryptopulse.errors import ServiceError
from functions.wipe_accounts import app as wipe_accounts
from local.openapi import document
from tests.functional.security.fuzz import Kept
from tests.functional.security.users import User, fill
from tests.functional.web import EMAIL, PASSWORD, Reply, Web

NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z."""
ABSENT = "f" * 32
BUY = {"type": "buy", "asset": "BTC", "quantity": "1", "price": "100", "time": NOW - 60_000}
BODIES: Mapping[str, Any] = {
    "PATCH /portfolios/{portfolio_id}": {"name": "Mine"},
    "POST /portfolios/{portfolio_id}/transactions": BUY,
    "POST /portfolios/{portfolio_id}/transactions/import": ",".join(HEADER) + "\n2026-11-20,deposit,BTC,1,,,,,,,,,\n",
    "PATCH /portfolios/{portfolio_id}/transactions/{transaction_id}": {"note": "mine"},
    "PATCH /alerts/{alert_id}": {"note": "mine"},
}
"""Bodies that would do something to what is one's own."""
CSV = {"content-type": "text/csv"}


class Call(NamedTuple):
    """A call to AWS."""

    operation: str
    body: str


@pytest.fixture(autouse=True)
def clock(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still."""
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    monkeypatch.setenv("REQUESTS_PER_MINUTE", "100000")
    wiring.clear()
    fill(wiring.market(), NOW)


@pytest.fixture
def ann(web: Web) -> User:
    return User(web, EMAIL, PASSWORD, "Ann 51e0aa", "300000.516234210815")


@pytest.fixture
def bob(web: Web) -> User:
    return User(web, "bob@example.com", "a passphrase of Bob's own", "Bob", "400000")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What AWS is asked from now on."""
    found: list[Call] = []
    call = Client.call

    def noted(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if "RATE#" not in (text := repr(body)):  # requests are counted by tens
            found.append(Call(operation, re.sub("ONCE#[0-9a-f]{64}", "ONCE", text)))  # a hash of the path too
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", noted)
    return found


class Bob:
    """Sends Bob's requests twice: about what is Ann's, and about what never was."""

    def __init__(self, web: Web, token: str, calls: list[Call], kept: Kept) -> None:
        self._web = web
        self._token = token
        self._calls = calls
        self._kept = kept

    def __call__(self, method: str, path: str, body: object = None, **more: Any) -> Reply:
        return self._web(method, path, body, token=self._token, **more)

    def ask(self, method: str, path: str, body: Any, id_: str, headers: Mapping[str, str]) -> tuple[Any, list[Call]]:
        """The whole answer and the calls that it took, without what no two requests share, and without this id."""
        self._calls.clear()
        reply = self(method, path, body, headers={**headers})
        told = {name: value for name, value in reply.headers.items() if name != "RateLimit-Remaining"}
        shown = {name: value for name, value in reply.body.items() if name != "request_id"}
        calls = [call._replace(body=call.body.replace(id_, "ID")) for call in self._calls]
        return (reply.status, json.dumps(shown).replace(id_, "ID"), told), calls

    def same(self, method: str, path: str, body: Any, ids: tuple[str, str], headers: Mapping[str, str]) -> Any:
        """The answer, which is the same for both ids, `{}` in path and body, and changes nothing."""
        (there, asked), (absent, asked_of_absent) = (
            self.ask(method, path.replace("{}", id_), _filled(body, id_), id_, headers) for id_ in ids
        )
        assert there == absent, f"{method} {path}"
        assert asked == asked_of_absent, f"{method} {path}"
        assert not [key for key in self._kept.restore() if not key[1].startswith("IMPORT#")], f"{method} {path}"
        return there


def _filled(body: Any, id_: str) -> Any:
    if isinstance(body, str | None):
        return body and body.replace("{}", id_)
    return json.loads(json.dumps(body).replace("{}", id_))


@pytest.fixture
def asking(web: Web, ann: User, bob: User, aws: boto3.Session, calls: list[Call]) -> Bob:
    return Bob(web, bob.sessions[0].access, calls, Kept(aws.resource("dynamodb").Table("Accounts")))


def test_what_is_anothers_is_what_never_was(web: Web, ann: User, bob: User, asking: Bob) -> None:
    anns = {
        "portfolio_id": ann.portfolio_ids,
        "transaction_id": ann.transaction_ids,
        "import_id": [ann.import_id],
        "alert_id": ann.alert_ids,
    }
    path = f"/portfolios/{ann.portfolio_ids[0]}"
    tag = web("GET", path, token=ann.token).headers["ETag"]
    conditions = {"if-match": tag, "if-none-match": tag, "idempotency-key": "k"}
    tried: dict[str, int] = {}
    for template, methods in document()["paths"].items():
        names = re.findall("{([a-z_]+)}", template)
        if not names or names[0] not in ("portfolio_id", "alert_id"):
            continue
        for method, foreign in product(methods, names):
            name = f"{method.upper()} {template}"
            own = template if foreign == "portfolio_id" else template.replace("{portfolio_id}", bob.portfolio_ids[0])
            for other in {*names} - {foreign}:
                own = own.replace(f"{{{other}}}", anns[other][0])  # also what is below is Ann's
            body = BODIES.get(name)
            kind = CSV if isinstance(body, str) else {}
            for id_, headers in product({anns[foreign][0], anns[foreign][-1]}, ({}, conditions)):
                asked = own.replace(f"{{{foreign}}}", "{}")
                status, shown, _ = asking.same(method.upper(), asked, body, (id_, ABSENT), kind | headers)
                assert (status, "conflict" in shown, "errors" in shown) == (404, False, False), name
            tried[name] = tried.get(name, 0) + 1
    assert sum(tried.values()) == 23
    assert BODIES.keys() < tried.keys()
    assert web("GET", path, token=ann.token, headers={"if-none-match": tag}).status == 304  # what Bob was not told


@pytest.mark.parametrize("many", [1, 20])
def test_nothing_goes_to_another_users_portfolio(ann: User, bob: User, asking: Bob, many: int) -> None:
    ids = (ann.portfolio_ids[0], ABSENT)
    path = f"/portfolios/{bob.portfolio_ids[0]}/transactions"
    transfer = {"type": "transfer", "asset": "BTC", "quantity": "1", "to_portfolio_id": "{}", "time": NOW - 60_000}
    for body in (transfer, [BUY | {"note": str(n)} for n in range(many)] + [transfer]):
        status, shown, _ = asking.same("POST", path, body, ids, {})
        prefix = f"[{many}]." if isinstance(body, list) else ""
        error = {"field": f"{prefix}to_portfolio_id", "message": "Expected a portfolio of yours"}
        assert (status, json.loads(shown)["errors"]) == (422, [error])
    known = f"{path}/{bob.transaction_ids[2]}"
    status, shown, _ = asking.same("PATCH", known, {"to_portfolio_id": "{}"}, ids, {})
    assert (status, json.loads(shown)["errors"][0]["field"]) == (422, "to_portfolio_id")


def test_no_file_tells_of_another_users_portfolio(ann: User, bob: User, asking: Bob, web: Web) -> None:
    """The job says the same of both, but for its own id, and that nothing was imported."""
    path = f"/portfolios/{bob.portfolio_ids[0]}/transactions/import"
    jobs = []
    for id_ in (ann.portfolio_ids[1], ABSENT):
        lines = [
            f"2026-11-22T06:00:00Z,transfer,BTC,1,,,,,,,{id_},{name},"
            for name in ("x1", "Ann-51e0aa", ann.transaction_ids[2])
        ]
        reply = asking("POST", path, "\n".join((",".join(HEADER), *lines)), headers=CSV)
        assert reply.status == 200
        jobs.append({name: value for name, value in reply.body.items() if name != "id"})
    assert jobs[0] == jobs[1]
    assert (jobs[0]["imported"], jobs[0]["errors_total"]) == (0, 3)


def test_nobody_says_where_a_transfer_came_from(ann: User, bob: User, asking: Bob) -> None:
    path = f"/portfolios/{bob.portfolio_ids[0]}/transactions"
    for body in (
        BUY | {"from_portfolio_id": "{}"},
        BUY | {"type": "transfer", "from_portfolio_id": "{}", "to_portfolio_id": bob.portfolio_ids[1]},
    ):
        status, shown, _ = asking.same("POST", path, body, (ann.portfolio_ids[0], ABSENT), {})
        assert (status, json.loads(shown)["errors"][0]["field"]) == (422, "from_portfolio_id")
    known = f"{path}/{bob.transaction_ids[2]}"
    status, shown, _ = asking.same("PATCH", known, {"from_portfolio_id": "{}"}, (ann.portfolio_ids[0], ABSENT), {})
    assert (status, json.loads(shown)["errors"][0]["field"]) == (422, "from_portfolio_id")


def test_names_of_another_users_transactions_are_free(ann: User, bob: User, asking: Bob) -> None:
    path = f"/portfolios/{bob.portfolio_ids[0]}/transactions"
    for name in ("Ann-51e0aa", ann.transaction_ids[0]):
        assert asking("POST", path, BUY | {"external_id": name}).status == 201


def test_a_cursor_of_anothers_is_of_no_use(web: Web, ann: User, bob: User, asking: Bob) -> None:
    below = f"/portfolios/{ann.portfolio_ids[0]}"
    for path in (f"{below}/transactions", f"{below}/holdings"):
        cursor = web("GET", path, token=ann.token, query={"limit": "1"}).body["next_cursor"]
        asked = {"limit": "1", "cursor": cursor}
        assert web("GET", path, token=ann.token, query=asked).status == 200
        assert asking("GET", path, query=asked).status == 404
        reply = asking("GET", path.replace(ann.portfolio_ids[0], bob.portfolio_ids[0]), query=asked)
        assert (reply.status, reply.body["errors"][0]["field"]) == (422, "cursor")
    for path in ("/portfolios", "/alerts"):
        cursor = web("GET", path, token=ann.token, query={"limit": "1"}).body["next_cursor"]
        items = asking("GET", path, query={"limit": "1", "cursor": cursor}).body["items"]
        assert items == asking("GET", path).body["items"][1:]  # a place in his own list


def test_an_etag_tells_nothing_of_anothers(web: Web, ann: User, bob: User, asking: Bob) -> None:
    """Things that look alike but for their ids have other tags: nobody can try whether somebody has one of them."""
    for path, theirs, his in (
        ("/portfolios/{}", ann.portfolio_ids[0], bob.portfolio_ids[0]),
        ("/alerts/{}", ann.alert_ids[1], bob.alert_ids[1]),
    ):
        tag = web("GET", path.replace("{}", theirs), token=ann.token).headers["ETag"]
        mine = path.replace("{}", his)
        assert asking("GET", mine, headers={"if-none-match": tag}).status == 200
        assert asking("PATCH", mine, {}, headers={"if-match": tag}).status == 412
        assert asking("DELETE", mine, headers={"if-match": tag}).status == 412


def test_a_key_of_anothers_is_free(web: Web, ann: User, bob: User) -> None:
    alert = {"symbol": "BTC-USD", "condition": "below", "threshold": "1"}
    for path, body in (("/portfolios", {"name": "Same"}), ("/alerts", alert)):
        replies = [
            web("POST", path, body, token=each.sessions[0].access, headers={"idempotency-key": "same"})
            for each in (ann, bob, ann, bob)
        ]
        first, second, *repeats = replies
        assert first.status == second.status == 201
        assert first.body["id"] != second.body["id"]
        assert [(each.status, each.body) for each in repeats] == [(201, first.body), (201, second.body)]
        assert first.body["id"] not in [each["id"] for each in web("GET", path, token=bob.token).body["items"]]


def test_a_token_that_reads_changes_nothing(web: Web, ann: User, aws: boto3.Session) -> None:
    given = {"name": "reader", "scopes": ["read"]}
    reader = web("POST", "/users/me/tokens", given, token=ann.sessions[0].access).body["token"]
    assert web("GET", "/users/me", token=reader).status == 200  # notes its use
    kept = Kept(aws.resource("dynamodb").Table("Accounts"))
    filled = {
        "portfolio_id": ann.portfolio_ids[0],
        "transaction_id": ann.transaction_ids[0],
        "import_id": ann.import_id,
        "alert_id": ann.alert_ids[0],
        "session_id": ann.session_ids[1],
        "token_id": ann.token_id,
        "symbol": "BTC-USD",
        "asset": "BTC",
    }
    for template, methods in document()["paths"].items():
        path = re.sub("{([a-z_]+)}", lambda match: filled[match[1]], template)
        for method, operation in methods.items():
            if not (need := operation.get("x-scope")):
                continue
            name = f"{method.upper()} {template}"
            body = BODIES.get(name)
            reply = web(method.upper(), path, body, token=reader, headers=CSV if isinstance(body, str) else {})
            assert reply.status == (200 if need == "read" else 403), name
    assert not kept.restore()


def test_the_wipe_leaves_nothing_of_portfolios_and_alerts(
    web: Web, ann: User, bob: User, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    """Also what a crash left in the outbox, and an import that was still to come."""

    def refuse(*_: Any) -> None:
        raise ServiceError("InternalFailure", "busy")

    monkeypatch.setattr(Notices, "send", refuse)
    alert = {
        "symbol": "BTC-USD",
        "condition": "above",
        "threshold": "1",
        "webhook_url": "https://a.example",
    }
    for each in (ann, bob):
        assert web("POST", "/alerts", alert, token=each.token).body["status"] == "fired"
        lines = [f"2026-11-20,deposit,BTC,1,,,,,,,,n{n}," for n in range(1_001)]
        path = f"/portfolios/{each.portfolio_ids[0]}/transactions/import"
        assert web("POST", path, "\n".join((",".join(HEADER), *lines)), token=each.token, headers=CSV).status == 202
    before, bobs = rows(aws), rows(aws, bob)
    for kind in ("RULES#", "OUTBOX", "USER#"):
        assert [row for row in rows(aws, ann) if row.startswith(kind)]
    password = {"current_password": PASSWORD}
    assert web("DELETE", "/users/me", password, token=ann.sessions[0].access).status == 204
    wipe_accounts.handler({}, context)
    assert rows(aws, ann) == []
    assert rows(aws, bob) == bobs
    assert {row.split()[0] for row in before} - {row.split()[0] for row in rows(aws)} == {
        key for key in {row.split()[0] for row in before} if any(mark in key for mark in ann.marks)
    }


def rows(aws: boto3.Session, user: User | None = None) -> list[str]:
    """Keys and contents of all items of Accounts and Connections, or of those that name a user or what is his.

    But for the counts of requests, which last a minute.
    """
    tables = [aws.client("dynamodb").scan(TableName=table)["Items"] for table in ("Accounts", "Connections")]
    texts = [f"{item['pk']['S']} {item['sk']['S']} {item}" for items in tables for item in items]
    found = [text for text in texts if user is None or any(own in text for own in _ids(user))]
    return sorted(text for text in found if not text.startswith(("RATE#", "ATTEMPTS#")))


def _ids(user: User) -> list[str]:
    return [*user.marks, *user.portfolio_ids, *user.transaction_ids, *user.alert_ids, user.import_id, user.fired_id]
