"""The simulator at a moment of the test's choosing."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from local.simulator.app import make_app

type Ask = Callable[..., httpx.Response]
type Message = str | bytes | Callable[[], str]
type Call = Callable[[str, Sequence[Message] | None], list[dict[str, Any]]]


@pytest.fixture
def clock() -> SimpleNamespace:
    """The time, Unix microseconds, as `now`: 2026-11-22T08:33:35.123456Z until a test moves it."""
    return SimpleNamespace(now=1_795_336_415_123_456)


@pytest.fixture
def app(clock: SimpleNamespace) -> Starlette:
    """A fresh simulator (seed 1); held answers come at once."""
    return make_app(1, lambda: clock.now, hold_seconds=0.02)


@pytest.fixture
def ask(app: Starlette) -> Ask:
    """Ask the simulator as httpx does: `ask(path, method="GET", ...)`."""

    def ask(path: str, method: str = "GET", **options: object) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator") as client:
                return await client.request(method, path, **options)  # type: ignore[arg-type]

        return asyncio.run(answer())

    return ask


@pytest.fixture
def call(app: Starlette) -> Call:
    """Hold a WebSocket: `call(path, messages)` is all that the simulator sends, as ASGI has it.

    A message is sent when all that came before has been answered; a function is asked for its message then. The client
    leaves after the last one; for None it stays until the simulator ends the connection.
    """

    def call(path: str, messages: Sequence[Message] | None) -> list[dict[str, Any]]:
        events: list[dict[str, Any] | Message] = [{"type": "websocket.connect"}, *(messages or ())]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if not events:
                if messages is None:
                    await asyncio.Event().wait()
                return {"type": "websocket.disconnect", "code": 1000}
            event = events.pop(0)
            if isinstance(event, dict):
                return event
            message = event if isinstance(event, str | bytes) else event()
            return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

        async def send(message: Any) -> None:
            sent.append(message)

        address, _, query = path.partition("?")
        scope = {
            "type": "websocket",
            "path": address,
            "root_path": "",
            "query_string": query.encode(),
            "headers": [],
            "client": ("127.0.0.1", 1),
            "extensions": {"websocket.http.response": {}},
        }
        asyncio.run(asyncio.wait_for(app(scope, receive, send), timeout=10))
        return sent

    return call
