"""Prices by tier, worked out by hand; bills that add up and grow; the page that holds what is computed."""

import re
from collections.abc import Callable

import pytest

from bench import polling
from local import costs, prices, template
from local.costs import COUNTS, WAYS, Bill, Use

MESSAGES, EGRESS = prices.MESSAGE, prices.EGRESS_GB


@pytest.mark.parametrize(
    ("price", "count", "dollars"),
    [
        (MESSAGES, 0, 0),
        (MESSAGES, 1e9, 1_000),
        (MESSAGES, 2.5e9, 1_000 + 1.5e9 * 0.8e-6),
        (prices.HTTP_REQUEST, 400e6, 300 + 90),
        (EGRESS, 10_240, 921.60),
        (EGRESS, 20_480, 921.60 + 10_240 * 0.085),
        (EGRESS, 200_000, 921.60 + 40_960 * 0.085 + 102_400 * 0.07 + 46_400 * 0.05),
        (prices.CDN_GB, 160_000, 10_240 * 0.085 + 40_960 * 0.08 + 102_400 * 0.06 + 6_400 * 0.04),
        (prices.SHARD_HOUR, 720, 10.80),
        (prices.SIGNATURE, 1e6, 15),
    ],
)
def test_a_price_by_tiers(price: prices.Price, count: float, dollars: float) -> None:
    assert price.of(count) == pytest.approx(dollars)


@pytest.mark.parametrize(("count", "dollars"), [(0, 0), (4, 0.40), (10, 1), (25, 1)])
def test_free_units_take_off_no_more_than_they_would_cost(count: float, dollars: float) -> None:
    assert prices.ALARM.saved(count) == pytest.approx(dollars)


def test_messages_of_a_hundred_users_by_hand() -> None:
    use = Use(100, sessions=10, minutes=30, interval=2)  # 30,000 minutes, 30 frames in each; 3 messages a session
    bill = costs.ours(use, streams=True)
    assert bill[MESSAGES] == 30_000 * 30 + 1_000 * 3
    assert bill[prices.CONNECTION_MINUTE] == 30_000
    assert costs.ours(use, streams=False)[MESSAGES] == 30_000 + 1_000 * 3


def test_writes_at_rest_by_hand() -> None:
    use = Use(1, sessions=0, transactions=0, alerts=0)
    signing_in = 15 + 0.5  # a user signs in once a month
    rest = (1_010 + 500) * 720 + 300 * 30 * 7
    assert costs.ours(use, streams=False)[prices.WRITE] == pytest.approx(rest + signing_in)


@pytest.mark.parametrize(
    ("invocations", "traces"), [(1_000, 1_000), (2_592_000, 2_592_000), (4_592_000, 2_592_000 + 100_000)]
)
def test_traces_are_the_first_in_a_second_and_a_twentieth_of_the_others(invocations: float, traces: float) -> None:
    assert costs.sampled(invocations) == pytest.approx(traces)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_bill_grows_with_its_users(way: Callable[[Use], Bill]) -> None:
    totals = [costs.total(way(Use(users))) for users in (1, 10, 100, 101, 1_000, 10_001, 100_000, 1_000_000)]
    assert totals == sorted(totals)
    assert len(set(totals)) == len(totals)


@pytest.mark.parametrize("users", costs.SHOWN)
def test_rows_add_up_to_the_sum(users: int) -> None:
    rows = [[cell.strip(" *") for cell in line.split("|")[2:-1]] for line in costs.table(Use(users))]
    amounts = [[float(cell.replace(",", "") or 0) for cell in row] for row in rows[2:-1]]
    *services, sums = amounts
    for column, shown in enumerate(sums):
        assert sum(row[column] for row in services) == pytest.approx(shown, abs=0.005 * len(services))


def test_more_containers_are_rented_for_more_at_a_time() -> None:
    few, many = (costs.containers(Use(100_000, minutes=minutes))[prices.MEMORY_HOUR] for minutes in (10, 430))
    # 19,907 connected on average, 99,537 in the busiest hour, of whom a container holds 20,000
    assert (many - few) / costs.HOURS == 4


def test_where_another_way_is_cheaper_it_is_not_at_the_number_before() -> None:
    users = costs.cheaper_from(costs.containers, Use(1))
    assert users is not None
    for number, is_cheaper in ((users, True), (users * 2 // 3, False)):
        ours = costs.total(costs.ours(Use(number), streams=True))
        assert (costs.total(costs.containers(Use(number))) < ours) is is_cheaper


def test_what_does_not_hold_for_so_many_is_told() -> None:
    assert not list(costs.limits(Use(1_000)))
    told = "\n".join(costs.limits(Use(1_000_000, minutes=480, interval=1)))
    assert "1,111,111 frames a second" in told
    assert "One machine is too small" in told


def test_the_page_holds_what_is_computed() -> None:
    text = costs.PAGE.read_text()
    assert text == costs.written(text), "make costs WRITE=1"


def test_the_counts_are_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    polling.main()
    figures = dict(re.findall(r"figure polling\.(\w+) (\d+)", capsys.readouterr().out))
    assert figures == {
        "write_units_per_hour": f"{COUNTS.poll_writes_an_hour:.0f}",
        "read_units_per_hour": f"{COUNTS.poll_reads_an_hour:.0f}",
    }


def test_the_template_has_no_more_alarms_than_are_counted() -> None:
    assert 0 < len(template.resources("AWS::CloudWatch::Alarm")) <= COUNTS.alarms


@pytest.mark.parametrize(
    "given",
    [
        "--USERS 0",
        "--USERS 1.5",
        "--USERS x",
        "--USERS 1000001",
        "--INTERVAL 0.5",
        "--INTERVAL nan",
        "--USER 5",
        "5",
        "--SESSIONS 50 --MINUTES 1000",
    ],
)
def test_bad_input_is_told(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        costs.main(given.split())
    assert ended.value.code == 2
    assert "make costs: error: " in capsys.readouterr().err


def test_ones_own_numbers_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    costs.main(["--USERS", "500", "--INTERVAL", "2.5"])
    printed = capsys.readouterr().out
    assert "500 users" in printed
    assert "a frame each 2.5 s" in printed
    assert printed.count("**in all**") == 1
