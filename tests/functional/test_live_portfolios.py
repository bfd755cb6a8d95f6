"""What users see of their own on the WebSocket: portfolios and alerts, from the subscription to the good-bye."""

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.alerts import Notice, notice
from cryptopulse.aws.connections import Connections
from cryptopulse.aws.doorbells import Doorbells
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.live_portfolios import LivePortfolios
from cryptopulse.aws.market import LazyMinutes
from cryptopulse.aws.portfolios import Edit, Portfolios
from cryptopulse.aws.stream import Stream
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.fan_flows import LOOKED_EVERY
from cryptopulse.domain.folding import fold
from cryptopulse.domain.portfolios import Currency, Portfolio
from cryptopulse.domain.reports import Holdings
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.sightings import Reached
from cryptopulse.domain.subscriptions import Connection
from cryptopulse.domain.ticks import Quote, Record
from cryptopulse.domain.times import rfc3339
from cryptopulse.domain.transactions import Mark, Transaction, new_id
from cryptopulse.errors import ThrottledError
from functions.fan_out import app as fan_out
from functions.import_transactions import app as import_transactions
from functions.websocket import app as websocket
from tests.conftest import read_event
from tests.functional.callbacks import Callbacks, hang_up, served
from tests.functional.doorbells import rung
from tests.functional.stage import NOON, alert, somebody
from tests.functional.test_websocket import Elsewhere
from tests.functional.web import Web

BTC, SOL, DOLLAR, EURO = (
    Series("coinbase", "BTC-USD"),
    Series("binance", "SOL-USDT"),
    Series("coinbase", "USDT-USD"),
    Series("coinbase", "USDT-EUR"),
)
MAIN, OTHER = "a" * 32, "b" * 32
NO_PORTFOLIO = {"type": "error", "code": "bad_request", "message": "no such portfolio"}


class Town:
    """Two users, Ann and Bob, with a client each, called like them; a market; and the clock."""

    def __init__(self, callbacks: Callbacks, event: Callable[..., dict[str, Any]], context: LambdaContext) -> None:
        self.now = NOON
        self.callbacks = callbacks
        self._event = event
        self._context = context
        self._heard = 0
        self.fired: list[Notice] = []
        self.users = {"ann": somebody(1), "bob": somebody(2)}
        for name, user in self.users.items():
            wiring.connections().open(Connection(name, "192.0.2.44", NOON, NOON, user=user, grant=f"of {name}"))

    def say(self, name: str, **frame: Any) -> list[Any]:
        """Has a client say something, and returns what it hears at once."""
        event = read_event("ws_message")
        event["requestContext"]["connectionId"] = name
        assert websocket.handler({**event, "body": json.dumps(frame)}, self._context) == {"statusCode": 200}
        return self.callbacks.frames(name)

    def show(self, name: str, id_: str = MAIN, **more: Any) -> list[Any]:
        return self.say(name, action="subscribe", channel="portfolio", portfolio_id=id_, **more)

    def price(self, series: Series, cents: int) -> None:
        """Has the market tell a price a second later, as process_ticks does."""
        self.now += 1_000
        lane, market = lane_of(series, 2), wiring.market()
        state, minutes = market.lane(lane), LazyMinutes(market, lane)
        before = state.version
        folded = fold(state, minutes, [Record(series.venue, lane, [Quote(series.symbol, 2, cents, self.now)])])
        market.write(state, before, [minutes[minute] for minute in folded.minutes])
        wiring.doorbells().ring({lane: state.version})

    def beat(self, later: int = 1_000) -> None:
        """Has fan_out take the doorbells that were rung."""
        self.now += later
        bells = rung()[self._heard :]
        self._heard += len(bells)
        fan_out.handler(self._event(*bells), self._context)

    def hears(self, name: str) -> list[Any]:
        """Takes what a client has heard since."""
        return self.callbacks.frames(name)

    def portfolio(self, name: str, id_: str = MAIN, base: Currency = "USD") -> None:
        made = Portfolio(
            id=id_, name="Main", base_currency=base, cost_basis="fifo", created_at=NOON, updated_at=NOON, version=1
        )
        wiring.portfolios().add(self.users[name], made, None)

    def trade(self, name: str, kind: Any, asset: str, quantity: str, price: str) -> None:
        """Enters a purchase or a sale, in the base currency."""
        edit = Edit(add=[self.transaction(kind, asset, quantity, price)])
        wiring.portfolios().edit(self.users[name], {MAIN: edit}, self.now)

    def transaction(self, kind: Any, asset: str, quantity: str, price: str) -> Transaction:
        self.now += 1
        amount = Decimal(price)
        return Transaction(
            id=new_id(self.now, self.now, 0, 0),
            type=kind,
            asset=asset,
            quantity=Decimal(quantity),
            price=amount,
            currency=None,
            time=self.now,
            created_at=self.now,
            updated_at=self.now,
            marks={asset: Mark(amount, self.now)},
        )

    def fire(self, name: str, number: int) -> dict[str, Any]:
        """Has an alert of a user fire, as evaluate_alerts does, and returns it as he hears it."""
        made = alert(self.users[name], "above", "70000", number=number)
        rule = made.rule
        assert rule is not None
        self.now += 1
        taken = wiring.alerts().reach(rule, Reached(Decimal("70000.5"), self.now), self.now)
        assert taken is not None
        (_, fired) = taken
        assert fired is not None
        self.fired.append(notice(fired))
        return {
            "id": fired.id,
            "alert_id": f"{number:032x}",
            "symbol": "BTC-USD",
            "venue": "coinbase",
            "condition": "above",
            "threshold": "70000",
            "price": "70000.5",
            "time": rfc3339(self.now),
            "webhook": "none",
        }

    def tell(self) -> None:
        """Rings for all whose alerts have fired so far, again for who was rung before."""
        wiring.notices().send(self.fired, self.now)


