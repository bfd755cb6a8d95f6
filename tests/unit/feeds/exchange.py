"""An exchange that answers as a test tells it to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""

type Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def recorded(name: str) -> httpx.Response:
    """The answer in the file beside this one."""
    return httpx.Response(200, content=(Path(__file__).parent / f"{name}.json").read_bytes())


class Exchange:
    """Gives the answers of a path one after another, and the last one again and again; remembers the requests."""

    def __init__(self, answers: Mapping[str, Sequence[Answer]]) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = {path: list(some) for path, some in answers.items()}
        self.transport = httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self._answers[request.url.path]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer(request)


class Clock:
    """A clock that moves only by sleeping."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1000)


def at_once(venue: str, length: int, now: int) -> int:
    """A timeline nobody else uses."""
    return now
