"""Folds what arrives on the stream into the lanes' live state and their candles."""

from base64 import b64decode
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.market import LazyMinutes
from cryptopulse.domain.folding import expected_minutes, fold
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.ticks import Record, decode
from cryptopulse.errors import ConditionError, ThrottledError, UnreadableError
from cryptopulse.telemetry import entrypoint, logger, metrics

TRIES = 3

_lanes: dict[int, Lane] = {}
"""The lanes as this process wrote them last."""


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    batches, unreadable = _read(event["Records"])
    versions = {lane: _advance(lane, records) for lane, records in batches.items()}
    try:
        wiring.doorbells().ring(versions)
    except ThrottledError:
        logger.exception("not rung")  # the next doorbell says all that this one would have said
    metrics.add_metric("UnreadableRecords", MetricUnit.Count, unreadable)
    logger.info("folded", records=len(event["Records"]), unreadable=unreadable, versions=versions)


def _read(raw: list[dict[str, Any]]) -> tuple[dict[int, list[Record]], int]:
    """The records by lane, and how many could not be read and are in quarantine now."""
    batches: dict[int, list[Record]] = {}
    unreadable = 0
    for each in raw:
        kinesis = each["kinesis"]
        data = b64decode(kinesis["data"])
        try:
            record = decode(data)
            if not 0 <= record.lane < wiring.settings().LANES:
                raise UnreadableError(f"there is no lane {record.lane}")
        except UnreadableError as error:
            arrived = int(kinesis["approximateArrivalTimestamp"] * 1000)
            wiring.market().quarantine(data, kinesis["sequenceNumber"], kinesis["partitionKey"], arrived, str(error))
            logger.error("unreadable record", sequence=kinesis["sequenceNumber"], reason=str(error))
            unreadable += 1
        else:
            batches.setdefault(record.lane, []).append(record)
    return batches, unreadable


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
