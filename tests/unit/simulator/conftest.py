"""The simulator at a moment of the test's choosing."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import pytest

from local.simulator.app import make_app

type Ask = Callable[..., httpx.Response]


@pytest.fixture
def clock() -> SimpleNamespace:
    """The time, Unix microseconds, as `now`: 2026-11-22T08:33:35.123456Z until a test moves it."""
    return SimpleNamespace(now=1_795_336_415_123_456)


@pytest.fixture
def ask(clock: SimpleNamespace) -> Ask:
    """Ask a fresh simulator (seed 1) as httpx does: `ask(path, method="GET", ...)`; held answers come at once."""
    app = make_app(1, lambda: clock.now, hold_seconds=0.02)

    def ask(path: str, method: str = "GET", **options: object) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator") as client:
                return await client.request(method, path, **options)  # type: ignore[arg-type]

        return asyncio.run(answer())

    return ask
