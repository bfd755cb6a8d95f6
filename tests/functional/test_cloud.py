"""What a test does to the cloud is not seen by the next: each test here runs thrice, and does it all."""

from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.market import Market
from cryptopulse.domain.series import Series
from tests.functional.conftest import Filled

BTC, ETH = Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD")
TABLES = ("Accounts", "Connections", "Market")
thrice = pytest.mark.parametrize("time", ["first", "second", "third"])


def seen(aws: boto3.Session) -> dict[str, Any]:
    """All that the functions keep anything in."""
    dynamodb, kinesis = aws.client("dynamodb"), aws.client("kinesis")
    kms, sqs = aws.client("kms"), aws.client("sqs")
    shard = kinesis.list_shards(StreamName="Stream")["Shards"][0]["ShardId"]
    place = kinesis.get_shard_iterator(StreamName="Stream", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    return {
        "items": {name: dynamodb.scan(TableName=name)["Items"] for name in dynamodb.list_tables()["TableNames"]},
        "records": [each["Data"] for each in kinesis.get_records(ShardIterator=place["ShardIterator"])["Records"]],
        "signing keys": {
            state["Arn"]: state["Enabled"]
            for key in kms.list_keys()["Keys"]
            if (state := kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"])["KeyUsage"] == "SIGN_VERIFY"
        },
        "messages": {
            url.rpartition("/")[2]: [each["Body"] for each in sqs.receive_message(QueueUrl=url).get("Messages", ())]
            for url in sqs.list_queues()["QueueUrls"]
        },
    }


@thrice
def test_a_cloud_is_new_for_each_test(aws: boto3.Session, time: str) -> None:
    own = wiring.settings()
    (key,) = own.signing_keys
    assert seen(aws) == {
        "items": {name: [] for name in TABLES},
        "records": [],
        "signing keys": {key: True},
        "messages": {"ImportQueue": [], "WebhookQueue": [], "DoorbellQueue": []},
    }
    dynamodb, kinesis = aws.client("dynamodb"), aws.client("kinesis")
    kms, sqs = aws.client("kms"), aws.client("sqs")
    item = {"pk": {"S": "A"}, "sk": {"S": time}}
    for table in TABLES:
        dynamodb.put_item(TableName=table, Item=item)
    kinesis.put_record(StreamName="Stream", Data=b"A", PartitionKey="A")
    for queue in (own.IMPORTS_QUEUE, own.WEBHOOKS_QUEUE, own.DOORBELLS_QUEUE):
        sqs.send_message(QueueUrl=queue, MessageBody="A")
    sqs.create_queue(QueueName="More")
    kms.disable_key(KeyId=key.rpartition("/")[2])  # moto takes no ARN here
    assert seen(aws) == {
        "items": {name: [item] for name in TABLES},
        "records": [b"A"],
        "signing keys": {key: False},
        "messages": {"ImportQueue": ["A"], "WebhookQueue": ["A"], "DoorbellQueue": ["A"], "More": []},
    }
    dynamodb.delete_table(TableName="Market")
    sqs.delete_queue(QueueUrl=own.IMPORTS_QUEUE)


def fill(market: Market) -> None:
    market.save_series([BTC])


@thrice
def test_a_table_is_filled_alike_for_each_test(aws: boto3.Session, filled: Filled, time: str) -> None:
    market = filled(fill)
    assert market.series() == [BTC]
    assert len(seen(aws)["items"]["Market"]) == 1
    said: Any = {
        "ExpressionAttributeNames": {"#names": "names"},
        "ExpressionAttributeValues": {":name": {"S": str(ETH)}},
    }
    key = {"pk": {"S": "SERIES"}, "sk": {"S": "TRACKED"}}
    dynamodb = aws.client("dynamodb")
    dynamodb.update_item(TableName="Market", Key=key, UpdateExpression="SET #names[0] = :name", **said)
    dynamodb.put_item(TableName="Market", Item={"pk": {"S": "A"}, "sk": {"S": time}})
    assert market.series() == [ETH]


@thrice
def test_the_market_is_empty_where_nobody_fills_it(aws: boto3.Session, time: str) -> None:
    assert wiring.market().series() == []
    wiring.market().save_series([BTC])
