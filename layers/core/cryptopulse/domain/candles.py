"""Candles at rest: rows, which of two rows holds, larger intervals from smaller ones, and the packed block.

Prices and volumes are integers at the block's scales. A row without a trade is *empty* (its open is 0): known, but
shown to nobody.
"""

import struct
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain, compress, pairwise
from operator import add, sub
from typing import Final, NamedTuple

from cryptopulse.domain.ticks import Candles
from cryptopulse.errors import SchemaError

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
"""Milliseconds."""

INTERVALS: Final = {"1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": HOUR, "4h": 4 * HOUR, "1d": DAY}
STORED: Final = {MINUTE: "1m", HOUR: "1h", DAY: "1d"}
"""The intervals that are stored; the others are folded from them at read."""

FROM_TRADES: Final = 1
FROM_VENUE: Final = 2
"""Ranks: the higher wins where two writers meet."""


class Row(NamedTuple):
    """One candle: `start` and `as_of` in Unix milliseconds, the rest integers at the block's scales.

    `rank` tells whose it is (FROM_TRADES, FROM_VENUE), `as_of` from when, `complete` that no trade is known to lack.
    """

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    rank: int
    as_of: int
    complete: bool

    @property
    def is_empty(self) -> bool:
        return self.open == 0

    def beats(self, other: "Row") -> bool:
        """Whether this row replaces `other`, which stands for the same time: higher rank, then a trade, then not older.

        A venue that told a candle and then none has lost it: a bar is never taken back.
        """
        return (self.rank, not self.is_empty, self.as_of) >= (other.rank, not other.is_empty, other.as_of)


class Block(NamedTuple):
    """Rows of one series and interval, oldest first, one per start; held as columns, in the order of Row's fields."""

    price_scale: int
    size_scale: int
    columns: tuple[Sequence[int], ...]

    @classmethod
    def of(cls, price_scale: int, size_scale: int, rows: Iterable[Row]) -> "Block":
        """The block of these rows."""
        return cls(price_scale, size_scale, tuple(zip(*rows, strict=True)) or EMPTY.columns)

    @property
    def starts(self) -> Sequence[int]:
        return self.columns[0]

    def rows(self) -> list[Row]:
        """The rows, one by one."""
        return list(map(Row._make, zip(*self.columns, strict=True)))

    def at_scale(self, price_scale: int, size_scale: int) -> "Block":
        """The same rows at scales that are not smaller."""
        price, size = 10 ** (price_scale - self.price_scale), 10 ** (size_scale - self.size_scale)
        if price == size == 1:
            return self
        starts, opens, highs, lows, closes, volumes, *rest = self.columns
        prices = ([value * price for value in column] for column in (opens, highs, lows, closes))
        return Block(price_scale, size_scale, (starts, *prices, [volume * size for volume in volumes], *rest))

    def between(self, start: int, end: int) -> "Block":
        """The rows with `start` <= row.start < `end`."""
        first, last = bisect_left(self.starts, start), bisect_left(self.starts, end)
        if first == 0 and last == len(self.starts):
            return self
        return self._replace(columns=tuple(column[first:last] for column in self.columns))

    def shown(self) -> list[tuple[int, float, float, float, float, float]]:
        """The rows that clients see, `(time_ms, open, high, low, close, volume)` with the venue's own digits."""
        price, size = 10**self.price_scale, 10**self.size_scale
        starts, opens, highs, lows, closes, volumes, *_ = self.columns
        prices = ([value / price for value in column] for column in (opens, highs, lows, closes))
        rows = list(zip(starts, *prices, [volume / size for volume in volumes], strict=True))
        return [row for row in rows if row[1]] if 0 in opens else rows


EMPTY: Final = Block(0, 0, ((),) * 9)


def floor(time: int, interval: int) -> int:
    """The start of the interval (both in ms) that holds `time`; days and hours are UTC's."""
    return time - time % interval


def stored_step(interval: int) -> int:
    """The stored interval that the rows of one (in ms, of INTERVALS) are made of."""
    return max(stored for stored in STORED if interval % stored == 0)


def rows_of(candles: Candles, interval: int) -> Block:
    """Every interval of the span as a row of the venue's: the bar it told, or an empty one."""
    bars = {bar.start: bar for bar in candles.bars}
    rows = []
    for start in range(candles.start, candles.end, interval):
        shape = bars[start][1:] if start in bars else (0, 0, 0, 0, 0)
        rows.append(Row(start, *shape, FROM_VENUE, candles.as_of, complete=True))
    return Block.of(candles.price_scale, candles.size_scale, rows)


def joined(*blocks: Block) -> Block:
    """One block of several; where two have a row for the same time, the one that beats the other, later ones first."""
    filled = [block for block in blocks if block.starts]
    if len(filled) < 2:
        return filled[0] if filled else EMPTY
    price_scale = max(block.price_scale for block in filled)
    size_scale = max(block.size_scale for block in filled)
    filled = [block.at_scale(price_scale, size_scale) for block in filled]
    if all(earlier.starts[-1] < later.starts[0] for earlier, later in pairwise(filled)):
        columns = zip(*(block.columns for block in filled), strict=True)
        return Block(price_scale, size_scale, tuple(list(chain.from_iterable(column)) for column in columns))
    rows: dict[int, Row] = {}
    for block in filled:
        for row in block.rows():
            known = rows.get(row.start)
            if known is None or row.beats(known):
                rows[row.start] = row
    return Block.of(price_scale, size_scale, [rows[start] for start in sorted(rows)])


