"""The OpenAPI document is valid, and that of the routes."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from msgspec import Meta, Struct
from openapi_spec_validator import validate

from cryptopulse.api.app import Answer, Api, Created, Empty, need_of, public, scoped
from cryptopulse.api.deps import Accepts, IdempotencyKey, IfMatch, Once, Symbol, Who, body, parameters
from cryptopulse.api.docs import ASSETS, PAGE, START
from cryptopulse.api.lists import Page
from cryptopulse.api.renderings import Shown
from cryptopulse.domain.tokens import Caller
from local import openapi
from local.openapi import DOCUMENT, ROOT, document


def test_the_committed_document_is_that_of_the_routes() -> None:
    assert json.loads(DOCUMENT.read_text()) == document()
    assert (ROOT / "docs" / "openapi.json").resolve() == DOCUMENT


def test_the_document_is_valid_and_names_every_route() -> None:
    told = document()
    validate(told)
    assert told["openapi"] == "3.1.0"
    routes = [route for api in openapi.apis() for route in api.routes if route.include_in_schema]
    assert {(path, method, operation.get("x-scope", "public")) for path, method, operation in operations(told)} == {
        (route.openapi_path, route.method.lower(), need_of(route)) for route in routes
    }


def operations(told: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation) for path, methods in told["paths"].items() for method, operation in methods.items()
    ]


def test_parameters_are_described() -> None:
    (symbol, *others) = document()["paths"]["/candles/{symbol}"]["get"]["parameters"]
    assert (symbol["name"], symbol["in"], symbol["required"]) == ("symbol", "path", True)
    assert [(each["name"], each["in"], each["required"]) for each in others] == [
        (name, "query", False) for name in ("venue", "interval", "start", "end", "limit", "cursor", "open", "fields")
    ]


def test_the_page_loads_only_what_is_served_beside_it() -> None:
    assert {*re.findall(r'(?:href|src)="([^"]+)"', PAGE)} == {"data:,", "docs/start.js", *map("docs/{}".format, ASSETS)}
    assert re.findall(r'url: "([^"]+)"', START) == ["openapi.json"]
    assert "<script>" not in PAGE  # its policy would not run it


# --- an API of its own ---


class Colour(str):
    """A type of ours, which tells its schema."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "enum": ["blue"]}

    @classmethod
    def parse(cls, text: str) -> Self:
        return cls(text)


class NewThing(Struct, forbid_unknown_fields=True):
    """A thing to be."""

    colour: Colour
    size: Annotated[int, Meta(ge=1)] = 1


class Thing(Struct):
    """A thing."""

    id: str


class ThingQuery(Struct, forbid_unknown_fields=True):
    colour: Colour


class Room(Struct):
    """A part of a room."""

    name: str
    size: float


class RoomQuery(Struct, forbid_unknown_fields=True):
    fields: str = ""


