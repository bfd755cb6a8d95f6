"""Frames to WebSocket clients, through API Gateway's `@connections`."""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Final, NamedTuple
from urllib.parse import quote

from cryptopulse.aws.client import Endpoint
from cryptopulse.errors import GoneError, ServiceError, ThrottledError

THREADS: Final = 16
"""Posts in the air at once, each over a kept connection of its own."""
ATTEMPTS: Final = 4


class Delivery(NamedTuple):
    """What became of the frames for one connection: how many were taken, and whether it is gone."""

    taken: int
    gone: bool = False


class Sockets:
    """Speaks to the clients of one WebSocket API.

    Args:
        endpoint: Where its `@connections` is.
        sleep: Waits between attempts.
    """

    def __init__(self, endpoint: Endpoint, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._endpoint = endpoint
        self._sleep = sleep

    def post(self, connection: str, frame: bytes) -> None:
        """Sends one frame, once.

        Raises:
            GoneError: The client has left.
            ThrottledError: Not taken, or no answer came: it may be sent again.
            ServiceError: Refused for good.
        """
        self._request("POST", connection, frame)

    def send(self, connection: str, frame: bytes) -> None:
        """Sends one frame, again with full jitter where it is not taken.

        Raises:
            GoneError, ThrottledError, ServiceError: As `post`, after the last attempt.
        """
        for attempt in range(ATTEMPTS):
            try:
                self.post(connection, frame)
            except ThrottledError:
                if attempt == ATTEMPTS - 1:
                    raise
                self._sleep(random.uniform(0, min(2.0, 0.1 * 2**attempt)))
            else:
                return

    def deliver(self, frames: Iterable[tuple[str, list[bytes]]], seconds: float) -> list[Delivery]:
        """Sends each connection its frames: in order, and none after one that was not taken.

        Connections are served at the same time, as many as there are threads.

        Args:
            frames: Connection ids, each once, and their frames.
            seconds: No frame is begun after so long.

        Raises:
            ServiceError: A frame was refused for good.
        """
        end = time.monotonic() + seconds
        frames = list(frames)
        if len(frames) == 1:
            return [self._deliver(*frames[0], end)]
        return list(self._threads.map(lambda each: self._deliver(each[0], each[1], end), frames))

    def close(self, connection: str) -> None:
        """Ends a connection, if it is still there.

        Raises:
            ThrottledError, ServiceError: As `post`.
        """
        try:
            self._request("DELETE", connection, b"")
        except GoneError:
            return

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS)

    def _deliver(self, connection: str, frames: list[bytes], end: float) -> Delivery:
        for taken, frame in enumerate(frames):
            if time.monotonic() > end:
                return Delivery(taken)
            try:
                self.post(connection, frame)
            except GoneError:
                return Delivery(taken, gone=True)
            except ThrottledError:
                return Delivery(taken)
        return Delivery(len(frames))

    def _request(self, method: str, connection: str, body: bytes) -> None:
        path = f"/@connections/{quote(connection, safe='')}"
        try:
            status, answer = self._endpoint.request(method, path, {"content-type": "application/json"}, body)
        except OSError as failure:
            raise ThrottledError("NoAnswer", f"{connection}: {failure!r}") from failure
        message = f"{method} {connection}: {answer[:200]!r}"
        if status == 410:
            raise GoneError("GoneException", message)
        if status == 429 or status >= 500:
            raise ThrottledError(str(status), message)
        if status >= 300:
            raise ServiceError(str(status), message)
