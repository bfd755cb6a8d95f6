"""Accounts, and what lets their users in: sessions and API tokens."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from cryptopulse.domain.tokens import REFRESH_LIFETIME, TokenScope
from cryptopulse.errors import InvalidError

SESSIONS: Final = 100
"""Sessions a user may have; a new one ends the one unused for longest."""
API_TOKENS: Final = 50
"""API tokens a user may have."""


class Preferences(Struct, kw_only=True):
    """How a user likes things."""

    base_currency: Literal["USD", "EUR", "GBP", "USDT", "BTC"] = "USD"
    cost_basis: Literal["fifo", "lifo", "hifo", "acb"] = "fifo"
    watchlist: Annotated[
        list[Annotated[str, Meta(pattern=r"^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$(?!\n)")]],
        Meta(max_length=200, extra_json_schema={"uniqueItems": True}),
    ] = msgspec.field(default_factory=lambda: ["BTC-USD"])
    theme: Literal["system", "light", "dark"] = "system"

    def __post_init__(self) -> None:
        if len(set(self.watchlist)) < len(self.watchlist):
            raise InvalidError("watchlist", "Expected each symbol once")


class Account(Struct, kw_only=True):
    """A user. Times in Unix ms; `password` is a hash; `email_key` is the same for all ways of writing the e-mail.

    Sessions hold the `epoch` they were opened in: a new password begins another, which ends them all at once.
    """

    id: str
    email: str
    email_key: str
    display_name: str | None
    password: str
    created_at: int
    preferences: Preferences = msgspec.field(default_factory=Preferences)
    epoch: int = 1
    version: int = 0
    created_with: str = ""
    """Hash of the Idempotency-Key of its registration."""


class Session(Struct, kw_only=True):
    """A signed-in client: a family of refresh tokens, of which one is good. Times in Unix ms."""

    id: str
    user: str
    epoch: int
    family: bytes
    refresh: bytes
    created_at: int
    last_used_at: int
    address: str
    user_agent: str
    ended_at: int = 0

    @property
    def expires_at(self) -> int:
        """When (Unix ms) its refresh token is no good any more."""
        return self.last_used_at + REFRESH_LIFETIME * 1000

    def is_live(self, epoch: int, now: int) -> bool:
        """Whether it lets its client in at a moment (Unix ms), when its account is in this epoch."""
        return not self.ended_at and self.epoch == epoch and now < self.expires_at


class GrantedToken(Struct, kw_only=True):
    """An API token as it is stored. Times in Unix ms; `ends_at` None: never."""

    id: str
    user: str
    name: str
    scopes: list[TokenScope]
    digest: bytes
    created_at: int
    ends_at: int | None
    last_used_at: int | None = None

    def is_live(self, now: int) -> bool:
        """Whether it is good at a moment (Unix ms)."""
        return self.ends_at is None or now < self.ends_at
