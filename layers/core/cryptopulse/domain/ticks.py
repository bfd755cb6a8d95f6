"""What travels on the stream: ticks, candles and clocks of one venue and lane, many to a record.

Prices and sizes are integers at a decimal scale (`6321297` at scale 2 is 63212.97): exact, and fast to fold.
"""

import zlib
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final, NamedTuple

import msgspec

from cryptopulse.errors import UnreadableError

PACKED: Final = b"\x01"
PLAIN: Final = b"\x02"
"""First byte of a record: whether what follows is compressed. Trades are not: 36 bytes each instead of 17 cost no unit
of the stream more, and a quarter of the time from frame to record less."""


FINEST: Final = 18
"""Digits after the point, at most."""
LONGEST: Final = 31 * 86_400_000
"""The longest span of candles, in ms."""
AHEAD: Final = 600_000
"""A record that tells of a time so long (ms) after its arrival has a wrong clock."""


class Trades(msgspec.Struct, array_like=True, tag="t", gc=False):
    """Trades of one symbol."""

    symbol: str
    price_scale: int
    size_scale: int
    trades: list[tuple[int, int, int, int]]
    """The venue's id, which rises by one per trade; price and size at the scales; Unix milliseconds."""


class Quote(msgspec.Struct, array_like=True, tag="q"):
    """A polled price: sets the last price, never a candle. `time` is Unix milliseconds of the venue."""

    symbol: str
    price_scale: int
    price: int
    time: int


class Bar(NamedTuple):
    """One candle of a venue; `start` is Unix milliseconds."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class Candles(msgspec.Struct, array_like=True, tag="c"):
    """The venue's own closed candles of a whole span: a start without a bar had no trade.

    `start` is included, `end` is not, both aligned to the interval; `as_of` is when the venue answered.
    All are Unix milliseconds.
    """

    symbol: str
    price_scale: int
    size_scale: int
    start: int
    end: int
    as_of: int
    bars: list[Bar]


class Clock(msgspec.Struct, array_like=True, tag="k"):
    """All that happened at the venue up to `time` (Unix ms) has been sent; `last_ids` where the venue tells them."""

    time: int
    last_ids: dict[str, int] = {}
    unheard: list[str] = []
    """But of these symbols: it is not known what happened."""


Message = Trades | Quote | Candles | Clock


class Record(msgspec.Struct, array_like=True):
    """One stream record: messages of one venue and one lane, in order."""

    venue: str
    lane: int
    messages: list[Message]


_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation])

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """The record as bytes for the stream."""
    body = _encoder.encode(record)
    if any(type(message) is Trades for message in record.messages):
        return PLAIN + body
    return PACKED + zlib.compress(body, 1)


def decode(data: bytes, arrived: int | None = None) -> Record:
    """The record in `data`.

    Args:
        arrived: When the stream took it, Unix ms; None where it came by another way.

    Raises:
        UnreadableError: It is none, or one that contradicts itself or its arrival.
    """
    if data[:1] not in (PACKED, PLAIN):
        raise UnreadableError(f"unknown record format {data[:1]!r}")
    try:
        record = _decoder.decode(data[1:] if data[:1] == PLAIN else zlib.decompress(data[1:]))
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableError(str(error)) from error
    for message in record.messages:
        if isinstance(message, Clock):
            continue
        if not 0 <= message.price_scale <= FINEST:
            raise UnreadableError(f"{message.symbol}: a scale of {message.price_scale}")
        if isinstance(message, Candles):
            if message.start % 60_000 or message.end % 60_000:
                raise UnreadableError(f"{message.symbol}: a span that is no whole minutes")
            if not 0 < message.end - message.start <= LONGEST:
                raise UnreadableError(f"{message.symbol}: a span that ends before it starts, or too late")
    if arrived is not None and max(map(_newest, record.messages), default=0) > arrived + AHEAD:
        raise UnreadableError("a time that has not come yet")
    return record


def _newest(message: Message) -> int:
    match message:
        case Trades(trades=trades):
            return max((time for _, _, _, time in trades), default=0)
        case Candles(end=end, as_of=as_of):
            return max(end, as_of)
        case _:
            return message.time


def scaled(*values: str | Decimal) -> tuple[int, list[int]]:
    """Exact integers for decimal numbers at the smallest scale that holds them all.

    Returns:
        The scale (digits after the point, at least 0) and the integers in order; `scaled("1.50", "2")` is
        `(1, [15, 20])`.

    Raises:
        UnreadableError: A value is no finite number.
    """
    numbers = []
    for value in values:
        try:
            number = Decimal(value)
            if not number.is_finite():
                raise UnreadableError(f"no finite number: {value!r}")
            numbers.append(number.normalize(_EXACT))
        except ArithmeticError as error:
            raise UnreadableError(f"no number: {value!r}") from error
    scale = max((max(0, -int(number.as_tuple().exponent)) for number in numbers), default=0)
    return scale, [int(number.scaleb(scale, _EXACT)) for number in numbers]
