"""Statements over HTTP: both forms of a year, on portfolios whose figures are known."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser
from io import BytesIO
from typing import Any
from unittest.mock import ANY
from zipfile import ZipFile

import pytest
from msgspec.structs import replace
from openpyxl import load_workbook

from cryptopulse import wiring
from cryptopulse.api.renderings import quality
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.aws.portfolios import Edit
from cryptopulse.domain.candles import DAY, MINUTE
from cryptopulse.domain.folding import fold
from cryptopulse.domain.portfolios import Amount, Asset, Currency, Draft, FeeAsset, Note, Portfolio, Quantity
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Quote, Record
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Mark, Transaction, new_id
from functions.statements import app
from tests.functional.conftest import Filled
from tests.functional.web import Person, Reply, Web

NOW = int(Time.parse("2026-03-01T10:00:03Z"))
HISTORY = int(Time.parse("2024-12-01"))
DIP = int(Time.parse("2025-02-10"))
BTC, ETH = Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NAME = '=HYPERLINK("https://evil.example","x") <script>alert(1)</script>'
FILE = "HYPERLINK-https-evil-example-x-script-alert-1-script"
NOTE = "=1+1 <img src=https://evil.example onerror=alert(1)>"


def close(series: Series, day: int) -> int:
    """In cents: BTC rises by 100 a day, but for a dip of a week in February, ETH stays."""
    if series == ETH:
        return 250_000
    return 4_000_000 + (day - HISTORY) // DAY * 10_000 - (200_000 if DIP <= day < DIP + 7 * DAY else 0)


def bar(start: int, price: int) -> Bar:
    return Bar(start, price, price, price, price, 100)


def fill(market: Market) -> None:
    market.save_series([BTC, ETH])
    today = NOW // DAY * DAY
    for series in (BTC, ETH):
        bars = [bar(day, close(series, day)) for day in range(HISTORY, today, DAY)]
        market.merge(series, "1d", Candles(series.symbol, 2, 3, HISTORY, today, today, bars))
        number, minute = lane_of(series, 2), NOW // MINUTE * MINUTE
        lane = market.lane(number)
        version, minutes = lane.version, LazyMinutes(market, number)
        price = close(series, today)
        last = Candles(series.symbol, 2, 3, minute - MINUTE, minute, minute, [bar(minute - MINUTE, price)])
        folded = fold(
            lane, minutes, [Record(series.venue, number, [last, Quote(series.symbol, 2, price, NOW), Clock(minute)])]
        )
        market.write(lane, version, [minutes[each] for each in folded.minutes])


@pytest.fixture
def market(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prices, and the time."""
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    filled(fill)


@pytest.fixture
def ann(market: None, web: Web) -> Person:
    return web.person()


def tx(time: str, kind: Any, quantity: str, asset: str, **more: Any) -> Transaction:
    """A transaction as it is kept; `marks` are prices by code."""
    at = Time.parse(time)
    marks = {code: Mark(Decimal(price), int(at)) for code, price in more.pop("marks", {}).items()}
    kinds: dict[str, Callable[[Any], Any]] = {
        "price": Quantity, "fee": Amount, "fee_asset": FeeAsset, "counter_asset": Asset, "counter_quantity": Quantity,
        "note": Note, "currency": str,
    }  # fmt: skip
    given = {name: kinds[name](value) for name, value in more.items()}
    draft = Draft(type=kind, asset=Asset(asset), quantity=Quantity(quantity), time=at, **given)
    return replace(Transaction.of(draft, new_id(at, NOW, 0, 0), "USD", NOW), marks=marks)


