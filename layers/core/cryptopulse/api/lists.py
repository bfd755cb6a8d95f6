"""Lists in pages."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.api.cursors import Cursors


class Page[Item](Struct):
    """One page of a list."""

    items: list[Item]
    next_cursor: Annotated[str | None, Meta(description="`cursor` of the next page; null on the last")]


class Paged(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list."""

    limit: Annotated[int, Meta(ge=1, le=500, description="Items in a page")] = 100
    cursor: Annotated[str, Meta(description="`next_cursor` of the page before, all else unchanged")] | UnsetType = UNSET


def paged[Item](items: Sequence[Item], path: str, query: Paged) -> Page[Item]:
    """The page of the items that a request asks for.

    Raises:
        InvalidError: The cursor is none of this list's.
    """
    cursors = Cursors(wiring.settings().CURSOR_KEY, path, query)
    start = 0 if query.cursor is UNSET else cursors.position(query.cursor)
    end = start + query.limit
    return Page(list(items[start:end]), cursors.issue(end) if end < len(items) else None)
