"""Alerts on the stream: fired once by the prices that reach them, whatever fails in between."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptopulse import wiring
from cryptopulse.aws import alerts as tables
from cryptopulse.aws import levels
from cryptopulse.aws.alerts import Alerts
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.notices import Notices
from cryptopulse.aws.queues import Queue
from cryptopulse.domain.alerts import Condition
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.rules import Rule, Side
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.sightings import Reached
from cryptopulse.domain.ticks import Bar, Candles, Clock, Quote, Record, Trades
from cryptopulse.errors import ThrottledError
from tests.functional.stage import BTC, ETH, NOON, TETHER, Stage, alert, connect, history, somebody

RULES = f"RULES#{BTC}"


def trades(*prices: int, time: int, series: Series = BTC) -> Record:
    told = Trades(series.symbol, 0, 0, [(time + n, price, 1, time + n) for n, price in enumerate(prices)])
    return Record(series.venue, lane_of(series, 2), [told])


def bars(*bars: Bar, series: Series = BTC) -> Record:
    start, end = bars[0].start, bars[-1].start + MINUTE
    return Record(series.venue, lane_of(series, 2), [Candles(series.symbol, 0, 0, start, end, end, list(bars))])


# --- what fires ---


@pytest.mark.parametrize(("condition", "price"), [("above", 103), ("below", 97)])
def test_the_extreme_of_a_batch_fires(stage: Stage, condition: Condition, price: int) -> None:
    user = somebody()
    made = alert(user, condition, "103" if condition == "above" else "97", webhook_url="https://example.com")
    bell = connect(user, "c=")
    stage.later(500)
    stage.evaluate(trades(100, 102, 98, time=NOON))
    assert history(user) == []
    stage.evaluate(trades(100, 103, 97, 100, time=NOON + 100))
    (fired,) = history(user)
    assert (fired.alert_id, fired.price, fired.time, fired.webhook) == (made.id, Decimal(price), NOON + 500, "pending")
    stored = wiring.alerts().get(user, made.id)
    assert (stored.status, stored.last_fired_at) == ("fired", NOON + 500)
    key = f"FIRED#{NOON + 500:015}#{fired.id}"
    assert stage.errands() == [{"user": user, "key": key, "number": 1, "due": NOON + 500}]
    assert stage.rung() == [(bell, [user])]
    assert stage.items(RULES) == stage.items("OUTBOX") == []


def test_quotes_and_candles_fire_too(stage: Stage) -> None:
    user = somebody()
    alert(user, "above", "110", number=1)
    alert(user, "below", "90", number=2)
    stage.now = NOON + 2 * MINUTE
    stage.evaluate(bars(Bar(NOON, 100, 110, 95, 100, 1)), stage.price(90))
    assert [(each.alert_id[-1], each.price) for each in history(user)] == [("1", Decimal(110)), ("2", Decimal(90))]


def test_only_the_alerts_own_series_counts(stage: Stage) -> None:
    user = somebody()
    alert(user, "above", "100")
    stage.evaluate(trades(200, time=NOON, series=ETH), trades(200, time=NOON, series=TETHER))
    assert history(user) == []


def test_exact_prices_are_compared(stage: Stage) -> None:
    user = somebody()
    alert(user, "above", "0.000012340000000001", number=1)
    alert(user, "above", "0.00001234", number=2)
    told = Trades("BTC-USD", 8, 0, [(1, 1234, 1, NOON)])
    stage.evaluate(Record("coinbase", 1, [told]))
    assert [each.alert_id[-1] for each in history(user)] == ["2"]


def test_history_fires_nothing(stage: Stage) -> None:
    user = somebody()
    alert(user, "above", "100")
    stage.now = NOON + 10 * MINUTE
    stage.evaluate(
        bars(*(Bar(NOON + n * MINUTE, 200, 200, 200, 200, 1) for n in range(5))),
        trades(200, time=NOON + 4 * MINUTE),
        Record("coinbase", lane_of(BTC, 2), [Quote("BTC-USD", 0, 200, NOON + 4 * MINUTE)]),
    )
    assert history(user) == []
    stage.evaluate(bars(Bar(NOON + 5 * MINUTE, 200, 200, 200, 200, 1)))
    assert len(history(user)) == 1


def test_what_was_before_the_alert_fires_nothing(stage: Stage) -> None:
    user = somebody()
    stage.now = NOON + 30_000
    alert(user, "above", "100")
    stage.now = NOON + 90_000
    stage.evaluate(bars(Bar(NOON, 200, 200, 200, 200, 1)), trades(200, 99, time=NOON + 29_998))
    assert history(user) == []
    stage.evaluate(trades(100, time=NOON + 30_000))
    assert len(history(user)) == 1


def test_a_price_of_before_that_still_holds_fires(stage: Stage) -> None:
    user = somebody()
    quiet = Quote("BTC-USD", 0, 100, NOON - MINUTE)
    alert(user, "above", "100")
    stage.evaluate(Record("coinbase", lane_of(BTC, 2), [quiet, Clock(NOON - 1)]))
    assert history(user) == []
    stage.evaluate(Record("coinbase", lane_of(BTC, 2), [quiet, Clock(NOON)]))
    assert [each.price for each in history(user)] == [Decimal(100)]


def test_many_fire_at_once_and_the_others_wait(stage: Stage) -> None:
    users = [somebody(number) for number in range(3)]
    for number in range(12):
        alert(users[number % 3], "above", str(95 + number), number=number)
    stage.evaluate(trades(100, time=NOON))
    assert sorted(int(each.threshold) for user in users for each in history(user)) == list(range(95, 101))
    assert len(stage.items(RULES)) == 6
    stage.evaluate(trades(200, time=NOON + 1))
    assert sorted(int(each.threshold) for user in users for each in history(user)) == list(range(95, 107))


def test_a_repeated_one_fires_again_after_the_price_went_back(stage: Stage) -> None:
    user = somebody()
    alert(user, "above", "1000", repeat=True)
    for number, price in enumerate([1000, 1001, 996, 1002, 995, 999, 1003, 1004]):
        stage.later(1_000)
        stage.evaluate(trades(price, time=NOON + number))
    assert [int(each.price) for each in history(user)] == [1000, 1003]
    assert len(stage.items(RULES)) == 1


def test_a_batch_that_goes_there_and_back_is_followed(stage: Stage) -> None:
    user = somebody()
    alert(user, "below", "1000", repeat=True)
    stage.evaluate(trades(1001, 999, 1005, 998, time=NOON), trades(1010, 997, time=NOON + 10))
    assert [int(each.price) for each in history(user)] == [997]
    stage.evaluate(trades(1005, 996, time=NOON + 20))
    assert [int(each.price) for each in history(user)] == [997, 996]


# --- changes in a window ---


def test_a_change_is_measured_against_the_price_a_window_ago(stage: Stage) -> None:
    user = somebody()
    stage.now = NOON + 10 * MINUTE
    minutes = [Bar(NOON + n * MINUTE, 1000 + n, 1000 + n, 1000 + n, 1000 + n, 1) for n in range(10)]
    stage.market(*bars(*minutes).messages, Clock(stage.now))
    for number, percent in enumerate(("2", "2.1", "-2", "-2.1")):
        alert(user, "change_pct", percent, number=number, window="5m")
    stage.now = NOON + 11 * MINUTE
    # Five minutes before 12:11 is 12:06: what had ended by then closed at 1005.
    stage.evaluate(trades(1025, time=stage.now))
    assert history(user) == []
    stage.evaluate(trades(1026, time=stage.now + 1))
    assert [(each.threshold, each.price) for each in history(user)] == [(Decimal(2), Decimal(1026))]
    stage.evaluate(trades(984, time=stage.now + 2))
    assert [each.threshold for each in history(user)][1:] == [Decimal(-2)]


def test_a_repeated_change_is_armed_again_half_a_per_cent_back(stage: Stage) -> None:
    user = somebody()
    stage.market(*bars(Bar(NOON - 6 * MINUTE, 1000, 1000, 1000, 1000, 1)).messages, Clock(NOON))
    stage.now = NOON
    alert(user, "change_pct", "10", repeat=True, window="5m")
    for number, price in enumerate([1100, 1101, 1095, 1102, 1094, 1103]):
        stage.evaluate(trades(price, time=NOON + number))
    assert [int(each.price) for each in history(user)] == [1100, 1103]


def test_a_base_is_read_once_a_minute(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    user = somebody()
    stage.market(*bars(Bar(NOON - 6 * MINUTE, 1000, 1000, 1000, 1000, 1)).messages, Clock(NOON))
    stage.now = NOON
    for number in range(3):
        alert(user, "change_pct", "10", number=number, window="5m")
    stage.evaluate(trades(1000, time=NOON))
    counted = Counted(monkeypatch)
    stage.evaluate(trades(1001, time=NOON + 59_999))
    assert counted.take() == {"BatchGetItem": 1}
    monkeypatch.setattr(levels, "KEPT", 1)
    stage.evaluate(trades(1002, time=NOON + 60_000))
    assert counted.take() == {"BatchGetItem": 1, "Query": 1}


def test_without_a_price_a_window_ago_a_change_is_none(stage: Stage) -> None:
    user = somebody()
    alert(user, "change_pct", "0.1", window="5m")
    stage.evaluate(trades(100, 200, time=NOON))
    assert history(user) == []


# --- once ---


def test_the_same_batch_three_times_fires_once(stage: Stage) -> None:
    user = somebody()
    alert(user, "above", "100", number=1)
    alert(user, "above", "100", number=2, repeat=True)
    batch = [trades(101, 90, 101, time=NOON)]
    stage.evaluate(*batch)
    once = history(user)
    assert Counter(each.alert_id[-1] for each in once) == {"1": 1, "2": 2}
    stage.evaluate(*batch)
    stage.forget()
    stage.evaluate(*batch)
    assert history(user) == once


def test_two_evaluators_at_once_fire_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is faster between any two steps of ours."""
    alerts = wiring.alerts()
    reach, others = alerts.reach, []

    def outrun(*args: Any) -> Any:
        others.append(reach(*args))
        return reach(*args)

    user = somebody()
    alert(user, "above", "100", number=1)
    alert(user, "above", "100", number=2, repeat=True)
    monkeypatch.setattr(alerts, "reach", outrun)
    stage.evaluate(trades(101, time=NOON))
    assert sorted(each.alert_id[-1] for each in history(user)) == ["1", "2"]
    assert len(others) == 2
    assert len(stage.items(RULES)) == 1


