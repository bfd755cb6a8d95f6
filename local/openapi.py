"""Writes the OpenAPI document from the routes of all API functions: `make openapi`; `--check` only compares."""

import argparse
import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from aws_lambda_powertools.event_handler.api_gateway import Route

from cryptopulse.api.app import PROBLEM, Answer, Api, Given, Problem
from cryptopulse.domain.times import Time

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "functions" / "queries" / "openapi.json"
ABOUT = """Crypto market data: prices, candles, and how fresh they are. A breaking change gets a new base path; new
fields may appear in answers at any time.

Times are RFC 3339 in UTC; in rows they are Unix milliseconds. Requests take RFC 3339 with any offset, a date, or Unix
milliseconds; `start` is included, `end` is not. Prices are JSON numbers with the exchange's own digits; what does not
exist is `null`; `…_pct` is per cent.

Assets are upper-case codes (`BTC`), a symbol is `BASE-QUOTE` (`BTC-USD`), a venue is `binance` or `coinbase`. A series
is one symbol at one venue. Without `venue` a read uses the symbol's reference series: Coinbase for USD, EUR and GBP,
Binance for other quotes, the other venue where that one does not trade it.

Market reads clamp and ignore nothing silently: a parameter out of range, unknown or malformed is 422 and named in
`errors`.
Every GET answers HEAD too; market reads carry a strong `ETag` and `Cache-Control`, and `If-None-Match` gives 304.
Every answer carries `X-Request-Id`."""
FILES = {"/docs": {"text/html": {}}, "/openapi.json": {"application/json": {"schema": {"type": "object"}}}}
"""What the routes that serve files answer."""


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
    queries = {schema["$ref"].rpartition("/")[2] for kind, schema in named.items() if kind in _queries(routes)}
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
        "components": {"schemas": {name: schema for name, schema in components.items() if name not in queries}},
    }


def _operation(route: Route, named: dict[Any, dict[str, Any]], components: dict[str, Any]) -> dict[str, Any]:
    function = inspect.unwrap(route.func)
    summary, _, description = (inspect.getdoc(function) or "").partition("\n")
    parameters = [*_path_parameters(route), *_query_parameters(route, named, components)]
    body = _body(route)
    content = {"application/json": {"schema": named[body]}} if body else FILES[route.openapi_path]
    told = {200: {"description": "OK"}, **(route.responses or {})}
    responses: dict[str, Any] = {str(status): {**each, "content": content} for status, each in told.items()}
    if parameters:
        responses["304"] = {"description": "Not changed since the answer whose ETag `If-None-Match` names"}
        responses["422"] = {"description": "A parameter is unknown, malformed or out of range", **_problem(named)}
    if any(parameter["name"] in ("symbol", "symbols") for parameter in parameters):
        responses["404"] = {"description": "Unknown symbol or venue", **_problem(named)}
    responses["default"] = {"description": "Any other problem", **_problem(named)}
    operation = {"operationId": function.__name__, "summary": summary, "description": description.strip()}
    operation = {name: text for name, text in operation.items() if text}
    return {**operation, "tags": route.tags, "parameters": parameters, "responses": responses}


def _problem(named: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    return {"content": {PROBLEM: {"schema": named[Problem]}}}


def _hints(route: Route) -> dict[str, Any]:
    return get_type_hints(inspect.unwrap(route.func), include_extras=True)


def _body(route: Route) -> Any:
    answer = _hints(route)["return"]
    return get_args(answer)[0] if get_origin(answer) is Answer else None


def _query(route: Route) -> Any:
    for hint in _hints(route).values():
        if get_origin(hint) is Annotated and any(isinstance(mark, Given) for mark in hint.__metadata__):
            kind = get_args(hint)[0]
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                return kind
    return None


def _queries(routes: list[Route]) -> list[Any]:
    return [query for route in routes if (query := _query(route)) is not None]


def _kinds(route: Route) -> Iterator[Any]:
    yield from (kind for kind in (_body(route), _query(route)) if kind is not None)


def _path_parameters(route: Route) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.openapi_path):
        schema = msgspec.json.schema(_hints(route)[name])
        yield _parameter(name, "path", schema, required=True)


def _query_parameters(
    route: Route, named: dict[Any, dict[str, Any]], components: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if (query := _query(route)) is None:
        return
    schema = components[named[query]["$ref"].rpartition("/")[2]]
    for name, property_ in schema["properties"].items():
        yield _parameter(name, "query", property_, required=name in schema["required"])


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    schema = dict(schema)
    about = {"description": schema.pop("description")} if "description" in schema else {}
    return {"name": name, "in": place, "required": required, **about, "schema": schema}


def _schema(kind: type[Any]) -> dict[str, Any]:
    if kind is Time:
        return {"type": "string", "examples": ["2026-11-22T06:31:00Z", "2026-11-22", "1795329060000"]}
    raise NotImplementedError(kind)


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
