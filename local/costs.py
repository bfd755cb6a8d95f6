"""`make costs`: what a month costs by service, ours and three other ways, from counted calls and list prices."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from math import ceil, exp, inf
from typing import Final, NamedTuple

from local import prices
from local.prices import MILLION, Price
from local.template import ROOT

PAGE: Final = ROOT / "docs/costs.md"
BEGIN, END = "<!-- begin: make costs WRITE=1 -->\n", "<!-- end -->\n"
HOURS: Final = 720
MINUTES: Final = HOURS * 60
SECONDS: Final = MINUTES * 60
GB: Final = 1e9
MOST_USERS: Final = 1_000_000
SHOWN: Final = (10, 1_000, 100_000)

type Bill = defaultdict[Price, float]
"""How many units of each price."""


def counted(count: float, where: str) -> float:
    """A number, with where it comes from."""
    value: float = field(default=count, metadata={"where": where})
    return value


@dataclass(frozen=True)
class Counts:
    """All that is multiplied by a price or a user, named. An estimate says that it is one."""

    # At rest, asked for each minute
    series: float = counted(23, "ten assets at two venues, and three conversions")
    poll_writes_an_hour: float = counted(1_010, "`make bench NAME=polling`")
    poll_reads_an_hour: float = counted(1_261, "`make bench NAME=polling`")
    turn_writes_an_hour: float = counted(500, "estimate: the venues' turns")
    other_reads_an_hour: float = counted(3_000, "estimate: looks back over five hours 1,800, the rest 1,200")
    poll_puts_a_minute: float = counted(6, "`template.yaml`: 2 lanes, 2 venues, 2 connection shards")
    ingest_s: float = counted(5, "estimate: 26 calls of Coinbase, 8 a second, and what Binance takes")
    runs_a_minute: float = counted(5, "folds, alerts, doorbells, `backfill`, `warm_cache`")
    run_s: float = counted(0.1, "estimate, at 512 MB")
    quarter_runs: float = counted(2, "`template.yaml`: `ingest_news`, `wipe_accounts`")
    quarter_run_s: float = counted(3, "estimate: most of it waits for newsrooms")
    articles_a_day: float = counted(300, "estimate; at most 600 are taken")
    article_writes: float = counted(7, "in a transaction, among all and for one asset")
    news_reads_a_run: float = counted(100, "estimate")
    # Live
    trades_an_hour: float = counted(277_093, "`make bench NAME=streaming`, a lively day")
    stream_writes_an_hour: float = counted(7_608, "`make bench NAME=streaming`")
    stream_reads_an_hour: float = counted(381, "`make bench NAME=streaming`")
    stream_puts_an_hour: float = counted(66_056, "`make bench NAME=streaming`")
    lease_writes_an_hour: float = counted(720, "a renewal each 5 s")
    reads_a_batch: float = counted(3, "two lanes by `evaluate_alerts`, who is to be rung")
    fold_s: float = counted(0.04, "estimate, at 512 MB; a batch a second")
    evaluate_s: float = counted(0.025, "estimate, at 512 MB; a batch a second")
    ingest_beside_s: float = counted(1, "estimate: a call a minute and venue")
    # WebSocket
    symbols: float = counted(5, "estimate, of a client")
    frame_bytes: float = counted(500, "five prices with headers, `make bench NAME=fan_out`")
    post_us: float = counted(35, "`make bench NAME=fan_out`, CPU")
    beat_us: float = counted(10, "`make bench NAME=fan_out`, CPU of a client in a beat")
    boto3_post_us: float = counted(1_000, "`make bench NAME=fan_out`, CPU")
    beat_s: float = counted(0.02, "estimate: a beat with nobody in it")
    state_bytes: float = counted(8.5, "of a client in its shard's state")
    shard_clients: float = counted(5_000, "one process is right for so many")
    shards: float = counted(2, "`template.yaml`, ConnectionShards")
    callback_budget: float = counted(6_000, "`template.yaml`, frames a second")
    session_messages: float = counted(3, "subscribe, subscribed, snapshot")
    session_calls: float = counted(3, "connect, subscribe, disconnect")
    connection_writes: float = counted(8, "estimate: ticket, place, connection, subscription, notes; and their end")
    # HTTP
    market_share: float = counted(2 / 3, "estimate; the rest are a user's own")
    cached_share: float = counted(1 / 2, "estimate: market requests that CloudFront answers")
    request_gb_s: float = counted(0.016, "estimate: 10 ms of 1 GB, and each hundredth a start of 0.6 s")
    limit_writes: float = counted(0.5, "estimate: a unit a Lambda and minute (`docs/architecture.md`, who asks)")
    market_reads: float = counted(1, "estimate: most is in the process")
    own_reads: float = counted(7, "account and session 2, consistent; estimate for the rest")
    analytics_share: float = counted(0.1, "estimate, of market requests")
    analytics_writes: float = counted(24, "500 rows of five values")
    analytics_most: float = counted(172_800, "20 questions, each five minutes")
    transaction_reads: float = counted(76, "`make bench NAME=portfolio`: units, a write as five reads, with a look")
    sign_in_writes: float = counted(15, "11 of them against guessing")
    sign_in_gb_s: float = counted(0.15, "a hash of 22 ms at 1,769 MB, and waits")
    refresh_writes: float = counted(1.5, "a refresh token spent and made")
    alert_writes: float = counted(4, "estimate: fired, told, kept, webhook")
    response_bytes: float = counted(2_000, "estimate, gzip")
    page_bytes: float = counted(500_000, "the dashboard, once a month and user; else cached")
    page_requests: float = counted(3, "of a session: page, fonts and code that changed, the socket")
    user_bytes: float = counted(20_000, "estimate, of an account with its portfolio")
    market_gb: float = counted(0.5, "estimate: ten assets' candles and news")
    # Watching
    alarms: float = counted(39, "metrics that `template.yaml`'s alarms look at")
    metrics: float = counted(18, "names by dimensions of the code, two venues")
    stream_metrics: float = counted(15, "`stream_prices`: six by two venues, and three")
    dashboards: float = counted(1, "`template.yaml`")
    log_bytes: float = counted(800, "of an invocation: a line of ours, three of Lambda's")
    polls_a_minute: float = counted(45, "three queues that Lambda asks 15 times each")
    keyed_pairs: float = counted(15, "estimate: roles by tables and stream in use; each asks KMS every five minutes")
    artefact_gb: float = counted(1, "estimate: a few deployments, the dashboard")
    # The others
    busiest: float = counted(5, "estimate: the busiest hour over the average")
    naive_tick_s: float = counted(0.002, "two writes and a Scan by boto3, 350 to 1,000 µs of CPU each")
    naive_tick_bytes: float = counted(250, "an item per tick, with its keys")
    naive_connection_bytes: float = counted(100, "an item of the table scanned")
    naive_request_gb_s: float = counted(
        0.066, "25 ms of CPU for 720 candles as items, each hundredth a start of 1.35 s"
    )
    naive_request_reads: float = counted(9, "720 candles as items")
    naive_sign_in_gb_s: float = counted(0.405, "bcrypt 12 at 512 MB")
    container_clients: float = counted(20_000, "estimate, sockets of half a core")
    container_requests: float = counted(50, "estimate, a second by half a core of Python")
    machine_clients: float = counted(50_000, "estimate, sockets of one machine of four cores")
    machine_requests: float = counted(200, "estimate, a second by one machine beside its databases")


COUNTS: Final = Counts()
HALF: Final = 0.5
"""GB of a function of 512 MB."""
SHARE: Final = 512 / 1769
"""Of a core, that it has."""


@dataclass(frozen=True)
class Use:
    """What users do in a month: so many, and what each of them does."""

    users: int
    sessions: float = 20
    requests: float = 30
    minutes: float = 10
    interval: float = 5
    transactions: float = 10
    alerts: float = 4

    @property
    def visits(self) -> float:
        """Sessions of all."""
        return self.users * self.sessions

    @property
    def asked(self) -> float:
        """HTTP requests of all."""
        return self.visits * self.requests

    @property
    def reaching(self) -> float:
        """Of these, who are not answered by CloudFront."""
        return self.asked * (1 - COUNTS.market_share * COUNTS.cached_share)

    @property
    def watched(self) -> float:
        """Minutes of connection of all."""
        return self.visits * self.minutes

    @property
    def clients(self) -> float:
        """Connected at a time, on average."""
        return self.watched / MINUTES

    def frames(self, *, streams: bool) -> float:
        """WebSocket frames to all; polled prices change once a minute."""
        return self.watched * 60 / (self.interval if streams else max(self.interval, 60))


LIMITS: Final = {
    "users": (1, MOST_USERS, "users"),
    "sessions": (0, 1_000, "sessions of each in a month"),
    "requests": (0, 10_000, "HTTP requests in a session"),
    "minutes": (0, 43_200, "minutes of watching prices in a session"),
    "interval": (1, 60, "seconds between two frames"),
    "transactions": (0, 10_000, "transactions of each in a month"),
    "alerts": (0, 10_000, "alerts fired for each in a month"),
}
"""Least, most, and what it is."""


def ours(use: Use, *, streams: bool) -> Bill:
    """This project, polling or with live streams."""
    bill: Bill = defaultdict(float)
    run = _Lambda(bill)
    _rest(bill, run, streams=streams)
    _pushed(bill, run, use, streams=streams)
    _served(bill, run, use)
    _delivered(bill, use, streams=streams)
    _watched(bill, COUNTS.metrics + (COUNTS.stream_metrics if streams else 0))
    bill[prices.LOGGED_GB] += run.invocations * COUNTS.log_bytes / GB
    bill[prices.TRACE] += sampled(run.traced)
    return bill


class _Lambda:
    """Counts invocations, and what they take."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self.traced = 0.0
        """The invocations that tracing looks at: not those of each second."""

    def __call__(self, count: float, gb_s: float, *, is_traced: bool = True) -> None:
        self._bill[prices.INVOCATION] += count
        self._bill[prices.GB_SECOND] += count * gb_s
        self.traced += count * is_traced

    @property
    def invocations(self) -> float:
        return self._bill[prices.INVOCATION]


