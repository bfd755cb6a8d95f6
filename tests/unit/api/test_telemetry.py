"""What every handler writes down."""

import io
import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import telemetry
from cryptopulse.api.app import Answer, Api, public
from cryptopulse.telemetry import entrypoint, logger, metrics, noted, outcome, place, rung


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is written of a process that has just begun."""
    written = io.StringIO()
    for handler in logger.handlers:
        assert isinstance(handler, logging.StreamHandler)
        monkeypatch.setattr(handler, "stream", written)
    monkeypatch.setattr(telemetry, "_cold", itertools.chain([True], itertools.repeat(False)))
    return written


def test_a_request_is_one_line_with_its_cache_and_its_metrics(
    lines: io.StringIO,
    http_event: Callable[..., Any],
    context: LambdaContext,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api, ways = Api(), iter(("miss", "hit", None))

    @api.get("/things")
    @public
    def read() -> Answer[int]:
        outcome.set(way := next(ways))
        if way == "miss":
            metrics.add_metric("CacheMisses", MetricUnit.Count, 1)
        return Answer(1)

    handler = entrypoint(api.resolve)
    answers = [handler(http_event("GET", "/things"), context) for _ in range(3)]
    statuses = [answer["headers"].get("Cache-Status") for answer in answers]
    assert statuses == ["CryptoPulse; fwd=miss", "CryptoPulse; hit", None]
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["cold_start"], line.get("cache")) for line in told] == [(True, "miss"), (False, "hit"), (False, None)]
    first, *others = told
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": name, "Unit": "Count"} for name in ("ColdStarts", "CacheMisses")]
    assert (directive["Namespace"], first["CacheMisses"], first["ColdStarts"]) == ("CryptoPulse", [1.0], [1.0])
    assert not any("_aws" in line for line in others)
    usual = {"level", "location", "message", "timestamp", "service", "request_id", "cold_start"}
    own = {"http_request_id", "method", "route", "status", "ms", "bytes"}
    assert {*others[1]} == usual | own
    assert capsys.readouterr().out == ""


def test_metrics_of_other_events_are_a_line_at_the_end(
    lines: io.StringIO, context: LambdaContext, capsys: pytest.CaptureFixture[str]
) -> None:
    @entrypoint
    def handler(event: dict[str, Any], context: LambdaContext) -> None:
        metrics.add_metric("Things", MetricUnit.Count, 2)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        handler({}, context)
    assert json.loads(lines.getvalue())["message"] == "failed"
    assert json.loads(capsys.readouterr().out)["Things"] == [2.0]


def test_doorbells_are_told_once_and_never_by_the_next_invocation(lines: io.StringIO, context: LambdaContext) -> None:
    @entrypoint
    def handler(event: dict[str, Any], context: LambdaContext) -> None:
        if event["rings"]:
            rung.set({0: "495"})
        if event["tells"]:
            logger.info("told", **noted())

    for rings, tells in ((True, True), (True, False), (False, True)):
        handler({"rings": rings, "tells": tells}, context)
    assert [json.loads(line).get("rung") for line in lines.getvalue().splitlines()] == [{"0": "495"}, None]


def test_a_batch_is_known_by_its_ends() -> None:
    batch = [{"kinesis": {"sequenceNumber": str(n), "approximateArrivalTimestamp": n / 8}} for n in (1, 2, 3)]
    assert place(batch, 500) == {"records": 3, "sequences": ["1", "3"], "age": 125}
