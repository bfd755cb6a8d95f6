"""What a user does, and what an operator does to the system, from outside."""

import json
import time

import httpx
import pytest

from local.endpoints import Endpoints
from local.processes import Processes
from local.smoke import journey
from tests.e2e.conftest import System

DAY_S = 86_400


def closed_days(endpoints: Endpoints) -> list[list[float]]:
    answer = httpx.get(f"{endpoints.http}/candles/BTC-USD?interval=1d&limit=100&open=false", timeout=30)
    answer.raise_for_status()
    rows: list[list[float]] = answer.json()["candles"]
    return rows


def newest_time(endpoints: Endpoints) -> str:
    answer = httpx.get(f"{endpoints.http}/prices/BTC-USD", timeout=30)
    answer.raise_for_status()
    newest: str = answer.json()["time"]
    return newest


def test_the_users_journey(running: Endpoints) -> None:
    assert len(list(journey(running))) == 18


def test_restarted_with_the_state_of_two_days_ago_it_is_up_in_30_s_and_prices_go_on(
    running: Endpoints, system: System
) -> None:
    days, last = closed_days(running), newest_time(running)
    assert system.stop() == 0, system.output
    age(system, 2 * DAY_S)

    began = time.monotonic()
    restarted = system.start()
    assert time.monotonic() - began < 30, system.output
    assert "Deploying" not in system.output
    assert closed_days(restarted) == days

    deadline = time.monotonic() + 120  # a minute already polled is not polled again
    while newest_time(restarted) <= last:
        assert time.monotonic() < deadline, "no new price"
        time.sleep(1)


def test_after_a_kill_the_next_start_ends_what_was_left_and_goes_on(running: Endpoints, system: System) -> None:
    days = closed_days(running)
    system.kill()
    restarted = system.start()
    assert "ended what an earlier run left behind: simulator, emulator" in system.output
    assert closed_days(restarted) == days


def test_a_second_run_on_the_same_data_is_refused(running: Endpoints, system: System) -> None:
    second = System(system.home.parent / "second")
    second.home.mkdir()
    second.port = system.port
    with pytest.raises(AssertionError, match=f"port {system.port + 1}, for the simulated exchanges, cannot be had"):
        second.start()
    assert httpx.get(running.health, timeout=30).status_code == 200
    assert Processes(second.home).stop_orphans() == []


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
    assert records
    for record in records:
        record["ApproximateArrivalTimestamp"] -= seconds
    file.write_text(json.dumps(state))
