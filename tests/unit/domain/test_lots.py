"""Lots give each disposal the cost its method says, and never create or lose quantity or money."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Literal, NamedTuple, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain.lots import (
    UNIT,
    Book,
    Holding,
    Match,
    Method,
    Part,
    encode_lots,
    encode_totals,
    restore,
    rounded,
    term,
)
from cryptopulse.errors import InvalidError, SchemaError

METHODS: tuple[Method, ...] = get_args(Method.__value__)
EACH_METHOD = pytest.mark.parametrize("method", METHODS)
BIG = Decimal("999999999999999999.999999999999999999")
DAY = 86_400_000


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def d(text: str) -> Decimal:
    return Decimal(text)


def book(method: Method, *acquisitions: tuple[str, str], asset: str = "BTC") -> Book:
    """A book with lots of (quantity, cost), acquired at the times 1, 2, 3 … by the transactions a1, a2, a3 …"""
    made = Book(method)
    for number, (quantity, cost) in enumerate(acquisitions, 1):
        made.acquire(asset, d(quantity), d(cost), number, f"a{number}")
    return made


type Stored = tuple[bytes, dict[str, bytes]]


def encode(held: Book) -> Stored:
    """A whole book: its totals, and each asset's lots."""
    return encode_totals(held), {asset: encode_lots(position.lots) for asset, position in held.positions.items()}


def decode(stored: Stored) -> Book:
    totals, lots = stored
    return restore(totals, lots.__getitem__)


# --- the cases of the specification ---


@pytest.mark.parametrize(
    ("method", "gain", "left"),
    [("fifo", "338.5", "351.5"), ("lifo", "238.5", "251.5"), ("hifo", "188.5", "201.5"), ("acb", "288.5", "301.5")],
)
def test_each_method_takes_its_own_lots(method: Method, gain: str, left: str) -> None:
    """1 at 100, 1 at 300, 1 at 200 with fees of 1; 1.5 sold at 400 with a fee of 10."""
    held = book(method, ("1", "101"), ("1", "301"), ("1", "201"))
    matches = held.dispose("BTC", d("1.5"), d("590"), 4, "s")
    assert sum(match.gain for match in matches) == d(gain)
    assert held.realised == {"short": d(gain), "long": 0}
    assert held.holdings == {"BTC": Holding(d("1.5"), d(left))}


@pytest.mark.parametrize(
    ("method", "gain", "average"),
    [("fifo", "750", "200"), ("lifo", "250", "100"), ("hifo", "250", "100"), ("acb", "500", "150")],
)
def test_what_is_left_after_buying_again(method: Method, gain: str, average: str) -> None:
    """Buy 10 at 100, sell 5 at 150, buy 5 at 200, sell 5 at 200: FIFO gains 750, not 833.33."""
    held = book(method, ("10", "1000"))
    held.dispose("BTC", d("5"), d("750"), 2, "s1")
    held.acquire("BTC", d("5"), d("1000"), 3, "a2")
    held.dispose("BTC", d("5"), d("1000"), 4, "s2")
    assert held.realised["short"] == d(gain)
    quantity, cost = held.holdings["BTC"]
    assert cost / quantity == d(average)


# --- what a disposal and a removal tell ---


def test_a_disposal_lists_the_lots_it_took() -> None:
    held = book("fifo", ("1", "100"), ("2", "300"))
    assert held.dispose("BTC", d("2"), d("600"), 9, "s") == [
        Match("BTC", d("1"), 1, 9, d("300"), d("100"), d("200"), "short", "a1", "s"),
        Match("BTC", d("1"), 2, 9, d("300"), d("150"), d("150"), "short", "a2", "s"),
    ]
    assert held.lots("BTC") == [Part(d("1"), d("150"), 2, "a2")]


