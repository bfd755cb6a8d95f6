"""The only place where clients, tables and feeds are made: each once, when first asked for."""

import time
from functools import cache
from typing import TYPE_CHECKING, Final

from cryptopulse.aws.accounts import Accounts
from cryptopulse.aws.attempts import Attempts
from cryptopulse.aws.client import Account, Client, Endpoint
from cryptopulse.aws.connections import Connections
from cryptopulse.aws.doorbells import Doorbells
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.grants import Grants
from cryptopulse.aws.kept import KeptAnswers
from cryptopulse.aws.limits import Limits
from cryptopulse.aws.market import Market
from cryptopulse.aws.prices import Prices
from cryptopulse.aws.queues import Queue
from cryptopulse.aws.quotes import QuotesReader
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.aws.sockets import Sockets
from cryptopulse.aws.stream import Stream
from cryptopulse.aws.tickets import Tickets
from cryptopulse.aws.venues import Venues
from cryptopulse.domain.limits import WINDOW, SlidingWindow
from cryptopulse.domain.subscriptions import FRAMES, REFUSED
from cryptopulse.settings import Settings
from cryptopulse.settings import settings as _settings

if TYPE_CHECKING:
    from cryptopulse.aws.alerts import Alerts
    from cryptopulse.aws.asked import Asked
    from cryptopulse.aws.cache import Cache
    from cryptopulse.aws.entries import Entries
    from cryptopulse.aws.histories import Histories
    from cryptopulse.aws.import_jobs import ImportJobs
    from cryptopulse.aws.imports import Imports
    from cryptopulse.aws.keys import Keys
    from cryptopulse.aws.latest import Latest
    from cryptopulse.aws.leases import Leases
    from cryptopulse.aws.levels import Levels
    from cryptopulse.aws.live_portfolios import LivePortfolios
    from cryptopulse.aws.news import News
    from cryptopulse.aws.notices import Notices
    from cryptopulse.aws.portfolios import Portfolios
    from cryptopulse.aws.valuations import Valuations
    from cryptopulse.domain.sentiment import Analyzer
    from cryptopulse.feeds.feed import Feed
    from cryptopulse.feeds.live_feed import LiveFeed
    from cryptopulse.feeds.news_feed import NewsFeed
    from cryptopulse.feeds.webhooks import Webhooks

HASTE: Final = 0.3
"""Seconds to wait for what every request waits for."""


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
def accounts() -> Accounts:
    return Accounts(Table(Client("dynamodb", account()), settings().ACCOUNTS_TABLE))


@cache
def grants() -> Grants:
    return Grants(Table(Client("dynamodb", account()), settings().ACCOUNTS_TABLE))


@cache
def kept() -> KeptAnswers:
    return KeptAnswers(Table(Client("dynamodb", account()), settings().ACCOUNTS_TABLE))


@cache
def portfolios() -> "Portfolios":
    from cryptopulse.aws.portfolios import Portfolios  # brings the ledgers, which only those who keep portfolios need

    table = Table(Client("dynamodb", account()), settings().ACCOUNTS_TABLE)
    return Portfolios(table, changed=lambda user, ids: live_portfolios().refresh(user, ids, now()))


@cache
def keys() -> "Keys":
    from cryptopulse.aws.keys import Keys  # brings cryptography, which only those who verify tokens can wait for

    return Keys(Client("kms", account()), settings().signing_keys)


@cache
def market() -> Market:
    return Market(Table(Client("dynamodb", account()), settings().MARKET_TABLE))


@cache
def prices() -> Prices:
    return Prices(market(), settings().LANES)


@cache
def answers() -> "Cache":
    from cryptopulse.aws.cache import Cache  # only those who compute much keep answers

    hasty = Client("dynamodb", account(), timeout=0.5, retries=1)  # making an answer is no worse than waiting
    return Cache(Table(hasty, settings().MARKET_TABLE), asked(), settings().VERSION)


@cache
def asked() -> "Asked":
    from cryptopulse.aws.asked import Asked

    return Asked(Table(Client("dynamodb", account(), timeout=0.5, retries=1), settings().MARKET_TABLE))


@cache
def quotes() -> QuotesReader:
    return QuotesReader(market(), prices())


@cache
def histories() -> "Histories":
    from cryptopulse.aws.histories import Histories  # only analytics need them

    return Histories(market(), prices())


@cache
def latest() -> "Latest":
    from cryptopulse.aws.latest import Latest

    return Latest(histories(), prices())


@cache
def stream() -> Stream:
    return Stream(Client("kinesis", account()), settings().STREAM_NAME, settings().LANES)


@cache
def live_stream() -> Stream:
    hasty = Client("kinesis", account(), timeout=2, retries=0)  # what it does not take waits, and is offered again
    return Stream(hasty, settings().STREAM_NAME, settings().LANES)


@cache
def leases() -> "Leases":
    from cryptopulse.aws.leases import Leases  # only those who hold streams, repair them or tell of them need it

    return Leases(Table(Client("dynamodb", account()), settings().MARKET_TABLE))


@cache
def own_lease() -> "Leases":
    """The holder's: its lease is not to lapse while a renewal waits."""
    from cryptopulse.aws.leases import Leases

    return Leases(Table(Client("dynamodb", account(), timeout=1, retries=1), settings().MARKET_TABLE))


@cache
def connections() -> Connections:
    return Connections(Table(Client("dynamodb", account()), settings().CONNECTIONS_TABLE), settings().CONNECTION_SHARDS)


@cache
def tickets() -> Tickets:
    return Tickets(Table(Client("dynamodb", account()), settings().CONNECTIONS_TABLE))


@cache
def limits() -> Limits:
    hasty = Client("dynamodb", account(), timeout=HASTE, retries=1)
    return Limits(Table(hasty, settings().CONNECTIONS_TABLE), settings().REQUESTS_PER_MINUTE)


