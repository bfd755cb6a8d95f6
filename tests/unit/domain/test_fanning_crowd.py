"""The fan-out to many clients: what they share is made once, who fails disturbs nobody, and all of them fit."""

from collections import Counter
from collections.abc import Callable, Iterable
from math import inf
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain import fan_quotes, fan_state, fanning, frames
from cryptopulse.domain.candles import MINUTE, Block
from cryptopulse.domain.fan_quotes import CANDLES
from cryptopulse.domain.fan_state import Candle, Client, Flow, State, Tick
from cryptopulse.domain.fanning import (
    BACK_OFF,
    LONGEST_BACK_OFF,
    MISSES,
    PACE_STEP,
    UNREACHABLE,
    Post,
    Shard,
    pace,
)
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import IDLE_AFTER, SLOWEST_MS, Channel, Connection, Entry, Watch
from tests.unit.domain.test_fanning import LANES, NOON, SERIES, World

type Fate = Callable[[str, int], int]
"""How many frames of a post a client takes, by its id and the beat; less than none: it is gone."""


def taking(_id: str, _beat: int) -> int:
    return 9


def refusing(_id: str, _beat: int) -> int:
    return 0


class Crowd:
    """Clients of some symbol sets who have seen a snapshot, in one shard that lives from beat to beat."""

    def __init__(self, sets: Iterable[list[Series]], *, share: float = inf) -> None:
        self.world = World()
        self.connections = {f"c{number}": _connection(f"c{number}", series) for number, series in enumerate(sets)}
        self.heard: dict[str, list[Any]] = {id_: [] for id_ in self.connections}
        self.shard = Shard(State(), self.connections, share)

    def tell(self, price: int) -> None:
        for series in SERIES:
            self.world.price(series, price)

    def absorb(self) -> None:
        for number in sorted(self.shard.lanes({number: lane.version for number, lane in self.world.lanes.items()})):
            self.shard.absorb(self.world.lanes[number], [], lambda *_: Block.of(0, 0, []))

    def send(self, fate: Fate = taking) -> list[Post]:
        posts = self.shard.posts(self.world.now)
        for post in posts:
            taken = min(fate(post.connection, self.shard.state.beat), len(post))
            self.heard[post.connection] += map(msgspec.json.decode, post[: max(0, taken)])
            if taken < 0:
                self.shard.forget(post.connection)
            else:
                self.shard.settle(post, taken, self.world.now)
        self.shard.prune()
        return posts

    def beat(self, price: int, fate: Fate = taking) -> list[Post]:
        self.world.now += 1_000
        self.tell(price)
        self.shard.begin({})
        self.absorb()
        return self.send(fate)

    def prices(self, id_: str) -> list[tuple[int, list[float]]]:
        """The `seq` of each frame of ticks, and the prices it told."""
        ticks = [frame for frame in self.heard[id_] if frame["type"] == "ticks"]
        return [(frame["seq"], [tick["price"] for tick in frame["ticks"]]) for frame in ticks]


def _connection(id_: str, series: list[Series], user: str = "") -> Connection:
    entries = {each.symbol: Entry(str(each), lane_of(each, LANES), "", 0, 1) for each in series}
    return Connection(id_, "", NOON, NOON, 1, {"ticks": Channel(1_000, entries)}, user)


# --- what is shared ---


def test_a_body_is_made_once_for_all_who_follow_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int]] = []
    bodies = frames.bodies

    def count(channel: str, values: tuple[bytes, ...], now: int) -> list[bytes]:
        made.append((channel, len(values)))
        return bodies(channel, values, now)

    monkeypatch.setattr(frames, "bodies", count)
    sets = [SERIES[:2], SERIES[1:], SERIES] * 20
    crowd, other = Crowd(sets), Crowd(sets)
    for each in (crowd, other):
        each.tell(5)
        each.absorb()
    shared: fanning.Bodies = {}
    posts = [*crowd.shard.posts(NOON, shared), *other.shard.posts(NOON, shared)]
    assert len(posts) == 120
    assert sorted(made) == [("ticks", 2), ("ticks", 3), ("ticks", 4)]
    told = [msgspec.json.decode(frame)["ticks"] for post in posts for frame in post]
    assert Counter(map(len, told)) == {2: 40, 3: 40, 4: 40}


