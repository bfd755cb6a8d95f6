"""Portfolios and their transactions, as a client enters, reads, changes and removes them."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.portfolios import Reader
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles
from cryptopulse.domain.transactions import time_of
from functions.portfolios import app
from tests.functional.web import Person, Reply, Web

NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z."""
NOW_TOLD = "2026-11-22T06:31:03.057Z"
MARCH = 1_709_251_200_000
"""2024-03-01, from when on days are known."""
AT, AT_TOLD = MARCH + DAY // 2, "2024-03-01T12:00:00.000Z"
MARKED = "2024-03-02T00:00:00.000Z"
"""The end of that day, whose close it is."""
CLOSES = {
    Series("coinbase", "BTC-USD"): 50_000_00,
    Series("binance", "BTC-USDT"): 50_000_00,
    Series("coinbase", "ETH-USD"): 2_500_00,
    Series("coinbase", "USDT-USD"): 1_00,
    Series("coinbase", "USDT-EUR"): 80,
    Series("coinbase", "USDT-GBP"): 50,
}
"""Of each day, in hundredths."""
NOBODYS = "0" * 32

type Body = dict[str, Any]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", lambda: NOW)


@pytest.fixture
def market(aws: boto3.Session) -> None:
    """Ten days of prices."""
    wiring.market().save_series(list(CLOSES))
    for series, close in CLOSES.items():
        days = range(MARCH, MARCH + 10 * DAY, DAY)
        bars = [Bar(day, close, close, close, close, 1) for day in days]
        wiring.market().merge(series, "1d", Candles(series.symbol, 2, 0, days.start, days.stop, NOW, bars))


@pytest.fixture
def ann(web: Web, market: None) -> Person:
    return web.person()


class Book:
    """One portfolio of a user's, as a client uses it."""

    def __init__(self, web: Web, token: str, **fields: Any) -> None:
        self._web = web
        self.token = token
        made = web("POST", "/portfolios", {"name": "Main", **fields}, token=token)
        assert made.status == 201, made.body
        self.id: str = made.body["id"]
        self.path = f"/portfolios/{self.id}"

    def __call__(self, method: str, path: str = "", body: object = None, **more: Any) -> Reply:
        return self._web(method, self.path + path, body, token=self.token, **more)

    def enter(self, body: object = None, headers: Mapping[str, str] | None = None, **fields: Any) -> Reply:
        return self("POST", "/transactions", buy(**fields) if body is None else body, headers=headers)

    @property
    def transactions(self) -> list[Body]:
        items: list[Body] = self("GET", "/transactions", query={"limit": "500"}).body["items"]
        return items

    @property
    def stored(self) -> Reader:
        """What is kept of it."""
        user = self._web("GET", "/users/me", token=self.token).body["id"]
        return wiring.portfolios().read(user, self.id)

    @property
    def balances(self) -> dict[str, Decimal]:
        return self.stored.balances


