"""Statements: a portfolio's year as a workbook, or as a page to print."""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from http import HTTPStatus
from io import BytesIO
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, NamedTuple

import pandas as pd
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, Struct, UnsetType
from xlsxwriter import Workbook
from xlsxwriter.chart import Chart
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from cryptopulse import wiring
from cryptopulse.api import callers
from cryptopulse.api.app import Api
from cryptopulse.api.deps import Now, Sent, Who, parameters
from cryptopulse.api.renderings import LARGEST, quality
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.ledgers import Reader
from cryptopulse.domain.lots import EXACT, ZERO, Match
from cryptopulse.domain.pages import CONTENT_SECURITY_POLICY, page
from cryptopulse.domain.reports import History, Holdings, PerformanceView, Year, year_of
from cryptopulse.domain.statements import (
    ASSETS,
    Figure,
    Findings,
    Kind,
    Statement,
    Table,
    Value,
    incomes,
    moment,
    span,
    statement,
)
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Mark
from cryptopulse.telemetry import entrypoint

ROWS: Final = (10_000, 5_000, 1_000, 100)
"""How many a table shows at most: the first of these with which all of it is not too large."""


api = Api(lambda event: callers.authenticate(event, live=False))


class StatementQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which year."""

    year: Annotated[int, Meta(description="UTC; without it this year, up to now")] | UnsetType = UNSET


class Form(NamedTuple):
    """What a statement may be written as."""

    kind: str
    """The media type."""
    suffix: str
    disposition: Literal["inline", "attachment"]
    write: Callable[[Statement], bytes]


class Document(Response[bytes]):
    """A statement for its owner.

    Args:
        form: How it is written.
        content: What it says.
        name: What to call it, without a suffix.
    """

    def __init__(self, form: Form, content: bytes, name: str) -> None:
        headers = {
            "Content-Disposition": f'{form.disposition}; filename="{name}.{form.suffix}"',
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
        }
        super().__init__(HTTPStatus.OK, form.kind, content, headers)


@api.get("/portfolios/<portfolio_id>/statement", tags=["Portfolios"])
def read_statement(
    portfolio_id: str,
    query: Annotated[StatementQuery, parameters(StatementQuery)],
    request: Sent,
    caller: Who,
    now: Now,
) -> Document:
    """A year of a portfolio on paper: holdings at its end, gains, income, returns and a chart.

    A page to print where `Accept` prefers `text/html`, else an XLSX workbook, whatever else it asks for. A table of
    more than 10,000 rows ends there (a large page or workbook sooner), and says so; its totals are of all.
    """
    year = year_of(now) if query.year is UNSET else query.year
    found = _find(caller.user, wiring.portfolios().read(caller.user, portfolio_id), year, now)
    accept = request.headers.get("Accept", "")
    form = PAGE if quality(accept, PAGE.kind) > quality(accept, WORKBOOK.kind) else WORKBOOK
    assets, months = by_asset(found.gains.matches), by_month(found)
    contents = (form.write(statement(found, assets, months, most)) for most in ROWS)
    content = next(each for each in contents if len(each) <= LARGEST)
    name = re.sub("[^A-Za-z0-9]+", "-", found.portfolio.name).strip("-") or "portfolio"
    return Document(form, content, f"{name}-{year}")


def _find(user: str, reader: Reader, year: int, now: int) -> Findings:
    """What is known of a portfolio's year."""
    portfolio, base = reader.portfolio, reader.portfolio.base_currency
    start, end = span(year, now)
    transactions = list(reader.transactions(0, end))
    close = min(end, now)
    valued = wiring.valuations().over(user, reader, start, close, now, keeps=False)
    during = transactions[bisect_left(transactions, start, key=attrgetter("time")) :]
    book = reader.book(end=end)
    since = transactions[0].time if transactions else close
    quotes = wiring.quotes().span(book.holdings, base, close, close, (), now, since)
    lasts = {asset: quotes.last(asset, close) for asset in book.holdings}
    return Findings(
        portfolio=portfolio,
        start=start,
        end=close,
        now=now,
        holdings=Holdings.of(book, {asset: Mark(*last) for asset, last in lasts.items() if last is not None}, base),
        gains=Year.of(transactions, portfolio.cost_basis, base, start),
        income=incomes(during, base),
        performance=PerformanceView.of(valued, base),
        history=History.of(valued, base),
    )


# --- what is grouped ---


