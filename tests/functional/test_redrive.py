"""What was given up on is shown, and tried again where that is safe; nothing is removed before it went well."""

import io
import json
import time
from datetime import UTC, datetime
from typing import Any, cast

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from rich.console import Console

from cryptopulse import wiring
from cryptopulse.domain.import_jobs import ImportJob
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.ticks import Record, Trades, encode
from cryptopulse.domain.webhooks import WebhookUrl
from functions.process_ticks import app as process_ticks
from local import redrive
from local.processes import ProblemError
from local.stacks import Stack
from tests.functional.stage import NOON, Stage, alert, history, somebody

FUNCTIONS = ("ProcessTicks", "EvaluateAlerts", "FanOut", "IngestPrices", "Backfill")
TRADE = Record("binance", 0, [Trades("BTC-USDT", 2, 4, [(7, 100, 1, 1_700_000_000_000)])])
ARN = "arn:aws:lambda:us-east-1:123456789012:function:mine-{}-1:live"
ID = "a" * 32


class Operator:
    """Who looks after a stack in moto, whose functions are called in process."""

    def __init__(self, aws: boto3.Session, context: LambdaContext) -> None:
        self._aws = aws
        self._context = context
        sqs = aws.client("sqs")
        self.url = sqs.create_queue(QueueName="Failures")["QueueUrl"]
        own = wiring.settings()
        self.resources = {name: f"mine-{name}-1" for name in FUNCTIONS} | {
            "Failures": self.url,
            "Stream": "Stream",
            "ImportQueue": own.IMPORTS_QUEUE,
            "WebhookQueue": own.WEBHOOKS_QUEUE,
            "DoorbellQueue": own.DOORBELLS_QUEUE,
        }
        self.invoked: list[str] = []
        self.begun: list[tuple[str, bytes]] = []
        self.fails = False

    def client(self, service: str, **_: Any) -> Any:
        return self._aws.client(service)  # type: ignore[call-overload] # its stubs know the names of services only

    def invoke(self, function: str, payload: bytes) -> None:
        self.invoked.append(function)
        if self.fails:
            raise ProblemError("it failed again: no luck")
        if "ProcessTicks" in function:
            process_ticks.handler(json.loads(payload), self._context)

    def begin(self, function: str, payload: bytes) -> None:
        self.begun.append((function, payload))

    def give_up(self, letter: object) -> None:
        """Puts a message into the failures."""
        body = letter if isinstance(letter, str) else json.dumps(letter)
        self._aws.client("sqs").send_message(QueueUrl=self.url, MessageBody=body)

    def do(self, action: str, which: str) -> tuple[int, str]:
        """Runs `make redrive`; returns how many it kept, and what it said."""
        said = io.StringIO()
        console = Console(file=said, width=200)
        return redrive.redrive(cast(Stack, self), console, action, which), said.getvalue()

    @property
    def left(self) -> list[str]:
        """The kinds of what is there; all of it can be seen by others again."""
        failures, quarantine = redrive.Failures(cast(Stack, self)), redrive.Quarantine(cast(Stack, self), wiring.now())
        kinds = [letter.kind for letter in (*failures.letters(), *quarantine.letters())]
        failures.close()
        return sorted(kinds)

    def sent(self, queue: str) -> list[str]:
        """Takes the messages out of a queue."""
        sqs, url = self._aws.client("sqs"), self.resources[queue]
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in found]

    def batch(self, function: str, first: str, last: str) -> dict[str, Any]:
        """What Lambda puts there of a batch of the stream."""
        (shard,) = self._aws.client("kinesis").list_shards(StreamName="Stream")["Shards"]
        return {
            "requestContext": {
                "requestId": "1",
                "functionArn": ARN.format(function),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 101,
            },
            "version": "1.0",
            "timestamp": "2026-11-22T12:05:00.000Z",
            "KinesisBatchInfo": {
                "shardId": shard["ShardId"],
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "approximateArrivalOfFirstRecord": "2026-11-22T12:00:00.000Z",
                "approximateArrivalOfLastRecord": "2026-11-22T12:00:00.000Z",
                "batchSize": 2,
                "streamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/Stream",
            },
        }

    def put(self, *records: tuple[str, bytes]) -> list[str]:
        """Puts records on the stream; returns their sequence numbers."""
        entries = [{"PartitionKey": key, "Data": data} for key, data in records]
        answer = self._aws.client("kinesis").put_records(StreamName="Stream", Records=cast(Any, entries))
        return [record["SequenceNumber"] for record in answer["Records"]]


