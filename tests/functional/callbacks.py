"""API Gateway's `@connections` on loopback: keeps what was sent to each client and answers as told."""

import json
import socket
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from cryptopulse.aws.sockets import Sockets

HANG, CUT, HALF, NOISE, UPGRADE, HINT = 0, -1, -2, -3, -4, -5
"""In place of a status: no answer; the line cut instead of one, or after one of these."""
BROKEN = {
    CUT: b"",
    HALF: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{",
    NOISE: b"SSH-2.0-OpenSSH_9.9\r\n",
    UPGRADE: b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    HINT: b"HTTP/1.1 103 Early Hints\r\n\r\n",
}


class Callbacks:
    """The clients' side."""

    def __init__(self) -> None:
        self.url = ""
        self.port = 0
        self.sent: dict[str, list[Any]] = defaultdict(list)
        """Frames that arrived, by connection."""
        self.closed: list[str] = []
        self.answers: dict[str, list[int]] = defaultdict(list)
        """Statuses to answer each connection's next posts with; 200 where there is none left."""
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of each request."""
        self.message = "as told"
        """What answers say."""
        self.lines = 0
        """How many were opened."""
        self.is_chunked = self.is_closing = self.is_telling = False
        """Whether answers come in chunks; whether each is its line's last, and says so."""
        self.on_post: Callable[[], None] = lambda: None
        self.over = threading.Event()

    def frames(self, connection: str) -> list[Any]:
        """Takes what has arrived for a connection."""
        return self.sent.pop(connection, [])

    def answer(self, method: str, connection: str, body: bytes) -> int:
        """The status of one request."""
        status = self.answers[connection].pop(0) if self.answers[connection] else 200
        if status == 200 and method == "DELETE":
            self.closed.append(connection)
            return 204
        if status == 200:
            self.on_post()
            self.sent[connection].append(json.loads(body))
        return status


@contextmanager
def served(tls: ssl.SSLContext | None = None) -> Iterator[Callbacks]:
    """A server for one test."""
    callbacks = Callbacks()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            callbacks.seen.append((self.command, self.path, headers))
            stage, _, connection = self.path.removeprefix("/").partition("/@connections/")
            status = callbacks.answer(self.command, unquote(connection), body) if stage == "ws" else 404
            if status <= 0:
                self.close_connection = True
                if status == HANG:
                    callbacks.over.wait(10)
                else:
                    self.wfile.write(BROKEN[status])
                return
            text = json.dumps({"message": callbacks.message}).encode() if status != 204 else b""
            self.send_response(status)
            if callbacks.is_telling:
                self.send_header("connection", "close")
            if callbacks.is_chunked:
                self.send_header("transfer-encoding", "chunked")
                text = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text)
            else:
                self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = callbacks.is_closing

        do_POST = do_DELETE = respond  # noqa: N815 (http.server's names)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def get_request(self) -> tuple[socket.socket, Any]:
            callbacks.lines += 1
            return super().get_request()

        def finish_request(self, request: Any, client_address: Any) -> None:
            if tls is None:
                super().finish_request(request, client_address)
                return
            with suppress(OSError), tls.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    callbacks.port = server.server_port
    callbacks.url = f"http://127.0.0.1:{callbacks.port}/ws"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield callbacks
    callbacks.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def hang_up(sockets: Sockets) -> None:
    """Closes the lines that a client of ours keeps."""
    sockets._endpoint.close()
    if lines := vars(sockets).pop("_lines", None):
        for line in [*lines._opening, *lines._busy, *lines._idle]:
            lines._lose(line)
        lines._selector.close()
