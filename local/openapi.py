"""Writes the OpenAPI document from the routes of all API functions: `make openapi`; `--check` only compares."""

import argparse
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from aws_lambda_powertools.event_handler.api_gateway import Route

from cryptopulse.api.app import JSON, PROBLEM, Answer, Api, Created, Empty, Given, Problem, need_of
from cryptopulse.api.bodies import Content
from cryptopulse.api.deps import IDEMPOTENCY_KEY, IDEMPOTENT, IF_MATCH, ONCE, Read

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "functions" / "queries" / "openapi.json"
ABOUT = """Crypto market data, accounts, portfolios and alerts. A breaking change gets a new base path; new fields may
appear in answers at any time.

Times are RFC 3339 in UTC; in rows they are Unix milliseconds. Requests take RFC 3339 with any offset, a date, or Unix
milliseconds; `start` is included, `end` is not. Prices are JSON numbers with the exchange's own digits; what does not
exist is `null`; `…_pct` is per cent. Money and quantities that belong to a user are decimal strings, exact.

Assets are upper-case codes (`BTC`), a symbol is `BASE-QUOTE` (`BTC-USD`), a venue is `binance` or `coinbase`. A series
is one symbol at one venue. Without `venue` a read uses the symbol's reference series: Coinbase for USD, EUR and GBP,
Binance for other quotes, the other venue where that one does not trade it.

`POST /auth/login` gives an access token for 15 minutes, and a refresh token, which `POST /auth/refresh` spends for a
new pair. Programs use API tokens (`POST /users/me/tokens`) with the scopes `read` (every GET), `trade` (portfolios and
alerts) and `admin` (the account); a session has all three. Both kinds go into `Authorization: Bearer …`; market reads
need neither.

On routes that need a token every user, and elsewhere or without a good token every address, has a number of requests a
minute; those of a user's API tokens count for themselves. `RateLimit-Limit`, `RateLimit-Remaining` and
`RateLimit-Reset` (seconds) tell how many are left, on answers that no cache may keep; one too many is 429 with
`Retry-After` in seconds. Sign-in, registration and asking for a password also make who fails often wait.

POSTs that take `Idempotency-Key` may be repeated with it for 24 hours: the same body gives the first answer again,
another body 422. An answer that shows a secret once is not kept: its repeat is 409. Portfolios, transactions and alerts
have a strong `ETag`; `If-Match` on their PATCH and DELETE is optional, 412 if they have changed since.

A portfolio keeps no cash: a buy brings its cost in, a sell takes its proceeds out, and `currency` only prices. To spend
a held coin, also USDT, use `trade`. A fee is money where it is in a fiat currency, in the price's currency or in the
portfolio's base; a fee in any other asset takes lots of it. What would leave a disposal short is 409, and `conflict`
says of which transaction, of what, when and how much. Market prices are looked up when a transaction is entered, and
told as its `rates`. Returns and their formulas: `docs/returns.md` of the project.

Nothing is clamped or ignored silently: a field, or a parameter of a route that takes some, that is out of range,
unknown or malformed is 422 and named in `errors`. Every GET answers HEAD too; market reads carry a strong `ETag` and
`Cache-Control`, and 304 is the answer to an `If-None-Match` that still holds. Every answer carries `X-Request-Id`."""
TEXT = {"schema": {"type": "string"}}
FILES: dict[str, dict[str, Any]] = {
    "/docs": {"text/html": {}},
    "/openapi.json": {"application/json": {"schema": {"type": "object"}}},
    "/portfolios/{portfolio_id}/gains": {"text/csv": TEXT},
    "/portfolios/{portfolio_id}/transactions/export": {"text/csv": TEXT},
    "/portfolios/{portfolio_id}/statement": {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {},
        "text/html": TEXT,
    },
}
"""What the routes that serve files answer, beside JSON where they do that too."""
SECURITY = {
    "bearerAuth": {"type": "http", "scheme": "bearer", "description": "An access token or an API token"},
    "refreshCookie": {"type": "apiKey", "in": "cookie", "name": "refresh_token"},
}
COUNT = {"schema": {"type": "integer", "minimum": 0}}
LIMITS = {
    "Retry-After": {"description": "Seconds", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "RateLimit-Limit": {"description": "Requests a minute", **COUNT},
    "RateLimit-Remaining": {"description": "Requests left", **COUNT},
    "RateLimit-Reset": {"description": "Seconds until there are as many again", **COUNT},
}
CHALLENGE = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
PROBLEMS: dict[str, dict[str, Any]] = {
    "400": {"description": "The body is missing, or no well-formed JSON"},
    "401": {"description": "No token, or none that is good", "headers": CHALLENGE},
    "403": {"description": "The token does not go so far: `WWW-Authenticate` names the scope"},
    "404": {"description": "Not there, or not yours; an unknown symbol or venue"},
    "412": {"description": "It has changed since the answer whose ETag `If-Match` names"},
    "413": {"description": "The body is too long"},
    "415": {"description": "The body is of another media type"},
    "422": {"description": "A parameter or field is missing, unknown, malformed or out of range: `errors` names it"},
    "429": {"description": "Too many requests", "headers": LIMITS},
    "default": {"description": "Any other problem"},
}
"""What many routes answer, as components of the document."""


def apis() -> list[Api]:
    """The APIs of all functions that serve one."""
    modules = [f"functions.{path.parent.name}.app" for path in sorted((ROOT / "functions").glob("*/app.py"))]
    found = (vars(importlib.import_module(module)).get("api") for module in modules)
    return [api for api in found if isinstance(api, Api)]


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes."""
    routes = [route for api in apis() for route in api.routes if route.include_in_schema]
    kinds = [kind for route in routes for kind in _kinds(route)]
    schemas, components = msgspec.json.schema_components(
        [Problem, *kinds], schema_hook=_schema, ref_template="#/components/schemas/{name}"
    )
    named = dict(zip([Problem, *kinds], schemas, strict=True))
    queries = {_name(named[read.kind]) for route in routes if (read := _read(route, "query"))}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.openapi_path, {})[route.method.lower()] = _operation(route, named, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CryptoPulse",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "./", "description": "Where this document is"}],
        "paths": paths,
        "components": {
            "schemas": {name: _public(schema) for name, schema in components.items() if name not in queries},
            "responses": {name: {**each, **_problem(named)} for name, each in PROBLEMS.items()},
            "securitySchemes": SECURITY,
        },
    }


def _operation(route: Route, named: dict[Any, dict[str, Any]], components: dict[str, Any]) -> dict[str, Any]:
    function = inspect.unwrap(route.func)
    summary, _, description = (inspect.getdoc(function) or "").partition("\n")
    need = need_of(route)
    parameters = [*_path_parameters(route), *_headers(route), *_query_parameters(route, named, components)]
    operation = {"operationId": function.__name__, "summary": summary, "description": _about(description, need)}
    operation = {name: text for name, text in operation.items() if text}
    security: dict[str, Any] = {"security": route.security or []}
    if need != "public":
        security = {"security": [{"bearerAuth": []}], "x-scope": need}
    body: dict[str, Any] = {}
    if (read := _read(route, "body")) is not None:
        body = {"requestBody": {"required": not read.is_optional, "content": {JSON: {"schema": named[read.kind]}}}}
    elif (content := _content(route)) is not None:
        body = {"requestBody": {"required": True, "content": {kind: {} for kind in content.types}}}
    responses = {**_refusals(route, parameters), **_answers(route, named)}
    return {
        **operation,
        "tags": route.tags,
        **security,
        "parameters": parameters,
        **body,
        "responses": dict(sorted(responses.items())),
    }


def _about(description: str, need: str) -> str:
    needs = {"public": "", "session": "Only a session may do this."}.get(need, f"Needs the scope `{need}`.")
    return "\n\n".join(filter(None, (description.strip(), needs)))


def _answers(route: Route, named: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """What the route itself answers, problems of its own included."""
    own = _hints(route)["return"]
    if own is Empty:
        told: dict[int, Any] = {204: {"description": "Done"}}
    else:
        kind = _shown(route)
        status = HTTPStatus.CREATED if get_origin(own) is Created else HTTPStatus.OK
        json_: dict[str, Any] = {} if kind is None else {JSON: {"schema": named[kind]}}
        files = FILES.get(route.openapi_path, {}) if get_origin(own) not in (Answer, Created) else {}
        told = {status: {"description": status.phrase, "content": {**json_, **files}}}
    (usual,) = told.values()
    for other, each in (route.responses or {}).items():
        told[other] = {**each, **(_problem(named) if 400 <= other < 500 else {"content": usual["content"]})}
    return {str(int(status)): each for status, each in told.items()}


def _refusals(route: Route, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """What every route like it answers where something is wrong."""
    names = {each["name"] for each in parameters}
    has_body, is_public = bool(_read(route, "body") or _content(route)), need_of(route) == "public"
    found = ["429", "default"]
    if not is_public:
        found += ["401", "403"]
    if has_body:
        found += ["400", "413", "415"]
    if "If-Match" in names:
        found.append("412")
    if has_body or any(each["in"] != "path" for each in parameters):
        found.append("422")
    if names & {"symbol", "symbols"} or any(each["in"] == "path" for each in parameters):
        found.append("404")
    refusals: dict[str, Any] = {name: {"$ref": f"#/components/responses/{name}"} for name in found}
    if is_public and parameters and route.method == "GET":
        refusals["304"] = {"description": "Not changed since the answer whose ETag `If-None-Match` names"}
    return refusals


def _problem(named: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {"content": {PROBLEM: {"schema": named[Problem]}}}


def _public(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without what its docstring tells those who write the code."""
    described = {"description": schema["description"].partition("\n\n")[0]} if "description" in schema else {}
    return schema | described


def _name(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _hints(route: Route) -> dict[str, Any]:
    return get_type_hints(inspect.unwrap(route.func), include_extras=True)


def _marks(route: Route) -> list[Given]:
    hints = (hint for hint in _hints(route).values() if get_origin(hint) is Annotated)
    return [mark for hint in hints for mark in hint.__metadata__ if isinstance(mark, Given)]


def _read(route: Route, place: Literal["query", "body"]) -> Read | None:
    return next((mark for mark in _marks(route) if isinstance(mark, Read) and mark.place == place), None)


def _content(route: Route) -> Content | None:
    return next((mark for mark in _marks(route) if isinstance(mark, Content)), None)


def _shown(route: Route) -> Any:
    """What the JSON of its answer is, if it may be JSON."""
    own = _hints(route)["return"]
    answers = get_args(own) if get_origin(own) in (Union, UnionType) else (own,)
    return next((get_args(each)[0] for each in answers if get_origin(each) in (Answer, Created)), None)


def _kinds(route: Route) -> Iterator[Any]:
    if (shown := _shown(route)) is not None:
        yield shown
    yield from (mark.kind for mark in _marks(route) if isinstance(mark, Read))


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.openapi_path):
        schema = msgspec.json.schema(_hints(route)[name])
        yield _parameter(name, "path", schema, required=True)


def _headers(route: Route) -> Iterator[dict[str, Any]]:
    marks = _marks(route)
    if IDEMPOTENT in marks or ONCE in marks:
        schema = {"type": "string", "pattern": "^[ -~]{1,64}$", "description": "Makes a repeat harmless, for 24 hours"}
        yield _parameter(IDEMPOTENCY_KEY, "header", schema, required=False)
    if IF_MATCH in marks:
        schema = {"type": "string", "description": "The `ETag` of what is to be changed; another one is 412"}
        yield _parameter("If-Match", "header", schema, required=False)


def _query_parameters(
    route: Route, named: dict[Any, dict[str, Any]], components: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if (query := _read(route, "query")) is None:
        return
    schema = components[_name(named[query.kind])]
    for name, property_ in schema["properties"].items():
        yield _parameter(name, "query", property_, required=name in schema["required"])


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    schema = dict(schema)
    about = {"description": schema.pop("description")} if "description" in schema else {}
    return {"name": name, "in": place, "required": required, **about, "schema": schema}


def _schema(kind: type[Any]) -> dict[str, Any]:
    """The schema of a type of ours, which it tells itself."""
    schema: dict[str, Any] = kind.SCHEMA
    return schema


def main() -> int:
    """Runs `make openapi`."""
    parser = argparse.ArgumentParser(prog="make openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the document is not that of the routes")
    text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
    if not parser.parse_args().check:
        DOCUMENT.write_text(text)
    elif DOCUMENT.read_text() != text:
        print(f"{DOCUMENT.relative_to(ROOT)} is not that of the routes: run make openapi")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