def test_what_loses_the_race_of_the_write_itself_looks_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = wiring.alerts()
    save = alerts._save
    raced: list[bool] = []
    user = somebody()
    made = alert(user, "above", "100")

    def outrun(*args: Any) -> None:
        if not raced:
            raced.append(True)
            assert made.rule is not None
            assert alerts.reach(made.rule, Reached(Decimal(101), NOON), stage.now) is not None
        save(*args)

    monkeypatch.setattr(alerts, "_save", outrun)
    stage.evaluate(trades(101, time=NOON))
    assert len(history(user)) == 1


class Failing(Client):
    """Fails one of its calls, before or after the service has done what it asked for, and counts them."""

    def __init__(self, service: str, plan: "Plan") -> None:
        super().__init__(service, wiring.account())
        self.plan = plan

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.plan.calls += 1
        if self.plan.calls != self.plan.failing:
            return super().call(operation, body)
        if self.plan.is_late:
            super().call(operation, body)
        raise ThrottledError("NoAnswer", operation)


class Plan:
    """Which call of all fails, and whether only its answer is lost."""

    def __init__(self, failing: int, *, is_late: bool) -> None:
        self.calls = 0
        self.failing = failing
        self.is_late = is_late


@pytest.mark.parametrize("is_late", [False, True])
def test_a_crash_anywhere_loses_nothing_and_fires_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    """Whichever call fails: after the batch came again, and half a minute, all has been told."""
    failing = calls = 0
    while failing <= calls:
        failing += 1
        stage.later()
        user = somebody(failing)
        alert(user, "above", "100", webhook_url="https://example.com", repeat=True)
        batch = [trades(101, time=stage.now)]
        stage.forget()
        plan = Plan(failing, is_late=is_late)
        alerts = Alerts(Table(Failing("dynamodb", plan), "Accounts"), 2)
        queue = Queue(Failing("sqs", plan), wiring.settings().WEBHOOKS_QUEUE)
        notices = Notices(alerts, queue, wiring.connections(), wiring.doorbells())
        with monkeypatch.context() as patch:
            patch.setattr(wiring, "alerts", lambda alerts=alerts: alerts)
            patch.setattr(wiring, "notices", lambda notices=notices: notices)
            try:
                stage.evaluate(*batch)
            except ThrottledError:
                stage.evaluate(*batch)
        calls = max(calls, plan.calls)
        stage.later(31_000)
        stage.forget()
        stage.evaluate(*batch)
        (fired,) = history(user)
        assert {each["key"] for each in stage.errands()} == {f"FIRED#{fired.time:015}#{fired.id}"}
        assert stage.items("OUTBOX") == []
        assert [sk[:4] for sk in stage.items(RULES)] == ["FALL"]
        wiring.alerts().remove(user, fired.alert_id, lambda _: None)
    assert calls > 8


