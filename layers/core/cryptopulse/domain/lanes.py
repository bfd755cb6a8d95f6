"""A lane's live state, its minutes, and how both are packed for rest. How they move on is `folding`'s."""

import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from cryptopulse.domain.candles import FROM_TRADES, MINUTE, Block, Row, floor
from cryptopulse.domain.schemas import Document, Schema

TOUCHES: Final = 32
"""Changes of minute items remembered for those who follow the lane."""


class MinuteRow(msgspec.Struct, array_like=True):
    """A series' row of one minute, with what folding late trades into it needs.

    `first` and `last` are the lowest and highest trade id counted, 0 where the venue told the row. `changed` is the
    lane's version that last changed it.
    """

    price_scale: int
    size_scale: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    first: int
    last: int
    rank: int
    as_of: int
    complete: bool
    changed: int

    @property
    def is_empty(self) -> bool:
        return self.open == 0

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """What the row says of the market."""
        return self.open, self.high, self.low, self.close, self.volume

    def rescale(self, price_scale: int, size_scale: int) -> None:
        """Brings the row to scales that are not smaller."""
        if price_scale != self.price_scale:
            factor = 10 ** (price_scale - self.price_scale)
            self.open, self.high, self.low, self.close = (
                value * factor for value in (self.open, self.high, self.low, self.close)
            )
            self.price_scale = price_scale
        if size_scale != self.size_scale:
            self.volume *= 10 ** (size_scale - self.size_scale)
            self.size_scale = size_scale

    def block(self, start: int) -> Block:
        """The row as a block of its own; `start` is its minute."""
        row = Row(start, self.open, self.high, self.low, self.close, self.volume, self.rank, self.as_of, self.complete)
        return Block.of(self.price_scale, self.size_scale, [row])


class Missing(NamedTuple):
    """Trade ids `first` to `last` have not come; they lie in the minutes `from_minute` to `to_minute` (Unix ms)."""

    first: int
    last: int
    from_minute: int
    to_minute: int


class SeriesState(msgspec.Struct):
    """What a lane knows of one series. Times are Unix milliseconds, prices and sizes integers at the scales."""

    price_scale: int = 0
    size_scale: int = 0
    high: int = 0
    """Highest trade id seen, or told by the venue."""
    high_minute: int = 0
    """Trades of the minutes before this one are all below it, seen or missing; 0: none is known of."""
    missing: list[Missing] = []
    price: int = 0
    time: int = 0
    """The last price and its time; 0 where there is none yet."""
    open: dict[int, MinuteRow] = {}
    """Rows of minutes not yet closed, by minute."""
    known_to: int = 0
    """The venue's own candles are known, or listed in `repairs`, up to here; 0: nothing is known."""
    repairs: list[tuple[int, int]] = []
    """Spans whose candles the venue must be asked for."""
    changed: int = 0
    """The lane's version that last changed the price or an open row."""

    def rescale(self, price_scale: int, size_scale: int) -> None:
        """Brings everything to scales that are not smaller than those asked for and those in force."""
        price_scale, size_scale = max(price_scale, self.price_scale), max(size_scale, self.size_scale)
        self.price *= 10 ** (price_scale - self.price_scale)
        for row in self.open.values():
            row.rescale(price_scale, size_scale)
        self.price_scale, self.size_scale = price_scale, size_scale

    @property
    def known(self) -> int:
        """Up to here (Unix ms) everything is known, missing or listed in `repairs`; 0: nothing is known."""
        return max(self.known_to, self.high_minute)

    def lacks(self, minute: int) -> bool:
        """Whether a trade of this minute is known to be missing."""
        return any(gap.from_minute <= minute <= gap.to_minute for gap in self.missing)


class Lane(msgspec.Struct):
    """The live item of a lane."""

    number: int
    version: int = 0
    clocks: dict[str, int] = {}
    """Per venue: everything up to here (Unix ms) has been seen."""
    packed_to: int = 0
    """Hours before this one are packed into blocks, but for those in `unpacked`."""
    unpacked: list[int] = []
    touched: list[tuple[int, int]] = []
    """(lane version, minute) of the last changes to minute items, oldest first."""
    series: dict[str, SeriesState] = {}
    gaps: dict[str, tuple[int, int]] = {}
    """Per venue: missing ranges opened and repaired since the beginning; the difference is what is missing now."""

    @property
    def now(self) -> int:
        """The latest clock of its venues."""
        return max(self.clocks.values(), default=0)

    @property
    def unpacked_from(self) -> int:
        """The first hour whose minutes are still to be read from minute items."""
        return min([self.packed_to, *self.unpacked])

    def touched_since(self, version: int) -> set[int] | None:
        """The minutes changed after a version of the lane; None where it no longer remembers."""
        if version >= self.version:
            return set()
        if len(self.touched) == TOUCHES and self.touched[0][0] > version:
            return None
        return {minute for changed, minute in self.touched if changed > version}