@cache
def efforts() -> Limits:
    from cryptopulse.domain.efforts import ALLOWED  # only those who hear WebSocket clients need it

    hasty = Client("dynamodb", account(), timeout=HASTE, retries=1)
    return Limits(Table(hasty, settings().CONNECTIONS_TABLE), ALLOWED)


@cache
def heard_frames() -> SlidingWindow:
    return SlidingWindow(FRAMES, 1_000)


@cache
def refused_frames() -> SlidingWindow:
    return SlidingWindow(REFUSED, WINDOW)


@cache
def attempts() -> Attempts:
    return Attempts(Table(Client("dynamodb", account()), settings().CONNECTIONS_TABLE))


@cache
def sockets() -> Sockets:
    return Sockets(Endpoint(settings().MANAGEMENT_URL, "execute-api", account(), timeout=1))


@cache
def doorbells() -> Doorbells:
    return Doorbells(stream(), connections())


@cache
def doorbell_queue() -> Queue:
    hasty = Client("sqs", account(), timeout=1, retries=1)  # all clients of a shard wait for it
    return Queue(hasty, settings().DOORBELLS_QUEUE)


@cache
def live_portfolios() -> "LivePortfolios":
    from cryptopulse.aws.live_portfolios import LivePortfolios  # brings the ledgers, as above

    return LivePortfolios(portfolios(), market(), prices(), settings().LANES, connections(), doorbells())


@cache
def entries() -> "Entries":
    from cryptopulse.aws.entries import Entries  # brings the ledgers, which only those who keep portfolios need

    return Entries(portfolios(), quotes())


@cache
def valuations() -> "Valuations":
    from cryptopulse.aws.valuations import Valuations  # brings the ledgers, as above

    return Valuations(Table(Client("dynamodb", account()), settings().ACCOUNTS_TABLE), quotes())


@cache
def import_jobs() -> "ImportJobs":
    from cryptopulse.aws.import_jobs import ImportJobs  # they bring the formats of files

    return ImportJobs(Table(Client("dynamodb", account()), settings().ACCOUNTS_TABLE))


@cache
def imports() -> "Imports":
    from cryptopulse.aws.imports import Imports

    return Imports(import_jobs(), portfolios(), entries(), now)


@cache
def import_queue() -> Queue:
    return Queue(Client("sqs", account()), settings().IMPORTS_QUEUE)


@cache
def webhook_queue() -> Queue:
    return Queue(Client("sqs", account()), settings().WEBHOOKS_QUEUE)


@cache
def alerts() -> "Alerts":
    from cryptopulse.aws.alerts import Alerts  # only those who keep or evaluate alerts need them

    return Alerts(Table(Client("dynamodb", account()), settings().ACCOUNTS_TABLE), settings().LANES)


@cache
def levels() -> "Levels":
    from cryptopulse.aws.levels import Levels

    return Levels(market(), prices())


@cache
def notices() -> "Notices":
    from cryptopulse.aws.notices import Notices

    return Notices(alerts(), webhook_queue(), connections(), doorbells())


@cache
def webhooks() -> "Webhooks":
    from cryptopulse.feeds.webhooks import Webhooks

    return Webhooks(settings().WEBHOOK_ADDRESSES)


@cache
def venues() -> Venues:
    return Venues(Table(Client("dynamodb", account()), settings().MARKET_TABLE))


@cache
def feeds() -> "list[Feed]":
    from cryptopulse.feeds import connect  # brings httpx, which only those who ask exchanges can wait for

    urls = {"binance": settings().BINANCE_URL, "coinbase": settings().COINBASE_URL}
    return connect(urls, venues().reserve)


@cache
def live_feeds() -> "list[LiveFeed]":
    from cryptopulse.feeds import connect_live  # brings httpx, as above

    urls = {"binance": settings().BINANCE_STREAM_URL, "coinbase": settings().COINBASE_STREAM_URL}
    return connect_live(urls, feeds())


@cache
def news() -> "News":
    from cryptopulse.aws.news import News  # only those who read or bring news need it

    return News(Table(Client("dynamodb", account()), settings().MARKET_TABLE))


@cache
def news_feeds() -> "dict[str, NewsFeed]":
    """The newsrooms' own feeds, by name."""
    from cryptopulse.feeds.fetching import Fetcher
    from cryptopulse.feeds.rss import Rss  # brings feedparser, which only ingest_news carries

    fetcher = Fetcher(settings().NEWS_ADDRESSES)
    return {name: Rss(name, url, fetcher, clock=now) for name, url in settings().news_feeds.items()}


def newsapi() -> "NewsFeed":
    """NewsAPI, where there is a key for it; that is read each time, so that a new one counts at once.

    Raises:
        ServiceError: The key cannot be had.
    """
    from cryptopulse.domain.coins import NAMES
    from cryptopulse.feeds.fetching import Fetcher
    from cryptopulse.feeds.newsapi import NewsApi

    own = settings()
    secret = Client("secretsmanager", account()).call("GetSecretValue", {"SecretId": own.NEWSAPI_SECRET})
    names = [NAMES.get(asset, asset) for asset in own.assets]
    fetcher = Fetcher(own.NEWS_ADDRESSES)
    return NewsApi(own.NEWSAPI_URL, secret["SecretString"].strip(), names, fetcher, clock=now)


@cache
def analyzer() -> "Analyzer":
    from cryptopulse.domain import sentiment  # brings VADER's lexicon, which only ingest_news carries

    return sentiment.analyzer()


def clear() -> None:
    """Forgets everything made: for tests."""
    for made in list(globals().values()):
        if hasattr(made, "cache_clear"):
            made.cache_clear()
