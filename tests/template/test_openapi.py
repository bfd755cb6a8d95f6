"""What the OpenAPI document must say of every route, beside being that of the routes (`make openapi`)."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from local.glossary import GLOSSARY
from local.openapi import DOCUMENT, EXAMPLES

JSON, CSV, PROBLEM = "application/json", "text/csv", "application/problem+json"
MEASURES = re.compile(
    r"\b(second|minute|Unix ms|day|year|UTC|per cent|%|fraction|asset|how many|row|item|return|line|transaction|series"
    r"|interval|request|status|error)",
    re.IGNORECASE,
)
"""What numbers count or are measured in."""
TOLD: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
OPERATIONS = {
    each["operationId"]: (f"{method.upper()} {path}", each)
    for path, methods in TOLD["paths"].items()
    for method, each in methods.items()
}


def resolved(thing: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    if "$ref" not in thing:
        return thing
    found: dict[str, Any] = TOLD
    for name in thing["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def faults(schema: dict[str, Any], value: object) -> list[str]:
    """What is wrong with a value."""
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": TOLD["components"]}, validate_formats=True)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]


def kinds(schema: dict[str, Any]) -> Iterator[str]:
    """The JSON types that values may have."""
    own = schema.get("type", [])
    yield from [own] if isinstance(own, str) else own
    for each in schema.get("anyOf", []):
        yield from kinds(each)
    if isinstance(schema.get("items"), dict):
        yield from kinds(schema["items"])


def members() -> Iterator[tuple[str, dict[str, Any]]]:
    """All members of all schemas, and all parameters, with their names."""
    for schema, each in TOLD["components"]["schemas"].items():
        for name, member in each.get("properties", {}).items():
            yield f"{schema}.{name}", member
    for operation, (_, each) in OPERATIONS.items():
        for parameter in each["parameters"]:
            about = {"description": parameter.get("description", "")}
            yield f"{operation} {parameter['name']}", parameter["schema"] | about


def test_ids_are_unique_and_tags_are_known() -> None:
    assert len(OPERATIONS) == sum(map(len, TOLD["paths"].values()))
    assert {tag for _, each in OPERATIONS.values() for tag in each["tags"]} == {tag["name"] for tag in TOLD["tags"]}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_says_what_it_does_takes_and_answers(operation: str) -> None:
    _, told = OPERATIONS[operation]
    assert told["summary"]
    assert "`" not in told["summary"]  # plain text
    assert told["tags"]
    for parameter in told["parameters"]:
        assert parameter["description"]
        examples = [*parameter["schema"].get("examples", [])]
        if parameter["required"]:
            examples.append(exemplified(parameter)["example"])
        assert not [fault for each in examples for fault in faults(parameter["schema"], each)]
    for kind, content in told.get("requestBody", {"content": {}})["content"].items():
        if kind != "application/gzip":
            assert not faults(content.get("schema", {}), exemplified(content)["example"])
    for status, answer in told["responses"].items():
        answer = resolved(answer)
        assert answer["description"]
        assert "X-Request-Id" in answer["headers"]
        assert all(resolved(header)["description"] for header in answer["headers"].values())
        for kind, content in answer.get("content", {}).items():
            if kind in (CSV, PROBLEM) or (kind == JSON and operation != "read_openapi"):
                assert not faults(content["schema"], exemplified(content)["example"])
            if kind == PROBLEM:
                assert status in ("default", str(content["example"]["status"]))


def exemplified(thing: dict[str, Any]) -> dict[str, Any]:
    """What has to have an example."""
    assert "example" in thing, f"add one to {EXAMPLES}"
    return thing


def test_schemas_and_members_are_described() -> None:
    assert not [name for name, each in TOLD["components"]["schemas"].items() if not each.get("description")]
    assert not [name for name, each in members() if not (each.get("description") or "$ref" in each)]


def test_numbers_tell_what_they_count_or_are_measured_in() -> None:
    numbers = [(name, each) for name, each in members() if {"integer", "number"} & {*kinds(each)}]
    assert numbers
    told = [(name, each.get("description", "")) for name, each in numbers]
    assert not [(name, about) for name, about in told if not MEASURES.search(about)]


def test_nothing_is_written_that_the_document_does_not_use() -> None:
    examples = json.loads(EXAMPLES.read_bytes())
    assert {*examples["operations"]} <= {*OPERATIONS}
    parameters = {each["name"] for _, told in OPERATIONS.values() for each in told["parameters"]}
    assert {*examples["parameters"]} <= parameters
    said = {each.get("description") for _, each in members()}
    assert not [name for name, text in GLOSSARY.items() if text not in said]
