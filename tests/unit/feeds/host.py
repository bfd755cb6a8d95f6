"""Hosts on loopback that answer as a test tells them to."""

import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final

type Reply = bytes | Callable[[socket.socket], None]

NAME: Final = "hooks.example"
PUBLIC: Final = "93.184.215.14"
NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """An answer; underscores in names of headers stand for hyphens."""
    told = {"Content-Length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def here(*_: object) -> list[str]:
    """The address of every host."""
    return ["127.0.0.1"]


def trusting(certificate: Path) -> Callable[[], ssl.SSLContext]:
    """Trusts a certificate, and no other."""
    return lambda: ssl.create_default_context(cafile=certificate)


class Listener(ABC):
    """Takes connections one after another.

    Args:
        tls: Secures them.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        if not self._is_closed.is_set():
            self._is_closed.set()
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            self._thread.join(5)
            self._socket.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._is_closed.is_set():
                connection.close()
                return
            self.connections += 1
            connection.settimeout(5)
            with connection:
                try:
                    self._secure(connection)
                except OSError:  # the client has gone, as some are meant to
                    continue

    def _secure(self, connection: socket.socket) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            self.hear(connection)

    @abstractmethod
    def hear(self, connection: socket.socket) -> None:
        """Takes a request and answers it."""


class Host(Listener):
    """Answers requests, each by its target; remembers them.

    Args:
        tls: Secures its connections.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Reply] = {}
        self.requests: list[str] = []
        super().__init__(tls)
        self.url = f"http://127.0.0.1:{self.port}"

    def header(self, name: str, request: int = -1) -> str | None:
        """A header of a request, the last one by default."""
        lines = self.requests[request].split("\r\n")[1:]
        found = dict(line.split(": ", 1) for line in lines if line)
        return found.get(name)

    def hear(self, connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            data = connection.recv(65_536)
            if not data:
                return
            request += data
        self.requests.append(request.decode("latin-1"))
        answer = self.answers.get(request.split(b" ")[1].decode(), NOT_FOUND)
        if isinstance(answer, bytes):
            connection.sendall(answer)
        else:
            answer(connection)
