"""Exports as exchanges and tools write them (`../shared/data`, where present): read, or refused with the reason."""

from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from cryptopulse.domain.exports import export
from cryptopulse.domain.imports import parse
from cryptopulse.errors import InvalidError

GOLDEN = Path(__file__).parents[4] / "shared/data/portfolio/exports"
NOW = 1_800_000_000_000
BINANCE = "rotki_binance_history.csv"
NO_TRANSACTIONS = "dali_test_kraken_CSV.zip"
"""Candles of Kraken's, in an archive."""
OTHERS = {
    "dali_test_binance_autoinvest.csv": "Binance's auto-invest orders: their purchases are in the transaction history",
    "dali_test_bitbank_deposits.csv": "Bitbank",
    "dali_test_manual_in.csv": "DaLI's own format",
    "dali_test_manual_intra.csv": "DaLI's own format",
    "dali_test_manual_out.csv": "DaLI's own format",
    "dali_test_trezor_alice_btc.csv": "Trezor",
    "ghostfolio_not-ok_invalid-currency.csv": "Ghostfolio's own format",
    "ghostfolio_not-ok_invalid-date.json": "JSON",
    "ghostfolio_not-ok_invalid-fee.csv": "Ghostfolio's own format",
    "ghostfolio_not-ok_invalid-symbol.csv": "Ghostfolio's own format",
    "ghostfolio_not-ok_unexpected-format.json": "nothing at all",
    "ghostfolio_ok_btceur.json": "JSON",
    "ghostfolio_ok_btcusd.csv": "Ghostfolio's own format",
    "ghostfolio_ok_novn-buy-and-sell.json": "JSON",
    "ghostfolio_ok_sample.json": "JSON",
    "rotki_bitcoin_tax_trades.csv": "bitcoin.tax",
    "rotki_bittrex_order_history.csv": "Bittrex",
    "rotki_blockpit_transactions.csv": "Blockpit",
    "rotki_coinbasepro_account.csv": "Coinbase Pro, which is closed: its account statement is not Coinbase's history",
    "rotki_cointracking_trades_list.csv": "CoinTracking",
    "rotki_cryptocom_trades_list.csv": "Crypto.com",
    "rotki_kucoin_order_history.csv": "KuCoin",
    "rotki_rotki_generic_trades.csv": "rotki's own format",
    "rotki_shapeshift-trade-history.csv": "ShapeShift",
    "rotki_uphold-transaction-history.csv": "Uphold",
}

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the recorded data is not beside this checkout")


def test_every_file_is_accounted_for() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == {BINANCE, NO_TRANSACTIONS, *OTHERS}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_format_is_refused(name: str) -> None:
    with pytest.raises(InvalidError) as refused:
        parse((GOLDEN / name).read_bytes(), "auto", NOW)
    assert (refused.value.field, refused.value.message.partition(".")[0]) == (
        "format",
        "No known header is in the file's first lines",
    )


def test_an_archive_is_refused_as_one() -> None:
    with pytest.raises(InvalidError, match="a ZIP archive"):
        parse((GOLDEN / NO_TRANSACTIONS).read_bytes(), "kraken", NOW)


def test_binances_history_is_read_to_the_last_line() -> None:
    parsed = parse((GOLDEN / BINANCE).read_bytes(), "auto", NOW)
    assert (parsed.format, parsed.lines, parsed.repeated, parsed.warnings) == ("binance", 57, 0, [])
    # Its authors put these in to be refused: cells that are empty, and an operation that does not exist.
    assert [(error.line, error.field) for error in parsed.errors] == [(5, "UTC_Time"), (6, "Coin"), (42, "Operation")]
    # The deposit of euros, savings bought and redeemed, and eight moves between accounts.
    assert parsed.ignored == 11
    kinds = Counter(draft.type for _, draft in parsed.drafts)
    assert kinds == {"trade": 8, "buy": 4, "reward": 3, "withdrawal": 1, "fee": 1}


def test_binances_history_adds_up() -> None:
    """Every change of a coin in a line that was read is in exactly one transaction."""
    data = (GOLDEN / BINANCE).read_bytes()
    parsed = parse(data, "binance", NOW)
    internal = ("transfer between", "pos savings purchase", "pos savings redemption")
    bad = {error.line for error in parsed.errors}
    expected: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line, text in enumerate(data.decode().splitlines()[1:], 2):
        _, _, _, operation, coin, change, _ = text.split(",")
        if line not in bad and coin != "EUR" and not operation.lower().startswith(internal):
            expected[coin] += Decimal(change)
    moved: defaultdict[str, Decimal] = defaultdict(Decimal)
    spent = Decimal(0)
    for _, draft in parsed.drafts:
        sign = 1 if draft.type in ("buy", "reward") else -1
        moved[draft.asset] += sign * draft.quantity
        if draft.counter_asset and draft.counter_quantity:
            moved[draft.counter_asset] += draft.counter_quantity
        if draft.fee_asset and draft.fee:
            moved[draft.fee_asset] -= draft.fee
        if draft.price:
            spent += draft.quantity * draft.price
    assert moved == expected
    assert spent.quantize(Decimal("1e-12")) == Decimal("245.25") + 150 + Decimal("134.4719075") + Decimal("392.299062")


def test_binances_history_survives_our_own_format() -> None:
    parsed = parse((GOLDEN / BINANCE).read_bytes(), "auto", NOW)
    drafts = [draft for _, draft in parsed.drafts]
    again = parse("".join(export(drafts)).encode(), "auto", NOW)
    assert ([draft for _, draft in again.drafts], again.errors) == (drafts, [])