class Minute(msgspec.Struct):
    """The minute item of a lane: the rows of all its series in that minute."""

    start: int
    version: int = 0
    rows: dict[str, MinuteRow] = {}


# --- the packed forms: everything relative to the lane's clock and the series' last price, compressed ---

_encoder = msgspec.msgpack.Encoder()


def encode_lane(lane: Lane) -> bytes:
    """The live item's body: about 45 bytes a series."""
    now, version = lane.now, lane.version
    series = [
        (
            name,
            state.price_scale,
            state.size_scale,
            state.high,
            now - state.high_minute,
            [(gap.first, gap.last, now - gap.from_minute, now - gap.to_minute) for gap in state.missing],
            state.price,
            now - state.time,
            [_pack_row(minute, row, state, now, version) for minute, row in state.open.items()],
            now - state.known_to,
            state.repairs,
            version - state.changed,
        )
        for name, state in lane.series.items()
    ]
    touched = [(version - changed, (floor(now, MINUTE) - minute) // MINUTE) for changed, minute in lane.touched]
    body = (lane.number, version, lane.clocks, lane.packed_to, lane.unpacked, touched, series, lane.gaps)
    return zlib.compress(_encoder.encode(body), 6)


def _pack_row(minute: int, row: MinuteRow, state: SeriesState, now: int, version: int) -> tuple[int, ...]:
    close = row.close
    return (
        (now - minute),
        row.open - close,
        row.high - close,
        row.low - close,
        close - state.price,
        row.volume,
        state.high - row.first,
        state.high - row.last,
        now - row.as_of,
        row.complete,
        version - row.changed,
    )


def decode_lane(data: bytes) -> Lane:
    """The lane that `encode_lane` packed."""
    body = msgspec.msgpack.decode(zlib.decompress(data))
    number, version, clocks, packed_to, unpacked, touched, series, gaps = body
    lane = Lane(number, version, clocks, packed_to, unpacked)
    now = lane.now
    lane.touched = [(version - changed, floor(now, MINUTE) - age * MINUTE) for changed, age in touched]
    for name, ps, ss, high, high_minute, missing, price, time, rows, known_to, repairs, changed in series:
        state = lane.series[name] = SeriesState(ps, ss, high, now - high_minute, price=price, time=now - time)
        state.missing = [Missing(a, b, now - m, now - n) for a, b, m, n in missing]
        state.known_to, state.changed = now - known_to, version - changed
        state.repairs = [(start, end) for start, end in repairs]
        for minute, row in _unpack_rows(rows, state, now, version):
            state.open[minute] = row
    lane.gaps = {venue: (opened, repaired) for venue, (opened, repaired) in gaps.items()}
    return lane


def _with_gaps(item: Document) -> Document:
    """The live item of before gaps were counted; of those that say no version, some have them."""
    body = msgspec.msgpack.decode(zlib.decompress(item["data"]))
    if len(body) > _WITHOUT_GAPS:
        return item
    gaps: dict[str, tuple[int, int]] = {}
    for name, _, _, _, _, missing, *_ in body[-1]:
        venue = name.partition(":")[0]
        gaps[venue] = gaps.get(venue, (0, 0))[0] + len(missing), 0
    return {**item, "data": zlib.compress(_encoder.encode([*body, gaps]), 6)}


_WITHOUT_GAPS: Final = 7
LANE: Final = Schema("lane", _with_gaps)
MINUTE_ITEM: Final = Schema("minute")


def _unpack_rows(rows: list[Any], state: SeriesState, now: int, version: int) -> Iterator[tuple[int, MinuteRow]]:
    scales = state.price_scale, state.size_scale
    for minute, o, h, low, c, volume, first, last, as_of, complete, changed in rows:
        close = c + state.price
        shape = (close + o, close + h, close + low, close, volume, state.high - first, state.high - last)
        row = MinuteRow(*scales, *shape, FROM_TRADES, now - as_of, bool(complete), version - changed)
        yield now - minute, row


_minute_decoder = msgspec.msgpack.Decoder(dict[str, MinuteRow])


def encode_minute(minute: Minute) -> bytes:
    """The minute item's body."""
    return zlib.compress(_encoder.encode(minute.rows), 6)


def decode_minute(start: int, version: int, data: bytes) -> Minute:
    """The minute that `encode_minute` packed."""
    return Minute(start, version, _minute_decoder.decode(zlib.decompress(data)))
