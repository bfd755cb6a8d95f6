"""What lies on the stream of the tests' AWS."""

from typing import Any

import boto3


def rung() -> list[tuple[str, bytes]]:
    """Partition key and data of all records."""
    kinesis: Any = boto3.client("kinesis")
    (shard,) = kinesis.list_shards(StreamName="Stream")["Shards"]
    start = kinesis.get_shard_iterator(StreamName="Stream", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return [(record["PartitionKey"], record["Data"]) for record in records]
