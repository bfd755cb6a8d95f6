from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, localcontext
from itertools import permutations
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain import kraken_csv
from cryptopulse.domain.csv_tables import moment, number
from cryptopulse.domain.exports import HEADER, export, neutral, original
from cryptopulse.domain.imports import EXACT, LAYOUTS, Format, LineError, Parsed, parse
from cryptopulse.domain.legs import Leg, join
from cryptopulse.domain.portfolios import (
    CURRENCIES,
    FIAT,
    GENESIS,
    Amount,
    Asset,
    Draft,
    ExternalId,
    FeeAsset,
    Note,
    Quantity,
)
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError, TooLargeError

NOW = 1_800_000_000_000
"""2027-01-15."""
COINBASE = (
    "ID,Timestamp,Transaction Type,Asset,Quantity Transacted,Price Currency,Price at Transaction,Subtotal,"
    "Total (inclusive of fees and/or spread),Fees and/or Spread,Notes"
)
PREAMBLE = "\r\nTransactions\r\nUser,Ann Example,00000000-0000\r\n"
BINANCE = "User_ID,UTC_Time,Account,Operation,Coin,Change,Remark"
BINANCE_TRADES = "Date(UTC),Pair,Side,Price,Executed,Amount,Fee"
KRAKEN = '"txid","refid","time","type","subtype","aclass","asset","wallet","amount","fee","balance"'
KRAKEN_TRADES = (
    '"txid","ordertxid","pair","time","type","ordertype","price","cost","fee","vol","margin","misc","ledgers"'
)
OWN = "time,type,asset,quantity"
AT = 1_735_786_800_000
"""2025-01-02 03:00:00."""
WHEN = "2025-01-02 03:00:00"


def read(*lines: str, name: Format = "auto") -> Parsed:
    return parse("\n".join(lines).encode(), name, NOW)


def shown(parsed: Parsed) -> list[dict[str, Any]]:
    """The drafts, their ids left out, as what was set."""
    dropped = ("external_id",)
    return [
        {
            name: str(value) if isinstance(value, (str, Decimal)) else value
            for name, value in msgspec.structs.asdict(draft).items()
            if value is not None and name not in dropped
        }
        for _, draft in parsed.drafts
    ]


def at(kind: str, asset: str, quantity: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "asset": asset, "quantity": quantity, "time": AT} | more


def told(errors: Sequence[LineError]) -> list[tuple[int, str]]:
    return [(error.line, error.field) for error in errors]


def refusal(data: bytes | str, name: Format = "auto") -> InvalidError:
    with pytest.raises(InvalidError) as refused:
        parse(data.encode() if isinstance(data, str) else data, name, NOW)
    return refused.value


# --- files ---


def test_a_file_is_known_by_its_header_wherever_it_stands() -> None:
    line = f"i1,{WHEN} UTC,Receive,BTC,0.5,EUR,€90.00,€45.00,€45.00,€0.00,"
    parsed = read(f"{PREAMBLE}{COINBASE}", line)
    assert (parsed.format, parsed.lines, told(parsed.errors)) == ("coinbase", 1, [])
    assert [line for line, _ in parsed.drafts] == [5]
    assert shown(parsed) == [at("deposit", "BTC", "0.5", price="90.00", currency="EUR")]
    assert read(COINBASE, line, name="coinbase").drafts[0][1] == parsed.drafts[0][1]


@pytest.mark.parametrize("name", get_args(Format.__value__)[1:])
def test_a_file_of_another_format_than_told_is_refused(name: Format) -> None:
    headers = {"coinbase": COINBASE, "binance": BINANCE, "kraken": KRAKEN, "cryptopulse": OWN}
    for format_, header in headers.items():
        if format_ == name:
            assert read(header, name=name).format == name
        else:
            assert str(refusal(header, name)) == f"format: The file's header is that of {format_}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "file: Is empty"),
        (b" \r\n\t\n", "file: Is empty"),
        (b"PK\x03\x04...", "file: Expected a CSV file in UTF-8, this is a ZIP archive or a workbook"),
        (b"\x1f\x8b\x08", "file: Expected a CSV file in UTF-8, this is packed by gzip"),
        (BINANCE.encode("utf-16"), "file: Expected a CSV file in UTF-8, this is UTF-16"),
        (BINANCE.encode("utf-16-le"), "file: Expected a CSV file in UTF-8, this is UTF-16 or no text"),
        (b'{"activities": []}', "format: No known header is in the file's first lines."),
        (b"a,b\n" * 64 + BINANCE.encode(), "format: No known header is in the file's first lines."),
        (f"{BINANCE}{',x' * 100}".encode(), "format: No known header is in the file's first lines."),
        (b'"' + BINANCE.encode(), "format: No known header is in the file's first lines."),
        (f'{BINANCE}\n1,{WHEN},Spot,"Deposit,BTC,1,\n'.encode(), "file: Is no CSV: unexpected end of data"),
        (f'{BINANCE}\n1,"{"a" * 140_000}"\n'.encode(), "file: Is no CSV: field larger than field limit"),
    ],
)
def test_what_is_no_such_file_is_refused_as_a_whole(data: bytes, message: str) -> None:
    assert str(refusal(data)).startswith(message)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        (BINANCE.replace(",Coin", ""), "Coin"),
        (BINANCE.replace("Change", "Amount"), "Change"),
        (BINANCE_TRADES.replace("Fee", "Costs"), "Fee"),
        (KRAKEN.replace('"refid",', ""), "refid"),
        (KRAKEN_TRADES.replace('"vol",', ""), "vol"),
        (COINBASE.replace(",Subtotal", ""), "Subtotal"),
        (OWN.replace(",quantity", ""), "quantity"),
    ],
)
def test_a_missing_column_is_named(header: str, column: str) -> None:
    assert str(refusal(header)) == f"{column}: The column is missing"


def test_a_column_there_twice_or_unknown_to_our_own_format_is_named() -> None:
    assert str(refusal(f"{BINANCE},Coin")) == "Coin: There is more than one such column"
    assert str(refusal(f"{OWN},prize")) == "prize: There is no such column"
    assert read(f"{OWN},note, ,").lines == 0


@pytest.mark.parametrize("header", [COINBASE, BINANCE, BINANCE_TRADES, KRAKEN, KRAKEN_TRADES, OWN])
def test_a_header_alone_is_a_file_with_nothing_in_it(header: str) -> None:
    parsed = read(header, "", "  ,,,")
    assert (parsed.lines, parsed.drafts, parsed.errors_total, parsed.ignored) == (0, [], 0, 0)