YEARS = [
    tx("2024-12-10T08:00:00Z", "buy", "1", "BTC", price="40900", fee="10", marks={"BTC": "40900"}),
    tx("2025-02-01T08:00:00Z", "buy", "2", "ETH", price="2500", marks={"ETH": "2500"}),
    tx("2025-03-01T08:00:00Z", "reward", "0.003", "ETH", note=NOTE, marks={"ETH": "2500"}),
    tx("2025-06-15T08:00:00Z", "sell", "0.3", "BTC", price="59600", fee="5", marks={"BTC": "59600"}),
    tx("2025-07-01T08:00:00Z", "trade", "1", "ETH", counter_asset="BTC", counter_quantity="0.04",
       marks={"ETH": "2500", "BTC": "61200"}),
    tx("2025-08-01T08:00:00Z", "withdrawal", "0.1", "BTC", marks={"BTC": "64300"}),
    tx("2025-09-01T08:00:00Z", "sell", "10", "ADA", price="2"),
    tx("2025-10-01T08:00:00Z", "airdrop", "100", "PEPE"),
    tx("2025-11-01T08:00:00Z", "buy", "0.333333333333333333", "BTC", price="73500.01", marks={"BTC": "73500"}),
    tx("2025-12-11T08:00:00Z", "sell", "0.6", "BTC", price="77500", marks={"BTC": "77500"}),
    tx("2025-12-12T08:00:00Z", "sell", "0.2", "BTC", price="77600.123456789012345678", marks={"BTC": "77600"}),
    tx("2026-02-01T08:00:00Z", "sell", "0.1", "BTC", price="82700", marks={"BTC": "82700"}),
]  # fmt: skip


def portfolio(ann: Person, transactions: list[Transaction], name: str = NAME, base: Currency = "USD") -> str:
    """Makes a portfolio; its id."""
    id_ = f"{len(wiring.portfolios().all(ann.id)):032x}"
    new = Portfolio(id=id_, name=name, base_currency=base, cost_basis="fifo", created_at=NOW, updated_at=NOW, version=1)
    wiring.portfolios().add(ann.id, new, None)
    wiring.portfolios().edit(ann.id, {id_: Edit(add=transactions)}, NOW, tolerant=True)
    return id_


def ask(web: Web, who: Person, id_: str, report: str = "statement", accept: str = "*/*", **query: str) -> Reply:
    return web("GET", f"/portfolios/{id_}/{report}", token=who.access, query=query, headers={"accept": accept})


def report(web: Web, who: Person, id_: str, name: str, **query: str) -> Any:
    """What the report says as JSON."""
    answer = ask(web, who, id_, name, **query)
    assert answer.status == 200, answer.body
    return answer.body


# --- what the workbook says ---


class Told:
    """A workbook as its reader sees it; an amount is what the text beside it says, where there is some."""

    def __init__(self, file: bytes) -> None:
        self.book = load_workbook(BytesIO(file))
        cells = [cell for sheet in self.book for row in sheet.iter_rows() for cell in row]
        assert {cell.data_type for cell in cells} <= {"n", "s", "d"}  # no formula
        assert not any(cell.hyperlink for cell in cells)

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a sheet by their columns' titles."""
        head, *rows = self.book[name].iter_rows(values_only=True)
        titles = [str(title) for title in head]
        told = [dict(zip(titles, row, strict=True)) for row in rows if any(cell is not None for cell in row)]
        for row in told:
            for title in [title for title in titles if title.endswith(", exact")]:
                text, number = row.pop(title), title.removesuffix(", exact")
                row[number] = row[number] if text is None else Decimal(text)
        return [{title: _amount(value) for title, value in row.items()} for row in told]

    def figures(self) -> dict[str, Any]:
        """Those of the summary, by heading and name."""
        heading, found = "", {}
        for name, value, text, *_ in self.book["Summary"].iter_rows(values_only=True):
            if name in ("Performance", "Realised", "Notes"):
                heading = str(name)
            elif name is not None:
                found[f"{heading}: {name}"] = _amount(value) if text is None else Decimal(str(text))
        return found


