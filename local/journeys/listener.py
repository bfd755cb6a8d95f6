"""A WebSocket client that holds what it hears against what the contract promises of every frame."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from websockets.sync.client import ClientConnection, connect

from local.journeys.answers import WrongError, expect

OPEN_S = 30
FRAME_S = 20
"""An answer, and what follows something done, take some seconds on a busy machine."""


class Listener:
    """One connection.

    Args:
        socket: It, of which nothing has been heard yet.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._seq = 0

    def send(self, text: str) -> None:
        """Sends what need not be a frame."""
        self._socket.send(text)

    def say(self, action: str, **named: object) -> dict[str, Any]:
        """The answer to a frame; what the server says of its own accord meanwhile is passed over.

        Raises:
            WrongError: None comes.
        """
        asked = token_hex(4)
        self.send(json.dumps({"action": action, "id": asked} | named))
        deadline = time.monotonic() + FRAME_S
        while (frame := self._next(deadline, f"answer to {action}")).get("id") != asked:
            pass
        return frame

    def hear(self, kind: str, seconds: float = FRAME_S) -> dict[str, Any]:
        """The next frame of a kind; others are passed over.

        Raises:
            ConnectionClosed: The server has closed.
            WrongError: None comes in this time.
        """
        deadline = time.monotonic() + seconds
        while (frame := self._next(deadline, kind))["type"] != kind:
            pass
        return frame

    def _next(self, deadline: float, awaited: str) -> dict[str, Any]:
        try:
            frame: dict[str, Any] = json.loads(self._socket.recv(timeout=max(0, deadline - time.monotonic())))
        except TimeoutError:
            raise WrongError(f"WebSocket: no {awaited}") from None
        if "seq" in frame:  # counts all frames that nobody asked for; the same again is a repeat
            expect("seq", frame["seq"] in (self._seq, self._seq + 1), (self._seq, frame))
            self._seq = frame["seq"]
        return frame


@contextmanager
def listening(url: str) -> Iterator[Listener]:
    """A client of a URL, with a ticket or without, until the end.

    Raises:
        InvalidStatus: It is not let in.
    """
    with connect(url, proxy=None, open_timeout=OPEN_S) as socket:
        yield Listener(socket)
