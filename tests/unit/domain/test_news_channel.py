"""The fan-out of news: clients hear of each article that they ask for, once, however late it comes."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain import fan_state, frames
from cryptopulse.domain.fan_flows import LOOKED_EVERY
from cryptopulse.domain.fan_news import Published
from cryptopulse.domain.fan_state import State
from cryptopulse.domain.fanning import BACK_OFF, Shard
from cryptopulse.domain.subscriptions import NEWS_REACH, Connection, NewsWatch, SubscribeNews, mark
from tests.unit.domain.test_fanning import NOON

HOUR = 3_600_000


class Cloud:
    """The table of news, the clients, and the fan-out's one process; everything may fail."""

    def __init__(self, *names: str) -> None:
        self.now = NOON
        self.articles: list[Published] = []
        self.connections = {name: Connection(name, "192.0.2.44", NOON, NOON, version=1) for name in names}
        self.heard: dict[str, list[Any]] = {name: [] for name in names}
        self.wanted: dict[str, NewsWatch] = {}
        self.pending: list[tuple[str, Callable[[Connection], object]]] = []
        """Changes of connections that are not written yet."""
        self.stored = fan_state.encode(State())
        self.memory: Shard | None = None
        self.rung = False
        self.reads = 0

    # --- ingest_news ---

    def keep(self, *assets: str, late: int = 0, is_rung: bool = True, size: int = 0) -> str:
        """Stores an article that was published so many ms ago; its id."""
        id_ = f"{len(self.articles) + 1:012x}{0:020x}"
        body = msgspec.json.encode({"id": id_, "text": "x" * size})
        self.articles.append(Published(id_, self.now - late, assets, body))
        self.rung |= is_rung
        return id_

    def since(self, time: int) -> list[Published]:
        return sorted((each for each in self.articles if each.time >= time), key=lambda each: (each.time, each.id))

    # --- websocket ---

    def watch(self, name: str, *assets: str, since: int | None = None, is_written: bool = True) -> None:
        watch = NewsWatch(frozenset(assets) or None, since, self.now)
        found = self.since(watch.first)
        self.wanted[name] = watch = watch.knowing((each.id, each.time) for each in found)
        shown = [each.body for each in found if watch.shows(each.time, each.assets)]
        self.heard[name] += map(msgspec.json.decode, frames.snapshots("news", shown))
        action = SubscribeNews(action="subscribe", channel="news")
        self.pending.append((name, lambda it: it.subscribe_news(action, watch)))
        if is_written:
            self.write()

    def write(self) -> None:
        for name, change in self.pending:
            self.alter(name, change)
        self.pending.clear()

    def alter(self, name: str, change: Callable[[Connection], object]) -> None:
        connection = deepcopy(self.connections[name])
        change(connection)
        connection.version += 1
        self.connections[name] = connection

    # --- fan_out ---

    def beat(self, *outcomes: str, later: int = BACK_OFF, crash: bool = False, forget: bool = False) -> None:
        self.now += later
        shard, self.memory = self.memory, None
        if shard is None or forget:
            shard = Shard(fan_state.decode(self.stored), self.connections)
        else:
            shard.begin(self.connections)
        start = shard.news.unread(self.now, is_rung=self.rung)
        self.rung = False
        if start is not None:
            self.reads += 1
            shard.news.hear(self.since(start), self.now)
        for index, post in enumerate(shard.posts(self.now)):
            outcome = outcomes[index % len(outcomes)] if outcomes else "taken"
            taken = len(post) if outcome == "taken" else 0
            if outcome != "refused":
                self.heard[post.connection] += [msgspec.json.decode(frame) for frame in post]
            shard.settle(post, taken, self.now)
        if crash:
            return
        shard.prune()
        if shard.changed:
            self.stored = fan_state.encode(shard.state)
        self.memory = shard

    def told(self, name: str) -> list[str]:
        """The ids of the articles of a client's frames but snapshots; they are gone then."""
        heard, self.heard[name] = self.heard[name], []
        return [each["id"] for frame in heard if frame["type"] == "news" for each in frame["articles"]]


who = st.sampled_from(["all", "some"])
asset = st.sampled_from(["BTC", "ETH", "SOL"])
lateness = st.sampled_from([0, 0, 1, 20 * 60_000, 25 * HOUR, NEWS_REACH - 5 * HOUR])
outcome = st.sampled_from(["taken", "taken", "taken", "refused", "unanswered"])
step = st.one_of(
    st.tuples(st.just("keep"), st.lists(asset, max_size=2), lateness, st.booleans()),
    st.tuples(st.just("keep"), st.lists(asset, max_size=2), lateness, st.just(True)),
    st.tuples(st.just("watch"), who, st.lists(asset, max_size=2), st.sampled_from([None, NOON - HOUR])),
    st.tuples(st.just("write")),
    st.tuples(st.just("beat"), st.lists(outcome, min_size=1, max_size=3), st.sampled_from([10, 2_000, 61_000, HOUR])),
    st.tuples(st.just("beat"), st.just(["taken"]), st.just(2_000)),
    st.tuples(st.just("crash")),
    st.tuples(st.just("forget")),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(step, min_size=5, max_size=40))
