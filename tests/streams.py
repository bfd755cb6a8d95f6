"""A venue's WebSocket server that follows a script, and the live feed that reads it."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.venues import Product
from cryptopulse.errors import CryptoPulseError, FeedDownError
from cryptopulse.feeds.live_feed import Unreadable

NOON = 1_795_348_800_000

type Script = Callable[[ServerConnection], Awaitable[None]]


class FakeReader:
    """Reads `{"s": symbol, "id": …, "t": ms after noon}`; other keys do what they say."""

    def __init__(self, products: Sequence[Product], gathering: Gathering) -> None:
        self.time = 0
        self.is_live = False
        self.is_ending = False
        self.frames: Counter[str] = Counter()
        self.unreadable: list[Unreadable] = []
        self.refused: set[str] = set()
        self.outbox = [f"subscribe {' '.join(product.native for product in products)}"]
        self.gathering = gathering

    def read(self, frames: Sequence[str | bytes], received: int) -> None:
        for frame in frames:
            self._read(frame, received)

    def _read(self, frame: str | bytes, received: int) -> None:
        told = json.loads(frame)
        if "bad" in told:
            self.unreadable.append(
                Unreadable(bytes(frame, "utf8") if isinstance(frame, str) else frame, received, "bad")
            )
        if "refuse" in told:
            raise FeedDownError(told["refuse"])
        if "without" in told:
            self.refused.add(told["without"])
            self.outbox += ["again", "and again"]
        if "t" in told:
            self.time = max(self.time, NOON + told["t"])
        if "id" in told:
            self.gathering.trade(told["s"], 0, 0, told["id"], 100, 1, NOON + told["t"])
            self.is_live = True
        self.is_ending |= "end" in told


class FakeFeed:
    silence = 5.0
    lifetime = 3600.0
    most = 10

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self.asked: list[list[str]] = []
        self.last: dict[str, int] | CryptoPulseError = {}

    def address(self, products: Sequence[Product]) -> str:
        return f"{self.url}/{'+'.join(product.native for product in products)}"

    def reader(self, products: Sequence[Product], gathering: Gathering) -> FakeReader:
        return FakeReader(products, gathering)

    def last_ids(self, products: Sequence[Product]) -> dict[str, int]:
        self.asked.append([product.symbol for product in products])
        if isinstance(self.last, CryptoPulseError):
            raise self.last
        return self.last


class Exchange:
    """A WebSocket server that does with its n-th connection what the n-th script says, the last one for all others."""

    def __init__(self, *scripts: Script, status: int | None = None) -> None:
        self.scripts = scripts
        self.status = status
        self.connections: list[ServerConnection] = []
        self.asked = 0
        self.heard: list[str] = []
        self.ended: list[int] = []
        self.server: Server | None = None

    @property
    def feed(self) -> FakeFeed:
        assert self.server is not None
        port = self.server.sockets[0].getsockname()[1]
        return FakeFeed("coinbase", f"ws://127.0.0.1:{port}")

    async def serve(self, connection: ServerConnection) -> None:
        number = len(self.connections)
        self.connections.append(connection)
        self.heard.append(str(await connection.recv()))
        try:
            await self.scripts[min(number, len(self.scripts) - 1)](connection)
        except ConnectionClosed:
            pass
        finally:
            self.ended.append(number)

    def admit(self, connection: ServerConnection, request: object) -> Any:
        self.asked += 1
        return connection.respond(self.status, "no\n") if self.status else None

    async def __aenter__(self) -> "Exchange":
        self.server = await serve(self.serve, "127.0.0.1", 0, process_request=self.admit, close_timeout=0.2)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.server is not None
        self.server.close()
        await self.server.wait_closed()


def frame(id_: int, time: int | None = None, symbol: str = "BTC-USD") -> str:
    return json.dumps({"s": symbol, "id": id_, "t": id_ if time is None else time})


def tells(*frames: str) -> Script:
    """Sends these, and stays."""

    async def script(connection: ServerConnection) -> None:
        for each in frames:
            await connection.send(each)
        await connection.wait_closed()

    return script


def leaves(*frames: str) -> Script:
    """Sends these, and drops the connection."""

    async def script(connection: ServerConnection) -> None:
        for each in frames:
            await connection.send(each)
        connection.transport.close()

    return script


async def until(holds: Callable[[], object]) -> None:
    while not holds():  # noqa: ASYNC110 (of what is looked at, nobody tells)
        await asyncio.sleep(0.002)
