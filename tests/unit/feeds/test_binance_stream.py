"""Binance's frames, as recorded, become trades and the venue's own word of the newest one; each is accounted for."""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench._memory import Minutes
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.folding import fold
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.ticks import Record, Trades
from cryptopulse.domain.venues import Product
from cryptopulse.errors import FeedDownError
from cryptopulse.feeds import connect_live
from cryptopulse.feeds.binance import Binance
from cryptopulse.feeds.binance_stream import BinanceReader, BinanceStream
from cryptopulse.feeds.live_feed import Unreadable
from tests.unit.feeds.exchange import NOON, Answer, Exchange, at_once
from tests.unit.feeds.streams import RECORDINGS, Frame, Told, of_our_own, recorded_frames

BTC = Product("BTC-USDT", "BTCUSDT", trading=True)
LIFE = Product("币安人生-USDT", "币安人生USDT", trading=True)
FILES = (
    "binance_spot_2021-04-04_ETHUSDT_DOTUSDT",
    "binance_spot_2021-04-05_5pairs_a",
    "binance_spot_2021-04-17_10pairs",
    "binance_spot_2021-10-11_4pairs",
)
TRADES = "/api/v3/aggTrades"


def reading(*frames: str | bytes, products: Sequence[Product] = (BTC,)) -> tuple[BinanceReader, Told]:
    """A reader that has read these frames at 12:00:30."""
    told = Told("binance")
    reader = BinanceReader(products, told)
    for frame in frames:
        reader.read([frame], NOON + 30_000)
    return reader, told


def agg_trade(id_: int = 5, **changes: Any) -> str:
    data = {"e": "aggTrade", "E": NOON, "s": "BTCUSDT", "a": id_, "p": "1.00000000", "q": "2.00000000", "f": 2 * id_}
    data |= {"l": 2 * id_ + 1, "T": NOON, "m": True, "M": True} | changes
    return json.dumps({"stream": "btcusdt@aggTrade", "data": data})


def kline(last: int, time: int = NOON + 2000, end: int = NOON + MINUTE - 1) -> str:
    bar = {"t": NOON, "T": end, "s": "BTCUSDT", "i": "1m", "f": 1, "L": last, "n": 1, "x": time > end}
    return json.dumps({"stream": "btcusdt@kline_1m", "data": {"e": "kline", "E": time, "s": "BTCUSDT", "k": bar}})


def test_frames_become_trades_and_each_is_accounted_for() -> None:
    reader, told = reading(*of_our_own("binance_stream"), products=[BTC, LIFE])
    assert told.trades == [
        ("BTC-USDT", 8, 8, 3204001, 6532414000000, 1250000, NOON + 100),
        ("BTC-USDT", 8, 8, 3204002, 6532415000000, 1200000000, NOON + 249),
        ("币安人生-USDT", 8, 8, 0, 1, 4600000000000000000, NOON + 3000),
    ]
    assert told.confirmed == [("BTC-USDT", 3204002, NOON + 2007)]
    assert (told.quotes, reader.refused, reader.outbox, reader.unreadable) == ([], set(), [], [])
    assert reader.frames == Counter(used=6, ignored=3)
    assert (reader.time, reader.is_live, reader.is_ending) == (NOON + 3000, True, True)


def test_text_and_bytes_are_the_same() -> None:
    assert reading(agg_trade())[1].trades == reading(agg_trade().encode())[1].trades


def test_trades_are_passed_on_as_they_come_again_or_out_of_order() -> None:
    _, told = reading(agg_trade(7), agg_trade(6), agg_trade(7))
    assert [trade[3] for trade in told.trades] == [7, 6, 7]


@pytest.mark.parametrize(
    ("price", "size", "told"),
    [
        ("0.001", "100", (8, 8, 100_000, 10_000_000_000)),
        ("5", "0.5", (8, 8, 500_000_000, 50_000_000)),
        ("0.0000000012", "1.00000000", (10, 8, 12, 100_000_000)),
        ("1e-7", "1E+2", (7, 0, 1, 100)),
        ("1.100000000000000000000", "1.00000000", (1, 8, 11, 100_000_000)),
    ],
)
def test_other_digits_than_the_usual_eight_are_exact_too(price: str, size: str, told: tuple[int, ...]) -> None:
    _, gathering = reading(agg_trade(p=price, q=size))
    assert gathering.trades == [("BTC-USDT", told[0], told[1], 5, told[2], told[3], NOON)]


IMPOSSIBLE = {
    "no price": {"p": "0.00000000"},
    "below nothing": {"p": "-1.00000000"},
    "no size": {"q": "0.00000000"},
    "a size below nothing": {"q": "-1"},
    "more than fits": {"q": "46200000000.00000000"},
    "no digits": {"p": "."},
    "a word": {"p": "priceless"},
    "two points": {"p": "1.2.00000000"},
    "NaN": {"q": "NaN"},
    "too fine": {"p": "1e-19"},
    "too long": {"p": "9" * 5000},
    "a number for a text": {"p": 1.0},
    "an id below nothing": {"a": -1},
    "an id beyond 64 bits": {"a": 2**64},
    "a time in microseconds": {"T": NOON * 1000},
    "more than a minute ahead": {"T": NOON + 90_001},
}


@pytest.mark.parametrize("changes", IMPOSSIBLE.values(), ids=list(IMPOSSIBLE))
def test_a_trade_that_cannot_be_right_is_kept_and_not_passed_on(changes: dict[str, Any]) -> None:
    frame = agg_trade(**changes)
    reader, told = reading(frame)
    assert (told.trades, reader.frames, reader.is_live) == ([], Counter(unreadable=1), False)
    assert [(one.frame, one.received) for one in reader.unreadable] == [(frame.encode(), NOON + 30_000)]
    assert reader.unreadable[0].reason


def test_up_to_a_minute_ahead_our_own_clock_may_be_wrong() -> None:
    _, told = reading(agg_trade(T=NOON + 90_000))
    assert len(told.trades) == 1


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        "no JSON",
        b'{"stream":"\xff"}',
        '{"stream":"btcusdt@aggTrade"}',
        '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}}',
        '{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT","k":{}}}',
        kline(1, time=NOON + 90_001),
        '{"data":' + "[" * 100_000,
    ],
    ids=lambda frame: str(frame)[:60],
)
def test_a_frame_that_nobody_can_read_is_kept(frame: str | bytes) -> None:
    reader, told = reading(frame)
    assert (reader.frames, len(reader.unreadable), told.trades, told.confirmed) == (Counter(unreadable=1), 1, [], [])


def test_of_many_unreadable_frames_some_are_kept_and_all_are_counted() -> None:
    reader, _ = reading(*["{"] * 50)
    assert (reader.frames, len(reader.unreadable)) == (Counter(unreadable=50), 20)
    assert reader.unreadable[0] == Unreadable(b"{", NOON + 30_000, "Input data was truncated")


@pytest.mark.parametrize(
    "frame",
    [
        agg_trade(s="XMRUSDT"),
        kline(1).replace("BTCUSDT", "XMRUSDT"),
        '{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1","q":"1","T":1}}',
        '{"stream":"btcusdt@depth5","data":{"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}}',
        '{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC"}]}',
        '{"stream":"btcusdt@miniTicker","data":{"e":"24hrMiniTicker","E":1693907033000,"s":"BTCUSDT","c":"2"}}',
    ],
    ids=["another symbol", "its kline", "trade", "depth5", "an array", "miniTicker"],
)
def test_what_was_not_asked_for_is_ignored(frame: str) -> None:
    reader, told = reading(frame)
    assert (reader.frames, reader.is_live, reader.time, told.trades) == (Counter(ignored=1), False, 0, [])


@pytest.mark.parametrize(
    "frame", ['{"result":null,"id":1}', '{"result":["btcusdt@aggTrade"],"id":"a"}', '{"result":true,"id":null}']
)
def test_an_acknowledgement_is_no_market_data(frame: str) -> None:
    reader, _ = reading(frame)
    assert (reader.frames, reader.is_live) == (Counter(used=1), False)


@pytest.mark.parametrize(
    "frame",
    [
        '{"code":2,"msg":"Invalid request: unknown variant `SUBSCRIB`"}',
        b'{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"},"id":1}',
    ],
)
def test_a_refused_request_ends_the_connection(frame: str | bytes) -> None:
    with pytest.raises(FeedDownError, match="Invalid") as told:
        reading(frame)
    assert told.value.kind == "refused"


