"""Connections at rest: none is lost or risen from the dead, and fan-out state has one owner."""

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.connections import KEPT, Connections, Head
from cryptopulse.domain.fanning import State
from cryptopulse.domain.subscriptions import Channel, Connection, Entry
from cryptopulse.errors import ConditionError

NOW = 1_795_348_800_000


@pytest.fixture
def connections(aws: boto3.Session) -> Connections:
    return wiring.connections()


def opened(connections: Connections, id_: str = "a") -> Connection:
    connection = Connection(id_, "192.0.2.44", NOW, NOW)
    connections.open(connection)
    return connection


def subscribe(connection: Connection) -> None:
    entry = Entry("coinbase:BTC-USD", 0, "", 7, connection.version + 1)
    connection.channels["ticks"] = Channel(
        1_000, {**connection.channels.get("ticks", Channel(0)).entries, "BTC-USD": entry}
    )


def test_a_connection_reads_as_it_was_written(connections: Connections) -> None:
    connection = opened(connections)
    assert connections.change(connection, subscribe, NOW + 5)
    found = connections.find("a", NOW)
    assert found == Connection(
        "a",
        "192.0.2.44",
        NOW,
        NOW + 5,
        2,
        {"ticks": Channel(1_000, {"BTC-USD": Entry("coinbase:BTC-USD", 0, "", 7, 2)})},
    )
    shard = connections.shard_of("a")
    assert connections.all(shard, NOW) == {"a": found}
    assert connections.head(shard) == Head(2, clients=True)
    assert connections.find("b", NOW) is None


def test_one_opened_twice_stays_as_it_is(connections: Connections) -> None:
    connections.change(opened(connections), subscribe, NOW)
    opened(connections)
    found = connections.find("a", NOW)
    assert found is not None
    assert found.version == 2


def test_a_connection_too_old_to_exist_is_not_found(connections: Connections) -> None:
    opened(connections)
    assert connections.find("a", NOW + KEPT - 1_000) is not None
    assert connections.find("a", NOW + KEPT) is None
    assert connections.all(connections.shard_of("a"), NOW + KEPT) == {}


def test_two_changes_at_once_both_count(connections: Connections) -> None:
    mine = opened(connections)
    theirs = connections.find("a", NOW)
    assert theirs is not None
    connections.change(theirs, subscribe, NOW)
    connections.change(mine, lambda it: it.channels.update(candles=Channel(500)), NOW)
    found = connections.find("a", NOW)
    assert found is not None
    assert (found.version, list(found.channels)) == (3, ["ticks", "candles"])


def test_who_has_left_does_not_come_back(connections: Connections) -> None:
    connection = opened(connections)
    connections.remove("a")
    assert not connections.change(connection, subscribe, NOW)
    connection.active_at = 0
    connections.heard(connection, NOW)
    connections.remove("a")
    assert connections.find("a", NOW) is None
    assert connections.head(connections.shard_of("a")).version == 3


def test_a_connection_that_changes_all_the_time_is_given_up(connections: Connections) -> None:
    def overtaken(connection: Connection) -> None:
        other = connections.find("a", NOW)
        assert other is not None
        connections._save(other)

    with pytest.raises(ConditionError):
        connections.change(opened(connections), overtaken, NOW)


def test_signs_of_life_are_written_once_a_minute(connections: Connections) -> None:
    connection = opened(connections)
    for later in (1_000, 59_999):
        connections.heard(connection, NOW + later)
    assert connections.find("a", NOW) == connection
    connections.heard(connection, NOW + 60_000)
    found = connections.find("a", NOW)
    assert found is not None
    assert (found.active_at, found.version) == (NOW + 60_000, 1)
    assert connections.head(connections.shard_of("a")).version == 1


def test_heads_tell_which_shards_may_have_clients(connections: Connections) -> None:
    assert connections.heads() == {}
    assert connections.head(0) == Head()
    opened(connections)
    shard = connections.shard_of("a")
    connections.remove("a")
    connections.rest(shard, 1)
    assert connections.heads() == {shard: Head(2, clients=True)}
    connections.rest(shard, 2)
    assert connections.heads() == {shard: Head(2, clients=False)}
    connections.own(shard, "me")
    assert connections.heads() == {shard: Head(2, clients=False, owner="me")}
    opened(connections, "a")
    assert connections.heads() == {shard: Head(3, clients=True, owner="me")}


def test_an_owner_of_a_shard_that_never_had_a_connection(connections: Connections) -> None:
    connections.own(1, "me")
    assert connections.head(1) == Head(0, clients=False, owner="me")


def test_state_is_written_over_the_version_it_was_read_at_only(connections: Connections) -> None:
    mine, theirs = connections.state(1), connections.state(1)
    assert mine == State()
    mine.beat = 5
    connections.record(1, mine)
    with pytest.raises(ConditionError):
        connections.record(1, theirs)
    assert connections.state(1) == State(version=1, beat=5)
    connections.record(1, mine)
    assert connections.state(1).version == 2


def test_ids_of_any_form_spread_over_the_shards(connections: Connections) -> None:
    shards = {connections.shard_of(f"T73xAeZyoAMCJc{number}=") for number in range(50)}
    assert shards == {0, 1}
