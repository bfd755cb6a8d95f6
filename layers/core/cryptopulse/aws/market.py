"""The Market table: live lanes, minute items, candle blocks and the list of series. Everything in it can be rebuilt.

| pk | sk | holds |
| --- | --- | --- |
| `LANE#1` | `LIVE` | the lane's live state |
| `LANE#1` | `MIN#2026-11-22T06:31` | the rows of all its series in that minute |
| | `PACKED` | how far, and as of which version, it was packed last |
| `CANDLES#coinbase:BTC-USD` | `1m#2026-11-22T06` | an hour's minutes |
| | `1h#2026-11`, `1d#2026` | a month's hours, a year's days |
| `REWRITTEN` | `coinbase:BTC-USD` | counts up when packed rows change, or come behind others |
| `SERIES` | `TRACKED` | the series followed |
| `QUARANTINE#2026-11-22` | `<sequence>#<piece>` | records that could not be read, byte for byte |
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from cryptopulse.aws.dynamodb import Item, Table, Write
from cryptopulse.domain import candles as packed
from cryptopulse.domain.candles import (
    DAY,
    EMPTY,
    HOUR,
    MINUTE,
    Block,
    block_key,
    floor,
    folded,
    joined,
    stored_step,
)
from cryptopulse.domain.folding import KEPT_MINUTES, Folded
from cryptopulse.domain.lanes import (
    LANE,
    MINUTE_ITEM,
    Lane,
    Minute,
    decode_lane,
    decode_minute,
    encode_lane,
    encode_minute,
)
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Candles
from cryptopulse.errors import ConditionError

KEPT: Final = {MINUTE: KEPT_MINUTES, HOUR: 731 * DAY}
"""How long blocks of a step are kept; days are kept for ever."""
MINUTE_ITEMS_KEPT: Final = DAY
QUARANTINE_KEPT: Final = 30 * DAY
PIECE: Final = 350_000
"""Bytes of a quarantined record in one item."""
TRIES: Final = 5


class Market:
    """Reads and writes the Market table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    # --- lanes and their minutes ---

    def lane(self, number: int) -> Lane:
        """The lane's live state, read consistently; a new one of version 0 where there is none."""
        item = self.table.get(f"LANE#{number}", "LIVE", consistent=True)
        return _lane(item) if item else Lane(number)

    def lanes(self, numbers: Iterable[int], *, consistent: bool = False) -> dict[int, Lane]:
        """Those of the lanes that exist, by number."""
        keys = [(f"LANE#{number}", "LIVE") for number in numbers]
        lanes = map(_lane, self.table.get_many(keys, consistent=consistent).values())
        return {lane.number: lane for lane in lanes}

    def minutes(self, lane: int, start: int, end: int, *, consistent: bool = False) -> list[Minute]:
        """The lane's minute items with `start` <= minute < `end` (Unix ms), oldest first."""
        first, last = _minute_key(start), _minute_key(end - MINUTE)
        items = self.table.query(f"LANE#{lane}", first, last, consistent=consistent)
        return [_minute(item) for item in items]

    def minutes_at(self, lane: int, minutes: Iterable[int], *, consistent: bool = False) -> list[Minute]:
        """The lane's minute items of these minutes, as far as they exist."""
        keys = [(f"LANE#{lane}", _minute_key(minute)) for minute in minutes]
        return [_minute(item) for item in self.table.get_many(keys, consistent=consistent).values()]

    def write(self, lane: Lane, previous: int, minutes: Collection[Minute] = ()) -> None:
        """Writes the lane over its version `previous`, with the minutes that changed, all or nothing.

        Args:
            minutes: At most 99, one transaction's worth: a fold alters none that is older than KEPT.

        Raises:
            ConditionError: Somebody else wrote first.
        """
        live = {
            "pk": f"LANE#{lane.number}",
            "sk": "LIVE",
            "version": lane.version,
            **LANE.mark,
            "data": encode_lane(lane),
        }
        writes = [Write(self._minute_item(lane.number, minute), minute.version) for minute in minutes]
        if writes:
            self.table.transact([*writes, Write(live, previous)])
        else:
            self.table.put_version(live, previous)
        for minute in minutes:
            minute.version += 1

    def _minute_item(self, lane: int, minute: Minute) -> Item:
        return {
            "pk": f"LANE#{lane}",
            "sk": _minute_key(minute.start),
            "version": minute.version + 1,
            **MINUTE_ITEM.mark,
            "data": encode_minute(minute),
            "expires_at": (minute.start + MINUTE_ITEMS_KEPT) // 1000,
        }

    # --- packing ---

    def pack(self, lane: Lane) -> bool:
        """Packs the lane's hours that wait for it into blocks; made again, it changes nothing.

        Returns:
            Whether there were any; the lane has forgotten them then, and is to be written.
        """
        hours, lane.unpacked = lane.unpacked, []
        if not hours:
            return False
        pk = f"LANE#{lane.number}"
        last = self.table.get(pk, "PACKED", consistent=True) or {"version": 0, "packed_to": 0}
        late: set[Series] = set()
        for hour in hours:
            parts: dict[Series, list[Block]] = defaultdict(list)
            for minute in self.minutes(lane.number, hour, hour + HOUR, consistent=True):
                for name, row in minute.rows.items():
                    series = Series.parse(name)
                    parts[series].append(row.block(minute.start))
                    if hour < last["packed_to"] and row.changed > last["version"]:
                        late.add(series)
            self.merge_minutes({series: joined(*blocks) for series, blocks in parts.items()}, lane.now)
            if floor(hour + HOUR, DAY) == hour + HOUR:
                day = floor(hour, DAY)
                silent = {Series.parse(name) for name in lane.series} - parts.keys()
                for series in silent:  # it may have traded earlier that day
                    self._make_day(series, self.blocks(series, HOUR, day, hour), lane.now)
        self._mark(late)
        packed_last = {"pk": pk, "sk": "PACKED", "version": lane.version, "packed_to": lane.packed_to}
        self.table.put_version(packed_last, last["version"])
        return True

    def keep_history(self, folded_: Folded, now: int) -> None:
        """Writes the rows that a fold found too old for minute items straight into the blocks."""
        rows = {
            series: joined(*(packed.rows_of(told, MINUTE) for told in messages))
            for series, messages in folded_.history.items()
        }
        self.merge_minutes(rows, now)
        self._mark(rows)

    def merge(self, series: Series, interval: str, candles: Candles) -> None:
        """Writes a venue's own candles of a stored interval (`1m`, `1h`, `1d`) into the blocks: for history.

        Only hours older than the last three: younger minutes belong to the stream.
        """
        step = packed.INTERVALS[interval]
        self._merge(series, step, packed.rows_of(candles, step))
        self._mark([series])

    def merge_minutes(self, rows: Mapping[Series, Block], now: int) -> None:
        """Merges minutes of ended hours into their blocks, then makes the hours and ended days above them again."""
        for series, block in rows.items():
            minutes = self._merge(series, MINUTE, block)
            hours = self._merge(series, HOUR, folded(minutes, MINUTE, HOUR, now))
            days = {floor(start, DAY) for start in block.starts}
            ended = [day for day in days if day + DAY <= now]
            for day in ended:
                self._make_day(series, hours.between(day, day + DAY), now)

    def _make_day(self, series: Series, hours: Block, now: int) -> None:
        if hours.starts:
            self._merge(series, DAY, folded(hours, HOUR, DAY, now))

    def _merge(self, series: Series, step: int, block: Block) -> Block:
        """Merges rows into the stored blocks they belong to; returns these blocks as they are then, joined."""
        stored = []
        for key, rows in packed.by_block(step, block.rows()).items():
            part = Block.of(block.price_scale, block.size_scale, rows)
            stored.append(self._merge_block(series, step, key, part))
        return joined(*stored)

    def _merge_block(self, series: Series, step: int, key: str, part: Block) -> Block:
        pk = f"CANDLES#{series}"
        for attempt in range(TRIES):
            item = self.table.get(pk, key, consistent=True)
            before = packed.decode(item["data"]) if item else EMPTY
            after = joined(before, part) if before.starts else part
            if after.rows() == before.rows():
                return after
            version = item["version"] if item else 0
            new: Item = {"pk": pk, "sk": key, "version": version + 1, "data": packed.encode(after)}
            if step in KEPT:
                new["expires_at"] = (after.starts[-1] + KEPT[step]) // 1000
            try:
                self.table.put_version(new, version)
            except ConditionError:
                if attempt == TRIES - 1:
                    raise
            else:
                return after
        raise AssertionError("unreachable")

    # --- marks: for those who keep packed rows ---

    def rewritten(self) -> dict[Series, int]:
        """A number for each series whose packed rows changed, or came behind others: another one each time."""
        marks = self.table.query("REWRITTEN", consistent=True)
        return {Series.parse(mark["sk"]): mark["version"] for mark in marks}

    def _mark(self, many: Iterable[Series]) -> None:
        """Tells that blocks were written anew: after them, and also if they were written before a failure."""
        for series in many:
            known = self.table.get("REWRITTEN", str(series), consistent=True)
            version = known["version"] if known else 0
            with suppress(ConditionError):  # who marked it meanwhile did so after our blocks
                self.table.put_version({"pk": "REWRITTEN", "sk": str(series), "version": version + 1}, version)

    # --- reading candles ---

    def has_blocks(self, series: Series, step: int, start: int, end: int) -> bool:
        """Whether any block of a stored step is there that may hold rows with `start` <= row.start < `end`."""
        if start >= end:
            return False
        keys = block_key(step, start), block_key(step, end - 1)
        found = self.table.query(f"CANDLES#{series}", *keys, is_backwards=True, page=1, attributes=("sk",))
        return next(found, None) is not None

    def blocks(self, series: Series, step: int, start: int, end: int) -> Block:
        """The packed rows of a stored step with `start` <= row.start < `end`."""
        if start >= end:
            return EMPTY
        items = self.table.query(f"CANDLES#{series}", block_key(step, start), block_key(step, end - 1))
        return joined(*(packed.decode(item["data"]) for item in items)).between(start, end)

    def candles(
        self, lane: Lane, series: Series, interval: int, start: int, end: int, now: int, *, consistent: bool = False
    ) -> Block:
        """The rows of any interval with `start` <= row.start < `end`, the open one too, folded where not stored.

        Args:
            lane: The series' lane, as read just now.
            interval: In ms, one of INTERVALS.
            start: Aligned to the interval, Unix ms.
            now: Unix ms; tells which row is open.
            consistent: Whether minutes not packed yet must be no older than `lane`.
        """
        step = stored_step(interval)
        end = min(end, floor(now, interval) + interval)
        until = min(now, lane.clocks.get(series.venue, now))
        rows = self._rows(lane, series, step, start, end, until, consistent=consistent)
        return folded(rows, step, interval, until)

    def _rows(
        self, lane: Lane, series: Series, step: int, start: int, end: int, until: int, *, consistent: bool
    ) -> Block:
        """Rows of a stored step: packed ones, and above them what is still folded from the step below."""
        loose_from = floor(lane.unpacked_from, step)
        if not lane.packed_to or end <= loose_from:
            return self.blocks(series, step, start, end)
        old = self.blocks(series, step, start, min(end, loose_from))
        from_ = max(start, loose_from)
        if step == MINUTE:
            return joined(old, self.loose_minutes(lane, series, from_, end, consistent=consistent))
        below = HOUR if step == DAY else MINUTE
        fresh = self._rows(lane, series, below, from_, end, until, consistent=consistent)
        return joined(old, folded(fresh, below, step, until))

    def loose_minutes(self, lane: Lane, series: Series, start: int, end: int, *, consistent: bool = False) -> Block:
        """The series' rows of minutes that are not packed yet, the open ones too."""
        name = str(series)
        minutes = self.minutes(lane.number, start, end, consistent=consistent)
        parts = [minute.rows[name].block(minute.start) for minute in minutes if name in minute.rows]
        if state := lane.series.get(name):
            parts += [row.block(minute) for minute, row in sorted(state.open.items()) if start <= minute < end]
        return joined(*parts)

    # --- the series followed ---

    def save_series(self, series: list[Series]) -> None:
        """Replaces the list of series followed."""
        self.table.put({"pk": "SERIES", "sk": "TRACKED", "names": [str(each) for each in series]})

    def series(self) -> list[Series]:
        """The series followed, in the order to list them."""
        item = self.table.get("SERIES", "TRACKED")
        return [Series.parse(name) for name in item["names"]] if item else []

    # --- quarantine ---

    def quarantine(self, data: bytes, sequence: str, partition: str, arrived: int, reason: str) -> None:
        """Keeps a record that cannot be read, whole, for 30 days. Kept again, it is the same items.

        Args:
            sequence: Its sequence number in the stream.
            partition: Its partition key.
            arrived: When the stream took it, Unix ms.
        """
        day = f"{datetime.fromtimestamp(arrived / 1000, UTC):%Y-%m-%d}"
        pieces = range(0, max(1, len(data)), PIECE)
        for piece, at in enumerate(pieces):
            self.table.put(
                {
                    "pk": f"QUARANTINE#{day}",
                    "sk": f"{sequence}#{piece:03}",
                    "reason": reason,
                    "partition_key": partition,
                    "arrived_at": arrived,
                    "pieces": len(pieces),
                    "data": data[at : at + PIECE],
                    "expires_at": (arrived + QUARANTINE_KEPT) // 1000,
                }
            )


class LazyMinutes(dict[int, Minute]):
    """A lane's minute items, read consistently when first asked for; one that does not exist has version 0."""

    def __init__(self, market: Market, lane: int) -> None:
        super().__init__()
        self._market = market
        self._lane = lane

    def load(self, minutes: Iterable[int]) -> None:
        """Reads many at once."""
        wanted = set(minutes) - self.keys()
        found = self._market.minutes_at(self._lane, wanted, consistent=True) if wanted else []
        self.update({minute: Minute(minute) for minute in wanted} | {each.start: each for each in found})

    def __missing__(self, minute: int) -> Minute:
        self.load([minute])
        return self[minute]


def _lane(item: Item) -> Lane:
    return decode_lane(LANE.read(item)["data"])


def _minute(item: Item) -> Minute:
    start = datetime.strptime(item["sk"], "MIN#%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    return decode_minute(int(start.timestamp() * 1000), item["version"], MINUTE_ITEM.read(item)["data"])


def _minute_key(minute: int) -> str:
    return f"MIN#{datetime.fromtimestamp(minute / 1000, UTC):%Y-%m-%dT%H:%M}"
