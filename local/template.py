"""template.yaml as plain data."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"


class _Loader(yaml.CSafeLoader):
    """Reads `!Ref x` as `{"Ref": x}`, `!Sub x` as `{"Fn::Sub": x}`, and so on."""


def _intrinsic(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        raise yaml.constructor.ConstructorError(problem=f"!{tag} before a mapping", problem_mark=node.start_mark)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".")
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def load() -> dict[str, Any]:
    """The template's whole document."""
    document: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)  # noqa: S506
    return document


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by logical id.

    Args:
        kind: Such as `AWS::DynamoDB::Table`.
    """
    return {
        name: resource.get("Properties", {})
        for name, resource in load()["Resources"].items()
        if resource["Type"] == kind
    }
