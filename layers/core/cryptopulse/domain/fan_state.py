"""What a shard's fan-out remembers from beat to beat, and how it is packed.

The rules are in `fanning`.
"""

import zlib
from decimal import Decimal
from hashlib import blake2b
from typing import Final

import msgspec

from cryptopulse.errors import SchemaError

LARGEST: Final = 399 * 1024
"""Bytes of a packed state: DynamoDB takes 400 KB, names included."""
_DIGEST: Final = 6
"""Bytes of a `digest`."""
NEVER: Final = -1
"""The beat of a flow to which nothing was sent yet."""


class Tick(msgspec.Struct, array_like=True):
    """A series' last price, and the lane's version and the beat that changed it."""

    price: float
    time: int
    version: int
    beat: int


class Candle(msgspec.Struct, array_like=True):
    """A candle as clients see it, and the lane's version and the beat that changed it."""

    row: tuple[int, float, float, float, float, float]
    closed: bool
    complete: bool
    version: int
    beat: int


class Price(msgspec.Struct, array_like=True):
    """A series' last price, exactly, and the beat that changed it; its time is 0 where there is none."""

    price: int
    scale: int
    time: int
    beat: int


class Alert(msgspec.Struct, array_like=True):
    """An alert that has fired: when (Unix ms), as the how manyth that was read, and what is told of it."""

    time: int
    number: int
    body: bytes
    """Empty where nobody is owed it any more, or it has to be read again."""


class Article(msgspec.Struct, array_like=True):
    """An article: when it was published (Unix ms), as the how manyth it was read, and what is told of it."""

    time: int
    number: int
    assets: tuple[str, ...] = ()
    body: bytes = b""
    """Empty, like the assets, where nobody is owed it any more."""


class Told(msgspec.Struct, array_like=True):
    """What a client knows of a portfolio; `value` is None where it is not sure what it heard last.

    As of a version of the portfolio and the prices of a beat nothing else is to be told.
    """

    value: Decimal | None
    cost_basis: Decimal
    time: int
    version: int
    beat: int


class Flow(msgspec.Struct, array_like=True):
    """One channel of one connection: the beat last sent, and when (Unix ms) it may be sent to again.

    Of alerts and news `sent` is the number of the last; of portfolios `told` is what was told of each.
    """

    sent: int = NEVER
    due: int = 0
    told: dict[str, Told] = {}


class Client(msgspec.Struct, array_like=True):
    """What is known of a connection: its version, the last `seq` it took, and when (Unix ms)."""

    adopted: int = 0
    seq: int = 0
    reached_at: int = 0
    flows: dict[str, Flow] = {}
    misses: int = 0
    """Posts in a row that it did not take."""


class State(msgspec.Struct, array_like=True):
    """What a shard's fan-out remembers from beat to beat."""

    version: int = 0
    beat: int = 0
    seen: dict[int, int] = {}
    """The version of each lane at which it was last looked at."""
    ticks: dict[str, Tick] = {}
    candles: dict[str, dict[str, dict[int, Candle]]] = {}
    """By series, interval and start: those that somebody is still owed."""
    closed_to: dict[str, int] = {}
    """Per series, up to where (Unix ms) candles were closed."""
    clients: dict[bytes, Client] = {}
    """By the `digest` of their ids."""
    prices: dict[str, Price] = {}
    """Of the series that portfolios are priced by."""
    alerts: dict[str, dict[str, Alert]] = {}
    """By user and id: the last that have fired."""
    numbered: int = 0
    """How many alerts and articles have been read."""
    looked: dict[str, int] = {}
    """When (Unix ms) a user's alerts were read, by user, and portfolios looked at, by user and id."""
    articles: dict[bytes, Article] = {}
    """By mark: those that have been read, as far back as news reach."""
    news_at: int = 0
    """When (Unix ms) they were read; 0: nobody watches them."""
    rings: list[int] = []
    """When (Unix ms) the doorbell will be rung as it was asked for."""


