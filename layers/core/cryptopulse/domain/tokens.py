"""Refresh tokens, API tokens, and who comes by them.

Both kinds of token are opaque to clients. They say whose they are and which item of the Accounts table to look at; what
makes them good is the random rest, of which only hashes are stored.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import ClassVar, Final, Literal, NamedTuple, Self

type TokenScope = Literal["read", "trade", "admin"]
"""What a token can hold: `read` for every GET, `trade` for portfolios and alerts, `admin` for the account."""
type Scope = TokenScope | Literal["session"]
"""What a route can ask for; `session` is a person's, who has signed in."""

SCOPES: Final[frozenset[Scope]] = frozenset(("read", "trade", "admin"))
"""What a session holds."""
REFRESH_LIFETIME: Final = 30 * 86_400
"""Seconds a refresh token is good for."""
_ID: Final = 16
"""Bytes of an id, which is shown in hex."""
_WRITTEN: Final = re.compile(r"[0-9a-f]{32}")


def is_id(text: str) -> bool:
    """Whether a text could be an id of ours."""
    return _WRITTEN.fullmatch(text) is not None


class Caller(NamedTuple):
    """Who makes a request: `grant` is the id of the session or API token that he came by."""

    user: str
    grant: str
    kind: Literal["session", "token"]
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether this goes as far as a route asks."""
        return self.kind == "session" if scope == "session" else scope in self.scopes


class _Opaque:
    """What refresh and API tokens have in common: a prefix, and bytes in base64 without a remainder."""

    PREFIX: ClassVar[str]
    SIZE: ClassVar[int]

    def __init__(self, raw: bytes) -> None:
        self.text = self.PREFIX + urlsafe_b64encode(raw).decode()
        self.user, self.id = raw[:_ID].hex(), raw[_ID : 2 * _ID].hex()
        self.secret = raw[2 * _ID :]

    @property
    def digest(self) -> bytes:
        """What is stored of it."""
        return sha256(self.text.encode()).digest()

    @classmethod
    def make(cls, user: str, id_: str, secret: bytes) -> Self:
        """A token of a user for the session or API token of this id."""
        return cls(bytes.fromhex(user + id_) + secret)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The token that reads so; None if none does."""
        body = text.removeprefix(cls.PREFIX)
        if body == text or not re.fullmatch(rf"[A-Za-z0-9_-]{{{cls.SIZE // 3 * 4}}}", body):
            return None
        return cls(urlsafe_b64decode(body))


class RefreshToken(_Opaque):
    """Good for one new pair of tokens. Its family's part stays the same from one to the next.

    So one that has been spent can be told from one that was made up without keeping those spent.
    """

    PREFIX = "cr_"
    FAMILY: ClassVar[int] = 16
    FRESH: ClassVar[int] = 33
    """Bytes of each part of the secret."""
    SIZE = 2 * _ID + FAMILY + FRESH

    @property
    def family(self) -> bytes:
        """What is stored of the family's part."""
        return sha256(self.secret[: self.FAMILY]).digest()

    def next(self, fresh: bytes) -> "RefreshToken":
        """The one that follows it, of `FRESH` new random bytes."""
        return RefreshToken.make(self.user, self.id, self.secret[: self.FAMILY] + fresh)


class ApiToken(_Opaque):
    """What a program signs its requests with."""

    PREFIX = "cp_"
    FRESH: ClassVar[int] = 34
    SIZE = 2 * _ID + FRESH