@pytest.fixture
def town(
    aws: boto3.Session,
    monkeypatch: pytest.MonkeyPatch,
    kinesis_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
) -> Iterator[Town]:
    with served() as callbacks:
        monkeypatch.setenv("MANAGEMENT_URL", callbacks.url)
        wiring.clear()
        fan_out._memory.clear()
        wiring.market().save_series([BTC, SOL, DOLLAR, EURO])
        town = Town(callbacks, kinesis_event, context)
        monkeypatch.setattr(wiring, "now", lambda: town.now)
        monkeypatch.setattr(fan_out, "sleep", lambda seconds: None)
        for series, cents in [(SOL, 2_000), (DOLLAR, 100), (EURO, 90), (BTC, 5_000_000)]:
            town.price(series, cents)
        yield town
        hang_up(wiring.sockets())


def test_a_portfolio_is_shown_as_prices_and_holdings_change(town: Town) -> None:
    town.portfolio("ann")
    town.trade("ann", "buy", "BTC", "0.5", "30000.000000000000000001")
    assert town.show("ann", id="p", interval_ms=10) == [
        {"type": "subscribed", "id": "p", "channel": "portfolio", "portfolio_id": MAIN, "interval_ms": 250},
        {
            "type": "snapshot",
            "channel": "portfolio",
            "portfolios": [
                {
                    "id": MAIN,
                    "time": rfc3339(town.now),
                    "value": "25000",
                    "cost_basis": "15000",
                    "unrealized": "10000",
                }
            ],
        },
    ]
    town.beat()
    assert town.hears("ann") == []
    town.price(BTC, 5_000_001)
    time = town.now
    town.beat()
    told = {"cost_basis": "15000", "unrealized": "10000.005"}
    assert town.hears("ann") == [
        {
            "type": "portfolio",
            "seq": 1,
            "portfolios": [{"id": MAIN, "time": rfc3339(time), "value": "25000.005", **told}],
        }
    ]
    town.trade("ann", "buy", "SOL", "10", "15")
    time = town.now
    town.beat()
    told = {"value": "25200.005", "cost_basis": "15150", "unrealized": "10050.005"}
    assert town.hears("ann") == [
        {"type": "portfolio", "seq": 2, "portfolios": [{"id": MAIN, "time": rfc3339(time), **told}]}
    ]
    assert town.hears("bob") == []


