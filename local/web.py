"""The dashboard on one origin, as CloudFront serves it on AWS: its files, the HTTP API at /api, the WebSocket at /ws.

`python -m local.web --port N --http URL --websocket URL`: it listens on loopback, and these two are all it forwards to.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import unquote_to_bytes

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from local import template
from local.dashboard import DIST, PAGE, cache_control, is_page

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOP_BY_HOP = {
    b"connection", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
}  # fmt: skip
"""Of one connection, not of the request or the answer."""
HANDSHAKE = {b"host", b"user-agent"}
"""What the WebSocket to the API has of its own, with all that begins with sec-websocket-."""
UPSTREAM_S = 60.0
KEPT_OPEN_S = 2
"""Shorter than the emulator keeps a connection that is not used: no request may meet its end."""

NORMAL, NONE, LOST = 1000, 1005, 1014
"""Close codes: 1005 stands for none, 1014 is a gateway's who lost the other side."""

type Headers = list[tuple[bytes, bytes]]


def make_app(http: str, websocket: str, dist: Path = DIST) -> Starlette:
    """The application.

    Args:
        http: The HTTP API's base.
        websocket: The WebSocket API.
        dist: The built dashboard.
    """
    # A transport, not a client: a client would keep the cookies of one browser for the next.
    upstream = httpx.AsyncHTTPTransport(limits=httpx.Limits(keepalive_expiry=KEPT_OPEN_S))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with upstream:
            yield

    async def api(request: Request) -> Response:
        return await _forward(upstream, http, request)

    async def socket(browser: WebSocket) -> None:
        await _join(browser, websocket)

    return Starlette(
        routes=[
            Route("/api/{path:path}", api, methods=METHODS),
            WebSocketRoute("/ws", socket),
            Mount("/", GZipMiddleware(_Files(dist, security_headers()), compresslevel=6)),
        ],
        # Else a name that resolves to 127.0.0.1 would make anybody's page one of this origin.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        lifespan=lifespan,
    )


def security_headers() -> dict[str, str]:
    """What CloudFront adds to the dashboard's files, as template.yaml has it."""
    (policy,) = template.resources("AWS::CloudFront::ResponseHeadersPolicy").values()
    config = policy["ResponseHeadersPolicyConfig"]
    security, more = config["SecurityHeadersConfig"], config["CustomHeadersConfig"]["Items"]
    return {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "Strict-Transport-Security": f"max-age={security['StrictTransportSecurity']['AccessControlMaxAgeSec']}",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": security["FrameOptions"]["FrameOption"],
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
    } | {item["Header"]: item["Value"] for item in more}


class _Files(StaticFiles):
    """The built files, and index.html for all pages."""

    def __init__(self, dist: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=dist, check_dir=False)
        self._headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
        path = PAGE if path == "." or is_page(path) else path
        try:
            if Path(path).name.startswith("."):
                raise HTTPException(404)
            response = await super().get_response(path, scope)
            response.headers["Cache-Control"] = cache_control(path)
        except HTTPException as error:
            response = Response(status_code=error.status_code, headers={"Cache-Control": "no-store"})
        response.headers.update(self._headers)
        return response


async def _forward(upstream: httpx.AsyncHTTPTransport, base: str, request: Request) -> Response:
    path: bytes = request.scope["raw_path"].removeprefix(b"/api")
    # What does not begin with a slash would be part of the upstream's host.
    if not path.startswith(b"/") or b".." in unquote_to_bytes(path).split(b"/"):
        return Response(status_code=400)
    sent = httpx.Request(
        request.method,
        httpx.URL(base + path.decode("ascii"), query=request.scope["query_string"] or None),
        headers=_end_to_end(request.headers.raw, {b"host", b"content-length"}),
        content=await request.body() or None,
        extensions={"timeout": httpx.Timeout(UPSTREAM_S).as_dict()},
    )
    try:
        got = await upstream.handle_async_request(sent)
        body = b"".join([part async for part in got.aiter_raw()])  # as it came: packed stays packed
    except httpx.TransportError:
        return _bad_gateway()
    response = Response(body, got.status_code)
    response.raw_headers = _end_to_end(got.headers.raw, {b"date", b"server"})
    return response


def _end_to_end(headers: Iterable[tuple[bytes, bytes]], but: set[bytes]) -> Headers:
    """The headers that are passed on, their names in lower case."""
    found = [(name.lower(), value) for name, value in headers]
    named = {word.strip().lower() for name, value in found if name == b"connection" for word in value.split(b",")}
    return [(name, value) for name, value in found if name not in HOP_BY_HOP | named | but]


def _bad_gateway() -> Response:
    problem = {"title": "Bad Gateway", "status": 502, "detail": "The local cloud does not answer; is it still up?"}
    return JSONResponse(problem, 502, {"Cache-Control": "no-store"}, "application/problem+json")


async def _join(browser: WebSocket, url: str) -> None:
    """Joins a browser to the WebSocket API until either goes; a handshake refused there is refused here."""
    query = browser.scope["query_string"].decode("ascii")
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in _end_to_end(browser.headers.raw, HANDSHAKE)
        if not name.startswith(b"sec-websocket-")
    ]
    try:
        api = await connect(
            f"{url}?{query}" if query else url,
            additional_headers=headers,
            user_agent_header=browser.headers.get("user-agent"),
            compression=None,  # on one machine it would cost more than it saves
            ping_interval=None,  # the browser's end is looked after by the server
            proxy=None,
            max_size=None,
        )
    except InvalidStatus as refusal:
        answer = Response(bytes(refusal.response.body or b""), refusal.response.status_code)
        raw = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in refusal.response.headers.raw_items()
        ]
        answer.raw_headers = _end_to_end(raw, {b"date", b"server"})
        await browser.send_denial_response(answer)
    except (OSError, InvalidHandshake):
        await browser.send_denial_response(_bad_gateway())
    else:
        async with api:
            await browser.accept()
            said = asyncio.create_task(_to_api(browser, api))
            await _to_browser(api, browser)
            said.cancel()


async def _to_api(browser: WebSocket, api: ClientConnection) -> None:
    """Passes on what the browser says; when it goes, `api` is closed as it closed, which ends the other direction."""
    with suppress(ConnectionClosed):
        while (said := await browser.receive())["type"] == "websocket.receive":
            await api.send(said["text"] if said.get("text") is not None else said["bytes"])
        await api.close(_sendable(said["code"]), said.get("reason") or "")


async def _to_browser(api: ClientConnection, browser: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        with suppress(ConnectionClosed):
            async for frame in api:
                await (browser.send_text(frame) if isinstance(frame, str) else browser.send_bytes(frame))
        if browser.client_state is WebSocketState.CONNECTED:
            end = api.protocol.close_rcvd
            await browser.close(_sendable(end.code) if end else LOST, end.reason if end else None)


def _sendable(code: int) -> int:
    """The code as it may stand in a frame: 1005 and 1006 only tell that there was none."""
    return NORMAL if code in (NONE, 1006) else code


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m local.web", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--http", required=True, help="the HTTP API's base")
    parser.add_argument("--websocket", required=True, help="the WebSocket API")
    parser.add_argument("--dist", type=Path, default=DIST, help="the built dashboard")
    arguments = parser.parse_args()
    uvicorn.run(
        make_app(arguments.http, arguments.websocket, arguments.dist),
        host="127.0.0.1",
        port=arguments.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
    )


if __name__ == "__main__":
    main()
