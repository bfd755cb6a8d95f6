"""The outside world: the exchanges. A new one is a module here and a line in the registry."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cryptopulse.feeds.binance import Binance
from cryptopulse.feeds.binance_stream import BinanceStream
from cryptopulse.feeds.budget import Reserve
from cryptopulse.feeds.coinbase import Coinbase
from cryptopulse.feeds.coinbase_stream import CoinbaseStream
from cryptopulse.feeds.feed import Feed
from cryptopulse.feeds.live_feed import LiveFeed

FEEDS: Final[dict[str, Callable[[str, Reserve], Feed]]] = {"binance": Binance, "coinbase": Coinbase}
LIVE_FEEDS: Final[dict[str, Callable[[str, Feed], LiveFeed]]] = {"binance": BinanceStream, "coinbase": CoinbaseStream}


def connect(urls: Mapping[str, str], reserve: Reserve) -> list[Feed]:
    """The feeds of these venues; nothing is asked yet.

    Args:
        urls: Base URL by venue.
        reserve: The timeline of turns that all processes share.
    """
    return [FEEDS[venue](url, reserve) for venue, url in urls.items()]


def connect_live(urls: Mapping[str, str], feeds: Iterable[Feed]) -> list[LiveFeed]:
    """The live feeds of these venues; no connection is opened yet.

    Args:
        urls: Base URL of the WebSockets by venue.
        feeds: What is asked where a stream does not tell.
    """
    by_name = {feed.name: feed for feed in feeds}
    return [LIVE_FEEDS[venue](url, by_name[venue]) for venue, url in urls.items()]