def test_who_was_shown_more_than_others_of_the_same_symbols_hears_less() -> None:
    crowd = Crowd([SERIES[:2]] * 3)
    crowd.tell(5)
    btc = SERIES[0].symbol
    later = crowd.connections["c1"]
    seen = msgspec.structs.replace(later.channels["ticks"].entries[btc], shown=99)
    changed = _connection("c1", SERIES[:2])
    changed.version, changed.channels["ticks"].entries[btc] = 2, seen
    crowd.shard.begin({"c1": changed})
    crowd.absorb()
    crowd.send()
    assert [len(prices) for id_ in crowd.heard for _, prices in crowd.prices(id_)] == [2, 1, 2]
    assert crowd.shard.next_due() is None


def test_who_comes_changes_or_leaves_is_taken_as_he_is_then() -> None:
    crowd = Crowd([SERIES[:1]] * 2)
    crowd.beat(5)
    widened = _connection("c0", SERIES[:2])
    widened.version = 2
    new = _connection("c2", SERIES[:1])
    crowd.heard["c2"] = []
    crowd.shard.begin({"c0": widened, "c1": None, "c2": new, "c3": None})
    crowd.beat(6)
    assert {id_: crowd.prices(id_) for id_ in crowd.heard} == {
        "c0": [(1, [0.05]), (2, [0.06, 0.06])],
        "c1": [(1, [0.05])],
        "c2": [(1, [0.06])],
    }
    assert crowd.shard.state.clients.keys() == {fan_state.digest("c0"), fan_state.digest("c2")}


# --- faults ---


