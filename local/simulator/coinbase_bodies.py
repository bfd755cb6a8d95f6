"""What Coinbase answers: candles as JSON numbers with their exact digits, everything else as decimal strings."""

from datetime import UTC, datetime

from local.simulator.candles import Candles
from local.simulator.exchange import Rows, fixed, last_day, plain, taker_sold
from local.simulator.markets import ASSETS, DAY_MS, Listing
from local.simulator.series import Series, Trades

_FIAT = ("USD", "EUR", "GBP")


def moment(time: int, digits: int) -> str:
    """The text of a time in Unix microseconds, with 3, 6 or 9 digits of its second."""
    seconds, rest = divmod(time, 10**6)
    fraction = f"{rest:06d}{time * 7919 % 1000:03d}"[:digits]
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def currency(code: str) -> dict[str, object]:
    """An asset."""
    step = "0.01" if code in _FIAT else "0.00000001"
    return {
        "id": code,
        "name": ASSETS[code].name,
        "min_size": step,
        "status": "online",
        "message": "",
        "max_precision": step,
        "convertible_to": [],
        "details": {"type": "fiat" if code in _FIAT else "crypto"},
        "default_network": "",
        "supported_networks": [],
        "display_name": code,
    }


def product(listing: Listing) -> dict[str, object]:
    """A product and its smallest steps."""
    return {
        "id": listing.symbol,
        "base_currency": listing.base,
        "quote_currency": listing.quote,
        "quote_increment": fixed(1, listing.price_digits, listing.price_digits),
        "base_increment": fixed(1, listing.size_digits, listing.size_digits),
        "display_name": listing.symbol,
        "min_market_funds": "0.00001" if listing.quote == "BTC" else "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": listing.status,
        "status_message": "",
        "trading_disabled": listing.status != "online",
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def candles(listing: Listing, rows: Candles) -> Rows:
    """The buckets with trades, newest first: time in seconds, LOW, HIGH, OPEN, CLOSE, volume."""
    price, size = listing.price_digits, listing.size_digits
    columns = (rows.time, rows.low, rows.high, rows.open, rows.close, rows.volume, rows.trades)
    return Rows(
        f"[{time // 1000},{plain(low, price)},{plain(high, price)},{plain(open_, price)},{plain(close, price)},"
        f"{plain(volume, size)}]"
        for time, low, high, open_, close, volume, trades in zip(*(c[::-1].tolist() for c in columns), strict=True)
        if trades
    )


def trades(listing: Listing, page: Trades) -> list[dict[str, object]]:
    """The trades, newest first; `side` is the maker's."""
    return [
        {
            "trade_id": id_,
            "side": "buy" if taker_sold(id_) else "sell",
            "size": fixed(size, listing.size_digits, 8),
            "price": fixed(price, listing.price_digits, 8),
            "time": moment(time, 6),
        }
        for id_, time, price, size in zip(*(column[::-1].tolist() for column in page), strict=True)
    ]


def ticker(series: Series, now: int) -> dict[str, object]:
    """The last trade and the best offers."""
    listing, last_id, day = series.listing, series.id_at(now + 1) - 1, last_day(series, now)
    last = series.trades(last_id, last_id + 1)
    price, digits = int(last.price[0]), listing.price_digits
    return {
        "ask": fixed(price + (1 if taker_sold(last_id) else 0), digits, digits),
        "bid": fixed(price - (0 if taker_sold(last_id) else 1), digits, digits),
        "volume": plain(int(day.volume[0]), listing.size_digits) if day else "0",
        "trade_id": last_id,
        "price": fixed(price, digits, digits),
        "size": fixed(int(last.size[0]), listing.size_digits, listing.size_digits),
        "time": moment(int(last.time[0]), 9),
        "rfq_volume": "0.000000",
    }


def stats(series: Series, now: int) -> dict[str, object]:
    """The last 24 hours, and the volume of the last 30 days (UTC), the open one included."""
    both = short_stats(series, now)
    return {
        **both["stats_24hour"],
        "volume_30day": both["stats_30day"]["volume"],
        "rfq_volume_24hour": "0.000000",
        "rfq_volume_30day": "0.000000",
    }


def short_stats(series: Series, now: int) -> dict[str, dict[str, str]]:
    """The same in the form of the list of all products."""
    day, digits, listing = last_day(series, now), series.listing.price_digits, series.listing
    today = now // 1000 // DAY_MS * DAY_MS
    month = int(series.rows(DAY_MS, today - 29 * DAY_MS, today + DAY_MS, now).volume.sum())
    figures = {"open": day.open, "high": day.high, "low": day.low, "last": day.close} if day else {}
    texts = {name: plain(int(column[0]), digits) for name, column in figures.items()}
    volume = plain(int(day.volume[0]), listing.size_digits) if day else "0"
    return {
        "stats_30day": {"volume": plain(month, listing.size_digits)},
        "stats_24hour": texts | {"volume": volume},
    }