def nobody(_: APIGatewayProxyEventV2) -> Caller:
    raise NotImplementedError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The document of a small API."""
    api = Api(nobody)
    own = {"body": {"colour": "blue"}, "201": {"id": "1"}, "409": {"detail": "There is one."}}
    problems = {status: {"detail": status} for status in openapi.PROBLEMS}
    examples = {"parameters": {"thing_id": "1"}, "problems": problems, "operations": {"add_thing": own}}
    (tmp_path / "examples.json").write_text(json.dumps(examples))
    monkeypatch.setattr(openapi, "EXAMPLES", tmp_path / "examples.json")

    @api.post("/things", tags=["Things"], responses={409: {"description": "There is one"}})
    @scoped("trade")
    def add_thing(new: Annotated[NewThing, body(NewThing)], caller: Who, key: IdempotencyKey) -> Created[Thing]:
        """Makes a thing.

        Not a big one.
        """
        return Created(Thing(caller.user))

    @api.delete("/things/<thing_id>", tags=["Things"])
    def remove_thing(thing_id: str) -> Empty:
        """Removes a thing."""
        return Empty()

    @api.patch("/things/<thing_id>", tags=["Things"])
    def replace_things(
        thing_id: str,
        new: Annotated[NewThing | list[NewThing], body(NewThing, many=9)],
        once: Once,
        expected: IfMatch,
    ) -> Answer[Thing | list[Thing]]:
        """Puts one or many in place of a thing."""
        return Answer(Thing(thing_id))

    @api.get("/things", tags=["Things"])
    def list_things(query: Annotated[ThingQuery, parameters(ThingQuery)]) -> Answer[list[Thing]]:
        """All things."""
        return Answer([])

    @api.post("/things/last", tags=["Things"], security=[{}, {"refreshCookie": []}])
    @public
    def keep_thing(new: Annotated[NewThing | None, body(NewThing, optional=True)]) -> Empty:
        """Keeps a thing."""
        return Empty()

    @api.get("/prices/<symbol>", tags=["Prices"], responses={503: {"description": "Closed"}})
    @public
    def read_price(symbol: Symbol) -> Answer[Thing]:
        """A price."""
        return Answer(Thing(symbol))

    @api.get("/rooms/<room_id>", tags=["Rooms"])
    @public
    def read_room(
        room_id: str, query: Annotated[RoomQuery, parameters(RoomQuery)], accepts: Accepts
    ) -> Shown[Page[Room]]:
        """What is in a room."""
        raise NotImplementedError

    monkeypatch.setattr(openapi, "apis", lambda: [api])
    told = document()
    validate(told)
    return told


PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
THING = {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
NEW_THING = {"application/json": {"schema": {"$ref": "#/components/schemas/NewThing"}}}


def headers(*names: str) -> dict[str, Any]:
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}}


OPEN = headers("Cache-Control", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
KEPT = headers("Cache-Control", "ETag", "Vary")


def problem(status: int, title: str, detail: str) -> dict[str, Any]:
    own = {"title": title, "status": status, "detail": detail}
    return {"type": "about:blank", **own, "request_id": openapi.REQUEST_ID}


def refusals(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/responses/{name}"} for name in names}


def test_a_closed_route_tells_its_scope_its_body_and_what_may_happen(told: dict[str, Any]) -> None:
    assert told["paths"]["/things"]["post"] == {
        "operationId": "add_thing",
        "summary": "Makes a thing.",
        "description": "Not a big one.\n\nNeeds the scope `trade`.",
        "tags": ["Things"],
        "security": [{"bearerAuth": []}],
        "x-scope": "trade",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Makes a repeat harmless, for 24 hours",
                "schema": {"type": "string", "pattern": "^[ -~]{1,64}$"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {**NEW_THING["application/json"], "example": {"colour": "blue"}}},
        },
        "responses": {
            "201": {
                "description": "Created",
                **headers(*OPEN["headers"], "Location", "ETag"),
                "content": {"application/json": {**THING["application/json"], "example": {"id": "1"}}},
            },
            "409": {
                "description": "There is one",
                **headers(),
                "content": {
                    "application/problem+json": {**PROBLEM, "example": problem(409, "Conflict", "There is one.")}
                },
            },
            **refusals("400", "401", "403", "413", "415", "422", "429", "default"),
        },
    }
    assert told["components"]["schemas"]["NewThing"] == {
        "title": "NewThing",
        "description": "A thing to be.",
        "type": "object",
        "properties": {
            "colour": {"type": "string", "enum": ["blue"]},
            "size": {"type": "integer", "minimum": 1, "default": 1},
        },
        "required": ["colour"],
        "additionalProperties": False,
    }


def test_a_body_may_be_an_array_and_headers_are_told(told: dict[str, Any]) -> None:
    operation = told["paths"]["/things/{thing_id}"]["patch"]
    one, thing = ({"$ref": f"#/components/schemas/{name}"} for name in ("NewThing", "Thing"))
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": 9}
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"anyOf": [many, one]}
    shown = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert shown == {"anyOf": [{"type": "array", "items": thing}, thing]}
    assert [(each["name"], each["in"], each["required"]) for each in operation["parameters"]] == [
        ("thing_id", "path", True),
        ("Idempotency-Key", "header", False),
        ("If-Match", "header", False),
    ]


def test_a_route_that_declares_nothing_is_closed(told: dict[str, Any]) -> None:
    assert told["paths"]["/things/{thing_id}"]["delete"] == {
        "operationId": "remove_thing",
        "summary": "Removes a thing.",
        "description": "Only a session may do this.",
        "tags": ["Things"],
        "security": [{"bearerAuth": []}],
        "x-scope": "session",
        "parameters": [
            {"name": "thing_id", "in": "path", "required": True, "example": "1", "schema": {"type": "string"}}
        ],
        "responses": {
            "204": {"description": "Done", **OPEN},
            **refusals("401", "403", "404", "429", "default"),
        },
    }


def test_a_closed_read_is_kept_by_nobody(told: dict[str, Any]) -> None:
    assert told["paths"]["/things"]["get"] == {
        "operationId": "list_things",
        "summary": "All things.",
        "description": "Needs the scope `read`.",
        "tags": ["Things"],
        "security": [{"bearerAuth": []}],
        "x-scope": "read",
        "parameters": [
            {"name": "colour", "in": "query", "required": True, "schema": {"type": "string", "enum": ["blue"]}}
        ],
        "responses": {
            "200": {
                "description": "OK",
                **OPEN,
                "content": {
                    "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}}}
                },
            },
            **refusals("401", "403", "422", "429", "default"),
        },
    }
    assert {*told["components"]["schemas"]} == {
        "Conflict",
        "FieldError",
        "Problem",
        "NewThing",
        "Thing",
        "Room",
        "Page_Room_",
    }


def test_a_public_route_may_take_a_cookie_in_place_of_its_body(told: dict[str, Any]) -> None:
    assert told["paths"]["/things/last"]["post"] == {
        "operationId": "keep_thing",
        "summary": "Keeps a thing.",
        "tags": ["Things"],
        "security": [{}, {"refreshCookie": []}],
        "parameters": [],
        "requestBody": {"required": False, "content": NEW_THING},
        "responses": {
            "204": {"description": "Done", **OPEN},
            **refusals("400", "413", "415", "422", "429", "default"),
        },
    }
    assert told["components"]["securitySchemes"] == {
        "bearerAuth": {"type": "http", "scheme": "bearer", "description": "An access token or an API token"},
        "refreshCookie": {"type": "apiKey", "in": "cookie", "name": "refresh_token"},
    }


def test_a_public_read_asks_for_nothing_and_may_be_kept(told: dict[str, Any]) -> None:
    operation = told["paths"]["/prices/{symbol}"]["get"]
    assert (operation["security"], operation["responses"]) == (
        [],
        {
            "200": {"description": "OK", **KEPT, "content": THING},
            "304": {"description": "Not changed since the answer whose ETag `If-None-Match` names", **KEPT},
            "503": {"description": "Closed", **KEPT, "content": THING},
            **refusals("404", "429", "default"),
        },
    )


def test_with_fields_only_some_members_are_there_and_csv_has_headers_of_its_own(told: dict[str, Any]) -> None:
    operation = told["paths"]["/rooms/{room_id}"]["get"]
    (_, fields) = operation["parameters"]
    assert fields["schema"]["examples"] == ["name,size"]
    answer = operation["responses"]["200"]
    assert {"headers": answer["headers"]} == headers(*KEPT["headers"], "Cache-Status", "X-Next-Cursor")
    assert answer["content"]["text/csv"] == {"schema": {"type": "string"}}
    whole, page = answer["content"]["application/json"]["schema"]["anyOf"]
    assert whole == {"$ref": "#/components/schemas/Page_Room_"}
    some = page["properties"]["items"]["items"]
    assert (some["propertyNames"], some["minProperties"]) == ({"enum": ["name", "size"]}, 1)


def test_every_refusal_is_a_problem(told: dict[str, Any]) -> None:
    named = told["components"]["responses"]
    assert {*named} == {"400", "401", "403", "404", "412", "413", "415", "422", "429", "default"}
    assert [each["content"]["application/problem+json"]["schema"] for each in named.values()] == [
        PROBLEM["schema"]
    ] * len(named)
    assert named["404"]["content"]["application/problem+json"]["example"] == problem(404, "Not Found", "404")
    limits = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    assert {"headers": named["429"]["headers"]} == headers("Retry-After", *limits)
    assert {"headers": named["401"]["headers"]} == headers("WWW-Authenticate")
