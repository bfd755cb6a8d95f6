"""Coinbase's frames, as recorded, become trades, prices and the venue's own word of the newest trade."""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from cryptopulse.domain.ticks import Quote
from cryptopulse.domain.venues import Product
from cryptopulse.errors import FeedDownError
from cryptopulse.feeds import connect_live
from cryptopulse.feeds.coinbase import Coinbase
from cryptopulse.feeds.coinbase_stream import CoinbaseReader
from cryptopulse.feeds.live_feed import Unreadable
from tests.unit.feeds.exchange import NOON, at_once
from tests.unit.feeds.streams import RECORDINGS, Told, of_our_own, recorded_frames

BTC = Product("BTC-USD", "BTC-USD", trading=True)
ETH = Product("ETH-USD", "ETH-USD", trading=True)
FILE = "coinbase_exchange_2021-04-17_a"
NEVER = "0001-01-01T00:00:00.000000Z"


def reading(*frames: str | bytes, products: Sequence[Product] = (BTC, ETH)) -> tuple[CoinbaseReader, Told]:
    """A reader that has read these frames at 12:00:30."""
    told = Told("coinbase")
    reader = CoinbaseReader(products, told)
    for frame in frames:
        reader.read([frame], NOON + 30_000)
    return reader, told


def match(kind: str = "match", **changes: Any) -> str:
    frame = {"type": kind, "trade_id": 10, "sequence": 50, "time": "2026-11-22T12:00:00.5Z", "product_id": "BTC-USD"}
    return json.dumps(frame | {"size": "5.23512", "price": "400.23", "side": "sell"} | changes)


def refusal(product: str) -> str:
    return f'{{"type":"error","message":"Failed to subscribe","reason":"{product} is not a valid product"}}'


def test_frames_become_trades_and_each_is_accounted_for() -> None:
    reader, told = reading(*of_our_own("coinbase_stream"))
    assert told.trades == [
        ("BTC-USD", 8, 8, 1040406588, 6321297000000, 782662, NOON + 100),
        ("ETH-USD", 8, 8, 501, 301240000000, 98500000000, NOON + 200),
    ]
    assert told.quotes == [Quote("BTC-USD", 1, 632129, NOON - 1100), Quote("BTC-USD", 2, 6321297, NOON + 100)]
    assert told.confirmed == [
        ("BTC-USD", 1040406587, NOON - 1100),
        ("BTC-USD", 1040406588, NOON + 100),
        ("BTC-USD", 1040406589, NOON + 1016),
    ]
    assert (reader.refused, reader.unreadable) == (set(), [])
    assert reader.frames == Counter(used=7, ignored=2)
    assert (reader.time, reader.is_live, reader.is_ending) == (NOON + 1016, True, False)


def test_the_products_stand_in_each_channel_of_the_subscription() -> None:
    reader, _ = reading()
    products = ["BTC-USD", "ETH-USD"]
    channels = [{"name": name, "product_ids": products} for name in ("matches", "heartbeat", "ticker")]
    assert [json.loads(frame) for frame in reader.outbox] == [{"type": "subscribe", "channels": channels}]


def test_an_acknowledgement_is_no_market_data() -> None:
    reader, _ = reading(of_our_own("coinbase_stream")[0])
    assert (reader.frames, reader.is_live, reader.time) == (Counter(used=1), False, 0)


def test_the_last_match_is_a_price_and_no_trade() -> None:
    _, told = reading(match("last_match").encode())
    assert (told.trades, told.quotes) == ([], [Quote("BTC-USD", 2, 40023, NOON + 500)])
    assert told.confirmed == [("BTC-USD", 10, NOON + 500)]


def test_trades_are_passed_on_as_they_come_again_or_out_of_order() -> None:
    _, told = reading(*(match(trade_id=id_) for id_ in (12, 11, 12)))
    assert [trade[3] for trade in told.trades] == [12, 11, 12]


