"""Alerts: what a user wants to be told of, and what he was told."""

from base64 import urlsafe_b64encode
from secrets import token_bytes, token_hex
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, UnsetType

from cryptopulse import wiring
from cryptopulse.api import callers
from cryptopulse.api.app import Answer, Api, Created, Empty, scoped
from cryptopulse.api.cursors import Cursors
from cryptopulse.api.deps import IfMatch, Now, Once, Tracked, Who, body, parameters
from cryptopulse.api.lists import Page, Paged, paged
from cryptopulse.api.renderings import entity_tag
from cryptopulse.aws.alerts import notice
from cryptopulse.domain.alerts import Alert, AlertChange, AlertView, Fired, FiredView, NewAlert, SecretAlertView
from cryptopulse.domain.prices import find
from cryptopulse.domain.series import VENUES, Series
from cryptopulse.domain.times import Time
from cryptopulse.domain.webhooks import WebhookUrl
from cryptopulse.errors import InvalidError, NotFoundError, ServiceError
from cryptopulse.telemetry import entrypoint, logger

PREFIX = "whsec_"
"""What the secret of a webhook begins with."""

api = Api(lambda event: callers.authenticate(event, live=False))


class HistoryQuery(Paged, kw_only=True):
    since: Annotated[Time, Meta(description="From this time on, included; the oldest first")] | UnsetType = UNSET


@api.get("/alerts", tags=["Alerts"])
def list_alerts(query: Annotated[Paged, parameters(Paged)], caller: Who) -> Answer[Page[AlertView]]:
    """My alerts, the newest first."""
    return Answer(paged([AlertView.of(alert) for alert in wiring.alerts().all(caller.user)], "/alerts", query))


@api.post("/alerts", tags=["Alerts"], responses={409: {"description": "Too many, or done before"}})
@scoped("trade")
def make_alert(
    new: Annotated[NewAlert, body(NewAlert)], caller: Who, once: Once, tracked: Tracked, now: Now
) -> Created[SecretAlertView]:
    """Makes an alert. Where its condition holds already it fires at once.

    The secret that signs its webhook is shown this once. A webhook is a POST of the item of the history, as JSON, with
    `CryptoPulse-Signature: t=<unix s>,v1=<hex HMAC-SHA256 of "t.body">`, keyed by the secret's text. An answer of 2xx
    within 10 seconds is a delivery; else there are four more tries, after 1, 5, 15 and 40 minutes. Redirects are not
    followed. It may come twice: the item's `id` tells.
    """
    _check_webhook(new.webhook_url)
    alert = Alert.of(new, _series(new, tracked), caller.user, token_hex(16), _secret(), now)
    fired = _try(alert, now)
    answer = Created(_shown(alert, None), path=f"/alerts/{alert.id}")
    answer.headers["ETag"] = _tag(alert)
    wiring.alerts().add(alert, fired, once.keep(None if alert.webhook_secret else answer))
    _tell(fired, now)
    return answer


@api.get("/alerts/history", tags=["Alerts"])
def read_alert_history(
    query: Annotated[HistoryQuery, parameters(HistoryQuery)], caller: Who, now: Now
) -> Answer[Page[FiredView]]:
    """What my alerts told in the last 90 days.

    The newest first; with `since` the oldest first. Who has been away asks with `since` the `time` of the last item
    he knows, and gets that one again.
    """
    cursors = Cursors(wiring.settings().CURSOR_KEY, "/alerts/history", query)
    after = None if query.cursor is UNSET else cursors.open(query.cursor).decode()
    is_newest_first, since = query.since is UNSET, 0 if query.since is UNSET else query.since
    found = wiring.alerts().page(caller.user, since, now, after, query.limit + 1, is_newest_first=is_newest_first)
    shown = found[: query.limit]
    cursor = cursors.seal(notice(shown[-1]).key.encode()) if len(found) > query.limit else None
    return Answer(Page([fired.view for fired in shown], cursor))


@api.get("/alerts/<alert_id>", tags=["Alerts"])
def read_alert(alert_id: str, caller: Who) -> Answer[AlertView]:
    """One of my alerts."""
    return Answer(AlertView.of(wiring.alerts().get(caller.user, alert_id)), is_tagged=True)


@api.patch("/alerts/<alert_id>", tags=["Alerts"], responses={409: {"description": "Others change it all the time"}})
@scoped("trade")
def change_alert(
    alert_id: str, given: Annotated[AlertChange, body(AlertChange)], caller: Who, expected: IfMatch, now: Now
) -> Answer[SecretAlertView]:
    """Changes an alert. Armed anew, also by a new threshold or window, it fires at once where its condition holds.

    A webhook for an alert that had none brings a secret, shown this once.
    """
    if given.webhook_url is not UNSET:
        _check_webhook(given.webhook_url)
    secret, known = _secret(), None

    def change(alert: Alert) -> Fired | None:
        nonlocal known
        expected.check(AlertView.of(alert))
        known, before = alert.webhook_secret, alert.rule
        alert.apply(given, secret, now)
        return _try(alert, now) if alert.rule != before else None

    alert, fired = wiring.alerts().change(caller.user, alert_id, change)
    _tell(fired, now)
    return Answer(_shown(alert, known), headers={"ETag": _tag(alert)})


@api.delete("/alerts/<alert_id>", tags=["Alerts"], responses={409: {"description": "Others change it all the time"}})
@scoped("trade")
def remove_alert(alert_id: str, caller: Who, expected: IfMatch) -> Empty:
    """Removes an alert; what it told stays in the history."""
    wiring.alerts().remove(caller.user, alert_id, lambda alert: expected.check(AlertView.of(alert)))
    return Empty()


def _series(new: NewAlert, tracked: list[Series]) -> Series:
    """The series that an alert is to watch."""
    try:
        return find(new.symbol, new.venue, tracked)
    except NotFoundError as error:
        is_known = any(each.symbol == new.symbol for each in tracked)
        field = "venue" if is_known or new.venue not in (None, *VENUES) else "symbol"
        raise InvalidError(field, str(error)) from error


def _check_webhook(url: WebhookUrl | None) -> None:
    if url is not None:
        url.check_addresses(wiring.settings().WEBHOOK_ADDRESSES)


def _secret() -> str:
    return PREFIX + urlsafe_b64encode(token_bytes(32)).decode().rstrip("=")


def _try(alert: Alert, now: int) -> Fired | None:
    """Has an alert that was armed take the price that there is now."""
    rule = alert.rule
    if rule is None or rule.is_rearming:
        return None
    levels = wiring.levels()
    seen = levels.spot(rule.series, now)
    reached = rule.met(seen, levels.base(rule, seen, now))
    return None if reached is None else alert.reach(reached, token_hex(10), now)


def _tell(fired: Fired | None, now: int) -> None:
    if fired is None:
        return
    try:
        wiring.notices().send([notice(fired)], now)
    except ServiceError:
        logger.exception("not told")  # evaluate_alerts finds it in the outbox


def _tag(alert: Alert) -> str:
    """The ETag of an alert, which is that of its view without a secret."""
    return entity_tag(msgspec.json.encode(AlertView.of(alert)))


def _shown(alert: Alert, known: str | None) -> SecretAlertView:
    """An alert, with its secret unless that was known before."""
    view = AlertView.of(alert)
    secret = alert.webhook_secret if alert.webhook_secret != known else None
    fields = {name: getattr(view, name) for name in view.__struct_fields__}
    return SecretAlertView(**fields, webhook_secret=secret or UNSET)


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)
