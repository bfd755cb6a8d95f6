"""News on the WebSocket: from the subscription to the frames, with the table that ingest_news fills."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.connections import Connections
from cryptopulse.aws.doorbells import Doorbells
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.news import Kept, News
from cryptopulse.aws.stream import Stream
from cryptopulse.domain.fan_flows import LOOKED_EVERY
from cryptopulse.domain.news import Article
from cryptopulse.domain.series import Series
from cryptopulse.domain.subscriptions import Connection
from cryptopulse.domain.times import rfc3339
from cryptopulse.errors import ThrottledError
from functions.fan_out import app as fan_out
from functions.websocket import app as websocket
from tests.conftest import read_event
from tests.functional.callbacks import Callbacks, hang_up, served
from tests.functional.doorbells import rung
from tests.functional.stage import NOON
from tests.functional.test_websocket import Elsewhere

HOUR = 3_600_000
NEWS: dict[str, Any] = {"action": "subscribe", "channel": "news"}


class Desk:
    """Two anonymous clients, `a` and `b`, the newsroom, and the clock."""

    def __init__(self, callbacks: Callbacks, event: Callable[..., dict[str, Any]], context: LambdaContext) -> None:
        self.now = NOON
        self.callbacks = callbacks
        self._event = event
        self._context = context
        calls, own = Elsewhere("dynamodb", wiring.account()), wiring.settings()
        stream = Stream(Elsewhere("kinesis", wiring.account()), own.STREAM_NAME, own.LANES)
        self._news = News(Table(calls, own.MARKET_TABLE))
        self._doorbells = Doorbells(stream, Connections(Table(calls, own.CONNECTIONS_TABLE), own.CONNECTION_SHARDS))
        self._heard = self._kept = 0

    def say(self, name: str, **frame: Any) -> list[Any]:
        """Has a client say something, and returns what it hears at once."""
        event = read_event("ws_message")
        event["requestContext"]["connectionId"] = name
        assert websocket.handler({**event, "body": json.dumps(frame)}, self._context) == {"statusCode": 200}
        return self.callbacks.frames(name)

    def keep(self, *assets: str, late: int = 0) -> dict[str, Any]:
        """Stores an article that was published so many ms ago, and returns it as clients hear it."""
        self.now += 1_000
        self._kept += 1
        told = {
            "id": f"{self._kept:012x}{0:020x}",
            "title": f"„Déjà vu“ {self._kept}",
            "source": "The Newsroom",
            "url": f"https://news.test/{self._kept}",
        }
        more = {"description": "", "language": "en", "assets": assets, "published_at": self.now - late}
        kept = Kept(Article(**told, **more), 0.25, "positive", [("vu", 0.25)])  # type: ignore[arg-type]
        assert self._news.keep([kept]) == [kept]
        sentiment = {"score": 0.25, "label": "positive"}
        return {**told, "published_at": rfc3339(self.now - late), "assets": list(assets), "sentiment": sentiment}

    def beat(self, later: int = 1_000, *, news: int = 1) -> None:
        """Has fan_out take the doorbells that were rung, and one that tells of news."""
        self.now += later
        self._doorbells.ring({}, news=news)
        bells = rung()[self._heard :]
        self._heard += len(bells)
        fan_out.handler(self._event(*bells), self._context)

    def hears(self, name: str) -> list[Any]:
        """Takes what a client has heard since."""
        return self.callbacks.frames(name)


@pytest.fixture
def desk(
    aws: boto3.Session,
    monkeypatch: pytest.MonkeyPatch,
    kinesis_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
) -> Iterator[Desk]:
    with served() as callbacks:
        monkeypatch.setenv("MANAGEMENT_URL", callbacks.url)
        wiring.clear()
        fan_out._memory.clear()
        desk = Desk(callbacks, kinesis_event, context)
        monkeypatch.setattr(wiring, "now", lambda: desk.now)
        wiring.market().save_series([Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD")])
        for name in "ab":
            wiring.connections().open(Connection(name, "192.0.2.44", NOON, NOON))
        yield desk
        hang_up(wiring.sockets())


def frame(seq: int, *articles: dict[str, Any]) -> dict[str, Any]:
    return {"type": "news", "seq": seq, "articles": list(articles)}


def snapshot(*articles: dict[str, Any]) -> dict[str, Any]:
    return {"type": "snapshot", "channel": "news", "articles": list(articles)}


def test_news_are_told_as_they_come_to_whom_they_concern(desk: Desk) -> None:
    desk.keep("BTC")
    subscribed = {"type": "subscribed", "id": 7, "channel": "news", "interval_ms": 1_000}
    assert desk.say("a", **NEWS, id=7) == [subscribed, snapshot()]
    asked = desk.say("b", **NEWS, assets=["ETH", "ETH"], interval_ms=1, id=7)
    assert asked == [{**subscribed, "assets": ["ETH"], "interval_ms": 250}, snapshot()]
    desk.beat()
    late, first, second = desk.keep("BTC", "ETH", late=20 * HOUR), desk.keep("BTC"), desk.keep()
    desk.beat()
    assert desk.hears("a") == [frame(1, late, first, second)]
    assert desk.hears("b") == [frame(1, late)]
    desk.beat()
    third = desk.keep("ETH")
    desk.beat()
    assert (desk.hears("a"), desk.hears("b")) == ([frame(2, third)], [frame(2, third)])
    assert desk.say("a", action="unsubscribe", channel="news") == [{"type": "unsubscribed", "channel": "news"}]
    fourth = desk.keep("ETH")
    desk.beat()
    assert (desk.hears("a"), desk.hears("b")) == ([], [frame(3, fourth)])


def test_who_was_away_catches_up(desk: Desk) -> None:
    desk.keep("BTC")
    since, second, other = desk.now + 1, desk.keep("BTC"), desk.keep("ETH")
    desk.now += 50 * HOUR
    third = desk.keep("BTC")
    for each in (since, rfc3339(since)):
        assert desk.say("a", **NEWS, since=each)[1:] == [snapshot(second, other, third)]
    assert desk.say("b", **NEWS, assets=["BTC"], since=since)[1:] == [snapshot(second, third)]
    desk.beat()
    assert (desk.hears("a"), desk.hears("b")) == ([], [])


def test_what_comes_between_the_snapshot_and_the_subscription_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where others have been told already."""
    change, told = Connections.change, []
    desk.say("b", **NEWS)
    desk.beat()

    def meanwhile(*args: Any) -> bool:
        told.append(desk.keep("BTC"))
        desk.beat()
        return change(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Connections, "change", meanwhile)
        assert desk.say("a", **NEWS, since=NOON)[1:] == [snapshot()]
    desk.beat(news=0)
    assert (desk.hears("a"), desk.hears("b")) == ([frame(1, *told)], [frame(1, *told)])


