"""What WebSocket clients say: they come, subscribe, ask for everything again, and go."""

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET

from cryptopulse import wiring
from cryptopulse.api.addresses import network, viewer
from cryptopulse.domain import frames, subscriptions
from cryptopulse.domain.efforts import effort
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.series import lane_of
from cryptopulse.domain.snapshots import snapshots
from cryptopulse.domain.subscriptions import (
    ALERTS,
    ARTICLES,
    CONNECTIONS,
    SETTLED,
    TOO_FAST,
    TOO_MANY_ALERTS,
    TOO_MANY_ARTICLES,
    TOO_MANY_PORTFOLIOS,
    Action,
    Connection,
    NewsWatch,
    Ping,
    Refusal,
    Resync,
    Subscribe,
    SubscribeAlerts,
    SubscribeNews,
    SubscribePortfolio,
    Unsubscribe,
    UnsubscribeAlerts,
    UnsubscribeNews,
    UnsubscribePortfolio,
    Unsubscription,
    Watch,
)
from cryptopulse.domain.times import rfc3339
from cryptopulse.errors import ConflictError, CryptoPulseError, GoneError, ServiceError
from cryptopulse.telemetry import entrypoint, logger, noted

if TYPE_CHECKING:
    from cryptopulse.aws.limits import Limits
    from cryptopulse.aws.news import Kept  # only for those who watch the news

OK = {"statusCode": 200}
UNAUTHORIZED, TOO_MANY_REQUESTS = 401, 429
HANDSHAKE = 5
"""As how many HTTP requests of its address a handshake counts: it writes four or five items."""


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
    request, now = event["requestContext"], wiring.now()
    headers = {name.lower(): value for name, value in event["headers"].items()}
    address = network(viewer(headers, request["identity"]["sourceIp"]))
    connection = Connection(request["connectionId"], address, now, now)
    if _wait(wiring.limits(), f"ip#{address}", now, HANDSHAKE):
        return _refuse(connection, "rate", TOO_MANY_REQUESTS)
    ticket = (event.get("queryStringParameters") or {}).get("ticket")
    if ticket is not None:
        bound = wiring.tickets().redeem(ticket, now)
        if bound is None:
            return _refuse(connection, "ticket", UNAUTHORIZED)
        connection.user, connection.grant = bound
    if not _open(connection):
        return _refuse(connection, "limit", TOO_MANY_REQUESTS)
    # Asked only now: whoever ends the session meanwhile finds the connection, or we find the session ended.
    if connection.user and not wiring.grants().is_live(connection.user, connection.grant, wiring.now()):
        wiring.connections().remove(connection.id)
        return _refuse(connection, "session", UNAUTHORIZED)
    logger.info("connected", connection=connection.id, address=connection.address, user=connection.user)
    return OK


def _refuse(connection: Connection, reason: str, status: int) -> dict[str, int]:
    logger.info("refused", connection=connection.id, address=connection.address, user=connection.user, reason=reason)
    return {"statusCode": status}


def _open(connection: Connection) -> bool:
    limit = CONNECTIONS if connection.user else wiring.settings().CONNECTIONS_PER_ADDRESS
    return wiring.connections().open(connection, limit)


def _wait(limits: "Limits", key: str, now: int, count: int) -> int:
    """Seconds after which a client may go on, 0 if he may now; where the table does not answer, nobody is limited."""
    try:
        standing = limits.take(key, now, count)
    except ServiceError:
        logger.exception("not limited")
        return 0
    return 0 if standing.is_allowed else standing.reset


def _leave(id_: str) -> None:
    wiring.connections().remove(id_)
    logger.info("left", connection=id_)


def _hear(event: Mapping[str, Any]) -> None:
    try:
        _answer(event)
    except GoneError:
        _leave(event["requestContext"]["connectionId"])


def _answer(event: Mapping[str, Any]) -> None:
    request, now = event["requestContext"], wiring.now()
    id_, text = request["connectionId"], _text(event)
    if not wiring.heard_frames().take(id_, now):  # before anything is read
        _tell(id_, Refusal(subscriptions.parse(text, is_bound=True).id, "limit", TOO_FAST), now)
        return
    connection = wiring.connections().find(id_, now)
    if connection is None:  # its $connect was lost, but it speaks: it is there, though nobody knows whose
        address = network(request["identity"]["sourceIp"])
        connection = Connection(id_, address, min(request["connectedAt"], now), now)
        if not _open(connection):
            wiring.sockets().close(id_)
            logger.info("closed", connection=id_, reason="limit")
            return
    if connection.is_ended:  # all that it hears is fan_out's good-bye
        logger.info("not answered", connection=id_, reason="session")
        return
    wiring.connections().heard(connection, now)
    action = subscriptions.parse(text, is_bound=bool(connection.user))
    if refusal := action if isinstance(action, Refusal) else _try(connection, action, now):
        _tell(id_, refusal, now)
    else:
        logger.info("answered", connection=id_, frame=type(action).__name__, **noted())


