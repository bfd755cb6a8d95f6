"""What every API answers alike."""

import json
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Literal

import pytest
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Meta, Struct

from cryptopulse.api.app import Answer, Api, Created, Empty, File, public
from cryptopulse.api.deps import parameters
from cryptopulse.domain.renderings import Rendering
from cryptopulse.domain.times import Time
from cryptopulse.errors import (
    ConditionError,
    ConflictError,
    CryptoPulseError,
    DeniedError,
    LimitedError,
    MalformedError,
    MediaTypeError,
    NotFoundError,
    RequestError,
    ShortError,
    StaleError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
)

type Ask = Callable[..., dict[str, Any]]

ISSUER = "1"
"""As the fixture `minute` sets it."""
REQUEST_ID = "T73w9WHhZLjunxc="
COOKIE = Cookie("a", "1", path="/auth", http_only=True, max_age=0, same_site=SameSite.STRICT_MODE)
LIMITED = {"RateLimit-Limit": "600", "RateLimit-Remaining": "599", "RateLimit-Reset": "57"}
"""What answers that no cache may keep tell of the limit."""


class Thing(Struct):
    name: str


class ThingQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    at: Time = Time(0)
    count: Annotated[int, Meta(ge=1)] = 1
    flag: bool = False
    order: Literal["up", "down"] = "up"
    note: str = ""


def make(error: Exception | None) -> Api:
    api = Api()

    @api.get("/things/<name>")
    @public
    def read(name: str, query: Annotated[ThingQuery, parameters(ThingQuery)]) -> Answer[Thing]:
        if error is not None:
            raise error
        return Answer(Thing(f"{name} {query.at} {query.count} {query.flag}"), max_age=query.count)

    @api.post("/things")
    @public
    def add() -> Created[Thing]:
        return Created(Thing("new"), path="/things/new")

    @api.get("/things/own")
    @public
    def read_own() -> Answer[Thing]:
        return Answer(Thing("own"), is_tagged=True)

    @api.patch("/things/own")
    @public
    def change_own() -> Answer[Thing]:
        return Answer(Thing("own"), is_tagged=True)

    @api.get("/things")
    @public
    def list_() -> File:
        return File(Rendering.of("text/plain", b"things", fresh_until=0, stays_until=0))

    @api.put("/cookies")
    @public
    def keep() -> Answer[Thing]:
        return Answer(Thing("kept"), cookies=[COOKIE, Cookie("b", "2")])

    @api.get("/cookies")
    @public
    def show() -> Answer[Thing]:
        return Answer(Thing("shown"))

    @api.delete("/cookies")
    @public
    def drop() -> Empty:
        return Empty(cookies=[COOKIE])

    return api


@pytest.fixture
def ask(http_event: Callable[..., dict[str, Any]], context: LambdaContext) -> Ask:
    def ask(*request: Any, error: Exception | None = None, **more: Any) -> dict[str, Any]:
        return make(error).resolve(http_event(*request, **more), context)

    return ask


def tag(body: str) -> str:
    return f'"{sha256(body.encode()).hexdigest()[:32]}"'


def problem(status: int, title: str, detail: str, **more: Any) -> dict[str, Any]:
    about = {"type": "about:blank", "title": title, "status": status, "detail": detail, "request_id": REQUEST_ID}
    return about | more


def test_an_answer_says_how_long_it_keeps_and_who_asked(ask: Ask) -> None:
    answer = ask("GET", "/things/a")
    tag = answer["headers"].pop("ETag")
    assert len(tag) == 34
    assert answer == {
        "statusCode": 200,
        "headers": {
            "Content-Type": "application/json",
            "Cache-Control": "public, max-age=1",
            "Vary": "Accept-Encoding",
            "X-Request-Id": REQUEST_ID,
        },
        "body": '{"name":"a 0 1 False"}',
        "cookies": [],
        "isBase64Encoded": False,
    }


def test_parameters_are_read_by_their_types(ask: Ask) -> None:
    answer = ask("GET", "/things/a", {"at": "1970-01-02", "count": "3", "flag": "true"})
    assert json.loads(answer["body"]) == {"name": "a 86400000 3 True"}


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"count": "0"}, "count", "Expected `int` >= 1"),
        ({"count": "x"}, "count", "Expected `int`, got `str`"),
        ({"flag": "maybe"}, "flag", "Expected `bool`, got `str`"),
        ({"at": "then"}, "at", "Expected a time from 1970 on: RFC 3339, a date, or Unix milliseconds"),
        ({"coutn": "1"}, "coutn", "There is no such parameter"),
        ({"order": "upwards"}, "order", "Not one of the values allowed"),
        ({"x" * 42: "1"}, "x" * 41, "There is no such parameter"),
        ({"\ud800": "1"}, "query", "Expected Unicode text"),
        ({"count": "\ud800"}, "query", "Expected Unicode text"),
        ({"note": "\ud800"}, "query", "Expected Unicode text"),
        ({"a`\nb": "1"}, "a`\nb", "There is no such parameter"),
    ],
)
def test_a_bad_parameter_is_named(ask: Ask, query: dict[str, str], field: str, message: str) -> None:
    answer = ask("GET", "/things/a", query)
    assert (answer["statusCode"], answer["headers"]) == (
        422,
        {
            "Content-Type": "application/problem+json",
            "Cache-Control": "no-store",
            "Vary": "Accept-Encoding",
            "X-Request-Id": REQUEST_ID,
            **LIMITED,
        },
    )
    assert json.loads(answer["body"]) == problem(
        422, "Unprocessable Content", f"{field}: {message}", errors=[{"field": field, "message": message}]
    )


