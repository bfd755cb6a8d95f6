"""Tickets for the WebSocket handshake, in the Connections table: each is good once, for a minute.

| pk                      | sk       | holds                                                        |
| ----------------------- | -------- | ------------------------------------------------------------ |
| `TICKET#<SHA-256, hex>` | `TICKET` | `user`, `grant` and `issued_at` of a ticket that was not used |

Only a ticket's hash is kept: who reads the table cannot connect as anybody.
"""

from hashlib import sha256
from secrets import token_urlsafe
from typing import Final, NamedTuple

from cryptopulse.aws.dynamodb import Table

LIFETIME: Final = 60
"""Seconds that a ticket is good for."""
LENGTH: Final = 43
"""Characters of 256 bits in base64."""


class Bound(NamedTuple):
    """Whom a ticket stands for: the user's id, and that of the session or API token that asked for it."""

    user: str
    grant: str


class Tickets:
    """Issues and redeems tickets."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def issue(self, user: str, grant: str, now: int) -> str:
        """A new ticket.

        Args:
            user: Id of the user it stands for.
            grant: Id of the session or API token that asks for it.
            now: Unix ms.
        """
        ticket = token_urlsafe(32)
        self._table.put(
            {
                "pk": _pk(ticket),
                "sk": "TICKET",
                "user": user,
                "grant": grant,
                "issued_at": now,
                "expires_at": now // 1000 + LIFETIME + 1,
            }
        )
        return ticket

    def redeem(self, ticket: str, now: int) -> Bound | None:
        """Whom the ticket stands for, once; None for any text that is no ticket, or is one used up or expired.

        Args:
            ticket: What the client showed.
            now: Unix ms.
        """
        if len(ticket) != LENGTH or not ticket.isascii():
            return None
        item = self._table.take(_pk(ticket), "TICKET")
        if item is None or now - item["issued_at"] >= LIFETIME * 1000:
            return None
        return Bound(item["user"], item["grant"])


def _pk(ticket: str) -> str:
    return f"TICKET#{sha256(ticket.encode()).hexdigest()}"
