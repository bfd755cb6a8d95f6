"""What was given up on: shown, tried again, or thrown away: `make redrive`.

It lies in two places: the queue `Failures`, and the quarantine in the table `Market`. To try again is safe to repeat,
and where it would not be, or would do nothing, it is refused and the reason told. What was tried again is removed only
after that went well.
"""

import argparse
import json
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from hashlib import sha256
from itertools import batched, groupby
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table as Columns
from rich.text import Text

from cryptopulse import wiring
from cryptopulse.aws.dynamodb import Item, Removal
from cryptopulse.aws.notices import Errand
from cryptopulse.domain.import_jobs import Task
from cryptopulse.domain.ticks import decode
from cryptopulse.errors import ConditionError, CryptoPulseError, NotFoundError, UnreadableError
from local import template
from local.endpoints import HOME
from local.processes import ProblemError
from local.stacks import Stack, find

HELD_S: Final = 600
"""How long what is looked at is hidden from others who look."""
PATIENCE_S: Final = 1
"""How long to wait for a message: SQS asks all of its hosts only if it may."""
QUARANTINE_DAYS: Final = 31
RECORDS: Final = 100
PAYLOAD: Final = 4_000_000
"""Records, and bytes of them, in one call; Lambda takes 6 MB."""
PIECES: Final = 100
SHOWN: Final = 2_000
"""Bytes of a record that are shown."""

type Kind = Literal["batch", "run", "import", "webhook", "doorbell", "unknown", "record", "frame"]


class RefusedError(Exception):
    """It is not to be tried again; the text says why."""


@dataclass(frozen=True)
class Letter:
    """Something that was given up on.

    Attributes:
        id: What it is called here.
        kind: What it is: a `batch` of the stream, a scheduled `run`, a message (`import`, `webhook`, `doorbell`), or
            what could not be read: a `record` of the stream, a `frame` of a venue.
        source: Whose work it was.
        time: When it began, Unix ms.
        why: What is known of the reason.
        tries: How often it was tried; 0: that is not told.
        body: All of it, as text.
        replay: Has it tried again.
        remove: Throws it away.
    """

    id: str
    kind: Kind
    source: str
    time: int
    why: str
    tries: int
    body: str
    replay: Callable[[], None]
    remove: Callable[[], None]


