"""What each kind of transaction does to quantities, lots, gains, income and contributions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.bookkeeping import Entry, Money, enter, money, moves, worth
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.lots import Book, Holding, Match, Method, Part
from cryptopulse.domain.portfolios import KINDS, Currency, Kind
from cryptopulse.domain.reports import Year, year_of
from cryptopulse.domain.transactions import Mark, Transaction
from tests.unit.domain.entries import at, d, entered

METHODS: tuple[Method, ...] = get_args(Method.__value__)
START = at("2024-01-01")


def booked(transactions: Iterable[Transaction], method: Method = "fifo", base: Currency = "USD") -> Book:
    book = Book(method)
    for tx in sorted(transactions, key=lambda tx: tx.key):
        enter(book, tx, base)
    return book


def realised(book: Book) -> Decimal:
    return sum(book.realised.values(), Decimal(0))


def held(book: Book) -> dict[str, tuple[Any, ...]]:
    return {asset: tuple(holding) for asset, holding in book.holdings.items()}


def told(part: Match) -> tuple[Any, ...]:
    return part.asset, part.quantity, part.proceeds, part.cost_basis


# --- golden cases, through whole transactions ---


@pytest.mark.parametrize(
    ("method", "gain"), [("fifo", "338.5"), ("lifo", "238.5"), ("hifo", "188.5"), ("acb", "288.5")]
)
def test_each_method_takes_its_own_lots_with_fees_in_cost_and_proceeds(method: Method, gain: str) -> None:
    bought = [
        entered("buy", "BTC", 1, f"2024-0{month}-01", price=price, fee=1)
        for month, price in ((1, 100), (2, 300), (3, 200))
    ]
    book = booked([*bought, entered("sell", "BTC", "1.5", "2024-04-01", price=400, fee=10)], method)
    assert book.realised == {"short": d(gain), "long": d(0)}


def test_buying_again_after_a_sale_does_not_change_what_was_gained() -> None:
    """Ghostfolio tells 833.33."""
    rows: list[tuple[Kind, int, int]] = [("buy", 10, 100), ("sell", 5, 150), ("buy", 5, 200), ("sell", 5, 200)]
    days = enumerate(rows, 1)
    book = booked([entered(kind, "BTC", size, f"2024-01-0{day}", price=price) for day, (kind, size, price) in days])
    assert realised(book) == d(750)
    assert held(book) == {"BTC": Holding(d(5), d(1000))}


@pytest.mark.parametrize(
    ("rows", "fees", "value", "net"),
    [
        ([("buy", 2, 142.9), ("sell", 2, 136.6)], (1.55, 1.65), 0, "-15.8"),
        ([("buy", 2, 136.6)], (1.55,), 297.8, "23.05"),
        ([("buy", 1, 44558.42)], (4.46,), 43099.7, "-1463.18"),
        ([("buy", 2, 75.8), ("sell", 2, 85.73)], (0, 0), 0, "19.86"),
    ],
)
def test_ghostfolios_net_performance(
    rows: list[tuple[Kind, int, float]], fees: Sequence[float], value: float, net: str
) -> None:
    """Value at the end less all that was paid in: its netPerformance, fees included."""
    book, paid = Book("fifo"), Decimal(0)
    for day, ((kind, quantity, price), fee) in enumerate(zip(rows, fees, strict=True), 1):
        paid += enter(book, entered(kind, "X", quantity, f"2022-01-0{day}", price=price, fee=fee), "USD").contribution
    assert d(value) - paid == d(net)


def test_ghostfolios_case_of_two_currencies() -> None:
    """GOOGL for 89.12 USD, fee 1 USD, dollars at 0.9238 then and 0.8854 now: its figures with currency effect."""
    buy = entered(
        "buy", "GOOGL", 1, "2023-01-03", price="89.12", fee=1, currency="USD", base="GBP", marks={"USD": "0.9238"}
    )
    book = Book("fifo")
    assert enter(book, buy, "GBP").contribution == d("82.329056") + d("0.9238")
    assert d("116.45") * d("0.8854") - book.holdings["GOOGL"].cost == d("19.851974")


RP2_HIGH: list[tuple[Kind, str, float, int, float, str | None]] = [
    ("buy", "2018-06-03T11:23", 10, 1000, 10, None),
    ("sell", "2018-07-03T11:23", 5, 1500, 0, None),
    ("buy", "2018-08-03T11:23", 10, 2000, 0, None),
    ("sell", "2018-09-03T11:23", 7.99, 2500, 0.01, "B2"),
    ("sell", "2019-04-03T11:23", 1, 2750, 0, None),
    ("buy", "2019-06-03T11:23", 10, 3000, 30, None),
    ("reward", "2019-08-03T11:23", 10, 4000, 0, None),
    ("sell", "2019-09-03T11:23", 15, 3500, 0, None),
    ("sell", "2020-04-11T07:10", 9, 4500, 0, None),
    ("buy", "2020-06-03T11:23", 10, 5000, 50, None),
    ("sell", "2020-07-11T07:10", 11, 5500, 0, None),
]


@pytest.mark.parametrize(
    ("method", "gains"),
    [
        ("fifo", {2018: 11465, 2019: 14223, 2020: 12952}),
        ("lifo", {2018: 6470, 2019: -1765, 2020: 29931}),
        ("hifo", {2018: 6470, 2019: -1765, 2020: 29931}),
    ],
)
def test_rp2s_golden_years(method: Method, gains: dict[int, int]) -> None:
    """B2 of its test_hifo: gifts and donations are sales at the market, a fee in coin is disposed of at the market."""
    transactions = []
    for kind, time, quantity, price, fee, coin in RP2_HIGH:
        more: dict[str, Any] = {} if coin is None else {"fee_asset": coin}
        transactions.append(entered(kind, "B2", quantity, time, price=price, fee=fee, marks={"B2": price}, **more))
    by_year: defaultdict[int, Decimal] = defaultdict(Decimal)
    for match in Year.of(transactions, method, "USD", 0).matches:
        by_year[year_of(match.disposed_at)] += match.gain
    assert by_year == gains
    assert Year.of(transactions, method, "USD", 0).income == 40_000


# --- the kinds, one by one ---


BTC_AT_50 = {"BTC": 50, "BNB": 4, "ETH": 10}


def one(tx: Transaction, base: Currency = "USD") -> tuple[Entry, Book]:
    """A transaction entered where there are 10 BTC that cost 100, 10 ETH that cost 50 and 10 BNB that cost 20."""
    book = booked(
        entered("buy", asset, 10, "2023-12-01", price=price) for asset, price in (("BTC", 10), ("ETH", 5), ("BNB", 2))
    )
    return enter(book, tx, base), book


@pytest.mark.parametrize(
    ("tx", "matches", "income", "contribution", "left"),
    [
        (entered("buy", "BTC", 2, START, price=40, fee=3), [], 0, 83, {"BTC": (12, 183)}),
        (entered("sell", "BTC", 2, START, price=40, fee=3), [("BTC", 2, 77, 20)], 0, -77, {"BTC": (8, 80)}),
        (
            entered("trade", "BTC", 2, START, counter=("ETH", 9), fee=3, marks=BTC_AT_50),
            [("BTC", 2, 97, 20)],
            0,
            3,
            {"BTC": (8, 80), "ETH": (19, 150)},
        ),
        (
            entered("trade", "XYZ", 2, START, counter=("ETH", 9), marks=BTC_AT_50),
            [("XYZ", 2, 90, 0)],
            0,
            0,
            {"ETH": (19, 140)},
        ),
        (
            entered("trade", "BTC", 2, START, counter=("XYZ", 9)),
            [],
            0,
            0,
            {"BTC": (8, 80), "XYZ": (9, 20)},
        ),
        (
            entered("trade", "BTC", 2, START, counter=("XYZ", 9), fee=3),
            [],
            0,
            3,
            {"BTC": (8, 80), "XYZ": (9, 23)},
        ),
        (entered("deposit", "BTC", 2, START, marks=BTC_AT_50), [], 0, 100, {"BTC": (12, 200)}),
        (entered("deposit", "BTC", 2, START, price=7, fee=1, marks=BTC_AT_50), [], 0, 101, {"BTC": (12, 115)}),
        (entered("deposit", "XYZ", 2, START, price=7), [], 0, 14, {"XYZ": (2, 14)}),
        (entered("deposit", "XYZ", 2, START), [], 0, 0, {"XYZ": (2, 0)}),
        (entered("withdrawal", "BTC", 2, START, fee=1, marks=BTC_AT_50), [], 0, -99, {"BTC": (8, 80)}),
        (
            entered("withdrawal", "BTC", 2, START, fee=1, fee_asset="BTC", marks=BTC_AT_50),
            [("BTC", 1, 0, 10)],
            0,
            -100,
            {"BTC": (7, 70)},
        ),
        (entered("reward", "BTC", 2, START, marks=BTC_AT_50), [], 100, 0, {"BTC": (12, 200)}),
        (entered("airdrop", "BTC", 2, START, price=7, fee=1, marks=BTC_AT_50), [], 14, 1, {"BTC": (12, 115)}),
        (entered("fee", "BTC", 2, START, marks=BTC_AT_50), [("BTC", 2, 0, 20)], 0, 0, {"BTC": (8, 80)}),
    ],
)
def test_a_kind_of_transaction(
    tx: Transaction,
    matches: list[tuple[str, int, int, int]],
    income: int,
    contribution: int,
    left: dict[str, tuple[int, int]],
) -> None:
    entry, book = one(tx)
    assert [told(match) for match in entry.matches] == matches
    assert (entry.income, entry.contribution, entry.given) == (d(income), d(contribution), ())
    assert held(book) == {"BTC": (10, 100), "ETH": (10, 50), "BNB": (10, 20)} | left


@pytest.mark.parametrize(
    ("tx", "matches", "contribution", "left"),
    [
        (
            entered("buy", "BTC", 2, START, price=40, fee=1, fee_asset="BNB", marks=BTC_AT_50),
            [("BNB", 1, 4, 2)],
            80,
            {"BTC": (12, 184), "BNB": (9, 18)},
        ),
        (
            entered("sell", "BTC", 2, START, price=40, fee=1, fee_asset="BNB", marks=BTC_AT_50),
            [("BTC", 2, 76, 20), ("BNB", 1, 4, 2)],
            -80,
            {"BTC": (8, 80), "BNB": (9, 18)},
        ),
        (
            entered("trade", "BTC", 2, START, counter=("ETH", 9), fee=1, fee_asset="BNB", marks=BTC_AT_50),
            [("BTC", 2, 96, 20), ("BNB", 1, 4, 2)],
            0,
            {"BTC": (8, 80), "ETH": (19, 150), "BNB": (9, 18)},
        ),
        (
            entered("buy", "BTC", 2, START, price=40, fee=1, fee_asset="NEW"),
            [("NEW", 1, 0, 0)],
            80,
            {"BTC": (12, 180)},
        ),
    ],
)
def test_a_fee_in_coin_is_a_disposal_at_its_value_and_counts_once(
    tx: Transaction, matches: list[tuple[str, int, int, int]], contribution: int, left: dict[str, tuple[int, int]]
) -> None:
    entry, book = one(tx)
    assert [told(match) for match in entry.matches] == matches
    assert entry.contribution == contribution
    assert held(book) == {"BTC": (10, 100), "ETH": (10, 50), "BNB": (10, 20)} | left


def test_a_fee_can_be_paid_from_what_was_just_bought() -> None:
    book = Book("fifo")
    entry = enter(book, entered("buy", "BNB", 10, START, price=4, fee=1, fee_asset="BNB"), "USD")
    # 44 for 10: the fee was worth 4 by the transaction's own price, and bears its part of itself.
    assert [told(match) for match in entry.matches] == [("BNB", 1, 4, d("4.4"))]
    assert held(book) == {"BNB": (9, d("39.6"))}
    assert book.missing == {}


def test_a_price_in_another_currency_is_converted_at_its_mark() -> None:
    tx = entered("buy", "BTC", "0.3", START, price=100, currency="EUR", fee=2, marks={"EUR": "1.1", "BTC": 120})
    assert money(tx, "USD") == Money(d("33"), d("2.2"), d(0), d("35.2"))
    assert money(entered("buy", "BTC", 1, START, price=100, currency="EUR", fee=2, base="EUR"), "EUR").value == 100
    with pytest.raises(KeyError, match="EUR"):
        money(entered("buy", "BTC", 1, START, price=100, currency="EUR"), "USD")


def test_a_fee_that_is_an_amount_alone_is_money_also_where_the_base_is_a_coin() -> None:
    alone = entered("reward", "ETH", 2, START, fee="0.1", base="BTC", marks={"ETH": "0.05"})
    named = entered("reward", "ETH", 2, START, fee="0.1", fee_asset="BTC", base="BTC", marks={"ETH": "0.05"})
    assert money(alone, "BTC") == Money(d("0.1"), d("0.1"), d("0.1"), d("0.1"))
    assert money(named, "BTC") == Money(d("0.1"), d("0.1"), d("0.1"), d(0))
    assert (moves(alone), moves(named)) == ([("ETH", d(2))], [("ETH", d(2)), ("BTC", d("-0.1"))])


def test_what_an_asset_was_worth_is_the_markets_price_then_the_transactions_own() -> None:
    marked = entered("buy", "BTC", 1, START, price=100, marks={"BTC": 90})
    own = entered("buy", "BTC", 1, START, price=100, currency="EUR", marks={"EUR": 2})
    assert [worth(marked, "BTC", "USD"), worth(own, "BTC", "USD"), worth(own, "ETH", "USD")] == [90, 200, None]
    assert worth(own, "BTC", "BTC") == 1


def test_a_transfer_takes_its_lots_along() -> None:
    out = entered("transfer", "BTC", 3, START, to_portfolio_id="b", fee=1, fee_asset="BTC", marks=BTC_AT_50)
    entry, source = one(out)
    parts = (Part(d(3), d(30), at("2023-12-01"), source.lots("BTC")[0].transaction),)
    assert entry == Entry(entry.matches, d(0), d(-150), parts)
    assert [told(match) for match in entry.matches] == [("BTC", 1, 0, 10)]
    came = msgspec.structs.replace(out.received("a"), parts=parts, marks={"BTC": Mark(d(50), START)})
    target = Book("lifo")
    assert enter(target, came, "USD") == Entry([], d(0), d(150), ())
    assert target.lots("BTC") == list(parts)
    assert (moves(out), moves(came)) == ([("BTC", d(-3)), ("BTC", d(-1))], [("BTC", d(3))])


def test_what_was_never_acquired_is_told() -> None:
    entry, book = one(entered("sell", "BTC", 12, START, price=40))
    assert [told(match) for match in entry.matches] == [("BTC", 10, 400, 100), ("BTC", 2, 80, 0)]
    assert book.missing == {"BTC": 2}


@pytest.mark.parametrize(
    ("tx", "changes"),
    [
        (entered("buy", "BTC", 2, START, price=1, fee=1), [("BTC", "2")]),
        (entered("sell", "BTC", 2, START, price=1, fee=1, fee_asset="BNB"), [("BTC", "-2"), ("BNB", "-1")]),
        (
            entered("trade", "BTC", 2, START, counter=("ETH", 3), fee=1, fee_asset="ETH"),
            [("BTC", "-2"), ("ETH", "3"), ("ETH", "-1")],
        ),
        (entered("fee", "BTC", "0." + "1" * 18, START), [("BTC", "-0." + "1" * 18)]),
        (
            entered("withdrawal", "BTC", "9" * 18 + "." + "9" * 18, START, fee=0, fee_asset="BTC"),
            [("BTC", "-" + "9" * 18 + "." + "9" * 18)],
        ),
        (entered("buy", "BTC", 2, START, price=1, currency="USDT", fee=1, fee_asset="USDT"), [("BTC", "2")]),
        (entered("trade", "BTC", 2, START, counter=("ETH", 3), fee=1, base="USDT"), [("BTC", "-2"), ("ETH", "3")]),
        (
            entered("buy", "ETH", 2, START, price=1, currency="EUR", fee=1, fee_asset="BTC", base="BTC"),
            [("ETH", "2"), ("BTC", "-1")],
        ),
    ],
)
def test_moves_are_exact(tx: Transaction, changes: list[tuple[str, str]]) -> None:
    assert moves(tx) == [(asset, Decimal(change)) for asset, change in changes]


# --- what holds for any history ---


AMOUNTS = st.decimals("0.001", "1000", places=3)
ASSETS = st.sampled_from(["BTC", "ETH", "BNB"])


@st.composite
def histories(draw: st.DrawFn) -> list[Transaction]:
    """Transactions of all kinds but transfers, all marked."""
    transactions = []
    for day in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from([kind for kind in KINDS if kind != "transfer"]))
        asset = draw(ASSETS)
        more: dict[str, Any] = {}
        marks = {each: draw(AMOUNTS) for each in ("BTC", "ETH", "BNB")}
        if kind in ("buy", "sell"):
            more["price"] = draw(AMOUNTS)
        if kind == "trade":
            more["counter"] = (
                draw(st.sampled_from([other for other in ("BTC", "ETH", "BNB") if other != asset])),
                draw(AMOUNTS),
            )
        if kind != "fee" and draw(st.booleans()):
            more |= {"fee": draw(AMOUNTS), "fee_asset": draw(st.sampled_from(["USD", "BTC", "BNB"]))}
        when = START + draw(st.integers(0, 3)) * 300 * DAY + day
        transactions.append(entered(kind, asset, draw(AMOUNTS), when, marks=marks, **more))
    return sorted(transactions, key=lambda tx: tx.key)


@given(history=histories())
@pytest.mark.parametrize("method", METHODS)
def test_quantity_is_conserved(method: Method, history: list[Transaction]) -> None:
    book, there = Book(method), defaultdict[str, Decimal](Decimal)
    for tx in history:
        enter(book, tx, "USD")
        for asset, change in moves(tx):
            there[asset] = max(there[asset] + change, Decimal(0))
    assert {asset: holding.quantity for asset, holding in book.holdings.items()} == {
        asset: quantity for asset, quantity in there.items() if quantity
    }


@given(history=histories())
def test_over_closed_positions_every_method_gains_the_same(history: list[Transaction]) -> None:
    """But for withdrawals, which take the cost of other lots under each method."""
    history = [tx for tx in history if tx.type != "withdrawal"]
    there = booked(history).holdings
    end = START + 1000 * DAY
    closing = [entered("sell", asset, holding.quantity, end, price=7) for asset, holding in there.items()]
    books = [booked([*history, *closing], method) for method in METHODS]
    assert [book.holdings for book in books] == [{}] * len(METHODS)
    assert {realised(book) for book in books} == {realised(books[0])}


@given(history=histories(), data=st.data())
@pytest.mark.parametrize("method", METHODS)
def test_any_order_of_entry_gives_the_same_holdings(
    method: Method, history: list[Transaction], data: st.DataObject
) -> None:
    shuffled = booked(data.draw(st.permutations(history)), method)
    assert (shuffled.holdings, shuffled.realised) == (
        booked(history, method).holdings,
        booked(history, method).realised,
    )


@given(history=histories())
def test_what_was_gained_is_what_is_there_less_what_came_in(history: list[Transaction]) -> None:
    """Cost of what is left − contributions = gains + income, where no withdrawal takes cost away."""
    kept = [tx for tx in history if tx.type not in ("withdrawal", "deposit")]
    book, contributed, income = Book("fifo"), Decimal(0), Decimal(0)
    for tx in kept:
        entry = enter(book, tx, "USD")
        contributed += entry.contribution
        income += entry.income
    cost = sum((holding.cost for holding in book.holdings.values()), Decimal(0))
    assert cost - contributed == realised(book) + income
