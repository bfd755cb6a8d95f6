"""Where a list goes on: opaque to clients, good for one route and query only, and void once tampered with."""

import hmac
from base64 import b64decode, urlsafe_b64encode
from typing import Final

import msgspec
from msgspec import UNSET

from cryptopulse.errors import InvalidError

_POSITION: Final = 8
_TAG: Final = 16
"""Bytes."""


class Cursors:
    """The cursors of one request's route and query.

    Args:
        key: Signs them.
        path: The request's path, parameters filled in.
        query: Its parameters; a cursor is bound to all but `cursor` itself.
    """

    def __init__(self, key: str, path: str, query: msgspec.Struct) -> None:
        self._key = key.encode()
        self._scope = msgspec.msgpack.encode((path, msgspec.structs.replace(query, cursor=UNSET)), enc_hook=int)

    def issue(self, position: int) -> str:
        """A cursor for a position that is a number."""
        return self.seal(position.to_bytes(_POSITION))

    def position(self, cursor: str) -> int:
        """The position that `issue` packed.

        Raises:
            InvalidError: It was not issued, or not for this route and query.
        """
        return int.from_bytes(self.open(cursor))

    def seal(self, position: bytes) -> str:
        """A cursor for a position."""
        return urlsafe_b64encode(position + self._tag(position)).decode()

    def open(self, cursor: str) -> bytes:
        """The position that `seal` packed.

        Raises:
            InvalidError: It was not issued, or not for this route and query.
        """
        try:
            raw = b64decode(cursor.encode(), altchars=b"-_")
        except ValueError:
            raw = b""
        position, tag = raw[:-_TAG], raw[-_TAG:]
        # Several texts decode to the same bytes.
        if not hmac.compare_digest(tag, self._tag(position)) or urlsafe_b64encode(raw).decode() != cursor:
            raise InvalidError("cursor", "Not a cursor of this list: use it unchanged, with the same other parameters")
        return position

    def _tag(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed + self._scope, "sha256")[:_TAG]
