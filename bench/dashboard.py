"""The dashboard in a browser: how much it loads, how soon it shows, and whether 100 live rows keep its frames.

`make web` builds what is measured. The API is a stand-in of 100 symbols, so that the page alone is timed; the page, its
server and the WebSocket are the real ones.
"""

import asyncio
import gzip
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from local.dashboard import DIST
from local.processes import free_ports
from local.web import make_app
from tests.browser.conftest import FLAGS, chrome

SYMBOLS: Final = [f"{''.join(chr(65 + i // 26**k % 26) for k in (1, 0))}X-USD" for i in range(100)]
EVERY_S: Final = 0.1
LOADS: Final = 7
TURNS, WATCHED_S = 3, 4.0
"""Idle and busy take turns, so that the machine drifts for both."""
JAVASCRIPT_KB, FIRST_RENDER_MS, FRAMES = 200, 1000, 0.95

COUNT_FRAMES = """
seconds => new Promise(resolve => {
  const began = performance.now();
  let frames = 0;
  const next = now => {
    if (now - began >= seconds * 1000) resolve(frames / (now - began) * 1000);
    else { frames += 1; requestAnimationFrame(next); }
  };
  requestAnimationFrame(next);
})
"""
FIRST_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"


class Market:
    """A stand-in of the API with 100 symbols, whose prices move while `moves`."""

    def __init__(self) -> None:
        self.moves = False
        self.frames = 0

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/prices", self._prices),
                Route("/coins", self._coins),
                Route("/sentiment", _page),
                Route("/news", _page),
                Route("/health", self._health),
                WebSocketRoute("/ws", self._stream),
            ]
        )

    async def _prices(self, _: Request) -> JSONResponse:
        hours = [100.0 + hour % 5 for hour in range(24)]
        changes = {"change_24h": 1.0, "change_pct_24h": 1.0, "high_24h": 104.0, "low_24h": 99.0, "volume_24h": 1e6}
        return _items([tick | changes | {"via": None, "stale": False, "sparkline": hours} for tick in ticks()])

    async def _coins(self, _: Request) -> JSONResponse:
        listed = [{"symbol": symbol, "venue": "coinbase"} for symbol in SYMBOLS]
        return _items([{"asset": each["symbol"][:3], "name": None, "symbols": [each]} for each in listed])

    async def _health(self, _: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "version": "bench", "feeds": "live", "mode": "stream", "checks": {}})

    async def _stream(self, socket: WebSocket) -> None:
        await socket.accept()
        sending = asyncio.create_task(self._send(socket))
        try:
            while True:
                asked = await socket.receive_json()
                for frame in answers(asked):
                    await socket.send_json(frame)
        except WebSocketDisconnect:
            sending.cancel()

    async def _send(self, socket: WebSocket) -> None:
        seq = 0
        while True:
            await asyncio.sleep(EVERY_S)
            if self.moves:
                seq += 1
                self.frames += 1
                await socket.send_json({"type": "ticks", "seq": seq, "time": now(), "ticks": ticks()})


def answers(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """What a client's frame is answered."""
    told = {"id": asked["id"]} if "id" in asked else {}
    match asked["action"]:
        case "subscribe":
            channel = asked["channel"]
            held = {"ticks": ticks()} if channel == "ticks" else {"articles" if channel == "news" else channel: []}
            return [asked | told | {"type": "subscribed"}, {"type": "snapshot", "channel": channel} | held]
        case "ping":
            return [told | {"type": "pong", "time": now()}]
        case _:
            return [asked | told | {"type": "unsubscribed"}]


def ticks() -> list[dict[str, Any]]:
    """A new price of each symbol."""
    moment = now()
    return [
        {"symbol": symbol, "venue": "coinbase", "price": round(random.uniform(99, 104), 2), "time": moment}
        for symbol in SYMBOLS
    ]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _page(_: Request) -> JSONResponse:
    return _items([])


def _items(items: list[dict[str, Any]]) -> JSONResponse:
    return JSONResponse({"items": items, "next_cursor": None})


def initial_javascript() -> float:
    """KB, packed, of what the page loads before it shows anything."""
    page = (DIST / "index.html").read_text()
    scripts = re.findall(r'(?:src|href)="/([^"]+\.js)"', page)
    return sum(len(gzip.compress((DIST / script).read_bytes())) for script in scripts) / 1024


@contextmanager
def serving(app: Starlette, port: int) -> Iterator[None]:
    """Serves in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join()


def first_render(browser: Browser, origin: str) -> float:
    """Milliseconds until the browser first shows something of the page, nothing cached."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(origin)
    page.get_by_text(SYMBOLS[0]).first.wait_for()
    painted: float = page.evaluate(FIRST_PAINT)
    context.close()
    return painted


def frame_rates(page: Page, market: Market) -> tuple[float, float]:
    """Frames a second while nothing changes, and while all rows do."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    for moves in [False, True] * TURNS:
        market.moves = moves
        page.wait_for_timeout(500)
        rates[moves].append(page.evaluate(COUNT_FRAMES, WATCHED_S))
    return median(rates[False]), median(rates[True])


def main() -> None:
    path = chrome()
    if path is None or not (DIST / "index.html").exists():
        raise SystemExit("dashboard needs a Chromium or Chrome, and `make web`")
    javascript = initial_javascript()
    market, port = Market(), free_ports()
    web = make_app(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/ws")
    with sync_playwright() as playwright, serving(market.app(), port), serving(web, port + 1):
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        origin = f"http://127.0.0.1:{port + 1}"
        painted = median(first_render(browser, origin) for _ in range(LOADS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(origin)
        page.get_by_text(SYMBOLS[0]).first.wait_for()
        idle, busy = frame_rates(page, market)
        browser.close()
    print(f"{javascript:.0f} KB of JavaScript at first, packed; first paint after {painted:.0f} ms")
    print(f"100 rows: {idle:.1f} frames a second idle, {busy:.1f} while all change ten times a second")
    print(f"figure dashboard.initial_js_kb {javascript:.0f}")
    print(f"figure dashboard.first_render_ms {painted:.0f}")
    print(f"figure dashboard.frames_ratio {busy / idle:.2f}")
    if javascript >= JAVASCRIPT_KB or painted >= FIRST_RENDER_MS or busy / idle < FRAMES or not market.frames:
        raise SystemExit("dashboard misses what it promises")


if __name__ == "__main__":
    main()
