"""What reports tell of a portfolio."""

import csv
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Struct, UnsetType

from cryptopulse.domain.bookkeeping import enter
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.lots import Book
from cryptopulse.domain.portfolios import Kind
from cryptopulse.domain.reports import (
    LONGEST,
    GainRow,
    History,
    Holdings,
    PerformanceView,
    PeriodQuery,
    Year,
    plain,
    year_of,
    year_span,
)
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Mark, Transaction
from cryptopulse.domain.valuation import Inventory, Valuation, valuation
from cryptopulse.errors import InvalidError
from tests.unit.domain.entries import at, d, daily, entered, quotes

NOW = at("2025-06-01T12:00")


def shown(answer: Struct) -> Any:
    return msgspec.json.decode(msgspec.json.encode(answer))


def held(*transactions: Transaction) -> Book:
    book = Book("fifo")
    for tx in transactions:
        enter(book, tx, "USD")
    return book


def valued(*transactions: Transaction) -> Valuation:
    known = {
        "BTC": {"1d": daily("2024-01-01", 100, 150, 120)},
        "ETH": {"1d": daily("2024-01-01", 10, 10, "12.5")},
    }
    return valuation(Inventory(), transactions, quotes(known, "2025-01-01"), "USD", at("2024-01-01"), at("2024-01-04"))


# --- holdings ---


def test_holdings_are_told_by_value_then_those_without_a_price() -> None:
    book = held(
        entered("buy", "AAA", 3, "2024-01-01", price=5),
        entered("buy", "BTC", 2, "2024-01-01", price=100, fee=1),
        entered("reward", "ETH", 3, "2024-01-01"),
        entered("buy", "XYZ", "0.10", "2024-01-01", price=7),
        entered("sell", "XYZ", "0.4", "2024-01-02", price=7),
        entered("buy", "XYZ", "0.50", "2024-01-03", price=7),
        entered("sell", "BTC", "0.5", "2024-01-04", price=102),
    )
    marks = {asset: Mark(d(price), NOW - 1000) for asset, price in (("AAA", 150), ("BTC", 300), ("ETH", "0.00000001"))}
    time = "2025-06-01T11:59:59.000Z"
    assert shown(Holdings.of(book, marks, "USD")) == {
        "base_currency": "USD",
        "items": [
            {
                "asset": "AAA",
                "quantity": "3",
                "cost_basis": "15",
                "average_cost": "5",
                "price": "150",
                "price_time": time,
                "value": "450",
                "unrealized": "435",
                "unrealized_pct": "2900",
                "allocation_pct": "49.999999998333",
            },
            {
                "asset": "BTC",
                "quantity": "1.5",
                "cost_basis": "150.75",
                "average_cost": "100.5",
                "price": "300",
                "price_time": time,
                "value": "450",
                "unrealized": "299.25",
                "unrealized_pct": "198.507462686567",
                "allocation_pct": "49.999999998333",
            },
            {
                "asset": "ETH",
                "quantity": "3",
                "cost_basis": "0",
                "average_cost": "0",
                "price": "0.00000001",
                "price_time": time,
                "value": "0.00000003",
                "unrealized": "0.00000003",
                "unrealized_pct": None,
                "allocation_pct": "0.000000003333",
            },
            {
                "asset": "XYZ",
                "quantity": "0.5",
                "cost_basis": "3.5",
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
        "totals": {"value": "900.00000003", "cost_basis": "165.75", "unrealized": "734.25000003", "realized": "2.85"},
        "unpriced": ["XYZ"],
        "missing": [{"asset": "XYZ", "quantity": "0.3"}],
    }


def test_nothing_held_is_worth_nothing() -> None:
    assert shown(Holdings.of(held(), {}, "EUR")) == {
        "base_currency": "EUR",
        "items": [],
        "next_cursor": None,
        "totals": {"value": "0", "cost_basis": "0", "unrealized": "0", "realized": "0"},
        "unpriced": [],
        "missing": [],
    }


# --- periods ---


@pytest.mark.parametrize(
    ("start", "end", "first", "span"),
    [
        (UNSET, UNSET, "2024-01-01T10:00", ("2024-01-01T10:00", "2025-06-01T12:00")),
        (UNSET, UNSET, None, ("2025-06-01", "2025-06-01T12:00")),
        (UNSET, UNSET, "2025-06-01T12:04", ("2025-06-01", "2025-06-01T12:00")),
        (UNSET, "2023-05-05", "2024-01-01", ("2023-05-04", "2023-05-05")),
        ("2024-02-01", "2030-01-01", "2024-01-01", ("2024-02-01", "2025-06-01T12:00")),
        ("2020-02-01", "2024-03-01T05:00", "2024-01-01", ("2020-02-01", "2024-03-01T05:00")),
    ],
)
def test_a_period_begins_with_the_first_transaction_and_ends_now(
    start: str | UnsetType, end: str | UnsetType, first: str | None, span: tuple[str, str]
) -> None:
    given_ = [
        UNSET if each is UNSET else Time.parse(each if "T" not in each else f"{each}:00Z") for each in (start, end)
    ]
    query = PeriodQuery(start=given_[0], end=given_[1])
    assert query.span(None if first is None else at(first), NOW) == (at(span[0]), at(span[1]))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (NOW, UNSET, "Expected a time before the end, and not in the future"),
        (NOW - DAY, NOW - DAY, "Expected a time before the end, and not in the future"),
        (NOW - DAY, NOW - 2 * DAY, "Expected a time before the end, and not in the future"),
        (NOW + DAY, NOW + 2 * DAY, "Expected a time before the end, and not in the future"),
        (NOW - LONGEST - 1, UNSET, "Expected a period of at most 20 years"),
    ],
)
def test_a_period_has_a_length_and_is_not_too_long(start: int, end: int | UnsetType, message: str) -> None:
    query = PeriodQuery(start=Time(start), end=end if end is UNSET else Time(end))
    with pytest.raises(InvalidError) as refused:
        query.span(0, NOW)
    assert (refused.value.field, refused.value.message) == ("start", message)


