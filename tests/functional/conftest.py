"""What the functional tests share: the simulated exchanges, and what the stream holds."""

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import boto3
import httpx
import pytest
import uvicorn

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.domain.ticks import Record, decode
from cryptopulse.feeds import coinbase
from local import template
from local.simulator.app import make_app
from local.simulator.limits import RateLimit

type Streamed = Callable[[], list[Record]]


class Exchanges:
    """The simulator, and how to disturb it."""

    def __init__(self) -> None:
        self.url = ""
        self.ahead = 0
        """Seconds that their clock is ahead of ours."""

    def clock(self) -> int:
        """Their time in Unix microseconds."""
        return time.time_ns() // 1000 + self.ahead * 1_000_000

    def disturb(self, *faults: dict[str, Any]) -> None:
        """Puts these faults in force, and no others."""
        httpx.put(
            f"{self.url}/admin/faults", json=[{"rate": 1, "seconds": 10**6} | fault for fault in faults]
        ).raise_for_status()

    def candles(self, venue: str, symbol: str, interval: str, start: int, end: int) -> list[list[Any]]:
        """The truth."""
        query: dict[str, str | int] = {
            "venue": venue,
            "symbol": symbol,
            "interval": interval,
            "start": start,
            "end": end,
        }
        told: list[list[Any]] = (
            httpx.get(f"{self.url}/admin/candles", params=query).raise_for_status().json()["candles"]
        )
        return told


@pytest.fixture(scope="session")
def simulator() -> Iterator[Exchanges]:
    """The simulated exchanges, which admit any number of requests: their limits are tried elsewhere."""
    exchanges = Exchanges()
    app = make_app(seed=7, clock=exchanges.clock, hold_seconds=2)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    exchanges.url = f"http://{host}:{port}"
    yield exchanges
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def exchanges(aws: boto3.Session, simulator: Exchanges, monkeypatch: pytest.MonkeyPatch) -> Iterator[Exchanges]:
    """The simulated exchanges, without faults, as the functions' feeds."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "CryptoPulse")
    monkeypatch.setenv("BINANCE_URL", f"{simulator.url}/binance")
    monkeypatch.setenv("COINBASE_URL", f"{simulator.url}/coinbase")
    monkeypatch.setattr(RateLimit, "admits", lambda *_: True)
    monkeypatch.setattr(coinbase, "SPACING", 1)
    monkeypatch.setattr(coinbase.Coinbase, "page_time", 1)
    wiring.clear()
    simulator.disturb()
    yield simulator
    simulator.disturb()
    simulator.ahead = 0


@pytest.fixture
def streamed(aws: boto3.Session) -> Streamed:
    """Reads the records put on the stream since it was last called."""
    kinesis = aws.client("kinesis")
    (shard,) = kinesis.describe_stream(StreamName="Stream")["StreamDescription"]["Shards"]
    place = kinesis.get_shard_iterator(StreamName="Stream", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    following = place["ShardIterator"]

    def read() -> list[Record]:
        nonlocal following
        answer = kinesis.get_records(ShardIterator=following)
        following = answer["NextShardIterator"]
        return [decode(record["Data"]) for record in answer["Records"]]

    return read


@pytest.fixture(autouse=True)
def least_privilege(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a function's handler runs, it calls nothing that its policies in template.yaml do not allow."""
    running: list[str] = []

    def watch(name: str, folder: str) -> None:
        app = importlib.import_module(f"{folder.replace('/', '.')}.app")
        handler = app.handler

        def watched(event: Any, context: Any) -> Any:
            running.append(name)
            try:
                return handler(event, context)
            finally:
                running.pop()

        monkeypatch.setattr(app, "handler", watched)

    for name, function in functions().items():
        watch(name, function["CodeUri"])
    call = Client.call

    def checked(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if running:
            allowed = permissions()[running[-1]]
            assert not (missing := needed(operation, body) - allowed), f"{running[-1]} may not {missing}"
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", checked)


@cache
def functions() -> dict[str, dict[str, Any]]:
    return template.resources("AWS::Serverless::Function")


@cache
def permissions() -> dict[str, set[tuple[str, str]]]:
    """Per function the (action, resource) pairs that its policies allow; resources by their logical ids."""
    allowed: dict[str, set[tuple[str, str]]] = {}
    for name, function in functions().items():
        pairs = allowed.setdefault(name, set())
        for statement in (each for policy in function["Policies"] for each in policy["Statement"]):
            actions = statement["Action"]
            resource = statement["Resource"].get("Fn::GetAtt", ["connections"])[0]
            pairs |= {(action, resource) for action in ([actions] if isinstance(actions, str) else actions)}
    return allowed


def needed(operation: str, body: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What IAM asks for a call: a transaction needs what its writes do."""
    if operation == "PutRecords":
        return {("kinesis:PutRecords", "Stream")}
    if operation == "TransactWriteItems":
        writes = [write for item in body["TransactItems"] for write in item.items()]
        return {(f"dynamodb:{kind}Item", write["TableName"]) for kind, write in writes}
    tables = body["RequestItems"] if "RequestItems" in body else [body["TableName"]]
    return {(f"dynamodb:{operation}", table) for table in tables}
