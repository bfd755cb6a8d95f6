"""No secret reaches a log line, whatever is done or goes wrong."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Account, Client
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.errors import ServiceError
from cryptopulse.telemetry import logger
from tests.functional.web import EMAIL, PASSWORD, Web

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


def test_settings_and_credentials_do_not_show_themselves(web: Web) -> None:
    assert wiring.settings().EDGE_SECRET not in repr(wiring.settings())
    account = Account("us-east-1", Credentials("AKIA", "the secret key", "the session token"))
    assert repr(account) == "Account(region='us-east-1', credentials=Credentials(AKIA), url='')"
