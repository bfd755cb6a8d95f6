"""The outside world: the exchanges. A new one is a module here and a line in the registry."""

from collections.abc import Callable, Mapping
from typing import Final

from cryptopulse.feeds.binance import Binance
from cryptopulse.feeds.budget import Reserve
from cryptopulse.feeds.coinbase import Coinbase
from cryptopulse.feeds.feed import Feed

FEEDS: Final[dict[str, Callable[[str, Reserve], Feed]]] = {"binance": Binance, "coinbase": Coinbase}


def connect(urls: Mapping[str, str], reserve: Reserve) -> list[Feed]:
    """The feeds of these venues; nothing is asked yet.

    Args:
        urls: Base URL by venue.
        reserve: The timeline of turns that all processes share.
    """
    return [FEEDS[venue](url, reserve) for venue, url in urls.items()]
