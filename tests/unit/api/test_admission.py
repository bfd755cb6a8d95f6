"""Who may ask, and how often: routes are closed, and everybody has a limit."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse.api.app import Answer, Api, Empty, File, need_of, public, scoped
from cryptopulse.api.deps import Who
from cryptopulse.domain.renderings import Rendering
from cryptopulse.domain.tokens import SCOPES, Caller
from cryptopulse.errors import LimitedError, ServiceError, ThrottledError, UnauthenticatedError
from tests.unit.api.conftest import Minute

type Ask = Callable[..., dict[str, Any]]

ORIGIN, USER, PROGRAMS = "ip#192.0.2.44", "user#ann", "user#ann#tokens"
CALLERS = {
    "session": Caller("ann", "s1", "session", SCOPES),
    "read": Caller("ann", "t1", "token", frozenset({"read"})),
    "trade": Caller("ann", "t2", "token", frozenset({"trade"})),
    "admin": Caller("ann", "t3", "token", frozenset({"admin"})),
    "all": Caller("ann", "t4", "token", SCOPES),
}
LEFT = {"RateLimit-Limit": "600", "RateLimit-Remaining": "599", "RateLimit-Reset": "57"}
NONE_LEFT = LEFT | {"RateLimit-Remaining": "0", "Retry-After": "57"}


def guard(event: APIGatewayProxyEventV2) -> Caller:
    """Knows a caller by what he says he is."""
    word = event.headers.get("authorization", "")
    if word == "broken":
        raise ThrottledError("Slow", "table Accounts")
    if word not in CALLERS:
        raise UnauthenticatedError("Who is it?", is_presented=bool(word))
    return CALLERS[word]


def broken(_: APIGatewayProxyEventV2) -> Caller:
    raise AssertionError("nobody is to be asked who it is")


def make(asked: Callable[[APIGatewayProxyEventV2], Caller] = guard) -> Api:
    api = Api(asked)

    @api.get("/open")
    @public
    def read_open() -> Answer[str]:
        return Answer("open", max_age=60)

    @api.post("/open")
    @public
    def sign_in() -> Answer[str]:
        raise LimitedError("Wait a little.", 7)

    @api.get("/own")
    def read(caller: Who) -> Answer[str]:
        return Answer(caller.user, max_age=60)

    @api.get("/own/file")
    def read_file() -> File:
        return File(Rendering.of("text/plain", b"own", fresh_until=0, stays_until=0))

    @api.post("/own")
    def add(caller: Who) -> Answer[str]:
        return Answer(caller.user)

    @api.post("/trades")
    @scoped("trade")
    def trade(caller: Who) -> Answer[str]:
        return Answer(caller.user)

    @api.put("/account")
    @scoped("admin")
    def change(caller: Who) -> Answer[str]:
        return Answer(caller.user)

    @api.delete("/account/<name>")
    @scoped("session")
    def remove(name: str) -> Empty:
        return Empty()

    return api


@pytest.fixture
def ask(http_event: Callable[..., dict[str, Any]], context: LambdaContext) -> Ask:
    def ask(method: str, path: str, word: str = "", api: Api | None = None) -> dict[str, Any]:
        event = http_event(method, path, headers={"authorization": word} if word else {})
        return (api or make()).resolve(event, context)

    return ask


def told(answer: dict[str, Any]) -> dict[str, str]:
    """The headers that differ from one answer to the other."""
    usual = {"Content-Type", "Vary", "X-Request-Id"}
    return {name: value for name, value in answer["headers"].items() if name not in usual}


READS, TRADES, ADMINS = {"read", "all", "session"}, {"trade", "all", "session"}, {"admin", "all", "session"}


@pytest.mark.parametrize("word", [*CALLERS])
@pytest.mark.parametrize(
    ("method", "path", "need", "welcome"),
    [
        ("GET", "/own", "read", READS),
        ("HEAD", "/own", "read", READS),
        ("POST", "/own", "session", {"session"}),
        ("POST", "/trades", "trade", TRADES),
        ("PUT", "/account", "admin", ADMINS),
        ("DELETE", "/account/x", "session", {"session"}),
    ],
)
def test_a_route_asks_for_one_scope(
    ask: Ask, minute: Minute, method: str, path: str, need: str, welcome: set[str], word: str
) -> None:
    answer = ask(method, path, word)
    if word in welcome:
        assert (answer["statusCode"] in (200, 204), told(answer)) == (True, {"Cache-Control": "no-store", **LEFT})
    else:
        assert (answer["statusCode"], told(answer)) == (
            403,
            {
                "Cache-Control": "no-store",
                "WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{need}"',
                **LEFT,
            },
        )
    assert minute.counted == [USER if word == "session" else PROGRAMS]


@pytest.mark.parametrize(
    ("need", "path", "detail"),
    [
        ("session", "/own", "Only a session may do this: sign in."),
        ("trade", "/trades", "This needs the scope trade."),
    ],
)
def test_what_is_missing_is_named(ask: Ask, need: str, path: str, detail: str) -> None:
    assert json.loads(ask("POST", path, "read")["body"])["detail"] == detail


@pytest.mark.parametrize(("word", "challenge"), [("", "Bearer"), ("nobody", 'Bearer error="invalid_token"')])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/own"), ("HEAD", "/own"), ("POST", "/own"), ("POST", "/trades"), ("DELETE", "/account/x")],
)
def test_a_closed_route_is_for_nobody_unknown(
    ask: Ask, minute: Minute, method: str, path: str, word: str, challenge: str
) -> None:
    answer = ask(method, path, word)
    assert (answer["statusCode"], told(answer)) == (
        401,
        {"Cache-Control": "no-store", "WWW-Authenticate": challenge, **LEFT},
    )
    assert minute.counted == [ORIGIN]


def test_an_open_route_asks_nobody(ask: Ask, minute: Minute) -> None:
    answer = ask("GET", "/open", "session", make(broken))
    tag = answer["headers"].pop("ETag")
    assert (answer["statusCode"], told(answer), len(tag)) == (200, {"Cache-Control": "public, max-age=60"}, 34)
    assert minute.counted == [ORIGIN]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/no", 404), ("PUT", "/own", 405), ("OPTIONS", "/own", 204)]
)
def test_what_is_no_route_counts_too(ask: Ask, minute: Minute, method: str, path: str, status: int) -> None:
    answer = ask(method, path, "session", make(broken))
    assert (answer["statusCode"], minute.counted) == (status, [ORIGIN])
    assert LEFT.items() <= answer["headers"].items()


@pytest.mark.parametrize("path", ["/own", "/own/file"])
def test_what_is_behind_a_guard_is_kept_by_nobody(ask: Ask, path: str) -> None:
    answer = ask("GET", path, "read")
    assert (answer["statusCode"], told(answer)) == (200, {"Cache-Control": "no-store", **LEFT})


@pytest.mark.parametrize(
    ("method", "path", "word", "who"),
    [
        ("GET", "/open", "", ORIGIN),
        ("GET", "/no", "", ORIGIN),
        ("PUT", "/open", "", ORIGIN),
        ("GET", "/own", "", ORIGIN),
        ("GET", "/own", "nobody", ORIGIN),
        ("GET", "/own", "session", USER),
        ("GET", "/own", "read", PROGRAMS),
        ("POST", "/own", "read", PROGRAMS),
    ],
)
def test_one_request_too_many_is_refused(ask: Ask, minute: Minute, method: str, path: str, word: str, who: str) -> None:
    minute.spent = {who}
    answer = ask(method, path, word)
    assert (answer["statusCode"], told(answer)) == (429, {"Cache-Control": "no-store", **NONE_LEFT})
    assert json.loads(answer["body"]) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "At most 600 requests a minute.",
        "request_id": answer["headers"]["X-Request-Id"],
    }
    assert minute.counted == [who]


def test_a_users_requests_are_not_their_addresss(ask: Ask, minute: Minute) -> None:
    minute.spent = {ORIGIN}
    assert ask("GET", "/own", "read")["statusCode"] == 200


def test_who_has_to_wait_for_another_reason_is_told_so(ask: Ask) -> None:
    answer = ask("POST", "/open")
    assert (answer["statusCode"], told(answer)) == (429, {"Cache-Control": "no-store", **LEFT, "Retry-After": "7"})


@pytest.mark.parametrize(("path", "word", "status"), [("/open", "", 200), ("/own", "read", 200), ("/own", "", 401)])
def test_without_its_table_there_is_no_limit(
    ask: Ask, minute: Minute, caplog: pytest.LogCaptureFixture, path: str, word: str, status: int
) -> None:
    minute.error = ServiceError("Down", "table Connections")
    answer = ask("GET", path, word)
    assert answer["statusCode"] == status
    assert not {name for name in answer["headers"] if name.startswith("RateLimit")}
    assert [(line.levelname, line.message) for line in caplog.records] == [
        ("ERROR", "not limited"),
        ("INFO", "answered"),
    ]


def test_without_the_accounts_nobody_gets_in(ask: Ask, minute: Minute) -> None:
    answer = ask("GET", "/own", "broken")
    assert (answer["statusCode"], told(answer)) == (503, {"Cache-Control": "no-store", "Retry-After": "1"})
    assert minute.counted == []


def test_the_log_names_the_caller_and_nothing_secret(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    for word in ("session", "nobody", "read"):
        ask("POST", "/own", word)
    lines = [vars(line) for line in caplog.records]
    ann = sha256(b"user:ann").hexdigest()[:16]
    assert [(line["status"], line.get("user_hash")) for line in lines] == [(200, ann), (401, None), (403, ann)]
    assert "ann" not in [*(str(value) for line in lines for value in line.values())]


def test_a_caller_is_not_the_next_ones(ask: Ask, minute: Minute, caplog: pytest.LogCaptureFixture) -> None:
    api = make()
    ask("GET", "/own", "session", api)
    minute.error = ServiceError("Down", "table Connections")
    assert ask("GET", "/own", "", api)["statusCode"] == 401
    assert not {name for name in ask("GET", "/no", "", api)["headers"] if name.startswith("RateLimit")}
    lines = [vars(line) for line in caplog.records if line.message == "answered"]
    assert ["user_hash" in line for line in lines] == [True, False, False]


@pytest.mark.parametrize("mark", [scoped("read"), scoped("session"), lambda function: function])
def test_an_api_without_a_guard_has_public_routes_only(mark: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="without a guard"):
        Api().get("/own")(mark(lambda: Answer(1)))


def test_a_public_route_has_no_caller() -> None:
    def read(caller: Who) -> Answer[str]:
        return Answer(caller.user)

    with pytest.raises(TypeError, match="GET /own is public"):
        Api(guard).get("/own")(public(read))


def test_a_mark_in_the_wrong_place_opens_nothing() -> None:
    api = Api(guard)
    public(api.get("/own")(lambda: Answer(1)))
    api.route("/both", ["GET", "POST"])(lambda: Answer(1))
    assert [(route.method, need_of(route)) for route in api.routes] == [
        ("GET", "read"),
        ("GET", "session"),
        ("POST", "session"),
    ]
