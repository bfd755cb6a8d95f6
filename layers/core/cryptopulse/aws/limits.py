"""Rate limits: what has been leased of each client's requests a minute, in the Connections table.

| pk                      | sk                          | holds                                                     |
| ----------------------- | --------------------------- | --------------------------------------------------------- |
| `RATE#user#<id>`        | the minute's start, Unix ms | `leased`: requests of a user's sessions, by all processes |
| `RATE#user#<id>#tokens` | the same                    | those of his API tokens                                   |
| `RATE#ip#<network>`     | the same                    | those of an address; a WebSocket handshake counts as 5    |
| `RATE#frames#<client>`  | the same                    | what WebSocket clients of a user, or an address, ask for  |
"""

from collections import OrderedDict
from typing import Final

from cryptopulse.aws.dynamodb import Table
from cryptopulse.domain.limits import KEYS, WINDOW, Standing, Window

KEPT: Final = 2 * WINDOW
"""Milliseconds from a window's start to the end of its item: the next window may still ask for it."""


class Limits:
    """Counts requests.

    Args:
        table: The Connections table, best by a client of little patience: every request waits for this.
        limit: Requests a minute of each client.
    """

    def __init__(self, table: Table, limit: int) -> None:
        self._table = table
        self._limit = limit
        self._windows: OrderedDict[str, Window] = OrderedDict()

    def take(self, key: str, now: int, count: int = 1) -> Standing:
        """Counts one request of a client.

        Args:
            key: Such as `ip#<network>`.
            now: Unix ms.
            count: As how many it counts.

        Raises:
            ServiceError: The table does not answer; the request is not counted.
        """
        window = self._windows.get(key, Window(0)).at(now)
        self._windows[key] = window
        self._windows.move_to_end(key)
        if len(self._windows) > KEYS:
            self._windows.popitem(last=False)
        if window.is_short(self._limit, count):
            self._lease(key, window, count)
        return window.take(self._limit, now, count)

    def _lease(self, key: str, window: Window, count: int) -> None:
        pk = f"RATE#{key}"
        if window.is_unsure(self._limit) and (item := self._table.get(pk, str(window.start - WINDOW))):
            window.before = item["leased"]
        size = window.size(self._limit, count)
        expires_at = (window.start + KEPT) // 1000
        item = self._table.update(pk, str(window.start), set={"expires_at": expires_at}, add={"leased": size})
        window.grant(size, item["leased"], self._limit)
