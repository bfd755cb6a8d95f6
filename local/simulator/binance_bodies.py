"""What Binance answers: decimals as strings with eight places, times in milliseconds."""

from collections.abc import Iterator

from local.simulator.candles import Candles
from local.simulator.exchange import Rows, fixed, last_day, taker_sold
from local.simulator.markets import DAY_MS, Listing
from local.simulator.noise import Ints
from local.simulator.series import Series, Trades

WEIGHT_LIMIT = 6000
_UNIT = 10**8
_KLINE = '[%d,"%d.%08d","%d.%08d","%d.%08d","%d.%08d","%d.%08d",%d,"%d.%08d",%d,"%d.%08d","%d.%08d","0"]'
SINGLES = 1_000_000
"""Every aggregate here is one trade, but the two are numbered apart by so many, as they are on the venue."""
_MINI = (
    *("symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume"),
    *("openTime", "closeTime", "firstId", "lastId", "count"),
)


def _price(listing: Listing, ticks: int) -> str:
    return fixed(ticks, listing.price_digits, 8)


def _size(listing: Listing, lots: int) -> str:
    return fixed(lots, listing.size_digits, 8)


def _worth(listing: Listing, units: int) -> str:
    """The text of ticks times lots."""
    return fixed(units * _UNIT // 10 ** (listing.price_digits + listing.size_digits), 8, 8)


def klines(listing: Listing, size: int, rows: Candles) -> Rows:
    """The rows of `size` milliseconds.

    The worth of what was traded, and the takers' part in it, are estimated from each row's own prices: unlike the
    rest they do not add up from level to level.
    """
    price, lot = 10 ** (8 - listing.price_digits), 10 ** (8 - listing.size_digits)
    mean = (rows.open + rows.high + rows.low + rows.close) // 4
    bought = rows.volume * (rows.close - rows.low + 1) // (rows.high - rows.low + 2)
    worth, bought_worth = (_units(listing, lots * mean) for lots in (rows.volume, bought))
    prices = (column * price for column in rows[1:5])
    decimals = (*prices, rows.volume * lot, worth, bought * lot, bought_worth)
    o, h, l, c, v, w, b, bw = ((column // _UNIT, column % _UNIT) for column in decimals)  # noqa: E741
    columns = (rows.time, *o, *h, *l, *c, *v, rows.time + size - 1, *w, rows.trades, *b, *bw)
    return Rows(_KLINE % row for row in zip(*(column.tolist() for column in columns), strict=True))


def _units(listing: Listing, products: Ints) -> Ints:
    """Ticks times lots in units of 10^-8."""
    digits = 8 - listing.price_digits - listing.size_digits
    units: Ints = products * 10**digits if digits >= 0 else products // 10**-digits
    return units


def _texts(listing: Listing, trades: Trades) -> Iterator[tuple[int, int, str, str, int]]:
    for id_, time, price, size in zip(*(column.tolist() for column in trades), strict=True):
        yield id_, time // 1000, _price(listing, price), _size(listing, size), price * size


def agg_trades(listing: Listing, trades: Trades) -> list[dict[str, object]]:
    """The trades as aggregates."""
    return [
        {
            "a": id_,
            "p": price,
            "q": size,
            "f": id_ + SINGLES,
            "l": id_ + SINGLES,
            "T": time,
            "m": taker_sold(id_),
            "M": True,
        }
        for id_, time, price, size, _ in _texts(listing, trades)
    ]


def single_trades(listing: Listing, trades: Trades) -> list[dict[str, object]]:
    """The trades one by one."""
    return [
        {
            "id": id_ + SINGLES,
            "price": price,
            "qty": size,
            "quoteQty": _worth(listing, units),
            "time": time,
            "isBuyerMaker": taker_sold(id_),
            "isBestMatch": True,
        }
        for id_, time, price, size, units in _texts(listing, trades)
    ]


def price_ticker(series: Series, now: int) -> dict[str, object]:
    """The last price."""
    price = series.last_price(series.id_at(now + 1))
    return {"symbol": series.listing.symbol, "price": _price(series.listing, price)}


def day_ticker(series: Series, now: int, kind: str) -> dict[str, object]:
    """The last 24 hours, FULL or MINI; figures of nothing where nothing was traded any more."""
    listing, day = series.listing, last_day(series, now)
    next_id = series.id_at(now + 1)
    last = series.last_price(next_id)
    if day is None or not day.trades[0]:
        open_, high, low, volume, count, first_id, last_id = last, last, last, 0, 0, -1, -1
        last_size = 0
    else:
        open_, high, low, _, volume, count, first_id = (int(column[0]) for column in day[1:])
        last_id = first_id + count - 1 + SINGLES
        first_id += SINGLES
        last_size = int(series.trades(next_id - 1, next_id).size[0])
    worth = volume * (open_ + high + low + last) // 4
    mean = worth // volume if volume else 0
    ticker: dict[str, object] = {
        "symbol": listing.symbol,
        "priceChange": _signed(listing, last - open_),
        "priceChangePercent": f"{100 * (last - open_) / open_:.3f}",
        "weightedAvgPrice": _price(listing, mean),
        "prevClosePrice": _price(listing, open_),
        "lastPrice": _price(listing, last),
        "lastQty": _size(listing, last_size),
        "bidPrice": _price(listing, last - 1),
        "bidQty": _size(listing, 40 * last_size),
        "askPrice": _price(listing, last),
        "askQty": _size(listing, 30 * last_size),
        "openPrice": _price(listing, open_),
        "highPrice": _price(listing, high),
        "lowPrice": _price(listing, low),
        "volume": _size(listing, volume),
        "quoteVolume": _worth(listing, worth),
        "openTime": now // 1000 - DAY_MS,
        "closeTime": now // 1000,
        "firstId": first_id,
        "lastId": last_id,
        "count": count,
    }
    return ticker if kind == "FULL" else {name: ticker[name] for name in _MINI}


def _signed(listing: Listing, ticks: int) -> str:
    return ("-" if ticks < 0 else "") + _price(listing, abs(ticks))


def exchange_info(listings: list[Listing], now: int) -> dict[str, object]:
    """The limits in force and the symbols."""
    limits = (
        ("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_LIMIT),
        ("ORDERS", "SECOND", 10, 100),
        ("ORDERS", "DAY", 1, 200_000),
        ("RAW_REQUESTS", "MINUTE", 5, 61_000),
    )
    names = ("rateLimitType", "interval", "intervalNum", "limit")
    return {
        "timezone": "UTC",
        "serverTime": now // 1000,
        "rateLimits": [dict(zip(names, limit, strict=True)) for limit in limits],
        "exchangeFilters": [],
        "symbols": [_symbol(listing) for listing in listings],
    }


def _symbol(listing: Listing) -> dict[str, object]:
    tick, lot = _price(listing, 1), _size(listing, 1)
    return {
        "symbol": listing.symbol,
        "status": listing.status,
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": listing.status == "TRADING",
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000000000.00000000", "stepSize": lot},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }
