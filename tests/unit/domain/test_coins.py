"""The listing of assets."""

from cryptopulse.domain.coins import Coin, Listed, coins
from cryptopulse.domain.series import Series


def test_an_asset_lists_its_symbols_the_reference_of_each_first() -> None:
    series = [
        Series("binance", "BTC-USD"),
        Series("coinbase", "BTC-USD"),
        Series("binance", "BTC-USDT"),
        Series("coinbase", "ZZZ-USD"),
        Series("coinbase", "BTC-USDT"),
    ]
    assert coins(series) == [
        Coin(
            "BTC",
            "Bitcoin",
            [
                Listed("BTC-USD", "coinbase"),
                Listed("BTC-USD", "binance"),
                Listed("BTC-USDT", "binance"),
                Listed("BTC-USDT", "coinbase"),
            ],
        ),
        Coin("ZZZ", None, [Listed("ZZZ-USD", "coinbase")]),
    ]


def test_nothing_followed_is_nothing_listed() -> None:
    assert coins([]) == []
