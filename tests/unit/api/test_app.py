"""What every API answers alike."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Meta, Struct

from cryptopulse.api.app import Answer, Api, File
from cryptopulse.api.deps import parameters
from cryptopulse.domain.times import Time
from cryptopulse.errors import (
    ConditionError,
    ConflictError,
    CryptoPulseError,
    NotFoundError,
    ThrottledError,
)

type Ask = Callable[..., dict[str, Any]]

REQUEST_ID = "T73w9WHhZLjunxc="


class Thing(Struct):
    name: str


class ThingQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    at: Time = Time(0)
    count: Annotated[int, Meta(ge=1)] = 1
    flag: bool = False


def make(error: Exception | None) -> Api:
    api = Api()

    @api.get("/things/<name>")
    def read(name: str, query: Annotated[ThingQuery, parameters(ThingQuery)]) -> Answer[Thing]:
        if error is not None:
            raise error
        return Answer(Thing(f"{name} {query.at} {query.count} {query.flag}"), max_age=query.count)

    @api.post("/things")
    def add() -> Answer[Thing]:
        return Answer(Thing("new"))

    @api.get("/things")
    def list_() -> File:
        return File("text/plain", "things")

    return api


@pytest.fixture
def ask(http_event: Callable[..., dict[str, Any]], context: LambdaContext) -> Ask:
    def ask(*request: Any, error: Exception | None = None, **more: Any) -> dict[str, Any]:
        return make(error).resolve(http_event(*request, **more), context)

    return ask


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
        ({"a`\nb": "1"}, "a`\nb", "There is no such parameter"),
    ],
)
def test_a_bad_parameter_is_named(ask: Ask, query: dict[str, str], field: str, message: str) -> None:
    answer = ask("GET", "/things/a", query)
    assert (answer["statusCode"], answer["headers"]) == (
        422,
        {"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Request-Id": REQUEST_ID},
    )
    assert json.loads(answer["body"]) == problem(
        422, "Unprocessable Content", f"{field}: {message}", errors=[{"field": field, "message": message}]
    )


BUSY, OURS = "Too busy; try again.", "Something went wrong on our side."


@pytest.mark.parametrize(
    ("error", "status", "title", "detail"),
    [
        (NotFoundError("There is no such thing."), 404, "Not Found", "There is no such thing."),
        (ConflictError("It is taken."), 409, "Conflict", "It is taken."),
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
    assert answer["headers"].get("Retry-After") == ("1" if status == 503 else None)
    assert json.loads(answer["body"]) == problem(status, title, detail)


def test_an_unexpected_error_is_logged(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError("the reason")
    ask("GET", "/things/a", error=error)
    failed, _ = caplog.records
    assert (failed.levelname, failed.message, failed.exc_info and failed.exc_info[1]) == ("ERROR", "failed", error)


def test_each_request_is_one_line_in_the_log(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    ask("GET", "/things/a")
    ask("PUT", "/nothing")
    names = ("message", "method", "route", "status", "http_request_id")
    assert [tuple(vars(line)[name] for name in names) for line in caplog.records] == [
        ("answered", "GET", "/things/{name}", 200, REQUEST_ID),
        ("answered", "PUT", None, 404, REQUEST_ID),
    ]


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


def test_options_tell_what_is_allowed(ask: Ask) -> None:
    answer = ask("OPTIONS", "/things/a")
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert not answer["body"]


def test_head_is_get_without_its_body(ask: Ask) -> None:
    got, head = ask("GET", "/things/a"), ask("HEAD", "/things/a")
    assert head == got | {"body": ""}


def test_head_of_what_cannot_be_got_is_not_allowed(http_event: Callable[..., Any], context: LambdaContext) -> None:
    api = Api()
    api.post("/only")(lambda: Answer(1))
    answer = api.resolve(http_event("HEAD", "/only"), context)
    assert (answer["statusCode"], answer["headers"]["Allow"]) == (405, "OPTIONS, POST")


def test_what_may_not_be_kept_has_no_tag(ask: Ask) -> None:
    answer = ask("POST", "/things")
    assert (answer["headers"]["Cache-Control"], answer["headers"].get("ETag")) == ("no-store", None)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', '"x",W/{} ', "*", " * "])
def test_a_known_answer_is_not_sent_again(ask: Ask, form: str) -> None:
    tag = ask("GET", "/things/a")["headers"]["ETag"]
    for method in ("GET", "HEAD"):
        answer = ask(method, "/things/a", headers={"if-none-match": form.format(tag)})
        assert (answer["statusCode"], answer["body"]) == (304, "")
        assert answer["headers"] == {"Cache-Control": "public, max-age=1", "ETag": tag, "X-Request-Id": REQUEST_ID}


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