BUSY, OURS = "Too busy; try again.", "Something went wrong on our side."


@pytest.mark.parametrize(
    ("error", "status", "title", "detail"),
    [
        (MalformedError("It is no JSON."), 400, "Bad Request", "It is no JSON."),
        (UnauthenticatedError("Who is it?"), 401, "Unauthorized", "Who is it?"),
        (DeniedError("Not from there."), 403, "Forbidden", "Not from there."),
        (NotFoundError("There is no such thing."), 404, "Not Found", "There is no such thing."),
        (ConflictError("It is taken."), 409, "Conflict", "It is taken."),
        (StaleError("It has changed."), 412, "Precondition Failed", "It has changed."),
        (TooLargeError("It is too long."), 413, "Content Too Large", "It is too long."),
        (MediaTypeError("It is no JSON."), 415, "Unsupported Media Type", "It is no JSON."),
        (LimitedError("Wait a little.", 7), 429, "Too Many Requests", "Wait a little."),
        (RequestError("secret"), 500, "Internal Server Error", OURS),
        (ThrottledError("Slow", "table Market"), 503, "Service Unavailable", BUSY),
        (ConditionError("Lost", "table Market"), 500, "Internal Server Error", OURS),
        (CryptoPulseError("secret"), 500, "Internal Server Error", OURS),
        (RuntimeError("secret"), 500, "Internal Server Error", OURS),
        (KeyError("secret"), 500, "Internal Server Error", OURS),
    ],
)
def test_an_error_is_a_problem_that_tells_no_secret(
    ask: Ask, error: Exception, status: int, title: str, detail: str
) -> None:
    answer = ask("GET", "/things/a", error=error)
    assert answer["statusCode"] == status
    assert json.loads(answer["body"]) == problem(status, title, detail)


def test_a_conflict_names_what_would_be_short(ask: Ask) -> None:
    for id_ in ("0" * 32, None):
        error = ShortError("sale of yesterday", "1" * 32, id_, "BTC", 1_000, Decimal("1E-7"))
        answer = ask("GET", "/things/a", error=error)
        conflict = {
            "portfolio_id": "1" * 32,
            "transaction_id": id_,
            "asset": "BTC",
            "time": "1970-01-01T00:00:01.000Z",
            "missing": "0.0000001",
        }
        detail = "The sale of yesterday would take 0.0000001 BTC more than there is."
        assert json.loads(answer["body"]) == problem(409, "Conflict", detail, conflict=conflict)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (UnauthenticatedError("No."), {"WWW-Authenticate": "Bearer"}),
        (UnauthenticatedError("No.", is_presented=True), {"WWW-Authenticate": 'Bearer error="invalid_token"'}),
        (DeniedError("No."), {}),
        (
            DeniedError("No.", scope="trade"),
            {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="trade"'},
        ),
        (LimitedError("No.", 7), {"Retry-After": "7"}),
        (ThrottledError("Slow", "table Market"), {"Retry-After": "1"}),
        (RuntimeError("No."), {}),
    ],
)
def test_a_problem_tells_what_would_help(ask: Ask, error: Exception, advice: dict[str, str]) -> None:
    assert ask("GET", "/things/a", error=error)["headers"] == {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding",
        "X-Request-Id": REQUEST_ID,
        **LIMITED,
        **advice,
    }