ROWS = (f"1,{WHEN},Spot,Deposit,BTC,1.5,gift", f"1,{WHEN},Earn,Staking Rewards,ETH,0.25,")
EXPECTED = [at("deposit", "BTC", "1.5", note="gift"), at("reward", "ETH", "0.25")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_line_ends_and_encodings_do_not_matter(end: str, encoding: str) -> None:
    text = end.join((BINANCE, *ROWS)).replace("gift", "geschenk für Zoë")
    parsed = parse(text.encode(encoding), "auto", NOW)
    assert shown(parsed) == [EXPECTED[0] | {"note": "geschenk für Zoë"}, EXPECTED[1]]
    assert [line for line, _ in parsed.drafts] == [2, 3]


def test_line_ends_may_be_mixed_and_stand_in_quotes() -> None:
    text = f'{BINANCE}\r\n\n1,{WHEN},Spot,Deposit,BTC,1.5,"a\r\nb\n\nc"\r{ROWS[1]}\n'
    parsed = parse(text.encode(), "auto", NOW)
    assert [line for line, _ in parsed.drafts] == [3, 7]
    assert shown(parsed)[0]["note"] == "a b c"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_do_not_matter(separator: str) -> None:
    assert shown(read(*(line.replace(",", separator) for line in (BINANCE, *ROWS)))) == EXPECTED


def test_decimal_commas_are_read_where_the_separator_is_another() -> None:
    lines = [line.replace(",", ";").replace(".", ",") for line in (BINANCE, *ROWS)]
    assert shown(read(*lines)) == EXPECTED
    grouped = read(*lines, f"1;{WHEN};Spot;Deposit;BTC;1.234,5;", f"1;{WHEN};Spot;Deposit;BTC;1.234;")
    assert [draft["quantity"] for draft in shown(grouped)] == ["1.5", "0.25", "1234.5"]
    assert told(grouped.errors) == [(5, "Change")]


def test_cells_shifted_by_a_separator_are_an_error_of_their_line() -> None:
    parsed = read(BINANCE, f"1,{WHEN},Spot,Deposit,BTC,1,5,0", f"1,{WHEN},Spot,Deposit,BTC,1", f"{ROWS[0]}, ,")
    assert told(parsed.errors) == [(2, "line")]
    assert [draft["quantity"] for draft in shown(parsed)] == ["1", "1.5"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", "1.5"),
        ("-3.605E-05", "-0.00003605"),
        ("+12", "12"),
        ("1,234.5", "1234.5"),
        ("1,234,567", "1234567"),
        ("12,345,678.9", "12345678.9"),
    ],
)
def test_numbers_without_doubt_are_read(text: str, expected: str) -> None:
    assert number(text) == Decimal(expected)
    swapped = text.translate(str.maketrans(".,", ",."))
    assert number(swapped, ",") == Decimal(expected)


@pytest.mark.parametrize(
    "text", ["", "1,234", "1,5", "1.", ".5", "1 234", "1,23,456", "1.2.3", "NaN", "inf", "٣", "1E100", "--1", "1" * 65]
)
def test_numbers_in_doubt_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a number with a decimal point"):
        number(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WHEN, AT),
        ("2025-01-02T03:00:00Z", AT),
        ("2025-01-02 03:00:00 UTC", AT),
        ("25-01-02 03:00:00", AT),
        ("2025-01-02 04:30:00+01:30", AT),
        ("2025-01-02 03:00:00.1239", AT + 123),
    ],
)
def test_moments_are_read_as_exchanges_write_them(text: str, expected: int) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2025-01-02", "02.01.2025 03:00", "2025-02-30 00:00:00", "1/2/25 3:00", f"{WHEN}x"]
)
def test_other_moments_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a time"):
        moment(text)


def test_ten_thousand_bad_lines_are_counted_and_a_thousand_told() -> None:
    parsed = read(BINANCE, *[f"1,{WHEN},Spot,ABC,BTC,1,"] * 10_000, ROWS[0])
    assert (parsed.lines, len(parsed.errors), parsed.errors_total, len(parsed.drafts)) == (10_001, 1_000, 10_000, 1)
    assert told(parsed.errors) == [(line, "Operation") for line in range(2, 1_002)]


def test_more_than_fifty_thousand_lines_are_too_many() -> None:
    with pytest.raises(TooLargeError):
        read(BINANCE, *["x"] * 50_001)
    assert read(BINANCE, *["x"] * 50_000).errors_total == 50_000


def test_times_before_the_first_block_and_in_the_future_are_errors_of_their_line() -> None:
    times = ("2009-01-02 23:59:59", "2009-01-03 00:00:00", "2027-01-15 08:05:00", "2027-01-15 08:05:01")
    parsed = read(BINANCE, *(f"1,{time},Spot,Deposit,BTC,1," for time in times))
    assert told(parsed.errors) == [(2, "time"), (5, "time")]
    assert [draft.time for _, draft in parsed.drafts] == [GENESIS, NOW + 300_000]


# --- ids ---


def test_equal_lines_count_and_the_same_file_gives_the_same_ids() -> None:
    first, again = read(BINANCE, ROWS[0], ROWS[0], ROWS[1]), read(BINANCE, ROWS[1], ROWS[0], ROWS[0])
    ids = {draft.external_id for _, draft in first.drafts}
    assert ids == {draft.external_id for _, draft in again.drafts}
    assert len(ids) == 3
    assert ids > {draft.external_id for _, draft in read(BINANCE, *ROWS).drafts}


def test_an_id_told_again_is_a_repetition_and_with_other_content_an_error() -> None:
    line = f'"L1","R1","{WHEN}","deposit","","currency","XXBT","spot / main",1.5,0,1.5'
    parsed = read(KRAKEN, line, line, line.replace("1.5,0", "2.5,0"))
    assert [str(draft.external_id) for _, draft in parsed.drafts] == ["kraken:L1"]
    assert (parsed.repeated, told(parsed.errors)) == (1, [(4, "external_id")])


def test_an_id_that_is_none_is_an_error_of_its_line() -> None:
    parsed = read(COINBASE, f"i 1,{WHEN} UTC,Receive,BTC,0.5,EUR,90,45,45,0,")
    assert told(parsed.errors) == [(2, "external_id")]


# --- Coinbase ---


def coinbase(kind: str, asset: str, quantity: str, *cells: str, id_: str = "i1") -> str:
    return ",".join((id_, f"{WHEN} UTC", kind, asset, quantity, *cells))


def test_what_coinbase_takes_for_a_purchase_is_what_it_cost() -> None:
    parsed = read(
        COINBASE,
        coinbase(
            "Buy", "SOL", "0.035", "EUR", "€190.00", "€6.65", "€6.68990", "€0.0399", "Bought 0.035 SOL for 6.69 EUR"
        ),
        coinbase(
            "Sell", "BTC", "-0.5", "USD", '"$82,304.00"', '"-$41,000.00"', '"$40,900.00"', "$100.00", "", id_="i2"
        ),
        coinbase("Card Spend", "BTC", "0.001", "EUR", "€90000.00", "", "€90.00", "€0", "", id_="i3"),
    )
    assert shown(parsed) == [
        at(
            *("buy", "SOL", "0.035"),
            price="190",
            currency="EUR",
            fee="0.0399",
            fee_asset="EUR",
            note="Bought 0.035 SOL for 6.69 EUR",
        ),
        at("sell", "BTC", "0.5", price="82000", currency="USD", fee="100.00", fee_asset="USD"),
        at("sell", "BTC", "0.001", price="90000", currency="EUR"),
    ]
    assert [draft.external_id for _, draft in parsed.drafts] == ["coinbase:i1", "coinbase:i2", "coinbase:i3"]


