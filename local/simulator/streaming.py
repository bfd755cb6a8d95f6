"""Live streams: what every connection is sent, by its venue's own rules and through the faults in force."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from local.simulator.faults import FRAME_KINDS, LINK_KINDS, TRADE_KINDS, Clock, Fault, Faults, Kind
from local.simulator.limits import RateLimit
from local.simulator.markets import Venue

SECOND = 1_000_000
NEVER = 1 << 62


class Frame(NamedTuple):
    """Market data, and the moment (Unix microseconds) that it is due."""

    at: int
    text: str
    is_trade: bool = False


class Closing(NamedTuple):
    """How a connection ends; without a code it just breaks off."""

    code: int | None = None
    reason: str = ""


class Feed(ABC):
    """What one connection has asked its venue for. All times are Unix microseconds and the caller's."""

    venue: Venue
    ends_at: int = NEVER
    """When the venue closes the connection."""
    closing: Closing = Closing()
    """How it does so."""

    @abstractmethod
    def hear(self, message: str, now: int) -> list[str]:
        """The answers to a client's message."""

    @abstractmethod
    def frames(self, after: int, until: int) -> list[Frame]:
        """The market data of (after, until], in the order of their time."""

    @abstractmethod
    def next_at(self, after: int) -> int:
        """When there may be market data next; never later than there is."""

    @abstractmethod
    def strike(self, kind: Kind, now: int) -> list[str] | None:
        """What is sent when the fault that only this venue knows strikes the connection; None: it changes nothing."""

    def close(self, at: int, closing: Closing) -> None:
        """Close the connection at a time, if it does not end before."""
        if at < self.ends_at:
            self.ends_at, self.closing = at, closing


class Counts(msgspec.Struct):
    """A venue's connections, open now and since the start, the frames with market data, and the faults by kind."""

    connections: int = 0
    opened: int = 0
    frames: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)


class Session:
    """One connection: a function of what was sent last and the time now, so that nothing in here waits.

    `duplicate`, `reorder` (the frame goes out behind the next one), `skip` (a trade is left out) and `malformed` (half
    of the frame) befall a share of the frames. `drop`, `freeze` (no market data until the fault ends; what would have
    come is lost), `server_shutdown` and `slow_consumer` are drawn when the connection opens and once a second.
    """

    def __init__(self, feed: Feed, faults: Faults, counts: Counts, now: int) -> None:
        self.feed = feed
        self._faults, self._counts = faults, counts
        self._sent_to = self._draws_at = now
        self._frozen_to = 0
        self._held: str | None = None

    def advance(self, now: int, message: str | None = None) -> list[str]:
        """All that is to be sent at this time: market data that is due, then the answers to the client's message."""
        texts = self._befallen(now) if now >= self._draws_at else []
        self._sent_to = max(self._sent_to, min(now, self._frozen_to))
        for frame in self.feed.frames(self._sent_to, now) if now > self._sent_to else ():
            texts += self._disturbed(frame)
        self._sent_to = max(self._sent_to, now)
        self._counts.frames += len(texts)
        return texts if message is None else texts + self.feed.hear(message, now)

    def wakes_at(self) -> int:
        """When there may be something to do next without a message."""
        return min(self.feed.next_at(max(self._sent_to, self._frozen_to)), self._draws_at, self.feed.ends_at)

    def _befallen(self, now: int) -> list[str]:
        self._draws_at = now + SECOND
        texts: list[str] = []
        for fault in self._faults.struck(self.feed.venue, LINK_KINDS[self.feed.venue]):
            if fault.kind == "freeze":
                if now < self._frozen_to:
                    continue
                self._frozen_to = now + int(fault.seconds * SECOND)
            elif fault.kind == "drop":
                self.feed.close(now, Closing())
            elif (told := self.feed.strike(fault.kind, now)) is not None:
                texts += told
            else:
                continue
            self._counts.faults[fault.kind] += 1
        return texts

    def _disturbed(self, frame: Frame) -> list[str]:
        held, self._held = self._held, None
        after = [] if held is None else [held]
        fault = self._fault(TRADE_KINDS if frame.is_trade else FRAME_KINDS)
        if fault is None or (fault.kind == "reorder" and held is not None):
            return [frame.text, *after]
        self._counts.faults[fault.kind] += 1
        match fault.kind:
            case "duplicate":
                return [frame.text, frame.text, *after]
            case "malformed":
                return [frame.text[: len(frame.text) // 2], *after]
            case "reorder":
                self._held = frame.text
        return after

    def _fault(self, kinds: frozenset[Kind]) -> Fault | None:
        struck = self._faults.struck(self.feed.venue, kinds)
        return struck[0] if struck else None


class Streams:
    """The connections of all venues."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock, self._faults = clock, faults
        self._counts: dict[Venue, Counts] = {"binance": Counts(), "coinbase": Counts()}

    async def counts(self, request: Request) -> Response:
        """What was done so far, by venue."""
        return JSONResponse(msgspec.to_builtins(self._counts))

    async def serve(self, websocket: WebSocket, limit: RateLimit, feed: Callable[[int], Feed]) -> None:
        """Hold a connection until it ends.

        Args:
            websocket: not yet accepted.
            limit: how many connections a client may open.
            feed: makes the connection's own, given the time it opens.
        """
        now = self._clock()
        if not limit.admits(websocket.client.host if websocket.client else "", now):
            await websocket.send_denial_response(Response("Too Many Requests", 429))
            return
        await websocket.accept()
        own = feed(now)
        counts = self._counts[own.venue]
        counts.connections += 1
        counts.opened += 1
        try:
            await self._run(websocket, Session(own, self._faults, counts, now))
        except WebSocketDisconnect:
            pass  # the client has left, in whichever way
        finally:
            counts.connections -= 1

    async def _run(self, websocket: WebSocket, session: Session) -> None:
        message = None
        while True:
            now = self._clock()
            for text in session.advance(now, message):
                await websocket.send_text(text)
            if now >= session.feed.ends_at:
                code, reason = session.feed.closing
                if code is not None:
                    await websocket.close(code, reason)
                return  # the server breaks off a connection that was not closed
            try:
                async with asyncio.timeout(max(session.wakes_at() - self._clock(), 0) / SECOND):
                    event = await websocket.receive()
            except TimeoutError:
                message = None
                continue
            if event["type"] == "websocket.disconnect":
                return
            message = event.get("text") or event.get("bytes", b"").decode(errors="replace")
