"""Transactions keep what was entered, know their place, and are shown exactly."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.exports import export
from cryptopulse.domain.portfolios import KINDS, Amount, Asset, Draft, ExternalId, FeeAsset, Kind, Note, Quantity
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import (
    Key,
    Mark,
    Rate,
    Transaction,
    TransactionChange,
    TransactionView,
    new_id,
    time_of,
)
from cryptopulse.errors import InvalidError

BUY_TIME, NOW = 1_700_000_000_123, 1_795_329_063_057
ID = "0" * 32
ELSEWHERE = "f" * 32


def draft(**fields: Any) -> Draft:
    usual = {"type": "buy", "asset": Asset("BTC"), "quantity": Quantity("0.5"), "price": Quantity("100")}
    return Draft(**{"time": Time(BUY_TIME), **usual, **fields})


def transaction(**fields: Any) -> Transaction:
    return Transaction.of(draft(**fields), ID, "USD", NOW)


TRANSFER: dict[str, Any] = {"type": "transfer", "price": None, "to_portfolio_id": ELSEWHERE}
TRADE: dict[str, Any] = {
    "type": "trade",
    "price": None,
    "counter_asset": Asset("ETH"),
    "counter_quantity": Quantity("7.5"),
}
DRAFTS = [
    draft(),
    draft(currency="EUR", fee=Amount("1.50"), note=Note("first"), external_id=ExternalId("a-1")),
    draft(fee=Amount("0"), fee_asset=FeeAsset("BNB")),
    draft(**TRADE, fee=Amount("1")),
    draft(type="deposit"),
    draft(type="withdrawal", price=None),
    draft(**TRANSFER),
    draft(type="fee", price=None, quantity=Quantity("0.000000000000000001")),
]


@pytest.mark.parametrize("entered", DRAFTS, ids=lambda each: each.type)
def test_what_was_entered_is_kept_with_its_currencies_named(entered: Draft) -> None:
    kept = Transaction.of(entered, ID, "GBP", NOW)
    currency = entered.currency or ("GBP" if entered.price is not None else None)
    fee_asset = entered.fee_asset or (currency or "GBP" if entered.fee is not None else None)
    expected = msgspec.structs.replace(entered, currency=currency, fee_asset=fee_asset and FeeAsset(fee_asset))
    assert kept.draft == expected
    assert Transaction.of(kept.draft, ID, "GBP", NOW) == kept
    assert (kept.created_at, kept.updated_at, kept.marks, kept.parts) == (NOW, NOW, {}, ())


def test_amounts_keep_their_digits() -> None:
    kept = transaction(quantity=Quantity("0.50"), fee=Amount("1.10"))
    assert [str(each) for each in (kept.quantity, kept.price, kept.fee)] == ["0.50", "100", "1.10"]


@pytest.mark.parametrize(
    ("fields", "coin"),
    [
        ({}, None),
        ({"fee": Amount("1")}, None),
        ({"fee": Amount("1"), "fee_asset": FeeAsset("EUR")}, None),
        ({"fee": Amount("1"), "fee_asset": FeeAsset("BTC")}, "BTC"),
        ({"fee": Amount("1"), "fee_asset": FeeAsset("BTC"), "currency": "BTC"}, None),
        ({"fee": Amount("1"), "fee_asset": FeeAsset("USDT")}, "USDT"),
        ({"fee": Amount("1"), "fee_asset": FeeAsset("GBP")}, None),
        ({"fee": Amount("0"), "fee_asset": FeeAsset("BNB")}, None),
        ({**TRADE, "fee": Amount("1"), "fee_asset": FeeAsset("BNB")}, "BNB"),
    ],
)
def test_a_fee_is_money_or_coin(fields: dict[str, Any], coin: str | None) -> None:
    assert transaction(**fields).paid_in_coin == coin


@pytest.mark.parametrize(("fields", "coin"), [({}, None), ({"fee_asset": FeeAsset("USDT")}, "USDT")])
def test_a_fee_that_is_an_amount_alone_is_money_also_in_tether(fields: dict[str, Any], coin: str | None) -> None:
    kept = Transaction.of(draft(**TRADE, fee=Amount("1"), **fields), ID, "USDT", NOW)
    assert (kept.fee_asset, kept.paid_in_coin) == ("USDT", coin)
    assert Transaction.of(kept.draft, ID, "USDT", NOW) == kept
    (_, line) = export([kept])
    assert line.split(",")[7] == (coin or "")


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({}, {"BTC"}),
        ({"currency": "EUR", "fee": Amount("1")}, {"BTC", "EUR"}),
        ({"fee": Amount("1"), "fee_asset": FeeAsset("BNB")}, {"BTC", "BNB"}),
        (TRADE, {"BTC", "ETH"}),
        (TRANSFER, {"BTC"}),
    ],
)
def test_it_knows_whose_worth_it_needs(fields: dict[str, Any], codes: set[str]) -> None:
    assert transaction(**fields).codes("USD") == codes


def test_a_transfer_is_seen_from_where_it_goes_without_its_fee() -> None:
    kept = transaction(**TRANSFER, fee=Amount("1"), external_id=ExternalId("x"), note=Note("moved"))
    there = kept.received(ID)
    assert (kept.is_incoming, there.is_incoming) == (False, True)
    assert there == msgspec.structs.replace(kept, from_portfolio_id=ID, fee=None, fee_asset=None, is_fee_plain=False)
    assert (there.id, there.name) == (kept.id, "x")


# --- order ---


@pytest.mark.parametrize("kind", KINDS)
def test_acquisitions_come_before_transfers_and_these_before_other_disposals(kind: Kind) -> None:
    ranks = {"buy": 0, "deposit": 0, "reward": 0, "airdrop": 0, "transfer": 1}
    fields = {
        "trade": TRADE,
        "transfer": TRANSFER,
        "withdrawal": {"price": None},
        "fee": {"price": None},
    }.get(kind, {})
    assert transaction(**{**fields, "type": kind}).key == (BUY_TIME, ranks.get(kind, 2), ID)


moments = st.tuples(st.integers(0, 2**48 - 1), st.integers(0, 2**44 - 1), st.integers(0, 2**16 - 1))


@given(first=moments, second=moments, chance=st.integers(0, 2**64))
def test_ids_are_in_order_of_time_then_entry_then_place(
    first: tuple[int, int, int], second: tuple[int, int, int], chance: int
) -> None:
    ids = [new_id(*first, chance), new_id(*second, chance + 1)]
    assert [len(each) for each in ids] == [32, 32]
    assert [time_of(each) for each in ids] == [first[0], second[0]]
    if first != second:
        assert (first < second) == (ids[0] < ids[1])


@given(time=st.integers(0, 2**48 - 1), rank=st.integers(0, 2), id_=st.integers(0, 2**128 - 1))
def test_a_place_is_told_in_bytes(time: int, rank: int, id_: int) -> None:
    place = Key(time, rank, f"{id_:032x}")
    assert Key.unpacked(place.packed) == place
    assert len(place.packed) == 23


# --- changes ---


def change(**fields: Any) -> TransactionChange:
    return TransactionChange(**fields)


FULL = draft(currency="EUR", fee=Amount("1"), fee_asset=FeeAsset("EUR"), note=Note("n"), external_id=ExternalId("x"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (change(), FULL),
        (change(quantity=Quantity("2"), note=None), {"quantity": Quantity("2"), "note": None}),
        (change(type="deposit", price=None), {"type": "deposit", "price": None, "currency": None}),
        (change(fee=None), {"fee": None, "fee_asset": None}),
        (change(currency=None, fee_asset=None), {"currency": None, "fee_asset": None}),
        (
            change(**{**TRADE, "fee": None}),
            {**TRADE, "currency": None, "fee": None, "fee_asset": None},
        ),
        (change(time=Time(BUY_TIME + 1), external_id=None), {"time": Time(BUY_TIME + 1), "external_id": None}),
    ],
)
def test_what_is_left_out_stays_and_null_removes(given: TransactionChange, expected: Draft | dict[str, Any]) -> None:
    changed = expected if isinstance(expected, Draft) else msgspec.structs.replace(FULL, **expected)
    assert given.of(FULL) == changed


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (change(price=None), "price"),
        (change(type="fee"), "price"),
        (change(type="trade", price=None), "counter_asset"),
        (change(type="deposit", price=None, currency="EUR"), "currency"),
        (change(fee=None, fee_asset=FeeAsset("BTC")), "fee_asset"),
        (change(counter_asset=Asset("ETH")), "counter_asset"),
        (change(time=Time(0)), "time"),
    ],
)
def test_a_change_makes_no_draft_that_could_not_be_entered(given: TransactionChange, field: str) -> None:
    with pytest.raises(InvalidError) as error:
        given.of(FULL)
    assert error.value.field == field


def test_a_change_may_name_every_field_of_a_draft() -> None:
    assert set(TransactionChange.__struct_fields__) == set(Draft.__struct_fields__)


# --- what is shown ---


def test_amounts_are_shown_without_exponents_and_with_their_rates() -> None:
    marks = {"EUR": Mark(Decimal("1.25"), BUY_TIME - 1), "BTC": Mark(Decimal("1E+3"), BUY_TIME)}
    kept = Transaction.of(
        draft(quantity=Quantity("0.000000000000000001"), currency="EUR", fee=Amount("0"), note=Note("ü")),
        ID,
        "USD",
        NOW,
    )
    kept = msgspec.structs.replace(kept, updated_at=NOW + 1, marks=marks)
    assert TransactionView.of(kept, ELSEWHERE, "USD") == TransactionView(
        id=ID,
        portfolio_id=ELSEWHERE,
        type="buy",
        asset="BTC",
        quantity="0.000000000000000001",
        price="100",
        currency="EUR",
        fee="0",
        fee_asset="EUR",
        counter_asset=None,
        counter_quantity=None,
        to_portfolio_id=None,
        from_portfolio_id=None,
        external_id=None,
        time="2023-11-14T22:13:20.123Z",
        note="ü",
        created_at="2026-11-22T06:31:03.057Z",
        updated_at="2026-11-22T06:31:03.058Z",
        rates=[
            Rate("BTC", "USD", "1000", "2023-11-14T22:13:20.123Z"),
            Rate("EUR", "USD", "1.25", "2023-11-14T22:13:20.122Z"),
        ],
    )


def test_a_trade_and_a_transfer_are_shown_whole() -> None:
    trade = TransactionView.of(transaction(**TRADE), ELSEWHERE, "USD")
    assert (trade.counter_asset, trade.counter_quantity, trade.price, trade.currency) == ("ETH", "7.5", None, None)
    moved = transaction(**TRANSFER)
    seen = [TransactionView.of(each, "p", "USD") for each in (moved, moved.received(ID))]
    assert [(each.to_portfolio_id, each.from_portfolio_id) for each in seen] == [(ELSEWHERE, None), (ELSEWHERE, ID)]
