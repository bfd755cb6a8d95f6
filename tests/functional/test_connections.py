"""Connections at rest: none is lost or risen from the dead, and fan-out state has one owner."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from hashlib import sha256
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.connections import HANDSHAKE, KEPT, Connections, Head
from cryptopulse.domain.fan_state import Client, Flow, State, Told, digest
from cryptopulse.domain.subscriptions import Channel, Connection, Entry
from cryptopulse.errors import ConditionError

NOW = 1_795_348_800_000


@pytest.fixture
def connections(aws: boto3.Session) -> Connections:
    return wiring.connections()


def opened(connections: Connections, id_: str = "a", user: str = "", grant: str = "") -> Connection:
    connection = Connection(id_, "192.0.2.44", NOW, NOW, user=user, grant=grant)
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


# --- a user's connections ---


def test_a_users_connection_is_in_his_list_until_it_goes(connections: Connections) -> None:
    opened(connections, "a", "ann", "s1")
    assert connections.find("a", NOW) == Connection("a", "192.0.2.44", NOW, NOW, 1, user="ann", grant="s1")
    item = {"pk": "USER#ann", "sk": "PLACES", "expires_at": (NOW + KEPT) // 1000}
    assert list(connections._table.query("USER#ann")) == [{**item, "version": 1, "places": {"a": ["s1", NOW]}}]
    connections.remove("a")
    assert list(connections._table.query("USER#ann")) == [{**item, "version": 2, "places": {}}]


def test_it_is_in_the_list_before_it_is_open(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[bool] = []

    def save(connection: Connection) -> None:
        listed.append(connections.shards_of("ann", NOW) == {connections.shard_of("a")})

    monkeypatch.setattr(connections, "_save", save)
    opened(connections, "a", "ann", "s1")
    assert listed == [True]


@pytest.mark.parametrize(
    ("which", "ended"),
    [
        ({}, {"a", "b", "c"}),
        ({"grant": "s1"}, {"a", "b"}),
        ({"but": "s1"}, {"c"}),
        ({"grant": "s3"}, set()),
        ({"but": "s3"}, {"a", "b", "c"}),
    ],
)
def test_all_of_a_users_connections_end_or_those_of_a_grant_or_of_the_others(
    connections: Connections, which: dict[str, str], ended: set[str]
) -> None:
    for id_, user, grant in [("a", "ann", "s1"), ("b", "ann", "s1"), ("c", "ann", "s2"), ("d", "bob", "s1")]:
        opened(connections, id_, user, grant)
    opened(connections, "e")
    before = connections.heads()
    shards = connections.end("ann", NOW, **which)
    assert shards == {connections.shard_of(id_) for id_ in ended}
    found = {id_: each for shard in range(2) for id_, each in connections.all(shard, NOW).items()}
    assert {id_ for id_, each in found.items() if each.is_ended} == ended
    assert {id_: each.version for id_, each in found.items()} == {id_: 1 + (id_ in ended) for id_ in "abcde"}
    assert {shard for shard, head in connections.heads().items() if head.version > before[shard].version} == shards


def test_ending_may_be_repeated(connections: Connections) -> None:
    opened(connections, "a", "ann", "s1")
    shards = connections.end("ann", NOW)
    version = connections.head(connections.shard_of("a")).version
    assert connections.end("ann", NOW) == shards == {connections.shard_of("a")}
    assert connections.head(connections.shard_of("a")).version == version + 1
    found = connections.find("a", NOW)
    assert found is not None
    assert found.is_ended


def test_a_change_made_meanwhile_does_not_undo_the_end(connections: Connections) -> None:
    connection = opened(connections, "a", "ann", "s1")
    connections.end("ann", NOW)
    assert connections.change(connection, subscribe, NOW)
    found = connections.find("a", NOW)
    assert found is not None
    assert (found.is_ended, list(found.channels)) == (True, ["ticks"])


def test_the_list_is_read_as_it_is_now(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    for id_ in "abcd":
        opened(connections, id_, "ann", "s1")
    client, asked = connections._table._client, []
    call = client.call

    def watched(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "Query":
            asked.append(body["ConsistentRead"])
        return call(operation, body)

    monkeypatch.setattr(client, "call", watched)
    connections.end("ann", NOW)
    assert asked == [True]
    assert all(each.is_ended for shard in range(2) for each in connections.all(shard, NOW).values())


def test_ghosts_in_the_list_are_left_alone(connections: Connections) -> None:
    """Of a connection that is not there, of one that came back without a ticket, and of one too old to exist."""
    opened(connections, "a", "ann", "s1")
    connections._table.delete(connections._pk("a"), "CONN#a")
    opened(connections, "b", "ann", "s1")
    connections._table.delete(connections._pk("b"), "CONN#b")
    reborn = opened(connections, "b")
    assert connections.end("ann", NOW) == set()
    assert connections.find("a", NOW) is None
    assert connections.find("b", NOW) == reborn
    opened(connections, "c", "ann", "s1")
    assert connections.end("ann", NOW + KEPT) == set()


def test_a_users_connections_are_those_that_are_his_and_have_not_ended(connections: Connections) -> None:
    for id_, user, grant in [("a", "ann", "s1"), ("b", "ann", "s2"), ("c", "bob", "s3"), ("d", "ann", "s1")]:
        opened(connections, id_, user, grant)
    connections.end("ann", NOW, grant="s2")
    connections._table.delete(connections._pk("d"), "CONN#d")
    opened(connections, "d")
    assert connections.of("ann", NOW) == [connections.find("a", NOW)]
    assert connections.shards_of("ann", NOW) == {connections.shard_of(id_) for id_ in "abd"}
    assert (connections.of("ann", NOW + KEPT), connections.shards_of("ann", NOW + KEPT)) == ([], set())


def test_what_is_not_of_the_client_is_no_sign_of_life_and_hides_none(connections: Connections) -> None:
    connection = opened(connections, "a", "ann", "s1")
    connections.heard(connection, NOW + 60_000)
    assert connections.change(connection, subscribe, NOW + 90_000, is_heard=False)
    found = connections.find("a", NOW)
    assert found is not None
    assert (found.active_at, found.version, list(found.channels)) == (NOW + 60_000, 2, ["ticks"])
    assert (found.user, found.grant, found.is_ended) == ("ann", "s1", False)
    assert connections.head(connections.shard_of("a")).version == 2
    late = connections.find("a", NOW)
    assert late is not None
    connections.change(found, lambda it: it.channels.update(candles=Channel(500)), NOW, is_heard=False)
    connections.change(late, lambda it: it.channels.update(other=Channel(500)), NOW, is_heard=False)
    found = connections.find("a", NOW)
    assert found is not None
    assert (found.version, list(found.channels)) == (4, ["ticks", "candles", "other"])
    connections.remove("a")
    assert not connections.change(found, subscribe, NOW, is_heard=False)
    assert connections.find("a", NOW) is None


def test_a_connection_written_by_the_release_before_is_anonymous(connections: Connections) -> None:
    connection = opened(connections)
    item = connections._table.get(connections._pk("a"), "CONN#a") or {}
    connections._table.put({name: item[name] for name in item.keys() - {"user", "grant", "ended"}})
    assert connections.find("a", NOW) == connection
    connections.remove("a")
    assert connections.find("a", NOW) is None


# --- places ---


def newcomer(id_: str, user: str = "", now: int = NOW) -> Connection:
    return Connection(id_, "192.0.2.44", now, now, user=user, grant=user and "s1")


def fill(connections: Connections, user: str, count: int = 3) -> None:
    assert all(connections.open(newcomer(f"old{number}", user), 3) for number in range(count))


@pytest.fixture(params=["", "ann"], ids=["address", "user"])
def user(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_are_so_many_places_and_no_more(connections: Connections, user: str) -> None:
    fill(connections, user)
    assert not connections.open(newcomer("late", user), 3)
    assert connections.find("late", NOW) is None
    assert connections.open(newcomer("other", "bob"), 3)
    assert connections.open(Connection("elsewhere", "192.0.2.45", NOW, NOW), 3)
    assert connections.open(newcomer("old2", user), 3)  # the answer to the first time was lost


def test_who_leaves_frees_a_place_once(connections: Connections, user: str) -> None:
    fill(connections, user)
    for _ in range(2):
        connections.remove("old1")
    assert connections.open(newcomer("next", user), 3)
    assert not connections.open(newcomer("late", user), 3)


def test_a_place_is_free_when_its_connection_is_too_old_to_exist(connections: Connections, user: str) -> None:
    fill(connections, user)
    assert not connections.open(newcomer("early", user, NOW + KEPT - 1_000), 3)
    assert connections.open(newcomer("next", user, NOW + KEPT), 3)
    assert connections._places(f"USER#{user}" if user else "ADDRESS#192.0.2.44", NOW + KEPT) == (
        4,
        {"next": (user and "s1", NOW + KEPT)},
    )


def test_a_place_that_was_not_freed_is_when_it_is_needed(
    connections: Connections, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash came between the removal of the connection and of its place; one just taken may still be filled."""
    fill(connections, user)
    with monkeypatch.context() as crash:
        crash.setattr(Connections, "_leave", lambda *_: None)
        connections.remove("old1")
    assert not connections.open(newcomer("early", user, NOW + HANDSHAKE), 3)
    assert connections.open(newcomer("next", user, NOW + HANDSHAKE + 1), 3)
    assert not connections.open(newcomer("late", user, NOW + HANDSHAKE + 1), 3)