# --- rules without an alert ---


def test_the_rules_of_an_ended_account_go_when_they_are_met(stage: Stage) -> None:
    users = [somebody(number) for number in range(2)]
    for number, user in enumerate(users):
        alert(user, "above", "100", number=number)
    accounts = wiring.accounts()
    accounts.end(accounts.require(users[0]), stage.now)
    accounts.end(accounts.require(users[1]), stage.now)
    accounts.wipe(users[1])
    stage.evaluate(trades(99, time=NOON))
    assert len(stage.items(RULES)) == 2
    stage.later(MINUTE + 1)
    stage.evaluate(trades(101, time=stage.now))
    assert stage.items(RULES) == stage.items("OUTBOX") == []
    assert history(users[0]) == history(users[1]) == []


def test_a_rule_that_is_not_its_alerts_any_more_goes(stage: Stage) -> None:
    user = somebody()
    made = alert(user, "above", "100")
    table = wiring.alerts()._table
    (sk,) = stage.items(RULES)
    item = table.get(RULES, sk)
    assert item is not None
    table.put(item | {"sk": sk.replace("RISE#" + "100".zfill(19), "RISE#" + "99".zfill(19)), "level": "99"})
    stage.later(MINUTE + 1)
    stage.evaluate(trades(99, time=stage.now))
    assert stage.items(RULES) == [sk]
    assert wiring.alerts().get(user, made.id).status == "armed"


