"""What the tests share: the cloud as template.yaml declares it, in moto, and events as the triggers send them."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from hypothesis import settings

from cryptopulse import wiring
from local.template import load
from tests.cloud import REGION, Cloud, Held

ROOT = Path(__file__).parent.parent
settings.load_profile("ci")  # everywhere: the same examples each time, and no deadline

type Event = dict[str, Any]


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return load()


@pytest.fixture(scope="session")
def moto() -> Iterator[Cloud]:
    """An AWS of our own on loopback."""
    cloud = Cloud()
    yield cloud
    cloud.close()


@pytest.fixture(scope="session")
def boto_session() -> boto3.Session:
    """One session for all tests: it keeps the service models it has read."""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name=REGION)


class Stack(NamedTuple):
    """What the template declares, newly made, and the environment that tells the functions of it."""

    held: Held
    environment: dict[str, str]


@pytest.fixture(scope="session")
def stack(moto: Cloud, boto_session: boto3.Session, template: dict[str, Any]) -> Stack:
    """The template's tables, stream, queues and key, made once: each test gets a copy."""
    resources = template["Resources"]
    dynamodb = boto_session.client("dynamodb", endpoint_url=moto.url)
    kinesis = boto_session.client("kinesis", endpoint_url=moto.url)
    kms = boto_session.client("kms", endpoint_url=moto.url)
    sqs = boto_session.client("sqs", endpoint_url=moto.url)
    for name, resource in resources.items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            properties = dict(resource["Properties"])
            for later in ("TimeToLiveSpecification", "PointInTimeRecoverySpecification", "DeletionProtectionEnabled"):
                properties.pop(later, None)
            encrypted = properties.pop("SSESpecification", {}).get("SSEEnabled", False)
            properties["SSESpecification"] = {"Enabled": encrypted}
            dynamodb.create_table(TableName=name, **properties)
    kinesis.create_stream(StreamName="Stream", ShardCount=1)
    key = {name: resources["SigningKey"]["Properties"][name] for name in ("KeySpec", "KeyUsage")}
    environment = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": moto.url,
        "ACCOUNTS_TABLE": "Accounts",
        "MARKET_TABLE": "Market",
        "CONNECTIONS_TABLE": "Connections",
        "STREAM_NAME": "Stream",
        "IMPORTS_QUEUE": sqs.create_queue(QueueName="ImportQueue")["QueueUrl"],
        "WEBHOOKS_QUEUE": sqs.create_queue(QueueName="WebhookQueue")["QueueUrl"],
        "DOORBELLS_QUEUE": sqs.create_queue(QueueName="DoorbellQueue")["QueueUrl"],
        "SIGNING_KEYS": kms.create_key(**key)["KeyMetadata"]["Arn"],
        "ASSETS": "BTC,ETH",
        "QUOTES": "coinbase:USD,binance:USDT",
        "LANES": "2",
        "CONNECTION_SHARDS": "2",
        "FEEDS": "simulated",
        "BINANCE_URL": "http://127.0.0.1:1/binance",
        "COINBASE_URL": "http://127.0.0.1:1/coinbase",
        "CURSOR_KEY": "00000000-0000-0000-0000-000000000000",
        "ISSUER": "https://api.test",
        "EDGE_SECRET": "the edge's secret, of 32 characters or more",
        "WEB_ORIGINS": "https://app.test",
        "CLOUD": "aws",
        "VERSION": "test",
        "MANAGEMENT_URL": f"{moto.url}/ws",
    }
    return Stack(moto.held(), environment)


@pytest.fixture
def aws(
    moto: Cloud, stack: Stack, boto_session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> Iterator[boto3.Session]:
    """An AWS with the template's empty tables and stream, the environment of the functions, and fresh wiring."""
    moto.hold(stack.held)
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(wiring, "HASTE", 30)  # however busy this machine is, tables answer
    wiring.clear()
    yield boto_session
    wiring.clear()


@pytest.fixture
def context() -> LambdaContext:
    """What Lambda passes beside the event."""
    context = LambdaContext()
    context._aws_request_id = "00000000-0000-0000-0000-000000000001"
    context._function_name = "test"
    context._memory_limit_in_mb = 512
    context._invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:test"
    context.get_remaining_time_in_millis = lambda: 60_000  # type: ignore[method-assign]
    return context


def read_event(name: str) -> Event:
    """One of `events/`, such as `process_ticks`."""
    return cast(Event, json.loads((ROOT / "events" / f"{name}.json").read_text()))


@pytest.fixture
def http_event() -> Callable[..., Event]:
    """Makes the event of an HTTP request: `http_event("GET", "/prices", {"symbols": "BTC-USD"}, headers={…})`.

    It takes no packed answer unless its headers say so.
    A body is sent as it is if it is text, in base64 if it is bytes, and anything else as JSON, content type included.
    """

    def make(
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: object = None,
        cookies: dict[str, str] | None = None,
    ) -> Event:
        event = read_event("queries")
        del event["headers"]["accept-encoding"]
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        event["requestContext"]["http"]["method"] = method
        event["rawQueryString"] = "&".join(f"{name}={value}" for name, value in (query or {}).items())
        event["queryStringParameters"] = query or {}
        if body is not None:
            if not isinstance(body, str | bytes):
                body = json.dumps(body)
                event["headers"]["content-type"] = "application/json"
            raw = body.encode() if isinstance(body, str) else body
            event["headers"]["content-length"] = str(len(raw))
            event["body"] = b64encode(raw).decode() if isinstance(body, bytes) else body
            event["isBase64Encoded"] = isinstance(body, bytes)
        if cookies:
            event["cookies"] = [f"{name}={value}" for name, value in cookies.items()]
        event["headers"] |= headers or {}
        return event

    return make


@pytest.fixture
def kinesis_event() -> Callable[..., Event]:
    """Makes the event of a batch: `kinesis_event(("lane#0", b"…"), …)`."""

    def make(*records: tuple[str, bytes]) -> Event:
        event = read_event("process_ticks")
        (sample,) = event["Records"][:1]
        event["Records"] = [
            {
                **sample,
                "kinesis": {
                    **sample["kinesis"],
                    "partitionKey": partition,
                    "data": b64encode(data).decode(),
                    "sequenceNumber": f"{number:056}",
                },
            }
            for number, (partition, data) in enumerate(records, 1)
        ]
        return event

    return make