def test_an_advanced_trade_for_a_coin_is_a_trade_at_what_its_note_says() -> None:
    parsed = read(
        COINBASE,
        coinbase(
            *("Advanced Trade Buy", "ETH", "0.4", "USD", "$2480", "$992", "$994.2", "$2.2"),
            "Bought 0.4 ETH for 994.2 USDC on ETH-USDC at 2480 USDC/ETH",
        ),
        coinbase(
            *("Advanced Trade Sell", "ETH", "-30", "USD", "$3300.00", "-$99000.00", "-$99000.00", "$0.00"),
            "Sold 30 ETH for 1 BTC on ETH-BTC at 0.0333 BTC/ETH",
            id_="i2",
        ),
        coinbase(
            *("Advanced Trade Buy", "SOL", "0.035", "EUR", "€190.00", "€6.65", "€6.68990", "€0.0399"),
            "Bought 0.035 SOL for 6.6899 EUR on SOL-EUR at 190 EUR/SOL",
            id_="i3",
        ),
    )
    kinds = [
        (d["type"], d["asset"], d["quantity"], d.get("counter_asset"), d.get("counter_quantity")) for d in shown(parsed)
    ]
    assert kinds == [
        ("trade", "USDC", "994.2", "ETH", "0.4"),
        ("trade", "ETH", "30", "BTC", "1"),
        ("buy", "SOL", "0.035", None, None),
    ]
    assert [draft.get("fee") for draft in shown(parsed)] == [None, None, "0.0399"]


@pytest.mark.parametrize(
    "lines",
    [
        [("BTC", "0.05", "Converted 0.05 BTC to 451.2 USDC")],
        [("BTC", "-0.05", ""), ("USDC", "451.2", "")],
        [("USDC", "451.2", ""), ("BTC", "-0.05", "")],
        [("BTC", "-0.05", "Converted 0.05 BTC to 451.2 USDC"), ("USDC", "451.2", "Converted 0.05 BTC to 451.2 USDC")],
    ],
)
def test_a_conversion_is_one_trade_in_one_line_or_two(lines: list[tuple[str, str, str]]) -> None:
    rows = [coinbase("Convert", asset, size, "USD", "$1", "$1", "$1", "$0.1", note) for asset, size, note in lines]
    parsed = read(COINBASE, *rows)
    (draft,) = shown(parsed)
    draft.pop("note", None)
    assert draft == at("trade", "BTC", "0.05", counter_asset="USDC", counter_quantity="451.2")
    assert parsed.drafts[0][1].external_id == "coinbase:i1"


def test_equal_conversions_without_an_id_both_count() -> None:
    header = COINBASE.removeprefix("ID,").replace("Price ", "Spot Price ").replace("Spot Price at", "Spot Price at")
    header = header.replace("Fees and/or Spread", "Fees")
    row = coinbase("Convert", "BTC", "0.05", "USD", "1", "1", "1", "0", "Converted 0.05 BTC to 451.2 USDC")[3:]
    parsed = read(header, row, row)
    assert (len(parsed.drafts), parsed.errors_total) == (2, 0)


def test_coinbase_lines_that_say_nothing_about_a_portfolio_are_ignored() -> None:
    parsed = read(
        COINBASE,
        coinbase("Deposit", "EUR", "500", "EUR", "€1", "€500", "€500", "€0", ""),
        coinbase("Withdrawal", "USD", "-100", "USD", "$1", "-$100", "-$100", "$0", ""),
        coinbase("Retail Staking Transfer", "SOL", "0.124", "EUR", "€133", "€16", "€16", "€0", ""),
        coinbase("Pro Deposit", "BTC", "-1", "EUR", "€133", "€16", "€16", "€0", ""),
        coinbase("Convert", "ETH", "1", "EUR", "€133", "€16", "€16", "€0", "Converted 1 ETH to 1 ETH2"),
        coinbase("Convert", "EUR", "10", "EUR", "€1", "€16", "€16", "€0", "Converted 10 EUR to 11 USD", id_="i9"),
    )
    assert (parsed.lines, parsed.ignored, parsed.drafts, parsed.errors_total) == (6, 6, [], 0)


def test_rewards_keep_the_price_that_coinbase_states_where_it_is_in_a_currency_of_ours() -> None:
    parsed = read(
        COINBASE,
        coinbase("Staking Income", "XTZ", "0.000004", "CZK", "21.71", "0.00", "0.00", "0", ""),
        coinbase("Learning Reward", "GRT", "2", "USD", "$0.5", "$1", "$1", "$0", "", id_="i2"),
        coinbase("Airdrop", "FLR", "7", "USD", "", "", "", "", "", id_="i3"),
        coinbase("Send", "BTC", "-0.25", "USD", "$90000", "-$1", "-$1", "$0", "Sent 0.25 BTC to bc1q", id_="i4"),
    )
    assert shown(parsed) == [
        at("reward", "XTZ", "0.000004"),
        at("reward", "GRT", "2", price="0.5", currency="USD"),
        at("airdrop", "FLR", "7"),
        at("withdrawal", "BTC", "0.25", note="Sent 0.25 BTC to bc1q"),
    ]


def test_an_asset_that_was_renamed_is_traded_for_the_new_one() -> None:
    cells = ("EUR", "€0.4", "€4", "€4", "€0", "")
    parsed = read(
        COINBASE,
        coinbase("Asset Migration", "MATIC", "-10", *cells),
        coinbase("Asset Migration", "POL", "10", *cells, id_="i2"),
    )
    assert shown(parsed) == [at("trade", "MATIC", "10", counter_asset="POL", counter_quantity="10")]
    assert parsed.drafts[0][1].external_id == "coinbase:i1"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (coinbase("Mystery Payout", "BTC", "1", "EUR", "1", "1", "1", "0", ""), "Transaction Type"),
        (coinbase("", "BTC", "1", "EUR", "1", "1", "1", "0", ""), "Transaction Type"),
        (coinbase("Receive", "B-C", "1", "EUR", "1", "1", "1", "0", ""), "Asset"),
        (coinbase("Receive", "BTC", "-1", "EUR", "1", "1", "1", "0", ""), "Quantity Transacted"),
        (coinbase("Receive", "BTC", "0", "EUR", "1", "1", "1", "0", ""), "Quantity Transacted"),
        (coinbase("Receive", "BTC", "1", "EUR", '"1,234"', "1", "1", "0", ""), "Price at Transaction"),
        (coinbase("Buy", "BTC", "0", "EUR", "1", "1", "1", "0", ""), "Quantity Transacted"),
        (coinbase("Buy", "BTC", "1", "EUR", "", "", "", "", ""), "Subtotal"),
        (coinbase("Buy", "BTC", "1", "EUR", "1", "abc", "", "", ""), "Subtotal"),
        (coinbase("Buy", "BTC", "1", "CAD", "1", "1", "1", "0", ""), "currency"),
        (coinbase("Buy", "BTC", "1", "", "1", "1", "1", "0", ""), "Price Currency"),
        (coinbase("Convert", "BTC", "0.01", "EUR", "1", "1", "1", "0", "Converted stuff"), "line"),
        (coinbase("Convert", "BTC", "1", "EUR", "1", "1", "1", "0", '"Converted 1,5 BTC to 2 ETH"'), "Notes"),
        (coinbase("Receive", "BTC", "1E18", "EUR", "1", "1", "1", "0", ""), "Quantity Transacted"),
    ],
)
def test_coinbase_lines_in_doubt_are_errors(row: str, field: str) -> None:
    parsed = read(COINBASE, row)
    assert (told(parsed.errors), parsed.drafts, parsed.ignored) == ([(2, field)], [], 0)