@pytest.mark.parametrize("id_", [MAIN, OTHER, "", "x", "A" * 32])
def test_only_ones_own_portfolio_is_shown(town: Town, id_: str) -> None:
    town.portfolio("bob")
    assert town.show("ann", id_, id=7) == [{**NO_PORTFOLIO, "id": 7}]
    connection = wiring.connections().find("ann", town.now)
    assert connection is not None
    assert connection.channels == {}


def test_each_sees_his_own_of_the_same_name(town: Town) -> None:
    for name, quantity, base in (("ann", "1", "USD"), ("bob", "2", "EUR")):
        town.portfolio(name, base=base)  # type: ignore[arg-type]
        town.trade(name, "buy", "BTC", quantity, "1")
        town.show(name)
    town.beat()
    town.price(BTC, 6_000_000)
    town.beat()
    values = {name: [frame["portfolios"][0]["value"] for frame in town.hears(name)] for name in town.users}
    assert values == {"ann": ["60000"], "bob": ["108000"]}


def test_what_clients_hold_is_what_holdings_say(town: Town) -> None:
    town.portfolio("bob", base="EUR")
    town.show("bob")
    known: dict[str, Any] = {}
    steps: list[tuple[Any, ...]] = [
        ("buy", "BTC", "0.123456789012345678", "45000.1"),
        (SOL, 3_333),
        ("buy", "NOPE", "1000", "1"),
        ("buy", "SOL", "7.000000000000000001", "17"),
        (DOLLAR, 99),
        ("sell", "BTC", "0.1", "46000"),
        (EURO, 91),
        (BTC, 1_234_567),
        ("sell", "SOL", "7.000000000000000001", "18"),
        (SOL, 9_999),
        ("buy", "USDT", "0.1", "0.9"),
        ("sell", "BTC", "0.023456789012345678", "1"),
    ]
    for step in steps:
        if isinstance(step[0], Series):
            town.price(*step)
        else:
            town.trade("bob", *step)
        town.beat()
        for frame in town.hears("bob"):
            for told in frame["portfolios"]:
                assert told["time"] >= known.get("time", "")
                known = told
        reader = wiring.portfolios().read(town.users["bob"], MAIN)
        book = reader.book()
        totals = Holdings.of(book, wiring.quotes().now(book.holdings, "EUR", town.now), "EUR").totals
        assert {name: known[name] for name in ("value", "cost_basis", "unrealized")} == {
            "value": totals.value,
            "cost_basis": totals.cost_basis,
            "unrealized": totals.unrealized,
        }


def test_a_portfolio_that_is_removed_is_shown_no_more(town: Town) -> None:
    town.portfolio("ann")
    town.trade("ann", "buy", "BTC", "1", "1")
    town.show("ann")
    town.beat()
    wiring.portfolios().remove(town.users["ann"], MAIN, lambda _: None)
    town.price(BTC, 6_000_000)
    town.beat()
    assert town.hears("ann") == []
    connection = wiring.connections().find("ann", town.now)
    assert connection is not None
    assert connection.channels == {}


