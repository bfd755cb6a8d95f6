"""A tick can be followed by the log: from its record to the frame that tells it, and from the frame back."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import telemetry, wiring
from cryptopulse.domain.lanes import Lane, SeriesState
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import Connection, Entry, Subscribe
from cryptopulse.domain.ticks import Record, Trades, encode
from functions.fan_out import app as fan_out
from functions.ingest_prices import app as ingest_prices
from functions.process_ticks import app as process_ticks
from tests.functional.callbacks import Callbacks, hang_up, served
from tests.functional.conftest import Exchanges

NOON = 1_795_348_800_000
BTC = Series("coinbase", "BTC-USD")
LANE = lane_of(BTC, 2)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """The lines logged since they were last asked for."""
    written = io.StringIO()
    for handler in telemetry.logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        monkeypatch.setattr(handler, "stream", written)

    def lines() -> list[dict[str, Any]]:
        told = [json.loads(line) for line in written.getvalue().splitlines()]
        written.truncate(written.seek(0))
        return told

    return lines


@pytest.fixture
def callbacks(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callbacks]:
    monkeypatch.setattr(wiring, "now", lambda: NOON)
    process_ticks._lanes.clear()
    fan_out._memory.clear()
    with served() as callbacks:
        monkeypatch.setenv("MANAGEMENT_URL", callbacks.url)
        wiring.clear()
        yield callbacks
        hang_up(wiring.sockets())
    process_ticks._lanes.clear()
    fan_out._memory.clear()


def subscribed(id_: str) -> int:
    """Has a client watch the series; returns its shard."""
    connections = wiring.connections()
    connection = Connection(id_, "192.0.2.44", NOON, NOON)
    connections.open(connection)
    action = Subscribe(action="subscribe", channel="ticks", symbols=["BTC-USD"])
    entry = Entry(str(BTC), LANE, "", 0, 0)
    connections.change(connection, lambda it: it.subscribe(action, {"BTC-USD": entry}), NOON)
    return connections.shard_of(id_)


def on_the_stream(aws: boto3.Session) -> dict[str, dict[str, Any]]:
    """The records by their sequence numbers."""
    kinesis = aws.client("kinesis")
    (shard,) = kinesis.list_shards(StreamName="Stream")["Shards"]
    start = kinesis.get_shard_iterator(StreamName="Stream", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return {record["SequenceNumber"]: dict(record) for record in records}


def test_a_tick_is_followed_from_its_record_to_its_frame(
    aws: boto3.Session,
    callbacks: Callbacks,
    lines: Callable[[], list[dict[str, Any]]],
    kinesis_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
) -> None:
    shard = subscribed("a")
    tick = Record("coinbase", LANE, [Trades("BTC-USD", 2, 0, [(7, 6_500_000, 1, NOON - 80)])])
    event = kinesis_event((f"lane#{LANE}", encode(tick)))
    event["Records"][0]["kinesis"]["approximateArrivalTimestamp"] = (NOON - 50) / 1000
    process_ticks.handler(event, context)
    (folded,) = lines()
    sequence = event["Records"][0]["kinesis"]["sequenceNumber"]
    assert (folded["message"], folded["records"], folded["sequences"]) == ("folded", 1, [sequence, sequence])
    assert (folded["versions"], folded["newest"], folded["age"]) == ({str(LANE): 1}, NOON - 80, 50)
    assert folded["TicksFolded"] == [1.0]

    ((name, bell),) = folded["rung"].items()
    record = on_the_stream(aws)[bell]
    assert (int(name), record["PartitionKey"]) == (shard, f"fan#{shard}")
    event = kinesis_event((record["PartitionKey"], record["Data"]))
    event["Records"][0]["kinesis"] |= {"sequenceNumber": bell, "approximateArrivalTimestamp": NOON / 1000}
    fan_out.handler(event, context)
    (told,) = lines()
    assert (told["message"], told["sequences"], told["frames"]) == ("fanned out", [bell, bell], 1)
    assert told["shards"] == {name: folded["versions"]}
    assert told["FramesSent"] == [1.0]
    assert "FramesGone" not in told
    ((frame,),) = [callbacks.frames("a")]
    assert (frame["ticks"][0]["price"], frame["ticks"][0]["time"]) == (65000.0, "2026-11-22T11:59:59.920Z")


def test_what_becomes_of_frames_is_counted(
    callbacks: Callbacks,
    lines: Callable[[], list[dict[str, Any]]],
    kinesis_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "_cold", iter([False, False]))
    shards = {id_: subscribed(id_) for id_ in ("a", "b", "c")}
    callbacks.answers |= {"b": [410], "c": [429] * 9}
    tick = Record("coinbase", LANE, [Trades("BTC-USD", 2, 0, [(7, 6_500_000, 1, NOON - 80)])])
    process_ticks.handler(kinesis_event((f"lane#{LANE}", encode(tick))), context)
    bells = [(f"fan#{shard}", b'{"%d":1}' % LANE) for shard in sorted(set(shards.values()))]
    monkeypatch.setattr(fan_out, "LONGEST_WAIT", {"aws": -1})
    fan_out.handler(kinesis_event(*bells), context)
    told = lines()[-1]
    assert {name: told.get(name) for name in ("FramesSent", "FramesGone", "FramesThrottled")} == {
        "FramesSent": [1.0],
        "FramesGone": [1.0],
        "FramesThrottled": [1.0],
    }


@pytest.mark.parametrize(("mode", "streamed"), [("poll", None), ("stream", [0.0])])
def test_each_minute_tells_how_old_prices_are_and_what_is_missing(
    mode: str,
    streamed: list[float] | None,
    exchanges: Exchanges,
    lines: Callable[[], list[dict[str, Any]]],
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PRICE_MODE", mode)
    wiring.clear()
    now, market = wiring.now(), wiring.market()
    monkeypatch.setattr(wiring, "now", lambda: now)
    market.save_series([BTC])
    state = SeriesState(price=1, time=now - 90_000, repairs=[(now - 120_000, now - 60_000)])
    market.write(Lane(LANE, 1, {"coinbase": now}, series={str(BTC): state}), 0)
    ingest_prices.handler({}, context)
    *_, told = lines()
    assert (told["FeedAge"], sorted(told["GapsOpen"]), told.get("VenuesStreamed")) == ([90.0], [0.0, 1.0], streamed)
    venues = {line["venue"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {venue: (line.get("FeedAge"), line["GapsOpen"]) for venue, line in venues.items()} == {
        "coinbase": ([90.0], [1.0]),
        "binance": (None, [0.0]),
    }
