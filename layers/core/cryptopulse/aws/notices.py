"""Tells of alerts that have fired: their webhooks' queue, and the shards of their users' WebSockets."""

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from cryptopulse.aws.alerts import Alerts, Notice
from cryptopulse.aws.connections import Connections
from cryptopulse.aws.doorbells import Doorbells
from cryptopulse.aws.queues import Queue

LEFT: Final = 30_000
"""Milliseconds after which what was not told of is taken for left behind by a crash."""
LONGEST_DELAY: Final = 900
"""Seconds that a queue keeps a message back, at most."""


class Errand(Struct, frozen=True):
    """A try of a webhook: of the user's firing `key`, the `number`-th, not before `due` (Unix ms)."""

    user: str
    key: str
    number: int
    due: int


class Notices:
    """Tells of what has fired.

    Args:
        alerts: Keep what is still to be told.
        queue: Of webhooks.
        connections: Know who listens.
        doorbells: Ring for them.
    """

    def __init__(self, alerts: Alerts, queue: Queue, connections: Connections, doorbells: Doorbells) -> None:
        self._alerts = alerts
        self._queue = queue
        self._connections = connections
        self._doorbells = doorbells

    def send(self, notices: Collection[Notice], now: int) -> None:
        """Tells of all; what could not be told stays in the outbox. Told again, it does no harm.

        Args:
            notices: What to tell of.
            now: Unix ms.

        Raises:
            ServiceError: The queue, the stream or a table refused.
        """
        for notice in notices:
            if notice.has_webhook:
                self.put(Errand(notice.user, notice.key, 1, now), now)
        users = dict.fromkeys(notice.user for notice in notices)
        shards = set().union(*(self._connections.shards_of(user, now) for user in users))
        self._doorbells.ring({}, sorted(shards), users)
        for notice in notices:
            self._alerts.told(notice)

    def send_left(self, now: int) -> int:
        """Tells of what was left behind; returns how much that was."""
        left = self._alerts.outbox(now - LEFT)
        self.send(left, now)
        return len(left)

    def put(self, errand: Errand, now: int) -> None:
        """Puts a try into the queue; one that is due later than that can wait comes back too early.

        Raises:
            ServiceError: The queue refused.
        """
        delay = min(max(0, -((now - errand.due) // 1000)), LONGEST_DELAY)
        self._queue.send(msgspec.json.encode(errand).decode(), delay=delay)