def test_whatever_fails_each_article_is_told_and_once_where_nothing_does(steps: list[tuple[Any, ...]]) -> None:
    cloud = Cloud("all", "some")
    for name, *rest in steps:
        match name:
            case "keep":
                assets, late, is_rung = rest
                cloud.keep(*assets, late=late, is_rung=is_rung)
            case "watch":
                who, assets, since = rest
                cloud.watch(who, *assets, since=since, is_written=False)
            case "write":
                cloud.write()
            case "beat":
                outcomes, later = rest
                if later >= LOOKED_EVERY:
                    cloud.write()  # whoever has posted a snapshot does not wait for long
                cloud.beat(*outcomes, later=later)
            case "crash":
                cloud.beat(crash=True)
            case "forget":
                cloud.beat(forget=True)
    cloud.write()
    for _ in range(3):
        cloud.beat(later=LOOKED_EVERY)
    failing = any(name == "crash" or (name == "beat" and "unanswered" in rest[0]) for name, *rest in steps)
    for who, watch in cloud.wanted.items():
        told = Counter(each["id"] for frame in cloud.heard[who] for each in frame["articles"])
        expected = {each.id for each in cloud.articles if watch.includes(each.id, each.time, each.assets)}
        assert expected <= set(told)
        if not failing and sum(name == "watch" and rest[0] == who for name, *rest in steps) == 1:
            assert told == Counter(expected)  # who asks again is shown again
        seqs = [frame["seq"] for frame in cloud.heard[who] if frame["type"] == "news"]
        assert all(later in (seq, seq + 1) for seq, later in zip([0, *seqs], seqs, strict=False))


# --- single rules ---


@pytest.fixture
def cloud() -> Cloud:
    """One who hears all news, and one who hears those about bitcoin; there are some already."""
    cloud = Cloud("all", "some")
    cloud.keep("BTC")
    cloud.keep("BTC", late=HOUR)
    cloud.watch("all")
    cloud.watch("some", "BTC")
    cloud.beat()
    assert cloud.told("all") == cloud.told("some") == []
    return cloud


def test_each_hears_what_is_for_him_in_order_of_time(cloud: Cloud) -> None:
    first, second = cloud.keep("ETH", "BTC"), cloud.keep("ETH", late=5)
    cloud.beat()
    assert (cloud.told("all"), cloud.told("some")) == ([second, first], [first])
    cloud.beat(later=HOUR)
    assert (cloud.told("all"), cloud.told("some")) == ([], [])


def test_an_article_may_come_a_day_late(cloud: Cloud) -> None:
    cloud.keep("BTC", late=NEWS_REACH)
    told = cloud.keep("BTC", late=NEWS_REACH - HOUR)
    cloud.beat()
    assert cloud.told("some") == [told]


def test_a_lost_doorbell_costs_a_minute_at_most(cloud: Cloud) -> None:
    told = cloud.keep("BTC", is_rung=False)
    cloud.beat(later=LOOKED_EVERY - 1)
    assert cloud.told("all") == []
    cloud.beat(later=1)
    assert cloud.told("all") == [told]


def test_news_are_read_once_a_doorbell_and_only_where_somebody_watches(cloud: Cloud) -> None:
    assert cloud.reads == 1
    cloud.beat()
    cloud.beat()
    assert cloud.reads == 1
    cloud.keep()
    cloud.beat()
    assert cloud.reads == 2
    cloud.connections["some"].is_ended = True
    cloud.alter("all", lambda it: it.unsubscribe_news())
    cloud.keep()
    cloud.beat()
    assert cloud.reads == 2
    state = fan_state.decode(cloud.stored)
    assert (state.articles, state.news_at) == ({}, 0)


def test_an_article_between_the_snapshot_and_its_subscription_is_told(cloud: Cloud) -> None:
    """Though others have been told before."""
    cloud.alter("some", lambda it: it.unsubscribe_news())
    cloud.watch("some", "BTC", since=NOON, is_written=False)
    told = cloud.keep("BTC")
    cloud.beat()
    assert (cloud.told("all"), cloud.told("some")) == ([told], [])
    cloud.write()
    cloud.beat()
    assert (cloud.told("all"), cloud.told("some")) == ([], [told])


def test_who_asks_for_more_hears_more(cloud: Cloud) -> None:
    cloud.watch("some", is_written=False)
    told, after = cloud.keep("ETH"), cloud.keep("BTC")
    cloud.beat()
    assert cloud.told("some") == [after]
    cloud.write()
    cloud.beat()
    assert cloud.told("some")[:1] == [told]


def test_articles_are_never_conflated_and_go_out_in_frames_that_fit(cloud: Cloud) -> None:
    ids = [cloud.keep("BTC", size=4_000) for _ in range(17)]
    for outcome in ("refused", "taken", "unanswered", "taken", "taken", "taken"):
        cloud.beat(outcome)
    numbers = [[each["id"] for each in frame["articles"]] for frame in cloud.heard["all"]]
    assert numbers == [ids[:8], ids[8:16], ids[8:16], ids[16:]]
    assert [frame["seq"] for frame in cloud.heard["all"]] == [1, 2, 2, 3]


def test_what_nobody_is_owed_is_only_known(cloud: Cloud) -> None:
    id_ = cloud.keep("BTC")
    cloud.beat("refused", "taken")
    assert fan_state.decode(cloud.stored).articles[mark(id_)].body
    cloud.beat()
    state = fan_state.decode(cloud.stored)
    assert len(state.articles) == 3
    assert {(each.assets, each.body) for each in state.articles.values()} == {((), b"")}
    cloud.beat(later=NEWS_REACH - 5_000)
    assert list(fan_state.decode(cloud.stored).articles) == [mark(id_)]
    assert len(cloud.told("all")) == 1


def test_a_clock_that_goes_back_tells_nothing_twice(cloud: Cloud) -> None:
    cloud.keep("BTC", late=NEWS_REACH - 10)
    cloud.beat(later=10)
    assert len(cloud.told("all")) == 1
    cloud.beat(later=LOOKED_EVERY)
    cloud.rung = True
    cloud.beat(later=-LOOKED_EVERY)
    cloud.beat()
    assert cloud.told("all") == []
