"""What a route gets of a request, and what it never gets to see."""

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.api.app import Answer, Api, public
from cryptopulse.api.deps import From, IdempotencyKey, IfMatch, Sent, body, parameters
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError
from tests.unit.api.conftest import EDGE_SECRET

type Ask = Callable[..., dict[str, Any]]

LARGER = 300_000
JSON = {"content-type": "application/json"}


class Colour(str):
    """A type of ours."""

    @classmethod
    def parse(cls, text: str) -> Self:
        if text != "blue":
            raise ValueError("Expected a colour")
        return cls(text.upper())


class Part(Struct, forbid_unknown_fields=True):
    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise InvalidError("size", "Expected more")


class Thing(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=2, max_length=5)]
    colour: Colour | UnsetType = UNSET
    made_at: Time | None = None
    count: int = 0
    weight: float = 0.0
    kind: Literal["big", "small"] = "big"
    tags: list[Annotated[str, Meta(pattern="^[a-z]+$")]] = []
    part: Part | None = None
    names: dict[str, int] = {}

    def __post_init__(self) -> None:
        if self.name == "none":
            raise ValueError("Expected something")


class ThingQuery(Struct, forbid_unknown_fields=True):
    name: str
    colour: Colour | UnsetType = UNSET


def make() -> Api:
    api = Api()

    @api.post("/things")
    @public
    def add(new: Annotated[Thing, body(Thing)]) -> Answer[str]:
        return Answer(repr(new))

    @api.post("/things/any")
    @public
    def add_any(new: Annotated[Thing | None, body(Thing, optional=True, largest=LARGER)]) -> Answer[str]:
        return Answer(repr(new))

    @api.post("/things/many")
    @public
    def add_many(new: Annotated[Part | list[Part], body(Part, many=3)]) -> Answer[str]:
        return Answer(repr(new))

    @api.patch("/things")
    @public
    def change(expected: IfMatch) -> Answer[str]:
        expected.check(Part(1))
        return Answer("changed")

    @api.get("/things")
    @public
    def find(query: Annotated[ThingQuery, parameters(ThingQuery)]) -> Answer[str]:
        return Answer(repr(query))

    @api.get("/client")
    @public
    def read_client(client: From, sent: Sent, key: IdempotencyKey) -> Answer[list[str | None]]:
        return Answer([*client, sent.path, key])

    return api


@pytest.fixture
def ask(http_event: Callable[..., dict[str, Any]], context: LambdaContext) -> Ask:
    api = make()

    def ask(*request: Any, **more: Any) -> dict[str, Any]:
        return api.resolve(http_event(*request, **more), context)

    return ask


@pytest.fixture
def post(ask: Ask) -> Ask:
    """Posts text or bytes as JSON."""

    def post(text: str | bytes, path: str = "/things") -> dict[str, Any]:
        return ask("POST", path, headers=JSON, body=text)

    return post


def refused(answer: dict[str, Any]) -> tuple[int, str, list[dict[str, str]] | None]:
    problem = json.loads(answer["body"])
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    return answer["statusCode"], problem["detail"], problem.get("errors")


MALFORMED = (400, "The body is not well-formed JSON.", None)


def test_a_body_is_read_by_its_types(post: Ask) -> None:
    answer = post('{"name":"Ünit","colour":"blue","made_at":"1970-01-02","tags":["a"],"part":{"size":1},"weight":2}')
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"]) == (
        "Thing(name='Ünit', colour='BLUE', made_at=86400000, count=0, weight=2.0, kind='big', "
        "tags=['a'], part=Part(size=1), names={})"
    )