@pytest.fixture
def operator(aws: boto3.Session, context: LambdaContext, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setattr(redrive, "PATIENCE_S", 0)
    monkeypatch.setattr(wiring, "now", lambda: NOON)
    process_ticks._lanes.clear()
    return Operator(aws, context)


def lane() -> dict[str, int]:
    """The highest trade of each series."""
    return {name: state.high for name, state in wiring.market().lane(0).series.items()}


def test_a_batch_is_read_again_from_the_stream_as_often_as_one_likes(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "now", lambda: time.time_ns() // 1_000_000)  # the stream's own clock
    numbers = operator.put(
        ("lane#0", encode(TRADE)), ("fan#0", b"{}"), ("lane#0", b"poison"), ("lane#0", encode(TRADE))
    )
    for _ in range(2):
        operator.give_up(operator.batch("ProcessTicks", numbers[0], numbers[2]))
        kept, said = operator.do("replay", "batch")
        assert (kept, said.split(" ", 1)[1]) == (0, "batch tried again\n")
        assert (lane(), operator.invoked) == ({"binance:BTC-USDT": 7}, [ARN.format("ProcessTicks")])
        assert operator.left == ["record"]
        operator.invoked.clear()
    operator.do("discard", "record")
    assert operator.left == []


def test_a_batch_stays_where_its_function_fails_again(operator: Operator) -> None:
    (number,) = operator.put(("lane#0", encode(TRADE)))
    operator.give_up(operator.batch("EvaluateAlerts", number, number))
    operator.fails = True
    kept, said = operator.do("replay", "all")
    assert (kept, said.split(" ", 1)[1]) == (1, "batch kept: it failed again: no luck\n")
    assert operator.left == ["batch"]


@pytest.mark.parametrize(
    ("function", "repair"),
    [("ProcessTicks", "are a gap, which IngestPrices asks"), ("EvaluateAlerts", "have not fired, and will not")],
)
def test_records_that_are_gone_are_told_with_what_repairs_them(operator: Operator, function: str, repair: str) -> None:
    (number,) = operator.put(("lane#0", encode(TRADE)))
    before = str(int(number) - 5)
    operator.give_up(operator.batch(function, before, before))
    kept, said = operator.do("replay", "all")
    assert (kept, "not in the stream any more (24 h): gone." in said, repair in said) == (1, True, True)
    assert (operator.left, operator.invoked) == (["batch"], [])


def test_doorbells_are_not_rung_again(operator: Operator) -> None:
    (number,) = operator.put(("fan#0", b"{}"))
    operator.give_up(operator.batch("FanOut", number, number))
    kept, said = operator.do("replay", "all")
    assert (kept, "the next ones have said all" in said, operator.invoked) == (1, True, [])


def test_one_run_stands_for_all_that_failed(operator: Operator) -> None:
    def run(function: str, error: str) -> dict[str, Any]:
        context = {
            "functionArn": ARN.format(function),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 1,
        }
        failed = {"errorType": "ThrottledError", "errorMessage": error}
        return {"requestContext": context, "requestPayload": {"a": 1}, "responsePayload": failed}

    for name in ("IngestPrices", "IngestPrices", "Backfill"):
        operator.give_up(run(name, "too fast"))
    _, said = operator.do("list", "")
    assert [line.split()[1:3] for line in said.splitlines()[1:]].count(["run", "IngestPrices"]) == 2
    assert said.count("ThrottledError: too fast") == 3
    assert operator.do("replay", "run")[0] == 0
    assert sorted(operator.begun) == [(ARN.format(name), b'{"a": 1}') for name in ("Backfill", "IngestPrices")]
    assert operator.left == []


def test_an_import_goes_on_unless_it_has_ended(operator: Operator) -> None:
    user, jobs = somebody(), wiring.import_jobs()
    new = Portfolio(
        id=ID, name="Main", base_currency="USD", cost_basis="fifo", created_at=NOON, updated_at=NOON, version=1
    )
    wiring.portfolios().add(user, new, None)
    job = ImportJob(
        id=ID, portfolio=ID, format="x", is_dry_run=False, is_partial=False, lines=1, created_at=NOON, started_at=NOON
    )
    jobs.add(user, job, b"file", None)
    task = {"user": user, "portfolio": ID, "job": ID}
    operator.give_up(task)
    assert operator.do("replay", "import")[0] == 0
    assert (operator.sent("ImportQueue"), operator.left) == ([json.dumps(task)], [])
    job.fail("broken off", NOON)
    jobs.save(user, job)
    operator.give_up(task)
    operator.give_up(task | {"job": "b" * 32})
    kept, said = operator.do("replay", "import")
    assert (kept, "has ended (failed)" in said, "the import is gone" in said) == (2, True, True)
    assert (operator.sent("ImportQueue"), operator.left) == ([], ["import", "import"])


def test_a_webhook_that_was_given_up_is_called_again_and_one_that_was_delivered_is_not(
    operator: Operator, stage: Stage
) -> None:
    user = somebody()
    alert(user, "above", "100", webhook_url=WebhookUrl("https://hooks.example/a"))
    stage.evaluate(stage.price(101))
    (fired,) = history(user)
    operator.sent("WebhookQueue")
    errand = {"user": user, "key": f"FIRED#{fired.time:015}#{fired.id}", "number": 1, "due": NOON}
    alerts = wiring.alerts()
    for _ in range(2):
        alerts.settle(fired, "failed", 1)
        operator.give_up(errand)
        assert operator.do("replay", "webhook")[0] == 0
        assert operator.sent("WebhookQueue") == [json.dumps(errand)]
        assert [(each.webhook, each.tries) for each in history(user)] == [("pending", 0)]
    alerts.settle(fired, "pending", 1)
    operator.give_up(errand)
    kept, said = operator.do("replay", "webhook")
    assert (kept, "a later try of the webhook is under way" in said) == (1, True)
    alerts.settle(fired, "delivered", 2)
    kept, said = operator.do("replay", "webhook")
    assert (kept, "the webhook was delivered" in said) == (1, True)
    assert (operator.sent("WebhookQueue"), operator.left) == ([], ["webhook"])


def test_a_shards_number_is_put_back_and_what_nobody_knows_stays(operator: Operator) -> None:
    operator.give_up("1")
    operator.give_up("something")
    operator.give_up({"else": 1})
    kept, said = operator.do("replay", "all")
    assert (kept, said.count("of no form that is known here"), operator.left) == (2, 2, ["unknown", "unknown"])
    assert operator.sent("DoorbellQueue") == ["1"]


def quarantine(data: bytes, partition: str = "lane#0", sequence: str = "1") -> None:
    wiring.market().quarantine(data, sequence, partition, NOON, "unknown record format")


def test_a_quarantined_record_that_can_be_read_by_now_is_folded(operator: Operator) -> None:
    quarantine(encode(TRADE))
    assert operator.do("replay", "record")[0] == 0
    assert (lane(), operator.left) == ({"binance:BTC-USDT": 7}, [])


def test_a_quarantined_record_stays_as_long_as_it_cannot_be_read(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine(b"poison" * 100_000)
    quarantine(b'{"type":', "coinbase", "coinbase-1")
    kept, said = operator.do("replay", "all")
    assert (kept, "it still cannot be read" in said, "a venue's frame" in said, operator.invoked) == (2, True, True, [])
    monkeypatch.setattr(redrive, "decode", lambda *_: None)  # here, but not where it runs
    kept, said = operator.do("replay", "record")
    assert (kept, "the release that is deployed cannot read it either" in said) == (1, True)
    assert operator.left == ["frame", "record"]
    _, said = operator.do("show", "record")
    assert "1, 600000 bytes:\nb'poisonpoison" in said


@pytest.mark.parametrize("which", ["import", "zzzz"])
def test_what_is_not_there_is_told(operator: Operator, which: str) -> None:
    operator.give_up("1")
    with pytest.raises(ProblemError, match=f"is called {which}"):
        operator.do("discard", which)
    assert operator.left == ["doorbell"]


def test_records_go_in_calls_that_lambda_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive, "RECORDS", 2)
    monkeypatch.setattr(redrive, "PAYLOAD", 20)
    at = datetime.fromtimestamp(NOON / 1000, UTC)
    records = [
        {
            "PartitionKey": "lane#0",
            "SequenceNumber": str(number),
            "Data": b"x" * size,
            "ApproximateArrivalTimestamp": at,
        }
        for number, size in enumerate((3, 3, 3, 30, 3))
    ]
    events = [json.loads(each)["Records"] for each in redrive._events({"streamArn": "s"}, records)]
    assert [[int(each["kinesis"]["sequenceNumber"]) for each in event] for event in events] == [[0, 1], [2], [3], [4]]
    assert events[0][0]["kinesis"]["approximateArrivalTimestamp"] == NOON / 1000