def by_asset(matches: Sequence[Match]) -> list[dict[str, Value]]:
    """The gains by asset and term, exact; as `ASSETS` names them."""
    rows = [(each.asset, each.term, each.quantity, each.proceeds, each.cost_basis, each.gain) for each in matches]
    frame = pd.DataFrame(rows, columns=list(ASSETS), dtype=object)
    with localcontext(EXACT):
        grouped: list[dict[str, Value]] = frame.groupby(["asset", "term"], as_index=False).sum().to_dict("records")
    return grouped


def by_month(found: Findings) -> list[dict[str, Value]]:
    """Value at the end of each month, what came in and what was gained in it, exact; as `MONTHS` names them."""
    days = [(Time.parse(day), Decimal(value), Decimal(paid)) for day, value, paid in found.history.series]
    rows = [(found.start - DAY, Decimal(found.performance.value_start), ZERO), *days]
    frame = pd.DataFrame(rows, columns=["day", "value", "contributions"], dtype=object)
    frame.index = pd.to_datetime(frame.pop("day").astype("int64"), unit="ms")
    with localcontext(EXACT):
        closes = frame.resample("MS").last()
        closes["contributions"] = closes["contributions"].diff()
        closes["gain"] = closes["value"].diff() - closes["contributions"]
    return [{"month": int(month.timestamp()) * 1000, **row} for month, row in closes.iloc[1:].to_dict("index").items()]


# --- the workbook ---

