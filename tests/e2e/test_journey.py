"""What a user does, and what an operator does to the system, from outside."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest

from local import watching
from local.cloud import Cloud, access
from local.endpoints import Endpoints
from local.journeys.accounts import User
from local.journeys.answers import call
from local.processes import Processes
from local.smoke import journey
from local.watching import METRICS, Watch, metric
from tests.e2e.conftest import System

DAY_S = 86_400
SLACK = 10
"""Two cores run two other whole systems meanwhile; `make smoke` holds what is promised."""
NEWS_S = 300
"""A minute already polled is not polled again, and a simulated market may stand still for longer."""


END = int(time.time() - 3_600) // DAY_S * DAY_S * 1000
"""Of the days that are compared, Unix ms: none that ends meanwhile, or has just ended, is among them."""


def closed_days(endpoints: Endpoints) -> list[list[float]]:
    answer = httpx.get(f"{endpoints.http}/candles/BTC-USD?interval=1d&limit=100&end={END}", timeout=30)
    answer.raise_for_status()
    rows: list[list[float]] = answer.json()["candles"]
    return rows


def newest_time(endpoints: Endpoints) -> str:
    answer = httpx.get(f"{endpoints.http}/prices/BTC-USD", timeout=30)
    answer.raise_for_status()
    newest: str = answer.json()["time"]
    return newest


def await_newer(endpoints: Endpoints, last: str) -> None:
    """Waits for a price of a later trade."""
    deadline = time.monotonic() + NEWS_S
    while newest_time(endpoints) <= last:
        assert time.monotonic() < deadline, "no new price"
        time.sleep(1)


@pytest.fixture
def client(running: Endpoints) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.http, timeout=30) as client:
        yield client


def test_the_users_journey(running: Endpoints) -> None:
    assert len(list(journey(running, SLACK))) == 74


def test_all_figures_are_there_and_nothing_is_down(running: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE_S", 60)
    samples = Watch(running, time.time() - 600).look()
    assert {name: value for name, value in samples.items() if name[0] == "up" and not value} == {}
    assert {metric(name) for name, _ in samples} >= set(METRICS) - {"errors_total"}
    assert samples["ticks_folded_total", ()] > 0


def test_the_wipe_leaves_nothing_of_an_ended_account_and_all_of_another(client: httpx.Client, system: System) -> None:
    ended, other = User(client), User(client)
    ended_id, other_id = ended.register()["id"], other.register()["id"]
    token = ended.sign_in()["access_token"]
    other.sign_in()
    cloud = Cloud(system.home, system.origin, Processes(system.home))
    table = cloud.outputs()["AccountsTable"]
    assert len(items_naming(ended_id, table, system.origin)) == 3  # the account, the e-mail, the session
    others = items_naming(other_id, table, system.origin)
    assert len(others) == 3

    ended.end(token)
    cloud.invoke("WipeAccounts")
    assert items_naming(ended_id, table, system.origin) == []
    assert items_naming(other_id, table, system.origin) == others


def test_restarted_with_the_state_of_two_days_ago_it_is_not_deployed_again_and_prices_and_sessions_go_on(
    running: Endpoints, client: httpx.Client, system: System
) -> None:
    days, last = closed_days(running), newest_time(running)
    user = User(client)
    profile, pair = user.register(), user.sign_in()
    assert system.stop() == 0, system.output
    age(system, 2 * DAY_S)

    restarted = system.start()
    assert "Deploying" not in system.output
    assert closed_days(restarted) == days
    assert call(client, "GET", "/users/me", 200, token=pair["access_token"]).json() == profile
    call(client, "POST", "/auth/refresh", 200, {"refresh_token": pair["refresh_token"]})

    await_newer(restarted, last)


def test_after_a_kill_the_next_start_ends_what_was_left_and_goes_on(running: Endpoints, system: System) -> None:
    days = closed_days(running)
    system.kill()
    restarted = system.start()
    assert "ended what an earlier run left behind: simulator, emulator" in system.output
    assert closed_days(restarted) == days


def test_prices_can_be_polled_instead(running: Endpoints, system: System) -> None:
    last = newest_time(running)
    assert system.stop() == 0, system.output
    polled = system.start("poll")
    assert "Deploying" in system.output
    health = httpx.get(polled.health, timeout=30).json()
    assert health["mode"] == "poll"
    await_newer(polled, last)
    assert Cloud(system.home, system.origin, Processes(system.home)).workers("StreamPrices") == []


def test_a_second_run_on_the_same_data_is_refused(running: Endpoints, system: System) -> None:
    second = System(system.home.parent / "second")
    second.home.mkdir()
    second.port = system.port
    with pytest.raises(AssertionError, match=f"port {system.port + 1}, for the simulated exchanges, cannot be had"):
        second.start()
    assert httpx.get(running.health, timeout=30).status_code == 200
    assert Processes(second.home).stop_orphans() == []


def items_naming(user: str, table: str, origin: str) -> list[dict[str, Any]]:
    """The items of a table that hold a user's id anywhere, by their sort keys."""
    tables = boto3.client("dynamodb", **access(origin, 60))
    items = [item for page in tables.get_paginator("scan").paginate(TableName=table) for item in page["Items"]]
    return sorted((item for item in items if user in str(item)), key=lambda item: item["sk"]["S"])


def age(system: System, seconds: int) -> None:
    """Makes the saved stream records older, as a stop of that length does."""
    file = system.home / "state" / "kinesis.json"
    state = json.loads(file.read_text())
    records = [
        record
        for stream in state["payload"]["streams"]["data"].values()
        for shard in stream["shards"].values()
        for record in shard["records"]
    ]
    for record in records:
        record["ApproximateArrivalTimestamp"] -= seconds
    file.write_text(json.dumps(state))
