"""No secret reaches a log line, whatever is done or goes wrong."""

import io
import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Account, Client
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.domain.exports import HEADER
from cryptopulse.errors import ServiceError
from cryptopulse.feeds.webhooks import Webhooks
from cryptopulse.telemetry import logger
from functions.deliver_webhooks import app as deliver_webhooks
from functions.import_transactions import app as import_transactions
from functions.wipe_accounts import app as wipe_accounts
from local.openapi import document
from tests.functional.security.users import User, fill
from tests.functional.web import EMAIL, PASSWORD, Reply, Web

NEW = "another good passphrase"
WRONG = "a wrong password, quite"
NEW_EMAIL = "ann.other@example.com"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the functions' logger writes."""
    written = io.StringIO()
    for handler in logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        monkeypatch.setattr(handler, "stream", written)
    logger.setLevel(logging.DEBUG)
    yield written
    logger.setLevel(logging.INFO)


def journey(web: Web) -> list[str]:
    """Does everything that holds a secret; returns all secrets that came by."""
    secrets = [EMAIL, NEW_EMAIL, PASSWORD, NEW, WRONG]
    web.register()
    web.register()
    web.sign_in(password=WRONG)
    ann = web.again("")
    other = web.sign_in(cookie=True)
    secrets += [ann.access, ann.refresh, other.cookies[0].split(";")[0].partition("=")[2], other.body["access_token"]]
    pair = web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).body
    web("POST", "/auth/refresh", {"refresh_token": ann.refresh})
    secrets += [pair["access_token"], pair["refresh_token"]]
    ann = web.again("")
    secrets += [ann.access, ann.refresh]
    bot = web("POST", "/users/me/tokens", {"name": "bot", "scopes": ["read"]}, token=ann.access).body["token"]
    ticket = web("POST", "/auth/ws-ticket", token=bot).body["ticket"]
    secrets += [bot, ticket]
    web("GET", "/users/me", token=bot + "x")
    web("GET", "/users/me", token=ann.access[:-2] + "xx")
    web("PATCH", "/users/me", {"email": NEW_EMAIL, "current_password": WRONG}, token=ann.access)
    web("PATCH", "/users/me", {"email": NEW_EMAIL, "current_password": PASSWORD}, token=ann.access)
    web("POST", "/users/me/password", {"current_password": PASSWORD, "new_password": "short"}, token=ann.access)
    web("POST", "/users/me/password", {"current_password": PASSWORD, "new_password": NEW}, token=ann.access)
    web(
        "POST",
        "/auth/login",
        f'{{"email": "{EMAIL}", "password": "{NEW}"',
        headers={"content-type": "application/json"},
    )
    web("POST", "/auth/login", {"email": EMAIL, "password": [NEW]})
    web("GET", "/users/me/export", token=ann.access)
    web("DELETE", "/users/me", {"current_password": NEW}, token=ann.access)
    return secrets


def test_that_somebody_is_made_to_wait(web: Web, lines: io.StringIO) -> None:
    id_ = web.register().body["id"]
    for _ in range(7):
        web.sign_in(password=WRONG)
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    told = [(event["what"], event["user"]) for event in events if event["message"] == "security"]
    assert told == [("registered", id_), *[("refused a password", id_)] * 5, *[("made to wait", id_)] * 2]


def assert_clean(text: str, secrets: list[str]) -> None:
    assert secrets
    for secret in secrets:
        assert secret not in text
        assert secret.partition("@")[0] not in text
        assert json.dumps(secret)[1:-1] not in text
    for word in ("$argon2id$", "Bearer ey", "Bearer cp_", "refresh_token=cr_"):
        assert word not in text


def test_all_that_goes_well_or_is_refused(web: Web, lines: io.StringIO) -> None:
    secrets = journey(web)
    assert_clean(lines.getvalue(), secrets)
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    told = [event["what"] for event in events if event["message"] == "security"]
    assert told == [
        "registered",
        "refused a password",
        "signed in",
        "signed in",
        "refused a spent refresh token",
        "signed in",
        "made an API token",
        "refused a password",
        "changed the e-mail",
        "changed the password",
        "ended the account",
    ]
    assert all(event["address"] for event in events if event["message"] == "security")


