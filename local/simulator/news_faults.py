"""What goes wrong between a newsroom and its reader, whatever is sent."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from local.simulator.exchange import held
from local.simulator.faults import Fault, Faults

OVERSIZED = 50
"""Megabytes, unpacked, that the faults `oversized` and `gzip_bomb` send."""

_PIECES = 16


async def disturbed(fault: Fault, faults: Faults, request: Request, sound: Response, hold_seconds: float) -> Response:
    """What arrives instead of a sound answer; the answer itself for a fault of its content."""
    kind = {"content-type": sound.headers["content-type"]}
    body = bytes(sound.body)
    match fault.kind:
        case "rate_limited":
            retry = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return Response("Too many requests", 429, retry)
        case "restricted":
            return Response("Unavailable for legal reasons", 451)
        case "server_error":
            status = faults.choice((500, 502, 503))
            return Response(f"<html><body><h1>{status}</h1></body></html>", status, media_type="text/html")
        case "timeout":
            await held(request, hold_seconds)
            return Response("Gateway timeout", 504)
        case "slow":
            return StreamingResponse(_dripping(body, hold_seconds), headers=kind)
        case "redirect_loop":
            return RedirectResponse(request.url.path, 302)
        case "truncated":
            return Response(body[: len(body) // 2], headers=kind)
        case "oversized":
            return StreamingResponse(_swollen(body), headers=kind)
        case "gzip_bomb":
            return StreamingResponse(_packed(_swollen(body)), headers=kind | {"content-encoding": "gzip"})
        case _:
            return sound


async def _dripping(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    """The body a little at a time, never so slow that a limit between two pieces would notice."""
    size = len(body) // _PIECES + 1
    for at in range(0, len(body), size):
        await asyncio.sleep(seconds / _PIECES)
        yield body[at : at + size]


def _swollen(body: bytes) -> Iterator[bytes]:
    """The body with blanks before its last tag or bracket: as good as before, if anyone reads so far."""
    end = max(body.rfind(b"<"), body.rfind(b"}"))
    yield body[:end]
    blanks = b" " * 1_000_000
    for _ in range(OVERSIZED):
        yield blanks
    yield body[end:]


def _packed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()
