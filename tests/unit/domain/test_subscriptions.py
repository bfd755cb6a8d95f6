"""What clients may say, and what becomes of it."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain import subscriptions
from cryptopulse.domain.frames import answer
from cryptopulse.domain.live_portfolios import LiveHolding, LiveLeg, LivePortfolio, Worth
from cryptopulse.domain.series import Series
from cryptopulse.domain.subscriptions import (
    NEWS_REACH,
    Channel,
    Connection,
    Entry,
    NewsWatch,
    Ping,
    Refusal,
    Resync,
    Show,
    Subscribe,
    SubscribeAlerts,
    SubscribeCandles,
    SubscribeNews,
    SubscribePortfolio,
    Unsubscribe,
    UnsubscribeAlerts,
    UnsubscribeNews,
    UnsubscribePortfolio,
    Watch,
    chosen,
    followed,
    mark,
    parse,
)

NOON = 1_795_348_800_000
TRACKED = [Series("binance", "BTC-USDT"), Series("coinbase", "BTC-USDT"), Series("coinbase", "BTC-USD")]

NOBODY = Connection("a", "192.0.2.44", NOON, NOON)


def said(**frame: Any) -> Any:
    return parse(json.dumps(frame), is_bound=False)


def test_the_actions() -> None:
    assert said(action="ping", id=7) == Ping(action="ping", id=7)
    assert said(action="resync") == Resync(action="resync")
    wanted = Subscribe(
        action="subscribe", id="a", channel="ticks", symbols=["BTC-USD"], venue="coinbase", interval_ms=500
    )
    told = said(action="subscribe", id="a", channel="ticks", symbols=["BTC-USD"], venue="coinbase", interval_ms=500)
    assert told == wanted
    candles = said(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="5m", since=NOON)
    assert candles == SubscribeCandles(
        action="subscribe", channel="candles", symbols=["BTC-USD"], interval="5m", since=NOON
    )
    assert said(action="unsubscribe", channel="ticks") == Unsubscribe(action="unsubscribe", channel="ticks")
    news = said(action="subscribe", channel="news", assets=["BTC"], since=NOON)
    assert news == SubscribeNews(action="subscribe", channel="news", assets=["BTC"], since=NOON)
    assert said(action="unsubscribe", channel="news") == UnsubscribeNews(action="unsubscribe", channel="news")


@pytest.mark.parametrize(
    "since", [NOON, "2026-11-22T12:00:00Z", "2026-11-22T13:30:00+01:30", "2026-11-22T12:00:00.000Z"]
)
def test_since_is_a_time_in_any_of_the_contracts_forms(since: str | int) -> None:
    action = said(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="1m", since=since)
    assert action.since_ms == NOON


def test_since_may_be_a_date() -> None:
    action = said(action="subscribe", channel="candles", symbols=["BTC-USD"], interval="1m", since="2026-11-22")
    assert action.since_ms == NOON - 12 * 3_600_000


TICKS: dict[str, Any] = {"action": "subscribe", "channel": "ticks", "symbols": ["BTC-USD"]}
CANDLES: dict[str, Any] = {**TICKS, "channel": "candles", "interval": "1m"}
NEWS: dict[str, Any] = {"action": "subscribe", "channel": "news"}
NO_ACTION = "no such action: subscribe and unsubscribe (ticks, candles, news, alerts, portfolio), resync, ping"
NO_ID = "id: a string of at most 64 characters, or a whole number"
NO_CHANNEL = (
    "no such action for this channel: subscribe and unsubscribe (ticks, candles, news, alerts, portfolio), resync, ping"
)


@pytest.mark.parametrize(
    ("frame", "refusal"),
    [
        ("", Refusal(None, "bad_request", "the frame is not JSON")),
        ("{", Refusal(None, "bad_request", "the frame is not JSON")),
        ("[" * 100_000, Refusal(None, "bad_request", "the frame is not JSON")),
        ("\ud800", Refusal(None, "bad_request", "the frame is not JSON")),
        ("[]", Refusal(None, "bad_request", "the frame is not a JSON object")),
        ("null", Refusal(None, "bad_request", "the frame is not a JSON object")),
        ({}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": "dance", "id": "a"}, Refusal("a", "bad_request", NO_ACTION)),
        ({"action": None}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": {"x": 1}}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": "$connect"}, Refusal(None, "bad_request", NO_ACTION)),
        ({"action": "subscribe", "id": 1}, Refusal(1, "bad_request", NO_ACTION)),
        ({**TICKS, "channel": "weather"}, Refusal(None, "bad_request", NO_CHANNEL)),
        ({**TICKS, "channel": ["ticks"]}, Refusal(None, "bad_request", NO_CHANNEL)),
        ({**NEWS, "assets": []}, Refusal(None, "bad_request", "Expected `array` of length >= 1 - at `$.assets`")),
        ({**NEWS, "assets": ["A"] * 101, "id": 3}, Refusal(3, "limit", "at most 100 assets a connection")),
        (
            {**NEWS, "assets": ["B C"]},
            Refusal(None, "bad_request", "Expected `str` matching regex '^[!-~]{1,20}$' - at `$.assets[0]`"),
        ),
        ({**NEWS, "symbols": ["BTC-USD"]}, Refusal(None, "bad_request", "Object contains unknown field `symbols`")),
        (
            {**NEWS, "action": "unsubscribe", "assets": ["BTC"]},
            Refusal(None, "bad_request", "Object contains unknown field `assets`"),
        ),
        (
            {"action": "subscribe", "channel": "alerts", "id": "a"},
            Refusal("a", "unauthorized", "the channel alerts asks for a ticket"),
        ),
        (
            {"action": "subscribe", "channel": "portfolio", "portfolio_id": "x"},
            Refusal(None, "unauthorized", "the channel portfolio asks for a ticket"),
        ),
        ({**TICKS, "id": True}, Refusal(None, "bad_request", NO_ID)),
        ({**TICKS, "id": "x" * 65}, Refusal(None, "bad_request", NO_ID)),
        ({**TICKS, "id": 2**53}, Refusal(None, "bad_request", NO_ID)),
        ({**TICKS, "color": "red"}, Refusal(None, "bad_request", "Object contains unknown field `color`")),
        ({**TICKS, "interval": "1m"}, Refusal(None, "bad_request", "Object contains unknown field `interval`")),
        ({**TICKS, "symbols": []}, Refusal(None, "bad_request", "Expected `array` of length >= 1 - at `$.symbols`")),
        ({**TICKS, "symbols": "BTC-USD"}, Refusal(None, "bad_request", "Expected `array`, got `str` - at `$.symbols`")),
        (
            {**TICKS, "symbols": ["BTC USD"]},
            Refusal(None, "bad_request", r"Expected `str` matching regex '^[!#-\\[\\]-~]{1,41}$' - at `$.symbols[0]`"),
        ),
        ({**TICKS, "symbols": ["A-B"] * 501, "id": 3}, Refusal(3, "limit", "at most 500 symbols a connection")),
        ({**TICKS, "venue": "k" * 500}, Refusal(None, "bad_request", f"Invalid enum value '{'k' * 180}")),
        ({**TICKS, "venue": "kraken"}, Refusal(None, "bad_request", "Invalid enum value 'kraken' - at `$.venue`")),
        (
            {**TICKS, "interval_ms": "fast"},
            Refusal(None, "bad_request", "Expected `int`, got `str` - at `$.interval_ms`"),
        ),
        (
            {"action": "subscribe", "channel": "ticks"},
            Refusal(None, "bad_request", "Object missing required field `symbols`"),
        ),
        ({**CANDLES, "interval": "2m"}, Refusal(None, "bad_request", "Invalid enum value '2m' - at `$.interval`")),
        (
            {**CANDLES, "since": "yesterday"},
            Refusal(None, "bad_request", "Invalid RFC3339 encoded datetime - at `$.since`"),
        ),
        (
            {**CANDLES, "since": "2026-13-01"},
            Refusal(None, "bad_request", "Invalid RFC3339 encoded datetime - at `$.since`"),
        ),
        ({**CANDLES, "since": -1}, Refusal(None, "bad_request", "Expected `int` >= 0 - at `$.since`")),
        (
            {"action": "ping", "channel": "ticks"},
            Refusal(None, "bad_request", "Object contains unknown field `channel`"),
        ),
    ],
)
def test_what_cannot_be_done_is_refused(frame: Any, refusal: Refusal) -> None:
    assert parse(frame if isinstance(frame, str) else json.dumps(frame), is_bound=False) == refusal


def bound(**frame: Any) -> Any:
    return parse(json.dumps(frame), is_bound=True)


def test_who_came_with_a_ticket_may_use_the_private_channels() -> None:
    assert bound(action="subscribe", channel="alerts", id=7, since=NOON) == SubscribeAlerts(
        action="subscribe", channel="alerts", id=7, since=NOON
    )
    assert bound(action="subscribe", channel="portfolio", portfolio_id="x", interval_ms=300) == SubscribePortfolio(
        action="subscribe", channel="portfolio", portfolio_id="x", interval_ms=300
    )
    assert bound(action="unsubscribe", channel="alerts") == UnsubscribeAlerts(action="unsubscribe", channel="alerts")
    assert bound(action="unsubscribe", channel="portfolio", portfolio_id="x") == UnsubscribePortfolio(
        action="unsubscribe", channel="portfolio", portfolio_id="x"
    )


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"channel": "portfolio"}, "Object missing required field `portfolio_id`"),
        ({"channel": "portfolio", "portfolio_id": 7}, "Expected `str`, got `int` - at `$.portfolio_id`"),
        ({"channel": "alerts", "symbols": ["BTC-USD"]}, "Object contains unknown field `symbols`"),
    ],
)
def test_what_a_private_channel_does_not_take_is_refused(frame: dict[str, Any], message: str) -> None:
    assert bound(action="subscribe", **frame) == Refusal(None, "bad_request", message)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    ["action", "id", "channel", "symbols", "venue", "interval", "interval_ms", "since", "portfolio_id", "x"]
)
words = st.sampled_from(
    ["subscribe", "unsubscribe", "resync", "ping", "ticks", "candles", "alerts", "portfolio", "1m", "coinbase", "A-B"]
)


@given(
    st.text() | st.binary() | st.dictionaries(names, words | values | st.lists(words), max_size=7).map(json.dumps),
    st.booleans(),
)
def test_any_frame_is_understood_or_refused_in_a_frame_that_can_be_sent(frame: str | bytes, is_bound: bool) -> None:
    read = parse(frame, is_bound=is_bound)
    if isinstance(read, Refusal):
        sent = answer("error", read.id, code=read.code, message=read.message)
        assert msgspec.json.decode(sent)["code"] in {"bad_request", "unauthorized", "limit"}
    else:
        private = SubscribeAlerts | SubscribePortfolio | UnsubscribeAlerts | UnsubscribePortfolio
        assert isinstance(read, Subscribe | Unsubscribe | Resync | Ping | private)
        assert is_bound or not isinstance(read, private)


@pytest.mark.parametrize(("asked", "in_force"), [(-5, 250), (100, 250), (250, 250), (1_500, 1_500), (10**9, 60_000)])
def test_the_pace_is_kept_within_limits(asked: int, in_force: int) -> None:
    assert said(**TICKS, interval_ms=asked).interval_in_force == in_force


def test_a_symbol_without_a_venue_is_its_reference() -> None:
    asked = said(**{**TICKS, "symbols": ["BTC-USDT", "BTC-USD", "BTC-USDT"]})
    assert chosen(asked, NOBODY, TRACKED) == {"BTC-USDT": TRACKED[0], "BTC-USD": TRACKED[2]}
    assert chosen(said(**{**TICKS, "symbols": ["BTC-USDT"], "venue": "coinbase"}), NOBODY, TRACKED) == {
        "BTC-USDT": TRACKED[1]
    }


def test_unknown_symbols_are_named_and_nothing_is_chosen() -> None:
    asked = said(**{**TICKS, "symbols": ["X-USD", "BTC-USD", "btc-usd"]}, id="a")
    assert chosen(asked, NOBODY, TRACKED) == Refusal("a", "unknown_symbol", "no such symbol", ["X-USD", "btc-usd"])
    elsewhere = said(**TICKS, venue="binance")
    assert chosen(elsewhere, NOBODY, TRACKED) == Refusal(None, "unknown_symbol", "not traded there", ["BTC-USD"])


def entry(symbol: str, venue: str = "coinbase", interval: str = "", shown: int = 5) -> Entry:
    return Entry(f"{venue}:{symbol}", 0, interval, shown, 0)


@pytest.fixture
def connection() -> Connection:
    return Connection("a", "192.0.2.44", NOON, NOON, version=3)


def test_a_later_subscription_to_a_symbol_and_channel_replaces_the_earlier(connection: Connection) -> None:
    connection.subscribe(said(**TICKS), {"BTC-USD": entry("BTC-USD"), "ETH-USD": entry("ETH-USD")})
    connection.version = 4
    connection.subscribe(said(**TICKS, interval_ms=500), {"BTC-USD": entry("BTC-USD", "binance", shown=9)})
    connection.subscribe(said(**CANDLES), {"BTC-USD": entry("BTC-USD", interval="1m")})
    assert connection.channels == {
        "ticks": Channel(
            500,
            {
                "BTC-USD": Entry("binance:BTC-USD", 0, "", 9, 5),
                "ETH-USD": Entry("coinbase:ETH-USD", 0, "", 5, 4),
            },
        ),
        "candles": Channel(1_000, {"BTC-USD": Entry("coinbase:BTC-USD", 0, "1m", 5, 5)}),
    }
    assert subscriptions.decode(subscriptions.encode(connection.channels)) == connection.channels


def test_a_connection_takes_500_symbols_over_all_its_channels(connection: Connection) -> None:
    symbols = [f"A{number}-USD" for number in range(500)]
    connection.subscribe(said(**TICKS), {symbol: entry(symbol) for symbol in symbols[:300]})
    connection.subscribe(said(**CANDLES), {symbol: entry(symbol) for symbol in symbols[200:499]})
    assert connection.takes(symbols)
    assert not connection.takes([*symbols[499:], "X-USD"])
    tracked = [Series("coinbase", "X-USD"), Series("coinbase", "Y-USD")]
    asked = said(**{**TICKS, "symbols": ["X-USD", "Y-USD"]}, id="a")
    assert chosen(asked, connection, tracked) == Refusal("a", "limit", "at most 500 symbols a connection")


@pytest.mark.parametrize(
    ("frame", "ended"),
    [
        ({}, ["BTC-USD", "ETH-USD"]),
        ({"symbols": ["ETH-USD", "SOL-USD"]}, ["ETH-USD"]),
        ({"venue": "binance"}, ["ETH-USD"]),
        ({"interval": "1m"}, ["BTC-USD"]),
        ({"symbols": ["BTC-USD"], "venue": "binance"}, []),
    ],
)
def test_unsubscribing_ends_what_is_named(connection: Connection, frame: dict[str, Any], ended: list[str]) -> None:
    entries = {"BTC-USD": entry("BTC-USD", interval="1m"), "ETH-USD": entry("ETH-USD", "binance", "5m")}
    connection.subscribe(said(**CANDLES), entries)
    assert connection.unsubscribe(said(action="unsubscribe", channel="candles", **frame)) == ended
    left = [symbol for channel in connection.channels.values() for symbol in channel.entries]
    assert left == [symbol for symbol in entries if symbol not in ended]
    assert connection.unsubscribe(said(action="unsubscribe", channel="ticks")) == []


def test_only_what_was_shown_counts_as_shown(connection: Connection) -> None:
    connection.subscribe(said(**TICKS), {"BTC-USD": entry("BTC-USD")})
    shown = {each for _, each in connection.entries()}
    connection.version = 4
    connection.subscribe(said(**TICKS), {"ETH-USD": entry("ETH-USD")})
    connection.show(shown, {0: 8})
    assert connection.channels["ticks"].entries == {
        "BTC-USD": Entry("coinbase:BTC-USD", 0, "", 8, 5),
        "ETH-USD": Entry("coinbase:ETH-USD", 0, "", 5, 5),
    }


# --- portfolios and alerts ---

PORTFOLIO = {"action": "subscribe", "channel": "portfolio", "portfolio_id": "p"}


def live(version: int) -> LivePortfolio:
    legs = (LiveLeg("coinbase:BTC-USD", 1, is_inverted=False),)
    return LivePortfolio(version, NOON, (LiveHolding(Decimal("0.1"), Decimal("1" * 18 + "." + "1" * 18), legs),))


def shown(version: int, value: int = 5) -> Show:
    return Show(live(version), Worth(Decimal(value), Decimal(1), NOON), {1: 8})


def test_what_is_stored_reads_as_it_was(connection: Connection) -> None:
    connection.subscribe_portfolio(bound(**PORTFOLIO, interval_ms=300), shown(7))
    watch = Watch(NOON, NOON + 5).knowing([("a", NOON), ("b", NOON - 119_995), ("c", NOON - 119_996)])
    connection.subscribe_alerts(bound(action="subscribe", channel="alerts"), watch)
    assert connection.channels == {
        "portfolio": Channel(300, {}, {"p": msgspec.structs.replace(shown(7), added=4)}),
        "alerts": Channel(1_000, {}, {}, Watch(NOON, NOON + 5, frozenset("ab"), 4)),
    }
    assert subscriptions.decode(subscriptions.encode(connection.channels)) == connection.channels


def test_what_the_release_before_stored_reads_as_it_was() -> None:
    stored = msgspec.msgpack.encode({"ticks": [500, {"BTC-USD": ["coinbase:BTC-USD", 1, "", 8, 4]}]})
    assert subscriptions.decode(stored) == {"ticks": Channel(500, {"BTC-USD": Entry("coinbase:BTC-USD", 1, "", 8, 4)})}


def test_20_portfolios_are_the_limit(connection: Connection) -> None:
    for number in range(20):
        assert connection.takes_portfolio(f"p{number}")
        connection.subscribe_portfolio(bound(**{**PORTFOLIO, "portfolio_id": f"p{number}"}), shown(1))
    assert connection.takes_portfolio("p0")
    assert not connection.takes_portfolio("p20")


def test_unsubscribing_ends_one_portfolio_or_all_and_alerts(connection: Connection) -> None:
    for id_ in "pqr":
        connection.subscribe_portfolio(bound(**{**PORTFOLIO, "portfolio_id": id_}), shown(1))
    connection.subscribe_alerts(bound(action="subscribe", channel="alerts"), Watch(NOON, NOON))
    assert connection.unsubscribe_portfolio("q") == ["q"]
    assert connection.unsubscribe_portfolio("q") == []
    assert list(connection.portfolios) == ["p", "r"]
    assert connection.unsubscribe_portfolio(None) == ["p", "r"]
    assert list(connection.channels) == ["alerts"]
    for _ in range(2):
        connection.unsubscribe_alerts()
    assert connection.channels == {}
    assert (connection.unsubscribe_portfolio(None), connection.watch) == ([], None)


def test_the_newest_holdings_stay(connection: Connection) -> None:
    """Whoever read them, and whoever writes first."""
    connection.subscribe_portfolio(bound(**PORTFOLIO), shown(7))
    connection.hold("p", live(9))
    connection.hold("p", live(8))
    connection.hold("q", live(8))
    assert connection.portfolios == {"p": Show(live(9), shown(7).worth, {1: 8}, 4)}
    connection.version = 4
    connection.show_portfolios({"p": shown(8, 6), "q": shown(8)})
    assert connection.portfolios == {"p": Show(live(9), shown(8, 6).worth, {1: 8}, 5)}
    connection.show_portfolios({"p": shown(10, 6)})
    assert connection.portfolios == {"p": msgspec.structs.replace(shown(10, 6), added=5)}


def test_a_portfolio_that_is_no_more_is_shown_no_more(connection: Connection) -> None:
    for id_ in "pq":
        connection.subscribe_portfolio(bound(**{**PORTFOLIO, "portfolio_id": id_}), shown(1))
    connection.hold("p", None)
    connection.hold("p", None)
    assert list(connection.portfolios) == ["q"]
    connection.show_portfolios({"q": None, "p": None})
    assert connection.channels == {}


@pytest.mark.parametrize(
    ("id_", "time", "shows", "is_new"),
    [
        ("x", NOON + 1, True, True),
        ("x", NOON - 120_000, False, True),
        ("x", NOON - 120_001, False, False),
        ("known", NOON - 1, False, False),
        ("known", NOON, True, False),
    ],
)
def test_alerts_to_tell_are_those_that_could_not_be_read_before(id_: str, time: int, shows: bool, is_new: bool) -> None:
    watch = Watch(NOON, NOON, frozenset(["known"]))
    assert (watch.first, watch.shows(time), watch.is_new(id_, time)) == (NOON - 120_000, shows, is_new)
    assert watch.includes(id_, time) == (shows or is_new)
    from_now_on = Watch(None, NOON, watch.known)
    assert (from_now_on.first, from_now_on.shows(time)) == (NOON - 120_000, False)
    assert from_now_on.includes(id_, time) == is_new
    assert Watch(NOON - 120_001, NOON).first == NOON - 120_001


# --- news ---


def test_news_are_of_some_assets_that_are_followed_or_of_all() -> None:
    assert followed(said(**NEWS), TRACKED) is None
    assert followed(said(**NEWS, assets=["BTC", "BTC"]), TRACKED) == ["BTC"]
    unknown = said(**NEWS, assets=["USDT", "BTC", "btc"], id=1)
    assert followed(unknown, TRACKED) == Refusal(1, "unknown_symbol", "no such asset", ["USDT", "btc"])


def test_a_subscription_to_news_is_stored_replaced_and_ended(connection: Connection) -> None:
    ids = [f"{number:032x}" for number in (1 << 80, 2 << 80, 3 << 80)]
    times = [NOON, NOON - NEWS_REACH, NOON - NEWS_REACH - 1]
    watch = NewsWatch(frozenset(["BTC"]), NOON - 5, NOON).knowing(zip(ids, times, strict=True))
    connection.subscribe_news(said(**NEWS, assets=["BTC"], interval_ms=300), watch)
    known = frozenset(mark(id_) for id_ in ids[:2])
    stored = NewsWatch(frozenset(["BTC"]), NOON - 5, NOON, known, 4)
    assert connection.channels == {"news": Channel(300, news=stored)}
    assert subscriptions.decode(subscriptions.encode(connection.channels)) == connection.channels
    connection.subscribe_news(said(**NEWS), NewsWatch(None, None, NOON))
    assert connection.channels == {"news": Channel(1_000, news=NewsWatch(None, None, NOON, added=4))}
    for _ in range(2):
        connection.unsubscribe_news()
    assert (connection.channels, connection.news_watch) == ({}, None)


@pytest.mark.parametrize(
    ("id_", "time", "assets", "shows", "is_new"),
    [
        ("0a", NOON, ("ETH", "BTC"), True, True),
        ("0a", NOON, ("ETH",), False, False),
        ("0a", NOON, (), False, False),
        ("0a", NOON - 1, ("BTC",), False, True),
        ("0a", NOON - NEWS_REACH, ("BTC",), False, True),
        ("0a", NOON - NEWS_REACH - 1, ("BTC",), False, False),
        ("0b", NOON, ("BTC",), True, False),
        ("0b", NOON - 1, ("BTC",), False, False),
    ],
)
def test_articles_to_tell_are_those_that_were_not_there(
    id_: str, time: int, assets: tuple[str, ...], shows: bool, is_new: bool
) -> None:
    watch = NewsWatch(frozenset(["BTC"]), NOON, NOON, frozenset([mark("0b")]))
    found = watch.shows(time, assets), watch.is_new(mark(id_), time, assets), watch.includes(id_, time, assets)
    assert found == (shows, is_new, shows or is_new)
    everything = NewsWatch(None, None, NOON, watch.known)
    assert (everything.shows(time, assets), everything.first) == (False, NOON - NEWS_REACH)
    assert everything.is_new(mark("0a"), NOON, ())
    assert NewsWatch(None, NOON - NEWS_REACH - 1, NOON).first == NOON - NEWS_REACH - 1
