"""Requests that are done once: what an Idempotency-Key was used for, and the answer that its repeats get again.

A route asks for `Once` (`api.deps`), makes its answer before its change, and writes `once.keep(answer)`, a `Kept`, in
the change's own transaction: `Write(kept.item, 0)`. Of two at once one fails, with a ConflictError of any kind, and
gets the answer of the other. `once.keep(None)` keeps no answer, where that shows a secret: a repeat is refused.
"""

import zlib
from hashlib import sha256
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import Struct

from cryptopulse.aws.dynamodb import Item, Removal, Table
from cryptopulse.errors import ConditionError, ConflictError, InvalidError, TooLargeError

HEADER: Final = "Idempotency-Key"
LIFETIME: Final = 86_400
"""Seconds a key counts."""
LARGEST: Final = 300_000
"""Bytes of a packed answer: an item has 400 KB."""


class KeptError(ConflictError):
    """The request was done before, or a moment ago: its answer is kept."""


class KeptAnswer(Struct, frozen=True):
    """An answer as it was given."""

    status: int
    headers: dict[str, str]
    body: str


class Kept(NamedTuple):
    """An item that says that a request has been done, to be written with what it did."""

    pk: str
    sk: str
    attributes: Item

    @property
    def item(self) -> Item:
        """All of it; it must not exist."""
        return {"pk": self.pk, "sk": self.sk, "version": 1, **self.attributes}


class Repeatable(NamedTuple):
    """A request with an Idempotency-Key: hashes of its route with the key, and of what it asks for."""

    user: str
    key: str
    digest: bytes

    @classmethod
    def of(cls, user: str, route: str, key: str, content: bytes) -> Self:
        """A user's request to a route (method and path); `content` is its query and body."""
        return cls(user, sha256(f"{route} {key}".encode()).hexdigest(), sha256(content).digest())

    @property
    def pk(self) -> str:
        """Partition of its item."""
        return f"USER#{self.user}"

    @property
    def sk(self) -> str:
        """Its item."""
        return f"ONCE#{self.key}"

    def kept(self, answer: KeptAnswer | None, now: int) -> Kept:
        """What is to be written when it is done.

        Args:
            answer: What its repeats get; None where that is shown once.
            now: Unix ms.

        Raises:
            TooLargeError: The answer cannot be kept.
        """
        attributes: Item = {"body": self.digest, "expires_at": now // 1000 + LIFETIME}
        if answer is not None:
            attributes["answer"] = zlib.compress(msgspec.msgpack.encode(answer))
            if len(attributes["answer"]) > LARGEST:
                raise TooLargeError(f"The answer is too long to be kept for an {HEADER}: ask for less at once.")
        return Kept(self.pk, self.sk, attributes)


class KeptAnswers:
    """Reads what was kept of requests."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, request: Repeatable, now: int) -> KeptAnswer | None:
        """The answer that a request got when it was done (Unix ms: now); None if it was not.

        Raises:
            InvalidError: Its key was used for another request.
            ConflictError: It was done, and its answer is shown once.
        """
        item = self._table.get(request.pk, request.sk, consistent=True)
        if item is None:
            return None
        if item["expires_at"] * 1000 <= now:
            self._remove(item)
            return None
        if item["body"] != request.digest:
            raise InvalidError(HEADER, "Was used for another request")
        if "answer" not in item:
            raise ConflictError("This request was done before; what it showed is shown once.")
        return msgspec.msgpack.decode(zlib.decompress(item["answer"]), type=KeptAnswer)

    def _remove(self, item: Item) -> None:
        """Removes what has expired, and nothing that somebody has put in its place."""
        try:
            self._table.transact([Removal(item["pk"], item["sk"], {"expires_at": item["expires_at"]})])
        except ConditionError:
            return
