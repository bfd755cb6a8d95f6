"""What the functions that keep accounts have in common: what ends with a session, and the log of security events."""

from cryptopulse import wiring
from cryptopulse.aws.grants import Client
from cryptopulse.domain.passwords import is_common
from cryptopulse.errors import InvalidError
from cryptopulse.telemetry import logger


def refuse_common(password: str, email: str, field: str) -> None:
    """Refuses a password that many have, or that its owner's e-mail tells.

    Raises:
        InvalidError: It is one; names the field.
    """
    if is_common(password, email):
        raise InvalidError(field, "Is one that many have, or that is easily guessed")


def end_session(user: str, session: str, now: int) -> None:
    """Ends a session (Unix ms: now) and closes its WebSockets.

    Raises:
        NotFoundError: There is none of this id.
    """
    wiring.grants().end_session(user, session, now)
    close_sockets(user, now, grant=session)


def close_sockets(user: str, now: int, *, grant: str | None = None, but: str | None = None) -> None:
    """Has the WebSockets closed that a user opened: all, those of one grant, or all but those of one."""
    shards = wiring.connections().end(user, now, grant=grant, but=but)
    wiring.doorbells().ring({}, sorted(shards))


def log(what: str, user: str | None, client: Client, **more: str) -> None:
    """Writes down a security event: ids and an address, never an e-mail, a password or a token."""
    logger.info("security", extra={"what": what, "user": user, "address": client.address, **more})