# --- performance and history ---


def test_performance_tells_what_each_asset_had_to_do_with_it() -> None:
    told = PerformanceView.of(
        valued(
            entered("buy", "BTC", 1, "2024-01-01", price=100),
            entered("buy", "ETH", 10, "2024-01-02", price=10),
            entered("buy", "XYZ", 1, "2024-01-02", price=10),
        ),
        "USD",
        "BTC-USD",
        [d(100), d(100), d(150), d(120)],
        annualize=True,
    )
    assert shown(told) == {
        "start": "2024-01-01T00:00:00.000Z",
        "end": "2024-01-04T00:00:00.000Z",
        "base_currency": "USD",
        "value_start": "0",
        "value_end": "255",
        "net_contributions": "210",
        "gain": "45",
        "twr": "0.471153846154",
        "twr_annualized": None,
        "mwr": "0.264029819553",
        "max_drawdown": {"value": "0.019230769231", "peak": "2024-01-02", "trough": "2024-01-03"},
        "volatility": "5.624191811325",
        "sharpe": "10.400354700885",
        "sortino": "275.756535129572",
        "benchmark": {"symbol": "BTC-USD", "twr": "0.2"},
        "days_without_price": 2,
        "unpriced": ["XYZ"],
        # 100 was at work for three days, 110 for two: 173.33 on average.
        "assets": [
            {
                "asset": asset,
                "value": value,
                "allocation": allocation,
                "gain": gain,
                "contribution": contribution,
            }
            for asset, value, allocation, gain, contribution in (
                ("ETH", "125", "0.490196078431", "25", "0.144230769231"),
                ("BTC", "120", "0.470588235294", "20", "0.115384615385"),
                ("XYZ", "10", "0.039215686275", "0", "0"),
            )
        ],
    }


def test_what_cannot_be_computed_is_null() -> None:
    assert shown(PerformanceView.of(valued(), "GBP")) == {
        "start": "2024-01-01T00:00:00.000Z",
        "end": "2024-01-04T00:00:00.000Z",
        "base_currency": "GBP",
        "value_start": "0",
        "value_end": "0",
        "net_contributions": "0",
        "gain": "0",
        "twr": None,
        "twr_annualized": None,
        "mwr": None,
        "max_drawdown": {"value": None, "peak": None, "trough": None},
        "volatility": None,
        "sharpe": None,
        "sortino": None,
        "benchmark": None,
        "days_without_price": 0,
        "unpriced": [],
        "assets": [],
    }


def test_what_was_all_withdrawn_has_no_share_and_an_empty_account_no_contribution() -> None:
    (asset,) = PerformanceView.of(
        valued(
            entered("buy", "BTC", 1, "2024-01-01", price=100),
            entered("sell", "BTC", 1, "2024-01-01T00:00:01", price=500),
        ),
        "USD",
    ).assets
    assert shown(asset) == {
        "asset": "BTC",
        "value": "0",
        "allocation": None,
        "gain": "400",
        "contribution": None,
    }


def test_history_has_a_row_a_day() -> None:
    told = History.of(
        valued(
            entered("buy", "BTC", 1, "2024-01-01", price=100),
            entered("sell", "BTC", "0.5", "2024-01-03", price=130, fee="0.5"),
        ),
        "USD",
    )
    assert shown(told) == {
        "base_currency": "USD",
        "series": [["2024-01-01", "100", "100"], ["2024-01-02", "150", "100"], ["2024-01-03", "60", "35.5"]],
        "days_without_price": 0,
        "unpriced": [],
    }


