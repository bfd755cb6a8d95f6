"""Webhooks of alerts that have fired: five tries over an hour, each of them signed."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.queues import Queue
from cryptopulse.domain.alerts import AlertChange
from cryptopulse.domain.webhooks import WebhookUrl
from cryptopulse.errors import FeedDownError, ThrottledError
from functions.deliver_webhooks import app
from tests.conftest import read_event
from tests.functional.stage import NOON, Stage, alert, history, somebody

URL = "https://hooks.example/a"
MINUTES = 60_000


class Receiver:
    """Stands for all the world's receivers: what they get, and what they answer, 503 for nobody at home."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[str, bytes, dict[str, str]]] = []

    def post(self, url: WebhookUrl, body: bytes, headers: Mapping[str, str]) -> int:
        self.got.append((str(url), body, dict(headers)))
        status = self.answers.pop(0)
        if status == 0:
            raise FeedDownError("nobody at home", kind="refused")
        return status


class Town:
    """A user with an alert that has fired, its webhook's queue, and time that passes."""

    def __init__(self, stage: Stage, context: LambdaContext, sent: list[tuple[dict[str, Any], int]]) -> None:
        self.stage = stage
        self.receiver = Receiver()
        self.user = somebody()
        self.alert = alert(self.user, "above", "100", webhook_url=WebhookUrl(URL))
        self.sent = sent
        """What is in the queue, and in how many seconds it comes."""
        self._context = context
        stage.evaluate(stage.price(101))

    def deliver(self, *errands: dict[str, Any], received: int = 1) -> None:
        """Hands messages to the function, for the first time or again."""
        event = read_event("deliver_webhooks")
        (sample,) = event["Records"]
        sample["attributes"]["ApproximateReceiveCount"] = str(received)
        event["Records"] = [{**sample, "body": json.dumps(errand)} for errand in errands]
        app.handler(event, self._context)

    def next(self) -> int:
        """Delivers what comes next; returns how many seconds that took."""
        errand, delay = self.sent.pop(0)
        self.stage.later(delay * 1000)
        self.deliver(errand)
        return delay

    @property
    def webhook(self) -> str:
        (fired,) = history(self.user)
        return fired.webhook


@pytest.fixture
def town(stage: Stage, monkeypatch: pytest.MonkeyPatch, context: LambdaContext) -> Town:
    sent: list[tuple[dict[str, Any], int]] = []
    send = Queue.send

    def noted(queue: Queue, body: str, *, delay: int = 0) -> None:
        send(queue, body, delay=delay)
        sent.append((json.loads(body), delay))

    monkeypatch.setattr(Queue, "send", noted)
    town = Town(stage, context, sent)
    monkeypatch.setattr(wiring, "webhooks", lambda: town.receiver)
    return town