@pytest.mark.parametrize("text", [b'{"name":"Unit"}', ' \t{"name":\n"Unit"} ', '{"name":"None","name":"Unit"}'])
def test_ways_to_write_one_body(post: Ask, text: str | bytes) -> None:
    answer = post(text)
    assert (answer["statusCode"], answer["body"][:19]) == (200, "\"Thing(name='Unit',")


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("[]", "body", "Expected `object`, got `array`"),
        ("null", "body", "Expected `object`, got `null`"),
        ("1e999", "body", "Number out of range"),
        ('{"name":"none"}', "body", "Expected something"),
        ("{}", "name", "Required"),
        ('{"name":"Unit","nam":1}', "nam", "There is no such field"),
        ('{"name":"Unit","a`b - at `$.c`":1}', "a`b - at `$.c`", "There is no such field"),
        ('{"name":"Unit","a[0].":1}', "a[0].", "There is no such field"),
        ('{"name":"Unit","":1}', "body", "There is no such field"),
        ('{"name":"Unit","' + "x" * 500 + '":1}', "x" * 41, "There is no such field"),
        ('{"name":1}', "name", "Expected `str`, got `int`"),
        ('{"name":"x"}', "name", "Expected `str` of length >= 2"),
        ('{"name":"secret"}', "name", "Expected `str` of length <= 5"),
        ('{"name":"Unit","colour":"red"}', "colour", "Expected a colour"),
        ('{"name":"Unit","colour":5}', "colour", "Expected `str`"),
        ('{"name":"Unit","colour":null}', "colour", "Expected `str`"),
        ('{"name":"Unit","made_at":true}', "made_at", "Expected `str`"),
        ('{"name":"Unit","kind":"secret"}', "kind", "Not one of the values allowed"),
        ('{"name":"Unit","tags":["a","b","C"]}', "tags", "Expected `str` matching regex '^[a-z]+$'"),
        ('{"name":"Unit","part":{}}', "part.size", "Required"),
        ('{"name":"Unit","part":{"size":1,"x":1}}', "part.x", "There is no such field"),
        ('{"name":"Unit","names":{"secret":"x"}}', "names", "Expected `int`, got `str`"),
        ('{"name":"Unit","count":1e400}', "count", "Number out of range"),
        ('{"name":"Unit","weight":1e400}', "weight", "Number out of range"),
        ('{"name":"Unit","count":' + "9" * 5000 + "}", "count", "Integer value out of range"),
        ('{"name":"Unit","count":1.5}', "count", "Expected `int`, got `float`"),
    ],
)
def test_what_does_not_fit_is_named_and_not_repeated(post: Ask, text: str, field: str, message: str) -> None:
    assert refused(post(text)) == (422, f"{field}: {message}", [{"field": field, "message": message}])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"name":"Unit",}',
        '{"name":1,}',
        '{"secret":"Unit"',
        "secret",
        '{"name":"Unit"} secret',
        '{"name":"Unit","weight":NaN}',
        '{"name":"Unit","weight":-Infinity}',
        '{"name":"a\x00b"}',
        '{"name":"\\ud800x"}',
        '{"name":"\\udc00\\ud800"}',
        b'{"name":"\xff\xff"}',
        b'{"\xff":1}',
        b'{"secret":"\xff"}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        " ",
    ],
)
def test_what_is_no_json_is_malformed(post: Ask, text: str | bytes) -> None:
    assert refused(post(text)) == MALFORMED


def test_deep_nesting_is_malformed(post: Ask) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert refused(post(f'{{"name":{deep}}}', "/things/any")) == MALFORMED


@pytest.mark.parametrize(
    ("coded", "is_base64"), [("e", True), ("a===", True), ("ä", True), ("{}", True), ('{"name":"\ud800"}', False)]
)
def test_what_is_no_text_is_malformed(
    http_event: Callable[..., Any], context: LambdaContext, coded: str, is_base64: bool
) -> None:
    event = http_event("POST", "/things", headers=JSON, body="x") | {"body": coded, "isBase64Encoded": is_base64}
    assert refused(make().resolve(event, context)) == MALFORMED


@pytest.mark.parametrize("headers", [{}, JSON])
@pytest.mark.parametrize("empty", [None, "", b""])
def test_a_body_is_asked_for_but_where_it_is_optional(ask: Ask, empty: str | bytes | None, headers: Any) -> None:
    assert refused(ask("POST", "/things", headers=headers, body=empty)) == (400, "There is no body.", None)
    answer = ask("POST", "/things/any", headers=headers, body=empty)
    assert (answer["statusCode"], answer["body"]) == (200, '"None"')


@pytest.mark.parametrize("path", ["/things", "/things/any"])
@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/jsonp",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "application/json, application/json",
        "charset=utf-8; application/json",
    ],
)
def test_another_kind_of_body_is_refused(ask: Ask, path: str, kind: str) -> None:
    answer = ask("POST", path, headers={"content-type": kind} if kind else {}, body='{"name":"Unit"}')
    assert refused(answer) == (415, "The body must be application/json.", None)


@pytest.mark.parametrize("name", ["content-type", "Content-Type"])
@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x"])
def test_ways_to_say_json(ask: Ask, name: str, kind: str) -> None:
    assert ask("POST", "/things", headers={name: kind}, body='{"name":"Unit"}')["statusCode"] == 200


@pytest.mark.parametrize(("path", "largest"), [("/things", 16_384), ("/things/any", LARGER)])
@pytest.mark.parametrize("form", [str, str.encode])
def test_a_body_has_a_limit_in_bytes(post: Ask, path: str, largest: int, form: Callable[[str], Any]) -> None:
    fitting = '{"name":"Ünit"}'.ljust(largest - 1)
    assert post(form(fitting), path)["statusCode"] == 200
    assert refused(post(form(fitting + " "), path)) == (
        413,
        f"The body must not be longer than {largest} bytes.",
        None,
    )


