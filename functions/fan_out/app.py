"""Sends WebSocket clients what changed, conflated to what each of them is owed, whenever a doorbell rings."""

from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from math import ceil
from operator import itemgetter
from random import sample
from secrets import token_hex
from time import sleep
from typing import Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET

from cryptopulse import wiring
from cryptopulse.aws.connections import Head
from cryptopulse.aws.doorbells import Doorbell, read
from cryptopulse.aws.sockets import CLOSE, Delivery
from cryptopulse.domain import frames
from cryptopulse.domain.fan_news import Published
from cryptopulse.domain.fanning import UNREACHABLE, Bodies, Shard
from cryptopulse.domain.subscriptions import IDLE_AFTER, SETTLED, Connection
from cryptopulse.errors import ServiceError, UnreadableError
from cryptopulse.telemetry import entrypoint, logger, metrics, noted, place

LONGEST_WAIT = {"aws": 1_000, "local": 300}
"""Milliseconds to wait for who may not be sent to yet. The local cloud's consumers share one thread."""
RINGS = {"poll": 1_000, "stream": 15_000}
"""Milliseconds between the rings that a shard asks for, at least. Streams ring each second, unless all are silent."""
REREAD_AFTER = 60_000
"""Milliseconds after which connections are read again though their version did not move."""
HANDSHAKE = 30_000
"""Milliseconds after which a handshake is over: until then API Gateway says of the client that it is gone."""
FAREWELLS = 1_000
"""Milliseconds that a beat spends on removing those who have gone, however many: the others wait for it."""
GOODBYES = 100
"""Said in a beat at most, all together, for the same reason."""
NEWS = 10_000
"""Articles read at most: of a day and a half, there are some hundreds."""
RESERVE = 5_000
"""Milliseconds before the time limit after which nothing more is sent."""


class Memory(NamedTuple):
    """A shard as this process left it, the head as of which its connections hold, and when (Unix ms) they were read."""

    shard: Shard
    head: Head
    read_at: int


_memory: dict[int, Memory] = {}


@cache
def _owner() -> str:
    """This process's name."""
    return token_hex(8)


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    deadline = wiring.now() + context.get_remaining_time_in_millis() - RESERVE
    rung, unreadable = _read(event["Records"])
    where = place(event["Records"], wiring.now())
    remembered = {number: _recall(number) for number in rung}
    shards = {number: memory.shard for number, memory in remembered.items()}
    _look(shards, rung)
    _listen(shards, rung)
    _read_news(shards, rung)
    sent = _send(shards, deadline)
    until = min(wiring.now() + LONGEST_WAIT[wiring.settings().CLOUD], deadline)
    while (due := _next_due(shards)) is not None and due <= until:
        sleep(max(0, due - wiring.now()) / 1000)
        sent += _send(shards, deadline)
        if wiring.settings().PRICE_MODE == "stream" or wiring.now() >= until:
            break  # the next doorbell is near
    for number, shard in shards.items():
        _ask_for_ring(number, shard)
        _record(number, shard, remembered[number])
    for shard in shards.values():
        _check(shard)
    _close(shards, deadline)
    connections = sum(len(shard.connections) for shard in shards.values())
    told = {number: dict(sorted(bell.versions.items())) for number, bell in sorted(rung.items())}
    logger.info(
        "fanned out", **where, shards=told, unreadable=unreadable, connections=connections, frames=sent, **noted()
    )


def _read(records: list[dict[str, Any]]) -> tuple[dict[int, Doorbell], int]:
    """What was told to each shard: the highest versions, all users and news; and how many doorbells were unreadable."""
    rung: dict[int, Doorbell] = {}
    unreadable = 0
    for record in records:
        kinesis = record["kinesis"]
        try:
            bell = read(kinesis["partitionKey"], b64decode(kinesis["data"]), wiring.settings().CONNECTION_SHARDS)
        except UnreadableError as error:
            logger.error("unreadable doorbell", sequence=kinesis["sequenceNumber"], reason=str(error))
            unreadable += 1
            continue
        known = rung.get(bell.shard, Doorbell(bell.shard, {}))
        versions = {lane: max(version, known.versions.get(lane, 0)) for lane, version in bell.versions.items()}
        rung[bell.shard] = Doorbell(
            bell.shard, known.versions | versions, known.users | bell.users, known.news + bell.news
        )
    return rung, unreadable


