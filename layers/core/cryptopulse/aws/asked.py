"""What was asked of the cache lately, in the Market table, so that it can be made again before it is asked again.

| pk                    | sk       | holds                                                                        |
| --------------------- | -------- | ---------------------------------------------------------------------------- |
| `ASKED#1795329000000` | `<hash>` | a method and its arguments, asked in the quarter of an hour that begins then, |
|                       |          | and of how many processes (`processes`)                                      |
"""

from collections import Counter
from itertools import islice
from typing import Final, NamedTuple

from cryptopulse.aws.dynamodb import Table
from cryptopulse.domain.candles import HOUR, MINUTE, floor
from cryptopulse.errors import ServiceError
from cryptopulse.telemetry import logger

QUARTER: Final = 15 * MINUTE
MOST: Final = 200
"""Notes that a process writes in a quarter of an hour."""
READ: Final = 500
"""Notes that are read of one."""


class Note(NamedTuple):
    """A call of a cached method; its arguments are encoded."""

    method: str
    arguments: bytes


class Asked:
    """Notes what is asked for.

    Args:
        table: The Market table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._quarter = 0
        self._noted: set[str] = set()

    def note(self, key: str, note: Note, now: int) -> None:
        """Notes a call that has the hash `key`, once a process and quarter of an hour; if that fails, it is not."""
        quarter = floor(now, QUARTER)
        if quarter != self._quarter:
            self._quarter, self._noted = quarter, set()
        if key in self._noted or len(self._noted) == MOST:
            return
        self._noted.add(key)
        item = {**note._asdict(), "expires_at": (quarter + HOUR) // 1000}
        try:
            self._table.update(f"ASKED#{quarter}", key, set=item, add={"processes": 1})
        except ServiceError:
            logger.exception("not noted")

    def lately(self, now: int) -> list[Note]:
        """What was asked in this quarter of an hour and the last one, what most processes were asked first."""
        quarter, asked = floor(now, QUARTER), Counter[Note]()
        for start in (quarter, quarter - QUARTER):
            for item in islice(self._table.query(f"ASKED#{start}", page=READ), READ):
                asked[Note(item["method"], item["arguments"])] += item["processes"]
        return [note for note, _ in asked.most_common()]
