"""Looks for prices on the stream that meet what alerts wait for, and has these fire."""

from base64 import b64decode
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.alerts import notice
from cryptopulse.domain.alerts import Fired
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.rules import Near, Rule
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.sightings import Seen, observe
from cryptopulse.domain.ticks import Record, decode
from cryptopulse.errors import ServiceError, UnreadableError
from cryptopulse.telemetry import entrypoint, logger, metrics, noted, place

OUTBOX_EVERY = MINUTE
"""Milliseconds between looks for what was left behind."""


class Memory:
    """What a process keeps from batch to batch; a new one begins without."""

    def __init__(self) -> None:
        self.near: dict[Series, Near] = {}
        """The rules around the prices of each series, as they were read last."""
        self.newest: dict[Series, int] = {}
        """When (Unix ms) the newest price of each series was made that has been seen."""
        self.looked_at = 0
        """When (Unix ms) what was left behind was looked for last."""


_memory = Memory()


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    now = wiring.now()
    batch, unreadable = _read(event["Records"])
    where = place(event["Records"], now)
    found = {series: seen for series, seen in observe(batch, _memory.newest).items() if seen.is_news}
    heads = wiring.alerts().heads({lane_of(series, wiring.settings().LANES) for series in found}) if found else {}
    fired: list[Fired] = []
    try:
        for series in found:
            if series in heads:
                _evaluate(series, found[series], heads[series], now, fired)
    finally:
        left = _tell(fired, now)
    if fired:
        metrics.add_metric("AlertsFired", MetricUnit.Count, len(fired))
    told: dict[str, Any] = {
        "series": len(found),
        "unreadable": unreadable,
        "fired": [each.id for each in fired],
        "left": left,
    }
    logger.info("evaluated", **where, **told, **noted())


def _read(raw: list[dict[str, Any]]) -> tuple[list[tuple[Record, int]], int]:
    """The records with their times of arrival (Unix ms), and how many could not be read: process_ticks keeps these."""
    batch: list[tuple[Record, int]] = []
    unreadable = 0
    for each in raw:
        kinesis = each["kinesis"]
        arrived = int(kinesis["approximateArrivalTimestamp"] * 1000)
        try:
            record = decode(b64decode(kinesis["data"]), arrived)
        except UnreadableError:
            unreadable += 1
        else:
            batch.append((record, arrived))
    return batch, unreadable


def _evaluate(series: Series, seen: Seen, version: int, now: int, fired: list[Fired]) -> None:
    """Has all alerts of a series take the prices seen, and adds what they tell to `fired`."""
    near = _memory.near.get(series)
    if near is None or not near.tells_of(seen, version, now):
        near = _memory.near[series] = Near(wiring.alerts().rules(series, seen), seen, version, now)
    for rule in near.crossed(seen):
        _follow(rule, seen, now, fired)


def _follow(rule: Rule, seen: Seen, now: int, fired: list[Fired]) -> None:
    """Has an alert take the prices seen, again with the rule that follows as long as one is met."""
    levels, current = wiring.levels(), rule
    while (reached := current.met(seen, levels.base(current, seen, now))) is not None:
        _memory.near.pop(current.series, None)
        taken = wiring.alerts().reach(current, reached, wiring.now())
        if taken is None:
            return
        alert, told = taken
        if told is not None:
            fired.append(told)
        if alert.rule is None:
            return
        current = alert.rule


def _tell(fired: list[Fired], now: int) -> int:
    """Tells of what has fired, and now and then of what was left behind; returns how much that was."""
    try:
        if fired:
            wiring.notices().send([notice(each) for each in fired], now)
        if now - _memory.looked_at >= OUTBOX_EVERY:
            left = wiring.notices().send_left(now)
            _memory.looked_at = now
            return left
    except ServiceError:
        logger.exception("not told")  # it is in the outbox
    return 0