def test_a_ticker_may_lack_time_and_trade() -> None:
    ticker = '{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"75205.32"}'
    reader, told = reading(match(), ticker)
    assert (told.quotes, told.confirmed) == ([Quote("BTC-USD", 2, 7520532, NOON + 500)], [])
    assert reader.frames == Counter(used=2)


@pytest.mark.parametrize("time", [NEVER, "", "soon", "2026-11-22T12:00:00", "1969-12-31T23:59:59Z"])
def test_a_trade_of_no_time_has_the_newest_that_is_known(time: str) -> None:
    _, told = reading(match(trade_id=9, time="2026-11-22T12:00:07Z"), match(trade_id=8), match(trade_id=10, time=time))
    assert told.trades[-1] == ("BTC-USD", 8, 8, 10, 40_023_000_000, 523_512_000, NOON + 7000)
    _, told = reading(match(time=time))
    assert told.trades[-1][-1] == NOON + 30_000, "when it was received, if none is known"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22T12:00:00.001Z", NOON + 1),
        ("2026-11-22T11:59:59.999999Z", NOON - 1),
        ("2026-11-22T11:59:59.999999999Z", NOON - 1),
        ("2026-11-22T12:00:00.016274911Z", NOON + 16),
        ("2026-11-22T12:00:00.289000+00:00", NOON + 289),
    ],
)
def test_times_are_cut_to_milliseconds_and_never_rounded_into_the_next_minute(text: str, time: int) -> None:
    assert reading(match(time=text))[1].trades[-1][-1] == time


IMPOSSIBLE = {
    "no price": {"price": "0.00"},
    "below nothing": {"price": "-400.23"},
    "no size": {"size": "0"},
    "a word": {"size": "some"},
    "NaN": {"price": "NaN"},
    "too long": {"size": "9" * 5000},
    "no text": {"price": 400.23},
    "an id below nothing": {"trade_id": -1},
    "more than a minute ahead": {"time": "2026-11-22T12:01:30.001Z"},
    "no time": {"time": None},
}


@pytest.mark.parametrize("changes", IMPOSSIBLE.values(), ids=list(IMPOSSIBLE))
def test_a_trade_that_cannot_be_right_is_kept_and_not_passed_on(changes: dict[str, Any]) -> None:
    frame = match(**changes)
    reader, told = reading(frame)
    assert (told.trades, reader.frames, reader.is_live, reader.time) == ([], Counter(unreadable=1), False, 0)
    assert [(one.frame, one.received) for one in reader.unreadable] == [(frame.encode(), NOON + 30_000)]


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "{}",
        b'{"type":"\xff"}',
        '{"type":"match"}',
        '{"type":"heartbeat","product_id":"BTC-USD","last_trade_id":"7","time":"2026-11-22T12:00:00Z"}',
        '{"type":"heartbeat","product_id":"BTC-USD","last_trade_id":7,"time":"2026-11-22T12:01:30.001Z"}',
        '{"type":"ticker","product_id":"BTC-USD","price":"-1","time":"2026-11-22T12:00:00Z"}',
        '{"type":' + "[" * 100_000,
    ],
    ids=lambda frame: str(frame)[:80],
)
def test_a_frame_that_nobody_can_read_is_kept(frame: str | bytes) -> None:
    reader, told = reading(frame)
    assert (reader.frames, len(reader.unreadable)) == (Counter(unreadable=1), 1)
    assert (told.trades, told.quotes, told.confirmed) == ([], [], [])


def test_of_many_unreadable_frames_some_are_kept_and_all_are_counted() -> None:
    reader, _ = reading(*["{"] * 50)
    assert (reader.frames, len(reader.unreadable)) == (Counter(unreadable=50), 20)
    assert reader.unreadable[0] == Unreadable(b"{", NOON + 30_000, "Input data was truncated")


