"""Alerts that have fired: they get numbers as they are read; a flow is owed those after the one it was sent last."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from cryptopulse.domain.fan_flows import Flows, Reader
from cryptopulse.domain.fan_state import Alert, Client, Flow
from cryptopulse.domain.subscriptions import SETTLED, Connection, Watch

ALERTS_A_FRAME: Final = 50
"""So many fit into one frame: it is taken or not, and none of them comes twice."""


class Alerted(NamedTuple):
    """Names a user's alert that has fired."""

    user: str
    id: str
    number: int


class Alerts:
    """The channel `alerts`.

    Args:
        flows: Of the shard.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._state = flows.state
        self._unheard: set[str] = set()
        """Users who have begun to watch their alerts."""

    def begin(self) -> None:
        """Begins a beat."""
        self._unheard = set()

    def adopt(self, connection: Connection, client: Client) -> None:
        """Takes what is new in a connection."""
        if connection.watch is not None and connection.watch.added > client.adopted:
            self._unheard.add(connection.user)

    def unread(self, rung: Collection[str], now: int) -> dict[str, int]:
        """The users whose alerts to read, and from when on (Unix ms).

        Args:
            rung: Users of whom doorbells told that something has fired.
            now: Unix ms.
        """
        oldest: dict[str, int] = {}
        lost: dict[str, int] = {}
        for reader, watch in self._watches():
            user = reader.connection.user
            oldest[user] = min(watch.oldest, oldest.get(user, watch.oldest))
            for id_, alert in self._state.alerts.get(user, {}).items():
                if not alert.body and _is_owed(id_, alert, reader.flow, watch):
                    lost[user] = min(alert.time, lost.get(user, alert.time))
        looked = self._state.looked
        named = lost.keys() | {user for user in oldest if user in rung or user in self._unheard or user not in looked}
        users = named | self._flows.unlooked(oldest.keys() - named, now)
        # Not from earlier on than the time before: what is older has been forgotten, and would count as new.
        since = {user: looked[user] - SETTLED if user in looked else oldest[user] for user in users}
        return {user: min(start, lost.get(user, start)) for user, start in since.items()}

    def hear(self, user: str, fired: Iterable[tuple[str, int, bytes]], now: int) -> None:
        """Takes what was read of a user's alerts.

        Args:
            user: Whose they are.
            fired: Id, time (Unix ms) and what is told of each, oldest first.
            now: When they were read (Unix ms).
        """
        self._flows.changed = True
        self._state.looked[user] = now
        known = self._state.alerts.setdefault(user, {})
        for id_, time, body in fired:
            if id_ in known:
                known[id_].body = body
            else:
                self._state.numbered += 1
                known[id_] = Alert(time, self._state.numbered, body)

    @property
    def users(self) -> set[str]:
        """Those who watch their alerts."""
        return {reader.connection.user for reader, _ in self._watches()}

    def _watches(self) -> Iterator[tuple[Reader, Watch]]:
        for reader in self._flows.of("alerts"):
            if (watch := reader.connection.watch) is not None and not reader.connection.is_ended:
                yield reader, watch

    def owing(self) -> Iterator[tuple[tuple[Alerted, ...], Collection[Reader]]]:
        """What flows are owed, and which."""
        for reader in self._flows.of("alerts"):
            user, watch = reader.connection.user, reader.connection.watch
            owed = (
                Alerted(user, id_, alert.number)
                for id_, alert in self._state.alerts.get(user, {}).items()
                if watch is not None and alert.body and _is_owed(id_, alert, reader.flow, watch)
            )
            if keys := tuple(islice(owed, ALERTS_A_FRAME)):
                yield keys, (reader,)

    def value(self, key: Alerted) -> bytes:
        """What is told of an alert."""
        return self._state.alerts[key.user][key.id].body

    def sent(self, reader: Reader, told: Sequence[Alerted]) -> None:
        """Notes what a flow was told."""
        reader.flow.sent = told[-1].number

    def prune(self) -> None:
        """Keeps what somebody is owed, and of the last that have fired that they are known."""
        state = self._state
        watches: dict[str, list[tuple[Flow, Watch]]] = {}
        for reader, watch in self._watches():
            watches.setdefault(reader.connection.user, []).append((reader.flow, watch))
        state.alerts = {user: alerts for user, alerts in state.alerts.items() if user in watches}
        for user, alerts in state.alerts.items():
            settled = state.looked[user] - SETTLED
            for id_, alert in list(alerts.items()):
                if any(_is_owed(id_, alert, flow, watch) for flow, watch in watches[user]):
                    continue
                if alert.time < settled:
                    del alerts[id_]
                else:
                    alert.body = b""


def _is_owed(id_: str, alert: Alert, flow: Flow, watch: Watch) -> bool:
    return alert.number > flow.sent and watch.is_new(id_, alert.time)