def digest(connection: str) -> bytes:
    """What a connection is remembered by: it is shorter than its id."""
    return blake2b(connection.encode(), digest_size=_DIGEST).digest()


class _Columns(msgspec.Struct, array_like=True):
    """The clients, by what they have in common: of those to which all was sent at the last beat little remains."""

    digests: bytes
    adopted: list[int]
    seqs: list[int]
    silent: list[int]
    """Milliseconds by which they were reached before the last of them was, at `at`."""
    at: int
    misses: list[int]
    channels: list[tuple[str, ...]]
    which: list[int]
    """Of each client, its `channels`; then of each flow in turn the beats since it was sent to, the ms from `at` on
    until it may be again, and where it has been told something, of the how manyth flow."""
    sent: list[int]
    due: list[int]
    told: dict[int, dict[str, Told]]


_UNMARKED: Final = b"x"
"""What zlib begins with: the release before said no version."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[State, _Columns])


def encode(state: State) -> bytes:
    """The state as bytes: as many as an item takes, without what can be made good where they would be more."""
    data = _encode(state)
    return data if len(data) <= LARGEST else _encode(_without_the_known(state))


def _without_the_known(state: State) -> State:
    """The state without what was told of portfolios, and what is told of alerts and news.

    Who goes on with it tells the portfolios again, and reads the others again.
    """
    replace = msgspec.structs.replace
    clients = {
        name: replace(client, flows={channel: replace(flow, told={}) for channel, flow in client.flows.items()})
        for name, client in state.clients.items()
    }
    alerts = {
        user: {id_: replace(alert, body=b"") for id_, alert in alerts.items()} for user, alerts in state.alerts.items()
    }
    articles = {name: Article(article.time, article.number) for name, article in state.articles.items()}
    looked = {name: time for name, time in state.looked.items() if name in alerts}
    return replace(state, clients=clients, alerts=alerts, articles=articles, looked=looked)


def _encode(state: State) -> bytes:
    clients = state.clients.values()
    at = max((client.reached_at for client in clients), default=0)
    kinds: dict[tuple[str, ...], int] = {}
    flows = [flow for client in clients for flow in client.flows.values()]
    columns = _Columns(
        b"".join(state.clients),
        [client.adopted for client in clients],
        [client.seq for client in clients],
        [at - client.reached_at for client in clients],
        at,
        [client.misses for client in clients],
        [],
        [kinds.setdefault(tuple(client.flows), len(kinds)) for client in clients],
        [state.beat - flow.sent for flow in flows],
        [max(0, flow.due - at) for flow in flows],
        {number: flow.told for number, flow in enumerate(flows) if flow.told},
    )
    columns.channels = list(kinds)
    return b"\1" + zlib.compress(_encoder.encode((msgspec.structs.replace(state, clients={}), columns)), 1)


def decode(data: bytes) -> State:
    """The state that `encode` packed.

    Raises:
        SchemaError: It is of a later release.
    """
    if data[:1] == _UNMARKED:
        return _decode_old(data)
    if data[:1] != b"\1":
        raise SchemaError("state of a shard", data[:1], 1)
    state, columns = _decoder.decode(zlib.decompress(data[1:]))
    flows = (
        Flow(state.beat - sent, columns.at + due, columns.told.get(number, {}))
        for number, (sent, due) in enumerate(zip(columns.sent, columns.due, strict=True))
    )
    each = zip(columns.adopted, columns.seqs, columns.silent, columns.misses, columns.which, strict=True)
    for number, (adopted, seq, silent, misses, which) in enumerate(each):
        own = dict(zip(columns.channels[which], flows, strict=False))
        name = columns.digests[number * _DIGEST : (number + 1) * _DIGEST]
        state.clients[name] = Client(adopted, seq, columns.at - silent, own, misses)
    return state


def _decode_old(data: bytes) -> State:
    """A state of the release before, with a row for each client."""
    raw = msgspec.msgpack.decode(zlib.decompress(data), strict=False)
    raw[6] = {digest(id_): client for id_, client in raw[6].items()}
    return msgspec.convert(raw, State)
