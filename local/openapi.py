"""Writes the OpenAPI document from the routes of all API functions: `make openapi`; `--check` only compares."""

import argparse
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from aws_lambda_powertools.event_handler.api_gateway import Route

from cryptopulse.api.app import JSON, PROBLEM, Answer, Api, Created, Empty, Given, Problem, need_of
from cryptopulse.api.bodies import Content
from cryptopulse.api.deps import ACCEPTS, IDEMPOTENCY_KEY, IDEMPOTENT, IF_MATCH, ONCE, Read
from cryptopulse.api.lists import Page
from cryptopulse.api.renderings import CSV, Shown
from cryptopulse.domain.charts import Candles
from cryptopulse.domain.times import Time
from local.glossary import GLOSSARY

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "functions" / "queries" / "openapi.json"
EXAMPLES = Path(__file__).with_name("examples.json")
"""Answers of the system as they were, but for secrets and lengths; `body` is what was sent."""
ABOUT = """Crypto market data, accounts, portfolios and alerts. A breaking change gets a new base path; new fields may
appear in answers at any time.

**Values.** Times are RFC 3339 in UTC; in rows they are Unix milliseconds. Requests take RFC 3339 with any offset, a
date, or Unix milliseconds; `start` is included, `end` is not. Prices are JSON numbers with the exchange's own digits;
what does not exist is `null`; `…_pct` is per cent. Money and quantities that belong to a user are decimal strings,
exact.

**Series.** Assets are upper-case codes (`BTC`), a symbol is `BASE-QUOTE` (`BTC-USD`), a venue is `binance` or
`coinbase`. A series is one symbol at one venue. Without `venue` a read uses the symbol's reference series: Coinbase
for USD, EUR and GBP, Binance for other quotes, the other venue where that one does not trade it.

**Who asks.** `POST /auth/login` gives an access token for 15 minutes, and a refresh token, which `POST /auth/refresh`
spends for a new pair. Programs use API tokens (`POST /users/me/tokens`) with the scopes `read` (every GET), `trade`
(portfolios and alerts) and `admin` (the account); a session has all three. Both kinds go into `Authorization: Bearer
…`; market reads need neither.

**How often.** On routes that need a token every user, and elsewhere or without a good token every address, has a
number of requests a minute; those of a user's API tokens count for themselves. `RateLimit-Limit`,
`RateLimit-Remaining` and `RateLimit-Reset` (seconds) tell how many are left, on answers that no cache may keep; one
too many is 429 with `Retry-After` in seconds. Sign-in, registration and asking for a password also make who fails
often wait.

**Repeats.** POSTs that take `Idempotency-Key` may be repeated with it for 24 hours: the same body gives the first
answer again, another body 422. An answer that shows a secret once is not kept: its repeat is 409. Portfolios,
transactions and alerts have a strong `ETag`; `If-Match` on their PATCH and DELETE is optional, 412 if they have
changed since.

**Portfolios.** A portfolio keeps no cash: a buy brings its cost in, a sell takes its proceeds out, and `currency`
only prices. To spend a held coin, also USDT, use `trade`. A fee is money where it is in a fiat currency, in the
price's currency or in the portfolio's base; a fee in any other asset takes lots of it. What would leave a disposal
short is 409, and `conflict` says of which transaction, of what, when and how much. Market prices are looked up when a
transaction is entered, and told as its `rates`. Returns and their formulas: `docs/returns.md` of the project.

**Analytics.** Computed on closed candles only. `complete` tells whether each candle that an answer rests on is there
and lacks no trade that we know of. `docs/indicators.md` of the project has the definitions and their sources.

**Form.** `fields` names the members of an answer, or of each of its items, that are to be shown; of candles the
columns. With `Accept: text/csv` candles, indicators and gains come as a table with a line of titles; what does not
exist is empty.

**Errors.** Nothing is clamped or ignored silently: a field, or a parameter of a route that takes some, that is out of
range, unknown or malformed is 422 and named in `errors`. Every GET answers HEAD too. Every answer carries
`X-Request-Id`. What the gateway itself refuses (more than 10 MB, its own throttle) has a body of its own.

**Caches.** Market reads, analytics, news and the documents may be kept: `Cache-Control` says for how many seconds. It
is 1 while an open candle or a live price is in the answer, up to the next close where all candles are closed, and a
day where they are complete and older than two hours; of news it is 60. Each has a strong `ETag`, of the answer in its
encoding, and 304 is the answer to an `If-None-Match` that still holds. Text of 1 KB and more is packed where
`Accept-Encoding` takes gzip."""
TAGS = {
    "Market data": "What is followed, prices and candles. Needs no token",
    "Analytics": "Indicators, volatility, correlation and beta on closed candles. Needs no token",
    "News": "Articles, and how good or bad they are for the assets that they name. Needs no token",
    "Portfolios": "Portfolios, their transactions, files in and out, and reports on them",
    "Alerts": "What to be told of, and what was told",
    "Accounts": "Who is let in: accounts, sessions, tokens",
    "System": "How the system does, and this document",
}
TEXT = {"schema": {"type": "string"}}
REQUEST_ID = "8ee9a88f-665e-4249-8faa-156c7c13701e"
"""Of examples."""
FILES: dict[str, dict[str, Any]] = {
    "/docs": {"text/html": TEXT},
    "/openapi.json": {JSON: {"schema": {"type": "object"}}},
    "/portfolios/{portfolio_id}/transactions/export": {CSV: TEXT},
    "/portfolios/{portfolio_id}/statement": {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {},
        "text/html": TEXT,
    },
}
"""What the routes that serve files only answer."""
NOT_KEPT = ("/health", "/time")
"""Public reads that no cache may keep."""
SECURITY = {
    "bearerAuth": {"type": "http", "scheme": "bearer", "description": "An access token or an API token"},
    "refreshCookie": {"type": "apiKey", "in": "cookie", "name": "refresh_token"},
}
COUNT = {"type": "integer", "minimum": 0}
STRING = {"type": "string"}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "Names the answer: tell it when you ask us about it", "schema": STRING},
    "Cache-Control": {"description": "For how many seconds anybody may keep it, or `no-store`", "schema": STRING},
    "ETag": {"description": "Strong: changes exactly when the answer does; another in each encoding", "schema": STRING},
    "Vary": {"description": "The headers of the request that choose the answer's form", "schema": STRING},
    "Cache-Status": {
        "description": "Whether it was made for this request (RFC 9211): `hit` or `fwd=miss`",
        "schema": STRING,
    },
    "Location": {"description": "Where it is from now on", "schema": {"type": "string", "format": "uri"}},
    "Content-Disposition": {"description": "Whether to show or to save it, and its name", "schema": STRING},
    "X-Next-Cursor": {"description": "Of CSV: `cursor` of the next page; absent on the last", "schema": STRING},
    "X-Complete": {"description": "Of CSV: `complete`", "schema": {"type": "string", "enum": ["true", "false"]}},
    "RateLimit-Limit": {"description": "Requests a minute", "schema": COUNT},
    "RateLimit-Remaining": {"description": "Requests left", "schema": COUNT},
    "RateLimit-Reset": {"description": "Seconds until there are as many again", "schema": COUNT},
    "Retry-After": {"description": "Seconds to wait", "required": True, "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "What would let the request in", "required": True, "schema": STRING},
}
LIMITS = [name for name in HEADERS if name.startswith("RateLimit-")]
KEPT = ["Cache-Control", "ETag", "Vary"]
PROBLEMS: dict[str, dict[str, Any]] = {
    "400": {"description": "The body is missing, or no well-formed JSON"},
    "401": {"description": "No token, or none that is good"},
    "403": {"description": "The token does not go so far: `WWW-Authenticate` names the scope"},
    "404": {"description": "Not there, or not yours; an unknown symbol, asset or venue"},
    "412": {"description": "It has changed since the answer whose ETag `If-Match` names"},
    "413": {"description": "The body is too long"},
    "415": {"description": "The body is of another media type"},
    "422": {"description": "A parameter or field is missing, unknown, malformed or out of range: `errors` names it"},
    "429": {"description": "Too many requests"},
    "default": {"description": "Any other problem: 405, 500, or 503 with `Retry-After` when we are too busy"},
}
"""What many routes answer, as components of the document."""
OWN_HEADERS = {"401": ["WWW-Authenticate"], "403": ["WWW-Authenticate"], "429": ["Retry-After", *LIMITS]}
"""Of these, by their status."""


