"""From a trade at the simulated exchange to a WebSocket client of the whole system on the local cloud, and the way.

All clocks are this machine's. A client with the shortest interval watches every series; the time in between is told by
the functions' own log lines and by the frame, which says when it was made.
"""

import json
import re
import tempfile
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import boto3
import httpx
from rich.console import Console
from websockets.sync.client import connect

from local.cloud import access, forget_aws_account
from local.endpoints import Endpoints
from local.processes import free_ports
from local.run import Run

SETTLE_S = 180
"""At most: after a start, what the streams came too late for is asked for, and is old when it comes."""
ANSWER_S = 60
INTERVAL_MS = 250
FOLDED = re.compile(r'"versions":(\{[^}]*\}),"newest":(\d+),"lag":\{"arrived":(-?\d+),"folded":(-?\d+)\}')


class Latency(NamedTuple):
    """Milliseconds from the trade on, one of each list a tick or a batch."""

    arrived: list[float]
    """Until Kinesis had it: simulator, socket, reader, up to 200 ms of gathering, PutRecords."""
    folded: list[float]
    """Until the lane was written and the doorbell rung."""
    framed: list[float]
    """Until fan_out made the frame; a client's interval counts in."""
    received: list[float]
    """Until the client had it."""


def measure(seconds: float) -> Latency:
    """Brings the system up on a folder of its own, and watches for some seconds."""
    forget_aws_account()
    with tempfile.TemporaryDirectory(prefix="cryptopulse-latency-") as home:
        run = Run(Path(home), free_ports(), Console(quiet=True))
        try:
            there, _ = run.start("simulated", {"PriceMode": "stream"})
            _settle(there)
            began = time.time()
            framed, received = _watch(there, seconds)
            arrived, folded = _told(run.cloud.origin, began)
        finally:
            run.stop()
    return Latency(arrived, folded, framed, received)


def _settle(there: Endpoints) -> None:
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end:
        prices = httpx.get(there.health, trust_env=False, timeout=30).json()["checks"]["prices"]
        if not any(venue["gaps"] for venue in prices.values()):
            return
        time.sleep(1)


def _watch(there: Endpoints, seconds: float) -> tuple[list[float], list[float]]:
    coins = httpx.get(f"{there.http}/coins", params={"limit": 500}, trust_env=False).raise_for_status().json()["items"]
    series = sorted({(each["venue"], each["symbol"]) for coin in coins for each in coin["symbols"]})
    framed, received = list[float](), list[float]()
    with connect(there.websocket, proxy=None) as socket:
        for venue in ("binance", "coinbase"):
            symbols = [symbol for of, symbol in series if of == venue]
            asked = {"action": "subscribe", "channel": "ticks", "venue": venue, "symbols": symbols}
            socket.send(json.dumps(asked | {"interval_ms": INTERVAL_MS}))
        end = time.time() + seconds
        while (now := time.time()) < end:
            try:
                frame = json.loads(socket.recv(timeout=end - now))
            except TimeoutError:
                break
            now = time.time()
            if frame["type"] == "ticks":
                made = _unix(frame["time"])
                for tick in frame["ticks"]:
                    framed.append(1000 * (made - _unix(tick["time"])))
                    received.append(1000 * (now - _unix(tick["time"])))
    return framed, received


def _told(origin: str, since: float) -> tuple[list[float], list[float]]:
    """What process_ticks logged since then (Unix seconds) of its batches, but for those of repaired trades alone."""
    logs = boto3.client("logs", **access(origin, ANSWER_S))
    arrived, folded = list[float](), list[float]()
    newest: dict[tuple[str, ...], int] = {}
    for group in logs.describe_log_groups()["logGroups"]:
        if "ProcessTicks" not in group["logGroupName"]:
            continue
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"], startTime=int(since * 1000)
        )
        for page in pages:
            for event in page["events"]:
                if found := FOLDED.search(event["message"]):
                    lanes, time_ = tuple(json.loads(found[1])), int(found[2])
                    if time_ > newest.get(lanes, 0):
                        newest[lanes] = time_
                        arrived.append(float(found[3]))
                        folded.append(float(found[4]))
    return arrived, folded


def _unix(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def told(latency: Latency) -> Iterable[str]:
    """Lines of where the time goes, each with its median and what 99 of 100 stay below."""
    for name, values in latency._asdict().items():
        p99 = quantiles(values, n=100)[98]
        yield f"until {name:9} p50 {median(values):5.0f} ms, p99 {p99:5.0f} ms, of {len(values)}"
