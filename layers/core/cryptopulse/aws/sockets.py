"""Frames to WebSocket clients, through API Gateway's `@connections`."""

import os
import random
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import cached_property
from itertools import islice
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Final, NamedTuple
from urllib.parse import quote

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from cryptopulse.aws.client import Endpoint, tls
from cryptopulse.aws.sigv4 import PostSigner
from cryptopulse.errors import GoneError, ServiceError, ThrottledError

LINES: Final = 128
"""Posts in the air at once, each over a kept connection of its own."""
ATTEMPTS: Final = 4
CLOSE: Final = b""
"""In place of a frame: the connection's end."""

READ: Final = 16_384
"""Bytes of an answer read at once: a whole TLS record, so that none of it is left where a selector does not look."""

type _Work = Generator[int]
"""Yields the events of a line that it waits for."""


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

    def deliver(self, frames: Iterable[tuple[str, Sequence[bytes]]], seconds: float) -> list[Delivery]:
        """Sends each connection its frames: in order, and none after one that was not taken.

        Connections are served at the same time, `LINES` of them; one that does not answer keeps no other waiting.

        Args:
            frames: Connection ids, each once, and their frames, of which the last may be `CLOSE`.
            seconds: No frame is begun after so long; what is in the air then has the endpoint's timeout left at most.

        Raises:
            ServiceError: A frame was refused for good: nothing was begun after that.
        """
        posts = [_Post(connection, all_) for connection, all_ in frames]
        self._lines.deliver(posts, time.monotonic() + seconds)
        return [Delivery(post.taken, post.is_gone) for post in posts]

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
    def _lines(self) -> "_Lines":
        return _Lines(self._endpoint)

    def _request(self, method: str, connection: str, body: bytes) -> None:
        path = f"/@connections/{quote(connection, safe='')}"
        try:
            status, answer = self._endpoint.request(method, path, {"content-type": "application/json"}, body)
        except OSError as failure:
            raise ThrottledError("NoAnswer", f"{connection}: {failure!r}") from failure
        if refusal := _refusal(status, f"{method} {connection}", answer):
            raise refusal


def _refusal(status: int, request: str, answer: bytes) -> ServiceError | None:
    message = f"{request}: {answer[:200]!r}"
    if status == 410:
        return GoneError("GoneException", message)
    if status == 429 or status >= 500:
        return ThrottledError(str(status), message)
    return ServiceError(str(status), message) if status >= 300 else None


def _method(frame: bytes) -> str:
    return "POST" if frame else "DELETE"


class _Post:
    """The frames for one connection, which go one after another, and what became of them."""

    __slots__ = ("connection", "frames", "is_again", "is_gone", "taken")

    def __init__(self, connection: str, frames: Sequence[bytes]) -> None:
        self.connection = connection
        self.frames = frames
        self.taken = 0
        self.is_gone = False
        self.is_again = False
        """Whether the next is sent a second time, as a line had gone stale."""


