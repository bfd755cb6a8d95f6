"""Calls the webhooks of alerts that have fired: five tries over an hour."""

from functools import partial
from typing import Any, Literal

import msgspec
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.notices import Errand
from cryptopulse.domain.alerts import Alert, Fired
from cryptopulse.domain.webhooks import DELAYS, WebhookUrl, sign
from cryptopulse.errors import FeedDownError
from cryptopulse.telemetry import entrypoint, logger, metrics, noted

EARLY = 1_000
"""Milliseconds that a try may come before it is due."""

RECEIVED = 5
"""How often a message comes: the queue's maxReceiveCount."""

type Outcome = Literal["delivered", "failed", "pending", "nothing"]


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    outcomes = [_attempt(record) for record in event["Records"]]
    for outcome in outcomes:
        metrics.add_metric(f"Webhooks_{outcome}", MetricUnit.Count, 1)
    logger.info("delivered", outcomes=outcomes, **noted())


def _attempt(record: dict[str, Any]) -> Outcome:
    """Runs a message's errand; where that fails at its last try, the webhook is told to have failed."""
    errand = msgspec.json.decode(record["body"], type=Errand)
    try:
        return _run(errand)
    except Exception:  # whatever it was: it is told, and raised again
        if int(record["attributes"]["ApproximateReceiveCount"]) >= RECEIVED:
            found = wiring.alerts().delivering(errand.user, errand.key)
            if found is not None:
                wiring.alerts().settle(found.fired, "failed", errand.number)
        raise


def _run(errand: Errand) -> Outcome:
    """Makes a try, unless it was made before or is not due yet.

    The next try is put into the queue before this one is noted: a crash in between repeats this one.
    """
    now, alerts = wiring.now(), wiring.alerts()
    if errand.due > now + EARLY:
        wiring.notices().put(errand, now)
        return "nothing"
    found = alerts.delivering(errand.user, errand.key)
    if found is None or found.fired.tries >= errand.number:
        return "nothing"
    alert = found.alert
    if alert is None or alert.webhook_url is None:  # taken away since
        alerts.settle(found.fired, "failed", errand.number)
        return "failed"
    if _is_delivered(alert, found.fired):
        alerts.settle(found.fired, "delivered", errand.number)
        return "delivered"
    if errand.number > len(DELAYS):
        alerts.settle(found.fired, "failed", errand.number)
        return "failed"
    due = wiring.now() + DELAYS[errand.number - 1] * 1000
    wiring.notices().put(Errand(errand.user, errand.key, errand.number + 1, due), wiring.now())
    alerts.settle(found.fired, "pending", errand.number)
    return "pending"


def _is_delivered(alert: Alert, fired: Fired) -> bool:
    """POSTs what has fired; whether it was taken."""
    body = msgspec.json.encode(fired.view)
    headers = {
        "Content-Type": "application/json",
        "CryptoPulse-Signature": sign(str(alert.webhook_secret), wiring.now() // 1000, body),
    }
    log = partial(logger.info, "called a webhook", extra={"user": fired.user, "alert": alert.id, "fired": fired.id})
    try:
        status = wiring.webhooks().post(WebhookUrl(alert.webhook_url), body, headers)
    except FeedDownError as error:
        log(outcome=error.kind)
        return False
    log(outcome=status)
    return 200 <= status < 300