# --- Binance ---


def binance(operation: str, coin: str, change: str, remark: str = "", time: str = WHEN, account: str = "Spot") -> str:
    return f"1,{time},{account},{operation},{coin},{change},{remark}"


def test_legs_of_one_second_are_one_trade_with_its_fee() -> None:
    legs = [
        binance("Transaction Buy", "ETH", "0.03"),
        binance("Transaction Spend", "USDT", "-100"),
        binance("Transaction Fee", "BNB", "-0.0001"),
        binance("Transaction Buy", "ETH", "0.01"),
        binance("Transaction Spend", "USDT", "-35"),
    ]
    expected = at("trade", "USDT", "135", counter_asset="ETH", counter_quantity="0.04", fee="0.0001", fee_asset="BNB")
    parsed = [read(BINANCE, *lines) for lines in permutations(legs)]
    assert all(shown(each) == [expected] for each in parsed)
    assert len({each.drafts[0][1].external_id for each in parsed}) == 1


def test_fees_in_more_than_one_coin_are_transactions_of_their_own() -> None:
    parsed = read(
        BINANCE,
        binance("Buy", "EUR", "-392.3"),
        binance("Buy", "ETH", "0.1"),
        binance("Fee", "BNB", "-9.009E-05"),
        binance("Fee", "ETH", "-0.0001"),
    )
    assert shown(parsed) == [
        at("buy", "ETH", "0.1", price="3923", currency="EUR", fee="0.0001", fee_asset="ETH"),
        at("fee", "BNB", "0.00009009"),
    ]
    main, fee = (str(draft.external_id) for _, draft in parsed.drafts)
    assert fee == f"{main}:fee:BNB"


def test_a_purchase_and_a_sale_of_one_second_are_told_apart() -> None:
    parsed = read(
        BINANCE,
        binance("Transaction Buy", "ETH", "1"),
        binance("Transaction Spend", "USDT", "-3000"),
        binance("Transaction Sold", "ETH", "-0.5"),
        binance("Transaction Revenue", "USDT", "1490"),
        binance("Transaction Fee", "BNB", "-0.001"),
    )
    assert shown(parsed) == [
        at("trade", "USDT", "3000", counter_asset="ETH", counter_quantity="1"),
        at("trade", "ETH", "0.5", counter_asset="USDT", counter_quantity="1490"),
        at("fee", "BNB", "0.001"),
    ]
    assert len({draft.external_id for _, draft in parsed.drafts}) == 3


def test_exchanges_of_one_second_that_nothing_tells_apart_are_an_error() -> None:
    legs = [
        binance("Transaction Buy", "ETH", "1"),
        binance("Transaction Spend", "USDT", "-3000"),
        binance("Transaction Buy", "SOL", "10"),
        binance("Transaction Spend", "USDC", "-1500"),
    ]
    parsed = read(BINANCE, *legs, binance("Deposit", "BTC", "1"))
    assert told(parsed.errors) == [(2, "line")]
    assert parsed.errors[0].message.endswith("(with lines 3, 4, 5)")
    assert [draft["type"] for draft in shown(parsed)] == ["deposit"]
    remarked = [f"{leg}{'a' if 'ETH' in leg or 'USDT' in leg else 'b'}" for leg in legs]
    assert [draft["counter_asset"] for draft in shown(read(BINANCE, *remarked))] == ["ETH", "SOL"]


def test_dust_of_many_assets_is_paired_by_remark_else_shared_equally() -> None:
    dust = "Small Assets Exchange BNB"
    remarked = read(
        BINANCE,
        binance(dust, "ETH", "-0.00005643", "ETH to BNB"),
        binance(dust, "BNB", "0.0004", "ETH to BNB"),
        binance(dust, "SOL", "-0.002", "SOL to BNB"),
        binance(dust, "BNB", "0.0007", "SOL to BNB"),
    )
    assert [(draft["asset"], draft["counter_quantity"]) for draft in shown(remarked)] == [
        ("ETH", "0.0004"),
        ("SOL", "0.0007"),
    ]
    assert remarked.warnings == []
    bare = read(
        BINANCE,
        binance(dust, "ETH", "-0.00005643"),
        binance(dust, "ASR", "-2"),
        binance(dust, "SOL", "-0.002"),
        binance(dust, "BNB", "0.0004"),
        binance(dust, "BNB", "0.0003"),
        binance(dust, "BNB", "0.0003"),
    )
    shares = [(draft["asset"], Decimal(draft["counter_quantity"])) for draft in shown(bare)]
    third = Decimal("0.000333333333333333")
    assert shares == [("ASR", third), ("ETH", third), ("SOL", Decimal("0.001") - 2 * third)]
    assert (told(bare.warnings), bare.warnings_total) == ([(2, "line")] * 3, 3)


def test_moves_between_own_accounts_and_fiat_are_ignored() -> None:
    parsed = read(
        BINANCE,
        binance("Transfer Between Main and Funding Wallet", "USDT", "500"),
        binance("Transfer Between Main and Funding Wallet", "USDT", "-500", account="Funding"),
        binance("Simple Earn Flexible Subscription", "BNB", "-0.5"),
        binance("Deposit", "EUR", "245.25"),
        binance("Fiat Withdraw", "EUR", "-1"),
        binance("Binance Convert", "EUR", "-100", time="2025-01-02 04:00:00"),
        binance("Binance Convert", "GBP", "84", time="2025-01-02 04:00:00"),
        binance("Fee", "EUR", "-1", time="2025-01-02 05:00:00"),
    )
    assert (parsed.lines, parsed.ignored, parsed.drafts, parsed.errors_total) == (8, 8, [], 0)


def test_a_purchase_whose_price_is_not_told_comes_in_at_market_price_with_a_warning() -> None:
    parsed = read(BINANCE, binance("Buy Crypto With Fiat", "USDT", "325.9", "RefWallet"))
    assert shown(parsed) == [at("deposit", "USDT", "325.9")]
    assert told(parsed.warnings) == [(2, "price")]
    both = read(BINANCE, binance("Buy Crypto With Fiat", "USDT", "200"), binance("Buy Crypto With Fiat", "EUR", "-180"))
    assert (shown(both), both.warnings) == ([at("buy", "USDT", "200", price="0.9", currency="EUR")], [])


