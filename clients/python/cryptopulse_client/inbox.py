"""What has come and waits for the consumer: never more than the newest."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from cryptopulse_client.frames import (
    Alert,
    Article,
    Candle,
    Disconnected,
    Dropped,
    Event,
    Frame,
    Reconnected,
    Snapshot,
    Subscribed,
    Tick,
    Value,
    Worth,
)

logger = logging.getLogger(__name__)

_SERIES: Final[Mapping[type[Value], Callable[[Value], Any]]] = {
    Tick: attrgetter("symbol", "venue"),
    Candle: attrgetter("symbol", "venue", "interval"),
    Article: attrgetter("id"),
    Alert: attrgetter("id"),
    Worth: attrgetter("id"),
}
"""What a value is one of."""
_RANK: Final[Mapping[type[Value], Callable[[Value], Any]]] = {
    Tick: attrgetter("time"),
    Candle: attrgetter("time", "closed"),
    Worth: attrgetter("time"),
}
"""What never goes back within a series; articles and alerts are told once."""

MOST: Final = 250_000
"""Values of a channel that wait at most, as many as the largest snapshot has; then the oldest go."""
TOLD: Final = 10_000
"""So many articles and alerts are known again."""


class Inbox:
    """Events in the order they came, but no more than a snapshot and a frame of a channel, which later ones change.

    So a slow consumer gets a symbol's newest price, not all of them, while closed candles, articles and alerts wait.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[str, ...], Event] = {}
        self._values: dict[tuple[str, ...], dict[Any, Value]] = {}
        self._newest: dict[Any, Any] = {}
        """The highest rank of each series."""
        self._told: dict[Any, None] = {}
        """The last of those that are told once."""
        self._ready = asyncio.Event()
        self._is_closed = False

    def put(self, event: Subscribed | Disconnected | Reconnected | Dropped, *slot: str) -> None:
        """Adds an event, in place of what waits in its slot."""
        self._events[slot] = event
        self._ready.set()

    def tell(self, frame: Frame) -> None:
        """Adds what in a frame is not older than what is known."""
        if values := list(self._fresh(frame.values)):
            self._hold(frame, values)

    def show(self, snapshot: Snapshot) -> None:
        """Adds a snapshot, less what in it is older than what is known; what waits of its channel goes into it."""
        waiting: dict[Any, Value] = {}
        for kind in ("snapshot", "frame"):
            self._events.pop((kind, snapshot.listed), None)
            waiting |= self._values.pop((kind, snapshot.listed), {})
        self._hold(snapshot, [*waiting.values(), *self._fresh(snapshot.values)])

    def _hold(self, frame: Snapshot | Frame, values: Iterable[Value]) -> None:
        slot = ("snapshot" if isinstance(frame, Snapshot) else "frame", frame.listed)
        self._events[slot] = frame
        waiting = self._values.setdefault(slot, {})
        waiting |= {_key(value): value for value in values}
        if (excess := len(waiting) - MOST) > 0:
            logger.warning("nobody takes %s: %d are lost", frame.listed, excess)
            for key in list(waiting)[:excess]:
                del waiting[key]
        self._ready.set()

    def _fresh(self, values: Iterable[Value]) -> Iterable[Value]:
        for value in values:
            kind = type(value)
            series = kind, _SERIES[kind](value)
            if kind in _RANK:
                rank = _RANK[kind](value)
                is_new = rank >= self._newest.get(series, rank)
                if is_new:
                    self._newest[series] = rank
                if is_new or (isinstance(value, Candle) and value.closed):  # a repair comes long after
                    yield value
            elif series not in self._told:
                self._told[series] = None
                yield value
        while len(self._told) > TOLD:
            del self._told[next(iter(self._told))]

    def close(self) -> None:
        """Nothing more will come."""
        self._is_closed = True
        self._ready.set()

    async def take(self) -> Event | None:
        """The next event; None: nothing more will come."""
        while not self._events:
            if self._is_closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        slot = next(iter(self._events))
        event, values = self._events.pop(slot), self._values.pop(slot, {})
        return event.telling(values.values()) if isinstance(event, Snapshot | Frame.__value__) else event


def _key(value: Value) -> Any:
    """Of two with the same, the later takes the other's place."""
    return _SERIES[type(value)](value), value.time if isinstance(value, Candle) else 0