@EACH_METHOD
def test_what_was_never_acquired_costs_nothing_and_is_told(method: Method) -> None:
    held = book(method, ("1", "100"))
    assert held.dispose("BTC", d("4"), d("800"), 9, "s") == [
        Match("BTC", d("1"), 1, 9, d("200"), d("100"), d("100"), "short", "a1", "s"),
        Match("BTC", d("3"), None, 9, d("600"), d("0"), d("600"), "short", None, "s"),
    ]
    assert held.dispose("ETH", d("1"), d("50"), 9, "t")[0].acquired_at is None
    assert held.remove("ETH", d("2"), 9, "u") == [Part(d("2"), d("0"), None, None)]
    assert held.missing == {"BTC": d("3"), "ETH": d("3")}
    assert held.holdings == {}
    assert held.realised == {"short": d("750"), "long": 0}


def test_the_pool_has_one_cost_and_gives_its_oldest_dates_first() -> None:
    held = book("acb", ("1", "100"), ("1", "300"))
    assert held.remove("BTC", d("1.5"), 3, "w") == [Part(d("1"), d("200"), 1, "a1"), Part(d("0.5"), d("100"), 2, "a2")]
    assert held.realised == {"short": 0, "long": 0}
    held.acquire("BTC", d("1.5"), d("500"), 4, "a3")
    assert held.lots("BTC") == [Part(d("0.5"), d("150"), 2, "a2"), Part(d("1.5"), d("450"), 4, "a3")]
    assert held.holdings == {"BTC": Holding(d("2"), d("600"))}


def test_a_fee_in_a_coin_takes_its_cost_and_brings_nothing() -> None:
    held = book("fifo", ("10", "50"))
    (match,) = held.dispose("BTC", d("0.1"), d("0"), 2, "f")
    assert (match.proceeds, match.cost_basis, match.gain) == (d("0"), d("0.5"), d("-0.5"))


# --- the order in which lots are taken ---


def test_of_equal_unit_costs_the_highest_method_takes_the_earlier_then_the_lower_id() -> None:
    held = Book("hifo")
    for transaction, quantity, cost, time in (
        ("d", "3", "1", 5),
        ("b", "6", "2", 7),
        ("a", "9", "3", 7),
        ("c", "1", "0.3", 1),
    ):
        held.receive("BTC", [Part(d(quantity), d(cost), time, transaction)])
    taken = held.remove("BTC", d("19"), 9, "w")
    assert [part.transaction for part in taken] == ["d", "a", "b", "c"]


def test_a_lot_that_was_begun_keeps_its_place_among_equals() -> None:
    """A third is no decimal: what is left of the lot has, digit for digit, another unit cost than its equals."""
    held = book("hifo", *[("3", "1")] * 3)
    held = decode(encode(held))
    taken: list[str | None] = []
    for number in range(12):
        taken += [part.transaction for part in held.remove("BTC", d("0.7"), 10 + number, "w")]
        held = decode(encode(held))
    assert taken == sorted(taken, key=str)


def test_lots_alike_in_everything_are_used_up_one_after_the_other() -> None:
    """One acquisition may come in several equal parts: by two transfers."""
    held = Book("hifo")
    held.receive("BTC", [Part(d("2"), d("6"), 1, "a"), Part(d("2"), d("6"), 1, "a"), Part(d("1"), d("3"), 1, "a")])
    taken = [part.quantity for part in held.remove("BTC", d("1.5"), 2, "w")]
    held = decode(encode(held))
    taken += [part.quantity for part in held.remove("BTC", d("3.5"), 3, "w")]
    assert taken == [d("1"), d("0.5"), d("1.5"), d("2")]


def test_unit_costs_are_compared_exactly() -> None:
    """Of the lower two one is less by one part in 10^72."""
    whole, less, least = BIG, d("999999999999999999.999999999999999998"), d("999999999999999999.999999999999999997")
    held = Book("hifo")
    held.acquire("BTC", less, least, 1, "lowest")
    held.acquire("BTC", whole, less, 2, "lower")
    held.acquire("BTC", less, less, 3, "highest")
    assert [part.transaction for part in held.remove("BTC", BIG * 2, 4, "w")] == ["highest", "lower", "lowest"]