def test_a_column_that_does_not_tell_its_zone_is_warned_of() -> None:
    header = BINANCE.replace("User_ID,UTC_Time", "User ID,Time")
    parsed = read(header, ROWS[0].replace("2025", "25"))
    assert shown(parsed) == EXPECTED[:1]
    assert told(parsed.warnings) == [(1, "Time")]
    assert read(BINANCE, ROWS[0]).warnings == []


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (binance("ABC", "BTC", "1"), "Operation"),
        (binance("ABC", "EUR", "1"), "Operation"),
        (binance("Realized Profit and Loss", "USDT", "1", account="USD-MFutures"), "Operation"),
        (binance("Deposit", "", "1"), "Coin"),
        (binance("Deposit", "BTC", ""), "Change"),
        (binance("Deposit", "BTC", "0"), "Change"),
        (binance("Deposit", "BTC", "-1"), "Change"),
        (binance("Withdraw", "BTC", "1"), "Change"),
        (binance("Distribution", "BTC", "-1"), "Change"),
        (binance("Deposit", "BTC", "1", time=""), "UTC_Time"),
        (binance("Deposit", "BTC", "1", account=""), "Account"),
        (binance("Deposit", "BTC", "0.0000000000000000001"), "Change"),
        (binance("Binance Convert", "BTC", "1"), "line"),
        (binance("Sell Crypto To Fiat", "BTC", "-1"), "line"),
        (binance("Fee", "BNB", "1"), "fee"),
        (binance("Fee", "BNB", "-1E-19"), "fee"),
    ],
)
def test_binance_lines_in_doubt_are_errors(row: str, field: str) -> None:
    parsed = read(BINANCE, row)
    assert (told(parsed.errors), parsed.drafts, parsed.ignored) == ([(2, field)], [], 0)


def test_a_leg_that_cannot_be_read_spoils_its_exchange_and_no_other() -> None:
    parsed = read(
        BINANCE,
        binance("Transaction Buy", "ETH", "1"),
        binance("Transaction Spend", "USDT", "-3000"),
        binance("Transaction Buy", "ETH", "one"),
        binance("Transaction Buy", "ETH", "1", time="2025-01-02 04:00:00"),
        binance("Transaction Spend", "USDT", "-3000", time="2025-01-02 04:00:00"),
    )
    assert told(parsed.errors) == [(2, "line"), (4, "Change")]
    assert [line for line, _ in parsed.drafts] == [5]


def test_binance_trades_are_read_with_their_units() -> None:
    parsed = read(
        BINANCE_TRADES,
        f'{WHEN},BTCEUR,BUY,42000.00,0.0500000000BTC,"2,100.00000000EUR",0.00005000BTC',
        f"{WHEN},SOLBUSD,SELL,110.03,0.18SOL,19.8054BUSD,0.0001BNB",
        f"{WHEN},1INCHUSDT,BUY,0.5,5001INCH,250USDT,0.51INCH,,",
        f"{WHEN},ETHEUR,SELL,3200.00,1.5,4800.00,4.8",
        f"{WHEN},EURUSDT,BUY,1.1,100EUR,110USDT,0.1EUR",
        f"{WHEN},BTCUSDT,SELL,100,1BTC,100USDT,0.11INCH",
    )
    assert told(parsed.errors) == [(7, "Fee")]
    assert shown(parsed) == [
        at("buy", "BTC", "0.0500000000", price="42000", currency="EUR", fee="0.00005000", fee_asset="BTC"),
        at("trade", "SOL", "0.18", counter_asset="BUSD", counter_quantity="19.8054", fee="0.0001", fee_asset="BNB"),
        at("trade", "USDT", "250", counter_asset="1INCH", counter_quantity="500", fee="0.5", fee_asset="1INCH"),
        at("sell", "ETH", "1.5", price="3200", currency="EUR", fee="4.8", fee_asset="EUR"),
        at("sell", "USDT", "110", price="0.909090909090909091", currency="EUR", fee="0.1", fee_asset="EUR"),
    ]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (f"{WHEN},BTCXYZ,BUY,1,1BTC,1XYZ,0XYZ", "Pair"),
        (f"{WHEN},USDT,BUY,1,1,1,0", "Pair"),
        (f"{WHEN},BTCUSDT,BUY,1,1ETH,1USDT,0", "Pair"),
        (f"{WHEN},B-CUSDT,BUY,1,1,1,0", "Pair"),
        (f"{WHEN},BTCUSDT,HOLD,1,1BTC,1USDT,0BNB", "Side"),
        (f"{WHEN},BTCUSDT,BUY,1,0BTC,1USDT,0BNB", "Executed"),
        (f"{WHEN},BTCUSDT,BUY,1,1BTC,0USDT,0BNB", "Amount"),
        (f"{WHEN},BTCUSDT,BUY,1,xBTC,1USDT,0BNB", "Executed"),
        (f"{WHEN},BTCUSDT,BUY,1,1BTC,1USDT,", "Fee"),
        (f"{WHEN},BTCTRY,BUY,1,1BTC,1TRY,0BNB", "currency"),
        (f"{WHEN},BTCEUR,BUY,1,1BTC,1EUR,1TRY", "Fee"),
    ],
)
def test_binance_trades_in_doubt_are_errors(row: str, field: str) -> None:
    assert told(read(BINANCE_TRADES, row).errors) == [(2, field)]


# --- Kraken ---


def kraken(
    id_: str, kind: str, asset: str, amount: str, fee: str = "0", subtype: str = "", txid: str | None = None
) -> str:
    txid = f"L{id_}{asset}" if txid is None else txid
    return f'"{txid}","{id_}","{WHEN}","{kind}","{subtype}","currency","{asset}","spot / main",{amount},{fee},1'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("XXBT", "BTC"),
        ("XBT", "BTC"),
        ("XBT.F", "BTC"),
        ("XBT.M", "BTC"),
        ("XETH", "ETH"),
        ("ETH2", "ETH"),
        ("ETH2.S", "ETH"),
        ("ETH.B", "ETH"),
        ("XXDG", "DOGE"),
        ("XDG", "DOGE"),
        ("DOT.S", "DOT"),
        ("DOT28.S", "DOT"),
        ("SOL03.S", "SOL"),
        ("C98", "C98"),
        ("C98.F", "C98"),
        ("1INCH", "1INCH"),
        ("ZUSD", "USD"),
        ("EUR.HOLD", "EUR"),
        ("XTZ.S", "XTZ"),
        ("ADA", "ADA"),
    ],
)
def test_krakens_names_become_ours(name: str, expected: str) -> None:
    assert kraken_csv.asset(name) == expected


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("XXBTZEUR", ("BTC", "EUR")),
        ("XETHXXBT", ("ETH", "BTC")),
        ("ADAUSDT", ("ADA", "USDT")),
        ("XTZUSD", ("XTZ", "USD")),
        ("ETHPYUSD", ("ETH", "PYUSD")),
        ("TRXXBT", ("TRX", "BTC")),
        ("XBTCHF", ("BTC", "CHF")),
        ("XDG/USD", ("DOGE", "USD")),
    ],
)
def test_krakens_pairs_are_split_at_known_quotes(pair: str, expected: tuple[str, str]) -> None:
    assert kraken_csv.split(pair) == expected