def _recall(number: int) -> Memory:
    """The shard, its next beat begun: from memory if this process wrote it last, else as it is stored."""
    connections, now = wiring.connections(), wiring.now()
    memory, head = _memory.pop(number, None), connections.head(number)
    if memory is None or head.owner != _owner():
        connections.own(number, _owner())
        share = wiring.settings().CALLBACK_BUDGET / connections.shards
        return Memory(Shard(connections.state(number), connections.all(number, now), share), head, now)
    shard, known, read_at = memory
    if now - read_at < REREAD_AFTER:
        changed = connections.changed(number, known.version, head.version, now) if known.version != head.version else {}
        if changed is not None:
            shard.begin(changed)
            return Memory(shard, head, read_at)
    there = connections.all(number, now)
    shard.begin(dict.fromkeys(shard.connections) | there)
    return Memory(shard, head, now)


def _look(shards: Mapping[int, Shard], rung: Mapping[int, Doorbell]) -> None:
    """Reads the lanes that moved on and marks what changed in them."""
    market, now = wiring.market(), wiring.now()
    wanted = {number: shard.lanes(rung[number].versions) for number, shard in shards.items()}
    lanes = market.lanes(set().union(*wanted.values()), consistent=True)
    for number, shard in shards.items():
        for lane in (lanes[each] for each in sorted(wanted[number]) if each in lanes):
            minutes = market.minutes_at(lane.number, shard.minutes(lane, now), consistent=True)
            shard.absorb(lane, minutes, partial(market.candles, lane, now=now, consistent=True))


def _listen(shards: Mapping[int, Shard], rung: Mapping[int, Doorbell]) -> None:
    """Reads the alerts of users of whom some have fired, and now and then those of others."""
    now = wiring.now()
    for number, shard in shards.items():
        for user, since in shard.alerts.unread(rung[number].users, now).items():
            try:
                fired = wiring.alerts().history(user, since, now)
            except ServiceError:  # prices go on; it is tried again within a minute
                logger.exception("alerts not read", user=user)
                continue
            shard.alerts.hear(user, [(each.id, each.time, frames.alert(each.view)) for each in fired], now)


def _read_news(shards: Mapping[int, Shard], rung: Mapping[int, Doorbell]) -> None:
    """Reads the news where they are watched, and there are new ones or there may be: once for all shards."""
    now = wiring.now()
    asked = {number: shard.news.unread(now, is_rung=rung[number].news > 0) for number, shard in shards.items()}
    since = {number: start for number, start in asked.items() if start is not None}
    if not since:
        return
    try:
        kept = wiring.news().since(None, min(since.values()), now + SETTLED, NEWS)  # not all clocks are the same
    except ServiceError:  # prices go on; it is tried again within a minute
        logger.exception("news not read")
        return
    from cryptopulse.domain.news_views import article  # only those who tell news need it

    told = [
        Published(of.id, of.published_at, of.assets, frames.article(article(of, each.score, each.label, UNSET)))
        for each in kept
        for of in [each.article]
    ]
    for number, start in since.items():
        shards[number].news.hear((each for each in told if each.time >= start), now)


def _check(shard: Shard) -> None:
    """Looks now and then whether the portfolios shown are as they were: a notice may have been lost."""
    now = wiring.now()
    for (user, id_), version in shard.portfolios.unchecked(now).items():
        try:
            wiring.live_portfolios().check(user, id_, version, now)
        except ServiceError:
            logger.exception("portfolio not checked", user=user, portfolio=id_)


def _next_due(shards: Mapping[int, Shard]) -> int | None:
    return min((due for shard in shards.values() if (due := shard.next_due()) is not None), default=None)