@pytest.mark.parametrize(
    "frame",
    [
        '{"e":"serverShutdown","E":1770123456789}',
        '{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}',
    ],
    ids=["raw", "combined"],
)
def test_a_server_that_shuts_down_says_so(frame: str) -> None:
    reader, _ = reading(frame)
    assert (reader.is_ending, reader.is_live, reader.frames) == (True, False, Counter(used=1))


def test_a_kline_confirms_the_newest_aggregate_when_its_last_trade_is_the_same() -> None:
    _, told = reading(agg_trade(5), kline(11))
    assert told.confirmed == [("BTC-USDT", 5, NOON + 2000)]


def test_the_last_kline_of_a_minute_speaks_for_its_end() -> None:
    reader, told = reading(agg_trade(5), kline(11, time=NOON + MINUTE + 20))
    assert told.confirmed == [("BTC-USDT", 5, NOON + MINUTE - 1)]
    assert reader.time == NOON + MINUTE + 20


def test_a_kline_may_run_ahead_of_the_trades_for_a_moment() -> None:
    _, told = reading(agg_trade(5), kline(12), agg_trade(6), kline(13, NOON + 4000))
    assert told.confirmed == [("BTC-USDT", 6, NOON + 4000)]


def test_klines_that_go_on_running_ahead_of_other_trades_tell_of_nothing_missing() -> None:
    _, told = reading(agg_trade(5), kline(13), agg_trade(6), kline(15, NOON + 4000), agg_trade(7))
    assert told.confirmed == []


def test_a_trade_that_two_klines_know_and_we_do_not_is_missing() -> None:
    _, told = reading(agg_trade(5), kline(12), kline(12, NOON + 4000))
    assert told.confirmed == [("BTC-USDT", 6, NOON + 4000)]


@pytest.mark.parametrize("last", [10, 3, -1], ids=["amidst an aggregate", "before it", "a minute without trades"])
def test_a_kline_that_knows_less_says_nothing(last: int) -> None:
    reader, told = reading(agg_trade(5), kline(last), kline(last))
    assert (told.confirmed, reader.frames) == ([], Counter(used=3))


@pytest.mark.parametrize("last", [9, -1])
def test_before_the_first_trade_a_kline_says_nothing_of_ids(last: int) -> None:
    reader, told = reading(kline(last), kline(last))
    assert (told.confirmed, reader.time, reader.is_live) == ([], NOON + 2000, True)


def test_late_trades_do_not_take_back_what_is_newest() -> None:
    _, told = reading(agg_trade(6), agg_trade(5), kline(13))
    assert told.confirmed == [("BTC-USDT", 6, NOON + 2000)]


def records(*read: Sequence[str]) -> tuple[list[tuple[int, Decimal, Decimal, int]], object]:
    """The trades of a symbol as its records tell them, taken after frames read together; and what was read."""
    told = Told("binance")
    reader = BinanceReader([BTC], told)
    taken: list[Record] = []
    for frames in read:
        reader.read(frames, NOON + 30_000)
        told.advance(reader.time)
        taken += told.take()
    trades = [
        (id_, Decimal(price).scaleb(-message.price_scale), Decimal(size).scaleb(-message.size_scale), time)
        for record in taken
        for message in record.messages
        if isinstance(message, Trades)
        for id_, price, size, time in message.trades
    ]
    return sorted(trades), (reader.frames, reader.time, reader.unreadable, told.confirmed, told.count)


NUMBERS = st.sampled_from(
    ["1.00000000", "75205.32000000", "0.00001000", "0.5", "1e-7", "0.0000000012", "-1.00000000", "4600000000.00000000"]
)
FRAMES = st.one_of(
    st.builds(
        lambda id_, p, q, time: agg_trade(id_, p=p, q=q, T=NOON + time),
        st.integers(1, 5),
        NUMBERS,
        NUMBERS,
        st.integers(0, 99_000),
    ),
    st.builds(kline, st.integers(-1, 12), st.integers(NOON, NOON + 99_000)),
    st.just("{"),
)