# --- gains ---


def test_a_years_gains_are_those_of_its_disposals() -> None:
    first = entered("buy", "BTC", 1, "2022-06-01", price=100, fee=1)
    second = entered("buy", "BTC", 1, "2023-06-01", price=300)
    earlier = entered("sell", "BTC", "0.5", "2022-12-31T23:59:59.999", price=200)
    sale = entered("sell", "BTC", 2, "2023-12-31T23:59:59.999", price=400, fee=2)
    reward = entered("reward", "ETH", 2, "2023-07-01", marks={"ETH": 10})
    year = Year.of([first, earlier, second, reward, sale], "fifo", "USD", year_span(2023)[0])
    assert [shown(GainRow.of(match)) for match in year.matches] == [
        {
            "asset": "BTC",
            "quantity": quantity,
            "acquired_at": acquired_at,
            "disposed_at": "2023-12-31T23:59:59.999Z",
            "proceeds": proceeds,
            "cost_basis": cost,
            "gain": gain,
            "term": term,
            "transaction_id": sale.id,
            "acquisition_id": acquisition,
        }
        for quantity, acquired_at, proceeds, cost, gain, term, acquisition in (
            ("0.5", "2022-06-01T00:00:00.000Z", "199.5", "50.5", "149", "long", first.id),
            ("1", "2023-06-01T00:00:00.000Z", "399", "300", "99", "short", second.id),
            ("0.5", None, "199.5", "0", "199.5", "short", None),
        )
    ]
    assert shown(year.totals) == {
        "proceeds": "798",
        "cost_basis": "350.5",
        "gain": "447.5",
        "short": "298.5",
        "long": "149",
        "income": "20",
        "missing": [{"asset": "BTC", "quantity": "0.5"}],
    }
    assert "".join(year.csv) == (
        "asset,quantity,acquired_at,disposed_at,proceeds,cost_basis,gain,term,transaction_id,acquisition_id\r\n"
        f"BTC,0.5,2022-06-01T00:00:00.000Z,2023-12-31T23:59:59.999Z,199.5,50.5,149,long,{sale.id},{first.id}\r\n"
        f"BTC,1,2023-06-01T00:00:00.000Z,2023-12-31T23:59:59.999Z,399,300,99,short,{sale.id},{second.id}\r\n"
        f"BTC,0.5,,2023-12-31T23:59:59.999Z,199.5,0,199.5,short,{sale.id},\r\n"
    )


def test_a_year_without_disposals_has_totals_of_nothing() -> None:
    year = Year.of([], "acb", "USD", 0)
    assert shown(year.totals) == {
        "proceeds": "0", "cost_basis": "0", "gain": "0", "short": "0", "long": "0", "income": "0", "missing": [],
    }  # fmt: skip
    assert len(list(year.csv)) == 1


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["buy", "sell"]),
            st.decimals("0.000000000000000001", "1000", places=18),
            st.decimals("0.000000000000000001", "1000", places=18),
        ),
        max_size=12,
    )
)
def test_rows_add_up_exactly_to_the_totals(rows: list[tuple[Kind, Decimal, Decimal]]) -> None:
    transactions = [
        entered(kind, "BTC", f"{quantity:f}", 1_500_000_000_000 + place * 100 * DAY, price=f"{price:f}", fee="0.01")
        for place, (kind, quantity, price) in enumerate(rows)
    ]
    year = Year.of(transactions, "hifo", "USD", 0)
    totals, lines = year.totals, list(csv.DictReader(year.csv))
    for field in ("proceeds", "cost_basis", "gain"):
        assert sum(int(d(line[field]).scaleb(18)) for line in lines) == int(d(getattr(totals, field)).scaleb(18))
    for term in ("short", "long"):
        gains = [int(d(line["gain"]).scaleb(18)) for line in lines if line["term"] == term]
        assert sum(gains) == int(d(getattr(totals, term)).scaleb(18))


def test_years_are_those_of_utc() -> None:
    start, end = year_span(2024)
    assert (start, end) == (at("2024-01-01"), at("2025-01-01"))
    assert [year_of(start - 1), year_of(start), year_of(end - 1), year_of(end)] == [2023, 2024, 2024, 2025]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1E+3", "1000"),
        ("0.500", "0.5"),
        ("-0.0", "0"),
        ("1E-18", "0.000000000000000001"),
        ("9" * 54 + "." + "9" * 18, "9" * 54 + "." + "9" * 18),
    ],
)
def test_amounts_have_no_exponent_and_no_needless_zeros(amount: str, text: str) -> None:
    assert plain(Decimal(amount)) == text