def sampled(invocations: float) -> float:
    """Traces that active tracing records: the first in a second, and 5 % of the others."""
    return min(invocations, SECONDS) + 0.05 * max(0.0, invocations - SECONDS)


def _rest(bill: Bill, run: _Lambda, *, streams: bool) -> None:
    """What it costs with nobody there."""
    quarters = COUNTS.quarter_runs * MINUTES / 15
    run(quarters, COUNTS.quarter_run_s * HALF)
    if streams:
        run(2 * MINUTES, SECONDS * 0.25 / (2 * MINUTES))  # the holder, and who finds a living lease
        run(MINUTES, COUNTS.ingest_beside_s * HALF)
        run(2 * MINUTES, COUNTS.run_s * HALF)
        run(SECONDS, COUNTS.fold_s * HALF, is_traced=False)
        run(SECONDS, COUNTS.evaluate_s * HALF, is_traced=False)
        writes = COUNTS.stream_writes_an_hour + COUNTS.lease_writes_an_hour
        reads = COUNTS.stream_reads_an_hour + COUNTS.reads_a_batch * 3600
        puts = COUNTS.stream_puts_an_hour * HOURS
    else:
        run(MINUTES, COUNTS.ingest_s * HALF)
        run(COUNTS.runs_a_minute * MINUTES, COUNTS.run_s * HALF)
        writes, reads = COUNTS.poll_writes_an_hour, COUNTS.poll_reads_an_hour
        puts = COUNTS.poll_puts_a_minute * MINUTES
    bill[prices.WRITE] += (writes + COUNTS.turn_writes_an_hour) * HOURS
    bill[prices.WRITE] += COUNTS.articles_a_day * 30 * COUNTS.article_writes
    bill[prices.READ] += (reads + COUNTS.other_reads_an_hour) * HOURS + COUNTS.news_reads_a_run * MINUTES / 15
    bill[prices.STORED_GB] += COUNTS.market_gb
    bill[prices.SHARD_HOUR] += HOURS
    bill[prices.PUT_UNIT] += puts
    bill[prices.QUEUE_REQUEST] += COUNTS.polls_a_minute * MINUTES
    bill[prices.KEY] += 1
    bill[prices.KEY_REQUEST] += COUNTS.keyed_pairs * MINUTES / 5
    bill[prices.SCHEDULED] += (4 if streams else 3) * MINUTES + quarters
    bill[prices.BUCKET_GB] += COUNTS.artefact_gb


