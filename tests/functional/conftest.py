"""What the functional tests share: the simulated exchanges, and what the stream holds."""

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

import boto3
import httpx
import pytest
import uvicorn
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.domain.ticks import Record, decode
from cryptopulse.feeds import coinbase
from local import template
from local.simulator.app import make_app
from local.simulator.limits import RateLimit
from tests.functional.web import Web

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


@pytest.fixture
def web(aws: boto3.Session, http_event: Callable[..., dict[str, Any]], context: LambdaContext) -> Web:
    """The HTTP API as a client sees it."""
    return Web(http_event, context)


@pytest.fixture(autouse=True)
def least_privilege(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """While a function's handler runs, it calls nothing that its policies in template.yaml do not allow."""
    running: list[str] = []
    denied: list[str] = []

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
        if (template.ROOT / function["CodeUri"] / "app.py").exists():
            watch(name, function["CodeUri"])
    call = Client.call

    def checked(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if running:
            denied.extend(f"{running[-1]}: {each}" for each in needed(operation, body) - permissions(running[-1]))
            assert not denied
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", checked)
    yield
    assert not denied  # an API turns the failure above into an answer


@cache
def functions() -> dict[str, dict[str, Any]]:
    return template.resources("AWS::Serverless::Function")


def permissions(function: str) -> set[tuple[str, str]]:
    """The (action, resource) pairs that a function's policies allow; resources by their logical ids, keys by ARNs."""
    allowed: set[tuple[str, str]] = set()
    for statement in (each for policy in functions()[function]["Policies"] for each in policy["Statement"]):
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        allowed |= set(product(actions, named(statement["Resource"])))
    return allowed


def named(resource: Mapping[str, Any]) -> list[str]:
    """What a policy's resource stands for where the parameter SigningKeys lists the keys in force."""
    match resource:
        case {"Fn::If": ["HasOwnKey", _, listed]}:
            return named(listed)
        case {"Fn::Split": [",", {"Ref": "SigningKeys"}]}:
            return wiring.settings().signing_keys
        case {"Fn::Select": [0, listed]}:
            return named(listed)[:1]
        case {"Fn::GetAtt": [name, "Arn"]}:
            return [name]
        case {"Fn::Sub": arn} if arn.endswith("${WebSocketApi}/ws/*"):
            return ["connections"]
    raise AssertionError(f"{resource} is no resource known here")


def needed(operation: str, body: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What IAM asks for a call: a transaction needs what its parts do."""
    if operation == "PutRecords":
        return {("kinesis:PutRecords", "Stream")}
    if operation == "SendMessage":
        return {("sqs:SendMessage", body["QueueUrl"].rpartition("/")[2])}
    if operation in ("Sign", "GetPublicKey"):
        return {(f"kms:{operation}", body["KeyId"])}
    if operation.startswith("Transact"):
        parts = [part for item in body["TransactItems"] for part in item.items()]
        return {(f"dynamodb:{kind}Item", part["TableName"]) for kind, part in parts}
    tables = body["RequestItems"] if "RequestItems" in body else [body["TableName"]]
    return {(f"dynamodb:{operation}", table) for table in tables}
