"""Doorbells on the stream."""

from typing import Any

import boto3
import pytest

from cryptopulse import telemetry, wiring
from cryptopulse.aws.doorbells import Doorbell, read
from cryptopulse.domain.subscriptions import Connection
from cryptopulse.errors import UnreadableError
from tests.functional.doorbells import rung


@pytest.mark.usefixtures("aws")
def test_only_shards_with_clients_are_rung() -> None:
    wiring.doorbells().ring({0: 17})
    assert rung() == []
    wiring.connections().open(Connection("a", "192.0.2.44", 0, 0))
    wiring.doorbells().ring({0: 17, 1: 9})
    wiring.doorbells().ring({})
    shard = wiring.connections().shard_of("a")
    assert rung() == [(f"fan#{shard}", b'{"0":17,"1":9}'), (f"fan#{shard}", b"{}")]


@pytest.mark.usefixtures("aws")
def test_a_shard_can_be_rung_by_name() -> None:
    wiring.doorbells().ring({0: 17}, [1])
    assert rung() == [("fan#1", b'{"0":17}')]


def test_shards_spread_over_the_streams_hashes(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[Any] = []

    def accept(entries: list[Any]) -> dict[str, str]:
        put.extend(entries)
        return {entry["PartitionKey"]: str(number) for number, entry in enumerate(entries)}

    monkeypatch.setattr(wiring.stream(), "put", accept)
    wiring.doorbells().ring({}, [0, 1])
    assert telemetry.rung.get() == {0: "0", 1: "1"}
    assert [int(entry["ExplicitHashKey"]) for entry in put] == [2**126, 3 * 2**126]


def test_a_doorbell_reads_as_it_was_rung() -> None:
    assert read("fan#1", b'{"0":17,"1":9}', 2) == Doorbell(1, {0: 17, 1: 9})


@pytest.mark.usefixtures("aws")
def test_a_doorbell_names_users_whose_alerts_have_fired() -> None:
    wiring.doorbells().ring({0: 17}, [1], {"b" * 32, "a" * 32})
    ((partition, data),) = rung()
    assert data == b'{"0":17,"users":["%s","%s"]}' % (b"a" * 32, b"b" * 32)
    assert read(partition, data, 2) == Doorbell(1, {0: 17}, frozenset({"a" * 32, "b" * 32}))


@pytest.mark.usefixtures("aws")
def test_a_doorbell_says_that_there_are_news() -> None:
    wiring.doorbells().ring({0: 17}, [1], news=3)
    ((partition, data),) = rung()
    assert data == b'{"0":17,"news":3}'
    assert read(partition, data, 2) == Doorbell(1, {0: 17}, news=3)


@pytest.mark.parametrize(
    ("partition", "data"),
    [
        ("lane#0", b"{}"),
        ("fan#2", b"{}"),
        ("fan#-1", b"{}"),
        ("fan#", b"{}"),
        ("fan#00", b"{}"),
        ("fan#0", b""),
        ("fan#0", b"[]"),
        ("fan#0", b'{"a":1}'),
        ("fan#0", b'{"0":"x"}'),
        ("fan#0", b'{"0":["x"]}'),
        ("fan#0", b'{"users":7}'),
        ("fan#0", b'{"users":[7]}'),
        ("fan#0", b'{"news":["x"]}'),
        ("fan#0", b"\xff"),
    ],
)
def test_anything_else_is_unreadable(partition: str, data: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(partition, data, 2)
