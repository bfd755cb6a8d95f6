"""How a running local cloud does, in figures: from /health, its queues and tables, and its functions' log lines."""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property
from typing import Any, Final, Literal

import boto3
import httpx
from botocore.exceptions import BotoCoreError, ClientError
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from local.cloud import STACK, access
from local.endpoints import Endpoints
from local.processes import ProblemError

PATIENCE_S = 5
LATE_S = 10
"""So long after it was written a line may come into the log."""
QUEUES = ("Failures", "ImportQueue", "WebhookQueue", "DoorbellQueue")
PROBES = {"simulator": "/admin/health", "web": "/"}
"""What answers where, of the parts that a run may have beside the API."""
REPORT = re.compile(r"REPORT RequestId: \S+\tDuration: ([\d.]+) ms")

type Kind = Literal["gauge", "counter", "summary"]
type Labels = tuple[tuple[str, str], ...]
type Samples = dict[tuple[str, Labels], float]
"""Values by name and labels."""

METRICS: Final[Mapping[str, tuple[Kind, str]]] = {
    "up": ("gauge", "1: the part answers; the API only if /health does not say that the system is down"),
    "info": ("gauge", "1; the labels say which deployment answers, and whose prices it has"),
    "feed_age_seconds": ("gauge", "Age of a venue's newest price"),
    "feed_streamed": ("gauge", "1: a venue's prices come by its live stream now"),
    "gaps_open": ("gauge", "Series of a venue with trades or candles missing"),
    "gaps_repaired_total": ("counter", "Gaps in a venue's trades that were repaired"),
    "stream_reconnects": ("gauge", "Connections of a venue's stream lost in the last 60 minutes"),
    "news_age_seconds": ("gauge", "Age of the newest answer of a source of news"),
    "queue_messages": ("gauge", "Messages that wait in a queue; in Failures, what was given up"),
    "connections": ("gauge", "WebSocket connections"),
    "ticks_folded_total": ("counter", "Trades and polled prices that the fold has seen"),
    "fold_lag_seconds": ("gauge", "From the newest trade of the last batch until it was folded"),
    "iterator_age_seconds": ("gauge", "How long the last batch of a consumer had been in the stream"),
    "frames_total": ("counter", "Frames to WebSocket clients, by what became of them"),
    "cache_requests_total": ("counter", "Answers from the cache, and those that had to be made"),
    "cold_starts_total": ("counter", "Processes begun"),
    "requests": ("summary", "HTTP requests by route and status, and how long they took in the function (seconds)"),
    "invocations": ("summary", "Invocations by function, and how long they took (seconds); not of Websocket"),
    "errors_total": ("counter", "Lines of a function's log that tell of an error; not of Websocket"),
}
"""What is exported, each as `cryptopulse_…`; locally the WebSocket function leaves no log."""
COUNTED: Final[Mapping[str, tuple[str, Labels]]] = {
    "TicksFolded": ("ticks_folded_total", ()),
    "FramesSent": ("frames_total", (("outcome", "sent"),)),
    "FramesGone": ("frames_total", (("outcome", "gone"),)),
    "FramesThrottled": ("frames_total", (("outcome", "throttled"),)),
    "CacheHits": ("cache_requests_total", (("outcome", "hit"),)),
    "CacheMisses": ("cache_requests_total", (("outcome", "miss"),)),
    "ColdStarts": ("cold_starts_total", ()),
}
"""The embedded metrics that are counted here."""


