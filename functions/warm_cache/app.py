"""Makes answers anew that were asked for lately, each minute, so that nobody waits for them."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import ValidationError

from cryptopulse import wiring
from cryptopulse.api.views import Views, views
from cryptopulse.aws.asked import Note
from cryptopulse.aws.cache import Bound
from cryptopulse.domain.candles import MINUTE
from cryptopulse.errors import CryptoPulseError
from cryptopulse.telemetry import entrypoint, logger

MOST = 50
"""Answers that are made in one run."""
MARGIN = 15_000
"""Milliseconds before the time limit after which none is begun."""


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Answers `{"renewed", "failed"}`: how many answers were made, and could not be."""
    deadline = wiring.now() + context.get_remaining_time_in_millis() - MARGIN
    own, done = views(), {"renewed": 0, "failed": 0}
    for note in wiring.asked().lately(wiring.now()):
        if sum(done.values()) == MOST or wiring.now() > deadline:
            break
        try:
            done["renewed"] += _renew(own, note)
        except (CryptoPulseError, ValidationError):  # a series dropped, another deployment's arguments, a full table
            logger.exception("not renewed", method=note.method)
            done["failed"] += 1
    logger.info("renewed", extra=done)
    return done


def _renew(own: Views, note: Note) -> bool:
    """Makes an answer that ends within a minute; only what is cached can be named."""
    method, now = getattr(own, note.method, None), wiring.now()
    return isinstance(method, Bound) and method.renew(note.arguments, now=now, until=now + MINUTE)
