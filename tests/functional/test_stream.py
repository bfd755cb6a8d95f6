"""Records reach the stream by lane; what it does not take is put again, and nothing is lost quietly."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Account, Client
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.aws.stream import ATTEMPTS, BYTES, HASHES, RECORDS, Stream
from cryptopulse.domain.ticks import Quote, Record, decode
from cryptopulse.errors import ServiceError, ThrottledError
from tests.functional.conftest import Streamed

NOON = 1_795_348_800_000


def record(number: int, lane: int = 0) -> Record:
    return Record("coinbase", lane, [Quote("BTC-USD", 2, number, NOON)])


class Throttling(Client):
    """A Kinesis that refuses some records of each call: those that the test's turns name."""

    def __init__(self, *turns: set[int]) -> None:
        super().__init__("kinesis", Account("us-east-1", Credentials("", "", "")))
        self.turns = list(turns)
        self.calls: list[list[int]] = []

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        numbers = [decode(b64decode(entry["Data"])).messages[0].price for entry in body["Records"]]  # type: ignore[union-attr]
        self.calls.append(numbers)
        refused = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        error = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
        return {
            "FailedRecordCount": len(refused.intersection(numbers)),
            "Records": [error if number in refused else {"SequenceNumber": "1"} for number in numbers],
        }


def test_records_go_out_by_lane(aws: boto3.Session, streamed: Streamed) -> None:
    assert wiring.stream().publish([record(1, 0), record(2, 1)]) == 2
    assert streamed() == [record(1, 0), record(2, 1)]
    kinesis = aws.client("kinesis")
    place = kinesis.get_shard_iterator(
        StreamName="Stream", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=place["ShardIterator"])["Records"]
    assert [record["PartitionKey"] for record in records] == ["lane#0", "lane#1"]
    assert wiring.stream().publish([]) == 0


def test_every_shard_gets_its_share_of_the_lanes(aws: boto3.Session) -> None:
    kinesis = aws.client("kinesis")
    kinesis.create_stream(StreamName="Wide", ShardCount=4)
    Stream(Client("kinesis", wiring.account()), "Wide", 4).publish(record(lane, lane) for lane in range(4))
    shards = kinesis.describe_stream(StreamName="Wide")["StreamDescription"]["Shards"]
    found = []
    for shard in shards:
        place = kinesis.get_shard_iterator(
            StreamName="Wide", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        records = kinesis.get_records(ShardIterator=place["ShardIterator"])["Records"]
        found.append([decode(each["Data"]).lane for each in records])
    assert found == [[0], [1], [2], [3]]


def test_a_hash_key_is_in_range_for_any_number_of_lanes() -> None:
    for lanes in (1, 2, 3, 64):
        stream = Stream(Throttling(set()), "Stream", lanes)
        keys = [int(stream._entry(lane, b"")["ExplicitHashKey"]) for lane in range(lanes)]
        assert [key * lanes // HASHES for key in keys] == list(range(lanes))


def test_what_was_refused_is_put_again_and_only_that() -> None:
    client = Throttling({2, 3}, {3}, set())
    slept: list[float] = []
    assert Stream(client, "Stream", 1, sleep=slept.append).publish(map(record, (1, 2, 3, 4))) == 4
    assert client.calls == [[1, 2, 3, 4], [2, 3], [3]]
    assert len(slept) == 2


def test_what_is_refused_for_good_is_raised() -> None:
    client = Throttling({2})
    with pytest.raises(ThrottledError, match="ProvisionedThroughputExceededException: PutRecords: 1 records refused"):
        Stream(client, "Stream", 1, sleep=lambda _: None).publish(map(record, (1, 2)))
    assert client.calls == [[1, 2], *[[2]] * (ATTEMPTS - 1)]


def test_a_call_is_within_the_services_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Throttling(set())
    assert Stream(client, "Stream", 1).publish(map(record, range(1, RECORDS + 2))) == RECORDS + 1
    assert [len(call) for call in client.calls] == [RECORDS, 1]
    large = b"x" * (BYTES // 2)
    monkeypatch.setattr("cryptopulse.aws.stream.encode", lambda record: large)
    monkeypatch.setattr(
        client, "call", lambda operation, body: {"Records": [{"SequenceNumber": "1"}] * len(sizes(body))}
    )
    called: list[int] = []

    def sizes(body: Mapping[str, Any]) -> list[Any]:
        called.append(sum(len(b64decode(entry["Data"])) for entry in body["Records"]))
        return list(body["Records"])

    Stream(client, "Stream", 1).publish(map(record, range(5)))
    assert called == [BYTES, BYTES, BYTES // 2]


def test_what_is_offered_is_put_once_and_what_was_refused_comes_back() -> None:
    client = Throttling({2, 3})
    offered = [record(number) for number in (1, 2, 3, 4)]
    assert Stream(client, "Stream", 1).offer(offered) == offered[1:3]
    assert client.calls == [[1, 2, 3, 4]]
    assert Stream(client, "Stream", 1).offer([]) == []


def test_an_offer_without_an_answer_comes_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def call(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        calls.append(len(body["Records"]))
        if len(calls) == 1:
            raise ThrottledError("NoAnswer", "none")
        return {"Records": [{}]}

    client = Throttling()
    monkeypatch.setattr(client, "call", call)
    offered = [record(number) for number in range(RECORDS + 1)]
    assert Stream(client, "Stream", 1).offer(offered) == offered[:RECORDS]
    assert calls == [RECORDS, 1]


def test_an_offer_that_is_refused_for_good_is_raised(aws: boto3.Session) -> None:
    with pytest.raises(ServiceError, match="ResourceNotFoundException"):
        Stream(Client("kinesis", wiring.account()), "None", 1).offer([record(1)])


def test_live_ticks_go_to_the_same_stream(aws: boto3.Session, streamed: Streamed) -> None:
    assert wiring.live_stream().offer([record(1)]) == []
    assert streamed() == [record(1)]