@pytest.mark.parametrize("kind", ["l2update", "snapshot", "status", "received", "something_new"])
def test_unknown_types_are_ignored(kind: str) -> None:
    reader, told = reading(f'{{"type":"{kind}","product_id":"BTC-USD","time":"2026-11-22T12:00:00Z"}}')
    assert (reader.frames, reader.is_live, told.trades) == (Counter(ignored=1), False, [])


def test_a_bad_product_does_not_void_the_rest() -> None:
    reader, _ = reading(refusal("ETH-USD"))
    assert reader.refused == {"ETH-USD"}
    again = json.loads(reader.outbox[-1])
    assert [channel["product_ids"] for channel in again["channels"]] == [["BTC-USD"]] * 3
    assert (len(reader.outbox), reader.frames, reader.is_live) == (2, Counter(used=1), False)
    reader.read([match(product_id="ETH-USD")], NOON)
    assert reader.frames == Counter(used=1, ignored=1)


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"error","message":"Failed to subscribe","reason":"No channels provided"}',
        '{"type":"error","message":"Failed to subscribe","reason":" is not a valid product"}',
        '{"type":"error","message":"Authentication Failed","reason":"{\\"message\\":\\"Invalid API Key\\"}"}',
        '{"type":"error","message":"slow down"}',
        refusal("XMR-USD"),
    ],
)
def test_another_error_ends_the_connection(frame: str) -> None:
    with pytest.raises(FeedDownError, match="coinbase: ") as told:
        reading(frame)
    assert told.value.kind == "refused"


def test_a_connection_without_a_product_ends() -> None:
    with pytest.raises(FeedDownError, match="none of the products"):
        reading(refusal("BTC-USD"), products=[BTC])


def test_the_registry_connects_it() -> None:
    [live] = connect_live({"coinbase": "wss://c.test"}, [Coinbase("http://c.test", at_once)])
    assert (live.name, live.address([BTC]), live.last_ids([BTC])) == ("coinbase", "wss://c.test", {})
    assert len(live.reader([BTC], Told("coinbase")).outbox) == 1


# --- recorded reality ---


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded frames are not here")
def test_a_recording_becomes_its_trades_and_every_frame_is_accounted_for() -> None:
    frames = list(recorded_frames(FILE))
    products = ["BAND-GBP", "SKL-BTC", "SKL-USD"]
    told = Told("coinbase")
    reader = CoinbaseReader([Product(native, native, trading=True) for native in products], told)
    for frame in frames:
        reader.read([frame.text], frame.received)
    kinds = Counter(frame.content["type"] for frame in frames)
    assert kinds == json.loads((RECORDINGS / "INDEX.json").read_text())[f"{FILE}.jsonl.gz"]["by_type"]
    # 3 subscriptions, 67 tickers, 3 last matches and 64 matches; no book is kept.
    assert reader.frames == Counter(used=137, ignored=4605)
    wanted: dict[str, list[tuple[int, Decimal, Decimal]]] = {}
    for content in (frame.content for frame in frames if frame.content["type"] == "match"):
        trade = content["trade_id"], Decimal(content["price"]), Decimal(content["size"])
        wanted.setdefault(content["product_id"], []).append(trade)
    found: dict[str, list[tuple[int, Decimal, Decimal]]] = {}
    for symbol, price_scale, size_scale, id_, price, size, _ in told.trades:
        exact = Decimal(price).scaleb(-price_scale), Decimal(size).scaleb(-size_scale)
        found.setdefault(symbol, []).append((id_, *exact))
    assert found == wanted
    sums = {symbol: (len(trades), sum(size for _, _, size in trades)) for symbol, trades in found.items()}
    assert sums == {
        "BAND-GBP": (4, Decimal(36)),
        "SKL-BTC": (8, Decimal(6763)),
        "SKL-USD": (52, Decimal("46731.3")),
    }
    for symbol, trades in found.items():
        newest = max(id_ for name, id_, _ in told.confirmed if name == symbol)
        first = min(id_ for name, id_, _ in told.confirmed if name == symbol)
        assert [trade[0] for trade in trades] == list(range(first + 1, newest + 1)), "all since the last match"