def apis() -> list[Api]:
    """The APIs of all functions that serve one."""
    modules = [f"functions.{path.parent.name}.app" for path in sorted((ROOT / "functions").glob("*/app.py"))]
    found = (vars(importlib.import_module(module)).get("api") for module in modules)
    return [api for api in found if isinstance(api, Api)]


class _Known(NamedTuple):
    """What all operations draw on."""

    named: dict[Any, dict[str, Any]]
    """Where the schema of a type is."""
    components: dict[str, Any]
    """The schemas by name."""
    examples: dict[str, dict[str, Any]]
    """`parameters` by name, `problems` by status, `operations` by id; there by status or media type, and `body`."""
    tagged: set[str]
    """The paths of what tells its ETag, for If-Match."""


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of all routes."""
    routes = [route for api in apis() for route in api.routes if route.include_in_schema]
    kinds = [kind for route in routes for kind in _kinds(route)]
    schemas, components = msgspec.json.schema_components(
        [Problem, *kinds], schema_hook=_schema, ref_template="#/components/schemas/{name}"
    )
    named = dict(zip([Problem, *kinds], schemas, strict=True))
    queries = {_name(named[read.kind]) for route in routes if (read := _read(route, "query"))}
    tagged = {route.openapi_path for route in routes if IF_MATCH in _marks(route)}
    known = _Known(named, components, json.loads(EXAMPLES.read_bytes()), tagged)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.openapi_path, {})[route.method.lower()] = _operation(route, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CryptoPulse",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "./", "description": "Where this document is"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {name: _public(schema) for name, schema in components.items() if name not in queries},
            "responses": {
                status: each | _problem(status, known.examples["problems"][status], known, OWN_HEADERS.get(status, []))
                for status, each in PROBLEMS.items()
            },
            "headers": HEADERS,
            "securitySchemes": SECURITY,
        },
    }


def _operation(route: Route, known: _Known) -> dict[str, Any]:
    function = inspect.unwrap(route.func)
    summary, _, description = (inspect.getdoc(function) or "").partition("\n")
    need = need_of(route)
    parameters = [*_path_parameters(route, known), *_headers(route), *_query_parameters(route, known)]
    operation = {"operationId": function.__name__, "summary": summary, "description": _about(description, need)}
    operation = {name: text for name, text in operation.items() if text}
    security: dict[str, Any] = {"security": route.security or []}
    if need != "public":
        security = {"security": [{"bearerAuth": []}], "x-scope": need}
    responses = {**_refusals(route, parameters), **_answers(route, known)}
    return {
        **operation,
        "tags": route.tags,
        **security,
        "parameters": parameters,
        **_body(route, known),
        "responses": dict(sorted(responses.items())),
    }


def _about(description: str, need: str) -> str:
    needs = {"public": "", "session": "Only a session may do this."}.get(need, f"Needs the scope `{need}`.")
    return "\n\n".join(filter(None, (description.strip(), needs)))


def _body(route: Route, known: _Known) -> dict[str, Any]:
    example = _example(_examples(route, known), "body")
    if (read := _read(route, "body")) is not None:
        content: dict[str, Any] = {JSON: {"schema": known.named[read.kind], **example}}
        return {"requestBody": {"required": not read.is_optional, "content": content}}
    if (file := _content(route)) is not None:
        content = {kind: example if kind == CSV else {} for kind in file.types}
        return {"requestBody": {"required": True, "content": content}}
    return {}


def _answers(route: Route, known: _Known) -> dict[str, Any]:
    """What the route itself answers, problems of its own included."""
    own, examples = _hints(route)["return"], _examples(route, known)
    kind = _shown(route)
    content: dict[str, Any] = {} if kind is None else {JSON: {"schema": _shown_schema(route, kind, known)}}
    content |= FILES.get(route.openapi_path, {})
    if ACCEPTS in _marks(route):
        content[CSV] = TEXT
    if CSV in content:
        content[CSV] = {**content[CSV], **_example(examples, CSV)}

    def success(status: int) -> dict[str, Any]:
        told = {"headers": _refer(_success_headers(route, status, known))}
        if kind is not None:
            return told | {"content": content | {JSON: {**content[JSON], **_example(examples, str(int(status)))}}}
        return told | ({"content": content} if content else {})

    usual = HTTPStatus.OK
    if own is Empty:
        usual = HTTPStatus.NO_CONTENT
    elif get_origin(own) is Created:
        usual = HTTPStatus.CREATED
    found = {str(int(usual)): {"description": "Done" if own is Empty else usual.phrase, **success(usual)}}
    for status, each in (route.responses or {}).items():
        if 400 <= status < 500:
            challenge = ["WWW-Authenticate"] if status == HTTPStatus.UNAUTHORIZED else []
            found[str(status)] = {**each, **_problem(str(status), examples.get(str(status)), known, challenge)}
        else:
            found[str(status)] = {**each, **success(status)}
    return found


def _success_headers(route: Route, status: int, known: _Known) -> list[str]:
    """What an answer carries that is no problem."""
    path, kind, marks = route.openapi_path, _shown(route), _marks(route)
    if _is_kept(route):
        found = [*KEPT, *(["Cache-Status"] if get_origin(_hints(route)["return"]) is Shown else [])]
    else:
        found = ["Cache-Control", *LIMITS]
        is_new = status == HTTPStatus.CREATED and any(each.rpartition("/")[0] == path for each in known.tagged)
        if is_new or status == HTTPStatus.ACCEPTED:
            found.append("Location")
        if is_new or (path in known.tagged and status == HTTPStatus.OK):
            found.append("ETag")
        if path in FILES or ACCEPTS in marks:
            found.append("Content-Disposition")
    if _is_kept(route) and ACCEPTS in marks:
        found.append("X-Next-Cursor")
        if "complete" in known.components[_name(known.named[kind])]["properties"]:
            found.append("X-Complete")
    return found


def _is_kept(route: Route) -> bool:
    """Whether caches may keep what it answers."""
    return need_of(route) == "public" and route.method == "GET" and route.openapi_path not in NOT_KEPT


def _shown_schema(route: Route, kind: Any, known: _Known) -> dict[str, Any]:
    """The schema of an answer; with `fields` only some members are there."""
    schema, query = known.named[kind], _read(route, "query")
    has_fields = query is not None and "fields" in known.components[_name(known.named[query.kind])]["properties"]
    if not has_fields or not (members := _members(route, known)):
        return schema
    some = {
        "type": "object",
        "description": "Those members that `fields` names",
        "propertyNames": {"enum": members},
        "minProperties": 1,
    }
    if get_origin(kind) is not Page:
        return {"anyOf": [schema, some]}
    page = known.components[_name(schema)]
    items = {"items": {"type": "array", "items": some}}
    return {"anyOf": [schema, {**_public(page), "properties": page["properties"] | items}]}


def _members(route: Route, known: _Known) -> list[str]:
    """What `fields` may name: of lists it is members of the items; of candles it is none, but columns."""
    kind = _shown(route)
    if kind is Candles:
        return []
    schema = known.components[_name(known.named[kind])]
    if get_origin(kind) is Page:
        schema = known.components[_name(schema["properties"]["items"]["items"])]
    return [*schema["properties"]]


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
    if names & {"symbol", "symbols", "asset", "assets"} or any(each["in"] == "path" for each in parameters):
        found.append("404")
    refusals: dict[str, Any] = {name: {"$ref": f"#/components/responses/{name}"} for name in found}
    if _is_kept(route):
        about = "Not changed since the answer whose ETag `If-None-Match` names"
        refusals["304"] = {"description": about, "headers": _refer(KEPT)}
    return refusals


def _problem(status: str, told: dict[str, Any] | None, known: _Known, headers: Iterable[str]) -> dict[str, Any]:
    """What an answer that is a problem says; `told` is an example of what is its own."""
    content = {"schema": known.named[Problem]}
    if told:
        code = HTTPStatus.INTERNAL_SERVER_ERROR if status == "default" else HTTPStatus(int(status))
        usual = {"type": "about:blank", "title": code.phrase, "status": code, "detail": "", "request_id": REQUEST_ID}
        content["example"] = usual | told
    return {"headers": _refer(headers), "content": {PROBLEM: content}}


def _refer(headers: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *headers)}


def _public(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without what its docstring tells those who write the code, its members described."""
    found = dict(schema)
    if "description" in schema:
        found["description"] = schema["description"].partition("\n\n")[0]
    if "properties" in schema:
        found["properties"] = {name: _described(name, each) for name, each in schema["properties"].items()}
    return found


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a member or parameter, which has this name."""
    schema = _typed(schema)
    about = schema.get("description", "" if "$ref" in schema else GLOSSARY.get(name, ""))
    if Time.SCHEMA["type"] in (each.get("type") for each in (schema, *schema.get("anyOf", []))):
        about += " (RFC 3339, a date, or Unix ms)"
    return schema | {"description": about} if about else schema


def _typed(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema whose enumerations say that they are of strings, as all of ours are."""
    found = {"type": "string", **schema} if "enum" in schema else dict(schema)
    if "anyOf" in found:
        found["anyOf"] = [_typed(each) for each in found["anyOf"]]
    if found.get("items"):
        found["items"] = _typed(found["items"])
    return found