def _pushed(bill: Bill, run: _Lambda, use: Use, *, streams: bool) -> None:
    """Sockets: what is sent, by whom, and what he writes down."""
    frames = use.frames(streams=streams)
    somebody = 1 - exp(-use.clients)
    """The share of the time in which somebody is connected, if they come independently."""
    beats = somebody * (SECONDS if streams else MINUTES)
    shards = max(COUNTS.shards, ceil(use.clients * COUNTS.busiest / COUNTS.shard_clients))
    bill[prices.MESSAGE] += frames + use.visits * COUNTS.session_messages
    bill[prices.CONNECTION_MINUTE] += use.watched
    run(beats, COUNTS.beat_s * HALF, is_traced=not streams)
    bill[prices.GB_SECOND] += frames * (COUNTS.post_us + COUNTS.beat_us) / MILLION / SHARE * HALF
    bill[prices.WRITE] += beats * shards * max(1, ceil(COUNTS.state_bytes * use.clients / shards / 1024))
    bill[prices.READ] += beats * shards * 2
    bill[prices.PUT_UNIT] += beats * shards
    run(use.visits * COUNTS.session_calls, COUNTS.request_gb_s)
    bill[prices.WRITE] += use.visits * COUNTS.connection_writes
    bill[prices.READ] += use.visits * COUNTS.connection_writes