class Meanwhile:
    """Has a request come while another is answered; returns what tells its own answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, request: Callable[[], Reply], *, before: str = "TransactWriteItems") -> Callable[[], Reply]:
        """The request comes just before a call to DynamoDB whose name and sort key begin so."""
        replies: list[Reply] = []
        call = Client.call

        def interrupted(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
            if f"{operation} {body.get('Key', {}).get('sk', {}).get('S', '')}".startswith(before):
                self._monkeypatch.setattr(Client, "call", call)
                event, context = app.api.current_event, app.api.lambda_context
                replies.append(request())
                BaseRouter.current_event, BaseRouter.lambda_context = event, context
            return call(client, operation, body)

        self._monkeypatch.setattr(Client, "call", interrupted)
        return lambda: replies[0]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile(monkeypatch)


@pytest.fixture
def book(web: Web, ann: Person) -> Book:
    return Book(web, ann.access)


def buy(**fields: Any) -> Body:
    return {"type": "buy", "asset": "BTC", "quantity": "2", "price": "100", "time": AT_TOLD, **fields}


def sell(**fields: Any) -> Body:
    return buy(**{"type": "sell", "time": "2024-03-02", **fields})


def seen(book: Book, **fields: Any) -> Body:
    """A transaction as it is shown; the fields of a purchase unless said otherwise."""
    usual: Body = {
        "portfolio_id": book.id,
        "type": "buy",
        "asset": "BTC",
        "quantity": "2",
        "price": "100",
        "currency": "USD",
        "fee": None,
        "fee_asset": None,
        "counter_asset": None,
        "counter_quantity": None,
        "to_portfolio_id": None,
        "from_portfolio_id": None,
        "external_id": None,
        "time": AT_TOLD,
        "note": None,
        "created_at": NOW_TOLD,
        "updated_at": NOW_TOLD,
        "rates": [rate("BTC", "50000")],
    }
    return usual | fields


def rate(asset: str, price: str, currency: str = "USD", time: str = MARKED) -> Body:
    return {"asset": asset, "currency": currency, "price": price, "time": time}


def refusal(reply: Reply) -> tuple[int, str, list[tuple[str, str]] | None]:
    assert reply.headers["Content-Type"] == "application/problem+json"
    errors = reply.body.get("errors")
    return reply.status, reply.body["detail"], errors and [(each["field"], each["message"]) for each in errors]


def at_fault(reply: Reply) -> tuple[int, str]:
    (error,) = reply.body["errors"]
    return reply.status, error["field"]


def tag(body: object) -> str:
    """The ETag of an answer of this body."""
    return f'"{sha256(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()[:32]}"'


def api_token(web: Web, person: Person, *scopes: str) -> str:
    made = web("POST", "/users/me/tokens", {"name": "bot", "scopes": list(scopes)}, token=person.access)
    token: str = made.body["token"]
    return token


# --- portfolios ---


def test_a_portfolio_is_shown_whole(web: Web, ann: Person) -> None:
    made = web("POST", "/portfolios", {"name": " Main "}, token=ann.access)
    expected = {
        "id": made.body["id"],
        "name": "Main",
        "base_currency": "USD",
        "cost_basis": "fifo",
        "created_at": NOW_TOLD,
        "updated_at": NOW_TOLD,
    }
    assert (made.status, made.body) == (201, expected)
    address = f"https://api.test/portfolios/{expected['id']}"
    assert (made.headers["Location"], made.headers["ETag"]) == (address, tag(expected))
    one = web("GET", f"/portfolios/{expected['id']}", token=ann.access)
    assert (one.status, one.body, one.headers["ETag"]) == (200, expected, tag(expected))
    every = web("GET", "/portfolios", token=ann.access)
    assert (every.status, every.body) == (200, {"items": [expected], "next_cursor": None})
    assert {each.headers["Cache-Control"] for each in (made, one, every)} == {"no-store"}


def test_what_is_left_out_is_as_the_preferences_say(web: Web, ann: Person) -> None:
    web("PUT", "/users/me/preferences", {"base_currency": "EUR", "cost_basis": "acb"}, token=ann.access)
    shown = ("name", "base_currency", "cost_basis")
    for body, expected in (
        ({"name": "a"}, ("a", "EUR", "acb")),
        ({"name": "b", "base_currency": "BTC"}, ("b", "BTC", "acb")),
        ({"name": "c", "cost_basis": "hifo"}, ("c", "EUR", "hifo")),
    ):
        made = web("POST", "/portfolios", body, token=ann.access).body
        assert tuple(made[name] for name in shown) == expected


def test_a_bad_portfolio_is_refused(web: Web, ann: Person) -> None:
    given: list[tuple[Body, str]] = [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a", "base_currency": "JPY"}, "base_currency"),
        ({"name": "a", "base_currency": None}, "base_currency"),
        ({"name": "a", "cost_basis": "average"}, "cost_basis"),
        ({"name": "a", "id": NOBODYS}, "id"),
    ]
    replies = [(body, at_fault(web("POST", "/portfolios", body, token=ann.access))) for body, _ in given]
    assert replies == [(body, (422, field)) for body, field in given]
    assert web("GET", "/portfolios", token=ann.access).body["items"] == []


def test_portfolios_come_in_pages_the_oldest_first(web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []
    for late in range(3):
        monkeypatch.setattr(wiring, "now", lambda late=late: NOW + late)
        ids.append(Book(web, ann.access).id)
    first = web("GET", "/portfolios", token=ann.access, query={"limit": "2"}).body
    query = {"limit": "2", "cursor": first["next_cursor"]}
    last = web("GET", "/portfolios", token=ann.access, query=query).body
    assert [each["id"] for each in (*first["items"], *last["items"])] == ids
    assert last["next_cursor"] is None


def test_a_portfolio_changes(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    before = book("GET").body
    monkeypatch.setattr(wiring, "now", lambda: NOW + 1_000)
    changed = book("PATCH", body={"name": "Other", "cost_basis": "lifo"})
    later = {"name": "Other", "cost_basis": "lifo", "updated_at": "2026-11-22T06:31:04.057Z"}
    assert (changed.status, changed.body, changed.headers["ETag"]) == (200, before | later, tag(before | later))
    assert book("GET").body == before | later
    assert at_fault(book("PATCH", body={"name": None})) == (422, "name")
    assert at_fault(book("PATCH", body={"id": NOBODYS})) == (422, "id")


def test_a_portfolio_goes_with_all_that_is_in_it(book: Book) -> None:
    made = book.enter().body
    assert (book("DELETE").status, book("DELETE").status) == (204, 404)
    for path in ("", "/transactions", f"/transactions/{made['id']}"):
        assert refusal(book("GET", path)) == (404, "There is no such portfolio.", None)


def test_there_may_be_a_hundred(web: Web, ann: Person) -> None:
    for _ in range(100):
        Book(web, ann.access)
    reply = web("POST", "/portfolios", {"name": "one more"}, token=ann.access)
    assert refusal(reply) == (409, "There may be 100 portfolios; remove one first.", None)


# --- what is entered ---


def test_a_purchase_is_shown_whole(book: Book) -> None:
    made = book.enter()
    expected = seen(book, id=made.body["id"])
    assert (made.status, made.body) == (201, expected)
    assert time_of(made.body["id"]) == AT
    address = f"https://api.test{book.path}/transactions/{expected['id']}"
    assert (made.headers["Location"], made.headers["ETag"]) == (address, tag(made.body))
    one = book("GET", f"/transactions/{expected['id']}")
    assert (one.status, one.body, one.headers["ETag"]) == (200, expected, tag(made.body))
    assert book("GET", "/transactions").body == {"items": [expected], "next_cursor": None}


def test_every_kind_is_entered_and_shown_with_the_rates_of_its_time(web: Web, book: Book) -> None:
    other = Book(web, book.token, base_currency="EUR")
    unpriced: Body = {"price": None, "currency": None}
    btc, eth = rate("BTC", "50000"), rate("ETH", "2500")
    given: list[tuple[Body, Body]] = [
        (
            buy(quantity="10", currency="EUR", fee="1.50", note=" ü ", external_id="a#1"),
            {"currency": "EUR", "fee": "1.50", "fee_asset": "EUR", "note": "ü", "external_id": "a#1"}
            | {"quantity": "10", "rates": [btc, rate("EUR", "1.25")]},
        ),
        (
            {"type": "trade", "asset": "BTC", "quantity": "1", "counter_asset": "ETH", "counter_quantity": "20.0"},
            {**unpriced, "quantity": "1", "counter_asset": "ETH", "counter_quantity": "20.0", "rates": [btc, eth]},
        ),
        (
            {"type": "sell", "asset": "BTC", "quantity": "1", "price": "0.5", "currency": "BTC", "fee": "0.1"},
            {"quantity": "1", "price": "0.5", "currency": "BTC", "fee": "0.1", "fee_asset": "BTC", "rates": [btc]},
        ),
        (
            {"type": "withdrawal", "asset": "ETH", "quantity": "1", "fee": "0.01", "fee_asset": "ETH"},
            {**unpriced, "asset": "ETH", "quantity": "1", "fee": "0.01", "fee_asset": "ETH", "rates": [eth]},
        ),
        (
            {"type": "transfer", "asset": "BTC", "quantity": "1", "to_portfolio_id": other.id, "fee": "2"},
            {**unpriced, "quantity": "1", "to_portfolio_id": other.id, "fee": "2", "fee_asset": "USD", "rates": [btc]},
        ),
        ({"type": "deposit", "asset": "ETH", "quantity": "3"}, {**unpriced, "asset": "ETH", "quantity": "3"}),
        ({"type": "reward", "asset": "ETH", "quantity": "1", "price": "9"}, {"asset": "ETH", "quantity": "1"}),
        ({"type": "airdrop", "asset": "X7", "quantity": "5"}, {**unpriced, "asset": "X7", "quantity": "5"}),
        ({"type": "fee", "asset": "X7", "quantity": "1"}, {**unpriced, "asset": "X7", "quantity": "1"}),
    ]
    given[5][1]["rates"] = given[6][1]["rates"] = [eth]
    given[6][1]["price"] = "9"
    given[7][1]["rates"] = given[8][1]["rates"] = []
    for place, (body, expected) in enumerate(given):
        reply = book.enter({**body, "time": AT + place})
        time = {"type": body["type"], "time": f"2024-03-01T12:00:00.00{place}Z"}
        assert (reply.status, reply.body) == (201, seen(book, id=reply.body["id"], **expected, **time))
        assert book("GET", f"/transactions/{reply.body['id']}").body == reply.body


def test_what_is_given_as_null_is_left_out(book: Book) -> None:
    nulls = dict.fromkeys(["fee", "fee_asset", "currency", "counter_asset", "counter_quantity", "external_id", "note"])
    made = book.enter(buy(**nulls))
    assert (made.status, made.body) == (201, seen(book, id=made.body["id"]))


def test_an_asset_that_nobody_trades_is_accepted_without_rates(book: Book) -> None:
    made = book.enter(asset="N0B0DY")
    assert (made.status, made.body) == (201, seen(book, id=made.body["id"], asset="N0B0DY", rates=[]))


def test_amounts_are_exact(book: Book) -> None:
    least, most = "0.000000000000000001", "999999999999999999.999999999999999999"
    for quantity, price in ((least, most), (most, least)):
        made = book.enter(quantity=quantity, price=price)
        assert (made.status, made.body["quantity"], made.body["price"]) == (201, quantity, price)


NO_AMOUNTS: list[object] = [
    "-1",
    "-0.5",
    "1000000000000000000",
    "1" * 40,
    "0." + "1" * 39,
    "1.0000000000000000001",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "1e3",
    "1E-18",
    "+1",
    "1.",
    ".5",
    "1,5",
    "1_000",
    " 1",
    "0x10",
    "\u0661",
    "",
    1,
    1.5,
    True,
    [],
]


@pytest.mark.parametrize("field", ["quantity", "price", "fee", "counter_quantity"])
def test_an_amount_that_is_none_is_refused(book: Book, field: str) -> None:
    body = buy() if field != "counter_quantity" else {**buy(type="trade", counter_asset="ETH"), "price": None}
    replies = [(amount, at_fault(book.enter(body | {field: amount}))) for amount in NO_AMOUNTS]
    assert replies == [(amount, (422, field)) for amount in NO_AMOUNTS]
    assert book.transactions == []


def test_only_a_fee_may_be_zero(book: Book) -> None:
    for zero in ("0", "0.0", "000", "0.000000000000000000"):
        for field in ("quantity", "price"):
            assert at_fault(book.enter(buy(**{field: zero}))) == (422, field)
        assert book.enter(fee=zero).status == 201


NO_DRAFTS: list[tuple[Body, str]] = [
    ({"time": "2009-01-02T23:59:59.999Z"}, "time"),
    ({"time": 0}, "time"),
    ({"time": NOW + 300_001}, "time"),
    ({"time": "9999-12-31"}, "time"),
    ({"time": "yesterday"}, "time"),
    ({"time": None}, "time"),
    ({"asset": "USD"}, "asset"),
    ({"asset": "EUR"}, "asset"),
    ({"asset": "btc"}, "asset"),
    ({"asset": "X" * 21}, "asset"),
    ({"asset": "BTC-USD"}, "asset"),
    ({"asset": ""}, "asset"),
    ({"type": "gift"}, "type"),
    ({"currency": "JPY"}, "currency"),
    ({"currency": "ETH"}, "currency"),
    ({"price": None}, "price"),
    ({"price": None, "type": "deposit", "currency": "EUR"}, "currency"),
    ({"type": "fee"}, "price"),
    ({"type": "fee", "price": None, "fee": "1"}, "fee"),
    ({"fee_asset": "BTC"}, "fee_asset"),
    ({"fee": "1", "fee_asset": "JPY"}, "fee_asset"),
    ({"counter_asset": "ETH"}, "counter_asset"),
    ({"type": "trade", "price": None}, "counter_asset"),
    ({"type": "trade", "price": None, "counter_asset": "BTC", "counter_quantity": "1"}, "counter_asset"),
    ({"type": "trade", "price": None, "counter_asset": "ETH"}, "counter_quantity"),
    ({"type": "transfer", "price": None}, "to_portfolio_id"),
    ({"type": "transfer", "price": None, "to_portfolio_id": NOBODYS}, "to_portfolio_id"),
    ({"type": "transfer", "price": None, "to_portfolio_id": "x"}, "to_portfolio_id"),
    ({"external_id": ""}, "external_id"),
    ({"external_id": "a b"}, "external_id"),
    ({"external_id": "x" * 101}, "external_id"),
    ({"note": "x" * 501}, "note"),
    ({"note": "a\nb"}, "note"),
    ({"id": NOBODYS}, "id"),
    ({"marks": {}}, "marks"),
]


def test_what_does_not_go_together_is_refused(book: Book) -> None:
    replies = [(fields, at_fault(book.enter(**fields))) for fields, _ in NO_DRAFTS]
    assert replies == [(fields, (422, field)) for fields, field in NO_DRAFTS]
    assert book.transactions == []


def test_a_clock_may_be_five_minutes_fast(book: Book) -> None:
    assert book.enter(time=NOW + 300_000).status == 201
    assert book.enter(time="2009-01-03").status == 201


def test_money_whose_rate_nobody_knows_is_refused(book: Book) -> None:
    no_rate = "No rate of {} in USD is known for that time: enter the {} in USD"
    for fields, field, message in (
        ({"currency": "EUR"}, "currency", no_rate.format("EUR", "price")),
        ({"fee": "1", "fee_asset": "GBP"}, "fee_asset", no_rate.format("GBP", "fee")),
        ({"currency": "EUR", "fee": "1"}, "currency", no_rate.format("EUR", "price")),
    ):
        reply = book.enter(buy(time=MARCH - 1, **fields))
        assert refusal(reply) == (422, f"{field}: {message}", [(field, message)])
    for price in ({}, {"fee": "0", "fee_asset": "GBP"}, {"fee": "1", "fee_asset": "BTC"}):
        assert book.enter(buy(time=MARCH - 1, **price)).status == 201
    assert [each["rates"] for each in book.transactions] == [[], [], []]


def test_a_transfer_between_bases_needs_their_rate(web: Web, book: Book) -> None:
    euros = Book(web, book.token, base_currency="EUR")
    book.enter(time=MARCH - 2)
    move = {"type": "transfer", "asset": "BTC", "quantity": "1", "to_portfolio_id": euros.id}
    message = "No rate of USD in EUR is known for that time: enter a withdrawal, and a deposit with its price in EUR"
    refused = refusal(book.enter({**move, "time": MARCH - 1}))
    assert refused == (422, f"to_portfolio_id: {message}", [("to_portfolio_id", message)])
    assert book.enter({**move, "time": AT}).status == 201


def test_a_transfer_to_itself_or_to_somebody_else_is_refused(web: Web, book: Book) -> None:
    book.enter()
    strangers = Book(web, web.person("bob@example.com").access)
    move = {"type": "transfer", "asset": "BTC", "quantity": "1", "time": "2024-03-02"}
    own = refusal(book.enter({**move, "to_portfolio_id": book.id}))
    message = "Expected another portfolio than the transfer's own"
    assert own == (422, f"to_portfolio_id: {message}", [("to_portfolio_id", message)])
    replies = [book.enter({**move, "to_portfolio_id": each}) for each in (strangers.id, NOBODYS, "x", "")]
    message = "Expected a portfolio of yours"
    expected = (422, f"to_portfolio_id: {message}", [("to_portfolio_id", message)])
    assert [refusal(each) for each in replies] == [expected] * 4


def test_an_external_id_is_taken_once(book: Book) -> None:
    first = book.enter(external_id="x").body
    assert refusal(book.enter(external_id="x")) == (409, "There is a transaction x already.", None)
    other = book.enter().body
    taken = book("PATCH", f"/transactions/{other['id']}", {"external_id": "x"})
    assert refusal(taken) == (409, "There is a transaction x already.", None)
    assert book("PATCH", f"/transactions/{first['id']}", {"external_id": "x", "note": "n"}).status == 200
    assert book("DELETE", f"/transactions/{first['id']}").status == 204
    assert book.enter(external_id="x").status == 201


# --- arrays ---


def test_an_array_is_entered_whole_in_its_order(book: Book) -> None:
    bodies = [buy(quantity=f"{place + 1}") for place in range(100)]
    made = book.enter(bodies)
    expected = [seen(book, id=each["id"], quantity=f"{place + 1}") for place, each in enumerate(made.body)]
    assert (made.status, made.body) == (201, expected)
    assert not {"Location", "ETag"} & made.headers.keys()
    assert book.transactions == expected[::-1]


def test_an_array_of_one_is_answered_by_one(book: Book) -> None:
    made = book.enter([buy()])
    assert (made.status, made.body) == (201, [seen(book, id=made.body[0]["id"])])


def test_of_an_array_with_an_error_nothing_is_entered(book: Book) -> None:
    given: list[tuple[object, str]] = [
        (buy(price="-1"), "[2].price"),
        (buy(price=None), "[2].price"),
        (buy(time=NOW + 300_001), "[2].time"),
        (buy(time=MARCH - 1, currency="EUR"), "[2].currency"),
        (
            {"type": "transfer", "to_portfolio_id": NOBODYS, "asset": "BTC", "quantity": "1", "time": AT},
            "[2].to_portfolio_id",
        ),
        (7, "[2]"),
    ]
    replies = [(bad, at_fault(book.enter([buy(), buy(), bad]))) for bad, _ in given]
    assert replies == [(bad, (422, field)) for bad, field in given]
    assert book.transactions == []


def test_an_array_that_falls_short_or_repeats_a_name_enters_nothing(book: Book) -> None:
    reply = book.enter([buy(), sell(quantity="2.5")])
    conflict = {"portfolio_id": book.id, "transaction_id": None, "asset": "BTC", "missing": "0.5"}
    conflict["time"] = "2024-03-02T00:00:00.000Z"
    assert (reply.status, reply.body["conflict"]) == (409, conflict)
    assert book.enter([buy(external_id="x"), buy(external_id="x")]).status == 409
    assert book.transactions == []


@pytest.mark.parametrize("count", [0, 101])
def test_an_array_has_one_to_a_hundred(book: Book, count: int) -> None:
    message = "Expected 1 to 100 in the array"
    assert refusal(book.enter([buy()] * count)) == (422, f"body: {message}", [("body", message)])


def test_a_body_may_be_long_but_not_endless(book: Book) -> None:
    long = json.dumps([buy(note="x" * 500)] * 100).ljust(262_144)
    sent = {"content-type": "application/json"}
    assert book.enter(long, headers=sent).status == 201
    refused = book.enter(long + " ", headers=sent)
    assert refusal(refused) == (413, "The body must not be longer than 262144 bytes.", None)


# --- what would be short ---


def conflict_of(reply: Reply) -> tuple[int, str, Body]:
    return reply.status, reply.body["detail"], reply.body["conflict"]


def test_a_sale_of_more_than_there_is_is_refused(book: Book) -> None:
    book.enter()
    conflict = {
        "portfolio_id": book.id,
        "transaction_id": None,
        "asset": "BTC",
        "time": "2024-03-02T00:00:00.000Z",
        "missing": "0.000000000000000001",
    }
    short = (409, "The sell of 2024-03-02 would take 0.000000000000000001 BTC more than there is.", conflict)
    assert conflict_of(book.enter(sell(quantity="2.000000000000000001"))) == short
    assert book.enter(sell(quantity="2")).status == 201
    assert book.enter(sell(quantity="0.000000000000000001")).status == 409
    assert book.balances == {}


def test_an_earlier_sale_must_leave_enough_for_later_ones(book: Book) -> None:
    book.enter()
    later = book.enter(sell(quantity="2", time="2024-03-04")).body["id"]
    conflict = {"portfolio_id": book.id, "transaction_id": later, "asset": "BTC", "missing": "1"}
    conflict["time"] = "2024-03-04T00:00:00.000Z"
    refusal = (409, "The sell of 2024-03-04 would take 1 BTC more than there is.", conflict)
    assert conflict_of(book.enter(sell(quantity="1", time="2024-03-03"))) == refusal


def test_a_purchase_that_was_sold_can_be_neither_removed_nor_lessened(book: Book) -> None:
    bought, sold = book.enter().body["id"], book.enter(sell(quantity="1.5")).body["id"]
    before = book.transactions
    conflict = {"portfolio_id": book.id, "transaction_id": sold, "asset": "BTC", "missing": "1.5"}
    conflict["time"] = "2024-03-02T00:00:00.000Z"
    path = f"/transactions/{bought}"
    refusal = (409, "The sell of 2024-03-02 would take 1.5 BTC more than there is.", conflict)
    assert conflict_of(book("DELETE", path)) == refusal
    for change, missing in (
        ({"quantity": "1"}, "0.5"),
        ({"time": "2024-03-03"}, "1.5"),
        ({"asset": "ETH"}, "1.5"),
        ({"type": "withdrawal", "price": None}, "1.5"),
    ):
        status, _, told = conflict_of(book("PATCH", path, change))
        assert (status, told["missing"]) == (409, missing) or told["transaction_id"] == bought
    assert book.transactions == before
    assert book("PATCH", path, {"quantity": "1.5"}).status == 200
    assert book("DELETE", f"/transactions/{sold}").status == 204
    assert book("DELETE", path).status == 204


def test_a_change_is_told_by_its_own_id(book: Book) -> None:
    book.enter()
    sold = book.enter(sell(quantity="1")).body["id"]
    conflict = {"portfolio_id": book.id, "transaction_id": sold, "asset": "BTC", "missing": "1"}
    conflict["time"] = "2024-03-02T00:00:00.000Z"
    reply = book("PATCH", f"/transactions/{sold}", {"quantity": "3"})
    assert conflict_of(reply) == (409, "The sell of 2024-03-02 would take 1 BTC more than there is.", conflict)


def test_a_fee_in_coin_needs_that_coin(book: Book) -> None:
    conflict = {"portfolio_id": book.id, "transaction_id": None, "asset": "ETH", "time": AT_TOLD, "missing": "0.5"}
    refusal = (409, f"The buy of {AT_TOLD[:10]} would take 0.5 ETH more than there is.", conflict)
    assert conflict_of(book.enter(fee="0.5", fee_asset="ETH")) == refusal
    assert book.enter(fee="0.5", fee_asset="BTC").status == 201
    assert book.balances == {"BTC": Decimal("1.5")}


# --- transfers ---


@pytest.fixture
def euros(web: Web, book: Book) -> Book:
    return Book(web, book.token, base_currency="EUR")


def transfer(to: Book, **fields: Any) -> Body:
    return {
        "type": "transfer",
        "asset": "BTC",
        "quantity": "1",
        "to_portfolio_id": to.id,
        "time": "2024-03-02",
        **fields,
    }


def test_a_transfer_is_seen_from_both_portfolios(book: Book, euros: Book) -> None:
    book.enter()
    made = book.enter(transfer(euros, fee="1", external_id="t", note="n"))
    shared: Body = {
        "id": made.body["id"],
        "type": "transfer",
        "quantity": "1",
        "price": None,
        "currency": None,
        "to_portfolio_id": euros.id,
        "time": "2024-03-02T00:00:00.000Z",
        "external_id": "t",
        "note": "n",
    }
    end = "2024-03-03T00:00:00.000Z"
    out = seen(book, **shared, fee="1", fee_asset="USD", rates=[rate("BTC", "50000", time=end)])
    rates = [rate("BTC", "40000.0", "EUR", end), rate("USD", "0.8", "EUR", end)]
    in_ = seen(euros, **shared, from_portfolio_id=book.id, rates=rates)
    assert (made.status, made.body) == (201, out)
    path = f"/transactions/{shared['id']}"
    assert (book("GET", path).body, euros("GET", path).body) == (out, in_)
    assert (book.transactions[0], euros.transactions) == (out, [in_])
    assert (book.balances, euros.balances) == ({"BTC": Decimal(1)}, {"BTC": Decimal(1)})


@pytest.mark.parametrize("at_target", [False, True])
def test_a_transfer_changes_and_goes_from_either_end(book: Book, euros: Book, at_target: bool) -> None:
    book.enter()
    id_ = book.enter(transfer(euros)).body["id"]
    path, end = f"/transactions/{id_}", euros if at_target else book
    changed = end("PATCH", path, {"quantity": "0.5", "fee": "1", "note": "half"})
    assert (changed.status, changed.body) == (200, end("GET", path).body)
    assert changed.headers["ETag"] == tag(changed.body)
    seen_ = [each("GET", path).body for each in (book, euros)]
    assert [(each["quantity"], each["note"], each["fee"]) for each in seen_] == [
        ("0.5", "half", "1"),
        ("0.5", "half", None),
    ]
    assert (book.balances, euros.balances) == ({"BTC": Decimal("1.5")}, {"BTC": Decimal("0.5")})
    assert end("DELETE", path).status == 204
    assert [each("GET", path).status for each in (book, euros)] == [404, 404]
    assert (book.balances, euros.balances) == ({"BTC": Decimal(2)}, {})


def test_lots_that_were_sold_where_they_went_cannot_be_called_back(book: Book, euros: Book) -> None:
    book.enter()
    moved = book.enter(transfer(euros)).body["id"]
    sold = euros.enter(sell(quantity="1", time="2024-03-03")).body["id"]
    conflict = {"portfolio_id": euros.id, "transaction_id": sold, "asset": "BTC", "missing": "1"}
    conflict["time"] = "2024-03-03T00:00:00.000Z"
    refusal = (409, "The sell of 2024-03-03 would take 1 BTC more than there is.", conflict)
    for end in (book, euros):
        assert conflict_of(end("DELETE", f"/transactions/{moved}")) == refusal
    assert euros.balances == {}


def test_a_transfer_is_led_elsewhere_or_becomes_something_else(web: Web, book: Book, euros: Book) -> None:
    book.enter()
    third = Book(web, book.token)
    id_ = book.enter(transfer(euros)).body["id"]
    path = f"/transactions/{id_}"
    led = euros("PATCH", path, {"to_portfolio_id": third.id})
    assert (led.status, led.body) == (200, book("GET", path).body)
    assert led.body["portfolio_id"] == book.id
    assert [each("GET", path).status for each in (euros, third)] == [404, 200]
    gone = book("PATCH", path, {"type": "withdrawal", "to_portfolio_id": None})
    assert (gone.status, gone.body["type"], third("GET", path).status) == (200, "withdrawal", 404)
    back = book("PATCH", path, {"type": "transfer", "to_portfolio_id": euros.id})
    assert (back.status, euros("GET", path).body["from_portfolio_id"]) == (200, book.id)
    assert at_fault(euros("PATCH", path, {"to_portfolio_id": book.id})) == (422, "to_portfolio_id")


def test_where_a_portfolio_is_gone_its_transfers_other_ends_stay(web: Web, book: Book, euros: Book) -> None:
    book.enter()
    out, in_ = (book.enter(transfer(euros, time=f"2024-03-0{day}")).body["id"] for day in (2, 3))
    third = Book(web, book.token)
    third.enter()
    came = third.enter(transfer(book, time="2024-03-04")).body["id"]
    assert [each("DELETE").status for each in (euros, third)] == [204, 204]
    noted = book("PATCH", f"/transactions/{out}", {"note": "n", "quantity": "0.5"})
    assert (noted.status, noted.body["note"], noted.body["to_portfolio_id"]) == (200, "n", euros.id)
    assert book("DELETE", f"/transactions/{in_}").status == 204
    refused = refusal(book("PATCH", f"/transactions/{came}", {"note": "n"}))
    assert refused == (409, "The portfolio that this transfer came from is gone: it can only be removed.", None)
    assert book.balances == {"BTC": Decimal("2.5")}
    assert book("DELETE", f"/transactions/{came}").status == 204
    assert book.balances == {"BTC": Decimal("1.5")}


# --- changes ---


def test_a_change_keeps_what_it_does_not_name(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    before = book.enter(fee="1", currency="EUR", external_id="x", note="n").body
    monkeypatch.setattr(wiring, "now", lambda: NOW + 1_000)
    path = f"/transactions/{before['id']}"
    later: Body = {"updated_at": "2026-11-22T06:31:04.057Z"}
    changes: list[tuple[Body, Body]] = [
        ({}, {}),
        ({"note": None, "quantity": "3"}, {"note": None, "quantity": "3"}),
        ({"fee": None}, {"fee": None, "fee_asset": None}),
        ({"currency": "USD"}, {"currency": "USD", "rates": [rate("BTC", "50000")]}),
        (
            {"time": "2024-03-05T00:00:00Z", "asset": "ETH"},
            {
                "time": "2024-03-05T00:00:00.000Z",
                "asset": "ETH",
                "rates": [rate("ETH", "2500", time="2024-03-06T00:00:00.000Z")],
            },
        ),
        ({"type": "reward", "price": None}, {"type": "reward", "price": None, "currency": None}),
    ]
    for change, more in changes:
        later |= more
        changed = book("PATCH", path, change)
        assert (changed.status, changed.body) == (200, before | later)
        assert book("GET", path).body == before | later
    assert book.transactions == [before | later]


def test_a_change_leaves_the_marks_of_an_unchanged_time(book: Book) -> None:
    made = book.enter(time=AT, asset="SOL", currency="EUR").body
    wiring.market().save_series([*CLOSES, Series("coinbase", "SOL-USD")])
    eur = Series("coinbase", "USDT-EUR")
    wiring.market().merge(
        eur, "1d", Candles(eur.symbol, 2, 0, MARCH, MARCH + DAY, NOW + 1, [Bar(MARCH, 9, 9, 9, 9, 1)])
    )
    assert book("PATCH", f"/transactions/{made['id']}", {"quantity": "3"}).body["rates"] == made["rates"]


NO_CHANGES: list[tuple[Body, str]] = [
    ({"price": "0"}, "price"),
    ({"price": None}, "price"),
    ({"quantity": None}, "quantity"),
    ({"type": None}, "type"),
    ({"type": "fee"}, "price"),
    ({"time": NOW + 300_001}, "time"),
    ({"time": MARCH - 1, "currency": "EUR"}, "currency"),
    ({"asset": "EUR"}, "asset"),
    ({"id": NOBODYS}, "id"),
    ({"portfolio_id": NOBODYS}, "portfolio_id"),
    ({"type": "transfer", "price": None, "to_portfolio_id": NOBODYS}, "to_portfolio_id"),
]


def test_a_bad_change_is_refused(book: Book) -> None:
    made = book.enter().body
    path = f"/transactions/{made['id']}"
    replies = [(change, at_fault(book("PATCH", path, change))) for change, _ in NO_CHANGES]
    assert replies == [(change, (422, field)) for change, field in NO_CHANGES]
    assert book.transactions == [made]


# --- ETag, If-Match ---


def paths(book: Book) -> list[str]:
    return ["", f"/transactions/{book.enter().body['id']}"]


def test_a_client_is_spared_what_it_knows(book: Book) -> None:
    for path in paths(book):
        known = book("GET", path).headers["ETag"]
        spared = book("GET", path, headers={"if-none-match": f'"x", W/{known}'})
        assert (spared.status, spared.body, spared.headers["ETag"]) == (304, None, known)
        assert book("GET", path, headers={"if-none-match": '"x"'}).status == 200
        assert book("PATCH", path, {}, headers={"if-none-match": known}).status == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_what_has_changed_since_is_left_alone(book: Book, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in reversed(paths(book)):
        old = book("GET", path).headers["ETag"]
        monkeypatch.setattr(wiring, "now", lambda: NOW + 1)
        new = book("PATCH", path, {}).headers["ETag"]
        before = book("GET", path).body
        body: Body | None = {} if method == "PATCH" else None
        for stale in (old, f"W/{new}", '"x"', ""):
            refused = refusal(book(method, path, body, headers={"if-match": stale}))
            assert refused == (412, "It has been changed since: read it again.", None)
        assert book("GET", path).body == before
        assert book(method, path, body, headers={"if-match": f'"x", {new}'}).status in (200, 204)
    assert book(method, path, body, headers={"if-match": "*"}).status == (200 if method == "PATCH" else 404)


def test_of_two_changes_with_one_tag_one_holds(book: Book, meanwhile: Meanwhile) -> None:
    for path in paths(book):
        field = "note" if path else "name"
        expected = {"if-match": book("GET", path).headers["ETag"]}
        first = meanwhile(partial(book, "PATCH", path, {field: "a"}, headers=expected))
        second = book("PATCH", path, {field: "b"}, headers=expected)
        assert (first().status, second.status) == (200, 412)
        assert book("GET", path).body[field] == "a"


def test_of_two_changes_at_once_none_is_lost(book: Book, meanwhile: Meanwhile) -> None:
    for path, fields in zip(paths(book), (("name", "base_currency"), ("note", "external_id")), strict=True):
        first = meanwhile(partial(book, "PATCH", path, {fields[0]: "EUR"}))
        second = book("PATCH", path, {fields[1]: "EUR"})
        assert (first().status, second.status) == (200, 200)
        assert [book("GET", path).body[field] for field in fields] == ["EUR", "EUR"]


# --- the base currency ---


def test_in_another_base_currency_all_is_told_at_the_rates_of_its_time(book: Book) -> None:
    entered = [
        book.enter(fee="1").body,
        book.enter(currency="EUR", time=AT + 1).body,
        book.enter(type="sell", fee="0.1", fee_asset="BTC", time=AT + 2, price="7", currency="USDT").body,
        book.enter(asset="N0B0DY", currency="EUR", time=AT + 3).body,
    ]
    changed = book("PATCH", body={"base_currency": "EUR", "cost_basis": "acb"})
    assert (changed.status, changed.body) == (200, book("GET").body)
    assert (changed.body["base_currency"], changed.body["cost_basis"]) == ("EUR", "acb")
    btc, usd, tether = rate("BTC", "40000.0", "EUR"), rate("USD", "0.8", "EUR"), rate("USDT", "0.8", "EUR")
    rates = [[btc, usd], [btc], [btc, tether], []]
    assert book.transactions[::-1] == [{**each, "rates": marks} for each, marks in zip(entered, rates, strict=True)]
    lots = book.stored.book().holdings["BTC"]
    # 2 at 100 dollars and 1 more, at 0.8; 2 at 100 euros; of these 4 at their average 2.1 less
    assert lots.quantity == Decimal("1.9")
    assert lots.cost == Decimal("360.8") - Decimal("360.8") * 2 / 4 - Decimal("360.8") / 4 * Decimal("0.1")


def test_a_base_currency_without_rates_is_refused(book: Book) -> None:
    made = book.enter(time=MARCH - 1).body
    refused = refusal(book("PATCH", body={"base_currency": "EUR", "name": "x"}))
    reason = "No rate of USD in EUR is known for that time: enter the price in EUR"
    assert refused == (409, f"The transaction {made['id']} at 2024-02-29T23:59:59.999Z: {reason}.", None)
    assert (book("GET").body["name"], book("GET").body["base_currency"]) == ("Main", "USD")


def test_a_portfolio_with_transfers_or_very_much_keeps_its_base_currency(
    book: Book, euros: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    for change in ({"base_currency": "GBP"}, {"base_currency": "USD"}):
        assert book("PATCH", body=change).status == 200
    book.enter()
    moved = book.enter(transfer(euros)).body["id"]
    for end, base in ((book, "EUR"), (euros, "USD")):
        refused = refusal(end("PATCH", body={"base_currency": base}))
        reason = "A portfolio with transfers keeps its base currency: costs have gone over in it."
        assert refused == (409, reason, None)
    book("DELETE", f"/transactions/{moved}")
    assert euros("PATCH", body={"base_currency": "USD"}).status == 200
    monkeypatch.setattr("cryptopulse.aws.portfolios.REMARKED", 1)
    assert book("PATCH", body={"base_currency": "EUR"}).status == 200
    book.enter()
    refused = refusal(book("PATCH", body={"base_currency": "USD"}))
    assert refused == (409, "A portfolio of more than 1 transactions keeps its base currency.", None)
    assert book("PATCH", body={"base_currency": "EUR", "name": "same"}).status == 200


def test_what_is_entered_while_the_base_currency_changes_is_not_kept_in_the_old_one(
    book: Book, euros: Book, meanwhile: Meanwhile
) -> None:
    raced = (409, "The portfolio's base currency was changed at the same moment; try again.", None)
    change = meanwhile(lambda: book("PATCH", body={"base_currency": "GBP"}))
    assert (refusal(book.enter()), change().status) == (raced, 200)
    book.enter()
    change = meanwhile(lambda: euros("PATCH", body={"base_currency": "GBP"}))
    assert (refusal(book.enter(transfer(euros))), change().status) == (raced, 200)
    assert (len(book.transactions), euros.transactions) == (1, [])


# --- lists ---


def test_pages_do_not_shift_when_more_is_entered(book: Book) -> None:
    book.enter([buy(quantity=f"{place + 1}", time=AT + place // 2) for place in range(7)])
    entered = book.transactions
    query, found = {"limit": "3"}, []
    while True:
        page = book("GET", "/transactions", query=query).body
        found += page["items"]
        assert len(page["items"]) <= 3
        book.enter(time=AT + 100)
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == entered
    times = [(each["time"], each["id"]) for each in found]
    assert times == sorted(times, reverse=True)


def test_a_page_goes_on_where_its_last_was_removed(book: Book) -> None:
    book.enter([buy(time=AT + place) for place in range(4)])
    entered = book.transactions
    page = book("GET", "/transactions", query={"limit": "2"}).body
    book("DELETE", f"/transactions/{page['items'][-1]['id']}")
    rest = book("GET", "/transactions", query={"limit": "2", "cursor": page["next_cursor"]}).body
    assert (rest["items"], rest["next_cursor"]) == (entered[2:], None)


def test_a_list_is_narrowed(book: Book) -> None:
    book.enter(buy(time=MARCH, quantity="9", asset="BNB"))
    book.enter(buy(time=MARCH + 1, fee="1", fee_asset="BNB"))
    trade = {"type": "trade", "asset": "BTC", "quantity": "1", "counter_asset": "ETH", "counter_quantity": "1"}
    book.enter({**trade, "time": MARCH + 2})
    book.enter(buy(time=MARCH + 3, asset="SOL", fee="1", fee_asset="USD"))
    every = book.transactions[::-1]
    for query, expected in (
        ({"start": str(MARCH + 2)}, [3, 2]),
        ({"end": str(MARCH + 2)}, [1, 0]),
        ({"start": "2024-03-01", "end": "2024-03-01T00:00:00.002Z"}, [1, 0]),
        ({"start": str(MARCH + 1), "end": str(MARCH + 1)}, []),
        ({"start": str(MARCH + 3), "end": str(MARCH)}, []),
        ({"asset": "BNB"}, [1, 0]),
        ({"asset": "ETH"}, [2]),
        ({"asset": "BTC", "type": "buy"}, [1]),
        ({"asset": "USD"}, []),
        ({"type": "buy"}, [3, 1, 0]),
        ({"type": "fee"}, []),
    ):
        for limit in ("1", "500"):
            found: list[Body] = []
            page: Body = {"next_cursor": ""}
            while page["next_cursor"] is not None:
                cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
                page = book("GET", "/transactions", query={**query, "limit": limit, **cursor}).body
                found += page["items"]
            assert found == [every[place] for place in expected], query


def test_a_search_goes_on_in_another_page(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.enter([buy(time=AT + place, asset="ETH" if place in (0, 3) else "BTC") for place in range(5)])
    every = book.transactions
    monkeypatch.setattr(app, "SEARCHED", 2)
    pages: list[list[Body]] = []
    query = {"asset": "ETH"}
    while query.get("cursor") or not pages:
        page = book("GET", "/transactions", query=query).body
        pages.append(page["items"])
        query["cursor"] = page["next_cursor"]
    assert pages == [[every[1]], [], [every[4]]]


def test_a_bad_query_is_refused(web: Web, book: Book) -> None:
    other = Book(web, book.token)
    book.enter([buy(), buy()])
    cursor = book("GET", "/transactions", query={"limit": "1"}).body["next_cursor"]
    for query, field in (
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": cursor}, "cursor"),
        ({"limit": "1", "asset": "BTC", "cursor": cursor}, "cursor"),
        ({"asset": "btc"}, "asset"),
        ({"type": "gift"}, "type"),
        ({"start": "then"}, "start"),
        ({"from": "2024"}, "from"),
    ):
        assert at_fault(book("GET", "/transactions", query=query)) == (422, field)
    assert at_fault(other("GET", "/transactions", query={"limit": "1", "cursor": cursor})) == (422, "cursor")


# --- Idempotency-Key ---

KEY = {"idempotency-key": "k"}


def same(first: Reply, again: Reply) -> bool:
    """Whether an answer is another's, but for what tells of the request itself."""

    def told(reply: Reply) -> tuple[int, Any, dict[str, str]]:
        names = ("Content-Type", "Cache-Control", "ETag", "Location")
        return reply.status, reply.body, {name: reply.headers[name] for name in names if name in reply.headers}

    return told(first) == told(again)