def test_who_fails_disturbs_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200, 30 % are gone, 10 % are throttled, each third post of theirs is taken, and one takes nothing."""
    monkeypatch.setattr(fanning, "uniform", lambda least, most: most / 2)
    ids = [f"c{number}" for number in range(200)]
    connections = {id_: _connection(id_, SERIES[number % 3 :], f"u{number % 7}") for number, id_ in enumerate(ids)}
    for connection in connections.values():
        connection.channels["alerts"] = Channel(1_000, alerts=Watch(None, NOON, added=1))
    gone, throttled, silent = set(ids[::3][:60]), set(ids[1::10][:20]) - set(ids[::3]), ids[2]
    tries = Counter[str]()

    def fate(id_: str, beat: int) -> int:
        tries[id_] += 1
        if id_ in gone:
            return -1
        return 0 if id_ == silent or (id_ in throttled and tries[id_] % 3) else 9

    crowd = Crowd([])
    crowd.connections, crowd.heard = connections, {id_: [] for id_ in ids}
    crowd.shard.begin(connections)
    sizes = []
    for beat in range(1, 41):
        now = crowd.world.now
        if beat % 10 == 1:
            for user in crowd.shard.alerts.unread([f"u{number}" for number in range(7)], now):
                crowd.shard.alerts.hear(user, [(f"{user} {beat}", now, b'{"id":"%s %d"}' % (user.encode(), beat))], now)
        crowd.beat(beat, fate)
        sizes.append(len(fan_state.encode(crowd.shard.state)))
    assert set(ids) - crowd.shard.connections.keys() == gone
    assert crowd.shard.state.clients.keys() == set(map(fan_state.digest, crowd.shard.connections))
    assert max(sizes) < 14 * len(crowd.shard.connections)
    for number, id_ in enumerate(ids):
        heard, user = crowd.heard[id_], f"u{number % 7}"
        assert [frame["seq"] for frame in heard] == list(range(1, len(heard) + 1))
        told = [alert["id"] for frame in heard for alert in frame.get("alerts", ())]
        if id_ in gone or id_ == silent:
            assert heard == []
        else:
            assert told == [f"{user} {beat}" for beat in (1, 11, 21, 31)]
        if id_ not in throttled and heard:
            follows = len(SERIES[number % 3 :])
            assert [prices for _, prices in crowd.prices(id_)] == [[beat / 100] * follows for beat in range(1, 41)]
    assert tries[silent] <= 6


def test_who_does_not_take_a_frame_is_passed_over_for_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def longest(least: float, most: float) -> float:
        assert least == 0
        asked.append(most)
        return most

    monkeypatch.setattr(fanning, "uniform", longest)
    crowd = Crowd([SERIES[:1]])
    crowd.beat(1, refusing)
    for price in range(2, 9):
        assert crowd.shard.next_due() is None
        (client,) = crowd.shard.state.clients.values()
        for early in (101, 0):
            crowd.world.now = client.flows["ticks"].due - early - 1_000 - 100 * len(SERIES)
            assert len(crowd.beat(price, taking if price == 7 else refusing)) == (not early)
    assert asked == [2_000, 4_000, 8_000, 16_000, 32_000, LONGEST_BACK_OFF, BACK_OFF]
    assert crowd.prices("c0") == [(1, [0.07])]


def test_a_client_that_does_not_take_one_channel_is_passed_over_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanning, "uniform", lambda least, most: most)
    crowd = Crowd([SERIES[:1]])
    channels = crowd.connections["c0"].channels | {"alerts": Channel(1_000, alerts=Watch(None, NOON, added=2))}
    crowd.shard.begin({"c0": msgspec.structs.replace(crowd.connections["c0"], version=2, channels=channels)})
    crowd.shard.alerts.hear("", [("a", NOON, b'{"id":"a"}')], NOON)
    crowd.send(refusing)
    assert crowd.beat(5) == []
    crowd.beat(6)
    assert [(frame["seq"], frame["type"]) for frame in crowd.heard["c0"]] == [(1, "ticks"), (2, "alerts")]
    assert crowd.prices("c0") == [(1, [0.06])]


def test_who_takes_nothing_is_unreachable_in_the_end() -> None:
    crowd = Crowd([SERIES[:1], SERIES[1:2]])
    reasons = []
    for price in range(1, MISSES + 1):
        crowd.beat(price, lambda id_, _: 9 * (id_ == "c1"))
        crowd.world.now += LONGEST_BACK_OFF
        ending = crowd.shard.ending(crowd.world.now)
        reasons.append([(connection.id, why) for connection, why in ending])
    assert reasons == [*[[]] * (MISSES - 1), [("c0", UNREACHABLE)]]


# --- candles that are owed ---


class Chart(Crowd):
    """Clients who follow the candles of all symbols, of which each beat closes one."""

    def __init__(self, number: int) -> None:
        super().__init__([])
        self.connections = {f"c{index}": _chart(f"c{index}") for index in range(number)}
        self.heard = {id_: [] for id_ in self.connections}
        self.shard.begin(self.connections)

    def absorb(self) -> None:
        for series in SERIES:
            self.world.candles(series, 5)
        for number, lane in self.world.lanes.items():
            minutes = self.world.minutes(number, self.shard.minutes(lane, self.world.now))
            self.shard.absorb(lane, minutes, lambda *_: Block.of(0, 0, []))


def _chart(id_: str) -> Connection:
    entries = {each.symbol: Entry(str(each), lane_of(each, LANES), "1m", 0, 1) for each in SERIES}
    return Connection(id_, "", NOON, NOON, 1, {"candles": Channel(1_000, entries)})


def test_closed_candles_pile_up_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes nothing for too long loses them, and sees it by a jump of `seq`, also if he had an unanswered frame."""
    monkeypatch.setattr(fan_quotes, "CANDLES", 3 * len(SERIES))
    monkeypatch.setattr(fanning, "uniform", lambda least, most: 0)
    chart = Chart(3)
    for beat in range(9):
        chart.beat(beat, taking if beat in (0, 8) else lambda id_, _: 9 * (id_ == "c0"))
        marks = chart.shard.state.candles.values()
        assert sum(len(starts) for intervals in marks for starts in intervals.values()) <= 3 * len(SERIES)
    told = {id_: [(frame["seq"], len(frame["candles"])) for frame in heard] for id_, heard in chart.heard.items()}
    every = len(SERIES)
    lost = [(1, every), (4, 4 * every)]
    assert told == {"c0": [(seq, every) for seq in range(1, 10)], "c1": lost, "c2": lost}


def test_the_largest_state_fits_an_item() -> None:
    """As many candles as may be owed, of as many series, none like another; 3,200 symbols, 5,000 clients."""
    random = Random(8)

    def number() -> float:
        return random.random() * 10.0 ** random.randint(-8, 5)

    state = State(beat=10**6)
    for _ in range(CANDLES):
        row = (NOON, number(), number(), number(), number(), number())
        version, beat = random.randint(10**5, 10**6), 10**6 - random.randint(0, 1_000)
        state.candles[f"coinbase:{random.randbytes(5).hex()}-USD"] = {
            "1m": {NOON: Candle(row, True, True, version, beat)}
        }
    for _ in range(3_200):
        tick = Tick(number(), NOON + random.randint(0, MINUTE), random.randint(10**5, 10**6), 10**6)
        state.ticks[f"coinbase:{random.randbytes(3).hex()}-USD"] = tick
    for _ in range(5_000):
        flows = {
            name: Flow(10**6 - random.randint(0, 60), NOON + random.randint(0, MINUTE)) for name in ("ticks", "candles")
        }
        state.clients[random.randbytes(6)] = Client(1, random.randint(0, 9_000), NOON, flows)
    assert len(fan_state.encode(state)) < 400 * 1_024


