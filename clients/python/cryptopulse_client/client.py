"""A connection that comes back: it asks again for what was subscribed to, and says what comes once and in order."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from random import random
from time import monotonic
from typing import Any, Final, Self
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from cryptopulse_client.errors import CryptoPulseError, RefusedError, RequestError, SessionEndedError
from cryptopulse_client.frames import (
    Answer,
    Bye,
    Disconnected,
    Dropped,
    Event,
    Pong,
    Reconnected,
    Refusal,
    Resynced,
    Snapshot,
    Subscribed,
    Unsubscribed,
    read,
)
from cryptopulse_client.inbox import Inbox
from cryptopulse_client.subscriptions import Candles, Key, Subscription

logger = logging.getLogger(__name__)

PING_EVERY: Final = 180.0
"""Seconds; the server says `bye` after 570 without a frame."""
ANSWERED_WITHIN: Final = 10.0
"""Seconds, or the connection is taken for lost."""
LONGEST_PAUSE: Final = 30.0
"""Seconds between two tries to connect, at most."""
PACE: Final = 0.1
"""Seconds from one client frame to the next: 10 a second are the limit."""


@dataclass
class _Held:
    """What is subscribed to, and the server's time up to which all of it has come."""

    asked: Subscription
    told_at: datetime | None = None

    def again(self, keys: Iterable[Key]) -> Subscription:
        """What to ask for on a new connection."""
        left = self.asked.only(keys)
        return left if self.told_at is None else left.resumed(self.told_at)


@dataclass
class _Request:
    """What is said to the server; whoever waits for the `answer` asked for something new."""

    action: str
    subscription: Subscription | None = None
    answer: asyncio.Future[Any] | None = None

    @property
    def waiting(self) -> asyncio.Future[Any] | None:
        """Who still waits for the answer."""
        return self.answer if self.answer and not self.answer.done() else None


