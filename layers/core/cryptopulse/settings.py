"""Every environment variable, in one model, read on first use."""

import os
from typing import Literal

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment's settings, as template.yaml and Lambda set them."""

    ACCOUNTS_TABLE: str
    MARKET_TABLE: str
    CONNECTIONS_TABLE: str
    STREAM_NAME: str
    ASSETS: str
    """Asset codes: `BTC,ETH`."""
    QUOTES: str
    """Venues and the quotes to follow there: `coinbase:USD,binance:USDT`."""
    LANES: int
    CONNECTION_SHARDS: int
    FEEDS: Literal["live", "simulated"]
    PRICE_MODE: Literal["poll", "stream"] = "poll"
    """How prices come: asked for each minute, or held open as WebSockets by stream_prices."""
    BINANCE_URL: str
    COINBASE_URL: str
    BINANCE_STREAM_URL: str = ""
    COINBASE_STREAM_URL: str = ""
    """Where the venues' WebSockets are; only stream_prices has them."""
    STREAM_SECONDS: int = 840
    """How long one invocation holds the streams before it hands over."""
    CURSOR_KEY: str
    """Signs cursors."""
    ISSUER: str
    """Who issues access tokens: the HTTP API's own URL."""
    SIGNING_KEYS: str
    """ARNs of the KMS keys of access tokens, newest first, by commas: the first signs, all verify."""
    AWS_REGION: str
    AWS_ACCESS_KEY_ID: str
    AWS_SECRET_ACCESS_KEY: str
    AWS_SESSION_TOKEN: str = ""
    AWS_ENDPOINT_URL: str = ""
    """The local cloud's address; empty on AWS."""
    MANAGEMENT_URL: str = ""
    """Where `@connections` is; only the functions that send to WebSocket clients have it."""
    IMPORTS_QUEUE: str = ""
    """URL of the queue of imports to work off; only the function that takes them has it."""
    WEBHOOKS_QUEUE: str = ""
    """URL of the queue of webhooks to call; only the functions that fire alerts or deliver have it."""
    DOORBELLS_QUEUE: str = ""
    """URL of the queue of shards to ring later; only the function that fans out has it."""
    WEBHOOK_ADDRESSES: Literal["public", "any"] = "public"
    """Where webhooks may go: `any`, also loopback by plain http, is for this machine's own cloud."""
    NEWS_FEEDS: str = ""
    """RSS and Atom feeds by commas, each a URL or `name=URL`."""
    NEWS_ADDRESSES: Literal["public", "any"] = "public"
    """Where they may be: `any`, also loopback, is for this machine's own cloud."""
    NEWSAPI_URL: str = "https://newsapi.org"
    NEWSAPI_SECRET: str = ""
    """ARN of the secret that is NewsAPI's key; empty: it is not asked."""
    REQUESTS_PER_MINUTE: int = 600
    """Of one user, or one address."""
    CONNECTIONS_PER_ADDRESS: int = 20
    """WebSocket connections without a ticket; 0: any number."""
    CALLBACK_BUDGET: int = 6_000
    """Frames a second to all WebSocket clients together; only the function that fans out has it."""
    EDGE_SECRET: str = ""
    """What only our own distribution sends along, as `X-Origin-Secret`; empty: there is none."""
    WEB_ORIGINS: str = ""
    """Origins of the dashboard, by commas; the API stands under `/api` there."""
    CLOUD: Literal["aws", "local"] = "aws"
    VERSION: str = "0"

    def __repr__(self) -> str:
        return "Settings(…)"

    @property
    def assets(self) -> list[str]:
        return _words(self.ASSETS)

    @property
    def signing_keys(self) -> list[str]:
        return _words(self.SIGNING_KEYS)

    @property
    def web_origins(self) -> list[str]:
        return _words(self.WEB_ORIGINS)

    @property
    def news_feeds(self) -> dict[str, str]:
        """The feeds' URLs by the newsrooms' names; who is not named is called by host and path, and `_` is a blank."""
        found = {}
        for word in _words(self.NEWS_FEEDS):
            name, _, url = word.partition("=")
            if "/" in name:
                name, url = word.partition("://")[2].partition("?")[0], word  # all may read it: a query may hold a key
            found[name.replace("_", " ")] = url
        return found

    @property
    def news_sources(self) -> dict[str, str]:
        """The URLs of all sources of news by their names."""
        return self.news_feeds | ({"newsapi": self.NEWSAPI_URL} if self.NEWSAPI_SECRET else {})

    @property
    def quotes(self) -> list[tuple[str, str]]:
        """(venue, quote) pairs."""
        pairs = (word.partition(":") for word in _words(self.QUOTES))
        return [(venue, quote) for venue, _, quote in pairs]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def settings() -> Settings:
    """The settings in force; kept by `wiring`.

    Raises:
        msgspec.ValidationError: A variable is missing or malformed.
    """
    return msgspec.convert(dict(os.environ), Settings, strict=False)
