"""Answers that were asked for lately are made anew before they end."""

from collections.abc import Callable, Iterator
from itertools import count

import boto3
import msgspec
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Struct

from cryptopulse import wiring
from cryptopulse.aws.asked import QUARTER, Note
from cryptopulse.aws.cache import Cache, cached
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.renderings import Rendering
from cryptopulse.errors import NotFoundError
from cryptopulse.telemetry import noted
from functions.warm_cache import app
from tests.conftest import read_event

NOW = 1_795_329_063_057

type Run = Callable[[int], dict[str, int]]


class Pair(Struct, frozen=True):
    symbol: str
    life: int = 2 * MINUTE
    """Milliseconds for which the answer is fresh."""


class Views:
    """Tells when it was asked."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.gone: set[str] = set()
        """Symbols that are not there any more."""
        self.made: list[tuple[str, int]] = []

    @cached(is_shared=lambda _: True)
    def price(self, asked: Pair, *, now: int) -> Rendering:
        if asked.symbol in self.gone:
            raise NotFoundError(asked.symbol)
        self.made.append((asked.symbol, now - NOW))
        until = now + asked.life
        return Rendering.of("text/plain", f"{now}".encode(), fresh_until=until, stays_until=until + MINUTE)

    def forget(self, arguments: bytes) -> None:
        """What no note may do."""
        self.made.append(("forgotten", 0))


@pytest.fixture
def views(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Views]:
    own = Views(wiring.answers())
    monkeypatch.setattr(app, "views", lambda: own)
    yield own
    noted()  # nobody was told


@pytest.fixture
def run(views: Views, context: LambdaContext, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs it at a time, in a process of its own."""

    def at(now: int) -> dict[str, int]:
        monkeypatch.setattr(wiring, "now", lambda: now)
        wiring.answers.cache_clear()
        views.cache = wiring.answers()
        views.made.clear()
        return app.handler(read_event("warm_cache"), context)

    return at


def test_what_was_asked_for_lately_is_made_before_it_ends(views: Views, run: Run) -> None:
    asked = Pair("BTC-USD"), Pair("ETH-USD", 10 * MINUTE)
    for each in asked:
        views.price(each, now=NOW)
    assert run(NOW + MINUTE - 1) == {"renewed": 0, "failed": 0}
    assert run(NOW + MINUTE) == {"renewed": 1, "failed": 0}
    assert views.made == [("BTC-USD", MINUTE)]
    wiring.answers.cache_clear()
    views.cache = wiring.answers()
    answers = [views.price(each, now=NOW + 2 * MINUTE).body for each in asked]  # nobody waits for them
    assert answers == [f"{NOW + MINUTE}".encode(), f"{NOW}".encode()]


def test_what_was_not_asked_for_since_is_left(run: Run, views: Views) -> None:
    views.price(Pair("BTC-USD"), now=NOW)
    assert [run(NOW + quarters * QUARTER)["renewed"] for quarters in (1, 2)] == [1, 0]


def test_one_that_fails_is_no_obstacle_and_only_answers_can_be_named(run: Run, views: Views) -> None:
    views.price(Pair("BTC-USD"), now=NOW)
    views.price(Pair("OLD-USD"), now=NOW)
    views.gone.add("OLD-USD")
    for number, (method, arguments) in enumerate(
        [
            ("forget", b""),
            ("cache", b""),
            ("gone", b""),
            ("removed", b""),
            ("price", msgspec.msgpack.encode({"coin": "BTC"})),
        ]
    ):
        wiring.asked().note(f"{number}", Note(method, arguments), NOW)
    assert run(NOW + 2 * MINUTE) == {"renewed": 1, "failed": 2}
    assert views.made == [("BTC-USD", 2 * MINUTE)]


def test_so_many_at_once_and_the_rest_in_the_next_run(run: Run, views: Views, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MOST", 3)
    for number in range(5):
        views.price(Pair(f"C{number}-USD", 10 * MINUTE), now=NOW)
    assert [run(NOW + 10 * MINUTE)["renewed"] for _ in range(3)] == [3, 2, 0]


def test_none_is_begun_when_time_is_short(
    views: Views, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        views.price(Pair(f"C{number}-USD"), now=NOW)
    views.made.clear()
    clock = count(NOW + 2 * MINUTE, 10_000)
    monkeypatch.setattr(wiring, "now", lambda: next(clock))
    assert app.handler(read_event("warm_cache"), context) == {"renewed": 2, "failed": 0}
