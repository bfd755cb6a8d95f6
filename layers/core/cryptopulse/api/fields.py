"""Answers of which only some members are asked for: `?fields=price,time`."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cryptopulse.api.lists import Page
from cryptopulse.errors import InvalidError


def check(kind: type[Struct], asked: str | UnsetType) -> None:
    """Refuses what `only` would, before there is an answer.

    Args:
        kind: What is to be shown.
        asked: Names as in JSON, by commas.

    Raises:
        InvalidError: There is no such member, or one is named twice.
    """
    if asked is not UNSET:
        _attributes(kind, asked)


def only[Item](answer: Struct | Page[Item], asked: str) -> dict[str, Any] | Page[Any]:
    """What an answer shows of itself, or a page of each of its items; a page without items is as it was.

    Args:
        answer: As it would be without `fields`.
        asked: Names as in JSON, by commas.

    Raises:
        InvalidError: There is no such member, or one is named twice.
    """
    if not isinstance(answer, Page):
        return _members(answer, _attributes(type(answer), asked))
    if not answer.items:
        return answer
    attributes = _attributes(type(answer.items[0]), asked)
    return Page([_members(item, attributes) for item in answer.items], answer.next_cursor)


def named(asked: str, names: Iterable[str]) -> list[str]:
    """Those of an answer's names that are asked for (by commas), in the answer's own order.

    Raises:
        InvalidError: There is no such name, or one is there twice.
    """
    there, wanted = list(names), asked.split(",")
    if not {*wanted} <= {*there}:
        raise InvalidError("fields", f"Expected some of {', '.join(there)}, by commas")
    if len({*wanted}) < len(wanted):
        raise InvalidError("fields", "One is named twice")
    return [name for name in there if name in wanted]


def _attributes(kind: Any, asked: str) -> Mapping[str, str]:
    """Which attribute holds each member that is asked for."""
    there = {field.encode_name: field.name for field in msgspec.structs.fields(kind)}
    return {name: there[name] for name in named(asked, there)}


def _members(thing: Any, attributes: Mapping[str, str]) -> dict[str, Any]:
    values = {name: getattr(thing, attribute) for name, attribute in attributes.items()}
    return {name: value for name, value in values.items() if value is not UNSET}
