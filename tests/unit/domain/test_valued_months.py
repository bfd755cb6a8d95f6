"""Valued months: joined they are the whole, and they hold no longer than what they were made of."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cryptopulse.domain.candles import DAY
from cryptopulse.domain.ledgers import Head
from cryptopulse.domain.quotes import Leg, Path
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import month_of
from cryptopulse.domain.transactions import Transaction
from cryptopulse.domain.valuation import DayValue, Inventory, Share, Valuation, valuation
from cryptopulse.domain.valued_months import Part, ValuedMonth, decode, encode, joined, parts, settled, whole
from tests.unit.domain.entries import at, d, daily, entered, quotes
from tests.unit.domain.test_valuation import CLOSES, NOW, histories

FEBRUARY = month_of(at("2024-02-01"))
PATHS: dict[str, Path | None] = {
    "BTC": (Leg(Series("coinbase", "BTC-USD")),),
    "ETH": (Leg(Series("binance", "ETH-USDT")), Leg(Series("coinbase", "USDT-USD"), is_inverted=True)),
    "XYZ": None,
}


@pytest.mark.parametrize(
    ("start", "end", "cuts"),
    [
        ("2024-01-01", "2024-02-01", []),
        ("2024-01-31T23:59:59.999", "2024-02-01", []),
        ("2024-01-31T23:59:59.999", "2024-02-01T00:00:00.001", ["2024-02-01"]),
        ("2023-12-24", "2024-03-01", ["2024-01-01", "2024-02-01"]),
        ("2024-02-10", "2024-02-20", []),
    ],
)
def test_periods_are_cut_where_months_begin(start: str, end: str, cuts: list[str]) -> None:
    assert parts(at(start), at(end)) == [Part(*each) for each in pairwise(map(at, [start, *cuts, end]))]


def test_a_month_is_settled_two_days_after_its_end() -> None:
    assert whole(FEBRUARY) == Part(at("2024-02-01"), at("2024-03-01"))
    assert [settled(at(now)) for now in ("2024-03-02T23:59:59.999", "2024-03-03")] == [FEBRUARY - 1, FEBRUARY]


# --- joined ---


@given(history=histories(), start=st.integers(0, 60 * DAY), length=st.integers(1, 40 * DAY))
def test_the_parts_make_the_whole(history: list[Transaction], start: int, length: int) -> None:
    known, start = quotes(CLOSES, NOW), at("2024-01-01") + start
    end = start + length
    inventory = Inventory.after([tx for tx in history if tx.time < start], "USD")
    during = [tx for tx in history if start <= tx.time < end]
    going = decoded(encode(month_of_(inventory))).inventory  # that it was kept makes no difference
    valued = [
        valuation(going, [tx for tx in during if part.start <= tx.time < part.end], known, "USD", *part)
        for part in parts(start, end)
    ]
    told = valuation(inventory, during, known, "USD", start, end)
    assert joined(valued, start, end, told.unpriced) == told


def month_of_(inventory: Inventory) -> ValuedMonth:
    return ValuedMonth(1, 0, True, {}, Valuation(*whole(FEBRUARY), d(0), [], {}, []), inventory)


def decoded(data: bytes) -> ValuedMonth:
    month = decode(data)
    assert month is not None
    return month


def test_before_there_was_anything_there_is_nothing() -> None:
    buy = entered("buy", "BTC", 2, "2024-02-03T12:00", price=100)
    known = quotes({"BTC": {"1d": daily("2024-02-01", *(100 for _ in range(29)))}}, NOW)
    month = valuation(Inventory(), [buy], known, "USD", *whole(FEBRUARY))
    nothing = [DayValue(at(day), d(0), lacks_price=False, flows=[]) for day in ("2024-01-31", "2024-02-01")]
    for start, days in (("2024-01-31T05:00", nothing), ("2024-02-01T07:00", nothing[1:])):
        told = joined([month], at(start), month.end, [])
        assert told == replace(month, start=at(start), days=[*days, *month.days[1:]])
    assert joined([], at("2024-01-31"), at("2024-02-02"), []) == Valuation(
        at("2024-01-31"), at("2024-02-02"), d(0), nothing, {}, []
    )


# --- how long they hold ---


def february(closes: dict[str, float | str], paths: dict[str, Path | None], **held: int) -> ValuedMonth:
    known = quotes({"BTC": {"1d": closes}}, NOW)
    inventory = Inventory({asset: d(quantity) for asset, quantity in held.items()})
    valued = valuation(inventory, [], known, "USD", *whole(FEBRUARY))
    return ValuedMonth.of(valued, inventory, known, paths, 7, at("2024-03-05"))


ALL: dict[str, Any] = daily("2024-02-01", *(100 for _ in range(29)))
GAP = {day: close for day, close in ALL.items() if day != "2024-02-29"}


def test_a_month_knows_what_it_is_made_of() -> None:
    made = february(ALL, PATHS, BTC=2)
    assert (made.version, made.made_at, made.is_final) == (7, at("2024-03-05"), True)
    assert made.paths == {"BTC": PATHS["BTC"]}
    assert made.valuation.shares == {"BTC": Share(d(0), d(0), d(200))}
    assert decoded(encode(made)) == made


@pytest.mark.parametrize(
    ("closes", "held", "is_final"),
    [
        (ALL, {"BTC": 1}, True),
        (ALL, {"BTC": 1, "XYZ": 1}, True),  # nobody will ever tell its price
        (GAP, {"BTC": 1}, False),
        (GAP, {"BTC": 1, "XYZ": 1}, False),
        (GAP, {"XYZ": 1}, True),
        (ALL, {"BTC": 1, "ETH": 1}, False),
        (ALL, {}, True),
    ],
)
def test_a_price_that_may_come_later_leaves_a_month_open(
    closes: dict[str, Any], held: dict[str, int], is_final: bool
) -> None:
    made = february(closes, PATHS, **held)
    assert made.is_final == is_final
    for later, holds in ((DAY - 1, True), (DAY, is_final)):
        assert made.holds(Head(), 7, PATHS, made.made_at + later) == holds


@pytest.mark.parametrize(
    ("touched", "version", "holds"),
    [
        ([], 7, True),
        ([], 6, False),  # it knows more than its reader
        ([(FEBRUARY, 7)], 7, True),
        ([(FEBRUARY, 8)], 8, False),
        ([(FEBRUARY - 20, 8)], 8, False),
        ([(FEBRUARY - 20, 6), (FEBRUARY, 7), (FEBRUARY + 1, 9)], 9, True),
        ([(FEBRUARY - 20, 6), (FEBRUARY, 8), (FEBRUARY + 1, 9)], 9, False),
        ([(FEBRUARY + 1, 9)], 9, True),
    ],
)
def test_a_month_holds_until_something_up_to_its_end_changes(
    touched: list[tuple[int, int]], version: int, holds: bool
) -> None:
    made = february(ALL, PATHS, BTC=1)
    assert made.holds(Head(touched=touched), version, PATHS, made.made_at) == holds


def test_a_month_holds_while_its_assets_are_priced_as_they_were() -> None:
    made = february(ALL, PATHS, BTC=1, XYZ=1)
    for asset, holds in (("ETH", True), ("BTC", False), ("XYZ", False)):
        followed = {**PATHS, asset: (Leg(Series("coinbase", f"{asset}-USDT")),)}
        assert made.holds(Head(), 7, followed, made.made_at) == holds


def test_a_month_by_other_rules_is_none() -> None:
    data = encode(february(ALL, PATHS, BTC=1))
    assert decode(b"\x00" + data[1:]) is None