@pytest.mark.parametrize(("method", "order"), [("fifo", ["a", "b", "c", "d"]), ("lifo", ["d", "c", "b", "a"])])
def test_lots_of_a_transfer_find_their_place_by_date_then_id(method: Method, order: list[str]) -> None:
    held = Book(method)
    held.acquire("BTC", d("1"), d("1"), 5, "b")
    held.acquire("BTC", d("1"), d("1"), 8, "d")
    held.receive("BTC", [Part(d("1"), d("1"), 5, "a"), Part(d("1"), d("1"), 5, "c")])
    assert [part.transaction for part in held.remove("BTC", d("4"), 9, "w")] == order


# --- transfers ---


@EACH_METHOD
def test_a_transfer_keeps_dates_and_cost(method: Method) -> None:
    source, target = book(method, ("2", "200"), ("2", "600")), Book(method)
    parts = source.remove("BTC", d("3"), 5, "t")
    target.receive("BTC", parts)
    assert sorted(target.lots("BTC"), key=lambda part: str(part.transaction)) == sorted(
        parts, key=lambda part: str(part.transaction)
    )
    assert source.holdings["BTC"].cost + target.holdings["BTC"].cost == 800
    assert source.missing == target.missing == {}


@EACH_METHOD
def test_what_came_without_its_acquisition_is_missing_there_too_and_goes_last(method: Method) -> None:
    source, target = book(method, ("1", "100")), book(method, ("1", "500"))
    target.receive("BTC", source.remove("BTC", d("3"), 2, "t"))
    assert target.holdings == {"BTC": Holding(d("4"), d("600"))}
    assert target.missing == source.missing == {"BTC": d("2")}
    assert target.lots("BTC")[-1] == Part(d("2"), d("0"), None, None)
    target.remove("BTC", d("2"), 3, "w")
    target = decode(encode(target))
    assert target.remove("BTC", d("1.5"), 4, "w") == [Part(d("1.5"), d("0"), None, None)]
    assert target.missing == {"BTC": d("2")}
    assert target.dispose("BTC", d("1"), d("9"), 5, "s") == [
        Match("BTC", d("1"), None, 5, d("9"), d("0"), d("9"), "short", None, "s")
    ]
    assert target.missing == {"BTC": d("2.5")}
    assert target.holdings == {}


# --- the term ---


@pytest.mark.parametrize(
    ("acquired", "last_short", "first_long"),
    [
        ("2022-03-01", "2023-03-01", "2023-03-02"),
        ("2023-03-01", "2024-03-01", "2024-03-02"),
        ("2023-02-28", "2024-02-28", "2024-02-29"),
        ("2024-02-28", "2025-02-28", "2025-03-01"),
        ("2024-02-29", "2025-02-28", "2025-03-01"),
        ("2023-12-31", "2024-12-31", "2025-01-01"),
    ],
)
def test_long_is_more_than_a_year_by_the_calendar(acquired: str, last_short: str, first_long: str) -> None:
    for time in (at(acquired), at(acquired) + DAY - 1):
        assert term(time, at(last_short) + DAY - 1) == "short"
        assert term(time, at(first_long)) == "long"