@pytest.mark.parametrize("pair", ["XYZABC", "USD", "/USD", ""])
def test_other_pairs_are_refused(pair: str) -> None:
    with pytest.raises(ValueError, match=r"Not a pair|Expected 1 to 20"):
        kraken_csv.split(pair)


def test_kraken_legs_are_joined_by_refid() -> None:
    lines = [
        kraken("T1", "trade", "ZEUR", "-100.0000", "0.1800"),
        kraken("T1", "trade", "XXBT", "0.0020000000"),
        kraken("T2", "spend", "XXBT", "-0.005", "0.00001"),
        kraken("T2", "receive", "XETH", "0.1", "0.0001"),
        kraken("T3", "trade", "XLTC", "-1"),
        kraken("T3", "trade", "ZEUR", "80", "0.2"),
        kraken("T3", "trade", "KFEE", "0.00", "156"),
        kraken("T4", "trade", "ZEUR", "-100", "0.15"),
        kraken("T4", "trade", "ZUSD", "108"),
    ]
    parsed = read(KRAKEN, *lines)
    assert shown(parsed) == [
        at("buy", "BTC", "0.0020000000", price="50000", currency="EUR", fee="0.1800", fee_asset="EUR"),
        at("trade", "BTC", "0.005", counter_asset="ETH", counter_quantity="0.1", fee="0.00001", fee_asset="BTC"),
        at("fee", "ETH", "0.0001"),
        at("sell", "LTC", "1", price="80", currency="EUR", fee="0.2", fee_asset="EUR"),
    ]
    ids = ["kraken:T1", "kraken:T2", "kraken:T2:fee:ETH", "kraken:T3"]
    assert [draft.external_id for _, draft in parsed.drafts] == ids
    assert (parsed.ignored, parsed.errors_total) == (2, 0)
    again = read(KRAKEN, *lines, *lines[::-1])
    assert [draft for _, draft in again.drafts] == [draft for _, draft in parsed.drafts]


def test_one_trade_has_one_id_in_both_of_krakens_files() -> None:
    trades = read(
        KRAKEN_TRADES, f'"T1","O1","XXBTZEUR","{WHEN}.1234","buy","limit",50000.0,100.0,0.18,0.002,0.0,"","L1"'
    )
    ledger = read(KRAKEN, kraken("T1", "trade", "ZEUR", "-100", "0.18"), kraken("T1", "trade", "XXBT", "0.002"))
    (_, one), (_, other) = trades.drafts + ledger.drafts
    assert msgspec.structs.replace(one, time=other.time) == other
    assert one.time == other.time + 123


def test_kraken_receipts_are_what_came_in() -> None:
    parsed = read(
        KRAKEN,
        kraken("R1", "deposit", "XETH", "5.0"),
        kraken("R1", "deposit", "XETH", "5.0", txid=""),
        kraken("R2", "withdrawal", "XXBT", "-0.05", "0.0001"),
        kraken("R3", "withdrawal", "XXBT", "-0.05"),
        kraken("R4", "staking", "DOT.S", "2.5"),
        kraken("R5", "earn", "ETH", "0.001", "0.0002", "reward"),
        kraken("R6", "transfer", "FLR", "150"),
        kraken("R7", "transfer", "SGB", "40", subtype="airdrop"),
        kraken("R8", "earn", "ETH", "0.5", subtype="allocation"),
        kraken("R9", "transfer", "ADA", "-100", subtype="spottostaking"),
        kraken("RA", "deposit", "ZEUR", "1000"),
        kraken("RB", "transfer", "DOT", "-10"),
        kraken("RB", "transfer", "DOT.S", "10"),
    )
    assert shown(parsed) == [
        at("deposit", "ETH", "5.0"),
        at("withdrawal", "BTC", "0.05", fee="0.0001", fee_asset="BTC"),
        at("withdrawal", "BTC", "0.05"),
        at("reward", "DOT", "2.5"),
        at("reward", "ETH", "0.0008"),
        at("airdrop", "FLR", "150"),
        at("airdrop", "SGB", "40"),
    ]
    assert (parsed.ignored, parsed.errors_total) == (6, 0)


def test_kraken_sweeps_dust_of_many_assets() -> None:
    parsed = read(
        KRAKEN,
        kraken("S1", "spend", "XTZ", "-0.00004", subtype="dustsweeping"),
        kraken("S1", "spend", "NEAR", "-0.0000024", "0.00000005", subtype="dustsweeping"),
        kraken("S1", "receive", "EUR", "0.0003", subtype="dustsweeping"),
    )
    assert [(d["type"], d["asset"], d["quantity"]) for d in shown(parsed)] == [
        ("sell", "NEAR", "0.0000024"),
        ("sell", "XTZ", "0.00004"),
        ("fee", "NEAR", "5E-8"),
    ]
    assert parsed.warnings_total == 2


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (kraken("T1", "trade", "XXBT", "-0.001"), "line"),
        (kraken("", "trade", "XXBT", "-0.001"), "refid"),
        (kraken("T1", "margin trade", "XXBT", "0.01"), "type"),
        (kraken("T1", "adjustment", "XXDG", "1"), "type"),
        (kraken("T1", "", "XXDG", "1"), "type"),
        (kraken("T1", "transfer", "NANO", "-30"), "line"),
        (kraken("T1", "transfer", "NANO", "-30", subtype="delistingconversion"), "subtype"),
        (kraken("T1", "earn", "NANO", "30"), "subtype"),
        (kraken("T1", "deposit", "XXBT", "-1"), "amount"),
        (kraken("T1", "deposit", "XXBT", "1", "-0.1"), "amount"),
        (kraken("T1", "staking", "XXBT", "1", "1"), "amount"),
        (kraken("T1", "deposit", "X-BT", "1"), "asset"),
        (kraken("T1", "deposit", "XXBT", "n/a"), "amount"),
        (kraken("T1", "deposit", "XXBT", "1", '""'), "fee"),
    ],
)
def test_kraken_lines_in_doubt_are_errors(row: str, field: str) -> None:
    parsed = read(KRAKEN, row)
    assert (told(parsed.errors), parsed.drafts, parsed.ignored) == ([(2, field)], [], 0)


