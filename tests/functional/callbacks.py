"""API Gateway's `@connections` on loopback: keeps what was sent to each client and answers as told."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from cryptopulse.aws.sockets import THREADS, Sockets

HANG = 0
"""In place of a status: no answer."""


class Callbacks:
    """The clients' side."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: dict[str, list[Any]] = defaultdict(list)
        """Frames that arrived, by connection."""
        self.closed: list[str] = []
        self.answers: dict[str, list[int]] = defaultdict(list)
        """Statuses to answer each connection's next posts with; 200 where there is none left."""
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of each request."""
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
def served() -> Iterator[Callbacks]:
    """A server for one test."""
    callbacks = Callbacks()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            callbacks.seen.append((self.command, self.path, headers))
            stage, _, connection = self.path.removeprefix("/").partition("/@connections/")
            status = callbacks.answer(self.command, unquote(connection), body) if stage == "ws" else 404
            if status == HANG:
                callbacks.over.wait(10)
                self.close_connection = True
                return
            text = json.dumps({"message": "as told"}).encode()
            self.send_response(status)
            self.send_header("content-length", str(0 if status == 204 else len(text)))
            self.end_headers()
            if status != 204:
                self.wfile.write(text)

        do_POST = do_DELETE = respond  # noqa: N815 (http.server's names)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    callbacks.url = f"http://127.0.0.1:{server.server_port}/ws"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield callbacks
    callbacks.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def hang_up(sockets: Sockets) -> None:
    """Closes the connections that a client of ours keeps, in each of its threads."""
    sockets._endpoint.close()
    if pool := vars(sockets).get("_threads"):
        together = threading.Barrier(THREADS)  # each thread takes one

        def close() -> None:
            sockets._endpoint.close()
            together.wait(5)

        for done in [pool.submit(close) for _ in range(together.parties)]:
            done.result()
        pool.shutdown()