@given(st.lists(st.lists(FRAMES, max_size=20), max_size=5))
def test_the_same_frames_are_the_same_records_however_they_come_together(read: list[list[str]]) -> None:
    frames = [frame for some in read for frame in some]
    assert records(*read) == records(*([frame] for frame in frames)) == records(frames)


# --- the connection ---


def stream(*answers: Answer) -> tuple[BinanceStream, Exchange]:
    exchange = Exchange({TRADES: answers})
    return BinanceStream(
        "wss://binance.test", Binance("http://binance.test", at_once, transport=exchange.transport)
    ), exchange


def test_the_streams_stand_in_the_url() -> None:
    live, _ = stream()
    names = "btcusdt@aggTrade/btcusdt@kline_1m/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@aggTrade"
    address = live.address([BTC, LIFE])
    names += "/%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@kline_1m/btcusdt@avgPrice"
    assert address == f"wss://binance.test/stream?streams={names}"
    assert live.reader([BTC], Told("binance")).outbox == []


def test_too_many_for_the_url_are_subscribed_to_in_few_frames() -> None:
    live, _ = stream()
    products = [Product(f"A{number}-USDT", f"A{number}USDT", trading=True) for number in range(250)]
    assert live.address(products) == "wss://binance.test/stream"
    frames = [json.loads(frame) for frame in live.reader(products, Told("binance")).outbox]
    assert [(frame["method"], frame["id"], len(frame["params"])) for frame in frames] == [
        ("SUBSCRIBE", 1, 200),
        ("SUBSCRIBE", 2, 200),
        ("SUBSCRIBE", 3, 101),
    ]
    assert frames[2]["params"][-2:] == ["a249usdt@kline_1m", "a0usdt@avgPrice"]
    assert live.most * 2 <= 1024


def test_the_newest_ids_are_asked_for_and_an_unknown_symbol_has_none() -> None:
    row = {"a": 26129, "p": "0.01633102", "q": "4.70443515", "f": 27781, "l": 27781, "T": NOON, "m": True, "M": True}
    unknown = httpx.Response(400, content=b'{"code":-1121,"msg":"Invalid symbol."}')
    live, exchange = stream(httpx.Response(200, json=[row]), unknown)
    assert live.last_ids([BTC, LIFE]) == {"BTC-USDT": 26129}
    assert dict(exchange.requests[0].url.params) == {"symbol": "BTCUSDT", "limit": "1"}


def test_the_registry_connects_each_venue_with_its_own_rest() -> None:
    feed = Binance("http://binance.test", at_once)
    assert [(live.name, live.url) for live in connect_live({"binance": "wss://b.test"}, [feed])] == [
        ("binance", "wss://b.test")
    ]


# --- recorded reality ---