def test_ledgers_without_subtypes_are_read_where_they_leave_no_doubt() -> None:
    header = KRAKEN.replace('"subtype",', "")
    moved = [
        kraken("R1", "transfer", asset, size).replace('"","currency"', '"currency"')
        for asset, size in (("DOT", "-1"), ("DOT.S", "1"))
    ]
    parsed = read(header, *moved)
    assert (parsed.ignored, parsed.drafts, parsed.errors) == (2, [], [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (('"buy"', '"hold"'), "type"),
        (("0.002,0.0", "0.002,40.0"), "margin"),
        (("0.002,0.0", "0,0.0"), "vol"),
        (("100.0,0.18", "-1,0.18"), "cost"),
        (("XXBTZEUR", "XXBTABCD"), "pair"),
        (("XXBTZEUR", "XXBTZJPY"), "currency"),
        ((WHEN, "yesterday"), "time"),
    ],
)
def test_kraken_trades_in_doubt_are_errors(change: tuple[str, str], field: str) -> None:
    row = f'"T1","O1","XXBTZEUR","{WHEN}","buy","limit",50000.0,100.0,0.18,0.002,0.0,"","L1"'
    assert read(KRAKEN_TRADES, row).errors == []
    assert told(read(KRAKEN_TRADES, row.replace(*change)).errors) == [(2, field)]


@pytest.mark.parametrize(("fee", "other"), [("0.1", "ZUSD"), ("0", "ZJPY")])
def test_two_fees_in_money_or_one_in_money_of_another_kind_are_an_error(fee: str, other: str) -> None:
    parsed = read(
        KRAKEN,
        kraken("T1", "trade", "ZEUR", "-100", fee),
        kraken("T1", "trade", "XXBT", "0.002"),
        kraken("T1", "trade", other, "0", "0.1"),
    )
    assert told(parsed.errors) == [(2, "fee_asset")]


def test_money_among_dust_leaves_doubt() -> None:
    parsed = read(
        KRAKEN,
        kraken("S1", "spend", "ZEUR", "-1", subtype="dustsweeping"),
        kraken("S1", "spend", "XXBT", "-0.000002", subtype="dustsweeping"),
        kraken("S1", "receive", "ZUSD", "2", subtype="dustsweeping"),
    )
    assert (told(parsed.errors), parsed.drafts) == ([(2, "line")], [])


# --- our own ---


@st.composite
def drafts(draw: st.DrawFn) -> Draft:
    """Any draft with an id."""
    codes = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=20).filter(
        lambda code: code not in FIAT
    )
    assets = codes.map(Asset)
    units = st.integers(1, 10**36 - 1)
    quantities = units.map(lambda unit: Quantity(Decimal(unit).scaleb(-18, EXACT)))
    kind = draw(
        st.sampled_from(("buy", "sell", "trade", "deposit", "withdrawal", "transfer", "reward", "airdrop", "fee"))
    )
    values: dict[str, Any] = {"type": kind, "asset": draw(assets), "quantity": draw(quantities)}
    values["time"] = Time(draw(st.integers(GENESIS, NOW)))
    values["external_id"] = ExternalId(
        draw(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100))
    )
    if kind in ("buy", "sell") or (kind in ("deposit", "reward", "airdrop") and draw(st.booleans())):
        values["price"] = draw(quantities)
        values["currency"] = draw(st.sampled_from((None, *CURRENCIES)))
    if kind != "fee" and draw(st.booleans()):
        values["fee"] = Amount(draw(st.just(Decimal("0.00")) | quantities))
        values["fee_asset"] = draw(st.none() | codes.map(FeeAsset) | st.sampled_from(CURRENCIES).map(FeeAsset))
    if kind == "trade":
        values["counter_asset"] = draw(assets.filter(lambda asset: asset != values["asset"]))
        values["counter_quantity"] = draw(quantities)
    if kind == "transfer":
        values["to_portfolio_id"] = draw(st.text("abc-123=", min_size=1, max_size=20))
    if draw(st.booleans()):
        text = draw(st.sampled_from(["", "'", "''", "=", "+", "-", "@", "'=", ";", '"'])) + draw(
            st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cn", "Zl", "Zp")), max_size=80)
        )
        if text.strip():
            values["note"] = Note.parse(text)
    return Draft(**values)


@settings(max_examples=200, deadline=None)
@given(st.lists(drafts(), max_size=8, unique_by=lambda draft: draft.external_id))
def test_what_is_exported_comes_back_unchanged(transactions: list[Draft]) -> None:
    text = "".join(export(transactions))
    for data in (text.encode(), text.replace("\r\n", "\n").encode("utf-8-sig")):
        parsed = parse(data, "cryptopulse", NOW)
        assert [draft for _, draft in parsed.drafts] == transactions
        assert (parsed.errors, parsed.warnings, parsed.ignored, parsed.repeated) == ([], [], 0, 0)
        assert "".join(export(draft for _, draft in parsed.drafts)) == text


@settings(max_examples=100, deadline=None)
@given(st.lists(drafts(), max_size=5, unique_by=lambda draft: draft.external_id))
def test_what_has_no_id_gets_one_that_stays(transactions: list[Draft]) -> None:
    bare = [msgspec.structs.replace(draft, external_id=None) for draft in transactions]
    first = [draft for _, draft in parse("".join(export(bare)).encode(), "auto", NOW).drafts]
    assert [msgspec.structs.replace(draft, external_id=None) for draft in first] == bare
    assert len({draft.external_id for draft in first}) == len(bare)
    assert [draft for _, draft in parse("".join(export(first)).encode(), "auto", NOW).drafts] == first


@given(st.text())
def test_a_formula_is_made_harmless_and_back(text: str) -> None:
    assert original(neutral(text)) == text
    assert not neutral(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_an_export_is_a_csv_with_plain_numbers() -> None:
    draft = Draft(
        type="buy",
        asset=Asset("BTC"),
        quantity=Quantity("1E-18"),
        price=Quantity("1E+5"),
        fee=Amount("0"),
        time=Time(AT + 7),
        note=Note("=HYPERLINK(1), 'x'"),
    )
    header, row = export([draft])
    assert header == ",".join(HEADER) + "\r\n"
    assert row == ("2025-01-02T03:00:00.007Z,buy,BTC,0.000000000000000001,100000,,0,,,,,,\"'=HYPERLINK(1), 'x'\"\r\n")


def test_our_own_columns_may_be_few_and_in_any_order() -> None:
    parsed = read("Quantity;Asset;Type;Time;Price", "1,5;BTC;buy;1735786800000;2")
    assert shown(parsed) == [at("buy", "BTC", "1.5", price="2")]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("yesterday,buy,BTC,1,1,,", "time"),
        (f"{AT},bought,BTC,1,1,,", "type"),
        (f"{AT},buy,btc,1,1,,", "asset"),
        (f"{AT},buy,EUR,1,1,,", "asset"),
        (f"{AT},buy,BTC,-1,1,,", "quantity"),
        (f"{AT},buy,BTC,1e5,1,,", "quantity"),
        (f"{AT},buy,BTC,NaN,1,,", "quantity"),
        (f"{AT},buy,BTC,{'1' * 40},1,,", "quantity"),
        (f"{AT},buy,BTC,1,0,,", "price"),
        (f"{AT},buy,BTC,1,,,", "price"),
        (f"{AT},buy,BTC,1,1,CHF,", "currency"),
        (f"{AT},buy,BTC,1,1,,-1", "fee"),
        (f"{AT},fee,BTC,1,1,,", "price"),
    ],
)
def test_faults_of_our_own_format_name_their_field(row: str, field: str) -> None:
    assert told(read(f"{OWN},price,currency,fee", row).errors) == [(2, field)]


