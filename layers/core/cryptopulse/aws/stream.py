"""The stream of ticks: records go out by lane, many to a call, and none is lost quietly."""

import random
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from cryptopulse.aws.client import Client
from cryptopulse.domain.ticks import Record, encode
from cryptopulse.errors import ThrottledError

RECORDS: Final = 500
BYTES: Final = 4_500_000
"""A PutRecords call takes at most 500 records and 5 MB."""
ATTEMPTS: Final = 8
HASHES: Final = 2**128


def entry(partition: str, share: int, shares: int, data: bytes) -> dict[str, Any]:
    """A record of PutRecords.

    Few keys, hashed, may share a shard: each is put into the middle of its own share (0 to `shares` - 1) of the hashes.
    """
    return {
        "Data": b64encode(data).decode(),
        "PartitionKey": partition,
        "ExplicitHashKey": str((2 * share + 1) * HASHES // (2 * shares)),
    }


class Stream:
    """Publishes to one Kinesis stream.

    Args:
        client: Calls Kinesis.
        name: The stream's name.
        lanes: How many lanes there are.
        sleep: Waits between attempts.
    """

    def __init__(self, client: Client, name: str, lanes: int, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._name = name
        self._lanes = lanes
        self._sleep = sleep

    def publish(self, records: Iterable[Record]) -> int:
        """Puts the records; those that the stream does not take are put again, with full jitter.

        Returns:
            How many records were put.

        Raises:
            ThrottledError: The stream refused some again and again; the others are in it.
            ServiceError: It refused the call.
        """
        count = 0
        for batch in self._batches(records):
            self.put([entry for _, entry in batch])
            count += len(batch)
        return count

    def offer(self, records: Iterable[Record]) -> list[Record]:
        """Offers each record once, and returns those that the stream did not take.

        One whose answer was lost is returned too, and may come twice.

        Raises:
            ServiceError: It refused the call for another reason than too much at once.
        """
        refused: list[Record] = []
        for batch in self._batches(records):
            try:
                results = self._put([entry for _, entry in batch])
            except ThrottledError:
                refused += [record for record, _ in batch]
            else:
                refused += [record for (record, _), result in zip(batch, results, strict=True) if "ErrorCode" in result]
        return refused

    def _batches(self, records: Iterable[Record]) -> Iterator[list[tuple[Record, dict[str, Any]]]]:
        """The records and their entries, in calls that PutRecords takes."""
        batch: list[tuple[Record, dict[str, Any]]] = []
        size = 0
        for record in records:
            data = encode(record)
            if batch and (len(batch) == RECORDS or size + len(data) > BYTES):
                yield batch
                batch, size = [], 0
            batch.append((record, self._entry(record.lane, data)))
            size += len(data)
        if batch:
            yield batch

    def _entry(self, lane: int, data: bytes) -> dict[str, Any]:
        return entry(f"lane#{lane}", lane, self._lanes, data)

    def put(self, entries: list[dict[str, Any]]) -> dict[str, str]:
        """Puts up to 500 entries; those that are refused again, with full jitter.

        Returns:
            The sequence number of the last record of each partition key.

        Raises:
            ThrottledError, ServiceError: As `publish`.
        """
        sequences: dict[str, str] = {}
        for attempt in range(ATTEMPTS):
            results = list(zip(entries, self._put(entries), strict=True))
            refused = [(each, result) for each, result in results if "ErrorCode" in result]
            sequences |= {
                each["PartitionKey"]: result["SequenceNumber"] for each, result in results if "ErrorCode" not in result
            }
            if not refused:
                return sequences
            entries = [each for each, _ in refused]
            if attempt < ATTEMPTS - 1:
                self._sleep(random.uniform(0, min(2.0, 0.1 * 2**attempt)))
        raise ThrottledError(refused[0][1]["ErrorCode"], f"PutRecords: {len(entries)} records refused")

    def _put(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What became of each entry."""
        answer = self._client.call("PutRecords", {"StreamName": self._name, "Records": entries})
        results: list[dict[str, Any]] = answer["Records"]
        return results
