"""The live table of prices in the terminal: last prices by WebSocket, 24-hour figures by HTTP, both the public API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import websockets
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local.endpoints import Endpoints

STATS_EVERY_S = 15
LINE_EVERY_S = 10
CHECK_EVERY_S = 1

type Rows = dict[str, dict[str, Any]]
"""By symbol, as `GET /prices` has them."""


async def show(endpoints: Endpoints, console: Console, footer: str, check: Callable[[], None]) -> None:
    """Shows prices until it is cancelled; without a terminal a line now and then.

    Args:
        endpoints: The running system's.
        console: Where to.
        footer: A line below the table.
        check: Called every second; what it raises ends the show.
    """
    rows: Rows = {}
    modes: dict[str, str] = {}
    ready = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks, _screen(console) as draw:
            tasks.create_task(_statistics(endpoints, rows, modes, ready))
            tasks.create_task(_ticks(endpoints.websocket, rows, ready))
            while True:
                check()
                draw(rows, " · ".join([footer, *(f"{venue}: {mode}" for venue, mode in modes.items())]))
                await asyncio.sleep(CHECK_EVERY_S)
    except ExceptionGroup as group:
        raise group.exceptions[0] from group


async def _statistics(endpoints: Endpoints, rows: Rows, modes: dict[str, str], ready: asyncio.Event) -> None:
    """Keeps the 24-hour figures, and by venue how its prices come."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        while True:
            try:
                health = await client.get(endpoints.health)
                answer = await client.get(f"{endpoints.http}/prices")
            except httpx.TransportError:
                pass  # The next one will tell, and the check whether the cloud is still there.
            else:
                if health.is_success:
                    venues = health.json()["checks"]["prices"].items()
                    modes |= {name: venue["mode"] for name, venue in venues}
                if answer.is_success:
                    for item in answer.json()["items"]:
                        last = rows.get(item["symbol"])
                        if last is not None and last["time"] and item["time"] and last["time"] > item["time"]:
                            item |= {"price": last["price"], "time": last["time"]}
                        rows[item["symbol"]] = item
                    ready.set()
            await asyncio.sleep(STATS_EVERY_S)


async def _ticks(url: str, rows: Rows, ready: asyncio.Event) -> None:
    await ready.wait()
    async for socket in websockets.connect(url, proxy=None):
        symbols = [symbol for symbol, row in rows.items() if row["via"] is None]
        try:
            await socket.send(json.dumps({"action": "subscribe", "channel": "ticks", "symbols": symbols}))
            async for frame in socket:
                for tick in json.loads(frame).get("ticks", []):
                    rows[tick["symbol"]] |= {"price": tick["price"], "time": tick["time"]}
        except websockets.ConnectionClosed:
            continue


@asynccontextmanager
async def _screen(console: Console) -> AsyncIterator[Callable[[Rows, str], None]]:
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield lambda rows, footer: live.update(_render(rows, footer), refresh=True)
    else:
        shown, told = -1.0, ""

        def line(rows: Rows, footer: str) -> None:
            nonlocal shown, told
            if footer != told:
                told = footer
                console.print(footer, soft_wrap=True)
            now = asyncio.get_running_loop().time()
            if rows and now - shown >= LINE_EVERY_S:
                shown = now
                prices = "  ".join(f"{symbol} {_number(row['price'])}" for symbol, row in rows.items())
                console.print(f"{datetime.now(UTC):%H:%M:%S}  {prices}", soft_wrap=True)

        yield line


def _render(rows: Rows, footer: str) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for title in ("price", "24 h", "low", "high", "volume", "as of"):
        table.add_column(title, justify="right")
    for symbol, row in rows.items():
        table.add_row(
            Text(symbol, "bold"),
            Text(_number(row["price"]), "yellow" if row["stale"] else ""),
            _change(row["change_pct_24h"]),
            _number(row["low_24h"]),
            _number(row["high_24h"]),
            _number(row["volume_24h"]),
            Text((row["time"] or "–")[11:19], "dim"),
        )
    return Group(table, Text(), Text(footer, "dim"))


def _number(value: float | None) -> str:
    """Some six digits: 97,123.4 and 0.3812."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1e6 else f"{value:,.6g}" if value < 1000 else f"{value:,.2f}"


def _change(per_cent: float | None) -> Text:
    if per_cent is None:
        return Text("–")
    return Text(f"{per_cent:+.2f} %", "green" if per_cent >= 0 else "red")