def test_an_address_is_not_looked_at_where_it_may_have_any_number(connections: Connections) -> None:
    assert all(connections.open(newcomer(str(number))) for number in range(30))
    assert list(connections._table.query("ADDRESS#192.0.2.44")) == []


@pytest.mark.parametrize(("taken", "limit"), [(0, 3), (2, 5), (0, 30)])
def test_of_handshakes_at_once_as_many_get_in_as_there_are_places(
    connections: Connections, user: str, taken: int, limit: int
) -> None:
    fill(connections, user, taken)
    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(lambda number: connections.open(newcomer(f"new{number}", user), limit), range(12)))
    assert sum(got) == min(12, limit - taken)
    there = [number for number in range(12) if connections.find(f"new{number}", NOW)]
    assert there == [number for number, is_in in enumerate(got) if is_in]


def test_who_comes_and_goes_at_once_leaves_nothing(connections: Connections, user: str) -> None:
    def pass_by(number: int) -> None:
        connections.open(newcomer(f"new{number}", user), 20)
        connections.remove(f"new{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(pass_by, range(8)))
    assert connections._places(f"USER#{user}" if user else "ADDRESS#192.0.2.44", NOW)[1] == {}
    assert [connections.all(shard, NOW) for shard in range(2)] == [{}, {}]


def test_who_always_finds_others_faster_gets_no_place_and_leaves_his(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connections, "ann", 1)
    monkeypatch.setattr(Connections, "_place", lambda *_: False)
    assert not connections.open(newcomer("next", "ann"), 3)
    connections.remove("old0")
    assert list(connections._places("USER#ann", NOW)[1]) == ["old0"]


def test_what_taking_and_freeing_a_place_costs(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    client = connections._table._client
    call = client.call

    def counted(operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        called.append(operation)
        return call(operation, body)

    monkeypatch.setattr(client, "call", counted)
    connections.open(newcomer("a", "ann"), 3)
    assert called == ["Query", "PutItem", "PutItem", "UpdateItem", "UpdateItem"]
    called.clear()
    connections.remove("a")
    assert called == ["DeleteItem", "UpdateItem", "UpdateItem", "Query", "PutItem"]


# --- shards ---


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


def test_a_state_that_no_item_holds_is_kept_without_what_can_be_told_again(connections: Connections) -> None:
    """5,000 clients with a portfolio each."""
    state, amount = State(beat=9), Decimal("12345678.123456789012345678")
    for number in range(5_000):
        name = sha256(b"%d" % number).hexdigest()[:26]
        told = Told(amount + number**3, amount * number, NOW + number, 7, 9)
        state.clients[digest(name)] = Client(1, number, NOW, {"portfolio": Flow(9, NOW, {name: told})})
        state.looked[f"{name[::-1]}/{name}"] = NOW - number
    connections.record(1, state)
    kept = connections.state(1)
    assert [client.seq for client in kept.clients.values()] == [*range(5_000)]
