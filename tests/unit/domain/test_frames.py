"""Server frames, to the letter."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from cryptopulse.domain import frames, news_views
from cryptopulse.domain.alerts import Fired
from cryptopulse.domain.live_portfolios import Worth
from cryptopulse.domain.news import Article
from cryptopulse.domain.times import rfc3339

NOON = 1_795_348_800_000
TICK = b'{"symbol":"BTC-USD","venue":"coinbase","price":63212.97,"time":"2026-11-22T12:00:00.057Z"}'


def test_times_are_rfc_3339_with_milliseconds() -> None:
    assert rfc3339(NOON + 57) == "2026-11-22T12:00:00.057Z"
    assert rfc3339(NOON - 1) == "2026-11-22T11:59:59.999Z"


def test_answers_repeat_the_id_and_leave_out_what_is_not() -> None:
    assert frames.answer("pong", "a", time="now") == b'{"type":"pong","id":"a","time":"now"}'
    assert frames.answer("pong", 0, time="now") == b'{"type":"pong","id":0,"time":"now"}'
    assert frames.answer("resynced", None) == b'{"type":"resynced"}'
    told = frames.answer("subscribed", None, channel="ticks", symbols=["BTC-USD"], interval_ms=250, interval=None)
    assert told == b'{"type":"subscribed","channel":"ticks","symbols":["BTC-USD"],"interval_ms":250}'
    assert frames.bye("idle") == b'{"type":"bye","reason":"idle"}'


def test_a_tick_has_the_exchanges_digits() -> None:
    assert frames.tick("coinbase:BTC-USD", 6_321_297 / 10**2, NOON + 57) == TICK


def test_a_candle() -> None:
    told = frames.candle("binance:BTC-USDT", "5m", (NOON, 1.5, 2.25, 1.0, 2.0, 0.001), closed=True, complete=False)
    assert told == (
        b'{"symbol":"BTC-USDT","venue":"binance","interval":"5m","time":1795348800000,"open":1.5,"high":2.25,'
        b'"low":1.0,"close":2.0,"volume":0.001,"closed":true,"complete":false}'
    )


def test_a_portfolio_is_exact() -> None:
    worth = Worth(Decimal("123456789012345678.000000000000000001"), Decimal("1E+2"), NOON)
    assert frames.portfolio("p", worth) == (
        b'{"id":"p","time":"2026-11-22T12:00:00.000Z","value":"123456789012345678.000000000000000001",'
        b'"cost_basis":"100","unrealized":"123456789012345578.000000000000000001"}'
    )
    nothing = Worth(Decimal("0.00"), Decimal("0.50"), NOON)
    assert frames.portfolio("p", nothing) == (
        b'{"id":"p","time":"2026-11-22T12:00:00.000Z","value":"0","cost_basis":"0.5","unrealized":"-0.5"}'
    )


def test_an_alert_is_as_in_the_history() -> None:
    fired = Fired(
        id="f",
        user="u",
        alert_id="a",
        symbol="BTC-USD",
        venue="coinbase",
        condition="above",
        threshold=Decimal(70000),
        price=Decimal("70000.01"),
        time=NOON,
        webhook="none",
    )
    assert frames.alert(fired.view) == (
        b'{"id":"f","alert_id":"a","symbol":"BTC-USD","venue":"coinbase","condition":"above","threshold":"70000",'
        b'"price":"70000.01","time":"2026-11-22T12:00:00.000Z","webhook":"none"}'
    )


def test_an_article_is_as_in_the_news() -> None:
    url = "https://news.test/1"
    of = Article(
        id="a" * 32,
        title="Bitcoin “soars”",
        description="d",
        source="The Newsroom",
        url=url,
        published_at=NOON,
        language="en",
        assets=("BTC",),
    )
    assert frames.article(news_views.article(of, 0.25, "positive", UNSET)) == (
        b'{"id":"%s","title":"Bitcoin \xe2\x80\x9csoars\xe2\x80\x9d","source":"The Newsroom","url":"%s",'
        b'"published_at":"2026-11-22T12:00:00.000Z","assets":["BTC"],"sentiment":{"score":0.25,"label":"positive"}}'
    ) % (b"a" * 32, url.encode())


def test_what_fits_into_a_frame_is_what_goes_into_one() -> None:
    values = [b"x" * 8_000] * 5
    assert frames.fitting(values) == 4
    assert len(frames.bodies("news", values[:4], NOON)) == 1
    assert len(frames.bodies("news", values, NOON)) == 2
    assert (frames.fitting([b"x" * 40_000]), frames.fitting([])) == (1, 0)


def test_a_snapshot_has_no_seq_and_may_be_empty() -> None:
    assert frames.snapshots("ticks", [TICK]) == [b'{"type":"snapshot","channel":"ticks","ticks":[' + TICK + b"]}"]
    assert frames.snapshots("portfolio", [b"{}"]) == [b'{"type":"snapshot","channel":"portfolio","portfolios":[{}]}']
    assert frames.snapshots("alerts", []) == [b'{"type":"snapshot","channel":"alerts","alerts":[]}']
    assert frames.snapshots("news", []) == [b'{"type":"snapshot","channel":"news","articles":[]}']
    assert frames.snapshots("candles", []) == [b'{"type":"snapshot","channel":"candles","candles":[]}']


def test_a_numbered_frame_is_its_seq_before_a_shared_body() -> None:
    (ticks,) = frames.bodies("ticks", [TICK, TICK], NOON)
    assert frames.numbered("ticks", 7, ticks) == (
        b'{"type":"ticks","seq":7,"time":"2026-11-22T12:00:00.000Z","ticks":[' + TICK + b"," + TICK + b"]}"
    )
    (candles,) = frames.bodies("candles", [b"{}"], NOON)
    assert frames.numbered("candles", 8, candles) == b'{"type":"candles","seq":8,"candles":[{}]}'


@given(st.lists(st.integers(90, 200).map(lambda size: b'"' + b"x" * size + b'"'), max_size=700))
def test_no_frame_is_longer_than_the_gateway_takes_and_nothing_is_lost(values: list[bytes]) -> None:
    shown = frames.snapshots("candles", values)
    numbered = [frames.numbered("ticks", 2**53, body) for body in frames.bodies("ticks", values, NOON)]
    for sent in (shown, numbered):
        assert all(len(frame) <= frames.FRAME for frame in sent)
        assert sum(frame.count(b"x") for frame in sent) == sum(map(len, values)) - 2 * len(values)
