"""Reports on portfolios, as a client reads them: from transactions entered over HTTP and prices in the table."""

from decimal import Decimal

import pytest

from cryptopulse import wiring
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.domain.candles import DAY, MINUTE
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Quote, Record
from cryptopulse.domain.times import Time
from tests.functional.conftest import Filled
from tests.functional.web import Person, Reply, Web

NOW = int(Time.parse("2026-03-10T10:00:03Z"))
FIRST = int(Time.parse("2026-02-01"))
QUIET = int(Time.parse("2026-03-03"))
"""A day on which nobody traded ETH."""
BTC, ETH, EUR, USD = (Series("coinbase", each) for each in ("BTC-USD", "ETH-USD", "USDT-EUR", "USDT-USD"))
NOBODYS = "0" * 32
NO_TIME = "Expected a time before the end, and not in the future"
NO_CURSOR = "Not a cursor of this list: use it unchanged, with the same other parameters"


def close(series: Series, day: int) -> int:
    """In cents: BTC rises by 1 a day from 100, ETH stays at 10; a dollar is 0.80 EUR."""
    fixed = {ETH: 10_00, EUR: 80, USD: 1_00}
    return fixed.get(series, 100_00 + (day - FIRST) // DAY * 1_00)


def flat(start: int, price: int) -> Bar:
    return Bar(start, price, price, price, price, 100)


def fill(market: Market) -> None:
    market.save_series([BTC, ETH, EUR, USD])
    today, minute = NOW // DAY * DAY, NOW // MINUTE * MINUTE
    for series in (BTC, ETH, EUR, USD):
        days = [day for day in range(FIRST, today, DAY) if (series, day) != (ETH, QUIET)]
        bars = [flat(day, close(series, day)) for day in days]
        market.merge(series, "1d", Candles(series.symbol, 2, 3, FIRST, today, today, bars))
        number, price = lane_of(series, 2), close(series, today)
        lane = market.lane(number)
        version, minutes = lane.version, LazyMinutes(market, number)
        last = Candles(series.symbol, 2, 3, minute - MINUTE, minute, minute, [flat(minute - MINUTE, price)])
        told = Record(series.venue, number, [last, Quote(series.symbol, 2, price, NOW - 1000), Clock(minute)])
        market.write(lane, version, [minutes[each] for each in fold(lane, minutes, [told]).minutes])


@pytest.fixture(autouse=True)
def market(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prices, and the time."""
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    filled(fill)


@pytest.fixture
def ann(web: Web) -> Person:
    return web.person()


class Owned:
    """A portfolio and its owner."""

    def __init__(self, web: Web, owner: Person, **fields: str) -> None:
        self._web, self._token = web, owner.access
        self.id: str = web("POST", "/portfolios", {"name": "Main", **fields}, token=self._token).body["id"]
        self.path = f"/portfolios/{self.id}"

    def enter(self, kind: str, asset: str, quantity: str, time: str, **more: str) -> str:
        """Enters a transaction; its id."""
        body = {"type": kind, "asset": asset, "quantity": quantity, "time": time, **more}
        made = self._web("POST", f"{self.path}/transactions", body, token=self._token)
        assert made.status == 201, made.body
        return str(made.body["id"])

    def read(self, report: str, accept: str = "*/*", coding: str = "identity", **query: str) -> Reply:
        headers = {"accept": accept, "accept-encoding": coding}
        return self._web("GET", f"{self.path}/{report}", token=self._token, query=query, headers=headers)


@pytest.fixture
def owned(web: Web, ann: Person) -> Owned:
    """10 BTC at 104 and 20 ETH at 10 in February, 4 BTC sold at 130 in March."""
    made = Owned(web, ann)
    made.enter("buy", "BTC", "10", "2026-02-05T00:00:00Z", price="104", fee="1")
    made.enter("buy", "ETH", "20", "2026-02-10T12:00:00Z", price="10")
    made.enter("reward", "ETH", "0.5", "2026-03-01T12:00:00Z")
    made.enter("buy", "NEW", "3", "2026-03-02T12:00:00Z", price="7")
    made.enter("sell", "BTC", "4", "2026-03-04T12:00:00Z", price="130")
    return made


def test_holdings(owned: Owned) -> None:
    answer = owned.read("holdings")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    time = "2026-03-10T10:00:02.000Z"
    assert answer.body == {
        "base_currency": "USD",
        "items": [
            {
                "asset": "BTC",
                "quantity": "6",
                "cost_basis": "624.6",
                "average_cost": "104.1",
                "price": "137",
                "price_time": time,
                "value": "822",
                "unrealized": "197.4",
                "unrealized_pct": "31.604226705091",
                "allocation_pct": "80.038948393379",
            },
            {
                "asset": "ETH",
                "quantity": "20.5",
                "cost_basis": "205",
                "average_cost": "10",
                "price": "10",
                "price_time": time,
                "value": "205",
                "unrealized": "0",
                "unrealized_pct": "0",
                "allocation_pct": "19.961051606621",
            },
            {
                "asset": "NEW",
                "quantity": "3",
                "cost_basis": "21",
                "average_cost": "7",
                "price": None,
                "price_time": None,
                "value": None,
                "unrealized": None,
                "unrealized_pct": None,
                "allocation_pct": None,
            },
        ],
        "next_cursor": None,
        "totals": {"value": "1027", "cost_basis": "829.6", "unrealized": "197.4", "realized": "103.6"},
        "unpriced": ["NEW"],
        "missing": [],
    }


def test_holdings_under_another_method(owned: Owned) -> None:
    owned.enter("buy", "BTC", "1", "2026-03-05T12:00:00Z", price="200")
    owned.enter("sell", "BTC", "1", "2026-03-06T12:00:00Z", price="150")
    costs = {
        method: owned.read("holdings", method=method).body["totals"]["cost_basis"]
        for method in ("fifo", "lifo", "hifo", "acb")
    }
    assert costs == {"fifo": "925.5", "lifo": "829.6", "hifo": "829.6", "acb": "911.8"}
    assert owned.read("holdings").body["totals"]["cost_basis"] == "925.5"
    assert owned.read("holdings", method="average").status == 422


def test_holdings_come_in_pages_with_the_totals_of_all(owned: Owned) -> None:
    first = owned.read("holdings", limit="2").body
    assert [row["asset"] for row in first["items"]] == ["BTC", "ETH"]
    second = owned.read("holdings", limit="2", cursor=first["next_cursor"]).body
    assert [row["asset"] for row in second["items"]] == ["NEW"]
    assert (second["next_cursor"], second["totals"]) == (None, first["totals"])


def test_performance(owned: Owned) -> None:
    answer = owned.read("performance", benchmark="BTC-USD")
    assert answer.status == 200
    assert answer.body == {
        "start": "2026-02-05T00:00:00.000Z",
        "end": "2026-03-10T10:00:03.000Z",
        "base_currency": "USD",
        "value_start": "0",
        "value_end": "1048",
        "net_contributions": "742",
        "gain": "306",
        "twr": "0.269894332444",
        "twr_annualized": None,
        "mwr": "0.271754966109",
        "max_drawdown": {"value": "0.000960614793", "peak": "2026-02-05", "trough": "2026-02-05"},
        "volatility": "0.037002262651",
        "sharpe": "69.582740687604",
        "sortino": "818.038168777535",
        "benchmark": {"symbol": "BTC-USD", "twr": "0.330097087379"},
        "days_without_price": 9,
        "unpriced": ["NEW"],
        "assets": [
            {
                "asset": "BTC",
                "value": "822",
                "allocation": "0.784351145038",
                "gain": "301",
                "contribution": "0.268513339684",
            },
            {
                "asset": "ETH",
                "value": "205",
                "allocation": "0.195610687023",
                "gain": "5",
                "contribution": "0.00446035448",
            },
            {"asset": "NEW", "value": "21", "allocation": "0.020038167939", "gain": "0", "contribution": "0"},
        ],
    }


def test_an_asset_that_no_market_knows_is_valued_by_its_own_transactions(web: Web, ann: Person) -> None:
    owned = Owned(web, ann)
    for kind, quantity, price, day in (
        ("buy", "10", "100", "2024-01-01"),
        ("buy", "5", "120", "2024-04-01"),
        ("sell", "5", "90", "2024-07-01"),
        ("sell", "10", "110", "2024-12-31"),
    ):
        owned.enter(kind, "NEW", quantity, day, price=price)
    told = owned.read("performance", end="2025-01-01").body
    assert told == {
        **told,
        "value_end": "0",
        "net_contributions": "50",
        "gain": "-50",
        "twr": "0.1",
        "mwr": "-0.040823585938",
        "max_drawdown": {"value": "0.25", "peak": "2024-04-01", "trough": "2024-07-01"},
        "days_without_price": 365,
        "unpriced": ["NEW"],
    }
    held = owned.read("performance", end="2024-12-31").body
    assert (held["value_end"], held["assets"][0]["value"]) == ("900", "900")


def test_history(owned: Owned) -> None:
    answer = owned.read("history", start="2026-03-01", end="2026-03-06", interval="1d")
    assert answer.status == 200
    assert answer.body == {
        "base_currency": "USD",
        "series": [
            ["2026-03-01", "1485", "0"],
            ["2026-03-02", "1516", "21"],
            ["2026-03-03", "1526", "21"],
            ["2026-03-04", "1012", "-499"],
            ["2026-03-05", "1018", "-499"],
        ],
        "days_without_price": 4,
        "unpriced": ["NEW"],
    }


def test_a_second_look_tells_the_same(owned: Owned, ann: Person) -> None:
    periods = [
        {"end": "2026-03-01"},
        {"start": "2026-02-01", "end": "2026-03-01"},
        {"start": "2026-02-10T12:00:00Z"},
        {"start": "2026-03-05"},
        {},
    ]
    looks = [[owned.read(report, **each) for each in periods for report in ("performance", "history")] for _ in "12"]
    assert [reply.status for reply in looks[0]] == [200] * 10
    assert [reply.body for reply in looks[1]] == [reply.body for reply in looks[0]]
    kept = wiring.portfolios()._table.query(f"USER#{ann.id}", "DAYS#", "DAYS#~")
    assert [item["sk"] for item in kept] == [f"DAYS#{owned.id}#2026-02"]


def test_two_periods_meet(owned: Owned) -> None:
    first = owned.read("performance", end="2026-03-05").body
    second = owned.read("performance", start="2026-03-05").body
    assert first["value_end"] == second["value_start"] == "1012"
    whole = owned.read("performance").body
    assert Decimal(first["gain"]) + Decimal(second["gain"]) == Decimal(whole["gain"])


def test_in_another_currency(web: Web, ann: Person) -> None:
    owned = Owned(web, ann, base_currency="EUR", cost_basis="acb")
    owned.enter("buy", "BTC", "1", "2026-03-01T12:00:00Z", price="100", currency="USD", fee="2", fee_asset="EUR")
    assert owned.read("holdings").body["totals"] == {
        "value": "109.6",
        "cost_basis": "82",
        "unrealized": "27.6",
        "realized": "0",
    }
    performance = owned.read("performance").body
    assert (performance["value_end"], performance["net_contributions"], performance["gain"]) == ("109.6", "82", "27.6")


def test_an_empty_portfolio(web: Web, ann: Person) -> None:
    owned = Owned(web, ann)
    assert owned.read("holdings").body["items"] == []
    assert owned.read("gains").body["items"] == []
    assert owned.read("history").body["series"] == [["2026-03-10", "0", "0"]]
    told = owned.read("performance").body
    assert (told["start"], told["value_end"], told["twr"]) == ("2026-03-10T00:00:00.000Z", "0", None)


def test_gains(owned: Owned, web: Web, ann: Person) -> None:
    (sale,) = (row["transaction_id"] for row in owned.read("gains").body["items"])
    answer = owned.read("gains", year="2026")
    (row,) = answer.body["items"]
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body == {
        "year": 2026,
        "method": "fifo",
        "base_currency": "USD",
        "items": [
            {
                "asset": "BTC",
                "quantity": "4",
                "acquired_at": "2026-02-05T00:00:00.000Z",
                "disposed_at": "2026-03-04T12:00:00.000Z",
                "proceeds": "520",
                "cost_basis": "416.4",
                "gain": "103.6",
                "term": "short",
                "transaction_id": sale,
                "acquisition_id": row["acquisition_id"],
            }
        ],
        "next_cursor": None,
        "totals": {
            "proceeds": "520",
            "cost_basis": "416.4",
            "gain": "103.6",
            "short": "103.6",
            "long": "0",
            "income": "5",
            "missing": [],
        },
    }
    assert owned.read("gains", year="2025").body["totals"]["gain"] == "0"


def test_gains_under_another_method(owned: Owned) -> None:
    owned.enter("buy", "BTC", "1", "2026-03-03T12:00:00Z", price="129")
    gains = {method: owned.read("gains", method=method).body for method in ("fifo", "lifo", "hifo", "acb")}
    assert {method: (told["method"], told["totals"]["gain"]) for method, told in gains.items()} == {
        "fifo": ("fifo", "103.6"),
        "lifo": ("lifo", "78.7"),
        "hifo": ("hifo", "78.7"),
        "acb": ("acb", "94.545454545454545455"),
    }


def test_gains_as_csv(owned: Owned) -> None:
    (row,) = owned.read("gains").body["items"]
    answer = owned.read("gains", accept="text/csv", method="lifo")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Content-Disposition"]) == (
        200,
        "text/csv; charset=utf-8",
        'attachment; filename="gains-2026-lifo.csv"',
    )
    assert answer.body == (
        "asset,quantity,acquired_at,disposed_at,proceeds,cost_basis,gain,term,transaction_id,acquisition_id\r\n"
        "BTC,4,2026-02-05T00:00:00.000Z,2026-03-04T12:00:00.000Z,520,416.4,103.6,short,"
        f"{row['transaction_id']},{row['acquisition_id']}\r\n"
    )
    assert answer.headers["Vary"] == owned.read("gains").headers["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/html, TEXT/CSV;q=0.9, */*;q=0.8", "text/csv; charset=utf-8"),
        ("text/html, text/csv;q=0.8, */*;q=0.9", "application/json"),
        ("application/json, text/csv", "application/json"),
        ("text/csv, application/json", "text/csv; charset=utf-8"),
        ("*/*", "application/json"),
        ("text/plain", "application/json"),
    ],
)
def test_csv_is_for_those_who_name_it(owned: Owned, accept: str, kind: str) -> None:
    assert owned.read("gains", accept=accept).headers["Content-Type"] == kind


@pytest.mark.parametrize(
    ("report", "query", "field", "message"),
    [
        ("performance", {"start": "2026-03-11"}, "start", NO_TIME),
        ("history", {"start": "2026-03-02", "end": "2026-03-02"}, "start", NO_TIME),
        ("history", {"start": "2005-12-31"}, "start", "Expected a period of at most 20 years"),
        ("history", {"interval": "1h"}, "interval", "Expected `str` matching regex '^1d$'"),
        ("history", {"benchmark": "BTC-USD"}, "benchmark", "There is no such parameter"),
        ("performance", {"annualize": "maybe"}, "annualize", "Expected `bool`, got `str`"),
        ("performance", {"end": "soon"}, "end", "Expected a time from 1970 on: RFC 3339, a date, or Unix milliseconds"),
        ("gains", {"year": "2008"}, "year", "Expected `int` >= 2009"),
        ("gains", {"year": "20260"}, "year", "Expected `int` <= 2999"),
        ("gains", {"method": "best"}, "method", "Not one of the values allowed"),
        ("gains", {"limit": "0"}, "limit", "Expected `int` >= 1"),
        ("holdings", {"cursor": "x"}, "cursor", NO_CURSOR),
    ],
)
def test_what_makes_no_sense_is_refused(
    owned: Owned, report: str, query: dict[str, str], field: str, message: str
) -> None:
    answer = owned.read(report, **query)
    assert (answer.status, answer.body["errors"]) == (422, [{"field": field, "message": message}])


def test_a_benchmark_that_nobody_trades_is_not_found(owned: Owned) -> None:
    answer = owned.read("performance", benchmark="NOPE-USD")
    assert (answer.status, answer.body["detail"]) == (404, "There is no symbol 'NOPE-USD'.")


@pytest.mark.parametrize("report", ["holdings", "performance", "history", "gains"])
def test_somebody_elses_portfolio_is_not_found(web: Web, owned: Owned, report: str) -> None:
    eve = web.person("eve@example.com")
    replies = [web("GET", f"/portfolios/{id_}/{report}", token=eve.access) for id_ in (owned.id, NOBODYS, "x")]
    assert [reply.status for reply in replies] == [404] * 3
    assert len({reply.body["detail"] for reply in replies}) == 1
    assert web("GET", f"/portfolios/{owned.id}/{report}").status == 401
