from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.portfolios import AHEAD, GENESIS, Amount, Asset, Draft, ExternalId, FeeAsset, Note, Quantity
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError

NOW = 1_800_000_000_000
VALUES: dict[str, Any] = {
    "price": Quantity(2),
    "currency": "USD",
    "fee": Amount(1),
    "fee_asset": FeeAsset("BNB"),
    "counter_asset": Asset("ETH"),
    "counter_quantity": Quantity(3),
    "to_portfolio_id": "p2",
}
PRICED = {"price", "currency", "fee", "fee_asset"}
NEEDS = {
    "buy": {"price"},
    "sell": {"price"},
    "trade": {"counter_asset", "counter_quantity"},
    "transfer": {"to_portfolio_id"},
}
TAKES = {
    "buy": PRICED,
    "sell": PRICED,
    "trade": PRICED | {"counter_asset", "counter_quantity"},
    "deposit": PRICED,
    "withdrawal": PRICED,
    "transfer": PRICED | {"to_portfolio_id"},
    "reward": PRICED,
    "airdrop": PRICED,
    "fee": set[str](),
}


def draft(kind: str, *fields: str, **values: Any) -> Draft:
    given: dict[str, Any] = {"type": kind, "asset": Asset("BTC"), "quantity": Quantity(1), "time": Time(NOW)}
    return Draft(**given | {name: VALUES[name] for name in fields} | values)


@pytest.mark.parametrize(
    "text", ["0.000000000000000001", "999999999999999999.999999999999999999", "1", "1.0", "007", "0.10"]
)
def test_amounts_within_the_limits_are_read_exactly(text: str) -> None:
    assert Quantity.parse(text) == Amount.parse(text) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1e5",
        "1E-5",
        "NaN",
        "Infinity",
        "-Infinity",
        ".5",
        "5.",
        "1,5",
        "1_0",
        " 1",
        "1\n",
        "٣",
        "0x1",
        "1000000000000000000",
        "0.0000000000000000001",
        "1" * 40,
    ],
)
def test_other_amounts_are_refused(text: str) -> None:
    for kind in (Amount, Quantity):
        with pytest.raises(ValueError, match="at most 18 digits"):
            kind.parse(text)


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "1E18", "1E-19", "-1E-18", "1.0000000000000000001"])
def test_numbers_outside_the_limits_are_no_amounts(number: str) -> None:
    with pytest.raises(ValueError, match="at most 18 digits"):
        Amount.of(Decimal(number))


def test_zeros_beyond_the_limits_do_not_count() -> None:
    assert format(Amount.of(Decimal("1.5000000000000000000000")), "f") == "1.500000000000000000"
    assert format(Amount.of(Decimal("1E+17")), "f") == "100000000000000000"
    assert format(Amount.of(Decimal("-0.0")), "f") == "0.0"


def test_a_fee_may_be_nothing_and_a_quantity_may_not() -> None:
    assert Amount.parse("0.00") == 0
    with pytest.raises(ValueError, match="above 0"):
        Quantity.parse("0.00")


@pytest.mark.parametrize("text", ["BTC", "1INCH", "C98", "A" * 20, "USDT", "MNT"])
def test_assets_are_codes(text: str) -> None:
    assert (str(Asset.parse(text)), str(FeeAsset.parse(text))) == (text, text)


@pytest.mark.parametrize("text", ["", "btc", "A" * 21, "BTC-USD", "BTC\n", "ß", "B C"])
def test_what_is_no_code_is_no_asset(text: str) -> None:
    with pytest.raises(ValueError, match="Expected 1 to 20"):
        Asset.parse(text)
    with pytest.raises(ValueError, match="Expected an asset"):
        FeeAsset.parse(text)


def test_fiat_is_no_asset_but_pays_fees_where_it_can_be_converted() -> None:
    for code in ("USD", "EUR", "GBP", "CHF", "JPY"):
        with pytest.raises(ValueError, match="fiat"):
            Asset.parse(code)
    assert FeeAsset.parse("EUR") == "EUR"
    with pytest.raises(ValueError, match="Expected an asset or one of USD"):
        FeeAsset.parse("CHF")


@pytest.mark.parametrize(("text", "note"), [(" a ", "a"), ("=1+1", "=1+1"), ("jose\u0301", "josé"), ("👩‍🚀", "👩‍🚀")])
def test_notes_are_words(text: str, note: str) -> None:
    assert Note.parse(text) == note


@pytest.mark.parametrize("text", ["", "  ", "a" * 501, "a\nb", "a\tb", "a\x00", "a\u2028b", "a\x85b", "\ud800"])
def test_other_notes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Note.parse(text)


@pytest.mark.parametrize("text", ["", "a b", "a\n", "é", "a" * 101])
def test_ids_of_others_are_visible_ascii(text: str) -> None:
    assert ExternalId.parse("kraken:L4UESK-1!~") == "kraken:L4UESK-1!~"
    with pytest.raises(ValueError, match="visible ASCII"):
        ExternalId.parse(text)


@pytest.mark.parametrize("kind", TAKES)
def test_each_kind_needs_and_takes_its_own(kind: str) -> None:
    needs, takes = NEEDS.get(kind, set()), TAKES[kind]
    assert draft(kind, *takes).type == kind
    assert draft(kind, *needs).type == kind
    for name in needs:
        with pytest.raises(InvalidError) as missing:
            draft(kind, *(takes - {name}))
        assert (missing.value.field, missing.value.message) == (name, f"A {kind} needs it")
    for name in VALUES.keys() - takes:
        with pytest.raises(InvalidError) as excess:
            draft(kind, *takes, name)
        assert (excess.value.field, excess.value.message) == (name, f"A {kind} has none")


@pytest.mark.parametrize(
    ("kind", "fields", "values", "field"),
    [
        ("deposit", ("currency",), {}, "currency"),
        ("buy", ("price", "fee_asset"), {}, "fee_asset"),
        ("trade", ("counter_quantity",), {"counter_asset": Asset("BTC")}, "counter_asset"),
        ("deposit", (), {"time": Time(GENESIS - 1)}, "time"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(
    kind: str, fields: tuple[str, ...], values: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        draft(kind, *fields, **values)
    assert refused.value.field == field


def test_times_go_from_the_first_block_to_five_minutes_ahead() -> None:
    assert Time.parse("2009-01-03") == GENESIS == draft("deposit", time=Time(GENESIS)).time
    draft("deposit", time=Time(NOW + AHEAD)).check_time(NOW)
    with pytest.raises(InvalidError) as late:
        draft("deposit", time=Time(NOW + AHEAD + 1)).check_time(NOW)
    assert late.value.field == "time"


@given(st.decimals(min_value=0, max_value=Decimal("999999999999999999.9"), places=18, allow_nan=False))
def test_every_amount_is_read_as_it_is_written(number: Decimal) -> None:
    assert Amount.parse(f"{number:f}").as_tuple() == number.copy_abs().as_tuple()


def test_json_makes_drafts_of_the_same_types() -> None:
    def decode(kind: Any, value: str) -> Any:
        return kind.parse(value)

    text = b'{"type":"buy","asset":"BTC","quantity":"1.50","price":"2","fee":"0","time":"2020-01-01","note":" n "}'
    decoded = msgspec.json.decode(text, type=Draft, dec_hook=decode)
    expected = draft("buy", quantity=Decimal("1.5"), price=2, fee=0, time=1_577_836_800_000, note="n")
    assert (decoded, type(decoded.quantity), type(decoded.fee)) == (expected, Quantity, Amount)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"prize":"1"}', type=Draft, dec_hook=decode)
