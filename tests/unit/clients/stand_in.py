"""A WebSocket server that says what a test has it say, and time that passes when a test lets it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from cryptopulse_client import Client

NOON = "2026-11-22T12:00:00Z"
type Ticket = Callable[[], Awaitable[str]]


class Peer:
    """The server's end of one connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self.path = socket.request.path if socket.request else ""

    async def hear(self) -> dict[str, Any]:
        """The client's next frame, but for pings, which are answered at noon."""
        while True:
            frame: dict[str, Any] = json.loads(await self._socket.recv())
            if frame["action"] != "ping":
                return frame
            await self.say(type="pong", id=frame["id"], time=NOON)

    async def raw(self) -> dict[str, Any]:
        """The client's next frame."""
        frame: dict[str, Any] = json.loads(await self._socket.recv())
        return frame

    async def say(self, **frame: Any) -> None:
        """Sends a frame."""
        await self._socket.send(json.dumps(frame))

    async def grant(self, **fields: Any) -> dict[str, Any]:
        """Answers a subscription as asked, at 1,000 ms; returns what was asked for."""
        asked = await self.hear()
        told = {name: asked[name] for name in ("channel", "symbols", "interval", "portfolio_id") if name in asked}
        await self.say(**({"type": "subscribed", "id": asked["id"], "interval_ms": 1000} | told | fields))
        return {name: value for name, value in asked.items() if name not in ("id", "action")}

    async def leave(self, reason: str | None = None) -> None:
        """Closes, with a `bye` or without."""
        if reason:
            await self.say(type="bye", reason=reason)
        await self._socket.close()

    def vanish(self) -> None:
        """Closes without a word."""
        self._socket.transport.abort()

    async def left(self) -> None:
        """Waits until the client has gone."""
        with suppress(ConnectionClosed):
            while True:
                await self._socket.recv()


class Time:
    """Sleeps end when a test says so; those shorter than a second at once."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        """All that was slept for a second or more, except until answers are due."""
        self._sleeping: list[tuple[float, asyncio.Future[None]]] = []
        self._more = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Of the client."""
        if seconds < 1:
            self.now += seconds
            return
        if seconds != 10:
            self.slept.append(seconds)
        future = asyncio.get_running_loop().create_future()
        self._sleeping.append((seconds, future))
        self._more.set()
        await future

    async def let(self, seconds: float) -> None:
        """Waits until somebody sleeps so long, and ends the first such sleep."""
        while True:
            self._sleeping = [each for each in self._sleeping if not each[1].done()]
            for length, future in self._sleeping:
                if length == seconds:
                    self.now += seconds
                    future.set_result(None)
                    return
            self._more.clear()
            await self._more.wait()


class World:
    """A server on loopback, its peers, and a client's time."""

    def __init__(self) -> None:
        self.time = Time()
        self.refusals = 0
        """Handshakes to refuse from now on."""
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._server: Server

    async def __aenter__(self) -> "World":
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._admit, close_timeout=1)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def client(self, ticket: Ticket | None = None) -> Client:
        """A client of this server, whose chance is always 1."""
        port = next(iter(self._server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}/ws"
        return Client(url, ticket, sleep=self.time.sleep, clock=lambda: self.time.now, chance=lambda: 1.0)

    async def peer(self) -> Peer:
        """The next connection."""
        return await self._peers.get()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if not self.refusals:
            return None
        self.refusals -= 1
        return connection.respond(HTTPStatus.FORBIDDEN, "")

    async def _serve(self, socket: ServerConnection) -> None:
        await self._peers.put(Peer(socket))
        await socket.wait_closed()