def folded(block: Block, step: int, interval: int, until: int) -> Block:
    """The rows of a larger interval, each a pure function of the rows below it.

    Args:
        block: Rows every `step` ms.
        interval: The larger interval in ms, a multiple of `step`.
        until: Unix ms up to which rows can exist: an interval that ends later is open, and complete if it is so far.
    """
    if step == interval:
        return block
    rows, starts, first = [], block.starts, 0
    while first < len(starts):
        start = floor(starts[first], interval)
        end = bisect_left(starts, start + interval, first)
        columns = [column[first:end] for column in block.columns]
        rows.append(_one(start, columns, (min(start + interval, until) - start) // step))
        first = end
    return Block.of(block.price_scale, block.size_scale, rows)


def _one(start: int, columns: Sequence[Sequence[int]], expected: int) -> Row:
    starts, opens, highs, lows, closes, volumes, ranks, as_ofs, completes = columns
    known = len(starts) >= expected
    rank = min(ranks) if known else FROM_TRADES
    complete = known and all(completes)
    if 0 in opens:
        traded = (list(compress(column, opens)) for column in (opens, highs, lows, closes, volumes))
        opens, highs, lows, closes, volumes = traded
        if not opens:
            return Row(start, 0, 0, 0, 0, 0, rank, max(as_ofs), complete)
    return Row(start, opens[0], max(highs), min(lows), closes[-1], sum(volumes), rank, max(as_ofs), complete)


# --- where blocks lie: minutes by the hour, hours by the month, days by the year ---


def block_key(step: int, start: int) -> str:
    """The sort key of the block that holds the row of `step` at `start`.

    `1m#2026-11-22T06`, `1h#2026-11` or `1d#2026`.
    """
    moment = datetime.fromtimestamp(start / 1000, UTC)
    if step == MINUTE:
        return f"1m#{moment:%Y-%m-%dT%H}"
    return f"1h#{moment:%Y-%m}" if step == HOUR else f"1d#{moment:%Y}"


def is_whole(block: Block, key: str) -> bool:
    """Whether these rows are all that a block of this key can have, each of them complete."""
    step, starts, complete = INTERVALS[key.partition("#")[0]], block.starts, block.columns[-1]
    if not starts or len(starts) * step != starts[-1] + step - starts[0] or not all(complete):
        return False
    return key not in (block_key(step, starts[0] - step), block_key(step, starts[-1] + step))


def by_block(step: int, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows by the block they belong to."""
    blocks: dict[str, list[Row]] = {}
    hour, key = -1, ""
    for row in rows:
        if row.start // HOUR != hour:
            hour, key = row.start // HOUR, block_key(step, row.start)
        blocks.setdefault(key, []).append(row)
    return blocks


# --- the packed form: columns of differences, each in the narrowest integers that hold it, compressed ---

_HEADER: Final = struct.Struct("<BBBHqq")
"""Format, scales, number of rows, first start, first as_of."""
_FORMAT: Final = 1
_CONSTANT: Final = "="
_WIDE: Final = "w"


def encode(block: Block) -> bytes:
    """The block as bytes, some 15 a row."""
    starts, opens, highs, lows, closes, volumes, ranks, as_ofs, complete = block.columns
    count = len(starts)
    first = (starts[0], as_ofs[0]) if count else (0, 0)
    columns = (
        map(sub, starts[1:], starts),
        [*closes[:1], *map(sub, closes[1:], closes)],
        map(sub, opens, closes),
        map(sub, highs, closes),
        map(sub, lows, closes),
        volumes,
        ranks,
        map(sub, as_ofs[1:], as_ofs),
        complete,
    )
    body = b"".join(_column(list(column)) for column in columns)
    return zlib.compress(_HEADER.pack(_FORMAT, block.price_scale, block.size_scale, count, *first) + body)


def decode(data: bytes) -> Block:
    """The block that `encode` packed.

    Raises:
        SchemaError: It is of a later release.
    """
    raw = zlib.decompress(data)
    version, price_scale, size_scale, count, start, as_of = _HEADER.unpack_from(raw)
    if version != _FORMAT:
        raise SchemaError("block of candles", version, _FORMAT)
    if count == 0:
        return EMPTY
    steps, closes, opens, highs, lows, volumes, ranks, ages, complete = _columns(raw, count)
    starts, as_ofs = list(accumulate(steps, initial=start)), list(accumulate(ages, initial=as_of))
    closes = list(accumulate(closes))
    opens, highs, lows = (list(map(add, column, closes)) for column in (opens, highs, lows))
    complete = list(map(bool, complete))  # clients are told true, not 1
    return Block(price_scale, size_scale, (starts, opens, highs, lows, closes, volumes, ranks, as_ofs, complete))


def _column(values: list[int]) -> bytes:
    if values and values.count(values[0]) == len(values) and -(2**63) <= values[0] < 2**63:
        return _CONSTANT.encode() + struct.pack("<q", values[0])
    for code in "bhiq":
        try:
            return code.encode() + array(code, values).tobytes()
        except OverflowError:
            continue
    text = b",".join(str(value).encode() for value in values)
    return _WIDE.encode() + struct.pack("<I", len(text)) + text


def _columns(raw: bytes, count: int) -> Iterator[Sequence[int]]:
    """The nine columns; those of steps are one shorter than the rows."""
    at = _HEADER.size
    for number in range(9):
        rows = count - 1 if number in (0, 7) else count
        code = chr(raw[at])
        at += 1
        if code == _CONSTANT:
            (value,) = struct.unpack_from("<q", raw, at)
            at += 8
            yield [value] * rows
        elif code == _WIDE:
            (size,) = struct.unpack_from("<I", raw, at)
            at += 4
            yield [int(text) for text in raw[at : at + size].split(b",")]
            at += size
        else:
            values = array(code)
            size = values.itemsize * rows
            values.frombytes(raw[at : at + size])
            at += size
            yield values