def _try(connection: Connection, action: Action, now: int) -> Refusal | None:
    return _excess(connection, action, now) or _do(connection, action, now)


def _excess(connection: Connection, action: Action, now: int) -> Refusal | None:
    """Why an action is too much for now; where it takes next to nothing, nothing is counted."""
    owner = f"user#{connection.user}" if connection.user else f"ip#{connection.address}"
    wait = _wait(wiring.efforts(), f"frames#{owner}", now, effort(action, connection, now))
    return Refusal(action.id, "limit", f"too much for one minute: again in {wait} s") if wait else None


def _tell(id_: str, refusal: Refusal, now: int) -> None:
    """Tells a client why its frame is not done; one that goes on and on although it is too much is cut off."""
    if refusal.code == "limit" and not wiring.refused_frames().take(id_, now):
        wiring.sockets().close(id_)
        logger.info("closed", connection=id_, reason="limit")
        return
    fields = {"code": refusal.code, "message": refusal.message, "symbols": refusal.symbols}
    wiring.sockets().send(id_, frames.answer("error", refusal.id, **fields))
    logger.info("answered", connection=id_, frame=refusal.code)


def _do(connection: Connection, action: Action, now: int) -> Refusal | None:
    match action:
        case Subscribe():
            return _subscribe(connection, action, now)
        case SubscribePortfolio():
            return _subscribe_portfolio(connection, action, now)
        case SubscribeAlerts():
            return _subscribe_alerts(connection, action, now)
        case SubscribeNews():
            return _subscribe_news(connection, action, now)
        case Unsubscribe() | UnsubscribePortfolio() | UnsubscribeAlerts() | UnsubscribeNews():
            _unsubscribe(connection, action, now)
        case Resync():
            _resync(connection, action, now)
        case Ping():
            _send(connection, frames.answer("pong", action.id, time=rfc3339(now)))
    return None


def _unsubscribe(connection: Connection, action: Unsubscription, now: int) -> None:
    ended: dict[str, list[str]] = {}

    def end(current: Connection) -> None:
        match action:
            case Unsubscribe():
                ended["symbols"] = current.unsubscribe(action)
            case UnsubscribePortfolio():
                ended["portfolio_ids"] = current.unsubscribe_portfolio(action.portfolio_id)
            case UnsubscribeAlerts():
                current.unsubscribe_alerts()
            case UnsubscribeNews():
                current.unsubscribe_news()

    wiring.connections().change(connection, end, now)
    _send(connection, frames.answer("unsubscribed", action.id, channel=action.channel, **ended))


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


def _interval(connection: Connection, action: Subscribe | SubscribePortfolio) -> int:
    """Milliseconds between frames: what was asked for, within the limits, or more where there is too much to send."""
    head = wiring.connections().head(wiring.connections().shard_of(connection.id))
    return max(action.interval_in_force, head.interval_ms)


def _subscribe(connection: Connection, action: Subscribe, now: int) -> Refusal | None:
    """Answers, shows, and only then writes the subscription: nothing can overtake the snapshot."""
    market, lane_count = wiring.market(), wiring.settings().LANES
    found = subscriptions.chosen(action, connection, market.series())
    if isinstance(found, Refusal):
        return found
    lanes = _lanes(lane_of(series, lane_count) for series in found.values())
    entries = subscriptions.entries(action, found, lane_count, _versions(lanes))
    in_force = {"symbols": list(found), "interval_ms": _interval(connection, action), "interval": action.candles}
    _send(connection, frames.answer("subscribed", action.id, channel=action.channel, **in_force))
    rows = partial(market.candles, consistent=True)
    _send(connection, *snapshots(action.channel, entries.values(), lanes, rows, now, action.since_ms))
    _keep(connection, lambda current: current.subscribe(action, entries), now)
    _ring(connection, _versions(lanes))
    return None


def _subscribe_portfolio(connection: Connection, action: SubscribePortfolio, now: int) -> Refusal | None:
    id_ = action.portfolio_id
    if not connection.takes_portfolio(id_):
        return Refusal(action.id, "limit", TOO_MANY_PORTFOLIOS)
    show = wiring.live_portfolios().show(connection.user, id_, now)
    if show is None:
        return Refusal(action.id, "bad_request", "no such portfolio")
    in_force = {"portfolio_id": id_, "interval_ms": _interval(connection, action)}
    _send(connection, frames.answer("subscribed", action.id, channel=action.channel, **in_force))
    _send(connection, *frames.snapshots("portfolio", [frames.portfolio(id_, show.worth)]))
    _keep(connection, lambda current: current.subscribe_portfolio(action, show), now)
    # Asked only now: whoever changes the portfolio meanwhile finds the subscription, or we find the change.
    wiring.live_portfolios().check(connection.user, id_, show.portfolio.version, now)
    _ring(connection, show.shown)
    return None