def test_resync_shows_what_came(desk: Desk) -> None:
    desk.keep("BTC")
    desk.say("a", **NEWS, assets=["BTC"])
    told = desk.keep("BTC")
    desk.keep("ETH")
    assert desk.say("a", action="resync") == [{"type": "resynced"}, snapshot(told)]


def test_a_lost_doorbell_costs_a_minute_at_most(desk: Desk) -> None:
    desk.say("a", **NEWS)
    desk.beat()
    told = desk.keep()
    desk.beat(LOOKED_EVERY - 2_000, news=0)
    assert desk.hears("a") == []
    desk.beat(news=0)
    assert desk.hears("a") == [frame(1, told)]


def test_the_table_is_read_once_a_doorbell_and_not_where_nobody_watches(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    since, asked = wiring.news().since, []

    def counted(*args: Any) -> list[Kept]:
        asked.append(args)
        return since(*args)

    monkeypatch.setattr(wiring.news(), "since", counted)
    desk.say("a", action="ping")
    desk.beat()
    assert asked == []
    names = "abcdef"
    for name in names:
        wiring.connections().open(Connection(name, "192.0.2.44", NOON, NOON))
        desk.say(name, **NEWS)
    assert {wiring.connections().shard_of(name) for name in names} == {0, 1}
    asked.clear()
    desk.beat()
    told = desk.keep()
    desk.beat()
    desk.beat(news=0)
    assert len(asked) == 2
    assert [desk.hears(name) for name in names] == [[frame(1, told)]] * 6


def test_news_that_cannot_be_read_hold_nothing_else_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.say("a", **NEWS)
    desk.beat()
    told = desk.keep()

    def refuse(*_: object) -> None:
        raise ThrottledError("ThrottlingException", "slow down")

    with monkeypatch.context() as patch:
        patch.setattr(wiring.news(), "since", refuse)
        desk.beat()
    assert "news not read" in [log.getMessage() for log in caplog.records]
    desk.beat()
    assert desk.hears("a") == [frame(1, told)]


def test_what_cannot_be_subscribed_to_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {"type": "error", "code": "unknown_symbol", "message": "no such asset", "symbols": ["NOPE", "btc"]}
    assert desk.say("a", **NEWS, assets=["NOPE", "BTC", "btc"]) == [unknown]
    monkeypatch.setattr(websocket, "ARTICLES", 1)
    desk.keep()
    assert desk.say("a", **NEWS, since=NOON)[1]["type"] == "snapshot"
    desk.keep()
    assert [frame["code"] for frame in desk.say("a", **NEWS, since=NOON)] == ["limit"]