def test_a_rule_that_is_seen_before_its_alert_stays(stage: Stage) -> None:
    user = somebody()
    made = alert(user, "above", "100")
    table, place = wiring.alerts()._table, (f"USER#{user}", f"ALERT#{made.id}")
    item = table.take(*place)
    assert item is not None
    stage.evaluate(trades(100, time=NOON))
    assert len(stage.items(RULES)) == 1
    table.put(item)
    stage.evaluate(trades(100, time=NOON))
    assert [fired.alert_id for fired in history(user)] == [made.id]
    assert stage.items(RULES) == []


# --- reads ---


class Counted:
    """Counts the calls to DynamoDB by operation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        call = Client.call

        def counted(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
            self.calls[operation] += 1
            return call(client, operation, body)

        monkeypatch.setattr(Client, "call", counted)

    def take(self) -> dict[str, int]:
        """The counts since they were taken last."""
        found, self.calls = dict(self.calls), Counter()
        return found


def test_nothing_is_read_but_what_tells_of_new_rules(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred series; the outbox is looked at once a minute."""
    followed = [Series("coinbase", f"C{number}-USD") for number in range(100)]
    batch = [trades(100, time=NOON, series=series) for series in followed]
    counted = Counted(monkeypatch)
    stage.evaluate(*batch)
    assert counted.take() == {"BatchGetItem": 1, "Query": 1}
    stage.evaluate(*batch)
    assert counted.take() == {"BatchGetItem": 1}


