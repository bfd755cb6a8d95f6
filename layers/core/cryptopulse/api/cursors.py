"""Where a list goes on: opaque to clients, good for one route and query only, and void once tampered with."""

import hmac
from base64 import b64decode, urlsafe_b64encode
from typing import Final

import msgspec
from msgspec import UNSET

from cryptopulse.errors import InvalidError

_POSITION: Final = 8
_TAG: Final = 16
"""Bytes; together they fill base64 without a remainder, so that no two texts say the same."""


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
        """A cursor for a position."""
        packed = position.to_bytes(_POSITION)
        return urlsafe_b64encode(packed + self._tag(packed)).decode()

    def position(self, cursor: str) -> int:
        """The position that `issue` packed.

        Raises:
            InvalidError: It was not issued, or not for this route and query.
        """
        try:
            raw = b64decode(cursor.encode(), altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        if {"+", "/"}.intersection(cursor):  # the decoder takes the usual alphabet too
            raw = b""
        packed, tag = raw[:_POSITION], raw[_POSITION:]
        if not hmac.compare_digest(tag, self._tag(packed)):
            raise InvalidError("cursor", "Not a cursor of this list: use it unchanged, with the same other parameters")
        return int.from_bytes(packed)

    def _tag(self, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed + self._scope, "sha256")[:_TAG]