@given(
    st.datetimes(datetime(2009, 1, 3), datetime(2100, 1, 1)),  # noqa: DTZ001 (made aware by `at`)
    st.integers(0, 800 * DAY),
)
def test_the_term_is_that_of_the_days(acquired: datetime, held: int) -> None:
    start = at(acquired.isoformat())
    end = start + held
    first, last = (datetime.fromtimestamp(time // 1000, UTC).date() for time in (start, end))
    year = (last.year, last.month, last.day) > (first.year + 1, first.month, first.day)
    assert term(start, end) == ("long" if year else "short")


def test_gains_are_realised_by_term() -> None:
    held = Book("fifo")
    held.acquire("BTC", d("1"), d("100"), at("2023-01-10"), "a1")
    held.acquire("BTC", d("1"), d("200"), at("2023-06-10"), "a2")
    matches = held.dispose("BTC", d("2"), d("1000"), at("2024-01-11"), "s")
    assert [(match.term, match.gain) for match in matches] == [("long", d("400")), ("short", d("300"))]
    assert held.realised == {"long": d("400"), "short": d("300")}


# --- amounts ---


def test_a_split_is_rounded_half_even_and_its_parts_add_up() -> None:
    held = book("fifo", ("3", "1"), ("2", "0.000000000000000001"))
    thirds = [held.remove("BTC", d("1"), 3, "w")[0].cost for _ in range(3)]
    assert thirds == [d("0.333333333333333333"), d("0.333333333333333334"), d("0.333333333333333333")]
    assert [held.remove("BTC", d("1"), 3, "w")[0].cost for _ in range(2)] == [d("0E-18"), d("1E-18")]


@EACH_METHOD
def test_a_fee_above_the_price_leaves_negative_proceeds(method: Method) -> None:
    held = book(method, ("1", "0"), ("1", "0"), ("1", "0"))
    matches = held.dispose("BTC", d("3"), d("-1"), 4, "s")
    assert [match.gain for match in matches] == [
        d("-0.333333333333333333"),
        d("-0.333333333333333334"),
        d("-0.333333333333333333"),
    ]


def test_money_is_rounded_where_it_comes_in() -> None:
    held = book("fifo", ("1", "0.0000000000000000015"))
    (match,) = held.dispose("BTC", d("1"), d("0.0000000000000000025"), 2, "s")
    assert (match.cost_basis, match.proceeds, match.gain) == (2 * UNIT, 2 * UNIT, d("0"))
    assert str(rounded(d("1.50"))) == "1.50"


@EACH_METHOD
def test_the_largest_and_the_smallest_amounts_are_exact(method: Method) -> None:
    held = Book(method)
    held.acquire("BTC", BIG, BIG * UNIT, 1, "a1")
    with localcontext(prec=80):
        most = BIG * BIG
        held.acquire("BTC", BIG, most, 2, "a2")
        matches = [*held.dispose("BTC", UNIT, UNIT, 3, "s1"), *held.dispose("BTC", 2 * BIG - UNIT, most, 4, "s2")]
        assert sum(match.cost_basis for match in matches) == rounded(most) + rounded(BIG * UNIT)
        assert sum(match.proceeds for match in matches) == rounded(most) + UNIT
        assert sum(match.quantity for match in matches) == 2 * BIG
    assert held.holdings == held.missing == {}


@EACH_METHOD
def test_the_callers_decimal_context_does_not_matter(method: Method) -> None:
    def told() -> tuple[list[Match], Stored]:
        held = book(method, ("1.23456789", "100.987654321"), ("2.3456789", "300.123456789"))
        return held.dispose("BTC", d("2.000000001"), d("777.777777777"), 3, "s"), encode(held)

    expected = told()
    with localcontext(prec=3):
        assert told() == expected


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity"])
def test_a_quantity_is_above_nothing_and_finite(quantity: str) -> None:
    held = book("fifo", ("1", "1"))
    actions: list[Callable[[], object]] = [
        lambda: held.acquire("BTC", d(quantity), d("1"), 2, "x"),
        lambda: held.dispose("BTC", d(quantity), d("1"), 2, "x"),
        lambda: held.remove("BTC", d(quantity), 2, "x"),
    ]
    for action in actions:
        with pytest.raises(InvalidError) as caught:
            action()
        assert caught.value.field == "quantity"
    assert held.holdings == {"BTC": Holding(d("1"), d("1"))}


@pytest.mark.parametrize("amount", ["NaN", "-Infinity"])
def test_money_is_finite(amount: str) -> None:
    held = book("fifo", ("1", "1"))
    before = encode(held)
    with pytest.raises(InvalidError):
        held.acquire("BTC", d("1"), d(amount), 1, "x")
    with pytest.raises(InvalidError):
        held.dispose("BTC", d("1"), d(amount), 1, "x")
    assert encode(held) == before


def test_events_come_in_order_of_time() -> None:
    held = book("fifo", ("1", "1"), ("1", "1"))
    held.remove("BTC", d("1"), 2, "same")
    held = decode(encode(held))
    with pytest.raises(ValueError, match="transaction late at 1 comes after 2"):
        held.acquire("BTC", d("1"), d("1"), 1, "late")


def test_a_snapshot_of_another_format_is_refused() -> None:
    totals, lots = encode(book("fifo", ("1", "1")))
    with pytest.raises(SchemaError, match="stored book of lots"):
        decode((b"\x00" + totals[1:], lots))
    with pytest.raises(zlib.error):
        decode((totals[:-5], lots))
    with pytest.raises(SchemaError, match="stored book of lots"):
        decode((totals, {"BTC": b"\x00" + lots["BTC"][1:]})).lots("BTC")
    assert decode((totals, lots)).lots("BTC") == [Part(d("1"), d("1"), 1, "a1")]
    assert decode((totals, lots)).lots("ETH") == []


def test_lots_are_read_when_one_is_looked_at_and_not_when_one_is_added() -> None:
    held = book("fifo", ("1", "10"), ("2", "30"))
    held.acquire("ETH", d("5"), d("5"), 3, "e1")
    held.remove("ETH", d("5"), 3, "e2")
    totals, lots = encode(held)
    read: list[str] = []

    def get(asset: str) -> bytes:
        read.append(asset)
        return lots[asset]

    resumed = restore(totals, get)
    resumed.acquire("BTC", d("1"), d("20"), 4, "a3")
    resumed.acquire("ETH", d("1"), d("1"), 4, "e3")
    resumed.remove("ETH", d("1"), 5, "e4")
    assert resumed.holdings == {"BTC": Holding(d("4"), d("60"))}
    assert read == []
    assert resumed.remove("BTC", d("4"), 5, "s") == [
        Part(d("1"), d("10"), 1, "a1"),
        Part(d("2"), d("30"), 2, "a2"),
        Part(d("1"), d("20"), 4, "a3"),
    ]
    assert read == ["BTC"]


# --- any history ---


type Kind = Literal["acquire", "dispose", "remove"]


@dataclass(frozen=True)
class Event:
    kind: Kind
    asset: str
    quantity: Decimal
    money: Decimal
    time: int
    id: str


def amounts(digits: int) -> st.SearchStrategy[Decimal]:
    """Few digits, so that histories meet; many; the smallest and the largest there are."""
    few = st.integers(1, 40).map(Decimal)
    many = st.decimals(UNIT, 10**digits, places=18)
    return st.one_of(few, few, many, st.sampled_from([UNIT, 3 * UNIT, d("0.1"), d("1E+18") - UNIT]))


KINDS: list[Kind] = ["acquire", "acquire", "dispose", "remove"]
ENTRIES = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(["BTC", "BTC", "ETH"]),
    amounts(6),
    amounts(9),
    st.sampled_from([0, 1, DAY, 100 * DAY]),
)


def in_order(entries: list[tuple[Kind, str, Decimal, Decimal, int]]) -> list[Event]:
    time, events = at("2023-02-27"), []
    for number, (kind, asset, quantity, money, pause) in enumerate(entries):
        time += pause
        events.append(Event(kind, asset, quantity, money, time, f"t{number:03}"))
    return events


def histories() -> st.SearchStrategy[list[Event]]:
    """Events in order of time, some at the same, days to years apart; disposals may go beyond what there is."""
    return st.lists(ENTRIES, min_size=1, max_size=25).map(in_order)


def tell(held: Book, event: Event) -> list[Match] | list[Part]:
    if event.kind == "acquire":
        held.acquire(event.asset, event.quantity, event.money, event.time, event.id)
        return []
    if event.kind == "dispose":
        return held.dispose(event.asset, event.quantity, event.money, event.time, event.id)
    return held.remove(event.asset, event.quantity, event.time, event.id)


def taken(held: Book, event: Event) -> list[Part]:
    """What an event took, be it sold or moved."""
    return [
        told if isinstance(told, Part) else Part(told.quantity, told.cost_basis, told.acquired_at, told.acquisition)
        for told in tell(held, event)
    ]


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    with localcontext(prec=200):
        return sum(amounts, Decimal(0))


def holding(held: Book, asset: str) -> Holding:
    return held.holdings.get(asset, Holding(Decimal(0), Decimal(0)))


class Entry(NamedTuple):
    """A lot as the reference keeps it."""

    unit_cost: Fraction
    time: int
    id: str
    left: Fraction


ORDERS: dict[Method, Callable[[Entry], Any]] = {
    "fifo": lambda lot: (lot.time, lot.id),
    "lifo": lambda lot: (-lot.time, -int(lot.id[1:])),
    "hifo": lambda lot: (-lot.unit_cost, lot.time, lot.id),
    "acb": lambda lot: (lot.time, lot.id),
}


class Reference:
    """The same by the book: in fractions, and for each disposal all lots are looked at."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.lots: dict[str, list[Entry]] = {"BTC": [], "ETH": []}

    def take(self, event: Event) -> list[tuple[Fraction, Fraction, int | None, str | None]]:
        """(quantity, cost, acquired at, acquired by) of each part."""
        lots, rest = self.lots[event.asset], Fraction(event.quantity)
        if event.kind == "acquire":
            lots.append(Entry(Fraction(event.money) / rest, event.time, event.id, rest))
            return []
        if self.method == "acb" and lots:
            average = sum((lot.unit_cost * lot.left for lot in lots), Fraction(0)) / sum(lot.left for lot in lots)
            lots[:] = [lot._replace(unit_cost=average) for lot in lots]
        parts: list[tuple[Fraction, Fraction, int | None, str | None]] = []
        while rest and lots:
            lot = min(lots, key=ORDERS[self.method])
            quantity = min(lot.left, rest)
            parts.append((quantity, lot.unit_cost * quantity, lot.time, lot.id))
            lots.remove(lot)
            if quantity < lot.left:
                lots.append(lot._replace(left=lot.left - quantity))
            rest -= quantity
        return [*parts, (rest, Fraction(0), None, None)] if rest else parts


@EACH_METHOD
@given(history=histories())
@settings(max_examples=80, deadline=None)
def test_each_method_takes_what_the_plain_reference_takes(method: Method, history: list[Event]) -> None:
    held, reference = Book(method), Reference(method)
    tolerance = len(history) * Fraction(UNIT)
    for event in history:
        parts, expected = taken(held, event), reference.take(event)
        assert [(Fraction(part.quantity), part.acquired_at, part.transaction) for part in parts] == [
            (quantity, time, transaction) for quantity, _, time, transaction in expected
        ]
        for part, (_, cost, *_) in zip(parts, expected, strict=True):
            assert abs(Fraction(part.cost) - cost) <= tolerance


@EACH_METHOD
@given(history=histories())
@settings(max_examples=80, deadline=None)
def test_nothing_is_created_or_lost(method: Method, history: list[Event]) -> None:
    """What came is there or has left, in quantity and in cost; what left beyond it is missing; nothing is negative."""
    held = Book(method)
    told = [(event, taken(held, event)) for event in history]
    for asset in ("BTC", "ETH"):
        came = [event for event in history if (event.asset, event.kind) == (asset, "acquire")]
        gone = [part for event, parts in told if event.asset == asset for part in parts]
        left = held.lots(asset)
        known = [part for part in [*gone, *left] if part.acquired_at is not None]
        beyond = [part for part in gone if part.acquired_at is None]
        assert total(part.quantity for part in known) == total(event.quantity for event in came)
        assert total(part.cost for part in known) == total(event.money for event in came)
        assert held.missing.get(asset, 0) == total(part.quantity for part in beyond)
        assert holding(held, asset) == (total(part.quantity for part in left), total(part.cost for part in left))
        assert all(part.quantity > 0 and part.cost >= 0 for part in [*gone, *left])
        assert all(part.cost == 0 for part in beyond)
    for event, parts in told:
        assert event.kind == "acquire" or total(part.quantity for part in parts) == event.quantity


@EACH_METHOD
@given(history=histories())
@settings(max_examples=80, deadline=None)
def test_proceeds_and_gains_add_up(method: Method, history: list[Event]) -> None:
    held = Book(method)
    gains: dict[str, list[Decimal]] = {"short": [], "long": []}
    for event in history:
        matches = [told for told in tell(held, event) if isinstance(told, Match)]
        assert all(match.proceeds >= 0 for match in matches)
        assert all(total([match.cost_basis, match.gain]) == match.proceeds for match in matches)
        assert event.kind != "dispose" or total(match.proceeds for match in matches) == event.money
        for match in matches:
            gains[match.term].append(match.gain)
    assert held.realised == {length: total(amounts) for length, amounts in gains.items()}


@given(histories())
@settings(max_examples=80, deadline=None)
def test_over_a_closed_position_every_method_gains_the_same(history: list[Event]) -> None:
    """All proceeds less all costs, to the last digit."""
    history = [event for event in history if event.kind != "remove"]
    for method in METHODS:
        held = Book(method)
        for event in history:
            tell(held, event)
        open_positions = held.holdings
        for asset, (quantity, _) in open_positions.items():
            held.dispose(asset, quantity, d("1000"), at("2100-01-01"), "all")
        assert held.holdings == {}
        spent = total(event.money for event in history if event.kind == "acquire")
        proceeds = [event.money for event in history if event.kind == "dispose"]
        assert total([*held.realised.values(), spent]) == total([*proceeds, Decimal(1000 * len(open_positions))])


@EACH_METHOD
@given(history=histories(), data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_book_goes_on_from_its_snapshot_as_if_nothing_were(
    method: Method, history: list[Event], data: st.DataObject
) -> None:
    going_on, resumed = Book(method), Book(method)
    for event in history:
        if data.draw(st.booleans()):
            resumed = decode(encode(resumed))
        assert tell(going_on, event) == tell(resumed, event)
    for asset in ("BTC", "ETH"):
        assert going_on.lots(asset) == resumed.lots(asset)
    assert (going_on.holdings, going_on.missing, going_on.realised) == (
        resumed.holdings,
        resumed.missing,
        resumed.realised,
    )
    assert encode(going_on) == encode(resumed)


@given(st.sampled_from(METHODS), st.sampled_from(METHODS), histories(), histories(), amounts(6))
@settings(max_examples=80, deadline=None)
def test_transfers_conserve_cost_and_dates(
    from_method: Method, to_method: Method, first: list[Event], second: list[Event], quantity: Decimal
) -> None:
    def dated(parts: list[Part]) -> list[tuple[int, str, Decimal]]:
        """Dates and quantities, without what has none."""
        return sorted(
            (part.acquired_at, part.transaction, part.quantity)
            for part in parts
            if part.acquired_at is not None and part.transaction is not None
        )

    source, target = Book(from_method), Book(to_method)
    for event in first:
        tell(source, event)
    for event in second:
        tell(target, event)
    books = (source, target)
    cost, target_quantity = total(holding(held, "BTC").cost for held in books), holding(target, "BTC").quantity
    lots, realised = target.lots("BTC"), (dict(source.realised), dict(target.realised))
    parts = source.remove("BTC", quantity, at("2090-01-01"), "transfer")
    target.receive("BTC", parts)
    assert total(holding(held, "BTC").cost for held in books) == cost
    assert holding(target, "BTC").quantity == total([target_quantity, quantity])
    assert dated(target.lots("BTC")) == dated(lots + parts)
    assert (source.realised, target.realised) == realised
