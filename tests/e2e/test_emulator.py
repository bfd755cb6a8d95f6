"""What local/emulator.py adds to ministack: streams stay small and nothing is lost by that, and a stop stops all."""

import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.cloud import Cloud, access
from local.processes import Processes, free_ports

ROLE = "arn:aws:iam::000000000000:role/any"
READER = """
import os, time
def handler(event, context):
    time.sleep(float(os.environ["SECONDS"]))
    with open(os.environ["SEEN"], "a") as seen:
        seen.writelines(record["kinesis"]["partitionKey"] + "\\n" for record in event["Records"])
    print("read")
"""
SLEEPER = """
import os, time
def handler(event, context):
    with open(os.environ["SEEN"], "w") as seen:
        seen.write(str(os.getpid()))
    time.sleep(60)
"""


class Emulator:
    """A running one.

    Args:
        home: Folder of its state.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self.processes = Processes(home)
        self._cloud = Cloud(home, f"http://127.0.0.1:{free_ports()}", self.processes)
        self._cloud.start()

    def client(self, service: str) -> Any:
        """A client of one of its services."""
        return boto3.client(service, **access(self._cloud.origin, 60))  # type: ignore[call-overload]

    def add_function(self, name: str, code: str, **variables: object) -> Path:
        """Makes a function, and the file that it writes to."""
        seen = self._home / name
        seen.touch()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        environment = {"SEEN": str(seen)} | {key: str(value) for key, value in variables.items()}
        self.client("lambda").create_function(
            FunctionName=name, Runtime="python3.13", Role=ROLE, Handler="app.handler", Timeout=60,
            Code={"ZipFile": packed.getvalue()}, Environment={"Variables": environment},
        )  # fmt: skip
        return seen


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path)
    yield emulator
    emulator.processes.stop()


def test_records_are_dropped_when_all_have_read_them_and_none_is_lost(emulator: Emulator) -> None:
    streams = emulator.client("kinesis")
    streams.create_stream(StreamName="ticks", ShardCount=1)
    stream = streams.describe_stream(StreamName="ticks")["StreamDescription"]["StreamARN"]
    readers = [emulator.add_function(name, READER, SECONDS=s) for name, s in (("quick", 0), ("slow", 0.3))]
    for reader in readers:
        emulator.client("lambda").create_event_source_mapping(
            EventSourceArn=stream, FunctionName=reader.name, StartingPosition="TRIM_HORIZON", BatchSize=7
        )
    keys = [f"record-{number}" for number in range(60)]
    for key in keys:
        streams.put_record(StreamName="ticks", Data=b"{}", PartitionKey=key)
        time.sleep(0.03)
    await_(lambda: all(len(reader.read_text().split()) >= len(keys) for reader in readers))

    streams.put_record(StreamName="ticks", Data=b"{}", PartitionKey="last")
    await_(lambda: all(reader.read_text().endswith("last\n") for reader in readers))
    assert [reader.read_text().split() for reader in readers] == [[*keys, "last"]] * 2
    await_(lambda: kept(streams) == [])


def test_a_function_at_work_ends_with_the_emulator(emulator: Emulator) -> None:
    seen = emulator.add_function("sleeper", SLEEPER)
    emulator.client("lambda").invoke(FunctionName="sleeper", InvocationType="Event", Payload=json.dumps({}))
    await_(lambda: seen.read_text() != "")
    emulator.processes.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(int(seen.read_text()), 0)


def kept(streams: Any) -> list[str]:
    shard = {"StreamName": "ticks", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    records = streams.get_records(ShardIterator=streams.get_shard_iterator(**shard)["ShardIterator"])["Records"]
    return [record["PartitionKey"] for record in records]


def await_(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