@given(text=st.binary(max_size=40) | st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_is_an_error_of_ours(post: Ask, text: str | bytes) -> None:
    assert post(text)["statusCode"] in (400, 422)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (422, "name: Required", [{"field": "name", "message": "Required"}])),
        (
            {"name": "x", "colour": "secret"},
            (422, "colour: Expected a colour", [{"field": "colour", "message": "Expected a colour"}]),
        ),
    ],
)
def test_parameters_are_held_to_the_same(ask: Ask, query: dict[str, str], expected: Any) -> None:
    assert refused(ask("GET", "/things", query)) == expected
    assert ask("GET", "/things", {"name": "x", "colour": "blue"})["body"] == "\"ThingQuery(name='x', colour='BLUE')\""


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ["192.0.2.44", "curl/8.9.1", "/client", None]),
        ({"idempotency-key": "a b~"}, ["192.0.2.44", "curl/8.9.1", "/client", "a b~"]),
        ({"Idempotency-Key": "k" * 64}, ["192.0.2.44", "curl/8.9.1", "/client", "k" * 64]),
        (
            {
                "x-origin-secret": EDGE_SECRET,
                "x-viewer-address": "2001:db8::1",
                "user-agent": "Mö\x1b[31m\n\u202e" + "z" * 300,
            },
            ["2001:db8::1", "Mö[31m" + "z" * 194, "/client", None],
        ),
        ({"user-agent": "\ud800\x00"}, ["192.0.2.44", "", "/client", None]),
    ],
)
def test_who_asks(ask: Ask, headers: dict[str, str], expected: list[str | None]) -> None:
    assert json.loads(ask("GET", "/client", headers=headers)["body"]) == expected


def test_a_client_need_not_name_itself(http_event: Callable[..., Any], context: LambdaContext) -> None:
    event = http_event("GET", "/client")
    del event["headers"]["user-agent"]
    assert json.loads(make().resolve(event, context)["body"]) == ["192.0.2.44", "", "/client", None]


@pytest.mark.parametrize("key", ["", "k" * 65, "ä", "a\tb", "a\n"])
def test_an_odd_idempotency_key_is_refused(ask: Ask, key: str) -> None:
    message = "Expected 1 to 64 printable characters"
    assert refused(ask("GET", "/client", headers={"idempotency-key": key})) == (
        422,
        f"Idempotency-Key: {message}",
        [{"field": "Idempotency-Key", "message": message}],
    )


# --- arrays ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"size":1}', "Part(size=1)"),
        ('[{"size":1}]', "[Part(size=1)]"),
        (' \n[ {"size":1},{"size":2} ,{"size":3}] ', "[Part(size=1), Part(size=2), Part(size=3)]"),
    ],
)
def test_a_body_may_be_one_or_many(post: Ask, text: str, expected: str) -> None:
    answer = post(text, "/things/many")
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, expected)


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("[]", "body", "Expected 1 to 3 in the array"),
        ("[1,2,3,4]", "body", "Expected 1 to 3 in the array"),
        ("1", "body", "Expected `object`, got `int`"),
        ('[{"size":1},2]', "[1]", "Expected `object`, got `int`"),
        ('[{"size":1},[]]', "[1]", "Expected `object`, got `array`"),
        ('[{"size":1},{"size":"x"}]', "[1].size", "Expected `int`, got `str`"),
        ('[{"size":1},{}]', "[1].size", "Required"),
        ('[{"size":1,"x":1}]', "[0].x", "There is no such field"),
        ('[{"size":1},{"size":1},{"size":-1}]', "[2].size", "Expected more"),
        ('{"size":-1}', "size", "Expected more"),
    ],
)
def test_what_is_wrong_in_an_array_has_its_place(post: Ask, text: str, field: str, message: str) -> None:
    errors = [{"field": field, "message": message}]
    assert refused(post(text, "/things/many")) == (422, f"{field}: {message}", errors)


@pytest.mark.parametrize("text", ["[", '[{"size":1}', '[{"size":1},]', '[{"size":1}]]', b'[{"size":"\xff"}]'])
def test_an_array_that_is_none_is_malformed(post: Ask, text: str | bytes) -> None:
    assert refused(post(text, "/things/many")) == MALFORMED


# --- If-Match ---

PART = sha256(b'{"size":1}').hexdigest()[:32]


@pytest.mark.parametrize("form", [None, "*", " * ", f'"{PART}"', f'"x", "{PART}"', f'W/"x","{PART}" '])
def test_what_is_as_expected_may_be_changed(ask: Ask, form: str | None) -> None:
    answer = ask("PATCH", "/things", headers={} if form is None else {"If-Match": form})
    assert (answer["statusCode"], answer["body"]) == (200, '"changed"')


@pytest.mark.parametrize("form", ["", '"x"', PART, f'W/"{PART}"', f'"{PART.upper()}"', '"*"', f"'{PART}'"])
def test_what_is_not_as_expected_is_left_alone(ask: Ask, form: str) -> None:
    stale = (412, "It has been changed since: read it again.", None)
    assert refused(ask("PATCH", "/things", headers={"if-match": form})) == stale