def test_the_item_of_the_history_comes_signed(town: Town) -> None:
    town.receiver.answers = [204]
    assert town.next() == 0
    ((url, body, headers),) = town.receiver.got
    (fired,) = history(town.user)
    assert url == URL
    assert json.loads(body) == {
        "id": fired.id,
        "alert_id": town.alert.id,
        "symbol": "BTC-USD",
        "venue": "coinbase",
        "condition": "above",
        "threshold": "100",
        "price": "101",
        "time": "2026-11-22T12:00:01.000Z",
        "webhook": "pending",
    }
    time = NOON // 1000 + 1
    wanted = hmac.new(b"whsec_secret", f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers == {"Content-Type": "application/json", "CryptoPulse-Signature": f"t={time},v1={wanted}"}
    assert (fired.webhook, fired.tries, town.sent) == ("delivered", 1, [])


@pytest.mark.parametrize("status", [0, 101, 199, 300, 307, 404, 410, 500])
def test_anything_but_2xx_is_tried_again(town: Town, status: int) -> None:
    town.receiver.answers = [status, 200]
    town.next()
    assert town.webhook == "pending"
    assert town.next() == 60
    assert (town.webhook, town.sent) == ("delivered", [])


def test_there_are_five_tries_over_an_hour(town: Town) -> None:
    """The last wait is longer than the queue keeps a message back, so one comes too early and goes back."""
    town.receiver.answers = [500] * 5
    waits = []
    while town.sent:
        assert town.webhook == "pending"
        waits.append((town.next(), len(town.receiver.got)))
    assert waits == [(0, 1), (60, 2), (240, 3), (600, 4), (900, 4), (600, 5)]
    assert town.webhook == "failed"
    assert town.stage.now - NOON - 1_000 == 40 * MINUTES


def test_what_fails_on_our_side_each_time_is_told_to_have_failed(town: Town) -> None:
    (errand, _) = town.sent.pop(0)
    for received in range(1, 6):
        assert town.webhook == "pending"
        with pytest.raises(IndexError):  # the receiver has no answer left
            town.deliver(errand, received=received)
    assert town.webhook == "failed"


def test_a_message_that_comes_twice_is_tried_once(town: Town) -> None:
    first = town.sent.pop()[0]
    town.receiver.answers = [500, 200]
    town.deliver(first, first)
    town.deliver(first)
    assert len(town.receiver.got) == 1
    (second,) = [errand for errand, _ in town.sent]
    town.next()
    town.deliver(second, first)
    assert (len(town.receiver.got), town.webhook, town.sent) == (2, "delivered", [])


def test_a_crash_before_a_try_is_noted_repeats_it_and_leaves_one_chain(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ThrottledError("NoAnswer", "UpdateItem")

    first = town.sent[0][0]
    town.receiver.answers = [500, 500, 500, 200]
    with monkeypatch.context() as patch:
        patch.setattr(wiring.alerts(), "settle", crash)
        with pytest.raises(ThrottledError):
            town.next()
    town.deliver(first)
    assert [errand["number"] for errand, _ in town.sent] == [2, 2]
    assert (town.next(), town.next()) == (60, 60)
    assert (len(town.receiver.got), town.webhook) == (3, "pending")
    assert [errand["number"] for errand, _ in town.sent] == [3]
    town.next()
    assert (town.webhook, town.sent) == ("delivered", [])


def test_what_is_delivered_stays_so(town: Town) -> None:
    town.receiver.answers = [200]
    town.next()
    (fired,) = history(town.user)
    wiring.alerts().settle(fired, "failed", 5)
    assert town.webhook == "delivered"


def test_without_its_alert_or_webhook_nothing_is_sent(town: Town) -> None:
    wiring.alerts().change(
        town.user, town.alert.id, lambda each: each.apply(AlertChange(webhook_url=None), "", town.stage.now)
    )
    town.next()
    assert (town.webhook, town.receiver.got, town.sent) == ("failed", [], [])


def test_nor_when_the_alert_has_been_removed(town: Town) -> None:
    wiring.alerts().remove(town.user, town.alert.id, lambda _: None)
    town.next()
    assert (town.webhook, town.receiver.got, town.sent) == ("failed", [], [])


def test_nor_for_an_account_that_has_ended(town: Town) -> None:
    accounts = wiring.accounts()
    accounts.end(accounts.require(town.user), town.stage.now)
    town.deliver(town.sent[0][0])
    accounts.wipe(town.user)
    town.next()
    assert (town.receiver.got, town.sent) == ([], [])


def test_a_new_address_gets_what_is_still_to_come(town: Town) -> None:
    other = AlertChange(webhook_url=WebhookUrl("https://other.example"))
    wiring.alerts().change(town.user, town.alert.id, lambda each: each.apply(other, "", town.stage.now))
    town.receiver.answers = [200]
    town.next()
    assert [url for url, *_ in town.receiver.got] == ["https://other.example"]


def test_the_sample_event_is_of_nobody(town: Town, context: LambdaContext) -> None:
    app.handler(read_event("deliver_webhooks"), context)
    assert town.receiver.got == []
