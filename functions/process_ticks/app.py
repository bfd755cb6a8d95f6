"""Folds what arrives on the stream into the lanes' live state and their candles."""

from base64 import b64decode
from itertools import chain
from typing import Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.market import LazyMinutes
from cryptopulse.domain.folding import expected_minutes, fold
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.ticks import Quote, Record, Trades, decode
from cryptopulse.errors import ConditionError, ThrottledError, UnreadableError
from cryptopulse.telemetry import entrypoint, logger, metrics, noted, place

TRIES = 3

_lanes: dict[int, Lane] = {}
"""The lanes as this process wrote them last."""


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    batches, unreadable, newest = _read(event["Records"])
    where = place(event["Records"], wiring.now())
    versions = {lane: _advance(lane, records) for lane, records in batches.items()}
    try:
        wiring.doorbells().ring(versions)
    except ThrottledError:
        logger.exception("not rung")  # the next doorbell says all that this one would have said
    if unreadable:
        metrics.add_metric("UnreadableRecords", MetricUnit.Count, unreadable)
    metrics.add_metric("TicksFolded", MetricUnit.Count, sum(map(_ticks, chain.from_iterable(batches.values()))))
    lag = {}
    if newest.time:
        lag = {"arrived": newest.arrived - newest.time, "folded": wiring.now() - newest.time}
        metrics.add_metric("TickArrivalLag", MetricUnit.Milliseconds, lag["arrived"])
        metrics.add_metric("TickFoldLag", MetricUnit.Milliseconds, lag["folded"])
    told: dict[str, Any] = {"unreadable": unreadable, "versions": versions, "newest": newest.time, "lag": lag}
    logger.info("folded", **where, **told, **noted())


class Newest(NamedTuple):
    """The newest trade of a batch: when it was made, and when its record arrived, Unix ms; 0 where there is none."""

    time: int
    arrived: int


def _read(raw: list[dict[str, Any]]) -> tuple[dict[int, list[Record]], int, Newest]:
    """The records by lane, how many could not be read and are in quarantine now, and the newest trade."""
    batches: dict[int, list[Record]] = {}
    unreadable = 0
    newest = Newest(0, 0)
    for each in raw:
        kinesis = each["kinesis"]
        data = b64decode(kinesis["data"])
        arrived = int(kinesis["approximateArrivalTimestamp"] * 1000)
        try:
            record = decode(data, arrived)
            if not 0 <= record.lane < wiring.settings().LANES:
                raise UnreadableError(f"there is no lane {record.lane}")
        except UnreadableError as error:
            wiring.market().quarantine(data, kinesis["sequenceNumber"], kinesis["partitionKey"], arrived, str(error))
            logger.error("unreadable record", sequence=kinesis["sequenceNumber"], reason=str(error))
            unreadable += 1
        else:
            batches.setdefault(record.lane, []).append(record)
            trades = [each.trades for each in record.messages if isinstance(each, Trades) and each.trades]
            newest = max([newest, *(Newest(each[-1][3], arrived) for each in trades)])
    return batches, unreadable, newest


def _ticks(record: Record) -> int:
    """How many prices a record tells, candles apart."""
    trades = sum(len(each.trades) for each in record.messages if isinstance(each, Trades))
    return trades + sum(isinstance(each, Quote) for each in record.messages)


def _advance(number: int, records: list[Record]) -> int:
    """Folds a lane's records and writes what changed; returns the lane's version."""
    market = wiring.market()
    for attempt in range(1, TRIES + 1):
        lane = _lanes.pop(number, None) or market.lane(number)
        previous = lane.version
        minutes = LazyMinutes(market, number)
        minutes.load(expected_minutes(records))
        folded = fold(lane, minutes, records)
        market.keep_history(folded, lane.now)
        try:
            if folded.changed:
                market.write(lane, previous, [minutes[minute] for minute in folded.minutes])
            if market.pack(lane):
                lane.version += 1
                market.write(lane, lane.version - 1)
        except ConditionError:
            if attempt == TRIES:
                raise
            continue
        _lanes[number] = lane
        return lane.version
    raise AssertionError("unreachable")