def _served(bill: Bill, run: _Lambda, use: Use) -> None:
    """HTTP requests, accounts, portfolios, alerts."""
    market = use.asked * COUNTS.market_share
    missed = market * (1 - COUNTS.cached_share)
    own = use.asked - market
    writing = use.users * use.transactions
    signing, alerts = use.users + use.visits, use.users * use.alerts
    asked = missed + own + writing + signing
    bill[prices.HTTP_REQUEST] += asked
    run(asked, COUNTS.request_gb_s)
    bill[prices.GB_SECOND] += use.users * COUNTS.sign_in_gb_s
    bill[prices.WRITE] += asked * COUNTS.limit_writes
    bill[prices.WRITE] += min(missed * COUNTS.analytics_share, COUNTS.analytics_most) * COUNTS.analytics_writes
    bill[prices.WRITE] += use.users * COUNTS.sign_in_writes + use.visits * COUNTS.refresh_writes
    bill[prices.READ] += missed * COUNTS.market_reads + own * COUNTS.own_reads
    bill[prices.READ] += writing * COUNTS.transaction_reads
    bill[prices.SIGNATURE] += signing
    bill[prices.WRITE] += alerts * COUNTS.alert_writes
    bill[prices.QUEUE_REQUEST] += alerts * 3
    run(alerts, HALF)
    gb = use.users * COUNTS.user_bytes / GB
    bill[prices.STORED_GB] += gb
    bill[prices.BACKED_UP_GB] += gb


def _delivered(bill: Bill, use: Use, *, streams: bool) -> None:
    """The dashboard, the API and the sockets through CloudFront."""
    bill[prices.CDN_REQUEST] += use.asked + use.visits * COUNTS.page_requests
    bill[prices.CDN_FUNCTION] += use.asked
    bill[prices.CDN_GB] += _gb_out(use, use.frames(streams=streams))


def _gb_out(use: Use, frames: float) -> float:
    sent = use.asked * COUNTS.response_bytes + use.users * COUNTS.page_bytes + frames * COUNTS.frame_bytes
    return sent / GB


