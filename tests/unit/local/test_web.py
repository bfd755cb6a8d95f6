"""The dashboard's origin on loopback: a system of nothing but stand-ins behind it."""

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from local.processes import free_ports
from local.web import make_app, security_headers

PACKED = gzip.compress(b'{"items":[]}')
SCRIPT = "console.log(1);" * 200


class Upstream:
    """The API's stand-in: it tells what it was asked, and is told what to answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer = Response(b"{}", media_type="application/json")
        self.closed = 0
        self.close_code: int | None = None

    def app(self) -> Starlette:
        methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        return Starlette(
            routes=[Route("/base/{path:path}", self._http, methods=methods), WebSocketRoute("/socket", self._socket)]
        )

    async def _http(self, request: Request) -> Response:
        path = request.scope["raw_path"] + b"?" * bool(request.url.query) + request.url.query.encode()
        self.asked.append((request.method, path.decode(), dict(request.headers), await request.body()))
        return self.answer

    async def _socket(self, browser: WebSocket) -> None:
        self.asked.append(("WS", str(browser.url.query), dict(browser.headers), b""))
        if browser.query_params.get("ticket") == "spent":
            refusal = Response(b"no", 401, {"WWW-Authenticate": "Bearer"})
            await browser.send_denial_response(refusal)
            return
        await browser.accept()
        try:
            while (said := await browser.receive_text()) != "bye":
                await browser.send_text(f"{said}!")
            await browser.send_bytes(b"\x00\x01")
            await browser.close(4001, "session_ended")
        except WebSocketDisconnect as end:
            self.close_code = end.code


@contextmanager
def serving(app: Starlette, port: int) -> Iterator[None]:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="websockets-sansio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    (folder / "assets").mkdir()
    (folder / "index.html").write_text("<title>CryptoPulse</title>")
    (folder / "assets" / "index-abc.js").write_text(SCRIPT)
    (folder / ".built-from").write_text("secret")
    (folder.parent / "outside.txt").write_text("outside")
    return folder


@pytest.fixture(scope="module")
def ports() -> int:
    return free_ports()


@pytest.fixture(scope="module")
def running(dist: Path, ports: int) -> Iterator[Upstream]:
    upstream = Upstream()
    web = make_app(f"http://127.0.0.1:{ports}/base", f"ws://127.0.0.1:{ports}/socket", dist)
    with ExitStack() as stack:
        stack.enter_context(serving(upstream.app(), ports))
        stack.enter_context(serving(web, ports + 1))
        yield upstream


@pytest.fixture
def upstream(running: Upstream) -> Upstream:
    running.asked.clear()
    running.answer = Response(b"{}", media_type="application/json")
    running.close_code = None
    return running


@pytest.fixture
def browser(running: Upstream, ports: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{ports + 1}", trust_env=False) as client:
        yield client


# --- the API ---


def test_a_request_goes_through_as_it_is_but_for_its_host(
    browser: httpx.Client, upstream: Upstream, ports: int
) -> None:
    headers = {
        "Origin": "http://127.0.0.1:4568", "Cookie": "refresh=r1", "Idempotency-Key": "k",
        "Connection": "x-hop", "X-Hop": "of this connection", "TE": "trailers",
    }  # fmt: skip
    browser.post("/api/a%20b/%C3%A9?q=1%2C2&q=3", content=b"\x00body", headers=headers)
    ((method, path, got, body),) = upstream.asked
    assert (method, path, body) == ("POST", "/base/a%20b/%C3%A9?q=1%2C2&q=3", b"\x00body")
    passed = {name: got.get(name) for name in ("origin", "cookie", "idempotency-key")}
    assert passed == {"origin": "http://127.0.0.1:4568", "cookie": "refresh=r1", "idempotency-key": "k"}
    assert got["host"] == f"127.0.0.1:{ports}"
    assert not {"x-hop", "te"} & set(got)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_goes_through(browser: httpx.Client, upstream: Upstream, method: str) -> None:
    assert browser.request(method, "/api/x").status_code == 200
    assert [asked[0] for asked in upstream.asked] == [method]


def test_an_answer_comes_back_as_it_is(browser: httpx.Client, upstream: Upstream) -> None:
    upstream.answer = Response(PACKED, 409, {"Content-Encoding": "gzip", "ETag": '"1"', "Connection": "close"})
    upstream.answer.headers.append("Set-Cookie", "one=1; HttpOnly")
    upstream.answer.headers.append("Set-Cookie", "two=2; HttpOnly")
    with browser.stream("GET", "/api/x") as got:
        body = b"".join(got.iter_raw())
    assert (got.status_code, body) == (409, PACKED)
    assert got.headers.get_list("set-cookie") == ["one=1; HttpOnly", "two=2; HttpOnly"]
    assert (got.headers["etag"], got.headers["content-encoding"]) == ('"1"', "gzip")
    assert got.headers["content-length"] == str(len(PACKED))


def test_nobodys_cookie_is_kept_for_the_next(ports: int, upstream: Upstream) -> None:
    upstream.answer = Response(b"", 204, {"Set-Cookie": "refresh=anns; Path=/"})
    for _ in range(2):
        httpx.post(f"http://127.0.0.1:{ports + 1}/api/auth/refresh", trust_env=False)
    assert [headers.get("cookie") for _, _, headers, _ in upstream.asked] == [None, None]


def test_the_answer_to_head_has_its_length_and_no_body(browser: httpx.Client, upstream: Upstream) -> None:
    upstream.answer = Response(b"0123456789")
    got = browser.head("/api/x")
    assert (got.headers["content-length"], got.content) == ("10", b"")


def test_no_other_host_is_asked(ports: int, dist: Path, upstream: Upstream) -> None:
    port = free_ports()
    web = make_app(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", dist)
    with serving(web, port + 1):
        answer = said(port + 1, f"/api%2f@127.0.0.1:{ports}/base/x")
    assert answer.startswith(b"HTTP/1.1 400")
    assert upstream.asked == []


@pytest.mark.parametrize("path", ["/api/../admin", "/api/%2e%2e/admin", "/api/x/%2E./%2e%2E/admin"])
def test_nothing_above_the_base_is_asked(ports: int, upstream: Upstream, path: str) -> None:
    assert said(ports + 1, path).startswith(b"HTTP/1.1 400")
    assert upstream.asked == []


def test_a_page_of_another_name_is_refused(browser: httpx.Client, upstream: Upstream, ports: int) -> None:
    for path in ("/", "/api/users/me"):
        assert browser.get(path, headers={"Host": "evil.example"}).status_code == 400
    there = socket.create_connection(("127.0.0.1", ports + 1))
    with pytest.raises(InvalidStatus) as refused, connect("ws://evil.example/ws", sock=there):
        pass
    assert refused.value.response.status_code == 400
    assert upstream.asked == []


def test_a_cloud_that_is_down_is_told(dist: Path) -> None:
    port = free_ports()
    web = make_app(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", dist)
    with serving(web, port + 1):
        got = httpx.get(f"http://127.0.0.1:{port + 1}/api/health", trust_env=False)
        assert (got.status_code, got.headers["content-type"]) == (502, "application/problem+json")
        assert (got.json()["status"], got.headers["cache-control"]) == (502, "no-store")
        with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{port + 1}/ws"):
            pass
        assert refused.value.response.status_code == 502
        assert httpx.get(f"http://127.0.0.1:{port + 1}/", trust_env=False).status_code == 200


# --- the WebSocket ---


def join(ports: int, query: str = "", origin: str | None = None) -> ClientConnection:
    given = None if origin is None else Origin(origin)
    return connect(f"ws://127.0.0.1:{ports + 1}/ws{query}", proxy=None, origin=given)


def test_frames_go_both_ways_and_so_does_the_end(ports: int, upstream: Upstream) -> None:
    with join(ports, "?ticket=t%2B1", origin="http://127.0.0.1:4568") as connection:
        connection.send("a")
        connection.send("b")
        assert [connection.recv(), connection.recv()] == ["a!", "b!"]
        connection.send("bye")
        assert connection.recv() == b"\x00\x01"
        with pytest.raises(ConnectionClosed) as end:
            connection.recv()
    assert end.value.rcvd is not None
    assert (end.value.rcvd.code, end.value.rcvd.reason) == (4001, "session_ended")
    ((_, query, headers, _),) = upstream.asked
    assert (query, headers["origin"]) == ("ticket=t%2B1", "http://127.0.0.1:4568")


def test_how_a_browser_leaves_is_passed_on(ports: int, upstream: Upstream) -> None:
    with join(ports) as connection:
        connection.send("a")
        assert connection.recv() == "a!"
        connection.close(4000, "enough")
    eventually(lambda: upstream.close_code == 4000)


def test_a_refused_handshake_is_refused(ports: int, upstream: Upstream) -> None:
    with pytest.raises(InvalidStatus) as refused, join(ports, "?ticket=spent"):
        pass
    answer = refused.value.response
    assert (answer.status_code, answer.body, answer.headers["www-authenticate"]) == (401, b"no", "Bearer")


# --- the files ---


@pytest.mark.parametrize(
    "path", ["/", "/portfolios", "/market/BTC-USD", "/portfolios/p1/gains?year=2026", "/index.html"]
)
def test_every_page_is_drawn_by_one_file_that_is_asked_for_again(browser: httpx.Client, path: str) -> None:
    got = browser.get(path)
    assert (got.status_code, got.text) == (200, "<title>CryptoPulse</title>")
    assert (got.headers["cache-control"], got.headers["content-type"]) == ("no-cache", "text/html; charset=utf-8")
    assert browser.get(path, headers={"If-None-Match": got.headers["etag"]}).status_code == 304


def test_a_script_is_kept_for_good_and_packed(browser: httpx.Client) -> None:
    got = browser.get("/assets/index-abc.js")
    assert (got.text, got.headers["content-encoding"]) == (SCRIPT, "gzip")
    assert got.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path",
    ["/assets/gone-1.js", "/.built-from", "/../outside.txt", "/%2e%2e/outside.txt", "/..%2foutside.txt", "/%00.js"],
)
def test_what_is_no_file_of_the_dashboard_is_not_found(ports: int, running: Upstream, path: str) -> None:
    answer = said(ports + 1, path)
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"cache-control: no-store" in answer
    assert b"outside" not in answer


@pytest.mark.parametrize("path", ["/", "/assets/index-abc.js", "/nowhere.js"])
def test_files_carry_the_security_headers_of_the_template(browser: httpx.Client, path: str) -> None:
    got = browser.get(path).headers
    wanted = security_headers()
    assert {name: got.get(name) for name in wanted} == wanted
    assert "script-src 'self'" in wanted["Content-Security-Policy"]
    assert not any("unsafe" in value for value in wanted.values())


def said(port: int, target: str) -> bytes:
    """The answer to a request's target as it is: clients would tidy it."""

    async def ask() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer

    return asyncio.run(ask())


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