def _ask_for_ring(number: int, shard: Shard) -> None:
    """Has the shard rung when the first interval ends of those who are owed something."""
    now = wiring.now()
    at = shard.next_ring(now, RINGS[wiring.settings().PRICE_MODE])
    if at is None:
        return
    try:
        wiring.doorbell_queue().send(str(number), delay=ceil((at - now) / 1_000))
    except ServiceError:  # it is sent with the next doorbell
        logger.exception("no ring asked for", shard=number)
        return
    shard.expect_ring(at)


def _send(shards: Mapping[int, Shard], deadline: int) -> int:
    """Sends who may be sent to what they are owed; returns how many frames were taken."""
    now = wiring.now()
    bodies: Bodies = {}
    posts = [(shard, post) for shard in shards.values() for post in shard.posts(now, bodies)]
    if not posts:
        return 0
    posts.sort(key=lambda each: each[1].due)  # who has waited longest is first, should time not suffice
    sent = ((post.connection, post) for _, post in posts)
    deliveries = wiring.sockets().deliver(sent, max(0, deadline - wiring.now()) / 1000)
    now = wiring.now()
    is_down = len(posts) > 1 and not any(each.taken or each.gone for each in deliveries)
    for (shard, post), delivery in zip(posts, deliveries, strict=True):
        if delivery.gone:
            _remove(shard, post.connection, min(now + FAREWELLS, deadline))
        elif delivery.taken or now < deadline:  # else there was no time for it
            shard.settle(post, delivery.taken, now, is_down=is_down)
    return _measured(deliveries, map(itemgetter(1), posts))


def _measured(deliveries: Sequence[Delivery], posts: Iterable[Sequence[bytes]]) -> int:
    """Counts what became of the frames; returns how many were taken."""
    counts = {
        "FramesSent": sum(each.taken for each in deliveries),
        "FramesGone": sum(each.gone for each in deliveries),
        "FramesThrottled": sum(
            len(post) - each.taken for post, each in zip(posts, deliveries, strict=True) if not each.gone
        ),
    }
    for name, count in counts.items():
        if count:  # a metric costs by the hour in which it is told
            metrics.add_metric(name, MetricUnit.Count, count)
    return counts["FramesSent"]


def _close(shards: Mapping[int, Shard], deadline: int) -> None:
    """Says good-bye to connections that have to end, and closes them; who is left goes at the next doorbell."""
    began = wiring.now()
    ending = [(shard, *each) for shard in shards.values() for each in shard.ending(began)]
    posts = [
        (shard, connection, [CLOSE] if reason == UNREACHABLE else [frames.bye(reason), CLOSE])
        for shard, connection, reason in sample(ending, min(GOODBYES, len(ending)))  # not the same ones each time
        if reason != "idle" or _is_idle(connection, began)
    ]
    if not posts:
        return
    sent = ((connection.id, told) for _, connection, told in posts)
    deliveries = wiring.sockets().deliver(sent, max(0, deadline - wiring.now()) / 1000)
    now = wiring.now()
    for (shard, connection, told), delivery in zip(posts, deliveries, strict=True):
        if delivery.gone and began - connection.opened_at < HANDSHAKE:
            continue  # until it has come
        if delivery.gone or delivery.taken == len(told):
            _remove(shard, connection.id, min(now + FAREWELLS, deadline))
        elif now < deadline:  # else there was no time for it
            shard.miss(connection.id)


def _is_idle(connection: Connection, now: int) -> bool:
    """Whether a connection has not been heard of since it was read, either."""
    if current := wiring.connections().find(connection.id, now):
        connection.active_at = current.active_at
    return now >= connection.active_at + IDLE_AFTER


def _remove(shard: Shard, connection: str, until: int) -> None:
    """Forgets who is gone, and removes what is written of him if there is time: else he is found when all are read."""
    shard.forget(connection)
    if wiring.now() < until:
        wiring.connections().remove(connection)


def _record(number: int, shard: Shard, memory: Memory) -> None:
    """Keeps the shard's state for the next doorbell."""
    connections = wiring.connections()
    shard.prune()
    if shard.changed:
        connections.record(number, shard.state)
        shard.changed = False
    if shard.pace != memory.head.interval_ms:
        connections.widen(number, shard.pace)
    if not shard.connections:
        connections.rest(number, memory.head.version)
    _memory[number] = memory