def _watched(bill: Bill, metrics: float) -> None:
    bill[prices.ALARM] += COUNTS.alarms
    bill[prices.METRIC] += metrics
    bill[prices.DASHBOARD] += COUNTS.dashboards


def naive(use: Use, *, streams: bool) -> Bill:
    """The usual sample: two writes, a Scan and a post by boto3 for each tick, a REST API, candles as items."""
    bill: Bill = defaultdict(float)
    run = _Lambda(bill)
    ticks = COUNTS.trades_an_hour * HOURS if streams else COUNTS.series * MINUTES
    posts = COUNTS.symbols * use.watched * (60 if streams else 1)  # each by itself
    run(SECONDS if streams else MINUTES, 0)
    bill[prices.GB_SECOND] += (ticks * COUNTS.naive_tick_s + posts * COUNTS.boto3_post_us / MILLION) / SHARE * HALF
    if streams:
        bill[prices.GB_SECOND] += SECONDS * 0.25  # who holds the streams
    else:
        run(MINUTES, COUNTS.ingest_s * HALF)
    bill[prices.WRITE] += 2 * ticks + use.users * use.transactions
    bill[prices.READ] += ticks * max(0.5, use.clients * COUNTS.naive_connection_bytes / 8192)
    bill[prices.STORED_GB] += ticks * COUNTS.naive_tick_bytes / GB + use.users * COUNTS.user_bytes / GB
    bill[prices.STREAM_HOUR] += HOURS
    bill[prices.STREAM_GB_IN] += ticks * 1024 / GB
    bill[prices.STREAM_GB_OUT] += 2 * ticks * 1024 / GB
    bill[prices.MESSAGE] += posts + use.visits
    bill[prices.CONNECTION_MINUTE] += use.watched
    asked = use.asked + use.users * (use.transactions + 1)
    bill[prices.REST_REQUEST] += asked
    run(asked, COUNTS.naive_request_gb_s)
    run(use.visits * COUNTS.session_calls, COUNTS.naive_request_gb_s)
    bill[prices.GB_SECOND] += use.users * COUNTS.naive_sign_in_gb_s
    bill[prices.READ] += asked * COUNTS.naive_request_reads
    bill[prices.EGRESS_GB] += _gb_out(use, posts)
    bill[prices.LOGGED_GB] += run.invocations * COUNTS.log_bytes / GB
    return bill


class Size(NamedTuple):
    """What a container cluster rents, and the one machine instead, for up to so many users."""

    users: float
    postgres: Price
    postgres_nodes: int
    redis: Price
    redis_nodes: int
    kafka: Price
    brokers: int
    machine: Price


SIZES: Final = (
    Size(100, prices.POSTGRES_SMALL, 1, prices.REDIS_MICRO, 1, prices.KAFKA_SMALL, 2, prices.MACHINE_MEDIUM),
    Size(10_000, prices.POSTGRES_MEDIUM, 2, prices.REDIS_SMALL, 2, prices.KAFKA_SMALL, 3, prices.MACHINE_LARGE),
    Size(inf, prices.POSTGRES_LARGE, 2, prices.REDIS_MEDIUM, 2, prices.KAFKA_LARGE, 3, prices.MACHINE_XLARGE),
)
CONTAINERS: Final = 5
"""API, sockets, feeds, fold, alerts: each half a core and 1 GB."""
DISK: Final = 20
"""GB of each database and broker."""