class Watch:
    """Looks at a running system; what it counts are the lines written since it began.

    Args:
        there: Where the system is.
        since: Unix seconds from which on lines count.
    """

    def __init__(self, there: Endpoints, since: float) -> None:
        self._there = there
        self._since = since
        self._seen: set[tuple[str, int, str]] = set()
        self._told: Samples = dict.fromkeys(COUNTED.values(), 0.0)
        self._access = access(there.http.partition("/_aws/")[0], PATIENCE_S)

    def look(self) -> Samples:
        """The figures as they are now.

        Raises:
            ProblemError: The emulator does not answer.
        """
        try:
            self._read_logs()
            return self._health() | self._parts() | self._queues() | self._connections() | self._told
        except (BotoCoreError, ClientError) as error:
            raise ProblemError(f"the local cloud does not answer: {error}") from error

    def _health(self) -> Samples:
        """What /health says; a system that does not answer is not up."""
        try:
            answer = httpx.get(self._there.health, timeout=PATIENCE_S, trust_env=False)
            told: dict[str, Any] = answer.json()
        except (httpx.TransportError, ValueError):
            return {("up", (("part", "api"),)): 0.0}
        found: Samples = {("up", (("part", "api"),)): float(answer.is_success)}
        if "checks" not in told:
            return found
        info = tuple((name, str(told[name])) for name in ("version", "feeds", "mode", "status"))
        found["info", info] = 1.0
        for venue, each in told["checks"].get("prices", {}).items():
            of: Labels = (("venue", venue),)
            found["feed_streamed", of] = float(each["mode"] == "stream")
            found["gaps_open", of] = each["gaps"]
            found["gaps_repaired_total", of] = each["gaps_repaired"]
            found["stream_reconnects", of] = each["reconnects"]
            if each["age_seconds"] is not None:
                found["feed_age_seconds", of] = each["age_seconds"]
        for source, each in told["checks"].get("news", {}).items():
            if each["age_seconds"] is not None:
                found["news_age_seconds", (("source", source),)] = each["age_seconds"]
        return found

    def _parts(self) -> Samples:
        found: Samples = {("up", (("part", "websocket"),)): 0.0}
        with suppress(OSError, WebSocketException), connect(self._there.websocket, open_timeout=PATIENCE_S, proxy=None):
            found["up", (("part", "websocket"),)] = 1.0
        urls = {name: url for name, url in asdict(self._there).items() if name in PROBES and url}
        for name, url in urls.items():
            key = "up", (("part", name),)
            found[key] = 0.0
            with suppress(httpx.TransportError):
                answer = httpx.get(url + PROBES[name], timeout=PATIENCE_S, trust_env=False)
                found[key] = float(answer.is_success)
        return found

    @cached_property
    def _ids(self) -> dict[str, str]:
        """The physical ids of the stack's resources."""
        cloudformation = boto3.client("cloudformation", **self._access)
        resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}

    def _queues(self) -> Samples:
        sqs = boto3.client("sqs", **self._access)
        found: Samples = {}
        for name in QUEUES:
            answer = sqs.get_queue_attributes(QueueUrl=self._ids[name], AttributeNames=["All"])["Attributes"]
            waiting = [value for key, value in answer.items() if key.startswith("ApproximateNumberOfMessages")]
            found["queue_messages", (("queue", name),)] = sum(map(float, waiting))
        return found

    def _connections(self) -> Samples:
        stack = boto3.client("cloudformation", **self._access).describe_stacks(StackName=STACK)["Stacks"][0]
        parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
        tables, count = boto3.client("dynamodb", **self._access), 0
        for shard in range(int(parameters["ConnectionShards"])):
            count += tables.query(
                TableName=self._ids["Connections"],
                KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
                FilterExpression="expires_at > :now",
                ExpressionAttributeValues={
                    ":pk": {"S": f"SHARD#{shard}"},
                    ":sk": {"S": "CONN#"},
                    ":now": {"N": str(int(time.time()))},
                },
                Select="COUNT",
            )["Count"]
        return {("connections", ()): count}

    def _read_logs(self) -> None:
        """Counts the lines that were not there when it looked last."""
        logs = boto3.client("logs", **self._access)
        now, seen = time.time(), set()
        for name, group in self._ids.items():
            if not name.endswith("Logs"):
                continue
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=int(self._since * 1000)
            )
            for event in (event for page in pages for event in page["events"]):
                key = event["logStreamName"], event["timestamp"], event["message"]
                seen.add(key)
                if key not in self._seen:
                    self.count(name.removesuffix("Logs"), event["message"])
        self._since, self._seen = max(self._since, now - LATE_S), seen

    def count(self, function: str, line: str) -> None:
        """Counts what a line of a function's log tells."""
        of: Labels = (("function", function),)
        if report := REPORT.match(line):
            self._add("invocations_count", of, 1)
            self._add("invocations_sum", of, float(report[1]) / 1000)
        if not line.startswith("{"):
            return
        told = json.loads(line)
        for name, key in COUNTED.items():
            self._add(*key, sum(told.get(name, ())))
        if told.get("level") in ("ERROR", "CRITICAL"):
            self._add("errors_total", of, 1)
        if told.get("message") == "answered" and "ms" in told:
            route = ("method", told["method"]), ("route", told.get("route", "")), ("status", str(told["status"]))
            self._add("requests_count", route, 1)
            self._add("requests_sum", route, told["ms"] / 1000)
        if "sequences" in told:
            self._told["iterator_age_seconds", of] = told["age"] / 1000
        if lag := told.get("lag"):
            self._told["fold_lag_seconds", ()] = lag["folded"] / 1000

    def _add(self, name: str, labels: Labels, value: float) -> None:
        self._told[name, labels] = self._told.get((name, labels), 0.0) + value


def metric(sample: str) -> str:
    """The metric that a sample is of: that of `requests_sum` is `requests`."""
    base = re.sub("_(sum|count)$", "", sample)
    return base if METRICS.get(base, ("",))[0] == "summary" else sample


def exposition(samples: Samples) -> str:
    """The samples in Prometheus' text format."""
    by_metric: defaultdict[str, list[str]] = defaultdict(list)
    for (name, labels), value in sorted(samples.items()):
        shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        by_metric[metric(name)].append(f"cryptopulse_{name}{f'{{{shown}}}' if shown else ''} {value:g}")
    return "".join(_block(name, lines) for name, lines in by_metric.items())


def _block(name: str, lines: Iterable[str]) -> str:
    kind, meaning = METRICS[name]
    head = f"# HELP cryptopulse_{name} {meaning}\n# TYPE cryptopulse_{name} {kind}\n"
    return head + "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
