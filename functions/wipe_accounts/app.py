"""Removes what is left of accounts that have ended, in every table that holds something of them."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.telemetry import entrypoint, logger


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Wipes all that are marked; broken off anywhere, the next run goes on, for a mark goes last."""
    accounts, connections = wiring.accounts(), wiring.connections()
    wiped = 0
    for user in accounts.ended():
        connections.end(user, wiring.now())  # before what tells whose they are is gone
        items = wiring.alerts().wipe(user)  # what tells where these are goes next
        items += accounts.wipe(user) + connections.wipe(user)
        accounts.forget(user)
        logger.info("security", what="wiped an account", user=user, items=items)
        wiped += 1
    logger.info("wiped all", accounts=wiped)