def containers(use: Use) -> Bill:
    """Five containers on Fargate, more by load, with PostgreSQL, Redis and Kafka managed; streaming."""
    bill: Bill = defaultdict(float)
    size = next(each for each in SIZES if use.users <= each.users)
    peak = COUNTS.busiest
    more = _beyond_one(use.clients * peak / COUNTS.container_clients)
    more += _beyond_one(use.reaching / SECONDS * peak / COUNTS.container_requests)
    number = CONTAINERS + more
    bill[prices.CORE_HOUR] += number * 0.5 * HOURS
    bill[prices.MEMORY_HOUR] += number * HOURS
    bill[prices.ADDRESS_HOUR] += (number + 2) * HOURS
    bill[prices.BALANCER_HOUR] += HOURS
    bill[prices.CAPACITY_UNIT_HOUR] += max(use.clients / 3_000, _gb_out(use, use.frames(streams=True)) / HOURS) * HOURS
    bill[size.postgres] += size.postgres_nodes * HOURS
    bill[prices.POSTGRES_GB] += size.postgres_nodes * (DISK + use.users * COUNTS.user_bytes / GB)
    bill[size.redis] += size.redis_nodes * HOURS
    bill[size.kafka] += size.brokers * HOURS
    bill[prices.KAFKA_GB] += size.brokers * DISK
    bill[prices.LOGGED_GB] += use.asked * COUNTS.log_bytes / GB
    _watched(bill, COUNTS.metrics + COUNTS.stream_metrics)
    _delivered(bill, use, streams=True)
    return bill


def _beyond_one(share: float) -> int:
    return max(0, ceil(share) - 1)


def machine(use: Use) -> Bill:
    """The same five with PostgreSQL, Redis and Kafka on one rented machine; streaming, nothing to fail over to."""
    size = next(each for each in SIZES if use.users <= each.users)
    bill: Bill = defaultdict(float)
    bill[size.machine] += HOURS
    bill[prices.DISK_GB] += 50 + use.users * COUNTS.user_bytes / GB
    bill[prices.ADDRESS_HOUR] += HOURS
    bill[prices.EGRESS_GB] += _gb_out(use, use.frames(streams=True))
    return bill


WAYS: Final[dict[str, Callable[[Use], Bill]]] = {
    "ours, poll": lambda use: ours(use, streams=False),
    "ours, stream": lambda use: ours(use, streams=True),
    "naive, poll": lambda use: naive(use, streams=False),
    "naive, stream": lambda use: naive(use, streams=True),
    "containers": containers,
    "one machine": machine,
}


def by_service(bill: Bill) -> dict[str, float]:
    """Dollars of each service."""
    dollars: defaultdict[str, float] = defaultdict(float)
    for price, count in bill.items():
        dollars[price.service] += price.of(count)
    return dict(dollars)


def total(bill: Bill) -> float:
    """Dollars of a month, without what is free."""
    return sum(price.of(count) for price, count in bill.items())


def saved(bill: Bill) -> float:
    """Dollars that free tiers without an end take off, in an account that uses them for nothing else."""
    return sum(price.saved(count) for price, count in bill.items())


def cheaper_from(way: Callable[[Use], Bill], use: Use) -> int | None:
    """From how many such users on another way costs less than ours with streams, to one figure; None if never."""
    numbers = (digit * 10**power for power in range(6) for digit in range(1, 10))
    each = (Use(number, *(getattr(use, name) for name in list(LIMITS)[1:])) for number in numbers)
    return next((some.users for some in each if total(way(some)) < total(ours(some, streams=True))), None)


def table(use: Use) -> Iterator[str]:
    """The bill of all ways, as Markdown."""
    bills = {name: way(use) for name, way in WAYS.items()}
    services = {name: by_service(bill) for name, bill in bills.items()}
    yield _row("dollars a month", bills)
    yield _row("---", ["---:"] * len(bills))
    for service in dict.fromkeys(service for each in services.values() for service in each):
        yield _row(service, (_dollars(each.get(service, 0.0)) for each in services.values()))
    yield _row("**in all**", (f"**{total(bill):,.2f}**" for bill in bills.values()))
    yield _row("free tiers", (_dollars(-saved(bill)) for bill in bills.values()))


def _row(first: str, cells: Iterable[str]) -> str:
    return f"| {first:17} | " + " | ".join(f"{cell:>14}" for cell in cells) + " |"


def _dollars(amount: float) -> str:
    return f"{amount:,.2f}" if abs(amount) >= 0.005 else ""


