"""The fan-out of portfolios and alerts: clients end with what is true, and hear of each alert once."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain import fan_state, frames
from cryptopulse.domain.candles import Block
from cryptopulse.domain.fan_alerts import ALERTS_A_FRAME
from cryptopulse.domain.fan_flows import LOOKED_AT_ONCE, LOOKED_EVERY
from cryptopulse.domain.fan_state import State
from cryptopulse.domain.fanning import BACK_OFF, Shard
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.live_portfolios import LivePortfolio, Worth, last_in, priced_by, worth
from cryptopulse.domain.lots import Holding
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.quotes import references
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.subscriptions import (
    SETTLED,
    Channel,
    Connection,
    Entry,
    Show,
    Subscribe,
    SubscribeAlerts,
    SubscribePortfolio,
    Watch,
)
from cryptopulse.domain.ticks import Quote
from cryptopulse.domain.times import rfc3339
from tests.unit.domain.test_fanning import NOON, World

LANES = 2
FOLLOWED = [Series("coinbase", symbol) for symbol in ("BTC-USD", "ETH-USD", "USDT-USD", "USDT-EUR")]
FOLLOWED.append(Series("binance", "SOL-USDT"))
ASSETS = ["BTC", "ETH", "SOL", "USDT", "NOPE"]
BASES = {"ann": "USD", "bob": "EUR"}


def live(version: int, base: Any, held: dict[str, Holding], now: int) -> LivePortfolio:
    portfolio = Portfolio(
        id="p", name="", base_currency=base, cost_basis="fifo", created_at=0, updated_at=0, version=version
    )
    return LivePortfolio.of(portfolio, held, references(FOLLOWED), LANES, now)


class Client:
    """Keeps what it hears, as the contract tells clients to."""

    def __init__(self) -> None:
        self.seq = 0
        self.frames: list[Any] = []
        self.portfolios: dict[str, Any] = {}
        self.alerts: dict[str, set[int]] = defaultdict(set)
        """By id: the `seq` of each frame that told it; 0 for snapshots."""

    def receive(self, raw: bytes) -> None:
        frame = msgspec.json.decode(raw)
        self.frames.append(frame)
        seq = frame.get("seq", 0)
        if seq:
            assert 1 <= seq <= self.seq + 1, "a jump, though nothing was lost"
            self.seq = max(self.seq, seq)
        for told in frame.get("portfolios", ()):
            known = self.portfolios.get(told["id"])
            if known is None or told["time"] >= known["time"]:
                self.portfolios[told["id"]] = told
        told_alerts = [alert["id"] for alert in frame.get("alerts", ())]
        assert len(told_alerts) == len(set(told_alerts))
        for id_ in told_alerts:
            self.alerts[id_].add(seq)


class Cloud:
    """The tables, two users with a portfolio each, and the fan-out's one process; everything may fail."""

    def __init__(self) -> None:
        self.world = World()
        self.held: dict[str, tuple[int, dict[str, Holding]]] = {user: (1, {}) for user in BASES}
        """Each user's portfolio: its version, and what it holds."""
        self.fired: dict[str, list[tuple[int, str]]] = {user: [] for user in BASES}
        """Each user's history of alerts, in order of time."""
        self.fires = 0
        self.connections: dict[str, Connection] = {}
        self.clients: dict[str, Client] = {}
        self.wanted: dict[str, Watch] = {}
        """Of each connection, the alerts that it asked for last."""
        self.stored = fan_state.encode(State())
        self.memory: Shard | None = None
        self.pending: list[tuple[str, Callable[[Connection], object]]] = []
        """Changes of connections that are not written yet."""
        self.notices: list[tuple[str, LivePortfolio]] = []
        """Portfolios that changed, and whose connections have not been told."""
        self.rung: set[str] = set()

    # --- the market, and users at the HTTP API ---

    def price(self, series: Series, price: int) -> None:
        self.world.now += 100
        self.world.fold(series, Quote(series.symbol, 2, price, self.world.now))

    def edit(self, user: str, asset: str, quantity: Decimal, *, is_told: bool) -> None:
        version, held = self.held[user]
        cost = quantity * 7
        changed = {name: holding for name, holding in held.items() if name != asset}
        if quantity:
            changed[asset] = Holding(quantity, cost)
        self.held[user] = version + 1, changed
        if is_told:
            self.notices.append((user, self.now_of(user)))

    def now_of(self, user: str) -> LivePortfolio:
        version, held = self.held[user]
        return live(version, BASES[user], held, self.world.now)

    def tell(self) -> None:
        """Delivers the oldest notice of a change to the connections."""
        if self.notices:
            self.hold(*self.notices.pop(0))

    def hold(self, user: str, portfolio: LivePortfolio) -> None:
        for id_, connection in self.connections.items():
            if connection.user == user and user in connection.portfolios:
                self.alter(id_, lambda it: it.hold(user, portfolio))

    def fire(self, user: str, late: int, *, is_rung: bool) -> None:
        self.fires += 1
        self.fired[user] = sorted([*self.fired[user], (self.world.now - late, f"{self.fires:04}")])
        if is_rung:
            self.rung.add(user)

    def history(self, user: str, since: int) -> list[tuple[str, int]]:
        return [(id_, time) for time, id_ in self.fired[user] if time >= since]

    # --- websocket ---

    def connect(self, id_: str, user: str) -> None:
        now = self.world.now
        self.connections.setdefault(id_, Connection(id_, "192.0.2.44", now, now, version=1, user=user, grant=user))
        self.clients.setdefault(id_, Client())

    def alter(self, id_: str, change: Callable[[Connection], object]) -> None:
        connection = deepcopy(self.connections[id_])
        change(connection)
        connection.version += 1
        self.connections[id_] = connection

    def looked_at(self, user: str) -> Show:
        portfolio = self.now_of(user)
        versions = {number: self.world.lanes[number].version for number in portfolio.lanes}
        return Show(portfolio, worth(portfolio, priced_by(last_in(self.world.lanes, portfolio))), versions)

    def show(self, id_: str) -> None:
        """Subscribes to its user's portfolio, which is called like him."""
        user, show = self.connections[id_].user, self.looked_at(self.connections[id_].user)
        action = SubscribePortfolio(action="subscribe", channel="portfolio", portfolio_id=user)
        for frame in frames.snapshots("portfolio", [frames.portfolio(user, show.worth)]):
            self.clients[id_].receive(frame)
        self.pending.append((id_, lambda it: it.subscribe_portfolio(action, show)))

    def watch(self, id_: str, since: int | None) -> None:
        user, now = self.connections[id_].user, self.world.now
        watch = Watch(since, now)
        fired = self.history(user, watch.first)
        shown = [each for each, time in fired if watch.shows(time)]
        watch = watch.knowing(fired)
        self.clients[id_].receive(frames.snapshots("alerts", [b'{"id":"%s"}' % each.encode() for each in shown])[0])
        self.pending.append((id_, lambda it: it.subscribe_alerts(ALERTS, watch)))
        self.wanted[id_] = watch

    def resync(self, id_: str) -> None:
        connection = self.connections[id_]
        shows: dict[str, Show | None] = {user: self.looked_at(user) for user in connection.portfolios}
        for user, show in shows.items():
            assert show is not None
            for frame in frames.snapshots("portfolio", [frames.portfolio(user, show.worth)]):
                self.clients[id_].receive(frame)
        self.pending.append((id_, lambda it: it.show_portfolios(shows)))

    def write(self) -> None:
        """Writes what was posted; then whoever subscribed looks whether the portfolio is as it was."""
        for id_, change in self.pending:
            self.alter(id_, change)
            user = self.connections[id_].user
            if user in self.connections[id_].portfolios:
                self.hold(user, self.now_of(user))
        self.pending.clear()

    # --- fan_out ---

    def beat(self, outcomes: list[str], *, heard: list[int], crash: bool = False, forget: bool = False) -> None:
        shard, self.memory = self.memory, None
        if shard is None or forget:
            shard = Shard(fan_state.decode(self.stored), self.connections)
        else:
            shard.begin(self.connections)
        world, now = self.world, self.world.now
        for number in sorted(shard.lanes({number: world.lanes[number].version for number in heard})):
            shard.absorb(world.lanes[number], [], lambda *_: Block.of(0, 0, []))
        for user, since in shard.alerts.unread(self.rung, now).items():
            told = [(id_, time, b'{"id":"%s"}' % id_.encode()) for id_, time in self.history(user, since)]
            shard.alerts.hear(user, told, now)
        self.rung.clear()
        for index, post in enumerate(shard.posts(now)):
            outcome = outcomes[index % len(outcomes)]
            taken = {"taken": len(post), "halfway": len(post) // 2}.get(outcome, 0)
            arrived = taken or int(outcome == "unanswered")
            for frame in post[:arrived]:
                self.clients[post.connection].receive(frame)
            shard.settle(post, taken, now)
        if crash:
            return
        for (user, _), version in shard.portfolios.unchecked(now).items():
            if self.held[user][0] != version:
                self.hold(user, self.now_of(user))
        shard.prune()
        if shard.changed:
            self.stored = fan_state.encode(shard.state)
        self.memory = shard

    def settle(self) -> None:
        """Quiet: nothing fails any more, doorbells come."""
        self.write()
        for _ in range(4):
            self.world.now += LOOKED_EVERY
            self.beat(["taken"], heard=[0, 1])

    def check(self) -> None:
        for id_, connection in self.connections.items():
            client, user = self.clients[id_], connection.user
            assert set(client.portfolios) <= {user}
            if user in connection.portfolios:
                expected = self.looked_at(user).worth
                told = msgspec.json.decode(frames.portfolio(user, expected))
                assert {**client.portfolios[user], "time": ""} == {**told, "time": ""}
            assert set(client.alerts) <= {fired for _, fired in self.fired[user]}
            if id_ in self.wanted:
                watch = self.wanted[id_]
                assert set(client.alerts) >= {f for time, f in self.fired[user] if watch.includes(f, time)}


ALERTS = SubscribeAlerts(action="subscribe", channel="alerts")

who = st.sampled_from(["a1", "a2", "b1"])
user = st.sampled_from(sorted(BASES))
outcome = st.sampled_from(["taken", "taken", "taken", "refused", "unanswered", "halfway"])
quantity = st.sampled_from(["0", "1", "0.1", "3.000000000000000001", "999999999999999999.999999999999999999"])
step = st.one_of(
    st.tuples(st.just("price"), st.sampled_from(FOLLOWED), st.integers(1, 9)),
    st.tuples(st.just("price"), st.sampled_from(FOLLOWED), st.integers(1, 9)),
    st.tuples(st.just("edit"), user, st.sampled_from(ASSETS), quantity.map(Decimal), st.integers(0, 3)),
    st.tuples(st.just("tell")),
    st.tuples(st.just("fire"), user, st.sampled_from([0, 0, 1, 50_000]), st.booleans()),
    st.tuples(st.just("show"), who),
    st.tuples(st.just("watch"), who, st.sampled_from([None, NOON, NOON + 200_000])),
    st.tuples(st.just("resync"), who),
    st.tuples(st.just("write")),
    st.tuples(st.just("wait"), st.sampled_from([100, 1_100, 5_000, 61_000, SETTLED])),
    st.tuples(
        st.just("beat"), st.lists(outcome, min_size=1, max_size=3), st.lists(st.integers(0, 1)), st.integers(0, 5)
    ),
    st.tuples(st.just("beat"), st.lists(outcome, min_size=1, max_size=3), st.just([0, 1]), st.just(5)),
)


@pytest.mark.parametrize("largest", [fan_state.LARGEST, 0])
@settings(max_examples=300, deadline=None)
@given(steps=st.lists(step, min_size=10, max_size=60))
def test_whatever_fails_clients_end_with_what_is_true(steps: list[tuple[Any, ...]], largest: int) -> None:
    """Also where no state fits an item."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fan_state, "LARGEST", largest)
        _try_out(steps)


def _try_out(steps: list[tuple[Any, ...]]) -> None:
    cloud = Cloud()
    for id_, owner in {"a1": "ann", "a2": "ann", "b1": "bob"}.items():
        cloud.connect(id_, owner)
    is_calm = True
    for name, *rest in steps:
        match name:
            case "price":
                cloud.price(*rest)
            case "edit":
                owner, asset, amount, luck = rest
                cloud.edit(owner, asset, amount, is_told=luck > 0)
            case "tell":
                cloud.tell()
            case "fire":
                cloud.fire(rest[0], rest[1], is_rung=rest[2])
            case "show":
                cloud.show(rest[0])
            case "watch":
                cloud.watch(*rest)
            case "resync":
                cloud.resync(rest[0])
            case "write":
                cloud.write()
            case "wait":
                if rest[0] > 1_100:
                    cloud.write()  # whoever has posted a snapshot does not wait for long
                cloud.world.now += rest[0]
            case "beat":
                outcomes, heard, luck = rest
                is_calm &= luck > 0 and "unanswered" not in outcomes
                cloud.beat(outcomes, heard=heard, crash=luck == 0, forget=luck == 1)
    cloud.settle()
    cloud.check()
    for id_, client in cloud.clients.items():
        asked = [rest for name, *rest in steps if name == "watch" and rest[0] == id_]
        if is_calm and len(asked) <= 1:  # who asks again is shown again
            assert all(len(seqs) == 1 for seqs in client.alerts.values())
            told = Counter(alert["id"] for frame in client.frames for alert in frame.get("alerts", ()))
            assert set(told.values()) <= {1}


# --- single rules ---

BTC, ETH, USDT, EUR, SOL = FOLLOWED


@pytest.fixture
def cloud() -> Cloud:
    """Ann and Bob hold a bitcoin each, which is worth 100 dollars or 90 euros, and look at it."""
    cloud = Cloud()
    for series, price in [(BTC, 10_000), (ETH, 500), (USDT, 100), (EUR, 90), (SOL, 20)]:
        cloud.price(series, price)
    for id_, owner in {"a1": "ann", "b1": "bob"}.items():
        cloud.edit(owner, "BTC", Decimal(1), is_told=False)
        cloud.connect(id_, owner)
        cloud.show(id_)
        cloud.watch(id_, None)
    cloud.write()
    beat(cloud)
    return cloud


def beat(cloud: Cloud, outcome: str = "taken", heard: tuple[int, ...] = (0, 1)) -> None:
    cloud.world.now += 1_000
    cloud.beat([outcome], heard=list(heard))


def heard(cloud: Cloud, id_: str) -> list[Any]:
    """Takes what a client heard."""
    found = list(cloud.clients[id_].frames)
    cloud.clients[id_].frames.clear()
    return found


def test_each_user_hears_what_his_own_is_worth_when_that_changes(cloud: Cloud) -> None:
    shown = {"id": "ann", "time": rfc3339(NOON + 500), "value": "100", "cost_basis": "7", "unrealized": "93"}
    nothing = {"type": "snapshot", "channel": "alerts", "alerts": []}
    assert heard(cloud, "a1") == [{"type": "snapshot", "channel": "portfolio", "portfolios": [shown]}, nothing]
    shown = {"id": "bob", "time": rfc3339(NOON + 500), "value": "90", "cost_basis": "7", "unrealized": "83"}
    assert heard(cloud, "b1") == [{"type": "snapshot", "channel": "portfolio", "portfolios": [shown]}, nothing]
    cloud.price(BTC, 20_001)
    cloud.price(SOL, 21)
    beat(cloud)
    beat(cloud)
    told = {"id": "ann", "time": rfc3339(NOON + 1_600), "value": "200.01", "cost_basis": "7", "unrealized": "193.01"}
    assert heard(cloud, "a1") == [{"type": "portfolio", "seq": 1, "portfolios": [told]}]
    # Of a price by way of others the newest of them counts: when it moved.
    told = {"id": "bob", "time": rfc3339(NOON + 1_600), "value": "180.009", "cost_basis": "7", "unrealized": "173.009"}
    assert heard(cloud, "b1") == [{"type": "portfolio", "seq": 1, "portfolios": [told]}]


def test_what_it_is_worth_is_conflated_to_the_interval(cloud: Cloud) -> None:
    connection = cloud.connections["a1"]
    connection.channels["portfolio"].interval_ms = 5_000
    heard(cloud, "a1")
    for price in range(1, 9):
        cloud.price(BTC, price)
        beat(cloud)
    assert [(frame["seq"], frame["portfolios"][0]["value"]) for frame in heard(cloud, "a1")] == [
        (1, "0.01"),
        (2, "0.06"),
    ]


def test_a_value_that_comes_back_before_it_was_told_is_no_news(cloud: Cloud) -> None:
    heard(cloud, "a1")
    cloud.price(BTC, 7)
    beat(cloud, "refused")
    cloud.price(BTC, 10_000)
    cloud.world.now += BACK_OFF
    beat(cloud)
    assert heard(cloud, "a1") == []


def test_a_change_of_what_is_held_is_told(cloud: Cloud) -> None:
    heard(cloud, "a1")
    cloud.world.now += 5_000
    cloud.edit("ann", "ETH", Decimal(2), is_told=True)
    beat(cloud)
    assert heard(cloud, "a1") == []
    cloud.tell()
    beat(cloud, heard=())
    (frame,) = heard(cloud, "a1")
    told = {"id": "ann", "time": rfc3339(NOON + 6_500), "value": "110", "cost_basis": "21", "unrealized": "89"}
    assert frame == {"type": "portfolio", "seq": 1, "portfolios": [told]}
    for asset in ("ETH", "BTC"):
        cloud.edit("ann", asset, Decimal(0), is_told=True)
        cloud.tell()
    beat(cloud)
    (frame,) = heard(cloud, "a1")
    told = {"id": "ann", "time": rfc3339(NOON + 8_500), "value": "0", "cost_basis": "0", "unrealized": "0"}
    assert frame == {"type": "portfolio", "seq": 2, "portfolios": [told]}


def test_a_change_whose_notice_was_lost_is_told_after_a_minute(cloud: Cloud) -> None:
    heard(cloud, "a1")
    cloud.edit("ann", "BTC", Decimal(3), is_told=False)
    beat(cloud)
    assert heard(cloud, "a1") == []
    cloud.world.now += LOOKED_EVERY
    beat(cloud)
    beat(cloud)
    assert [frame["portfolios"][0]["value"] for frame in heard(cloud, "a1")] == ["300"]


def test_prices_that_the_snapshot_showed_are_read_though_no_doorbell_tells_of_them(cloud: Cloud) -> None:
    """Else what was shown already would be taken back."""
    cloud.price(BTC, 20_000)
    cloud.connect("a2", "ann")
    cloud.show("a2")
    cloud.write()
    heard(cloud, "a2")
    beat(cloud, heard=())
    assert heard(cloud, "a2") == []


def test_what_was_shown_while_it_changed_is_told_again(cloud: Cloud) -> None:
    """Nobody knows whether the client heard the snapshot first, or the frame."""
    cloud.resync("a1")
    cloud.price(BTC, 20_000)
    beat(cloud)
    heard(cloud, "a1")
    cloud.write()
    cloud.price(BTC, 10_000)
    beat(cloud)
    assert [frame["portfolios"][0]["value"] for frame in heard(cloud, "a1")] == ["100"]
    cloud.resync("a1")
    cloud.write()
    heard(cloud, "a1")
    beat(cloud)
    assert heard(cloud, "a1") == []


def test_what_cannot_be_priced_counts_nothing_until_it_can() -> None:
    cloud = Cloud()
    cloud.price(BTC, 10_000)
    cloud.edit("ann", "BTC", Decimal(1), is_told=False)
    cloud.edit("ann", "ETH", Decimal(2), is_told=False)
    cloud.edit("ann", "NOPE", Decimal(3), is_told=False)
    cloud.connect("a1", "ann")
    cloud.show("a1")
    cloud.write()
    cloud.price(ETH, 500)
    beat(cloud)
    values = [frame["portfolios"][0] for frame in heard(cloud, "a1")]
    assert [(value["value"], value["cost_basis"]) for value in values] == [("100", "7"), ("110", "21")]


def test_an_alert_is_told_to_its_user_alone(cloud: Cloud) -> None:
    cloud.connect("a2", "ann")
    cloud.watch("a2", None)
    cloud.write()
    for id_ in ("a1", "a2", "b1"):
        heard(cloud, id_)
    cloud.fire("ann", 0, is_rung=True)
    beat(cloud)
    beat(cloud)
    frame = {"type": "alerts", "seq": 1, "alerts": [{"id": "0001"}]}
    assert [heard(cloud, id_) for id_ in ("a1", "a2", "b1")] == [[frame], [frame], []]


def test_an_alert_whose_doorbell_was_lost_is_told_after_a_minute(cloud: Cloud) -> None:
    heard(cloud, "a1")
    cloud.fire("ann", 0, is_rung=False)
    beat(cloud)
    assert heard(cloud, "a1") == []
    cloud.world.now += LOOKED_EVERY - 2_000
    beat(cloud)
    assert heard(cloud, "a1") == [{"type": "alerts", "seq": 1, "alerts": [{"id": "0001"}]}]


def test_alerts_are_never_conflated_and_go_out_in_frames_that_fit(cloud: Cloud) -> None:
    heard(cloud, "a1")
    for _ in range(2 * ALERTS_A_FRAME + 1):
        cloud.fire("ann", 0, is_rung=True)
    for outcome in ("refused", "taken", "taken", "unanswered", "taken"):
        cloud.world.now += BACK_OFF
        beat(cloud, outcome)
    frames_ = heard(cloud, "a1")
    numbers = [[int(alert["id"]) for alert in frame["alerts"]] for frame in frames_]
    last = 2 * ALERTS_A_FRAME + 1
    assert numbers == [[*range(1, 51)], [*range(51, 101)], [last], [last]]
    assert [frame["seq"] for frame in frames_] == [1, 2, 3, 3]


def test_what_a_state_too_large_has_left_out_is_read_again_by_who_goes_on_with_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_state, "LARGEST", 0)
    heard(cloud, "a1")
    cloud.fire("ann", 0, is_rung=True)
    beat(cloud, "refused")
    cloud.memory = None
    cloud.world.now += SETTLED + BACK_OFF
    beat(cloud)
    assert heard(cloud, "a1") == [
        {"type": "portfolio", "seq": 1, "portfolios": [cloud.clients["a1"].portfolios["ann"]]},
        {"type": "alerts", "seq": 2, "alerts": [{"id": "0001"}]},
    ]


def test_an_alert_that_fired_between_the_snapshot_and_its_subscription_is_told_at_once(cloud: Cloud) -> None:
    """To whom it was not shown, though others have been told."""
    cloud.connect("a2", "ann")
    cloud.watch("a2", NOON)
    cloud.fire("ann", 0, is_rung=True)
    beat(cloud)
    cloud.write()
    heard(cloud, "a1"), heard(cloud, "a2")
    beat(cloud, heard=())
    assert heard(cloud, "a1") == []
    assert heard(cloud, "a2") == [{"type": "alerts", "seq": 1, "alerts": [{"id": "0001"}]}]


def test_who_asks_since_when_is_shown_what_fired_meanwhile_once(cloud: Cloud) -> None:
    cloud.fire("ann", 0, is_rung=True)
    cloud.world.now += 10 * SETTLED
    cloud.fire("ann", 1, is_rung=True)
    cloud.connect("a2", "ann")
    cloud.watch("a2", NOON)
    cloud.write()
    beat(cloud)
    assert heard(cloud, "a2") == [{"type": "snapshot", "channel": "alerts", "alerts": [{"id": "0001"}, {"id": "0002"}]}]


def test_whose_session_has_ended_hears_nothing_of_his(cloud: Cloud) -> None:
    heard(cloud, "a1")
    cloud.connections["a1"].is_ended = True
    cloud.price(BTC, 7)
    cloud.fire("ann", 0, is_rung=True)
    beat(cloud)
    assert heard(cloud, "a1") == []
    state = fan_state.decode(cloud.stored)
    assert "ann" not in state.alerts


def test_what_nobody_watches_is_forgotten(cloud: Cloud) -> None:
    cloud.fire("ann", 0, is_rung=True)
    cloud.price(BTC, 7)
    beat(cloud)
    state = fan_state.decode(cloud.stored)
    assert (set(state.prices), set(state.looked)) == (
        {str(BTC), str(USDT), str(EUR)},
        {"ann", "bob", "ann/ann", "bob/bob"},
    )
    assert state.alerts["ann"]["0001"].body == b""
    cloud.world.now += SETTLED
    beat(cloud)
    assert fan_state.decode(cloud.stored).alerts == {"ann": {}, "bob": {}}
    for id_ in ("a1", "b1"):
        cloud.alter(id_, lambda it: it.channels.clear())
    beat(cloud)
    state = fan_state.decode(cloud.stored)
    assert (state.prices, state.alerts, state.looked) == ({}, {}, {})
    assert [client.flows for client in state.clients.values()] == [{}, {}]


def test_without_a_notice_few_are_looked_at_in_one_beat() -> None:
    connections = {}
    for number in range(25):
        show = Show(LivePortfolio(1, NOON, ()), Worth(Decimal(0), Decimal(0), NOON), {})
        channels = {"portfolio": Channel(1_000, {}, {"p": show}), "alerts": Channel(1_000, {}, {}, Watch(None, NOON))}
        connections[f"c{number}"] = Connection(f"c{number}", "", NOON, NOON, 1, channels, f"u{number}", "s")
    state = State()
    shard = Shard(state, connections)
    assert shard.alerts.unread([], NOON) == {f"u{number}": NOON - SETTLED for number in range(25)}
    assert shard.portfolios.unchecked(NOON) == {}
    for number in range(25):
        shard.alerts.hear(f"u{number}", [], NOON)
    later = NOON + LOOKED_EVERY
    assert shard.alerts.unread(["u3", "stranger"], later - 1) == {"u3": NOON - SETTLED}
    assert shard.portfolios.unchecked(later - 1) == {}
    seen: list[tuple[str, str]] = []
    heard_: list[str] = []
    for size in (LOOKED_AT_ONCE, LOOKED_AT_ONCE, 5, 0):
        checked, unread = shard.portfolios.unchecked(later), shard.alerts.unread([], later)
        assert (len(checked), len(unread), set(checked.values())) == (size, size, {1} if size else set())
        seen += checked
        heard_ += unread
        for user in unread:
            shard.alerts.hear(user, [], later)
    assert sorted(seen) == sorted((f"u{number}", "p") for number in range(25))
    assert sorted(heard_) == sorted(f"u{number}" for number in range(25))


def test_a_state_of_the_release_before_is_read_and_goes_on() -> None:
    old = [3, 9, {0: 5}, {"coinbase:BTC-USD": [1.5, NOON, 4, 8]}, {}, {}, {"a": [1, 7, NOON, {"ticks": [8, NOON]}]}]
    state = fan_state.decode(zlib.compress(msgspec.msgpack.encode(old), 6))
    expected = State(3, 9, {0: 5})
    expected.clients = {fan_state.digest("a"): fan_state.Client(1, 7, NOON, {"ticks": fan_state.Flow(8, NOON)})}
    expected.ticks = {"coinbase:BTC-USD": fan_state.Tick(1.5, NOON, 4, 8)}
    assert state == expected


def test_a_connection_that_the_release_before_took_in_is_told_what_it_is_owed(cloud: Cloud) -> None:
    """It knew nothing of portfolios and alerts, and kept nothing of them."""
    state = fan_state.decode(cloud.stored)
    state.prices, state.alerts, state.looked, state.numbered = {}, {}, {}, 0
    for client in state.clients.values():
        client.flows = {name: fan_state.Flow() for name in client.flows}
    cloud.stored, cloud.memory = fan_state.encode(state), None
    heard(cloud, "a1")
    cloud.price(BTC, 20_000)
    cloud.fire("ann", 0, is_rung=False)
    beat(cloud)
    assert [sorted(frame.keys() & {"portfolios", "alerts"}) for frame in heard(cloud, "a1")] == [
        ["portfolios"],
        ["alerts"],
    ]


def test_one_lane_serves_symbols_and_portfolios(cloud: Cloud) -> None:
    lane = lane_of(BTC, LANES)
    entry = Entry(str(BTC), lane, "", cloud.world.lanes[lane].version, 0)
    ticks = Subscribe(action="subscribe", channel="ticks", symbols=["BTC-USD"])
    cloud.alter("a1", lambda it: it.subscribe(ticks, {"BTC-USD": entry}))
    heard(cloud, "a1")
    cloud.price(BTC, 7)
    beat(cloud)
    assert [(frame["type"], frame["seq"]) for frame in heard(cloud, "a1")] == [("portfolio", 1), ("ticks", 2)]


def test_a_lane_that_has_not_begun_prices_nothing() -> None:
    cloud = Cloud()
    cloud.edit("ann", "BTC", Decimal(1), is_told=False)
    cloud.connect("a1", "ann")
    cloud.show("a1")
    cloud.write()
    shard = Shard(State(), cloud.connections)
    assert shard.lanes({}) == {lane_of(BTC, LANES)}
    assert (shard.posts(NOON), shard.next_due()) == ([], None)
    assert last_in({}, cloud.now_of("ann"))(str(BTC)) is None
    shard.absorb(Lane(lane_of(BTC, LANES)), [], lambda *_: Block.of(0, 0, []))
    assert shard.lanes({}) == set()
