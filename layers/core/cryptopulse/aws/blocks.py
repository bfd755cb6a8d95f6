"""Candle blocks, decoded; those read last are kept in process, for good where they cannot change any more."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Final, NamedTuple

from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.aws.recent import Recent
from cryptopulse.domain.candles import DAY, EMPTY, HOUR, MINUTE, Block, block_key, decode, floor, is_whole, joined
from cryptopulse.domain.series import Series

ROOM: Final = 32_000_000
"""Bytes of blocks kept in process, about."""
CHANGING_KEPT: Final = MINUTE
"""How long (ms) a block is kept to which rows may still come."""
AT_ONCE: Final = 100
"""Blocks of one series that are read by their keys; for more, all between the first and the last cost less."""

type Key = tuple[str, str]
"""Of a block in the table."""


class Span(NamedTuple):
    """Rows of a stored step with `start` <= row.start < `end`."""

    step: int
    start: int
    end: int


class AsOf(NamedTuple):
    """What was known of a series just before its blocks were read.

    `mark` tells that rows changed when it does; before `packed_to` (Unix ms) rows are in blocks.
    """

    mark: int
    packed_to: int


class _Kept[Rows](NamedTuple):
    rows: Rows
    as_of: AsOf
    until: int | None
    """Until when to believe them (Unix ms); None: as long as their mark stays."""


class KeptBlocks[Rows]:
    """What was made of the blocks read last: of those complete, until their mark moves; of others, for a minute.

    Args:
        room: Bytes to keep.
        size: How many a block's take, about.
    """

    def __init__(self, room: int, size: Callable[[Rows], int]) -> None:
        self._kept: Recent[Key, _Kept[Rows]] = Recent(room)
        self._size = size

    def find(self, key: Key, as_of: AsOf, now: int) -> Rows | None:
        """What is kept of a block, if that is still what there is.

        Args:
            key: The block's.
            as_of: What is known of its series.
            now: Unix ms.
        """
        kept = self._kept.get(key)
        if kept is None or kept.as_of.mark != as_of.mark:
            return None
        if kept.until is None or (now < kept.until and as_of.packed_to <= kept.as_of.packed_to):
            return kept.rows
        return None

    def keep(self, key: Key, block: Block, rows: Rows, as_of: AsOf, now: int) -> None:
        """Keeps what was made of a block.

        Args:
            key: The block's.
            block: As it was read, consistently.
            rows: What to keep.
            as_of: What was known of its series before.
            now: Unix ms.
        """
        until = None if is_whole(block, key[1]) else now + CHANGING_KEPT
        self._kept.put(key, _Kept(rows, as_of, until), self._size(rows))


class Blocks:
    """Reads packed rows of many series in few calls.

    Args:
        table: The Market table.
        room: Bytes of blocks to keep.
    """

    def __init__(self, table: Table, room: int = ROOM) -> None:
        self._table = table
        self._kept: KeptBlocks[Block] = KeptBlocks(room, _size)
        self._lock = Lock()

    def read(
        self, spans: Mapping[Series, Sequence[Span]], as_of: Mapping[Series, AsOf], now: int
    ) -> dict[Series, list[Block]]:
        """The rows of each span, in order.

        Args:
            spans: What to read of each series.
            as_of: What is known of them: what was read before it moved is read again.
            now: Unix ms.
        """
        keys = {
            series: [[(f"CANDLES#{series}", sk) for sk in _sort_keys(*span)] for span in each]
            for series, each in spans.items()
        }
        found: dict[Key, Block] = {}
        unread: dict[Key, AsOf] = {}
        with self._lock:
            for series, parts in keys.items():
                for key in (key for part in parts for key in part):
                    kept = self._kept.find(key, as_of[series], now)
                    if kept is None:
                        unread[key] = as_of[series]
                    else:
                        found[key] = kept
        if unread:
            items = self._items(unread)
            blocks = {key: _compact(decode(items[key]["data"])) if key in items else EMPTY for key in unread}
            with self._lock:
                for key, block in blocks.items():
                    self._kept.keep(key, block, block, unread[key], now)
            found |= blocks
        return {
            series: [
                chained(*(found[key] for key in part)).between(span.start, span.end)
                for part, span in zip(parts, spans[series], strict=True)
            ]
            for series, parts in keys.items()
        }

    def _items(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Those of the items that exist; consistently, as a block that lacks rows would be kept so."""
        partitions: dict[str, list[str]] = defaultdict(list)
        for pk, sk in keys:
            partitions[pk].append(sk)
        few = [(pk, sk) for pk, sks in partitions.items() if len(sks) <= AT_ONCE for sk in sks]
        found = self._table.get_many(few, consistent=True)
        for pk, sks in partitions.items():
            if len(sks) > AT_ONCE:
                items = self._table.query(pk, min(sks), max(sks), consistent=True)
                found |= {(pk, item["sk"]): item for item in items}
        return found


@lru_cache(maxsize=100)  # up to 50 KB each: a month of hours
def _sort_keys(step: int, start: int, end: int) -> tuple[str, ...]:
    """The sort keys of all blocks with rows of the span."""
    if start >= end:
        return ()
    apart = HOUR if step == MINUTE else DAY
    return tuple(dict.fromkeys(block_key(step, at) for at in range(floor(start, apart), end, apart)))


def chained(*blocks: Block) -> Block:
    """One block of several that follow each other: as `joined`, but columns are arrays of 64 bits where they fit."""
    filled = [block for block in blocks if block.starts]
    if not filled:
        return EMPTY
    scales = max(block.price_scale for block in filled), max(block.size_scale for block in filled)
    filled = [_compact(block.at_scale(*scales)) for block in filled]
    if not all(_is_compact(block) for block in filled):
        return joined(*filled)
    columns = zip(*(block.columns for block in filled), strict=True)
    return Block(*scales, tuple(array("q", b"".join(column)) for column in columns))


def _compact(block: Block) -> Block:
    """The same in a quarter of the memory, if its numbers are below 2^63."""
    if _is_compact(block):
        return block
    try:
        return block._replace(columns=tuple(array("q", column) for column in block.columns))
    except OverflowError:
        return block


def _size(block: Block) -> int:
    return 1500 + len(block.starts) * (72 if _is_compact(block) else 360)


def _is_compact(block: Block) -> bool:
    return all(isinstance(column, array) for column in block.columns)
