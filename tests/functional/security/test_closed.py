"""Every route that is not declared public refuses whoever may not use it: walked from the OpenAPI document."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jwt
import msgspec
import pytest

from cryptopulse import wiring
from cryptopulse.domain import access_tokens
from local.openapi import document
from tests.functional.web import Web

PUBLIC = {
    "POST /auth/register",
    "POST /auth/login",
    "POST /auth/refresh",
    "POST /auth/logout",
    "GET /.well-known/jwks.json",
    "GET /coins",
    "GET /prices",
    "GET /prices/{symbol}",
    "GET /candles/{symbol}",
    "GET /indicators",
    "GET /indicators/{symbol}",
    "GET /volatility/{symbol}",
    "GET /correlation",
    "GET /beta/{symbol}",
    "GET /news",
    "GET /sentiment",
    "GET /sentiment/{asset}",
    "GET /health",
    "GET /time",
    "GET /openapi.json",
    "GET /docs",
}
"""What needs no token by the public contract."""
SCOPES = ("read", "trade", "admin")


PARAMETERS = {"symbol": "BTC-USD", "asset": "BTC"} | dict.fromkeys(
    ("session_id", "token_id", "portfolio_id", "transaction_id", "import_id", "alert_id"), "0" * 32
)
"""What stands for the parameters of paths."""
LIVE = ("/users/", "/auth/ws-ticket")
"""Where paths begin that look the session up: elsewhere an access token is good until it expires."""


class Operation(NamedTuple):
    """A route of the document, with ids filled in."""

    name: str
    method: str
    path: str
    security: list[dict[str, Any]]
    scope: str | None

    def __str__(self) -> str:
        return self.name


def operations() -> Iterator[Operation]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            filled = re.sub("{([a-z_]+)}", lambda match: PARAMETERS[match[1]], path)
            yield Operation(
                f"{method.upper()} {path}", method.upper(), filled, operation["security"], operation.get("x-scope")
            )


ALL = list(operations())
CLOSED = [operation for operation in ALL if operation.scope]


def test_what_is_public_is_what_the_contract_says() -> None:
    assert {operation.name for operation in ALL if not operation.scope} == PUBLIC
    assert all(operation.security == [{"bearerAuth": []}] for operation in CLOSED)
    assert len(CLOSED) >= 37


def test_every_route_answers_with_its_own_methods_alone(web: Web) -> None:
    for path in {operation.path for operation in ALL}:
        known = {operation.method for operation in ALL if operation.path == path}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
            assert web(method, path).status == 405, f"{method} {path}"


@pytest.fixture
def credentials(web: Web) -> dict[str, str]:
    """Credentials that are not good, by what is wrong with them."""
    ann = web.person()
    keys, now = wiring.keys(), wiring.now() // 1000
    good = msgspec.convert(jwt.decode(ann.access, options={"verify_signature": False}), access_tokens.Claims)

    def signed(**changes: Any) -> str:
        return access_tokens.sign(msgspec.structs.replace(good, **changes), keys.kid, keys.sign)

    made = web("POST", "/users/me/tokens", {"name": "gone", "scopes": list(SCOPES)}, token=ann.access).body
    web("DELETE", f"/users/me/tokens/{made['id']}", token=ann.access)
    return {
        "bad": "x" * 40,
        "expired": signed(iat=now - 1000, exp=now - 100),
        "not yet valid": signed(iat=now + 1000, exp=now + 1900),
        "another audience's": signed(aud="another"),
        "another issuer's": signed(iss="https://another.test"),
        "nobody's": signed(sub="0" * 32),
        "a removed API token": made["token"],
        "a refresh token": ann.refresh,
        "cut off": ann.access[:-1],
    }


def test_no_closed_route_lets_bad_credentials_in(web: Web, credentials: dict[str, str]) -> None:
    for operation in CLOSED:
        reply = web(operation.method, operation.path)
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer"), operation
        for what, credential in credentials.items():
            reply = web(operation.method, operation.path, token=credential)
            assert reply.status == 401, f"{operation}: {what}"
            assert reply.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
            assert reply.headers["Cache-Control"] == "no-store"


def test_an_ended_session_is_let_in_only_where_nobody_looks_it_up(web: Web) -> None:
    ann = web.person()
    ended = web.again(ann.id)
    web("POST", "/auth/logout", {"refresh_token": ended.refresh})
    for operation in CLOSED:
        is_refused = web(operation.method, operation.path, token=ended.access).status == 401
        assert is_refused == operation.path.startswith(LIVE), operation


@pytest.mark.parametrize(
    "credentials", ["Basic YTpi", "Bearer", "Bearer ", "bearer  x", "Token x", "x", "Bearer a b", "Bearer x, Bearer y"]
)
def test_other_authorizations_are_refused(web: Web, credentials: str) -> None:
    for operation in CLOSED:
        assert web(operation.method, operation.path, headers={"authorization": credentials}).status == 401


def test_the_scheme_is_read_in_any_case(web: Web) -> None:
    ann = web.person()
    assert web("GET", "/users/me", headers={"authorization": f"bEARER {ann.access}"}).status == 200


def test_no_closed_route_lets_another_scope_in(web: Web) -> None:
    ann = web.person()
    body = {"name": "bot", "scopes": []}
    for operation in CLOSED:
        others = [scope for scope in SCOPES if scope != operation.scope]
        made = web("POST", "/users/me/tokens", body | {"scopes": others}, token=ann.access).body
        reply = web(operation.method, operation.path, token=made["token"])
        assert reply.status == 403, operation
        assert reply.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{operation.scope}"'
        web("DELETE", f"/users/me/tokens/{made['id']}", token=ann.access)


def test_once_the_account_has_ended_every_route_refuses(web: Web) -> None:
    ann = web.person()
    bot = web("POST", "/users/me/tokens", {"name": "bot", "scopes": list(SCOPES)}, token=ann.access).body["token"]
    assert (
        web("DELETE", "/users/me", {"current_password": "correct horse battery staple"}, token=ann.access).status == 204
    )
    for operation in CLOSED:
        for credential in (ann.access, bot):
            assert web(operation.method, operation.path, token=credential).status == 401, operation
