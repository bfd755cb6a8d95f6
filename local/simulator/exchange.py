"""What both venues share: a request's way through limits and faults to its answer, and the text of decimals."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.simulator.candles import Candles, fold
from local.simulator.faults import Clock, Fault, Faults
from local.simulator.markets import DAY_MS, Venue
from local.simulator.series import MINUTE_MS, Series

ANY_PATH = "/{path:path}"
_ALL_TIME = 1 << 62


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """An answer other than 200: text as it is, anything else as JSON."""

    def __init__(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status, self.body, self.headers = status, body, headers or {}


class Rows(list[str]):
    """Candles as JSON texts, one a row: what the fault `missing_rows` thins out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path answers: rows, or anything that encodes to JSON."""

    body: object
    headers: dict[str, str] = field(default_factory=dict)


class Exchange(ABC):
    """One venue: its series, its time, its faults, and its own way to refuse."""

    venue: Venue

    def __init__(self, series: Iterable[Series], clock: Clock, faults: Faults, hold_seconds: float) -> None:
        self.series = {one.listing.symbol: one for one in series if one.listing.venue == self.venue}
        self.clock, self.faults = clock, faults
        self._hold_seconds = hold_seconds

    @abstractmethod
    def routes(self) -> list[Route]:
        """The venue's paths."""

    @abstractmethod
    def admit(self, request: Request, weight: int) -> dict[str, str]:
        """Count a request; returns the headers that tell the client what it has used.

        Raises:
            Refusal: the request is one too many, or lacks what the venue asks of all.
        """

    @abstractmethod
    def refusal(self, fault: Fault) -> Refusal:
        """The venue's words for a fault that refuses."""

    def route(
        self, path: str, handler: Callable[[Request], Answer], weight: Callable[[Request], int] | int = 1
    ) -> Route:
        """A path answered by the handler, behind the venue's limits and the faults in force."""

        async def endpoint(request: Request) -> Response:
            used: dict[str, str] = {}
            try:
                used = self.admit(request, weight if isinstance(weight, int) else weight(request))
                fault = self.faults.drawn(self.venue)
                if fault is not None:
                    await self._strike(fault, request)
                answer = handler(request)
            except Refusal as refusal:
                text = refusal.body if isinstance(refusal.body, str) else msgspec.json.encode(refusal.body)
                kind = "text/html" if isinstance(refusal.body, str) else "application/json"
                return Response(text, refusal.status, headers=used | refusal.headers, media_type=kind)
            body = self._encoded(answer.body, fault)
            return Response(body, headers=used | answer.headers, media_type="application/json")

        return Route(path, endpoint, methods=["GET"])

    async def _strike(self, fault: Fault, request: Request) -> None:
        named = {"symbol", "symbols", "product_id"} & (request.query_params.keys() | request.path_params.keys())
        if fault.kind == "timeout":
            await held(request, self._hold_seconds)
        if fault.kind not in ("truncated", "missing_rows") and (fault.kind != "unknown_product" or named):
            raise self.refusal(fault)

    def _encoded(self, body: object, fault: Fault | None) -> bytes:
        if isinstance(body, Rows):
            rows = self.faults.thinned(body) if fault is not None and fault.kind == "missing_rows" else body
            encoded = f"[{','.join(rows)}]".encode()
        else:
            encoded = msgspec.json.encode(body)
        return encoded[: len(encoded) // 2] if fault is not None and fault.kind == "truncated" else encoded


async def held(request: Request, seconds: float) -> None:
    """Wait until the client leaves, the server stops, or so many seconds have passed."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    try:
        async with asyncio.timeout(seconds):
            await left()
    except (TimeoutError, asyncio.CancelledError):  # a server that stops cancels: answer at once
        return


def last_day(series: Series, now: int) -> Candles | None:
    """The last 1,440 minutes, the open one included, as one candle; None where there are none."""
    minute = now // 1000 // MINUTE_MS * MINUTE_MS
    rows = series.rows(MINUTE_MS, minute + MINUTE_MS - DAY_MS, minute + MINUTE_MS, now)
    return fold(rows, _ALL_TIME) if len(rows.time) else None


def taker_sold(trade_id: int) -> bool:
    """Which side took: as good as a coin, and always the same for a trade."""
    return bool(trade_id * 2_654_435_761 >> 12 & 1)


def fixed(units: int, digits: int, places: int) -> str:
    """The decimal units · 10^-digits with this many places, which are at least `digits`."""
    scale = 10**places
    whole, rest = divmod(units * 10 ** (places - digits), scale)
    return f"{whole}.{rest:0{places}d}" if places else str(whole)


def plain(units: int, digits: int) -> str:
    """The decimal units · 10^-digits without trailing zeros."""
    text = fixed(units, digits, digits)
    return text.rstrip("0").rstrip(".") if digits else text
