"""Which series are followed, where they live, and which speaks for a symbol."""

import pytest

from cryptopulse.domain.series import Series, lane_of, reference, tracked

BOTH = {
    "coinbase": ["BTC-USD", "ETH-USD", "BTC-EUR", "USDT-USD", "USDT-EUR", "USDT-GBP"],
    "binance": ["BTC-USDT", "ETH-USDT", "BTC-EUR", "BNB-USDT"],
}


def test_assets_are_followed_in_each_quote_a_venue_trades_them_in() -> None:
    followed = tracked(["BTC", "BNB", "USDT"], [("coinbase", "USD"), ("binance", "USDT")], BOTH)
    assert [str(series) for series in followed] == [
        "coinbase:BTC-USD",
        "binance:BTC-USDT",
        "binance:BNB-USDT",
        "coinbase:USDT-USD",
        "coinbase:USDT-EUR",
        "coinbase:USDT-GBP",
    ]


def test_a_venue_whose_list_is_unknown_has_no_series() -> None:
    assert tracked(["BTC"], [("binance", "USDT")], {}) == []


@pytest.mark.parametrize(
    ("symbol", "venue"),
    [("BTC-USD", "coinbase"), ("BTC-EUR", "coinbase"), ("BTC-USDT", "binance"), ("BNB-USDT", "binance")],
)
def test_the_reference_is_coinbase_for_fiat_and_binance_otherwise(symbol: str, venue: str) -> None:
    series = [Series(name, each) for name, symbols in BOTH.items() for each in symbols]
    assert reference(symbol, reversed(series)) == Series(venue, symbol)


def test_the_other_venue_speaks_where_the_preferred_does_not_trade() -> None:
    assert reference("BTC-USDT", [Series("coinbase", "BTC-USDT")]) == Series("coinbase", "BTC-USDT")
    assert reference("DOGE-USD", [Series("coinbase", "BTC-USD")]) is None


def test_a_series_keeps_its_lane() -> None:
    """A change here would strand the stored state of every deployment."""
    assert [lane_of(Series("coinbase", f"{asset}-USD"), 2) for asset in ("BTC", "ETH", "SOL", "XRP")] == [1, 0, 0, 0]
    assert {lane_of(Series("binance", f"A{n}-USDT"), 3) for n in range(50)} == {0, 1, 2}


def test_a_series_is_written_and_read() -> None:
    series = Series.parse("coinbase:BTC-USD")
    assert (series, str(series), series.base, series.quote) == (
        ("coinbase", "BTC-USD"),
        "coinbase:BTC-USD",
        "BTC",
        "USD",
    )