class Failures:
    """The queue of what functions gave up on. What it shows is hidden from others until it is closed.

    Args:
        stack: Whose.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sqs = stack.client("sqs")
        self._url = stack.resources["Failures"]
        self._names = {physical: logical for logical, physical in stack.resources.items()}
        self._held: dict[str, str] = {}
        """The receipts of messages by their ids."""
        self._begun: set[tuple[str, bytes]] = set()
        """The runs that were begun anew."""

    def letters(self) -> Iterator[Letter]:
        """All that is in it."""
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=HELD_S,
                WaitTimeSeconds=PATIENCE_S,
                AttributeNames=["SentTimestamp"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            for message in messages:
                self._held[message["MessageId"]] = message["ReceiptHandle"]
                yield self._letter(message)

    def close(self) -> None:
        """Lets others see what is left."""
        for some in batched(self._held.values(), 10, strict=False):
            entries = [{"Id": str(at), "ReceiptHandle": each, "VisibilityTimeout": 0} for at, each in enumerate(some)]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _letter(self, message: dict[str, Any]) -> Letter:
        id_, body = message["MessageId"], message["Body"]
        common = {"id": id_[:8], "body": body, "remove": partial(self._remove, id_)}
        sent = int(message["Attributes"]["SentTimestamp"])
        try:
            told = json.loads(body)
        except json.JSONDecodeError:
            told = None
        match told:
            case {"KinesisBatchInfo": info, "requestContext": context}:
                return Letter(
                    **common,
                    kind="batch",
                    source=self._name(context["functionArn"]),
                    time=_moment(info["approximateArrivalOfFirstRecord"]),
                    why=f"{context['condition']}, {info['batchSize']} records",
                    tries=context["approximateInvokeCount"],
                    replay=partial(self._replay_batch, context["functionArn"], info),
                )
            case {"requestPayload": payload, "requestContext": context}:
                failed = told.get("responsePayload") or {}
                return Letter(
                    **common,
                    kind="run",
                    source=self._name(context["functionArn"]),
                    time=_moment(told["timestamp"]) if "timestamp" in told else sent,
                    why=": ".join(filter(None, (failed.get("errorType"), failed.get("errorMessage"))))
                    or context["condition"],
                    tries=context["approximateInvokeCount"],
                    replay=partial(self._begin, context["functionArn"], json.dumps(payload).encode()),
                )
            case {"user": str(), "portfolio": str(), "job": str()}:
                task = msgspec.convert(told, Task)
                return self._message(common, "import", "ImportQueue", sent, partial(self._replay_import, task, body))
            case {"user": str(), "key": str(), "number": int(), "due": int()}:
                errand = msgspec.convert(told, Errand)
                return self._message(
                    common, "webhook", "WebhookQueue", sent, partial(self._replay_webhook, errand, body)
                )
            case int():
                return self._message(
                    common, "doorbell", "DoorbellQueue", sent, partial(self._send, "DoorbellQueue", body)
                )
        return Letter(
            **common, kind="unknown", source="", time=sent, why="nothing known here", tries=0, replay=_refuse_unknown
        )

    def _message(self, common: dict[str, Any], kind: Kind, queue: str, sent: int, replay: Callable[[], None]) -> Letter:
        tries = _queues()[queue]["RedrivePolicy"]["maxReceiveCount"]
        return Letter(
            **common, kind=kind, source=queue, time=sent, why="its function's log tells", tries=tries, replay=replay
        )

    def _name(self, arn: str) -> str:
        """A function's logical id."""
        name = arn.split(":")[6]
        return self._names.get(name, name)

    def _remove(self, id_: str) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=self._held.pop(id_))

    def _send(self, queue: str, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._stack.resources[queue], MessageBody=body)

    def _begin(self, arn: str, payload: bytes) -> None:
        """Begins a run anew: one does all that several have left."""
        if (arn, payload) not in self._begun:
            self._stack.begin(arn, payload)
            self._begun.add((arn, payload))

    def _replay_import(self, task: Task, body: str) -> None:
        try:
            job = wiring.import_jobs().get(task.user, task.portfolio, task.job, wiring.now())
        except NotFoundError:
            raise RefusedError("the import is gone, with its account or portfolio or by its age") from None
        if job.is_finished:
            raise RefusedError(
                f"the import has ended ({job.status}), and its user knows: to send the file again adds nothing twice"
            )
        self._send("ImportQueue", body)

    def _replay_webhook(self, errand: Errand, body: str) -> None:
        alerts = wiring.alerts()
        found = alerts.delivering(errand.user, errand.key)
        if found is None and not alerts.reopen(errand.user, errand.key, errand.number):
            raise RefusedError("the webhook was delivered or told to have failed by another try, or its firing is gone")
        if found is not None and found.fired.tries >= errand.number:
            raise RefusedError("a later try of the webhook is under way")
        self._send("WebhookQueue", body)

    # --- batches of the stream ---

    def _replay_batch(self, arn: str, info: dict[str, Any]) -> None:
        name = self._name(arn)
        if name == "FanOut":
            raise RefusedError("doorbells: the next ones have said all that these would have said")
        first, records = int(info["startSequenceNumber"]), list(self._records(info))
        lane_records = [each for each in records if each["PartitionKey"].startswith("lane#")]
        for event in _events(info, lane_records):
            self._stack.invoke(arn, event)
        if not records or int(records[0]["SequenceNumber"]) != first:
            some = f"{len(lane_records)} of them were tried again, and the others are gone" if records else "gone"
            raise RefusedError(f"the records are not in the stream any more (24 h): {some}. {_GONE.get(name, '')}")

    def _records(self, info: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The records of a batch, and those between them of other functions, as far as the stream still has them."""
        kinesis = self._stack.client("kinesis")
        start, end = info["startSequenceNumber"], int(info["endSequenceNumber"])
        name = info["streamArn"].rpartition("/")[2]
        try:
            place = kinesis.get_shard_iterator(
                StreamName=name,
                ShardId=info["shardId"],
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                StartingSequenceNumber=start,
            )["ShardIterator"]
        except (kinesis.exceptions.InvalidArgumentException, kinesis.exceptions.ResourceNotFoundException):
            return
        while place is not None:
            answer = kinesis.get_records(ShardIterator=place)
            for record in answer["Records"]:
                if int(record["SequenceNumber"]) > end:
                    return
                yield record
            place = answer.get("NextShardIterator") if answer["MillisBehindLatest"] or answer["Records"] else None


_GONE: Final = {
    "ProcessTicks": "Their trades are a gap, which IngestPrices asks the exchange for by REST within minutes (GET "
    "/health: `gaps`); what is older, `make backfill`. Then discard this",
    "EvaluateAlerts": "Levels that only these prices reached have not fired, and will not: candles show them. Then "
    "discard this",
}
"""What comes of records that are gone."""


def _events(info: dict[str, Any], records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Events as Lambda makes them of records."""
    some: list[dict[str, Any]] = []
    size = 0
    for record in records:
        kinesis = {
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        }
        if some and (len(some) == RECORDS or size + len(kinesis["data"]) > PAYLOAD):
            yield json.dumps({"Records": some}).encode()
            some, size = [], 0
        some.append({"eventSource": "aws:kinesis", "eventSourceARN": info["streamArn"], "kinesis": kinesis})
        size += len(kinesis["data"])
    if some:
        yield json.dumps({"Records": some}).encode()


class Quarantine:
    """What could not be read, in the table Market.

    Args:
        stack: Whose.
        now: Unix ms.
    """

    def __init__(self, stack: Stack, now: int) -> None:
        self._stack = stack
        self._now = now
        self._table = wiring.market().table

    def letters(self) -> Iterator[Letter]:
        """All that is in it, the oldest first."""
        today = datetime.fromtimestamp(self._now / 1000, UTC).date()
        for age in reversed(range(QUARANTINE_DAYS)):
            items = self._table.query(f"QUARANTINE#{today - timedelta(age)}", consistent=True)
            for sequence, pieces in groupby(items, lambda item: item["sk"].rpartition("#")[0]):
                yield self._letter(sequence, list(pieces))

    def _letter(self, sequence: str, pieces: list[Item]) -> Letter:
        first = pieces[0]
        data = b"".join(piece["data"] for piece in pieces)
        is_record = first["partition_key"].startswith("lane#")
        replay = partial(self._replay, sequence, pieces, data) if is_record else _refuse_frame
        return Letter(
            id=sha256(f"{first['pk']} {sequence}".encode()).hexdigest()[:8],
            kind="record" if is_record else "frame",
            source=first["partition_key"],
            time=first["arrived_at"],
            why=first["reason"],
            tries=1,
            body=f"{sequence}, {len(data)} bytes:\n{data[:SHOWN]!r}",
            replay=replay,
            remove=lambda: self._table.delete_many((piece["pk"], piece["sk"]) for piece in pieces),
        )

    def _replay(self, sequence: str, pieces: list[Item], data: bytes) -> None:
        """Has process_ticks read a record; if it cannot, it puts it here again, without our mark."""
        first = pieces[0]
        try:
            decode(data, first["arrived_at"])
        except UnreadableError as error:
            raise RefusedError(f"it still cannot be read: {error}") from error
        mark = {"replayed_at": self._now}
        for piece in pieces:
            self._table.update(piece["pk"], piece["sk"], set=mark, condition="attribute_exists(pk)")
        record = {
            "PartitionKey": first["partition_key"],
            "SequenceNumber": sequence,
            "Data": data,
            "ApproximateArrivalTimestamp": datetime.fromtimestamp(first["arrived_at"] / 1000, UTC),
        }
        for event in _events({"streamArn": self._stack.resources["Stream"]}, [record]):
            self._stack.invoke(self._stack.resources["ProcessTicks"], event)
        try:
            for some in batched(pieces, PIECES, strict=False):
                self._table.transact([Removal(piece["pk"], piece["sk"], mark) for piece in some])
        except ConditionError as error:
            raise RefusedError("the release that is deployed cannot read it either") from error


def _refuse_frame() -> None:
    raise RefusedError(
        "a venue's frame: only its connection could place it. What it told is a gap, which is repaired by REST. "
        "Mend the reader in feeds/, then discard this"
    )


def _refuse_unknown() -> None:
    raise RefusedError("of no form that is known here")


@cache
def _queues() -> dict[str, dict[str, Any]]:
    return template.resources("AWS::SQS::Queue")


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def chosen(letters: Iterable[Letter], which: str) -> list[Letter]:
    """The letters of an id or the beginning of one, of a kind, or `all`; the oldest first.

    Raises:
        ProblemError: There are none.
    """
    found = sorted(letters, key=lambda letter: letter.time)
    some = [each for each in found if which in ("all", each.kind)] or [
        each for each in found if each.id.startswith(which)
    ]
    if not some:
        raise ProblemError(f"nothing that was given up on is called {which}: `make redrive` lists what there is")
    return some


def table(letters: Iterable[Letter]) -> Columns:
    """What there is, a row each, the oldest first."""
    columns = Columns(box=None, pad_edge=False, header_style="dim")
    for title in ("id", "kind", "source", "when", "tries", "why"):
        columns.add_column(title, no_wrap=title != "why")
    for each in sorted(letters, key=lambda letter: letter.time):
        when = f"{datetime.fromtimestamp(each.time / 1000, UTC):%Y-%m-%d %H:%M:%S}"
        columns.add_row(each.id, each.kind, each.source, when, str(each.tries or "–"), Text(each.why[:200]))
    return columns


def replay(letters: Iterable[Letter], console: Console) -> int:
    """Tries letters again and removes those of which that went well; returns how many are left."""
    left = 0
    for letter in letters:
        try:
            letter.replay()
        except (RefusedError, ProblemError, CryptoPulseError, BotoCoreError, ClientError) as reason:
            console.print(Text(f"{letter.id} {letter.kind} kept: {reason}"), soft_wrap=True)
            left += 1
        else:
            letter.remove()
            console.print(f"{letter.id} {letter.kind} tried again")
    return left


def redrive(stack: Stack, console: Console, action: str, which: str) -> int:
    """Does what `make redrive` was asked for.

    Args:
        stack: Whose failures.
        console: Where to tell.
        action: `list`, `show`, `replay` or `discard`.
        which: An id, a kind, or `all`.

    Returns:
        How many could not be tried again.

    Raises:
        ProblemError: There is nothing of this name.
    """
    failures = Failures(stack)
    try:
        letters = [*failures.letters(), *Quarantine(stack, wiring.now()).letters()]
        match action:
            case "show":
                for letter in chosen(letters, which):
                    console.print(table([letter]))
                    console.print(Text(letter.body), soft_wrap=True)
            case "replay":
                return replay(chosen(letters, which), console)
            case "discard":
                for letter in chosen(letters, which):
                    letter.remove()
                    console.print(f"{letter.id} {letter.kind} discarded")
            case _:
                console.print(table(letters) if letters else "Nothing was given up on.")
        return 0
    finally:
        failures.close()


def main() -> int:
    """Runs `make redrive`."""
    parser = argparse.ArgumentParser(prog="make redrive", description=__doc__)
    for action in ("show", "replay", "discard"):
        parser.add_argument(f"--{action}", default="", metavar="WHICH", help="an id, a kind, or all")
    parser.add_argument("--stack", default="", help="a stack on AWS; what `make run` runs if empty")
    parser.add_argument("--home", type=Path, default=HOME)
    arguments = parser.parse_args()
    asked = [(name, which) for name in ("show", "replay", "discard") if (which := getattr(arguments, name))]
    if len(asked) > 1:
        parser.error("one of SHOW, REPLAY and DISCARD at a time")
    try:
        stack = find(arguments.stack, arguments.home)
        stack.enter("ProcessTicks")
        return 1 if redrive(stack, Console(), *(asked or [("list", "")])[0]) else 0
    except ProblemError as problem:
        Console(stderr=True).print(f"[red]{problem}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