def test_a_repeat_gets_the_first_answer_and_does_nothing(web: Web, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Reply:
        return web("POST", "/portfolios", {"name": "x"}, token=book.token, headers=KEY)

    for send in (
        make,
        lambda: book.enter(headers=KEY),
        lambda: book.enter([buy(), buy(external_id="x")], headers={"idempotency-key": "many"}),
    ):
        replies = []
        for now in (NOW, NOW + 86_399_000):
            monkeypatch.setattr(wiring, "now", lambda now=now: now)
            book.token = web.again("").access
            replies.append(send())
        assert replies[0].status == 201
        assert same(*replies)
    assert len(book.transactions) == 3
    assert len(web("GET", "/portfolios", token=book.token).body["items"]) == 2


def test_a_repeat_is_told_the_first_answer_though_it_has_changed_since(book: Book) -> None:
    first = book.enter(external_id="x", headers=KEY)
    book("PATCH", f"/transactions/{first.body['id']}", {"note": "n"})
    assert same(first, book.enter(external_id="x", headers=KEY))
    book("DELETE", f"/transactions/{first.body['id']}")
    assert same(first, book.enter(external_id="x", headers=KEY))
    assert book.transactions == []


def test_a_key_is_good_for_one_request_of_one_route_and_user(web: Web, book: Book) -> None:
    first = book.enter(headers=KEY)
    used = (422, "Idempotency-Key: Was used for another request", [("Idempotency-Key", "Was used for another request")])
    for body in (buy(quantity="3"), [buy()], sell()):
        assert refusal(book.enter(body, headers=KEY)) == used
    other = Book(web, book.token)
    bobs = Book(web, web.person("bob@example.com").access)
    made = [each.enter(headers=KEY) for each in (other, bobs)]
    assert [(reply.status, reply.body["id"] != first.body["id"]) for reply in made] == [(201, True)] * 2


def test_a_key_counts_for_a_day(web: Web, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    first = book.enter(headers=KEY)
    monkeypatch.setattr(wiring, "now", lambda: NOW + 86_400_000)
    book.token = web.again("").access
    second = book.enter(quantity="3", headers=KEY)
    assert (second.status, second.body["id"] != first.body["id"]) == (201, True)
    assert same(second, book.enter(quantity="3", headers=KEY))


def test_a_refusal_is_not_kept(book: Book) -> None:
    refused = [book.enter(sell(), headers=KEY), book.enter(price="0", headers=KEY)]
    assert [each.status for each in refused] == [409, 422]
    assert book.enter(headers=KEY).status == 201


def test_of_two_repeats_at_once_one_does_it(web: Web, book: Book, meanwhile: Meanwhile) -> None:
    def make() -> Reply:
        return web("POST", "/portfolios", {"name": "x"}, token=book.token, headers=KEY)

    for send in (
        make,
        lambda: book.enter(external_id="x", headers=KEY),
        lambda: book.enter([buy(), sell()], headers={"idempotency-key": "many"}),
    ):
        first = meanwhile(send)
        assert same(send(), first())
    assert len(book.transactions) == 3
    assert len(web("GET", "/portfolios", token=book.token).body["items"]) == 2


def test_who_comes_second_is_told_the_first_answer_though_he_would_be_refused(book: Book, meanwhile: Meanwhile) -> None:
    book.enter()
    first = meanwhile(lambda: book.enter(sell(), headers=KEY), before="GetItem PORTFOLIO#")
    assert same(book.enter(sell(), headers=KEY), first())
    assert len(book.transactions) == 2


def test_of_two_requests_with_one_key_at_once_the_other_is_refused(book: Book, meanwhile: Meanwhile) -> None:
    first = meanwhile(lambda: book.enter(headers=KEY))
    second = book.enter(quantity="3", headers=KEY)
    assert (first().status, at_fault(second)) == (201, (422, "Idempotency-Key"))


@pytest.mark.parametrize("key", ["", "k" * 65, "ü"])
def test_a_bad_key_is_refused(book: Book, key: str) -> None:
    assert at_fault(book.enter(headers={"idempotency-key": key})) == (422, "Idempotency-Key")


# --- who may ---


def routes(book: Book, id_: str) -> list[tuple[str, str, object]]:
    one = f"{book.path}/transactions/{id_}"
    return [
        ("GET", book.path, None),
        ("PATCH", book.path, {"name": "x"}),
        ("DELETE", book.path, None),
        ("GET", f"{book.path}/transactions", None),
        ("POST", f"{book.path}/transactions", buy()),
        ("POST", f"{book.path}/transactions", [buy()]),
        ("GET", one, None),
        ("PATCH", one, {"note": "x"}),
        ("DELETE", one, None),
    ]


def test_what_is_somebody_elses_is_not_there(web: Web, book: Book) -> None:
    made = book.enter().body
    before = book("GET").body, book.transactions
    bob = web.person("bob@example.com").access
    unknown = [("/portfolios/" + each) for each in (NOBODYS, "x", "X" * 32, "%20", "..")]
    for method, path, body in routes(book, made["id"]):
        replies = [
            web(method, each, body, token=bob) for each in [path, *(path.replace(book.path, no) for no in unknown)]
        ]
        assert [refusal(each) for each in replies] == [(404, "There is no such portfolio.", None)] * 6
    assert (book("GET").body, book.transactions) == before
    assert web("GET", "/portfolios", token=bob).body["items"] == []


def test_a_transaction_is_there_in_its_own_portfolio_only(web: Web, book: Book) -> None:
    made = book.enter().body
    other = Book(web, book.token)
    for end, id_ in ((other, made["id"]), (book, NOBODYS), (book, "x"), (book, "f" * 32)):
        for method, path, body in routes(end, id_)[-3:]:
            reply = web(method, path, body, token=book.token)
            assert refusal(reply) == (404, "There is no such transaction.", None)
    assert book.transactions == [made]


def test_a_token_goes_as_far_as_its_scopes(web: Web, ann: Person, book: Book) -> None:
    made = book.enter().body
    tokens = {scope: api_token(web, ann, scope) for scope in ("read", "trade", "admin")}
    every = [("GET", "/portfolios", None), ("POST", "/portfolios", {"name": "x"}), *routes(book, made["id"])]
    for method, path, body in every:
        needed = "read" if method == "GET" else "trade"
        for scope, token in tokens.items():
            if scope == needed:
                continue
            refused = web(method, path, body, token=token)
            assert refusal(refused) == (403, f"This needs the scope {needed}.", None)
        assert web(method, path, body).status == 401
    assert book.transactions == [made]
    assert web("POST", f"{book.path}/transactions", buy(), token=tokens["trade"]).status == 201
    assert len(web("GET", f"{book.path}/transactions", token=tokens["read"]).body["items"]) == 2


def test_nothing_is_left_of_an_account_that_has_ended(web: Web, ann: Person, book: Book) -> None:
    book.enter()
    web("DELETE", "/users/me", {"current_password": "correct horse battery staple"}, token=ann.access)
    assert {web(method, path, body, token=ann.access).status for method, path, body in routes(book, NOBODYS)} == {401}
