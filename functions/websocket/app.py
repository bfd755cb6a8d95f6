"""What WebSocket clients say: they come, subscribe, ask for everything again, and go."""

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.domain import frames, subscriptions
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import lane_of
from cryptopulse.domain.snapshots import snapshots
from cryptopulse.domain.subscriptions import Action, Connection, Ping, Refusal, Resync, Subscribe, Unsubscribe
from cryptopulse.domain.times import rfc3339
from cryptopulse.errors import CryptoPulseError, GoneError, ServiceError
from cryptopulse.telemetry import entrypoint, logger

OK = {"statusCode": 200}


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    kind, id_ = event["requestContext"]["eventType"], event["requestContext"]["connectionId"]
    if kind == "CONNECT":
        return _connect(event)
    try:
        _hear(event) if kind == "MESSAGE" else _leave(id_)
    except CryptoPulseError:
        logger.exception("not answered", connection=id_)  # an exception's text would reach the client
    return OK


def _connect(event: Mapping[str, Any]) -> dict[str, int]:
    now = wiring.now()
    connection = _newcomer(event["requestContext"], now, now)
    ticket = (event.get("queryStringParameters") or {}).get("ticket")
    if ticket is not None:
        bound = wiring.tickets().redeem(ticket, now)
        if bound is None:
            return _refuse(connection, "ticket")
        connection.user, connection.grant = bound
    wiring.connections().open(connection)
    # Asked only now: whoever ends the session meanwhile finds the connection, or we find the session ended.
    if connection.user and not wiring.grants().is_live(connection.user, connection.grant, wiring.now()):
        wiring.connections().remove(connection.id)
        return _refuse(connection, "session")
    logger.info("connected", connection=connection.id, address=connection.address, user=connection.user)
    return OK


def _refuse(connection: Connection, reason: str) -> dict[str, int]:
    logger.info("refused", connection=connection.id, address=connection.address, user=connection.user, reason=reason)
    return {"statusCode": 401}


def _newcomer(request: Mapping[str, Any], opened_at: int, now: int) -> Connection:
    return Connection(request["connectionId"], request["identity"]["sourceIp"], opened_at, now)


def _leave(id_: str) -> None:
    wiring.connections().remove(id_)
    logger.info("left", connection=id_)


def _hear(event: Mapping[str, Any]) -> None:
    try:
        _answer(event)
    except GoneError:
        _leave(event["requestContext"]["connectionId"])


def _answer(event: Mapping[str, Any]) -> None:
    request, now, connections = event["requestContext"], wiring.now(), wiring.connections()
    connection = connections.find(request["connectionId"], now)
    if connection is None:  # its $connect was lost, but it speaks: it is there, though nobody knows whose
        connection = _newcomer(request, min(request["connectedAt"], now), now)
        connections.open(connection)
    if connection.is_ended:  # all that it hears is fan_out's good-bye
        logger.info("not answered", connection=connection.id, reason="session")
        return
    connections.heard(connection, now)
    action = subscriptions.parse(_text(event), is_bound=bool(connection.user))
    refusal = _do(connection, action, now) if not isinstance(action, Refusal) else action
    if refusal:
        fields = {"code": refusal.code, "message": refusal.message, "symbols": refusal.symbols}
        _send(connection, frames.answer("error", refusal.id, **fields))
    logger.info("answered", connection=connection.id, frame=refusal.code if refusal else type(action).__name__)


def _do(connection: Connection, action: Action, now: int) -> Refusal | None:
    match action:
        case Subscribe():
            return _subscribe(connection, action, now)
        case Unsubscribe():
            _unsubscribe(connection, action, now)
        case Resync():
            _resync(connection, action, now)
        case Ping():
            _send(connection, frames.answer("pong", action.id, time=rfc3339(now)))
    return None


def _unsubscribe(connection: Connection, action: Unsubscribe, now: int) -> None:
    ended: list[str] = []

    def end(current: Connection) -> None:
        ended[:] = current.unsubscribe(action)

    wiring.connections().change(connection, end, now)
    _send(connection, frames.answer("unsubscribed", action.id, channel=action.channel, symbols=ended))


def _text(event: Mapping[str, Any]) -> str | bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body
    try:
        return b64decode(body)
    except ValueError:
        return b""


def _send(connection: Connection, *sent: bytes) -> None:
    for frame in sent:
        wiring.sockets().send(connection.id, frame)


def _subscribe(connection: Connection, action: Subscribe, now: int) -> Refusal | None:
    """Answers, shows, and only then writes the subscription: nothing can overtake the snapshot."""
    market, lane_count = wiring.market(), wiring.settings().LANES
    found = subscriptions.chosen(action, connection, market.series())
    if isinstance(found, Refusal):
        return found
    lanes = _lanes(lane_of(series, lane_count) for series in found.values())
    entries = subscriptions.entries(action, found, lane_count, _versions(lanes))
    in_force = {"symbols": list(found), "interval_ms": action.interval_in_force, "interval": action.candles}
    _send(connection, frames.answer("subscribed", action.id, channel=action.channel, **in_force))
    rows = partial(market.candles, consistent=True)
    _send(connection, *snapshots(action.channel, entries.values(), lanes, rows, now, action.since_ms))
    _keep(connection, lambda current: current.subscribe(action, entries), now)
    _ring(connection, lanes)
    return None


def _keep(connection: Connection, change: Callable[[Connection], None], now: int) -> None:
    """Writes what the client was told; where that fails it must not believe it: it is cut off, and comes back."""
    try:
        wiring.connections().change(connection, change, now)
    except ServiceError:
        wiring.sockets().close(connection.id)
        raise


def _resync(connection: Connection, action: Resync, now: int) -> None:
    shown = {entry for _, entry in connection.entries()}
    lanes = _lanes(entry.lane for entry in shown)
    _send(connection, frames.answer("resynced", action.id))
    rows = partial(wiring.market().candles, consistent=True)
    for name, channel in connection.channels.items():
        _send(connection, *snapshots(name, channel.entries.values(), lanes, rows, now))
    _keep(connection, lambda current: current.show(shown, _versions(lanes)), now)
    _ring(connection, lanes)


def _lanes(numbers: Iterable[int]) -> dict[int, Lane]:
    numbers = set(numbers)
    return {number: Lane(number) for number in numbers} | wiring.market().lanes(numbers, consistent=True)


def _ring(connection: Connection, lanes: Mapping[int, Lane]) -> None:
    wiring.doorbells().ring(_versions(lanes), [wiring.connections().shard_of(connection.id)])


def _versions(lanes: Mapping[int, Lane]) -> dict[int, int]:
    return {number: lane.version for number, lane in lanes.items()}
