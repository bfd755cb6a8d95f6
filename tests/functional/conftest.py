"""What the functional tests share: the simulated exchanges, and what the stream holds."""

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from itertools import product, starmap
from typing import Any, NamedTuple

import argon2
import boto3
import httpx
import pytest
import uvicorn
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.market import Market
from cryptopulse.domain import passwords
from cryptopulse.domain.ticks import Record, decode
from cryptopulse.feeds import coinbase, http
from local import template
from local.simulator.app import make_app
from local.simulator.limits import RateLimit, WeightLimit
from tests.cloud import Cloud, Items
from tests.functional.stage import Stage
from tests.functional.web import Web

PATIENCE_S = 60
"""However busy this machine is, the exchanges are not taken to be down."""
START = 1_795_350_842_000
"""2026-11-22 12:34:02, Unix milliseconds."""

type Streamed = Callable[[], list[Record]]
type Fill = Callable[[Market], object]
type Filled = Callable[[Fill], Market]


class Exchanges:
    """The simulator, and how to disturb it."""

    def __init__(self) -> None:
        self.url = ""
        self.ahead = 0
        """Seconds that their clock is ahead of ours."""
        self.stopped: int | None = None
        """Unix milliseconds at which their clock stands."""

    def clock(self) -> int:
        """Their time in Unix microseconds."""
        if self.stopped is not None:
            return self.stopped * 1000
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
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="off", timeout_keep_alive=PATIENCE_S)
    )
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
    monkeypatch.setattr(WeightLimit, "spend", lambda *_: 0)
    monkeypatch.setattr(http, "TIMEOUT", PATIENCE_S)
    monkeypatch.setattr(coinbase, "SPACING", 1)
    monkeypatch.setattr(coinbase.Coinbase, "page_time", 1)
    wiring.clear()
    simulator.disturb()
    yield simulator
    simulator.disturb()
    simulator.ahead = 0


@pytest.fixture
def steady(exchanges: Exchanges, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our clock and the exchanges' go on from START: no minute, hour or day ends while a test runs."""
    late = time.time_ns() // 1_000_000_000 - START // 1000
    exchanges.ahead = -late
    monkeypatch.setattr(wiring, "now", lambda: time.time_ns() // 1_000_000 - late * 1000)


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


@pytest.fixture(scope="session")
def fillings() -> dict[Fill, Items]:
    """What functions that fill the market have written."""
    return {}


@pytest.fixture
def filled(aws: boto3.Session, moto: Cloud, fillings: dict[Fill, Items]) -> Filled:
    """Has a function fill the Market table, which takes seconds: the first test that asks for it waits for them."""

    def filled(fill: Fill) -> Market:
        market = wiring.market()
        if fill in fillings:
            moto.put("Market", fillings[fill])
        else:
            fill(market)
            fillings[fill] = moto.items("Market")
        return market

    return filled


@pytest.fixture
def stage(
    aws: boto3.Session,
    monkeypatch: pytest.MonkeyPatch,
    kinesis_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
) -> Stage:
    """A market that alerts watch, whose clock stands."""
    return Stage(aws, monkeypatch, kinesis_event, context)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed with next to no work; the domain and test_auth try real hashes."""
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


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
            grants = permissions(running[-1])
            needs = needed(operation, body)
            denied.extend(f"{running[-1]}: {need}" for need in needs if not any(grant.covers(need) for grant in grants))
            assert not denied
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", checked)
    yield
    assert not denied  # an API turns the failure above into an answer


@cache
def functions() -> dict[str, dict[str, Any]]:
    return template.resources("AWS::Serverless::Function")


class Permission(NamedTuple):
    """What a policy allows, or a call needs; resources by their logical ids, KMS keys by ARNs."""

    action: str
    resource: str
    leading_key: str
    """An item's partition key; in a policy with `*` for anything."""

    def covers(self, need: "Permission") -> bool:
        return self[:2] == need[:2] and fnmatchcase(need.leading_key, self.leading_key)


def permissions(function: str) -> list[Permission]:
    """What a function's policies allow."""
    allowed: list[Permission] = []
    written = (each for policy in functions()[function]["Policies"] for each in policy["Statement"])
    for statement in map(unless_left_out, written):
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        allowed += starmap(Permission, product(actions, named(statement["Resource"]), leading_keys(statement)))
    return allowed


def unless_left_out(statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """A statement as it is where NewsAPI is asked."""
    match statement:
        case {"Fn::If": ["HasNewsApi", given, {"Ref": "AWS::NoValue"}]}:
            return unless_left_out(given)
    return statement


def leading_keys(statement: Mapping[str, Any]) -> list[str]:
    """The partition keys that a statement is limited to."""
    match statement.get("Condition"):
        case None:
            return ["*"]
        case {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(patterns)}, **others} if not others:
            return patterns
    raise AssertionError(f"{statement['Condition']} is no condition known here")


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
        case {"Ref": "NewsApiSecret"}:
            return [wiring.settings().NEWSAPI_SECRET]
        case {"Fn::Sub": arn} if arn.endswith("${WebSocketApi}/ws/*"):
            return ["connections"]
    raise AssertionError(f"{resource} is no resource known here")


def needed(operation: str, body: Mapping[str, Any]) -> set[Permission]:
    """What IAM asks for a call: a transaction needs what its parts do."""
    if operation == "PutRecords":
        return {Permission("kinesis:PutRecords", "Stream", "")}
    if operation == "SendMessage":
        return {Permission("sqs:SendMessage", body["QueueUrl"].rpartition("/")[2], "")}
    if operation in ("Sign", "GetPublicKey"):
        return {Permission(f"kms:{operation}", body["KeyId"], "")}
    if operation == "GetSecretValue":
        return {Permission("secretsmanager:GetSecretValue", body["SecretId"], "")}
    if operation.startswith("Transact"):
        parts = [part for item in body["TransactItems"] for part in item.items()]
        return {Permission(f"dynamodb:{kind}Item", part["TableName"], leading_key(part)) for kind, part in parts}
    if "RequestItems" in body:
        return {Permission(f"dynamodb:{operation}", table, "") for table in body["RequestItems"]}
    return {Permission(f"dynamodb:{operation}", body["TableName"], leading_key(body))}


def leading_key(part: Mapping[str, Any]) -> str:
    """The partition key of the item that is read or written; empty for a Query."""
    key: Mapping[str, Any] = part.get("Item") or part.get("Key") or {"pk": {"S": ""}}
    return str(key["pk"]["S"])
