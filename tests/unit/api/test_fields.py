"""Only some members of an answer."""

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType

from cryptopulse.api.fields import check, named, only
from cryptopulse.api.lists import Page
from cryptopulse.errors import InvalidError


class Inner(Struct):
    a: int


class Thing(Struct, rename={"from_": "from"}):
    name: str
    from_: int
    inner: Inner
    note: str | UnsetType = UNSET


THING = Thing("x", 1, Inner(2))


def shown(answer: Struct | Page[Thing], asked: str) -> str:
    return msgspec.json.encode(only(answer, asked)).decode()


def test_members_are_shown_in_the_answers_own_order() -> None:
    assert shown(THING, "inner,name") == '{"name":"x","inner":{"a":2}}'
    assert shown(THING, "from") == '{"from":1}'
    assert shown(THING, "name,from,inner,note") == msgspec.json.encode(THING).decode()


def test_of_a_page_those_of_each_item() -> None:
    assert shown(Page([THING, THING], "c"), "from") == '{"items":[{"from":1},{"from":1}],"next_cursor":"c"}'
    assert shown(Page([], None), "from") == '{"items":[],"next_cursor":null}'


@pytest.mark.parametrize(
    "asked", ["", "from_", "Name", "name,", "name,,from", " name", "nothing", "items", "name;from"]
)
def test_an_unknown_name_is_refused(asked: str) -> None:
    for answer in (THING, Page([THING], None)):
        with pytest.raises(InvalidError) as refused:
            only(answer, asked)
        told = "Expected some of name, from, inner, note, by commas"
        assert (refused.value.field, refused.value.message) == ("fields", told)
    with pytest.raises(InvalidError, match="fields: Expected some of name, from, inner, note, by commas"):
        check(Thing, asked)


def test_a_name_comes_once() -> None:
    assert named("c,a", "abc") == ["a", "c"]
    with pytest.raises(InvalidError, match="fields: One is named twice"):
        named("a,b,a", "abc")
