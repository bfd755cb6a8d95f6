"""What the functions that keep accounts have in common: what ends with a session, and the log of security events."""

from collections.abc import Collection, Mapping

from cryptopulse import wiring
from cryptopulse.aws.grants import Client
from cryptopulse.domain.attempts import Rule
from cryptopulse.domain.passwords import is_common
from cryptopulse.errors import InvalidError, LimitedError
from cryptopulse.telemetry import logger


def refuse_common(password: str, email: str, field: str) -> None:
    """Refuses a password that many have, or that its owner's e-mail tells.

    Raises:
        InvalidError: It is one; names the field.
    """
    if is_common(password, email):
        raise InvalidError(field, "Is one that many have, or that is easily guessed")


def begin(rules: Mapping[str, Rule], now: int, user: str | None, client: Client) -> None:
    """Counts an attempt under these keys (Unix ms: now).

    Raises:
        LimitedError: It comes too early.
    """
    try:
        wiring.attempts().begin(rules, now)
    except LimitedError:
        log("made to wait", user, client)
        raise


def end_session(user: str, session: str, now: int) -> bool:
    """Ends a session (Unix ms: now) and closes its WebSockets; returns whether there is one of this id."""
    is_there = wiring.grants().end_session(user, session, now)
    if is_there:
        close_sockets(user, now, grant=session)
    return is_there


def close_sockets(user: str, now: int, *, grant: str | None = None, but: Collection[str] = ()) -> None:
    """Has the WebSockets closed that a user opened: all, those of one grant, or all but those of some."""
    shards = wiring.connections().end(user, now, grant=grant, but=but)
    wiring.doorbells().ring({}, sorted(shards))


def log(what: str, user: str | None, client: Client, **more: str) -> None:
    """Writes down a security event: ids and an address, never an e-mail, a password or a token."""
    logger.info("security", extra={"what": what, "user": user, "address": client.address, **more})
