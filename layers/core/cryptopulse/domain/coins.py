"""The assets followed: what they are called, and their series."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from cryptopulse.domain.series import Series, reference

NAMES = {
    "AAVE": "Aave",
    "ADA": "Cardano",
    "ALGO": "Algorand",
    "APT": "Aptos",
    "ARB": "Arbitrum",
    "ATOM": "Cosmos",
    "AVAX": "Avalanche",
    "BCH": "Bitcoin Cash",
    "BNB": "BNB",
    "BTC": "Bitcoin",
    "DAI": "Dai",
    "DOGE": "Dogecoin",
    "DOT": "Polkadot",
    "ETC": "Ethereum Classic",
    "ETH": "Ethereum",
    "FIL": "Filecoin",
    "GRT": "The Graph",
    "HBAR": "Hedera",
    "ICP": "Internet Computer",
    "INJ": "Injective",
    "LINK": "Chainlink",
    "LTC": "Litecoin",
    "MKR": "Maker",
    "NEAR": "NEAR Protocol",
    "OP": "Optimism",
    "PEPE": "Pepe",
    "POL": "Polygon",
    "SHIB": "Shiba Inu",
    "SOL": "Solana",
    "SUI": "Sui",
    "TON": "Toncoin",
    "TRX": "TRON",
    "UNI": "Uniswap",
    "USDC": "USD Coin",
    "USDT": "Tether",
    "VET": "VeChain",
    "XLM": "Stellar",
    "XMR": "Monero",
    "XRP": "XRP",
    "XTZ": "Tezos",
    "ZEC": "Zcash",
}


class Listed(Struct):
    """A symbol and a venue that trades it."""

    symbol: Annotated[str, Meta(examples=["BTC-USD"])]
    venue: Annotated[str, Meta(examples=["coinbase"])]


class Coin(Struct):
    """A tracked asset and its series, the reference of each symbol first."""

    asset: Annotated[str, Meta(examples=["BTC"])]
    name: Annotated[str | None, Meta(description="null where we know of none", examples=["Bitcoin"])]
    symbols: Annotated[list[Listed], Meta(description="Where it is the base; the reference of each symbol first")]


def coins(series: Sequence[Series]) -> list[Coin]:
    """The assets in the order their series are listed."""
    symbols: dict[str, None] = dict.fromkeys(each.symbol for each in series)
    found: dict[str, Coin] = {}
    for symbol in symbols:
        asset = symbol.partition("-")[0]
        coin = found.setdefault(asset, Coin(asset, NAMES.get(asset), []))
        first = reference(symbol, series)
        traded = sorted((each for each in series if each.symbol == symbol), key=lambda each: each != first)
        coin.symbols += [Listed(each.symbol, each.venue) for each in traded]
    return list(found.values())