def test_a_change_between_the_snapshot_and_the_subscription_is_told(town: Town) -> None:
    """It finds no connection that shows the portfolio, and the subscription writes what was before."""
    town.portfolio("ann")
    town.trade("ann", "buy", "BTC", "1", "1")
    calls = Elsewhere("dynamodb", wiring.account())
    stream = Stream(Elsewhere("kinesis", wiring.account()), "Stream", 2)
    connections = Connections(Table(calls, "Connections"), 2)
    portfolios = Portfolios(Table(calls, "Accounts"))
    elsewhere = LivePortfolios(
        portfolios, wiring.market(), wiring.prices(), 2, connections, Doorbells(stream, connections)
    )
    sold = [town.transaction("sell", "BTC", "1", "2")]

    def sell() -> None:
        if sold:
            portfolios.edit(town.users["ann"], {MAIN: Edit(add=[sold.pop()])}, town.now)
            elsewhere.refresh(town.users["ann"], [MAIN], town.now)

    town.callbacks.on_post = sell
    _, shown = town.show("ann")
    assert (shown["portfolios"][0]["value"], sold) == ("50000", [])
    town.beat()
    assert [frame["portfolios"][0]["value"] for frame in town.hears("ann")] == ["0"]


def test_a_change_that_nobody_could_be_told_of_is_made_and_told_within_a_minute(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    town.portfolio("ann")
    town.show("ann")
    town.beat()

    def refuse(*_: object) -> None:
        raise ThrottledError("ThrottlingException", "slow down")

    with monkeypatch.context() as patch:
        patch.setattr(Connections, "of", refuse)
        town.trade("ann", "buy", "BTC", "1", "1")
    assert "portfolios not refreshed" in [log.getMessage() for log in caplog.records]
    for later in (LOOKED_EVERY - 2_000, 2_000, 1_000):
        assert town.hears("ann") == []
        town.price(SOL, 2_000)
        town.beat(later)
    assert [frame["portfolios"][0]["value"] for frame in town.hears("ann")] == ["50000"]


def test_whoever_shows_nothing_costs_one_query(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    wiring.connections().remove("ann")
    town.portfolio("ann")
    client = wiring.connections()._table._client
    asked: list[str] = []
    call = client.call

    def watched(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(operation)
        return call(operation, body)

    monkeypatch.setattr(client, "call", watched)
    town.trade("ann", "buy", "BTC", "1", "1")
    assert asked == ["Query"]


def test_what_a_user_did_elsewhere_is_no_sign_of_life(town: Town) -> None:
    town.portfolio("ann")
    town.show("ann")
    before = wiring.connections().find("ann", town.now)
    assert before is not None
    town.now += 5 * MINUTE
    town.trade("ann", "buy", "BTC", "1", "1")
    after = wiring.connections().find("ann", town.now)
    assert after is not None
    assert (after.active_at, after.version) == (before.active_at, before.version + 1)
    assert after.portfolios[MAIN].portfolio.version == 2


def test_20_portfolios_are_the_limit(town: Town) -> None:
    ids = [f"{number:032x}" for number in range(21)]
    for id_ in ids:
        town.portfolio("ann", id_)
    for id_ in ids[:20]:
        town.now += 1_000  # ten frames a second are the limit
        assert town.show("ann", id_)[0]["type"] == "subscribed"
    refused = {"type": "error", "id": 1, "code": "limit", "message": "at most 20 portfolios a connection"}
    assert town.show("ann", ids[20], id=1) == [refused]
    assert town.show("ann", ids[0])[0]["type"] == "subscribed"
    leave = {"action": "unsubscribe", "channel": "portfolio"}
    assert town.say("ann", **leave, portfolio_id=ids[3], id=2) == [
        {"type": "unsubscribed", "id": 2, "channel": "portfolio", "portfolio_ids": [ids[3]]}
    ]
    left = [*ids[:3], *ids[4:20]]
    assert town.say("ann", **leave) == [{"type": "unsubscribed", "channel": "portfolio", "portfolio_ids": left}]
    town.price(BTC, 1)
    town.beat()
    assert town.hears("ann") == []


def test_whatever_the_http_api_changes_is_shown(
    town: Town, web: Web, aws: boto3.Session, context: LambdaContext
) -> None:
    """By each function that writes portfolios, with what it is allowed to; a transfer's other portfolio too."""
    person = web.person()
    town.users["ann"] = person.id
    wiring.connections().remove("ann")
    wiring.connections().open(Connection("ann", "192.0.2.44", NOON, NOON, user=person.id, grant="g"))

    def ask(method: str, path: str, body: object = None, **headers: str) -> Any:
        town.now += 1_000
        reply = web(method, path, body, token=person.access, headers=headers)
        assert reply.status < 300, reply.body
        return reply.body

    ids = [ask("POST", "/portfolios", {"name": name})["id"] for name in ("One", "Two")]
    for id_ in ids:
        town.show("ann", id_)
    bought = {"type": "buy", "asset": "BTC", "quantity": "2", "price": "1", "time": rfc3339(NOON)}
    moved = {"type": "transfer", "asset": "BTC", "quantity": "1", "to_portfolio_id": ids[1], "time": rfc3339(NOON + 1)}
    one = f"/portfolios/{ids[0]}"
    line = "time,type,asset,quantity,price\n"

    def told(entered: Any) -> list[tuple[int, str, str]]:
        town.beat()
        return [
            (ids.index(each["id"]), each["value"], each["cost_basis"])
            for frame in town.hears("ann")
            for each in frame["portfolios"]
        ]

    buy = ask("POST", f"{one}/transactions", bought)
    assert told(buy) == [(0, "100000", "2")]
    assert told(ask("POST", f"{one}/transactions", moved)) == [(0, "50000", "1"), (1, "50000", "1")]
    assert told(ask("PATCH", f"{one}/transactions/{buy['id']}", {"price": "3"})) == [
        (0, "50000", "3"),
        (1, "50000", "3"),
    ]
    csv = {"content-type": "text/csv"}
    few = line + f"{rfc3339(NOON + 2)},buy,BTC,1,5\n"
    assert told(ask("POST", f"{one}/transactions/import", few, **csv)) == [(0, "100000", "8")]
    many = line + "".join(f"{rfc3339(NOON + number)},buy,SOL,0.1,1\n" for number in range(3, 1_004))
    ask("POST", f"{one}/transactions/import", many, **csv)
    (message,) = aws.client("sqs").receive_message(QueueUrl=wiring.settings().IMPORTS_QUEUE)["Messages"]
    event = read_event("import_transactions")
    event["Records"][0]["body"] = message["Body"]
    assert told(import_transactions.handler(event, context)) == [(0, "102002", "108.1")]
    assert told(ask("PATCH", one, {"cost_basis": "hifo"})) == []
    assert told(ask("DELETE", one)) == []
    connection = wiring.connections().find("ann", town.now)
    assert connection is not None
    assert list(connection.portfolios) == [ids[1]]


def test_alerts_are_told_as_they_fire(town: Town) -> None:
    for name in town.users:
        asked = {"action": "subscribe", "channel": "alerts"}
        assert town.say(name, **asked, id="a") == [
            {"type": "subscribed", "id": "a", "channel": "alerts", "interval_ms": 1_000},
            {"type": "snapshot", "channel": "alerts", "alerts": []},
        ]
    town.beat()
    first, second = town.fire("ann", 1), town.fire("ann", 2)
    town.tell()
    town.beat()
    wiring.doorbells().ring({}, users=list(town.users.values()))
    town.beat()
    assert town.hears("ann") == [{"type": "alerts", "seq": 1, "alerts": [first, second]}]
    assert town.hears("bob") == []
    assert town.say("ann", action="unsubscribe", channel="alerts") == [{"type": "unsubscribed", "channel": "alerts"}]
    town.fire("ann", 3)
    town.tell()
    town.beat()
    assert town.hears("ann") == []


def test_who_was_away_catches_up(town: Town) -> None:
    town.fire("ann", 1)
    since, second = town.now + 1, town.fire("ann", 2)
    town.now += 10 * MINUTE
    third = town.fire("ann", 3)
    for each in (since, rfc3339(since)):
        assert town.say("ann", action="subscribe", channel="alerts", since=each)[1:] == [
            {"type": "snapshot", "channel": "alerts", "alerts": [second, third]}
        ]
    town.tell()
    town.beat()
    assert town.hears("ann") == []
    assert town.say("ann", action="subscribe", channel="alerts")[1:] == [
        {"type": "snapshot", "channel": "alerts", "alerts": []}
    ]


def test_an_alert_whose_doorbell_was_lost_is_told_within_a_minute(town: Town) -> None:
    town.say("ann", action="subscribe", channel="alerts")
    town.beat()
    fired = town.fire("ann", 1)
    for later in (LOOKED_EVERY - 3_000, 3_000):
        assert town.hears("ann") == []
        town.price(BTC, 1)
        town.beat(later)
    assert town.hears("ann") == [{"type": "alerts", "seq": 1, "alerts": [fired]}]


def test_alerts_that_cannot_be_read_hold_nothing_else_up(
    town: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    town.portfolio("ann")
    town.trade("ann", "buy", "BTC", "1", "1")
    town.show("ann")
    town.say("ann", action="subscribe", channel="alerts")
    town.beat()
    fired = town.fire("ann", 1)

    def refuse(*_: object) -> None:
        raise ThrottledError("ThrottlingException", "slow down")

    with monkeypatch.context() as patch:
        patch.setattr(wiring.alerts(), "history", refuse)
        town.tell()
        town.price(BTC, 100)
        town.beat()
    assert "alerts not read" in [log.getMessage() for log in caplog.records]
    assert [frame["type"] for frame in town.hears("ann")] == ["portfolio"]
    town.tell()
    town.beat()
    assert town.hears("ann") == [{"type": "alerts", "seq": 2, "alerts": [fired]}]


def test_too_many_alerts_for_a_snapshot_are_refused(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "ALERTS", 1)
    town.fire("ann", 1)
    assert town.say("ann", action="subscribe", channel="alerts", since=NOON)[1]["type"] == "snapshot"
    town.fire("ann", 2)
    assert [frame["code"] for frame in town.say("ann", action="subscribe", channel="alerts", since=NOON)] == ["limit"]
    assert town.say("ann", action="subscribe", channel="alerts")[1]["type"] == "snapshot"


def test_resync_shows_all_of_it_anew(town: Town) -> None:
    for id_ in (MAIN, OTHER):
        town.portfolio("ann", id_)
        town.show("ann", id_)
    town.fire("ann", 1)
    town.say("ann", action="subscribe", channel="alerts")
    town.beat()
    town.trade("ann", "buy", "BTC", "1", "1")
    wiring.portfolios().remove(town.users["ann"], OTHER, lambda _: None)
    fired = town.fire("ann", 2)
    told = {"value": "50000", "cost_basis": "1", "unrealized": "49999"}
    assert town.say("ann", action="resync", id="r") == [
        {"type": "resynced", "id": "r"},
        {
            "type": "snapshot",
            "channel": "portfolio",
            "portfolios": [{"id": MAIN, "time": rfc3339(town.now), **told}],
        },
        {"type": "snapshot", "channel": "alerts", "alerts": [fired]},
    ]


def test_the_end_of_a_session_ends_both(town: Town) -> None:
    town.portfolio("ann")
    town.trade("ann", "buy", "BTC", "1", "1")
    town.show("ann")
    town.say("ann", action="subscribe", channel="alerts")
    town.beat()
    town.fire("ann", 1)
    town.tell()
    town.price(BTC, 100)
    wiring.doorbells().ring({}, wiring.connections().end(town.users["ann"], town.now))
    town.beat()
    assert town.hears("ann") == [{"type": "bye", "reason": "session_ended"}]
    assert town.hears("bob") == []
    # Should it speak once more nonetheless, nobody knows whose it is.
    refused = {"type": "error", "code": "unauthorized", "message": "the channel portfolio asks for a ticket"}
    assert town.show("ann") == [refused]