_OPTIONS: Final = {
    "in_memory": True,
    "strings_to_formulas": False,  # nobody's words are run
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
_DIGITS: Final = Context(prec=15, rounding=ROUND_HALF_EVEN)
"""What a spreadsheet's numbers hold."""
_FORMATS: Final[Mapping[Kind, str]] = {
    "text": "@",
    "month": "yyyy-mm",
    "day": "yyyy-mm-dd",
    "time": "yyyy-mm-dd hh:mm:ss",
    "quantity": "#,##0.00################",
    "money": "#,##0.00;[Red]-#,##0.00",
    "price": "#,##0.00########",
    "ratio": "0.00%;[Red]-0.00%",
    "number": "General",
}
_IN_BTC: Final = "#,##0.00000000;[Red]-#,##0.00000000"
_WIDTHS: Final[Mapping[Kind, int]] = {"month": 12, "day": 12, "time": 20, "ratio": 12, "number": 12}
_WIDTH, _EXACT_WIDTH, _FIGURE_WIDTH = 18, 30, 32
_VALUE_COLOUR, _INVESTED_COLOUR = "#0b62c4", "#b35900"


def workbook(told: Statement) -> bytes:
    """The statement as XLSX, a sheet for each table."""
    file = BytesIO()
    with Workbook(file, _OPTIONS) as book:
        made_at = moment(told.made_at).replace(tzinfo=None)
        book.set_properties({"title": f"{told.title}, {told.year}", "author": "CryptoPulse", "created": made_at})
        _Writer(book, told).write()
    return file.getvalue()


class _Writer:
    """Writes a statement into a workbook."""

    def __init__(self, book: Workbook, told: Statement) -> None:
        self._book = book
        self._told = told
        formats = {**_FORMATS, "money": _IN_BTC} if told.base == "BTC" else _FORMATS
        self._plain = {kind: book.add_format({"num_format": form}) for kind, form in formats.items()}
        self._bold = {
            kind: book.add_format({"num_format": form, "bold": True, "top": 1}) for kind, form in formats.items()
        }
        self._title = book.add_format({"bold": True, "font_size": 16})
        self._heading = book.add_format({"bold": True, "bottom": 1})
        self._note = book.add_format({"text_wrap": True, "valign": "top"})

    def write(self) -> None:
        summary = self._book.add_worksheet("Summary")
        for table in self._told.tables:
            self._add(table)
        lines = self._add(self._told.days)
        self._summarize(summary)
        if len(self._told.days.rows) > 1:
            summary.insert_chart(3, 4, self._chart(lines["Value"], lines["Start and contributions"]))

    def _summarize(self, sheet: Worksheet) -> None:
        told = self._told
        sheet.set_column(0, 2, _FIGURE_WIDTH)
        sheet.write_string(0, 0, told.title, self._title)
        sheet.write_string(1, 0, f"Statement of {told.year}")
        row = self._figures(sheet, 3, "", told.about)
        row = self._figures(sheet, row, "Performance", told.performance)
        row = self._figures(sheet, row, "Realised", told.realised)
        sheet.write_string(row, 0, "Notes", self._heading)
        for place, note in enumerate(told.notes, row + 1):
            sheet.merge_range(place, 0, place, 2, "")
            sheet.write_string(place, 0, note, self._note)
            sheet.set_row(place, 15 * (1 + len(note) // 90))
        sheet.set_landscape()
        sheet.fit_to_pages(1, 1)

    def _figures(self, sheet: Worksheet, row: int, heading: str, figures: Sequence[Figure]) -> int:
        """Writes figures below each other; tells the row for what comes after them."""
        if heading:
            sheet.write_string(row, 0, heading, self._heading)
            row += 1
        for place, (name, kind, value) in enumerate(figures, row):
            sheet.write_string(place, 0, name)
            _write(sheet, place, 1, value, kind, self._plain[kind])
            _write(sheet, place, 2, _lost(value), "text", self._plain["text"])
        return row + len(figures) + 1

    def _add(self, table: Table) -> dict[str, int]:
        """Adds a sheet with a table; a column whose numbers it cannot hold is followed by their text.

        Returns:
            The columns' places.
        """
        sheet = self._book.add_worksheet(table.name)
        rows = [*table.rows, *filter(None, [table.totals])]
        places: dict[str, int] = {}
        place = 0
        for index, (title, kind) in enumerate(table.columns):
            places[title] = place
            values = [row[index] for row in rows]
            self._head(sheet, place, title, _WIDTHS.get(kind, _WIDTH))
            for row, value in enumerate(values, 1):
                formats = self._plain if row <= len(table.rows) else self._bold
                _write(sheet, row, place, value, kind, formats[kind])
            place += 1
            if any(texts := [_lost(value) for value in values]):
                self._head(sheet, place, f"{title}, exact", _EXACT_WIDTH)
                for row, text in enumerate(texts, 1):
                    _write(sheet, row, place, text, "text", self._plain["text"])
                place += 1
        _write(sheet, len(rows) + 2, 0, table.cut, "text", self._plain["text"])
        sheet.autofilter(0, 0, max(len(table.rows), 1), place - 1)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        return places

    def _head(self, sheet: Worksheet, place: int, title: str, width: int) -> None:
        sheet.set_column(place, place, max(width, len(title) + 4))
        sheet.write_string(0, place, title, self._heading)

    def _chart(self, value: int, invested: int) -> Chart:
        name, days = self._told.days.name, len(self._told.days.rows)
        chart = self._book.add_chart({"type": "line"})
        for title, place, line in (
            ("Value", value, {"color": _VALUE_COLOUR, "width": 2}),
            ("Start and contributions", invested, {"color": _INVESTED_COLOUR, "width": 2, "dash_type": "dash"}),
        ):
            chart.add_series(
                {
                    "name": title,
                    "categories": [name, 1, 0, days, 0],
                    "values": [name, 1, place, days, place],
                    "line": line,
                }
            )
        chart.set_title({"name": f"Value in {self._told.base}"})
        chart.set_x_axis({"date_axis": True, "num_format": "mmm", "major_unit": 1, "major_unit_type": "months"})
        chart.set_y_axis({"num_format": "#,##0.########"})
        chart.set_legend({"position": "bottom"})
        chart.set_size({"width": 900, "height": 400})
        return chart


def _write(sheet: Worksheet, row: int, place: int, value: Value, kind: Kind, form: Format) -> None:
    """Writes a value as what it is: text is never taken for a formula, a number or an address."""
    if value is None or value == "":
        sheet.write_blank(row, place, None, form)
    elif isinstance(value, str):
        sheet.write_string(row, place, value, form)
    elif isinstance(value, Decimal):
        sheet.write_number(row, place, float(_DIGITS.plus(value)), form)
    elif kind == "number":
        sheet.write_number(row, place, value, form)
    else:
        sheet.write_datetime(row, place, moment(value).replace(tzinfo=None), form)


def _lost(value: Value) -> str:
    """An amount that a spreadsheet's numbers cannot hold, in all its digits; nothing for any other value."""
    return f"{value:f}" if isinstance(value, Decimal) and _DIGITS.plus(value) != value else ""


WORKBOOK: Final = Form(
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", "attachment", workbook
)
PAGE: Final = Form("text/html; charset=utf-8", "html", "inline", page)


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)
