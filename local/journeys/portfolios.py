"""An investor's journey: a portfolio from its first purchase to its tax report, an import, an alert, live values."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import httpx

from local.endpoints import Endpoints
from local.journeys.accounts import User
from local.journeys.answers import call, expect
from local.journeys.listener import listening

LINES = 1_200
"""More than a request imports at once."""
IMPORT_S = 60
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def walk(client: httpx.Client, endpoints: Endpoints) -> Iterator[str]:
    """Yields what was seen, a line a step; leaves no account behind.

    Raises:
        WrongError: An answer is not what the contract says.
    """
    user = User(client)
    user.register()
    token = user.sign_in()["access_token"]
    try:
        yield from Investor(client, token).walk(endpoints)
    finally:
        user.end(token)


class Investor:
    """Somebody who is signed in, with portfolios.

    Args:
        client: Asks the API.
        token: As whom.
    """

    def __init__(self, client: httpx.Client, token: str) -> None:
        self._client = client
        self._token = token

    def walk(self, endpoints: Endpoints) -> Iterator[str]:
        """Yields what was seen, a line a step."""
        portfolio = self._told("POST", "/portfolios", 201, {"name": "Hodl"})
        path = f"/portfolios/{portfolio['id']}"
        expect("portfolios", self._told("GET", "/portfolios")["items"] == [portfolio], portfolio)
        yield f"portfolio: {portfolio['name']}, {portfolio['base_currency']}, {portfolio['cost_basis']}"
        yield from self._trade(path)
        yield from self._transfer(path)
        yield from self._import(path)
        yield from self._look(path)
        yield from self._report(path)
        yield from self._listen(path, endpoints.websocket)

    def _told(self, method: str, path: str, status: int = 200, body: object = None, **headers: str) -> Any:
        return self._ask(method, path, status, body, **headers).json()

    def _ask(self, method: str, path: str, status: int = 200, body: object = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(self._client, method, path, status, body, token=self._token, headers=named)

    def _trade(self, path: str) -> Iterator[str]:
        """Buys 10 at 100, sells 5 at 150, buys 5 at 200, sells 5 at 200: oldest first that is a gain of 750."""
        deals = [("buy", "10", "100"), ("sell", "5", "150"), ("buy", "5", "200"), ("sell", "5", "200")]
        body = [
            {"type": kind, "asset": "BTC", "quantity": quantity, "price": price, "time": f"2025-0{month}-01"}
            for month, (kind, quantity, price) in enumerate(deals, 1)
        ]
        made = self._told("POST", f"{path}/transactions", 201, body, Idempotency_Key="the first four")
        again = self._told("POST", f"{path}/transactions", 201, body, Idempotency_Key="the first four")
        expect("idempotency", again == made, again)
        totals = self._told("GET", f"{path}/gains?year=2025")["totals"]
        expect("gains", totals["gain"] == totals["short"] == "750", totals)
        yield f"traded: {len(made)} transactions, once though sent twice; a gain of {totals['gain']}, oldest lots first"
        average = self._told("GET", f"{path}/gains?year=2025&method=acb")["totals"]["gain"]
        yield f"by average cost the gain is {average}"
        sale = {"type": "sell", "asset": "BTC", "quantity": "6", "price": "200", "time": "2025-06-01"}
        short = self._told("POST", f"{path}/transactions", 409, sale)
        expect("short", short["conflict"]["missing"] == "1", short)
        removal = self._told("DELETE", f"{path}/transactions/{made[0]['id']}", 409)
        expect("conflict", removal["conflict"]["transaction_id"] == made[1]["id"], removal)
        yield f"sold more than there is: {short['detail']} Without the first purchase: {removal['detail']}"
        one = self._ask("GET", f"{path}/transactions/{made[0]['id']}")
        stale, note = f'"{"0" * 32}"', {"note": "the first"}
        self._told("PATCH", f"{path}/transactions/{made[0]['id']}", 412, note, If_Match=stale)
        noted = self._told("PATCH", f"{path}/transactions/{made[0]['id']}", 200, note, If_Match=one.headers["ETag"])
        expect("note", noted["note"] == "the first", noted)
        yield "a note: refused with a stale ETag, taken with its own"

    def _transfer(self, path: str) -> Iterator[str]:
        cold = self._told("POST", "/portfolios", 201, {"name": "Cold", "base_currency": "EUR"})
        moved = {
            "type": "transfer",
            "asset": "BTC",
            "quantity": "2",
            "time": "2025-07-01",
            "to_portfolio_id": cold["id"],
        }
        made = self._told("POST", f"{path}/transactions", 201, moved)
        (held,) = self._told("GET", f"/portfolios/{cold['id']}/holdings")["items"]
        seen = self._told("GET", f"/portfolios/{cold['id']}/transactions/{made['id']}")
        rate = next(Decimal(each["price"]) for each in seen["rates"] if each["asset"] == "USD")
        expect("transfer", Decimal(held["cost_basis"]) == 400 * rate, held)
        yield f"moved {held['quantity']} BTC with their cost, 400 USD: {held['cost_basis']} EUR"

    def _import(self, path: str) -> Iterator[str]:
        exported = self._ask("GET", f"{path}/transactions/export").content
        again = self._imported(path, exported)
        expect("import of an export", (again["imported"], again["skipped_duplicates"]) == (0, 5), again)
        yield "exported, and imported again: nothing is added"
        begin = datetime(2026, 1, 1, tzinfo=UTC)
        rows = [f"{begin + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ},buy,ETH,0.01,2000" for hour in range(LINES)]
        job = self._imported(path, "\n".join(["time,type,asset,quantity,price", *rows]).encode())
        expect("import", (job["status"], job["imported"]) == ("done", LINES), job)
        yield f"imported {job['imported']} lines, all at once"
        bad = self._imported(path, b"time,type,asset,quantity,price\n2026-01-01,buy,ETH,-1,2000\n")
        expect("bad line", bad["status"] == "failed" and bad["errors"][0]["line"] == 2, bad)
        yield f"a bad line: {bad['errors'][0]['field']}: {bad['errors'][0]['message']}"

    def _imported(self, path: str, content: bytes) -> dict[str, Any]:
        """The finished job of importing a CSV."""
        headers = {"Content-Type": "text/csv", "Authorization": f"Bearer {self._token}"}
        answer = self._client.post(f"{path}/transactions/import", content=content, headers=headers)
        expect("import", answer.status_code in (200, 202), answer.text)
        job: dict[str, Any] = answer.json()
        deadline = time.monotonic() + IMPORT_S
        while job["status"] in ("queued", "running"):
            expect("import", time.monotonic() < deadline, job)
            time.sleep(0.5)
            job = self._told("GET", f"{path}/imports/{job['id']}")
        return job

    def _look(self, path: str) -> Iterator[str]:
        holdings = self._told("GET", f"{path}/holdings")
        values = [Decimal(item["value"]) for item in holdings["items"]]
        expect("holdings", sum(values) == Decimal(holdings["totals"]["value"]) > 0, holdings)
        told = ", ".join(f"{item['quantity']} {item['asset']}" for item in holdings["items"])
        yield f"holdings: {told}, worth {holdings['totals']['value']} USD"
        figures = self._told("GET", f"{path}/performance?start=2026-01-01&benchmark=BTC-USD")
        gain = Decimal(figures["value_end"]) - Decimal(figures["value_start"]) - Decimal(figures["net_contributions"])
        expect("performance", Decimal(figures["gain"]) == gain and figures["mwr"] is not None, figures)
        yield f"performance of 2026: time-weighted {figures['twr']}, money-weighted {figures['mwr']}"
        series = self._told("GET", f"{path}/history?start=2026-11-01")["series"]
        expect("history", len(series) > 20 and Decimal(series[-1][1]) > 0, series)
        yield f"history: {len(series)} days, the last {series[-1]}"

    def _report(self, path: str) -> Iterator[str]:
        csv = self._ask("GET", f"{path}/gains?year=2025", Accept="text/csv")
        expect("gains as CSV", csv.headers["Content-Type"].startswith("text/csv"), csv.headers)
        page = self._ask("GET", f"{path}/statement?year=2025", Accept="text/html").text
        expect("statement", "Hodl" in page and "<svg" in page and "<script" not in page, page[:200])
        with ZipFile(BytesIO(self._ask("GET", f"{path}/statement?year=2025", Accept=XLSX).content)) as book:
            sheets = [name for name in book.namelist() if name.startswith("xl/worksheets/sheet")]
        expect("workbook", len(sheets) > 2, sheets)
        yield f"tax report of 2025: {len(csv.text.splitlines()) - 1} disposals as CSV, a page, {len(sheets)} sheets"

    def _listen(self, path: str, websocket: str) -> Iterator[str]:
        ticket = self._told("POST", "/auth/ws-ticket")["ticket"]
        with listening(f"{websocket}?ticket={ticket}") as listener:
            listener.say("subscribe", channel="portfolio", portfolio_id=path.rpartition("/")[2])
            (shown,) = listener.hear("snapshot")["portfolios"]
            yield f"live: worth {shown['value']}"
            listener.say("subscribe", channel="alerts")
            bought = {"type": "buy", "asset": "BTC", "quantity": "1", "price": "1", "time": "2026-11-01"}
            self._told("POST", f"{path}/transactions", 201, bought)
            moved = shown
            while Decimal(moved["cost_basis"]) == Decimal(shown["cost_basis"]):  # a tick may come first
                (moved,) = listener.hear("portfolio")["portfolios"]
            is_bought = Decimal(moved["cost_basis"]) == Decimal(shown["cost_basis"]) + 1
            expect("live value", is_bought and Decimal(moved["value"]) > Decimal(shown["value"]), (shown, moved))
            yield f"live: worth {moved['value']} after a purchase"
            self._told("POST", "/alerts", 201, {"symbol": "BTC-USD", "condition": "above", "threshold": "1"})
            (fired,) = listener.hear("alerts")["alerts"]
            expect("alert", fired == self._told("GET", "/alerts/history")["items"][0], fired)
            yield f"alert: {fired['symbol']} {fired['condition']} {fired['threshold']} fired at {fired['price']}"
