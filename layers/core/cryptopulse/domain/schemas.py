"""Schema versions: a stored document says of which version of its kind it is, and an older one is migrated when read.

Writers write the newest version; readers take all from the oldest that they know. What was migrated is stored so when
it is written next. A later version is refused, so that a release that was rolled back alters nothing it does not know.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptopulse.errors import SchemaError

UNMARKED: Final = 1
"""The version of a document that says none."""

type Document = Mapping[str, Any]
type Migration = Callable[[Document], Document]


class Schema:
    """A kind of stored document.

    Args:
        kind: What it is called in errors.
        migrations: Each makes a document of one version into one of the next; the first takes version `oldest`.
        oldest: The oldest version that is still read.
    """

    def __init__(self, kind: str, *migrations: Migration, oldest: int = UNMARKED) -> None:
        self._kind = kind
        self._migrations = migrations
        self._oldest = oldest
        self._newest = oldest + len(migrations)

    @property
    def mark(self) -> dict[str, int]:
        """What a document of the newest version says of it: the attribute `v`."""
        return {"v": self._newest}

    def read(self, document: Document) -> Document:
        """The document as one of the newest version.

        Raises:
            SchemaError: It is of a later version, or of one that is not read any more.
        """
        version = document.get("v", UNMARKED)
        if not self._oldest <= version <= self._newest:
            raise SchemaError(self._kind, version, self._newest)
        for migration in self._migrations[version - self._oldest :]:
            document = migration(document)
        return document