# --- the budget ---


@pytest.mark.parametrize(
    ("asked", "share", "expected"),
    [
        pytest.param({}, 10, 0, id="nobody"),
        pytest.param({1_000: 3_000}, 3_000, 0, id="enough"),
        pytest.param({1_000: 5_000}, 3_000, 1_700, id="too-many"),
        pytest.param({250: 1_000, 60_000: 60_000}, 3_000, 500, id="the-slow-stay-as-they-are"),
        pytest.param({250: 100, 1_000: 5_000}, 3_000, 1_700, id="all-widened"),
        pytest.param({1_000: 5_000}, 1, SLOWEST_MS, id="never-slower-than-the-slowest"),
    ],
)
def test_the_interval_widens_where_there_are_too_many(asked: dict[int, int], share: float, expected: int) -> None:
    assert pace(asked, share) == expected


@given(st.dictionaries(st.integers(250, SLOWEST_MS), st.integers(1, 5_000), max_size=5), st.integers(1_000, 9_000))
def test_what_is_asked_for_fits_the_share_and_is_widened_no_more_than_needed(asked: dict[int, int], share: int) -> None:
    def load(least: float) -> float:
        return sum(1_000 * count / max(interval, least) for interval, count in asked.items())

    found = pace(asked, share)
    assert load(found) <= share * (1 + 1e-9)
    assert found == 0 or load(found - PACE_STEP) > share * (1 - 1e-9)


def test_too_many_are_sent_to_at_the_widened_interval_and_nobody_starves() -> None:
    crowd = Crowd([SERIES[:1]] * 30, share=10)
    assert crowd.shard.pace == 3_000
    for price in range(1, 10):
        crowd.beat(price)
    told = [(1, [0.01]), (2, [0.04]), (3, [0.07])]  # a beat is 1.4 s
    assert [crowd.prices(id_) for id_ in crowd.heard] == [told] * 30


# --- what outlives the process ---


def test_a_state_is_read_as_it_was_written() -> None:
    crowd = Crowd([SERIES[: number % 4 + 1] for number in range(50)])
    for beat in range(1, 6):
        crowd.beat(beat, lambda id_, beat: int(id_) % 3 if id_.isdigit() else beat % 3)
    state = crowd.shard.state
    latest = max(client.reached_at for client in state.clients.values())
    for client in state.clients.values():
        client.flows["ticks"].due = max(latest, client.flows["ticks"].due)
    assert fan_state.decode(fan_state.encode(state)) == state


def test_a_client_to_whom_all_was_sent_takes_few_bytes() -> None:
    crowd = Crowd([SERIES] * 2_000)
    crowd.beat(1)
    empty = len(fan_state.encode(State()))
    assert len(fan_state.encode(crowd.shard.state)) - empty < 7 * 2_000


def test_who_left_while_another_process_had_the_shard_is_forgotten() -> None:
    crowd = Crowd([SERIES[:1]] * 3)
    crowd.beat(1)
    state = fan_state.decode(fan_state.encode(crowd.shard.state))
    shard = Shard(state, {id_: crowd.connections[id_] for id_ in ("c0", "c2")})
    assert shard.changed
    assert shard.state.clients.keys() == {fan_state.digest("c0"), fan_state.digest("c2")}


def test_what_is_kept_of_symbols_that_nobody_follows_any_more_is_dropped() -> None:
    crowd = Crowd([SERIES[:1], SERIES[1:2]])
    crowd.beat(1)
    crowd.shard.forget("c0")
    crowd.beat(2)
    assert list(crowd.shard.state.ticks) == [str(SERIES[1])]
    assert crowd.shard.lanes(dict.fromkeys(range(LANES), 9_999)) == {lane_of(SERIES[1], LANES)}
    assert crowd.shard.minutes(Lane(lane_of(SERIES[0], LANES)), NOON) == []


def test_who_has_to_end_first_is_known() -> None:
    crowd = Crowd([SERIES[:1]])
    for early in (2, 1):
        assert crowd.shard.ending(NOON + IDLE_AFTER - early) == []
    assert [(each.id, why) for each, why in crowd.shard.ending(NOON + IDLE_AFTER)] == [("c0", "idle")]
    crowd.shard.begin({"c1": _connection("c1", SERIES[:1])})
    assert [(each.id, why) for each, why in crowd.shard.ending(NOON + IDLE_AFTER)] == [("c0", "idle"), ("c1", "idle")]
