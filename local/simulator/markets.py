"""What is traded: the assets with their character, and the symbols of both venues with their digits and size."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

type Venue = Literal["binance", "coinbase"]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset's price around which it moves (USD), daily volatility, and correlation with the market factor."""

    name: str
    value: float
    volatility: float
    correlation: float = 0.75


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol at one venue: a price counts in 10^-price_digits of the quote, a size in 10^-size_digits of the base.

    `trades` and `turnover` (in USD) are those of an ordinary day.
    """

    venue: Venue
    symbol: str
    base: str
    quote: str
    price_digits: int
    size_digits: int
    trades: int
    turnover: float
    listed: date = date(2019, 1, 1)
    delisted: date | None = None
    status: str = "TRADING"

    @property
    def canonical(self) -> str:
        """The name both venues share: `BTC-USD`."""
        return f"{self.base}-{self.quote}"

    @property
    def listed_ms(self) -> int:
        """Start of the first day with trades, Unix milliseconds."""
        return _ms(self.listed)

    @property
    def delisted_ms(self) -> int | None:
        """Start of the first day without trades, Unix milliseconds; None while it is traded."""
        return None if self.delisted is None else _ms(self.delisted)


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


ASSETS = {
    "USD": Asset("United States Dollar", 1, 0, 0),
    "EUR": Asset("Euro", 1.09, 0.004, 0.1),
    "GBP": Asset("British Pound", 1.28, 0.004, 0.1),
    "USDT": Asset("Tether", 1.0, 0.0003, 0),
    "USDC": Asset("USD Coin", 1.0, 0.0001, 0),
    "BUSD": Asset("Binance USD", 1.0, 0.0001, 0),
    "BTC": Asset("Bitcoin", 68_000, 0.024, 0.9),
    "ETH": Asset("Ethereum", 2_900, 0.032, 0.88),
    "SOL": Asset("Solana", 150, 0.045, 0.78),
    "XRP": Asset("XRP", 1.4, 0.042, 0.7),
    "ADA": Asset("Cardano", 0.6, 0.042),
    "DOGE": Asset("Dogecoin", 0.17, 0.05, 0.7),
    "AVAX": Asset("Avalanche", 28, 0.046),
    "DOT": Asset("Polkadot", 6.2, 0.042),
    "LINK": Asset("Chainlink", 15, 0.043),
    "LTC": Asset("Litecoin", 92, 0.036),
    "BNB": Asset("BNB", 590, 0.026, 0.8),
    "SHIB": Asset("Shiba Inu", 0.000_018, 0.05, 0.65),
    "UNI": Asset("Uniswap", 8.4, 0.048),
    "ATOM": Asset("Cosmos", 6.8, 0.042),
    "NEAR": Asset("NEAR Protocol", 4.3, 0.05),
    "BCH": Asset("Bitcoin Cash", 410, 0.04),
    "XLM": Asset("Stellar Lumens", 0.21, 0.043, 0.65),
    "ETC": Asset("Ethereum Classic", 24, 0.042),
    "AAVE": Asset("Aave", 150, 0.048),
    "FIL": Asset("Filecoin", 4.6, 0.046),
    "ALGO": Asset("Algorand", 0.22, 0.045),
    "TRX": Asset("TRON", 0.2, 0.026, 0.5),
    "MATIC": Asset("Polygon", 0.7, 0.046),
    "XMR": Asset("Monero", 165, 0.034, 0.5),
    "WAVES": Asset("Waves", 2.4, 0.055, 0.5),
    "OMG": Asset("OMG Network", 0.8, 0.055, 0.6),
    "币安人生": Asset("币安人生", 0.16, 0.09, 0.3),
}

# base, quote, price digits, size digits, trades a day, turnover a day in millions of USD
_BINANCE = """
BTC USDT 2 5 150000 1900   ETH USDT 2 4 120000 1200   SOL USDT 2 3 70000 450    XRP USDT 4 1 60000 350
ADA USDT 4 1 24000 70      DOGE USDT 5 0 40000 170    AVAX USDT 2 2 22000 60    DOT USDT 3 2 16000 30
LINK USDT 2 2 18000 55     LTC USDT 2 3 15000 45      BNB USDT 2 3 40000 210    SHIB USDT 8 0 14000 30
UNI USDT 3 2 11000 25      ATOM USDT 3 2 8000 14      NEAR USDT 3 1 12000 30    BCH USDT 1 3 8000 20
XLM USDT 4 0 9000 18       ETC USDT 2 2 7000 14       AAVE USDT 2 3 9000 22     FIL USDT 3 2 6000 12
ALGO USDT 4 0 5000 9       TRX USDT 4 1 16000 45      USDC USDT 4 0 30000 900   EUR USDT 4 1 9000 25
ETH BTC 5 4 15000 45       BNB BTC 6 3 6000 12        SOL BTC 7 3 3000 5        XRP BTC 8 0 2500 3
LTC BTC 6 3 1500 1.2       LINK BTC 7 2 900 0.6       BNB ETH 4 3 1200 0.8      BTC USDC 2 5 50000 350
ETH USDC 2 4 30000 160     BTC EUR 2 5 9000 40        ETH EUR 2 4 6000 15       XRP EUR 4 1 2500 4
ADA EUR 4 1 1000 0.8       币安人生 USDT 5 0 6000 8
"""
_COINBASE = """
BTC USD 2 8 110000 620     ETH USD 2 8 70000 330      SOL USD 2 8 40000 150     XRP USD 4 6 35000 140
ADA USD 4 8 9000 22        DOGE USD 5 1 18000 55      AVAX USD 2 8 7000 14      DOT USD 3 8 4500 8
LINK USD 3 2 8000 20       LTC USD 2 8 6000 14        SHIB USD 8 0 5000 9       UNI USD 3 6 3500 6
ATOM USD 3 2 1600 2        NEAR USD 3 3 2200 3        BCH USD 2 8 2000 4        XLM USD 6 0 3500 5
ETC USD 2 8 1300 1.5       AAVE USD 2 3 2600 5        FIL USD 3 3 1000 1        ALGO USD 4 0 1500 1.5
USDT USD 5 2 9000 110      USDT EUR 4 2 1500 6        USDT GBP 4 2 900 2        BTC EUR 2 8 12000 30
BTC GBP 2 8 7000 14        ETH EUR 2 8 5000 9         ETH GBP 2 8 3000 4        SOL EUR 2 8 2500 4
XRP EUR 4 6 2000 3         LTC EUR 2 8 700 0.4        ADA GBP 4 2 600 0.3       ETH BTC 5 8 4000 8
SOL ETH 6 8 800 0.6        LTC BTC 6 8 600 0.4        BTC USDT 2 8 9000 22      ETH USDT 2 8 6000 10
"""


def _rows(table: str) -> list[tuple[str, str, int, int, int, float]]:
    words = table.split()
    return [
        (base, quote, int(price), int(size), int(trades), float(millions) * 1e6)
        for base, quote, price, size, trades, millions in (words[i : i + 6] for i in range(0, len(words), 6))
    ]


_GONE = (
    Listing("binance", "BTCBUSD", "BTC", "BUSD", 2, 5, 20_000, 90e6, delisted=date(2023, 12, 15), status="BREAK"),
    Listing("binance", "XMRUSDT", "XMR", "USDT", 1, 3, 6_000, 9e6, delisted=date(2024, 2, 20), status="BREAK"),
    Listing("binance", "MATICUSDT", "MATIC", "USDT", 4, 1, 12_000, 30e6, delisted=date(2024, 9, 10), status="BREAK"),
    Listing("binance", "WAVESUSDT", "WAVES", "USDT", 4, 2, 4_000, 5e6, delisted=date(2024, 6, 17), status="HALT"),
    Listing("coinbase", "OMG-USD", "OMG", "USD", 4, 2, 900, 0.5e6, delisted=date(2024, 7, 15), status="delisted"),
)
_LISTED = {"币安人生": date(2025, 10, 9)}

LISTINGS: tuple[Listing, ...] = (
    *(Listing("binance", row[0] + row[1], *row, _LISTED.get(row[0], date(2019, 1, 1))) for row in _rows(_BINANCE)),
    *(Listing("coinbase", f"{row[0]}-{row[1]}", *row, status="online") for row in _rows(_COINBASE)),
    *_GONE,
)
