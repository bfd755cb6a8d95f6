"""clients/python reads what our server says, and our server what it says."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from msgspec import UNSET

from cryptopulse.domain import alerts, frames, live_portfolios, news_views, subscriptions
from cryptopulse.domain.times import rfc3339
from cryptopulse_client import (
    Alert,
    AlertFrame,
    Alerts,
    Article,
    Candle,
    CandleFrame,
    Candles,
    News,
    NewsFrame,
    Portfolio,
    PortfolioFrame,
    Sentiment,
    Snapshot,
    Subscribed,
    Subscription,
    Tick,
    TickFrame,
    Ticks,
    Worth,
)
from cryptopulse_client.frames import Bye, Event, Pong, Refusal, Resynced, Unsubscribed, read

NOON_MS = 1_795_348_800_000
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TICK = frames.tick("coinbase:BTC-USD", 63212.97, NOON_MS)
CANDLE = frames.candle("binance:BTC-USDT", "5m", (NOON_MS, 1.5, 2.25, 1, 2.0, 0.001), closed=True, complete=False)
WORTH = frames.portfolio("p", live_portfolios.Worth(Decimal("1.10"), Decimal("1E+2"), NOON_MS))
FIRED = frames.alert(
    alerts.FiredView(
        id="f",
        alert_id="a",
        symbol="BTC-USD",
        venue="coinbase",
        condition="above",
        threshold="90000",
        price="90000.10",
        time=rfc3339(NOON_MS),
        webhook="none",
    )
)
ARTICLE = frames.article(
    news_views.NewsArticle(
        id="n",
        title="Up",
        source="Desk",
        url="https://example.com/up",
        published_at=rfc3339(NOON_MS),
        assets=["BTC", "ETH"],
        sentiment=news_views.ArticleSentiment(score=0.5, label="positive", words=UNSET),
    )
)
VALUES = {"ticks": TICK, "candles": CANDLE, "news": ARTICLE, "alerts": FIRED, "portfolio": WORTH}

tick = Tick("BTC-USD", "coinbase", 63212.97, NOON)
candle = Candle("BTC-USDT", "binance", "5m", NOON_MS, 1.5, 2.25, 1.0, 2.0, 0.001, True, False)
article = Article("n", "Up", "Desk", "https://example.com/up", NOON, ("BTC", "ETH"), Sentiment(0.5, "positive"))
alert = Alert("f", "a", "BTC-USD", "coinbase", "above", Decimal(90000), Decimal("90000.10"), NOON, "none")
worth = Worth("p", NOON, Decimal("1.1"), Decimal(100), Decimal("-98.9"))


@pytest.mark.parametrize(
    ("channel", "frame", "snapshot"),
    [
        ("ticks", TickFrame(7, NOON, (tick,)), Snapshot("ticks", ticks=(tick,))),
        ("candles", CandleFrame(7, (candle,)), Snapshot("candles", candles=(candle,))),
        ("news", NewsFrame(7, (article,)), Snapshot("news", articles=(article,))),
        ("alerts", AlertFrame(7, (alert,)), Snapshot("alerts", alerts=(alert,))),
        ("portfolio", PortfolioFrame(7, (worth,)), Snapshot("portfolio", portfolios=(worth,))),
    ],
    ids=list(VALUES),
)
def test_values(channel: str, frame: Event, snapshot: Snapshot) -> None:
    (body,) = frames.bodies(channel, [VALUES[channel]], NOON_MS)
    assert read(frames.numbered(channel, 7, body)) == frame
    assert [read(each) for each in frames.snapshots(channel, [VALUES[channel]])] == [snapshot]


def test_answers() -> None:
    told = frames.answer("subscribed", 1, channel="news", assets=["BTC"], interval_ms=1000)
    assert read(told) == Subscribed(id=1, channel="news", assets=("BTC",), interval_ms=1000)
    assert read(frames.answer("unsubscribed", 2, channel="ticks", symbols=["A"])) == Unsubscribed(id=2)
    assert read(frames.answer("resynced", None)) == Resynced()
    assert read(frames.answer("pong", "a", time="2026-11-22T12:00:00.000Z")) == Pong(id="a", time=NOON)
    told = frames.answer("error", 3, code="unknown_symbol", message="no such symbol", symbols=["A"])
    assert read(told) == Refusal(id=3, code="unknown_symbol", message="no such symbol", symbols=("A",))
    assert read(frames.bye("idle")) == Bye("idle")


@pytest.mark.parametrize(
    ("asked", "heard", "ended"),
    [
        (
            Ticks(["A"], venue="coinbase", interval_ms=250, since=NOON),
            subscriptions.Subscribe(
                action="subscribe", channel="ticks", symbols=["A"], venue="coinbase", interval_ms=250, since=NOON
            ),
            subscriptions.Unsubscribe(action="unsubscribe", channel="ticks", symbols=["A"]),
        ),
        (
            Candles(["A"], "5m"),
            subscriptions.SubscribeCandles(action="subscribe", channel="candles", symbols=["A"], interval="5m"),
            subscriptions.Unsubscribe(action="unsubscribe", channel="candles", symbols=["A"]),
        ),
        (
            News(assets=["BTC"]),
            subscriptions.SubscribeNews(action="subscribe", channel="news", assets=["BTC"]),
            subscriptions.UnsubscribeNews(action="unsubscribe", channel="news"),
        ),
        (
            Alerts(since=NOON),
            subscriptions.SubscribeAlerts(action="subscribe", channel="alerts", since=NOON),
            subscriptions.UnsubscribeAlerts(action="unsubscribe", channel="alerts"),
        ),
        (
            Portfolio("p"),
            subscriptions.SubscribePortfolio(action="subscribe", channel="portfolio", portfolio_id="p"),
            subscriptions.UnsubscribePortfolio(action="unsubscribe", channel="portfolio", portfolio_id="p"),
        ),
    ],
    ids=list(VALUES),
)
def test_subscriptions(
    asked: Subscription, heard: subscriptions.Subscription, ended: subscriptions.Unsubscription
) -> None:
    def parsed(action: str) -> subscriptions.Action | subscriptions.Refusal:
        return subscriptions.parse(msgspec.json.encode(asked.frame(action)), is_bound=True)

    assert (parsed("subscribe"), parsed("unsubscribe")) == (heard, ended)