def recording(name: str) -> tuple[BinanceReader, Told, list[Frame]]:
    frames = list(recorded_frames(name))
    natives = sorted({frame.content["data"]["s"] for frame in frames})
    told = Told("binance")
    reader = BinanceReader([Product(f"{native[:3]}-{native[3:]}", native, trading=True) for native in natives], told)
    for frame in frames:
        reader.read([frame.text], frame.received)
    return reader, told, frames


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded frames are not here")
@pytest.mark.parametrize("name", FILES)
def test_a_recording_becomes_its_trades_and_every_frame_is_accounted_for(name: str) -> None:
    reader, told, frames = recording(name)
    kinds = Counter(frame.content["data"].get("e") for frame in frames)
    used = kinds["aggTrade"] + kinds["kline"]
    assert reader.frames == Counter(used=used, ignored=len(frames) - used)
    listed = json.loads((RECORDINGS / "INDEX.json").read_text())[f"{name}.jsonl.gz"]["by_type"]
    assert len(told.trades) == listed["aggTrade"] == kinds["aggTrade"]
    # Read by other means: each symbol's trades, what they sum up to, and that none is missing between them.
    assert told.count == len(told.trades)
    wanted: dict[str, list[tuple[int, Decimal, Decimal, int]]] = {}
    for data in (frame.content["data"] for frame in frames if frame.content["data"].get("e") == "aggTrade"):
        symbol = f"{data['s'][:3]}-{data['s'][3:]}"
        wanted.setdefault(symbol, []).append((data["a"], Decimal(data["p"]), Decimal(data["q"]), data["T"]))
    found: dict[str, list[tuple[int, Decimal, Decimal, int]]] = {}
    for symbol, price_scale, size_scale, id_, price, size, time in told.trades:
        exact = Decimal(price).scaleb(-price_scale), Decimal(size).scaleb(-size_scale)
        found.setdefault(symbol, []).append((id_, *exact, time))
    assert found == wanted
    for trades in found.values():
        assert [trade[0] for trade in trades] == list(range(trades[0][0], trades[0][0] + len(trades)))
    # Taken as records for the stream they are the same: as many, of the same sums.
    taken: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    while told.count:
        for message in (message for record in told.take() for message in record.messages):
            assert isinstance(message, Trades)
            taken[message.symbol] += len(message.trades)
            unit = 10 ** (16 - message.price_scale - message.size_scale)
            sums[message.symbol] += sum(price * size * unit for _, price, size, _ in message.trades)
    assert taken == {symbol: len(trades) for symbol, trades in wanted.items()}
    assert sums == {s: sum(price * size * 10**16 for _, price, size, _ in trades) for s, trades in wanted.items()}


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded frames are not here")
@pytest.mark.parametrize("name", FILES)
def test_in_a_recording_nothing_is_missing_and_time_is_never_far_ahead_of_a_trade(name: str) -> None:
    reader, told, frames = recording(name)
    ids = {(symbol, id_) for symbol, _, _, id_, *_ in told.trades}
    assert ids.issuperset((symbol, id_) for symbol, id_, _ in told.confirmed)
    newest = 0
    for data in (frame.content["data"] for frame in frames if frame.content["data"].get("e") in ("aggTrade", "kline")):
        assert data["e"] == "kline" or data["T"] > newest - 1000, "a closed minute would get a late trade"
        newest = max(newest, data["T"] if data["e"] == "aggTrade" else data["E"])
    assert reader.time == newest


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recorded frames are not here")
def test_candles_of_the_recorded_trades_are_the_exchanges_own() -> None:
    start = 1_617_566_640_000
    _, told, frames = recording(FILES[0])
    singles = {
        (data["s"], data["a"]): (data["f"], data["l"])
        for data in (frame.content["data"] for frame in frames)
        if data.get("e") == "aggTrade"
    }
    klines = [
        frame.content["data"]["k"]
        for frame in frames
        if frame.content["data"].get("e") == "kline" and frame.content["data"]["k"]["t"] == start
    ]
    equal, amidst = 0, 0
    for bar in klines:
        symbol = f"{bar['s'][:3]}-{bar['s'][3:]}"
        mine = [trade for trade in told.trades if trade[0] == symbol and start <= trade[6] < start + MINUTE]
        known = [trade[3:] for trade in mine if singles[bar["s"], trade[3]][1] <= bar["L"]]
        lane = Lane(0)
        fold(lane, Minutes(), [Record("binance", 0, [Trades(symbol, 8, 8, known)])])
        row = lane.series[f"binance:{symbol}"].open[start]
        row.rescale(8, 8)
        shape = tuple(Decimal(value).scaleb(-8) for value in (row.open, row.high, row.low, row.close, row.volume))
        if any(first <= bar["L"] < last for (native, _), (first, last) in singles.items() if native == bar["s"]):
            amidst += 1  # a kline counts single trades, of which an aggregate bundles some
        else:
            assert shape == tuple(Decimal(bar[name]) for name in "ohlcv")
            equal += 1
    assert (equal, amidst) == (31, 2)


def test_an_average_price_is_a_heartbeat() -> None:
    gathering = Gathering("binance", 1)
    reader = BinanceReader([Product("BTC-USDT", "BTCUSDT", trading=True)], gathering)
    told = {"e": "avgPrice", "E": NOON, "s": "BTCUSDT", "i": "5m", "w": "25776.86000000", "T": NOON - 9_000}
    reader.read([json.dumps({"stream": "btcusdt@avgPrice", "data": told})], NOON + 5)
    assert (reader.time, gathering.count, reader.frames["used"]) == (NOON, 0, 1)
    late = json.dumps({"stream": "btcusdt@avgPrice", "data": told | {"E": NOON + 2 * 60_000}})
    reader.read([late], NOON + 6)
    assert (reader.time, reader.frames["unreadable"]) == (NOON, 1)