def told(use: Use) -> Iterator[str]:
    """The table of one size, with what it is of."""
    yield (
        f"{use.users:,} users; a month of each: {use.sessions:g} sessions of {use.requests:g} requests and"
        f" {use.minutes:g} minutes of prices, a frame each {use.interval:g} s (polled prices change once a minute);"
        f" {use.transactions:g} transactions, {use.alerts:g} alerts. {use.clients:,.1f} connected at a time."
    )
    yield ""
    yield from table(use)
    yield from limits(use)


def limits(use: Use) -> Iterator[str]:
    """What of this does not hold for so many."""
    frames = use.frames(streams=True) / SECONDS * COUNTS.busiest
    if frames > COUNTS.callback_budget:
        yield ""
        yield (
            f"In the busiest hour {frames:,.0f} frames a second would be due: more than CallbackBudget,"
            f" {COUNTS.callback_budget:,.0f}, so intervals get longer, and fewer are sent and paid."
        )
    clients, requests = use.clients * COUNTS.busiest, use.reaching / SECONDS * COUNTS.busiest
    if clients > COUNTS.machine_clients or requests > COUNTS.machine_requests:
        yield ""
        yield f"One machine is too small for {clients:,.0f} clients and {requests:,.0f} requests a second."


def turning(use: Use) -> Iterator[str]:
    """Where the others cost less than ours."""
    for name, way in (("Containers", containers), ("One machine", machine)):
        users = cheaper_from(way, use)
        where = "nowhere" if users is None else "always" if users == 1 else f"from some {users:,} such users on"
        yield f"- {name} for less than ours with streams: {where}."


def counts() -> Iterator[str]:
    """All named quantities, as Markdown."""
    yield "| quantity | | counted, or said, where |"
    yield "| --- | ---: | --- |"
    for each in fields(Counts):
        yield f"| {each.name.replace('_', ' ')} | {getattr(COUNTS, each.name):,.6g} | {each.metadata['where']} |"


def page() -> str:
    """What docs/costs.md holds of this."""
    parts: list[str] = []
    for users in SHOWN:
        parts += [f"### {users:,} users", "", *told(Use(users)), ""]
    parts += ["Told plainly, where users do this:", "", *turning(Use(1)), ""]
    watching = Use(1, minutes=480, interval=1)
    parts += [
        f"And where each watches {watching.minutes / 60:g} hours a session by the second:",
        "",
        *turning(watching),
        "",
    ]
    parts += ["### The quantities", "", *counts(), ""]
    return "\n".join(parts)


def written(text: str) -> str:
    """The page's text with what is computed now between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + page() + END + after


def arguments(given: list[str]) -> argparse.Namespace:
    """The command line, checked."""
    parser = argparse.ArgumentParser(prog="make costs", description=__doc__, allow_abbrev=False)
    for name, (least, most, what) in LIMITS.items():
        default = {} if name == "users" else {"default": getattr(Use, name)}
        kind = _between(least, most, whole=name == "users")
        parser.add_argument(f"--{name.upper()}", dest=name, type=kind, help=what, **default)
    parser.add_argument("--write", action="store_true", help="into docs/costs.md instead")
    chosen = parser.parse_args(given)
    if chosen.sessions * chosen.minutes > MINUTES:
        parser.error(f"SESSIONS times MINUTES are more than a month's {MINUTES:,} minutes")
    return chosen


def _between(least: int, most: int, *, whole: bool) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = inf
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no {'whole ' * whole}number from {least:,} to {most:,}")
        return value

    return number


def main(given: list[str]) -> None:
    """Prints the bill for one's own numbers, or for all three sizes."""
    chosen = vars(arguments(given))
    if chosen.pop("write"):
        PAGE.write_text(written(PAGE.read_text()))
        return
    users = chosen.pop("users")
    print(f"List prices of us-east-1, {prices.AS_OF}, 30 days, without free tiers.")
    for number in SHOWN if users is None else (users,):
        print("", *told(Use(number, **chosen)), sep="\n")
    print("", *turning(Use(1, **chosen)), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