def _amount(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    return Decimal(repr(value)) if isinstance(value, int | float) else value


def _decimals(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A row of a report with the amounts of these names as numbers."""
    return {name: Decimal(value) if name in names and value is not None else value for name, value in row.items()}


# --- what the page says ---


class Page(HTMLParser):
    """A page: its elements, its figures and its tables, by their headings; of rounded numbers the exact ones."""

    def __init__(self, file: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.figures: dict[str, str] = {}
        self.paragraphs: list[str] = []
        self._heading = self._name = self._text = ""
        self._exact: str | None = None
        self.feed(file.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.tables.setdefault(self._heading, []).append([])
        if tag == "data":
            self._exact = dict(attrs)["value"]
        elif tag not in ("bdi", "span"):
            self._text, self._exact = "", None

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        said = self._text if self._exact is None else self._exact
        match tag:
            case "td" | "th":
                self.tables[self._heading][-1].append(said)
            case "h1" | "h2":
                self._heading = said
            case "p":
                self.paragraphs.append(said)
            case "dt":
                self._name = said
            case "dd":
                self.figures[f"{self._heading}: {self._name}"] = said


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


# --- tests ---

GAINS = ("quantity", "proceeds", "cost_basis", "gain")


def test_the_gains_of_a_workbook_are_those_of_the_report(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, YEARS)
    answer = ask(web, ann, id_, year="2025")
    assert (answer.status, answer.headers) == (
        200,
        {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{FILE}-2025.xlsx"',
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
            "Content-Type": XLSX,
            "RateLimit-Limit": ANY,
            "RateLimit-Remaining": ANY,
            "RateLimit-Reset": ANY,
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": ANY,
        },
    )
    told, said = Told(answer.body), report(web, ann, id_, "gains", year="2025")
    *rows, total = told.table("Gains")
    titles = {
        "asset": "Asset",
        "quantity": "Quantity",
        "acquired_at": "Acquired (UTC)",
        "disposed_at": "Disposed (UTC)",
        "proceeds": "Proceeds",
        "cost_basis": "Cost basis",
        "gain": "Gain",
        "term": "Term",
        "transaction_id": "Disposal",
        "acquisition_id": "Acquisition",
    }
    assert [{name: row[title] for name, title in titles.items()} for row in rows] == [
        _decimals(row, *GAINS) for row in said["items"]
    ]
    totals = _decimals(said["totals"], *GAINS, "short", "long", "income")
    assert total == dict.fromkeys(titles.values()) | {
        "Asset": "Total",
        "Proceeds": totals["proceeds"],
        "Cost basis": totals["cost_basis"],
        "Gain": totals["gain"],
    }
    assert totals == {
        "proceeds": Decimal("82415.024691357802469136"),
        "cost_basis": Decimal("53579.0016"),
        "gain": Decimal("28836.023091357802469136"),
        "short": Decimal("6882.023091357802469136"),
        "long": Decimal(21954),
        "income": Decimal("7.5"),
        "missing": [{"asset": "ADA", "quantity": "10"}],
    }
    figures = told.figures()
    assert {name: value for name, value in figures.items() if name.startswith("Realised")} == {
        "Realised: Proceeds": totals["proceeds"],
        "Realised: Cost basis": totals["cost_basis"],
        "Realised: Gain": totals["gain"],
        "Realised: Short-term gain": totals["short"],
        "Realised: Long-term gain": totals["long"],
        "Realised: Income": totals["income"],
    }
    by_asset = told.table("Gains by asset")
    assert [(row["Asset"], row["Term"], row["Gain"]) for row in by_asset] == [
        ("ADA", "short", Decimal(20)),
        ("BTC", "long", Decimal(21954)),
        ("BTC", "short", Decimal("6862.023091357802469136")),
        ("ETH", "short", Decimal(0)),
        ("Total", None, totals["gain"]),
    ]
    assert told.table("Without acquisition") == [{"Asset": "ADA", "Quantity": Decimal(10)}]
    assert told.table("Income") == [
        {"Received (UTC)": "2025-03-01T08:00:00.000Z", "Type": "reward", "Asset": "ETH", "Quantity": Decimal("0.003"),
         "Value": Decimal("7.5"), "Note": NOTE, "Transaction": YEARS[2].id},
        {"Received (UTC)": "2025-10-01T08:00:00.000Z", "Type": "airdrop", "Asset": "PEPE", "Quantity": Decimal(100),
         "Value": Decimal(0), "Note": None, "Transaction": YEARS[7].id},
        {"Received (UTC)": "Total", "Type": None, "Asset": None, "Quantity": None,
         "Value": Decimal("7.5"), "Note": None, "Transaction": None},
    ]  # fmt: skip


def test_the_returns_of_a_workbook_are_those_of_the_reports(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, YEARS)
    told = Told(ask(web, ann, id_, year="2025").body)
    span = {"start": "2025-01-01", "end": "2026-01-01"}
    said = report(web, ann, id_, "performance", **span)
    figures = told.figures()
    assert {name: value for name, value in figures.items() if name.startswith("Performance")} == {
        "Performance: Value at the start": Decimal(said["value_start"]),
        "Performance: Net contributions": Decimal(said["net_contributions"]),
        "Performance: Gain": Decimal(said["gain"]),
        "Performance: Value at the end": Decimal(said["value_end"]),
        "Performance: Time-weighted return": Decimal(said["twr"]),
        "Performance: Money-weighted return": Decimal(said["mwr"]),
        "Performance: Largest fall": Decimal(said["max_drawdown"]["value"]),
        "Performance: Its peak": "2025-02-09T00:00:00.000Z",
        "Performance: Its trough": "2025-02-10T00:00:00.000Z",
        "Performance: Volatility": Decimal(said["volatility"]),
        "Performance: Sharpe ratio": Decimal(said["sharpe"]),
        "Performance: Sortino ratio": Decimal(said["sortino"]),
        "Performance: Days without a price": Decimal(said["days_without_price"]),
    }
    assert said["value_start"] == "43000"
    assert (said["max_drawdown"]["peak"], said["max_drawdown"]["trough"]) == ("2025-02-09", "2025-02-10")
    days = told.table("Days")
    assert [(row["Day"][:10], row["Value"], row["Net contributions"]) for row in days] == [
        (day, Decimal(value), Decimal(paid)) for day, value, paid in report(web, ann, id_, "history", **span)["series"]
    ]
    start = Decimal(said["value_start"])
    assert all(row["Start and contributions"] == start + row["Net contributions"] for row in days)
    *months, total = told.table("Months")
    assert [row["Month"][:7] for row in months] == [f"2025-{month:02}" for month in range(1, 13)]
    assert months[1] == {
        "Month": "2025-02-01T00:00:00.000Z",
        "Value at its end": Decimal(53_900),
        "Net contributions": Decimal(5_000),
        "Gain": Decimal(2_800),
    }
    assert total == {
        "Month": "Total",
        "Value at its end": Decimal(said["value_end"]),
        "Net contributions": sum(row["Net contributions"] for row in months),
        "Gain": sum(row["Gain"] for row in months),
    }
    assert total["Gain"] == Decimal(said["gain"])


def test_the_holdings_are_those_at_the_end_of_the_year(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, YEARS)
    third, cost = Decimal("0.173333333333333333"), Decimal("12740.00173333333330883333333333")
    told = Told(ask(web, ann, id_, year="2025").body).table("Holdings")
    bitcoin, ether, pepe, total = told
    assert bitcoin == {
        "Asset": "BTC",
        "Quantity": third,
        "Cost basis": round(cost, 18),
        "Average cost": Decimal("73500.009999999999999998"),
        "Price": Decimal(79_500),
        "Priced (UTC)": "2026-01-01T00:00:00.000Z",
        "Value": third * 79_500,
        "Unrealised": third * 79_500 - round(cost, 18),
        "Unrealised, %": ANY,
        "Share, %": ANY,
    }
    value = third * 79_500 + Decimal("2507.5")
    assert bitcoin["Share, %"] + ether["Share, %"] == 1
    assert ether["Share, %"] == pytest.approx(Decimal("2507.5") / value, abs=Decimal("1e-14"))
    assert pepe == {
        "Asset": "PEPE",
        "Quantity": Decimal(100),
        "Cost basis": Decimal(0),
        "Average cost": Decimal(0),
        "Price": None,
        "Priced (UTC)": None,
        "Value": None,
        "Unrealised": None,
        "Unrealised, %": None,
        "Share, %": None,
    }
    assert total == dict.fromkeys(bitcoin) | {
        "Asset": "Total",
        "Cost basis": round(cost, 18) + Decimal("2507.5"),
        "Value": value,
        "Unrealised": value - round(cost, 18) - Decimal("2507.5"),
    }


def test_without_a_year_it_is_this_one_up_to_now(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, YEARS)
    told = Told(ask(web, ann, id_).body)
    said = report(web, ann, id_, "holdings")
    columns = {
        "asset": "Asset",
        "quantity": "Quantity",
        "cost_basis": "Cost basis",
        "average_cost": "Average cost",
        "price": "Price",
        "price_time": "Priced (UTC)",
        "value": "Value",
        "unrealized": "Unrealised",
    }
    amounts = set(columns) - {"asset", "price_time"}
    *rows, total = told.table("Holdings")
    assert [{name: row[title] for name, title in columns.items()} for row in rows] == [
        {name: value for name, value in _decimals(row, *amounts).items() if name in columns} for row in said["items"]
    ]
    assert total["Value"] == Decimal(said["totals"]["value"])
    assert told.book["Summary"]["A2"].value == "Statement of 2026"
    assert [row["Month"][:7] for row in told.table("Months")] == ["2026-01", "2026-02", "2026-03", "Total"]
    *_, gains = told.table("Gains")
    assert gains["Gain"] == Decimal(report(web, ann, id_, "gains")["totals"]["gain"])


def test_a_workbook_can_be_read_by_people(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, YEARS)
    file = ask(web, ann, id_, year="2025").body
    told = Told(file)
    assert told.book.sheetnames == [
        "Summary", "Holdings", "Gains by asset", "Gains", "Income", "Without acquisition", "Months", "Days"
    ]  # fmt: skip
    assert [sheet.freeze_panes for sheet in told.book] == [None, *["A2"] * 7]
    assert told.book["Summary"]["A1"].value == NAME
    gains = told.book["Gains"]
    assert [cell.number_format for cell in gains[2]] == [
        "@", "#,##0.00################", "yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd hh:mm:ss", "#,##0.00;[Red]-#,##0.00", "@",
        "#,##0.00;[Red]-#,##0.00", "#,##0.00;[Red]-#,##0.00", "@", "@", "@", "@",
    ]  # fmt: skip
    assert [cell.value for cell in gains[1]] == [
        "Asset", "Quantity", "Acquired (UTC)", "Disposed (UTC)", "Proceeds", "Proceeds, exact", "Cost basis", "Gain",
        "Gain, exact", "Term", "Disposal", "Acquisition",
    ]  # fmt: skip
    # What a spreadsheet can hold has no text beside it, what it cannot is rounded to what it can.
    assert [(gains.cell(row, 5).value, gains.cell(row, 6).value) for row in (2, 7)] == [
        (17_875, None),
        (12_416.0197530862, "12416.019753086241975309"),
    ]
    chart = ZipFile(BytesIO(file)).read("xl/charts/chart1.xml").decode()
    assert re.findall("<c:f>(.*?)</c:f>", chart) == [
        "Days!$A$2:$A$366", "Days!$B$2:$B$366", "Days!$A$2:$A$366", "Days!$F$2:$F$366"
    ]  # fmt: skip


def test_a_page_says_the_same_and_runs_nothing(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, YEARS)
    answer = ask(web, ann, id_, accept=BROWSER, year="2025")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Content-Disposition"] == f'inline; filename="{FILE}-2025.html"'
    told, said = Page(answer.body), report(web, ann, id_, "gains", year="2025")
    assert {tag for tag, _ in told.elements} == {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "bdi", "p", "dl", "div", "dt", "dd",
        "data", "span", "section", "figure", "figcaption", "b", "svg", "line", "path", "text", "table", "thead",
        "tbody", "tfoot", "tr", "th", "td",
    }  # fmt: skip
    assert {name for _, attributes in told.elements for name in attributes}.isdisjoint({"href", "src", "style", "on"})
    assert b"url(" not in answer.body
    assert b"@import" not in answer.body
    assert b"<h1><bdi>=HYPERLINK(&quot;https://evil.example&quot;,&quot;x&quot;) &lt;script&gt;" in answer.body

    head, *rows, total = told.tables["Gains"]
    assert [_number(row[head.index("Gain")]) for row in rows] == [Decimal(row["gain"]) for row in said["items"]]
    assert _number(total[head.index("Gain")]) == Decimal(said["totals"]["gain"])
    assert _number(told.figures["Realised: Short-term gain"]) == Decimal(said["totals"]["short"])
    performance = report(web, ann, id_, "performance", start="2025-01-01", end="2026-01-01")
    assert _number(told.figures["Performance: Gain"]) == Decimal(performance["gain"])
    assert Decimal(told.figures["Performance: Time-weighted return"]) == Decimal(performance["twr"])
    assert told.tables["Income"][1] == ["2025-03-01 08:00:00", "reward", "ETH", "0.003", "7.50", NOTE, YEARS[2].id]
    assert told.tables["Without acquisition"] == [["Asset", "Quantity"], ["ADA", "10"]]
    assert told.paragraphs[-2:] == [
        "Without a market price: worth what a transaction last paid in returns, nothing in holdings: ADA, PEPE.",
        "Disposed of without a known acquisition, that part at a cost of 0: ADA.",
    ]


@pytest.mark.parametrize(
    ("accept", "suffix"),
    [
        ("*/*", "xlsx"),
        ("", "xlsx"),
        ("application/json", "xlsx"),
        (XLSX, "xlsx"),
        ("text/html", "html"),
        ("Text/*", "html"),
        (BROWSER, "html"),
        (f"text/html;q=0.5, {XLSX};q=0.9", "xlsx"),
        (f"text/html;level=1;q=0.9, {XLSX};q=0.5", "html"),
        ("text/html;q=0, */*;q=0.1", "xlsx"),
        ("text/html;q=x", "html"),
        (f"text/html, {XLSX}", "xlsx"),
    ],
)
def test_accept_chooses_the_form(accept: str, suffix: str) -> None:
    is_page = quality(accept, app.PAGE.kind) > quality(accept, app.WORKBOOK.kind)
    assert (app.PAGE if is_page else app.WORKBOOK).suffix == suffix


def test_who_asks_for_neither_form_gets_a_workbook(web: Web, ann: Person) -> None:
    answer = ask(web, ann, portfolio(ann, [], "Mine"), accept="application/json", year="2025")
    assert (answer.status, answer.headers["Content-Type"]) == (200, XLSX)


def test_a_year_without_anything(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, YEARS, "…")
    answer = ask(web, ann, id_, year="2020")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="portfolio-2020.xlsx"'
    told = Told(answer.body)
    assert told.table("Holdings") == [
        dict.fromkeys(told.table("Holdings")[0]) | {"Asset": "Total", "Cost basis": 0, "Value": 0, "Unrealised": 0}
    ]
    assert told.figures()["Performance: Time-weighted return"] is None
    assert told.figures()["Realised: Gain"] == 0
    page = Page(ask(web, ann, id_, accept=BROWSER, year="2020").body)
    assert list(page.tables) == ["Months"]
    assert page.paragraphs[:6] == ["Statement of 2020", *["None."] * 5]
    assert "svg" not in {tag for tag, _ in page.elements}  # nothing to be drawn


def test_on_the_first_day_of_a_year_there_is_no_line_to_draw(
    web: Web, market: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "now", lambda: int(Time.parse("2026-01-01T05:00:00Z")))
    bob = web.person()
    id_ = portfolio(bob, YEARS[:1])
    file = ask(web, bob, id_).body
    (day,) = Told(file).table("Days")
    assert day["Day"] == "2026-01-01T00:00:00.000Z"
    assert "xl/charts/chart1.xml" not in ZipFile(BytesIO(file)).namelist()
    page = Page(ask(web, bob, id_, accept=BROWSER).body)
    assert "svg" not in {tag for tag, _ in page.elements}


def test_a_table_that_is_too_long_says_so(web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = portfolio(ann, YEARS)
    monkeypatch.setattr(app, "ROWS", (4, 2))
    whole = Told(ask(web, ann, id_, year="2025").body)
    *rows, total, told = whole.table("Gains")
    assert (len(rows), total["Gain"]) == (4, Decimal("28836.023091357802469136"))
    assert told["Asset"] == "The first 4 of 6 rows; totals are of all."
    assert len(whole.table("Days")) == 365  # the chart has them all

    page = ask(web, ann, id_, accept=BROWSER, year="2025").body
    monkeypatch.setattr(app, "LARGEST", len(page) - 1)
    shorter = Page(ask(web, ann, id_, accept=BROWSER, year="2025").body)
    head, *disposals, sums = shorter.tables["Gains"]
    assert (len(disposals), sums[head.index("Gain")]) == (2, "28836.023091357802469136")
    assert "The first 2 of 6 rows; totals are of all." in shorter.paragraphs


def test_money_in_bitcoin_has_its_places(web: Web, ann: Person) -> None:
    bought = tx("2025-02-01T08:00:00Z", "buy", "2", "ETH", price="0.05000001", currency="BTC", marks={"ETH": "0.05"})
    id_ = portfolio(ann, [bought], "Coins", "BTC")
    told = Told(ask(web, ann, id_, year="2025").body)
    cost = told.book["Holdings"]["C2"]
    assert (cost.value, cost.number_format) == (0.10000002, "#,##0.00000000;[Red]-#,##0.00000000")
    page = Page(ask(web, ann, id_, accept=BROWSER, year="2025").body)
    assert page.tables["Holdings"][1][:4] == ["ETH", "2", "0.10000002", "0.05000001"]


def test_a_year_that_cannot_be(web: Web, ann: Person) -> None:
    id_ = portfolio(ann, [])
    years = ["2027", "2008", "-1", "0", "99999999999999999999", "2025.5", "last", ""]
    answers = [ask(web, ann, id_, year=year) for year in years]
    assert [(each.status, each.body["errors"][0]["field"]) for each in answers] == [(422, "year")] * len(years)
    assert answers[0].body["errors"] == [{"field": "year", "message": "Expected a year from 2009 to 2026"}]


def test_an_unknown_parameter_is_refused(web: Web, ann: Person) -> None:
    answer = ask(web, ann, portfolio(ann, []), method="lifo")
    assert (answer.status, answer.body["errors"]) == (
        422,
        [{"field": "method", "message": "There is no such parameter"}],
    )


def test_somebody_elses_portfolio_is_not_found(web: Web, ann: Person) -> None:
    id_, bob = portfolio(ann, YEARS), web.person("bob@example.com")
    answers = [ask(web, bob, each, year="2025") for each in (id_, "f" * 32, "x")]
    assert [(each.status, each.body["detail"]) for each in answers] == [(404, "There is no such portfolio.")] * 3


def test_a_statement_needs_a_token(web: Web, ann: Person) -> None:
    answer = web("GET", f"/portfolios/{portfolio(ann, [])}/statement")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