class Client:
    """A WebSocket of CryptoPulse: subscribe, and iterate over what comes.

    `async with` connects, and leaves. The first connection raises what keeps it from being made (`RefusedError`,
    `OSError`); later ones are tried until they are. Iterating raises `SessionEndedError` when the server says so, and
    what a ticket's callback raises, other than OSError.

    Args:
        url: The WebSocket's.
        ticket: Asked for a fresh ticket of `POST /auth/ws-ticket` before each connection; without it there are the
            public channels only. Its OSError counts as a connection that was not made.
        sleep: Of asyncio, as the following are of time and random.
        clock: Seconds.
        chance: 0 to 1.
    """

    def __init__(
        self,
        url: str,
        ticket: Callable[[], Awaitable[str]] | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random,
    ) -> None:
        self._url, self._ticket = url, ticket
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._inbox = Inbox()
        self._held: dict[tuple[str, str], _Held] = {}
        self._asked: dict[int, _Request] = {}
        self._ids = count(1)
        self._turn, self._free_at = asyncio.Lock(), 0.0
        self._chores: set[asyncio.Task[None]] = set()
        self._time: datetime | None = None
        """The server's, as it told last."""
        self._seq, self._is_resyncing = 0, False
        self._failures = 0
        """Tries to connect since data came."""
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        try:
            self._socket = await self._connect()
        except InvalidHandshake as error:
            raise RefusedError(f"the handshake was refused: {error}") from error
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._end)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._inbox.take()
        if event is None:
            if self._error:
                raise self._error
            raise StopAsyncIteration
        return event

    async def subscribe(self, subscription: Subscription) -> Subscribed:
        """Asks for more, and tells what is in force; waits for the answer, be it on the next connection.

        Raises:
            RequestError: The server does not give it. Nothing is subscribed to, nothing has changed.
        """
        answer: Subscribed = await self._request("subscribe", subscription)
        return answer

    async def unsubscribe(self, subscription: Subscription) -> None:
        """Asks for less: what `subscription` is about ends."""
        for key in subscription.keys:
            self._held.pop(key, None)
        await self._request("unsubscribe", subscription)

    async def _request(self, action: str, subscription: Subscription) -> Any:
        if self._task.done():
            raise self._error or CryptoPulseError("the client is closed")
        answer = asyncio.get_running_loop().create_future()
        await self._send(_Request(action, subscription, answer))
        return await answer

    # --- the connection ---

    async def _connect(self) -> ClientConnection:
        url = self._url
        if self._ticket:
            url += ("&" if "?" in url else "?") + urlencode({"ticket": await self._ticket()})
        # Whether API Gateway answers pings of the protocol is nowhere said: our own do.
        return await connect(url, ping_interval=None, close_timeout=1)

    async def _run(self) -> None:
        unanswered: list[_Request] = []
        while True:
            reason = await self._converse(unanswered)
            if reason == "session_ended":
                raise SessionEndedError("the session has ended")
            logger.info("disconnected: %s", reason)
            self._inbox.put(Disconnected(reason), "connection")
            await self._reconnect(at_once=reason != "lost" and self._failures == 0)
            unanswered, self._asked = [each for each in self._asked.values() if each.waiting], {}
            self._inbox.put(Reconnected(), "connection")

    async def _reconnect(self, *, at_once: bool) -> None:
        while True:
            if not at_once:
                await self._sleep(self._chance() * min(LONGEST_PAUSE, 2.0**self._failures))
            at_once = False
            self._failures = min(self._failures + 1, 10)
            try:
                self._socket = await self._connect()
            except (OSError, InvalidHandshake) as error:
                logger.warning("not connected: %s", error)
            else:
                return

    async def _converse(self, unanswered: Iterable[_Request]) -> str:
        """Lives through one connection; tells why it ended."""
        self._seq, self._is_resyncing = 0, False
        self._chore(self._speak(unanswered))
        reason = "lost"
        try:
            async for raw in self._socket:
                if (bye := self._hear(raw)) is not None:
                    reason = bye.reason
                    break
        except ConnectionClosed:
            pass
        finally:
            for chore in self._chores:
                chore.cancel()
            await self._socket.close()
        return reason

    async def _speak(self, unanswered: Iterable[_Request]) -> None:
        """Asks for everything again, then gives signs of life."""
        for held in self._all_held():
            await self._ask_again(held)
        for request in unanswered:
            await self._send(request)
        while True:
            await self._send(_Request("ping"))
            await self._sleep(PING_EVERY)

    def _all_held(self) -> list[_Held]:
        return list({id(held): held for held in self._held.values()}.values())

    async def _ask_again(self, held: _Held) -> None:
        if keys := [key for key, each in self._held.items() if each is held]:
            await self._send(_Request("subscribe", held.again(keys)))

    async def _resync(self) -> None:
        """Asks for what may be lost. A snapshot shows no candle that has closed: those are subscribed to again."""
        await self._send(_Request("resync"))
        for held in self._all_held():
            if isinstance(held.asked, Candles):
                await self._ask_again(held)

    async def _send(self, request: _Request) -> None:
        id_ = next(self._ids)
        frame = request.subscription.frame(request.action) if request.subscription else {"action": request.action}
        self._asked[id_] = request
        async with self._turn:
            if (pause := self._free_at - self._clock()) > 0:
                await self._sleep(pause)
            if id_ not in self._asked:
                return  # it is said on another connection
            self._free_at = self._clock() + PACE
            with suppress(ConnectionClosed):
                await self._socket.send(msgspec.json.encode(frame | {"id": id_}).decode())
        self._chore(self._expect(id_))

    async def _expect(self, id_: int) -> None:
        await self._sleep(ANSWERED_WITHIN)
        if id_ in self._asked:
            logger.warning("no answer within %d s", ANSWERED_WITHIN)
            await self._socket.close()

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._error = None if task.cancelled() else task.exception()
        for chore in self._chores:
            chore.cancel()
        for request in self._asked.values():
            if waiting := request.waiting:
                waiting.set_exception(self._error or CryptoPulseError("the client is closed"))
        self._inbox.close()

    # --- what comes ---

    def _hear(self, raw: str | bytes) -> Bye | None:
        try:
            frame = read(raw)
        except msgspec.DecodeError as error:
            logger.warning("a frame is passed over: %s", error)
            return None
        match frame:
            case Bye():
                return frame
            case Subscribed() | Unsubscribed() | Resynced() | Pong() | Refusal():
                self._settle(frame)
            case Snapshot():
                self._failures = 0
                self._inbox.show(frame)
            case _:
                self._failures = 0
                if frame.seq > self._seq + 1 and not self._is_resyncing:
                    self._is_resyncing = True
                    self._chore(self._resync())
                self._seq = frame.seq
                self._inbox.tell(frame)
        return None

    def _settle(self, answer: Answer) -> None:
        request = self._asked.pop(answer.id, None) if isinstance(answer.id, int) else None
        request = request or _Request("")  # nobody asked
        match answer:
            case Pong():
                self._time = answer.time
                if not any(each.action == "subscribe" for each in self._asked.values()):
                    for held in self._all_held():
                        held.told_at = answer.time
            case Subscribed() if request.answer and request.subscription:
                held = _Held(request.subscription, None if request.subscription.since else self._time)
                self._held |= dict.fromkeys(request.subscription.keys, held)
        if request.action == "resync":
            self._is_resyncing = False
        if waiting := request.waiting:
            waiting.set_exception(answer.error) if isinstance(answer, Refusal) else waiting.set_result(answer)
        elif isinstance(answer, Subscribed):
            self._inbox.put(answer, "subscribed", answer.channel)
        elif isinstance(answer, Refusal):
            logger.warning("refused: %s", answer.message)
            if request.subscription and not request.answer:
                self._let_go(request.subscription, answer.error)

    def _let_go(self, subscription: Subscription, error: RequestError) -> None:
        """Forgets what the server no longer gives; the rest is asked for again."""
        gone = [key for key in subscription.keys if key[1] in error.symbols] or subscription.keys
        left = [self._held[key] for key in subscription.keys if key in self._held and key not in gone]
        for key in gone:
            self._held.pop(key, None)
        self._inbox.put(
            Dropped(subscription.only(gone), error), "dropped", subscription.channel, *(name for _, name in gone)
        )
        if left:
            self._chore(self._ask_again(left[0]))