@pytest.mark.parametrize("operation", ["TransactWriteItems", "UpdateItem", "GetItem", "BatchGetItem", "Sign", "Query"])
def test_all_that_fails(web: Web, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    ann = web.person()
    bot = web("POST", "/users/me/tokens", {"name": "bot", "scopes": ["read"]}, token=ann.access).body["token"]
    call = Client.call

    def failing(self: Client, name: str, body: Any) -> Any:
        if name == operation and body.get("TableName") != "Connections":
            raise ServiceError("ValidationException", f"{name}: broken on purpose")
        return call(self, name, body)

    monkeypatch.setattr(Client, "call", failing)
    replies = [
        web.sign_in(),
        web.register("bob@example.com"),
        web("POST", "/auth/refresh", {"refresh_token": ann.refresh}),
        web("GET", "/users/me", token=ann.access),
        web("GET", "/users/me", token=bot),
        web("PATCH", "/users/me", {"email": NEW_EMAIL, "current_password": PASSWORD}, token=ann.access),
        web("POST", "/users/me/password", {"current_password": PASSWORD, "new_password": NEW}, token=ann.access),
        web("DELETE", "/users/me", {"current_password": NEW}, token=ann.access),
    ]
    assert 500 in [reply.status for reply in replies]
    assert "broken on purpose" in lines.getvalue()
    for reply in replies:
        assert "broken" not in str(reply.body)
    assert_clean(lines.getvalue(), [EMAIL, NEW_EMAIL, "bob@example.com", PASSWORD, NEW, ann.access, ann.refresh, bot])


# --- what users have ---

WORDS = "Ann 51e0aa"
AMOUNT = "300000.516234210815"
CSV = {"content-type": "text/csv"}


@pytest.fixture
def ann(web: Web, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> User:
    fill(wiring.market(), wiring.now())
    return User(web, EMAIL, PASSWORD, WORDS, AMOUNT)


def everything(web: Web, ann: User) -> list[Reply]:
    """Reads all that Ann has, writes more, and has as much refused; her words and amounts are in all of it."""
    ids = {
        "portfolio_id": ann.portfolio_ids[0],
        "transaction_id": ann.transaction_ids[0],
        "import_id": ann.import_id,
        "alert_id": ann.alert_ids[1],
    }
    token, home = ann.sessions[0].access, f"/portfolios/{ann.portfolio_ids[0]}"
    closed = {path: own for path, own in document()["paths"].items() if path.startswith(("/portfolios", "/alerts"))}
    read = [re.sub("{([a-z_]+)}", lambda match: ids[match[1]], path) for path, own in closed.items() if "get" in own]
    replies = [web("GET", path, token=token) for path in read]
    sale = {"type": "sell", "asset": "BTC", "quantity": AMOUNT, "price": AMOUNT, "time": wiring.now(), "note": WORDS}
    name = f"{WORDS}-of-his".replace(" ", "-")
    alert = {"symbol": "BTC-USD", "condition": "below", "threshold": AMOUNT, "note": WORDS}
    hook = {"webhook_url": f"https://hooks.example/?{name}"}
    lines = [f"{wiring.now()},buy,BTC,{AMOUNT},{AMOUNT},,,,,,,{name}-{n},{WORDS}" for n in range(1_001)]
    bad = f"{wiring.now()},{name},{WORDS},{AMOUNT},{AMOUNT},,,,,,,{name},{WORDS}"
    for method, path, body, headers in (
        ("POST", "/portfolios", {"name": WORDS}, {"idempotency-key": name}),
        ("POST", "/portfolios", {"name": WORDS, WORDS: AMOUNT}, {}),
        ("PATCH", home, {"name": f"{WORDS} 3"}, {"if-match": f'"{name}"'}),
        ("PATCH", home, {"name": f"{WORDS} 3", "cost_basis": "lifo"}, {}),
        ("POST", f"{home}/transactions", sale, {}),
        ("POST", f"{home}/transactions", [sale | {"quantity": "1", "external_id": name}], {}),
        ("POST", f"{home}/transactions", sale | {"asset": WORDS}, {}),
        ("POST", f"{home}/transactions", sale | {"quantity": f"-{AMOUNT}"}, {}),
        ("POST", f"{home}/transactions", f'{{"note": "{WORDS}"', {"content-type": "application/json"}),
        ("PATCH", f"{home}/transactions/{ann.transaction_ids[0]}", {"note": f"{WORDS}!"}, {}),
        ("PATCH", f"{home}/transactions/{ann.transaction_ids[0]}", {"quantity": "1"}, {}),
        ("POST", f"{home}/transactions/import", "\n".join((",".join(HEADER), *lines)), CSV),
        ("POST", f"{home}/transactions/import", "\n".join((",".join(HEADER), lines[0], bad)), CSV),
        ("POST", f"{home}/transactions/import", bad, CSV),
        ("POST", "/alerts", alert | hook, {}),
        ("POST", "/alerts", alert | {"webhook_url": f"http://127.0.0.1/?{name}"}, {}),
        ("PATCH", f"/alerts/{ann.alert_ids[1]}", {"note": f"{WORDS}!", "threshold": f"{AMOUNT}9"} | hook, {}),
        ("DELETE", f"{home}/transactions/{ann.transaction_ids[1]}", None, {}),
        ("DELETE", f"/portfolios/{ann.portfolio_ids[1]}", None, {}),
        ("DELETE", f"/alerts/{ann.alert_ids[0]}", None, {}),
        ("DELETE", "/users/me", {"current_password": PASSWORD}, {}),
    ):
        replies.append(web(method, path, body, token=token, headers=headers))
    return replies


def work(aws: boto3.Session, context: Any, queue: str, function: Any) -> int:
    """Hands a queue's messages to its function; how many there were."""
    found = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    records = [{"body": each["Body"], "attributes": {"ApproximateReceiveCount": "1"}} for each in found]
    function.handler({"Records": records}, context)
    return len(found)


def test_no_word_and_no_amount_of_a_users(
    web: Web, aws: boto3.Session, ann: User, lines: io.StringIO, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = wiring.settings()
    addresses = [["127.0.0.1"], []]
    hooks = Webhooks("public", resolve=lambda host, port: addresses.pop())
    monkeypatch.setattr(wiring, "webhooks", lambda: hooks)
    for _ in range(2):
        assert work(aws, context, settings.WEBHOOKS_QUEUE, deliver_webhooks) == 1
        again = {"symbol": "BTC-USD", "condition": "above", "threshold": "1", "note": WORDS}
        url = f"https://hooks.example/?{WORDS.replace(' ', '-')}"
        ann.words.append(web("POST", "/alerts", again | {"webhook_url": url}, token=ann.token).body["webhook_secret"])
    statuses = [reply.status for reply in everything(web, ann)]
    assert {200, 201, 202, 204, 400, 409, 412, 422} == {*statuses}
    assert work(aws, context, settings.IMPORTS_QUEUE, import_transactions) == 1
    wipe_accounts.handler({}, context)
    assert "called a webhook" in lines.getvalue()
    assert_wordless(lines.getvalue(), ann)


@pytest.mark.parametrize(
    "operation", ["TransactWriteItems", "GetItem", "BatchGetItem", "Query", "PutItem", "SendMessage"]
)
def test_none_either_where_something_fails(
    web: Web, ann: User, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    call = Client.call

    def failing(self: Client, name: str, body: Mapping[str, Any]) -> Any:
        about = str(body)
        if name == operation and not re.search("Connections|ACCOUNT'", about.replace("ConditionCheck", "")):
            raise ServiceError("ValidationException", f"{name}: broken on purpose")
        return call(self, name, body)

    monkeypatch.setattr(Client, "call", failing)
    replies = everything(web, ann)
    assert "broken on purpose" in lines.getvalue()
    for reply in replies:
        assert "broken" not in str(reply.body)
    assert_wordless(lines.getvalue(), ann)


def assert_wordless(text: str, ann: User) -> None:
    assert '"answered"' in text
    for word in (*ann.words, "516234210815", "whsec_", "hooks.example/"):
        assert word not in text


def test_settings_and_credentials_do_not_show_themselves(web: Web) -> None:
    assert wiring.settings().EDGE_SECRET not in repr(wiring.settings())
    account = Account("us-east-1", Credentials("AKIA", "the secret key", "the session token"))
    assert repr(account) == "Account(region='us-east-1', credentials=Credentials(AKIA), url='')"