def _examples(route: Route, known: _Known) -> dict[str, Any]:
    """An operation's own."""
    found: dict[str, Any] = known.examples["operations"].get(inspect.unwrap(route.func).__name__, {})
    return found


def _example(examples: dict[str, Any], name: str) -> dict[str, Any]:
    """That of this name, where there is one: who adds a route is told by a test what is missing."""
    return {"example": examples[name]} if name in examples else {}


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
    return next((get_args(each)[0] for each in answers if get_origin(each) in (Answer, Created, Shown)), None)


def _kinds(route: Route) -> Iterator[Any]:
    if (shown := _shown(route)) is not None:
        yield shown
    yield from (mark.kind for mark in _marks(route) if isinstance(mark, Read))


def _path_parameters(route: Route, known: _Known) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.openapi_path):
        schema = msgspec.json.schema(_hints(route)[name])
        yield _parameter(name, "path", schema, known, required=True)


def _headers(route: Route) -> Iterator[dict[str, Any]]:
    marks = _marks(route)
    if IDEMPOTENT in marks or ONCE in marks:
        about = "Makes a repeat harmless, for 24 hours"
        schema = {"type": "string", "pattern": "^[ -~]{1,64}$"}
        yield {"name": IDEMPOTENCY_KEY, "in": "header", "required": False, "description": about, "schema": schema}
    if IF_MATCH in marks:
        about = "The `ETag` of what is to be changed; another one is 412"
        yield {"name": "If-Match", "in": "header", "required": False, "description": about, "schema": STRING}


def _query_parameters(route: Route, known: _Known) -> Iterator[dict[str, Any]]:
    if (query := _read(route, "query")) is None:
        return
    schema = known.components[_name(known.named[query.kind])]
    for name, property_ in schema["properties"].items():
        if name == "fields" and (members := _members(route, known)):
            property_ = {**property_, "examples": [",".join(members[:2])]}
        yield _parameter(name, "query", property_, known, required=name in schema["required"])


def _parameter(name: str, place: str, schema: dict[str, Any], known: _Known, *, required: bool) -> dict[str, Any]:
    """A parameter; one that has to be there has an example of its own, which pages that try it fill in."""
    schema = dict(_described(name, schema))
    about = {"description": schema.pop("description")} if "description" in schema else {}
    examples = schema.get("examples", [known.examples["parameters"].get(name)])
    example = {"example": examples[0]} if required and examples[0] is not None else {}
    return {"name": name, "in": place, "required": required, **about, **example, "schema": schema}


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