# --- all of them ---


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from(
        (b"", *(f"{header}\n".encode() for header in (COINBASE, BINANCE, BINANCE_TRADES, KRAKEN, KRAKEN_TRADES, OWN)))
    ),
)
def test_any_bytes_are_read_or_refused_as_a_whole(data: bytes, header: bytes) -> None:
    try:
        parsed = parse(header + data, "auto", NOW)
    except InvalidError:
        return
    assert parsed.lines >= len(parsed.errors)


CELLS = {
    BINANCE: (
        ["1"],
        [WHEN, "2025-01-02 03:00:01", "x"],
        ["Spot", ""],
        [
            "Buy",
            "Sell",
            "Fee",
            "Transaction Buy",
            "Transaction Sold",
            "Binance Convert",
            "Small assets exchange BNB",
            "P2P Trading",
            "Deposit",
        ],
        ["BTC", "ETH", "EUR", "USD", "CHF", "BNB"],
        ["1", "-1", "0.5", "-2", "1E-19", "9E17", "-9E17", "0", "9E99", "-9E99", "1E-30"],
        ["", "a"],
    ),
    COINBASE: (
        ["i1", "i2", "", "i 3"],
        [f"{WHEN} UTC", "2025-13-02 03:00:00 UTC"],
        ["Buy", "Sell", "Convert", "Asset Migration", "Receive", "Send", "Staking Income", "Advanced Trade Sell", ""],
        ["BTC", "ETH2", "EUR", "ß"],
        ["1", "-1", "0.5", "9E99", "-9E17", "1E-18"],
        ["EUR", "USDC", "CAD", ""],
        ["1", "€9E99", "-$2", "", "abc", "1E-18"],
        ["€1", "", "9E99", "-$5", "0"],
        [""],
        ["0", "$1", "-$1", "9E99"],
        [
            "",
            "Converted 1 BTC to 2 ETH",
            "Converted 1 ETH to 1 ETH2",
            "Sold 1 BTC for 5 USDC on BTC-USDC at 5 USDC/BTC",
        ],
    ),
    BINANCE_TRADES: (
        [WHEN],
        ["BTCUSDT", "ETHEUR", "EURUSDT", "BTC"],
        ["BUY", "SELL"],
        ["1"],
        ["1BTC", "2ETH", "3", "9E17BTC", "9E99BTC", "0EUR"],
        ["1USDT", "2EUR", "3", "9E17USDT", "1E-18EUR"],
        ["0", "1BNB", "1E-18BNB", "2USDT", "-1EUR"],
    ),
    KRAKEN_TRADES: (
        ["T1", "T2", ""],
        ["O1"],
        ["XXBTZEUR", "ADA/USD", "ADAXBT", "/"],
        [WHEN],
        ["buy", "sell"],
        ["limit"],
        ["1"],
        ["1", "9E99", "1E-18", "0"],
        ["0", "-1", "9E99", "0.1"],
        ["1", "9E17", "1E-18", "-1"],
        ["0", "5", ""],
        [""],
        [""],
    ),
    KRAKEN: (
        ["L1", "L2", "L3", ""],
        ["R1", "R2", ""],
        [WHEN],
        ["trade", "spend", "receive", "transfer", "deposit", "withdrawal", "staking", "earn"],
        ["", "dustsweeping", "reward", "spottostaking"],
        ["currency"],
        ["XXBT", "ZEUR", "CHF", "KFEE", "ETH.S"],
        ["spot"],
        ["1", "-1", "0.5", "-2", "9E17", "-9E99", "0"],
        ["0", "0.1", "-0.1", "9E99"],
        ["1"],
    ),
}


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(sorted(CELLS)))
def test_any_legs_are_joined_or_refused_line_by_line(data: st.DataObject, header: str) -> None:
    row = st.tuples(*(st.sampled_from(cells) for cells in CELLS[header])).map(",".join)
    rows = data.draw(st.lists(row, max_size=8))
    parsed = read(header, *rows)
    assert len(parsed.drafts) + parsed.ignored + parsed.errors_total + parsed.repeated >= bool(rows)
    assert len({draft.external_id for _, draft in parsed.drafts}) == len(parsed.drafts)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_order_of_independent_lines_does_not_matter(data: st.DataObject) -> None:
    rows = [
        binance("Deposit", "BTC", "1"),
        binance("Deposit", "BTC", "1"),
        binance("Deposit", "BTC", "1", "note"),
        binance("Transaction Buy", "ETH", "1"),
        binance("Transaction Spend", "EUR", "-3"),
        binance("Transaction Fee", "BNB", "-1"),
        binance("Staking Rewards", "ETH", "0.1"),
        binance("ABC", "ETH", "0.1"),
        binance("Binance Convert", "SOL", "1", time="2025-01-02 04:00:00"),
        binance("Binance Convert", "USDC", "-200", time="2025-01-02 04:00:00"),
    ]
    expected, shuffled = read(BINANCE, *rows), read(BINANCE, *data.draw(st.permutations(rows)))
    assert Counter(draft for _, draft in shuffled.drafts) == Counter(draft for _, draft in expected.drafts)
    assert (shuffled.errors_total, len(expected.drafts)) == (1, 6)


@given(
    st.lists(
        st.tuples(st.sampled_from(("BTC", "ETH", "EUR")), st.integers(-5, 5), st.integers(0, 2)), min_size=1, max_size=6
    )
)
def test_what_is_joined_is_what_came_and_went(changes: list[tuple[str, int, int]]) -> None:
    legs = [Leg(asset=asset, amount=Decimal(size), fee=Decimal(fee), time=Time(AT)) for asset, size, fee in changes]
    with localcontext(EXACT):
        try:
            booked = [each.draft for each in join(legs)]
        except InvalidError:
            return
    moved: Counter[str] = Counter()
    for draft in booked:
        sign = 1 if draft.type == "buy" else -1
        moved[draft.asset] += sign * int(draft.quantity)
        if draft.counter_asset and draft.counter_quantity:
            moved[draft.counter_asset] += int(draft.counter_quantity)
        if draft.fee_asset and draft.fee:
            moved[draft.fee_asset] -= int(draft.fee)
    for coin in ("BTC", "ETH"):
        assert moved[coin] == sum(size - fee for asset, size, fee in changes if asset == coin)


def test_layouts_are_told_apart_by_their_needed_columns() -> None:
    needed = [frozenset(layout.columns.needed) for layout in LAYOUTS]
    assert all(not one <= other for one, other in permutations(needed, 2))
