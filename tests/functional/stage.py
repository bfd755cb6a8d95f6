"""A market that tests of alerts set the clock and the prices of, and what is heard of it."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.doorbells import read
from cryptopulse.aws.market import LazyMinutes
from cryptopulse.domain.accounts import Account
from cryptopulse.domain.alerts import Alert, Fired, NewAlert, Threshold
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import Connection
from cryptopulse.domain.ticks import Clock, Message, Quote, Record, encode
from functions.evaluate_alerts import app as evaluate_alerts
from tests.functional.doorbells import rung

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
BTC, ETH, TETHER = Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD"), Series("binance", "BTC-USDT")


class Stage:
    """The clock, the market and the ears.

    Args:
        aws: Where all is kept.
        monkeypatch: Sets the clock.
        event: Makes the event of a batch, as the fixture `kinesis_event` does.
        context: Of the invocations.
    """

    def __init__(
        self,
        aws: boto3.Session,
        monkeypatch: pytest.MonkeyPatch,
        event: Callable[..., dict[str, Any]],
        context: LambdaContext,
    ) -> None:
        self.now = NOON
        self._aws = aws
        self._event = event
        self._context = context
        self._monkeypatch = monkeypatch
        self.forget()
        monkeypatch.setattr(wiring, "now", lambda: self.now)
        wiring.market().save_series([BTC, ETH, TETHER])

    def market(self, *messages: Message, series: Series = BTC) -> Record:
        """Has the market tell something a second later, and the lanes know it; the record that says so."""
        self.now += 1_000
        lane, market = lane_of(series, wiring.settings().LANES), wiring.market()
        record = Record(series.venue, lane, list(messages))
        state, minutes = market.lane(lane), LazyMinutes(market, lane)
        previous = state.version
        folded = fold(state, minutes, [record])
        market.write(state, previous, [minutes[minute] for minute in folded.minutes])
        return record

    def price(self, price: int, series: Series = BTC) -> Record:
        """Has the market tell a price a second later."""
        return self.market(Quote(series.symbol, 0, price, self.now + 1_000), Clock(self.now), series=series)

    def evaluate(self, *records: Record | bytes, arrived: int | None = None) -> None:
        """Hands records to the evaluator; they came now unless said otherwise (Unix ms)."""
        batch = [("lane#0", each if isinstance(each, bytes) else encode(each)) for each in records]
        event = self._event(*batch)
        for record in event["Records"]:
            record["kinesis"]["approximateArrivalTimestamp"] = (self.now if arrived is None else arrived) / 1000
        evaluate_alerts.handler(event, self._context)

    def forget(self) -> None:
        """Has the evaluator begin in a new process."""
        self._monkeypatch.setattr(evaluate_alerts, "_memory", evaluate_alerts.Memory())

    def later(self, ms: int = MINUTE) -> None:
        """Lets time pass."""
        self.now += ms

    # --- what is heard ---

    def errands(self) -> list[dict[str, Any]]:
        """The messages that wait in the queue of webhooks; they are gone then."""
        sqs, url = self._aws.client("sqs"), wiring.settings().WEBHOOKS_QUEUE
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def rung(self) -> list[tuple[str, list[str]]]:
        """Which shards have been rung, and for whom."""
        return [(partition, sorted(read(partition, data, 2).users)) for partition, data in rung()]

    def items(self, pk: str) -> list[str]:
        """The sort keys of a partition of the Accounts table."""
        return [item["sk"] for item in wiring.alerts()._table.query(pk, consistent=True)]


def somebody(number: int = 0) -> str:
    """The id of a new user."""
    id_ = f"{number:032x}"
    email = f"user{number}@example.com"
    wiring.accounts().add(
        Account(id=id_, email=email, email_key=email, display_name=None, password="x", created_at=NOON)
    )
    return id_


def alert(user: str, condition: Any, threshold: str, *, number: int = 0, series: Series = BTC, **more: Any) -> Alert:
    """An alert of a user, kept as if it had been made now without a look at the price."""
    new = NewAlert(symbol=series.symbol, condition=condition, threshold=Threshold(threshold), **more)
    made = Alert.of(new, series, user, f"{number:032x}", "whsec_secret", wiring.now())
    wiring.alerts().add(made, None, None)
    return made


def history(user: str) -> list[Fired]:
    """What a user was told, the oldest first."""
    return wiring.alerts().history(user, 0, wiring.now())


def connect(user: str, name: str) -> str:
    """A WebSocket of a user's; the partition of its shard's doorbell."""
    connections, now = wiring.connections(), wiring.now()
    connections.open(Connection(name, "203.0.113.7", now, now, user=user, grant="g"))
    return f"fan#{connections.shard_of(name)}"