def _subscribe_alerts(connection: Connection, action: SubscribeAlerts, now: int) -> Refusal | None:
    watch = Watch(action.since_ms, now)
    fired = wiring.alerts().page(connection.user, watch.first, now, None, ALERTS + 1, is_newest_first=False)
    shown = [each for each in fired if watch.shows(each.time)]
    if len(shown) > ALERTS:
        return Refusal(action.id, "limit", TOO_MANY_ALERTS)
    watch = watch.knowing((each.id, each.time) for each in fired)
    _send(connection, frames.answer("subscribed", action.id, channel="alerts", interval_ms=action.interval_in_force))
    _send(connection, *frames.snapshots("alerts", [frames.alert(each.view) for each in shown]))
    _keep(connection, lambda current: current.subscribe_alerts(action, watch), now)
    _ring(connection, {})
    return None


def _subscribe_news(connection: Connection, action: SubscribeNews, now: int) -> Refusal | None:
    assets = subscriptions.followed(action, wiring.market().series())
    if isinstance(assets, Refusal):
        return assets
    watch = NewsWatch(None if assets is None else frozenset(assets), action.since_ms, now)
    kept = _news(watch, now)
    if len(kept) > ARTICLES:
        return Refusal(action.id, "limit", TOO_MANY_ARTICLES)
    shown = [each for each in kept if watch.shows(each.article.published_at, each.article.assets)]
    watch = watch.knowing((each.article.id, each.article.published_at) for each in kept)
    in_force = {"assets": assets, "interval_ms": action.interval_in_force}
    _send(connection, frames.answer("subscribed", action.id, channel="news", **in_force))
    _send(connection, *frames.snapshots("news", map(_told, shown)))
    _keep(connection, lambda current: current.subscribe_news(action, watch), now)
    _ring(connection, {})
    return None


def _news(watch: NewsWatch, now: int) -> "list[Kept]":
    """All articles that a subscription may ask for, the oldest first; one more than it may be shown, at most."""
    return wiring.news().since(None, watch.first, now + SETTLED, ARTICLES + 1)  # not all clocks are the same


def _told(kept: "Kept") -> bytes:
    from cryptopulse.domain.news_views import article  # only those who tell news need it

    return frames.article(article(kept.article, kept.score, kept.label, UNSET))


def _keep(connection: Connection, change: Callable[[Connection], None], now: int) -> None:
    """Writes what the client was told; where that fails it must not believe it: it is cut off, and comes back."""
    try:
        wiring.connections().change(connection, change, now)
    except (ServiceError, ConflictError):
        wiring.sockets().close(connection.id)
        raise


def _resync(connection: Connection, action: Resync, now: int) -> None:
    shown = {entry for _, entry in connection.entries()}
    lanes = _lanes(entry.lane for entry in shown)
    shows = {id_: wiring.live_portfolios().show(connection.user, id_, now) for id_ in connection.portfolios}
    _send(connection, frames.answer("resynced", action.id))
    rows = partial(wiring.market().candles, consistent=True)
    for name, channel in connection.channels.items():
        if channel.entries:
            _send(connection, *snapshots(name, channel.entries.values(), lanes, rows, now))
    if shows:
        told = [frames.portfolio(id_, show.worth) for id_, show in shows.items() if show]
        _send(connection, *frames.snapshots("portfolio", told))
    if connection.watch is not None:
        fired = wiring.alerts().history(connection.user, connection.watch.first, now)
        told = [frames.alert(each.view) for each in fired if connection.watch.includes(each.id, each.time)]
        _send(connection, *frames.snapshots("alerts", told))
    if (news := connection.news_watch) is not None:
        found = [(each, each.article) for each in _news(news, now)]
        told = [_told(each) for each, of in found if news.includes(of.id, of.published_at, of.assets)]
        _send(connection, *frames.snapshots("news", told))

    def show(current: Connection) -> None:
        current.show(shown, _versions(lanes))
        current.show_portfolios(shows)

    _keep(connection, show, now)
    _ring(connection, _versions(lanes))


def _lanes(numbers: Iterable[int]) -> dict[int, Lane]:
    numbers = set(numbers)
    return {number: Lane(number) for number in numbers} | wiring.market().lanes(numbers, consistent=True)


def _ring(connection: Connection, versions: Mapping[int, int]) -> None:
    wiring.doorbells().ring(versions, [wiring.connections().shard_of(connection.id)])


def _versions(lanes: Mapping[int, Lane]) -> dict[int, int]:
    return {number: lane.version for number, lane in lanes.items()}