class _Line:
    """One connection to the host, whose socket never blocks; at most one post is in the air on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)
        self.file = self.socket.fileno()
        self.events = EVENT_WRITE
        """What its work waits for."""
        self.work: _Work
        self.post: _Post | None = None
        self.is_open = self.is_kept = False
        """Whether it can be posted over, and whether it was before."""
        self.is_silent = self.is_answered = False
        """Whether nothing of the answer has come, and whether all of it has."""
        self.status = 0
        self.answer = b""
        self._parser = HttpResponseParser(self)

    def open(self, tls: ssl.SSLContext | None, name: str) -> _Work:
        """Ends the handshakes that have begun."""
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=name, do_handshake_on_connect=False)
            yield from _patiently(EVENT_READ, self.socket.do_handshake)
        self.is_open = True

    def exchange(self, request: bytes) -> _Work:
        """Sends a request and reads the answer."""
        self.is_silent, self.is_answered, self.answer = True, False, b""
        while request:
            sent = yield from _patiently(EVENT_WRITE, self.socket.send, request)
            request = request[sent:]
        while not self.is_answered:
            yield EVENT_READ
            self._take((yield from _patiently(EVENT_READ, self.socket.recv, READ)))

    def rest(self) -> _Work:
        """Waits until the other side hangs up, which is an error, as is anything that it says."""
        yield EVENT_READ
        self._take((yield from _patiently(EVENT_READ, self.socket.recv, READ)))
        raise ConnectionAbortedError("spoke out of turn")

    def on_body(self, part: bytes) -> None:
        self.answer = self.answer or part

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.is_answered = self.status >= 200  # else there is another to come
        self.is_kept = self._parser.should_keep_alive()

    def _take(self, data: bytes) -> None:
        if not data:
            raise ConnectionResetError("hung up")
        self.is_silent = False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            raise ConnectionAbortedError(f"no HTTP answer: {error}") from error


def _patiently[T](event: int, call: Callable[..., T], *arguments: object) -> Generator[int, None, T]:
    """Calls until it need not wait: for the event, or what TLS says."""
    while True:
        try:
            return call(*arguments)
        except ssl.SSLWantReadError:
            yield EVENT_READ
        except ssl.SSLWantWriteError:
            yield EVENT_WRITE
        except BlockingIOError:
            yield event


class _Lines:
    """The lines to one host: opened as they are needed, and kept between deliveries. For one thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        account, path = endpoint.account, f"{endpoint.prefix}/@connections/"
        self._signer = PostSigner(endpoint.host, path, "execute-api", account.region, account.credentials)
        self._name, self._port = endpoint.address
        self._tls = tls() if endpoint.is_secure else None
        self._timeout = endpoint.timeout
        self._selector = DefaultSelector()
        self._opening: dict[_Line, float] = {}
        """Since when (monotonic seconds), as for those with a post in the air; oldest first."""
        self._busy: dict[_Line, float] = {}
        self._idle: dict[_Line, None] = {}
        self._addresses: list[tuple[str, int]] | None = None
        self._waiting: deque[_Post] = deque()
        self._again: deque[_Post] = deque()
        """Those that wait for a new line."""
        self._end = 0.0
        self._fault: ServiceError | None = None

    def deliver(self, posts: list[_Post], end: float) -> None:
        """Sends what can be begun before the end (monotonic seconds), and notes on the posts what became of them."""
        for key, _ in self._selector.select(0):  # who has hung up meanwhile
            self._step(key.data)
        self._waiting, self._end, self._fault, self._addresses = deque(posts), end, None, None
        for line in list(self._idle)[: len(posts)]:
            del self._idle[line]
            line.work = self._work(line)
            self._step(line)
        for _ in range(LINES - len(self._busy) - len(self._opening) - len(self._idle)):
            self._open()
        while self._busy or (self._opening and self._is_wanted()):
            oldest = min(since for lines in (self._busy, self._opening) for since in islice(lines.values(), 1))
            for key, _ in self._selector.select(max(0, oldest + self._timeout - time.monotonic())):
                self._step(key.data)
            if oldest <= (late := time.monotonic() - self._timeout):
                for line in [line for line, since in (self._busy | self._opening).items() if since <= late]:
                    self._lose(line, is_late=True)
        self._waiting.clear()
        self._again.clear()
        if self._fault:
            raise self._fault

    def _is_wanted(self) -> bool:
        """Whether there is a post to begin."""
        return bool(self._waiting or self._again) and not self._fault and time.monotonic() < self._end

    def _open(self) -> None:
        """Opens a line if there is a post for it; where a name is not known nothing is, for this delivery."""
        if not self._is_wanted() or len(self._opening) >= len(self._waiting) + len(self._again):
            return
        try:
            if self._addresses is None:
                self._addresses = []
                found = socket.getaddrinfo(self._name, self._port, socket.AF_INET, socket.SOCK_STREAM)
                self._addresses = [(str(address[0]), self._port) for *_, address in found]
            if not self._addresses:
                return
            line = _Line(random.choice(self._addresses))
        except OSError:
            return
        line.work = self._work(line)
        self._selector.register(line.file, line.events, line)
        self._opening[line] = time.monotonic()

    def _work(self, line: _Line) -> _Work:
        """Posts over a line for as long as there is something to post."""
        if not line.is_open:
            yield from line.open(self._tls, self._name)
            del self._opening[line]
        while post := self._begin(line):
            frame = post.frames[post.taken]
            request = self._signer.request(post.connection, frame, int(time.time()), _method(frame))
            yield from line.exchange(request)
            self._settle(line, post)
            if not line.is_kept:
                raise ConnectionResetError("the last answer over this line")
        self._idle[line] = None
        yield from line.rest()

    def _begin(self, line: _Line) -> _Post | None:
        """What to post over a line now: the connection's next frame, or another's first."""
        if line.post is None and (queue := self._waiting if line.is_kept or not self._again else self._again):
            line.post = queue.popleft()
        now = time.monotonic()
        if self._fault or now >= self._end:
            line.post = None
        self._busy.pop(line, None)
        if line.post:
            self._busy[line] = now
        return line.post

    def _settle(self, line: _Line, post: _Post) -> None:
        """Notes an answer."""
        if line.status < 300:
            post.taken += 1
            post.is_again = False
            if post.taken < len(post.frames):
                return
        else:
            request = f"{_method(post.frames[post.taken])} {post.connection}"
            refusal = _refusal(line.status, request, line.answer)
            post.is_gone = isinstance(refusal, GoneError)
            if not isinstance(refusal, GoneError | ThrottledError):
                self._fault = self._fault or refusal
        line.post = None

    def _step(self, line: _Line) -> None:
        try:
            events = next(line.work)
        except OSError:
            self._lose(line)
            return
        if events != line.events:
            line.events = events
            self._selector.modify(line.file, events, line)

    def _lose(self, line: _Line, *, is_late: bool = False) -> None:
        """Closes a line, and opens another in its place if it had been of use.

        What went unanswered over a line that was kept is sent again, once: it had most likely gone stale.
        """
        for lines in (self._opening, self._busy, self._idle):
            lines.pop(line, None)
        self._selector.unregister(line.file)
        line.socket.close()
        post = line.post
        if post and line.is_answered:
            self._waiting.appendleft(post)
        elif post and line.is_kept and line.is_silent and not is_late and not post.is_again:
            post.is_again = True
            self._again.append(post)
        if line.is_open:
            self._open()
