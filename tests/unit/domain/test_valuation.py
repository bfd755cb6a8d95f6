"""What portfolios are worth over time, by hand, and what must hold for any of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.bookkeeping import moves
from cryptopulse.domain.candles import DAY, HOUR
from cryptopulse.domain.portfolios import KINDS
from cryptopulse.domain.quotes import Quote, Quotes
from cryptopulse.domain.returns import Drawdown, Flow, performance
from cryptopulse.domain.transactions import Transaction
from cryptopulse.domain.valuation import DayValue, Inventory, Share, Valuation, valuation
from tests.unit.domain.entries import Number, at, d, daily, entered, quotes

NOW = "2025-06-01"
DAYS = "2024-01-01", "2024-01-02", "2024-01-03"


def valued(
    transactions: Sequence[Transaction],
    known: Quotes,
    start: str = "2024-01-01",
    end: str = "2024-01-04",
    inventory: Inventory | None = None,
) -> Valuation:
    return valuation(inventory or Inventory(), transactions, known, "USD", at(start), at(end))


def days(*rows: tuple[str, float | str, bool, list[Flow]]) -> list[DayValue]:
    return [DayValue(at(day), d(value), lacks, flows) for day, value, lacks, flows in rows]


def flow(time: str, before: float, amount: float, after: float) -> Flow:
    return Flow(at(time), d(before), d(amount), d(after))


def test_a_year_of_two_purchases_and_a_sale() -> None:
    """+1000 (10 at 100), +600 (5 at 120), −450 (5 at 90), at the end 110: TWR 10 %, XIRR −4.08236 %, drawdown 25 %."""
    transactions = [
        entered("buy", "BTC", 10, "2024-01-01", price=100),
        entered("buy", "BTC", 5, "2024-04-01", price=120),
        entered("sell", "BTC", 5, "2024-07-01", price=90),
    ]
    closes = {"2024-01-01": 100, "2024-04-01": 120, "2024-07-01": 90, "2024-12-30": 110}
    known = quotes({"BTC": {"1d": closes}}, NOW)
    told = performance(valued(transactions, known, end="2024-12-31").period)
    assert told == msgspec.structs.replace(
        told,
        value_start=d(0),
        value_end=d(1100),
        net_contributions=d(1150),
        gain=d(-50),
        twr=d("0.1"),
        mwr=d("-0.040823585938"),
        max_drawdown=Drawdown(d("0.25"), at("2024-04-01"), at("2024-07-01")),
    )


def test_days_have_their_closes_and_flows_the_finest_price_there_is() -> None:
    transactions = [
        entered("buy", "BTC", 1, "2024-01-01T10:00:30", price=100),
        entered("buy", "BTC", 1, "2024-01-02T11:30:00", price=130, fee=2),
        entered("sell", "BTC", "0.5", "2024-01-03T12:00:00", price=150),
    ]
    closes: Mapping[str, Mapping[str, Number]] = {
        "1m": {"2024-01-01T10:00": 101},
        "1h": {"2024-01-01T10:00": 102, "2024-01-02T11:00": 125},
        "1d": daily("2024-01-01", 110, 120, 140),
    }
    assert valued(transactions, quotes({"BTC": closes}, NOW)) == Valuation(
        start=at("2024-01-01"),
        end=at("2024-01-04"),
        opening=d(0),
        days=days(
            ("2024-01-01", 110, False, [flow("2024-01-01T10:00:30", 0, 100, 101)]),
            ("2024-01-02", 240, False, [flow("2024-01-02T11:30:00", 125, 132, 250)]),
            ("2024-01-03", 210, False, [flow("2024-01-03T12:00:00", 280, -75, 210)]),
        ),
        shares={"BTC": Share(d(0), d(157), d(210))},
        unpriced=[],
    )


def test_a_transactions_mark_is_the_price_around_it() -> None:
    deposit = entered("deposit", "BTC", 2, "2024-01-02T10:00", marks={"BTC": 99})
    told = valued([deposit], quotes({"BTC": {"1d": daily("2024-01-01", 100, 110, 120)}}, NOW))
    assert told.days[1] == DayValue(at("2024-01-02"), d(220), False, [flow("2024-01-02T10:00", 0, 198, 198)])


def test_before_the_market_knew_an_asset_the_transactions_own_price_holds_and_the_days_are_told() -> None:
    known = quotes({"NEW": {"1d": {"2024-01-03": 30}}}, NOW)
    transactions = [
        entered("buy", "NEW", 1, "2024-01-01T12:00", price=10),
        entered("buy", "NEW", 1, "2024-01-02T12:00", price=20),
    ]
    assert valued(transactions, known).days == days(
        ("2024-01-01", 10, True, [flow("2024-01-01T12:00", 0, 10, 10)]),
        ("2024-01-02", 40, True, [flow("2024-01-02T12:00", 20, 20, 40)]),
        ("2024-01-03", 60, False, []),
    )
    # So it is, too, where the purchase was before the period.
    told = valued(transactions[1:], known, start="2024-01-02", inventory=Inventory.after(transactions[:1], "USD"))
    assert told.opening == 10
    assert told.days[0].value == 40


def test_days_without_a_price_have_the_last_one_and_are_told_only_where_it_is_held() -> None:
    known = quotes({"BTC": {"1d": {"2023-12-30": 90, "2024-01-02": 110}}}, NOW)
    inventory = Inventory({"BTC": d(2), "ETH": d(0)})
    sold = entered("sell", "BTC", 2, "2024-01-03T01:00", price=120)
    assert valued([sold], known, inventory=inventory).days == days(
        ("2024-01-01", 180, True, []),
        ("2024-01-02", 220, False, []),
        ("2024-01-03", 0, False, [flow("2024-01-03T01:00", 240, -240, 0)]),
    )


def test_at_the_last_of_market_and_transactions_the_later_holds() -> None:
    """No market on the 2nd and 3rd: what the sale told is later than the close of the 1st."""
    known = quotes({"BTC": {"1d": {"2024-01-01": 90}}}, NOW)
    sold = entered("sell", "BTC", 1, "2024-01-02T01:00", price=50)
    told = valued([sold], known, inventory=Inventory({"BTC": d(2)}))
    assert [day.value for day in told.days] == [180, 50, 50]
    assert [day.lacks_price for day in told.days] == [False, True, True]


YEAR = [
    entered("buy", "XYZ", 10, "2024-01-01", price=100),
    entered("buy", "XYZ", 5, "2024-04-01", price=120),
    entered("sell", "XYZ", 5, "2024-07-01", price=90),
    entered("sell", "XYZ", 10, "2024-12-31", price=110),
]


def test_a_year_of_an_asset_that_no_market_knows_is_valued_by_its_own_transactions() -> None:
    """The year above without a market: the same TWR, XIRR and drawdown."""
    year = valued(YEAR, quotes({}, NOW), end="2025-01-01")
    told = performance(year.period)
    assert told == msgspec.structs.replace(
        told,
        value_end=d(0),
        net_contributions=d(50),
        gain=d(-50),
        twr=d("0.1"),
        mwr=d("-0.040823585938"),
        max_drawdown=Drawdown(d("0.25"), at("2024-04-01"), at("2024-07-01")),
    )
    assert (sum(day.lacks_price for day in year.days), year.unpriced) == (365, ["XYZ"])
    still = valued(YEAR[:3], quotes({}, NOW), end="2025-01-01")
    assert (still.days[-1], still.shares) == (
        DayValue(at("2024-12-31"), d(900), True, []),
        {"XYZ": Share(d(0), d(1150), d(900))},
    )


def test_what_comes_and_goes_of_an_asset_that_no_market_knows_is_a_flow_at_its_last_price() -> None:
    transactions = [
        entered("airdrop", "XYZ", 3, "2024-01-01T01:00"),
        entered("buy", "XYZ", 1, "2024-01-02T01:00", price=10),
        entered("withdrawal", "XYZ", 2, "2024-01-02T02:00"),
        entered("deposit", "XYZ", 5, "2024-01-02T03:00", price=20),
        entered("deposit", "XYZ", 1, "2024-01-03T01:00", fee=2),
    ]
    told = valued(transactions, quotes({}, NOW))
    assert told.days == days(
        ("2024-01-01", 0, True, []),
        (
            "2024-01-02",
            140,
            True,
            [
                flow("2024-01-02T01:00", 30, 10, 40),
                flow("2024-01-02T02:00", 40, -20, 20),
                flow("2024-01-02T03:00", 40, 100, 140),
            ],
        ),
        ("2024-01-03", 160, True, [flow("2024-01-03T01:00", 140, 22, 160)]),
    )


def test_in_a_trade_each_side_tells_the_price_of_the_other() -> None:
    known = quotes({"BTC": {"1d": daily("2023-12-31", 100, 100, 100, 200)}}, NOW)
    transactions = [
        entered("trade", "BTC", 1, "2024-01-01T01:00", counter=("XYZ", 4), marks={"BTC": 100}),
        entered("trade", "XYZ", 1, "2024-01-02T01:00", counter=("ABC", 2), fee=1),
        entered("trade", "XYZ", 1, "2024-01-03T01:00", counter=("BTC", "0.3"), marks={"BTC": 100}),
    ]
    told = valued(transactions, known, inventory=Inventory({"BTC": d(2)}))
    assert told.days == days(
        ("2024-01-01", 200, True, []),
        ("2024-01-02", 200, True, [flow("2024-01-02T01:00", 200, 1, 200)]),
        ("2024-01-03", 345, True, []),  # 1.3 BTC at 200, 2 XYZ at 30, 2 ABC at 12.5
    )
    assert told.shares == {
        "ABC": Share(d(0), d(25), d(25)),
        "BTC": Share(d(200), d(-70), d(260)),
        "XYZ": Share(d(0), d(46), d(60)),
    }


def test_an_asset_that_no_market_knows_counts_beside_others() -> None:
    known = quotes({"BTC": {"1d": daily("2023-12-31", 100, 100, 100, 100)}}, NOW)
    transactions = [
        entered("buy", "XYZ", 5, "2024-01-01T01:00", price=10, fee="0.1", fee_asset="BTC"),
        entered("trade", "BTC", 1, "2024-01-01T02:00", counter=("XYZ", 7), fee=3),
        entered("trade", "XYZ", 7, "2024-01-02T02:00", counter=("BTC", 2)),
        entered("trade", "XYZ", 5, "2024-01-03T02:00", counter=("ABC", 2)),
    ]
    assert valued(transactions, known, inventory=Inventory({"BTC": d(3)})) == Valuation(
        start=at("2024-01-01"),
        end=at("2024-01-04"),
        opening=d(300),
        days=days(
            (
                "2024-01-01",
                310,
                True,
                [flow("2024-01-01T01:00", 300, 50, 340), flow("2024-01-01T02:00", 340, 3, 310)],
            ),
            ("2024-01-02", 440, True, []),
            ("2024-01-03", 440, True, []),
        ),
        shares={
            "ABC": Share(d(0), d(50), d(50)),
            "BTC": Share(d(300), d(-27), d(390)),
            "XYZ": Share(d(0), d(30), d(0)),
        },
        unpriced=["ABC", "XYZ"],
    )


def test_what_came_unmarked_of_an_asset_known_now_is_a_flow_at_its_value() -> None:
    known = quotes({"BTC": {"1d": daily("2024-01-01", 100, 110, 120)}}, NOW)
    transactions = [
        entered("deposit", "BTC", 2, "2024-01-01T01:00", fee=1),
        entered("withdrawal", "BTC", 1, "2024-01-02T01:00", fee="0.5", fee_asset="BTC"),
    ]
    assert valued(transactions, known).days == days(
        ("2024-01-01", 200, False, [flow("2024-01-01T01:00", 0, 201, 200)]),
        ("2024-01-02", 55, False, [flow("2024-01-02T01:00", 220, -110, 55)]),
        ("2024-01-03", 60, False, []),
    )


def test_what_is_no_flow_changes_the_value_only() -> None:
    known = quotes(
        {"BTC": {"1d": daily("2023-12-31", 100, 100, 100, 100)}, "ETH": {"1d": daily("2024-01-01", 10, 10, 11)}}, NOW
    )
    marks = {"BTC": 100, "ETH": 10}
    transactions = [
        entered("reward", "BTC", 1, "2024-01-01T01:00", marks=marks),
        entered("fee", "BTC", "0.5", "2024-01-02T01:00", marks=marks),
        entered("trade", "BTC", 1, "2024-01-03T01:00", counter=("ETH", 9), marks=marks),
    ]
    told = valued(transactions, known, inventory=Inventory({"BTC": d(1)}))
    assert told.days == days(
        ("2024-01-01", 200, False, []), ("2024-01-02", 150, False, []), ("2024-01-03", 149, False, [])
    )
    assert told.shares == {"BTC": Share(d(100), d(-100), d(50)), "ETH": Share(d(0), d(100), d(99))}
    assert {asset: share.gain for asset, share in told.shares.items()} == {"BTC": 50, "ETH": -1}


def test_a_trade_that_nobody_marked_is_between_its_assets_at_the_last_price() -> None:
    known = quotes({"BTC": {"1d": daily("2023-12-31", 100)}, "ETH": {"1d": daily("2023-12-31", 10)}}, NOW)
    trade = entered("trade", "BTC", 1, "2024-01-02T01:00", counter=("ETH", 9))
    told = valued([trade], known, inventory=Inventory({"BTC": d(1)}))
    assert told.shares == {"BTC": Share(d(100), d(-100), d(0)), "ETH": Share(d(0), d(100), d(90))}


def test_a_fee_in_coin_is_borne_by_what_was_bought_with_it() -> None:
    known = quotes({"BTC": {"1d": daily("2024-01-01", 100)}, "BNB": {"1d": daily("2024-01-01", 4)}}, NOW)
    buy = entered("buy", "BTC", 1, "2024-01-01T01:00", price=100, fee=2, fee_asset="BNB", marks={"BTC": 100, "BNB": 4})
    told = valued([buy], known, end="2024-01-02", inventory=Inventory({"BNB": d(5)}, {"BNB": Quote(d(4), 0)}))
    assert told.shares == {"BNB": Share(d(20), d(-8), d(12)), "BTC": Share(d(0), d(108), d(100))}
    assert told.days == days(("2024-01-01", 112, False, [flow("2024-01-01T01:00", 20, 100, 112)]))


def test_what_is_not_there_cannot_be_given() -> None:
    known = quotes({"BTC": {"1d": daily("2024-01-01", 100, 100, 100)}}, NOW)
    sold = entered("sell", "BTC", 3, "2024-01-02", price=100)
    told = valued([sold], known, inventory=Inventory({"BTC": d(1)}))
    assert told.days[1:] == days(
        ("2024-01-02", 0, False, [flow("2024-01-02", 100, -300, 0)]), ("2024-01-03", 0, False, [])
    )


def test_a_period_may_begin_and_end_within_a_day() -> None:
    closes: Mapping[str, Mapping[str, Number]] = {
        "1h": {"2024-01-01T09:00": 95, "2024-01-02T11:00": 125},
        "1d": daily("2023-12-31", 90, 110, 120),
    }
    told = valued([], quotes({"BTC": closes}, NOW), "2024-01-01T10:00", "2024-01-02T12:00", Inventory({"BTC": d(2)}))
    assert (told.opening, told.days) == (d(190), days(("2024-01-01", 220, False, []), ("2024-01-02", 250, False, [])))


def test_nothing_is_worth_nothing() -> None:
    told = valued([], quotes({}, NOW))
    assert told == Valuation(at(DAYS[0]), at("2024-01-04"), d(0), days(*((day, 0, False, []) for day in DAYS)), {}, [])


# --- what holds for any history ---


AMOUNTS = st.decimals("0.01", "1000", places=2)
KNOWN = ("BTC", "ETH", "BNB")
CLOSES: Mapping[str, Mapping[str, Mapping[str, Number]]] = {
    "BTC": {"1d": daily("2023-12-25", *(100 + 7 * place % 31 for place in range(120)))},
    "ETH": {"1d": daily("2024-01-20", *(10 + 3 * place % 7 for place in range(80)))},
    "BNB": {"1d": {"2024-01-15": "0.00000003", "2024-03-01": 3}},
}


@st.composite
def histories(draw: st.DrawFn) -> list[Transaction]:
    transactions = []
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from([kind for kind in KINDS if kind != "transfer"]))
        assets = st.sampled_from([*KNOWN, "XYZ"])
        asset = draw(assets)
        more: dict[str, Any] = {"marks": draw(st.dictionaries(st.sampled_from(KNOWN), AMOUNTS))}
        if kind in ("buy", "sell"):
            more["price"] = draw(AMOUNTS)
        if kind == "trade":
            more["counter"] = (
                draw(st.sampled_from([other for other in (*KNOWN, "XYZ") if other != asset])),
                draw(AMOUNTS),
            )
        if kind != "fee" and draw(st.booleans()):
            more |= {"fee": draw(AMOUNTS), "fee_asset": draw(st.sampled_from(["USD", *KNOWN, "XYZ"]))}
        time = at("2024-01-01") + draw(st.integers(0, 90 * 24 - 1)) * HOUR
        transactions.append(entered(kind, asset, draw(AMOUNTS), time, **more))
    return sorted(transactions, key=lambda tx: tx.key)


@given(history=histories())
def test_the_gains_of_the_assets_are_the_portfolios(history: list[Transaction]) -> None:
    told = valued(history, quotes(CLOSES, NOW), end="2024-03-31")
    assert sum(share.gain for share in told.shares.values()) == performance(told.period).gain
    assert told.days[-1].value == sum(share.closing for share in told.shares.values())


@given(history=histories(), cut=st.integers(1, 89))
def test_a_period_is_the_sum_of_its_parts(history: list[Transaction], cut: int) -> None:
    known, middle = quotes(CLOSES, NOW), at("2024-01-01") + cut * DAY
    whole = valued(history, known, end="2024-03-31")
    before = [tx for tx in history if tx.time < middle]
    first = valuation(Inventory(), before, known, "USD", whole.start, middle)
    after = [tx for tx in history if tx.time >= middle]
    second = valuation(Inventory.after(before, "USD"), after, known, "USD", middle, whole.end)
    counted = set(first.shares)
    if {asset for tx in before for asset, _ in moves(tx)} - {"XYZ"} == counted:  # no market began after the cut
        assert [*first.days, *second.days] == whole.days
        assert first.days[-1].value == second.opening


@given(history=histories())
def test_flows_are_as_what_happened(history: list[Transaction]) -> None:
    """Around each flow both values are at the same prices: what came is there, but for fees and prices of its own."""
    for day in valued(history, quotes(CLOSES, NOW), end="2024-03-31").days:
        assert all(flow.before >= 0 and flow.after >= 0 for flow in day.flows)
        assert all(day.day <= flow.time < day.day + DAY for flow in day.flows)


@pytest.mark.parametrize(("price", "value"), [("1", "9" * 18 + "." + "9" * 18), ("1E-18", "1")])
def test_values_are_exact_to_18_decimals(price: str, value: str) -> None:
    known = quotes({"BTC": {"1d": {"2024-01-01": price}}}, NOW, scale=18)
    told = valued([], known, end="2024-01-02", inventory=Inventory({"BTC": d("9" * 18 + "." + "9" * 18)}))
    assert (told.opening, told.days[0].value) == (d(0), d(value))