def test_an_unexpected_error_is_logged(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError("the reason")
    ask("GET", "/things/a", error=error)
    failed, _ = caplog.records
    assert (failed.levelname, failed.message, failed.exc_info and failed.exc_info[1]) == ("ERROR", "failed", error)


def test_each_request_is_one_line_in_the_log(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    ask("GET", "/things/a")
    ask("HEAD", "/things/a")
    ask("PUT", "/things")
    ask("PUT", "/nothing")
    names = ("message", "method", "route", "status", "http_request_id")
    assert [tuple(vars(line)[name] for name in names) for line in caplog.records] == [
        ("answered", "GET", "/things/{name}", 200, REQUEST_ID),
        ("answered", "HEAD", "/things/{name}", 200, REQUEST_ID),
        ("answered", "PUT", "/things", 405, REQUEST_ID),
        ("answered", "PUT", None, 404, REQUEST_ID),
    ]
    assert [vars(line)["bytes"] for line in caplog.records[:2]] == [len('{"name":"a 0 1 False"}'), 0]
    assert {vars(line)["ms"] >= 0 for line in caplog.records} == {True}


@pytest.mark.parametrize("path", ["/", "/nothing", "/things/a/b", "/things/", "/things/a\nb"])
def test_an_unknown_path_is_not_found(ask: Ask, path: str) -> None:
    answer = ask("GET", path)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(answer["body"]) == problem(404, "Not Found", "There is nothing at this path.")


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT"])
def test_another_method_is_not_allowed(ask: Ask, method: str) -> None:
    answer = ask(method, "/things")
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert json.loads(answer["body"]) == problem(405, "Method Not Allowed", f"{method} does nothing here.")


def test_what_has_a_path_of_its_own_is_no_parameter(http_event: Callable[..., Any], context: LambdaContext) -> None:
    api = make(None)
    api.delete("/things/<name>")(public(lambda name: Answer(name)))
    for name, status, allow in (("own", 405, "GET, HEAD, OPTIONS, PATCH"), ("other", 200, None)):
        answer = api.resolve(http_event("DELETE", f"/things/{name}"), context)
        assert (answer["statusCode"], answer["headers"].get("Allow")) == (status, allow)


def test_options_tell_what_is_allowed(ask: Ask) -> None:
    answer = ask("OPTIONS", "/things/a")
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert not answer["body"]


def test_head_is_get_without_its_body(ask: Ask) -> None:
    got, head = ask("GET", "/things/a"), ask("HEAD", "/things/a")
    assert head == got | {"body": ""}


def test_head_of_what_cannot_be_got_is_not_allowed(http_event: Callable[..., Any], context: LambdaContext) -> None:
    api = Api()
    api.post("/only")(public(lambda: Answer(1)))
    answer = api.resolve(http_event("HEAD", "/only"), context)
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "OPTIONS, POST")


def test_what_was_made_is_created_and_not_kept(ask: Ask) -> None:
    assert ask("POST", "/things") == {
        "statusCode": 201,
        "headers": {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "Location": f"{ISSUER}/things/new",
            "ETag": tag('{"name":"new"}'),
            "Vary": "Accept-Encoding",
            "X-Request-Id": REQUEST_ID,
            **LIMITED,
        },
        "body": '{"name":"new"}',
        "cookies": [],
        "isBase64Encoded": False,
    }


def test_an_answer_sets_cookies(ask: Ask) -> None:
    cookie = "a=1; Path=/auth; Max-Age=0; HttpOnly; Secure; SameSite=Strict"
    kept = ask("PUT", "/cookies")
    assert (kept["statusCode"], kept["body"], kept["cookies"]) == (200, '{"name":"kept"}', [cookie, "b=2; Secure"])
    assert ask("DELETE", "/cookies") == {
        "statusCode": 204,
        "headers": {"Cache-Control": "no-store", "X-Request-Id": REQUEST_ID, **LIMITED},
        "body": "",
        "cookies": [cookie],
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize("name", ["if-none-match", "If-None-Match"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', '"x",W/{} ', "*", " * "])
def test_a_known_answer_is_not_sent_again(ask: Ask, form: str, name: str) -> None:
    tag = ask("GET", "/things/a")["headers"]["ETag"]
    for method in ("GET", "HEAD"):
        answer = ask(method, "/things/a", headers={name: form.format(tag)})
        assert (answer["statusCode"], answer["body"]) == (304, "")
        assert answer["headers"] == {
            "Cache-Control": "public, max-age=1",
            "ETag": tag,
            "Vary": "Accept-Encoding",
            "X-Request-Id": REQUEST_ID,
        }


def test_what_nobody_may_keep_can_be_tagged_and_spared_too(ask: Ask) -> None:
    own = tag('{"name":"own"}')
    told = {
        "Cache-Control": "no-store",
        "ETag": own,
        "Vary": "Accept-Encoding",
        "X-Request-Id": REQUEST_ID,
        **LIMITED,
    }
    got = ask("GET", "/things/own")
    assert (got["statusCode"], got["headers"]) == (200, {"Content-Type": "application/json", **told})
    known = ask("GET", "/things/own", headers={"if-none-match": own})
    assert (known["statusCode"], known["headers"], known["body"]) == (304, told, "")


def test_a_change_is_always_shown(ask: Ask) -> None:
    changed = ask("PATCH", "/things/own", headers={"if-none-match": "*"})
    assert (changed["statusCode"], changed["headers"]["ETag"]) == (200, tag('{"name":"own"}'))


def test_what_has_no_tag_is_known_to_nobody(ask: Ask) -> None:
    assert ask("GET", "/cookies", headers={"if-none-match": "*"})["statusCode"] == 200


@pytest.mark.parametrize("form", ['"x"', "", "x", '"x", "y"', '"*"'])
def test_another_answer_is_sent(ask: Ask, form: str) -> None:
    answer = ask("GET", "/things/a", headers={"if-none-match": form})
    assert (answer["statusCode"], answer["body"]) == (200, '{"name":"a 0 1 False"}')


def test_a_problem_is_never_spared(ask: Ask) -> None:
    assert ask("GET", "/nothing", headers={"if-none-match": "*"})["statusCode"] == 404


def test_a_file_is_kept_for_an_hour(ask: Ask) -> None:
    answer = ask("GET", "/things")
    assert (answer["headers"]["Content-Type"], answer["headers"]["Cache-Control"], answer["body"]) == (
        "text/plain",
        "public, max-age=3600",
        "things",
    )
