"""The OpenAPI document is valid, and that of the routes."""

import json
import re

from openapi_spec_validator import validate

from cryptopulse.api.docs import ASSETS, PAGE
from functions.queries.app import api
from local.openapi import DOCUMENT, ROOT, document


def test_the_committed_document_is_that_of_the_routes() -> None:
    assert json.loads(DOCUMENT.read_text()) == document()
    assert (ROOT / "docs" / "openapi.json").resolve() == DOCUMENT


def test_the_document_is_valid_and_names_every_route() -> None:
    told = document()
    validate(told)
    assert told["openapi"] == "3.1.0"
    assert set(told["paths"]) == {route.openapi_path for route in api.routes if route.include_in_schema}


def test_parameters_are_described() -> None:
    (symbol, *others) = document()["paths"]["/candles/{symbol}"]["get"]["parameters"]
    assert (symbol["name"], symbol["in"], symbol["required"]) == ("symbol", "path", True)
    assert [(each["name"], each["in"], each["required"]) for each in others] == [
        (name, "query", False) for name in ("venue", "interval", "start", "end", "limit", "open", "cursor")
    ]


def test_the_page_loads_only_what_is_served_beside_it() -> None:
    loaded = re.findall(r'(?:href|src)="([^"]+)"|url: "([^"]+)"', PAGE)
    names = {one or other for one, other in loaded}
    assert names == {"data:,", "openapi.json", *(f"docs/{name}" for name in ASSETS)}