def test_alerts_that_are_not_met_cost_one_query_a_series_when_they_are_new(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred alerts on a hundred series."""
    followed = [Series("coinbase", f"C{number}-USD") for number in range(100)]
    put_rules(followed, 2)
    stage.evaluate()  # looks at the outbox
    counted = Counted(monkeypatch)
    stage.evaluate(*(trades(1000, time=NOON, series=series) for series in followed))
    assert counted.take() == {"BatchGetItem": 1, "Query": 100}
    for price in (990, 1010, 1000):
        stage.evaluate(*(trades(price, time=NOON, series=series) for series in followed))
        assert counted.take() == {"BatchGetItem": 1}
    alert(somebody(), "above", "5000", series=followed[3])
    counted.take()
    stage.evaluate(*(trades(1000, time=NOON, series=series) for series in followed))
    assert counted.take() == {"BatchGetItem": 1, "Query": 1}
    stage.evaluate(*(trades(1025, time=NOON, series=series) for series in followed))
    assert counted.take() == {"BatchGetItem": 1, "Query": 100}


def put_rules(followed: list[Series], each: int) -> None:
    """So many rules around 1000 on each series, none nearer than 10 %; as alerts write them."""
    table = wiring.alerts()._table
    for series in followed:
        for number in range(each):
            side: Side = "rise" if number % 2 else "fall"
            level = Decimal(1100 + number if number % 2 else 900 - number)
            table.put(tables._rule_item(Rule(series, side, level, 0, "0" * 32, f"{number:032x}", NOON)))
    for lane in range(2):
        mine = {tables._attribute(series): each for series in followed if lane_of(series, 2) == lane}
        table.put({"pk": "RULES", "sk": f"HEAD#{lane}", **mine})


def test_a_crossing_costs_one_query(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    user = somebody()
    alert(user, "above", "105")
    stage.evaluate(trades(100, time=NOON))
    counted = Counted(monkeypatch)
    stage.evaluate(trades(106, time=NOON + 1))
    assert counted.take()["Query"] == 2  # the rules, and who listens to what has fired
    stage.evaluate(trades(106, time=NOON + 2))
    assert counted.take() == {"BatchGetItem": 1, "Query": 1}
    stage.evaluate(trades(106, time=NOON + 3))
    assert counted.take() == {"BatchGetItem": 1}


def test_a_version_that_a_crash_kept_back_is_made_up_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    user = somebody()
    alert(user, "above", "200", number=1)
    stage.evaluate(trades(100, time=NOON))
    table = wiring.alerts()._table
    with monkeypatch.context() as patch:
        patch.setattr(table, "update", lambda *_, **__: {})
        alert(user, "above", "100", number=2)
    stage.evaluate(trades(101, time=NOON + 1))
    assert history(user) == []
    stage.later(5 * MINUTE)
    stage.evaluate(trades(101, time=stage.now))
    assert [each.alert_id[-1] for each in history(user)] == ["2"]


def test_what_cannot_be_read_is_left_to_others(stage: Stage) -> None:
    user = somebody()
    alert(user, "above", "100")
    stage.evaluate(b"poison", trades(101, time=NOON))
    assert len(history(user)) == 1


# --- any path of prices ---

paths = st.lists(st.lists(st.integers(985, 1015), min_size=1, max_size=4), min_size=1, max_size=5)
wanted = st.lists(
    st.tuples(st.sampled_from(["above", "below"]), st.integers(980, 1020), st.booleans()), min_size=1, max_size=4
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths, wanted, st.data())
def test_what_fires_is_what_the_definition_says(
    stage: Stage, batches: list[list[int]], asked: list[tuple[Condition, int, bool]], data: st.DataObject
) -> None:
    """Also where batches come again, and processes begin anew: the same alerts, once each."""
    stage.later(10 * MINUTE)
    begin = stage.now
    user = somebody(begin)
    for number, (condition, level, repeat) in enumerate(asked):
        alert(user, condition, str(level), number=number, repeat=repeat)
    ends: list[int] = []
    path: list[int] = []
    for batch in batches:
        record = trades(*batch, time=begin + len(path))
        path += batch
        ends.append(len(path))
        for _ in range(data.draw(st.integers(1, 2))):
            if data.draw(st.booleans()):
                stage.forget()
            stage.evaluate(record)
    told = history(user)
    for number, (condition, level, repeat) in enumerate(asked):
        prices = [int(each.price) for each in told if each.alert_id == f"{number:032x}"]
        assert prices == naive(path, ends, condition, level, repeat=repeat)
        wiring.alerts().remove(user, f"{number:032x}", lambda _: None)


def naive(path: list[int], ends: list[int], condition: Condition, level: int, *, repeat: bool) -> list[int]:
    """The prices that fire: of each batch the extreme since the alert was armed, where it reaches the level."""
    up = 1 if condition == "above" else -1
    fires: list[int] = []
    is_waiting, start = False, 0
    for end in ends:
        while rest := range(start, end):
            at = (min if is_waiting else max)(rest, key=lambda place: up * path[place])
            if is_waiting and up * path[at] * 1000 > up * level * 1000 - level * 5:
                break
            if not is_waiting and up * path[at] < up * level:
                break
            if not is_waiting:
                fires.append(path[at])
                if not repeat:
                    return fires
            is_waiting, start = not is_waiting, at + 1
    return fires
