"""The only place where clients, tables and feeds are made: each once, when first asked for."""

import time
from functools import cache
from typing import TYPE_CHECKING

from cryptopulse.aws.client import Account, Client, Endpoint
from cryptopulse.aws.connections import Connections
from cryptopulse.aws.doorbells import Doorbells
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.market import Market
from cryptopulse.aws.prices import Prices
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.aws.sockets import Sockets
from cryptopulse.aws.stream import Stream
from cryptopulse.aws.venues import Venues
from cryptopulse.settings import Settings
from cryptopulse.settings import settings as _settings

if TYPE_CHECKING:
    from cryptopulse.feeds.feed import Feed


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


@cache
def settings() -> Settings:
    return _settings()


@cache
def account() -> Account:
    own = settings()
    keys = Credentials(own.AWS_ACCESS_KEY_ID, own.AWS_SECRET_ACCESS_KEY, own.AWS_SESSION_TOKEN)
    return Account(own.AWS_REGION, keys, own.AWS_ENDPOINT_URL)


@cache
def market() -> Market:
    return Market(Table(Client("dynamodb", account()), settings().MARKET_TABLE))


@cache
def prices() -> Prices:
    return Prices(market(), settings().LANES)


@cache
def stream() -> Stream:
    return Stream(Client("kinesis", account()), settings().STREAM_NAME, settings().LANES)


@cache
def connections() -> Connections:
    return Connections(Table(Client("dynamodb", account()), settings().CONNECTIONS_TABLE), settings().CONNECTION_SHARDS)


@cache
def sockets() -> Sockets:
    return Sockets(Endpoint(settings().MANAGEMENT_URL, "execute-api", account(), timeout=1))


@cache
def doorbells() -> Doorbells:
    return Doorbells(stream(), connections())


@cache
def venues() -> Venues:
    return Venues(Table(Client("dynamodb", account()), settings().MARKET_TABLE))


@cache
def feeds() -> "list[Feed]":
    from cryptopulse.feeds import connect  # brings httpx, which only those who ask exchanges can wait for

    urls = {"binance": settings().BINANCE_URL, "coinbase": settings().COINBASE_URL}
    return connect(urls, venues().reserve)


def clear() -> None:
    """Forgets everything made: for tests."""
    for made in list(globals().values()):
        if hasattr(made, "cache_clear"):
            made.cache_clear()
