"""Every way in which a venue can fail, and what is made of it."""

import httpx
import msgspec
import pytest

from cryptopulse.errors import FeedDownError, RestrictedError, UnknownProductError
from cryptopulse.feeds.budget import Budget
from cryptopulse.feeds.http import ATTEMPTS, Http, Limit
from tests.unit.feeds.exchange import NOON, Answer, Clock, Exchange, at_once

NUMBERS = msgspec.json.Decoder(list[int])
MINUTE = 60_000


def http(exchange: Exchange, clock: Clock) -> Http:
    budget = Budget("venue", 1, at_once, clock=clock, sleep=clock.sleep)
    limit = Limit("X-MBX-USED-WEIGHT-1M", 5400)
    return Http(
        "venue",
        "http://venue.test/base",
        budget,
        lambda response: response.status_code == 404,
        limit=limit,
        transport=exchange.transport,
        clock=clock,
        sleep=clock.sleep,
    )


def get(*answers: Answer, now: int = NOON) -> tuple[list[int], Http, Exchange, Clock]:
    exchange, clock = Exchange({"/base/numbers": list(answers)}), Clock(now)
    feed = http(exchange, clock)
    return feed.get("/numbers", NUMBERS), feed, exchange, clock


def failure(*answers: Answer, now: int = NOON) -> tuple[FeedDownError, Http, Exchange]:
    exchange, clock = Exchange({"/base/numbers": list(answers)}), Clock(now)
    feed = http(exchange, clock)
    with pytest.raises(FeedDownError) as told:
        feed.get("/numbers", NUMBERS)
    return told.value, feed, exchange


def test_an_answer_is_decoded_and_counted() -> None:
    numbers, feed, exchange, _ = get(httpx.Response(200, content=b"[1,2]"))
    assert numbers == [1, 2]
    assert (feed.session.calls, dict(feed.session.failures), feed.session.error) == (1, {}, None)
    assert exchange.requests[0].headers["User-Agent"] == "CryptoPulse/1"


@pytest.mark.parametrize(
    "passing",
    [
        httpx.Response(500, content=b"oops"),
        httpx.Response(503, content=b'{"message":"later"}'),
        httpx.Response(200, content=b"[1,"),
        httpx.Response(200, content=b'{"message":"an object where a list is due"}'),
        httpx.Response(200, content=b"<html>"),
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("gone"),
    ],
)
def test_what_may_pass_is_tried_again(passing: Answer) -> None:
    good = httpx.Response(200, content=b"[3]")
    numbers, feed, exchange, _ = get(passing, passing, good)
    assert (numbers, len(exchange.requests)) == ([3], 3)
    assert (feed.session.calls, dict(feed.session.failures)) == (3, {"down": 2})
    error, feed, exchange = failure(passing)
    assert (type(error), error.kind, error.until) == (FeedDownError, "down", None)
    assert len(exchange.requests) == ATTEMPTS
    assert not feed.session.is_over


def test_a_slow_venue_is_not_waited_for_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed = 0.0

    def slow(request: httpx.Request) -> httpx.Response:
        nonlocal elapsed
        elapsed += 4
        raise httpx.ReadTimeout("slow")

    monkeypatch.setattr("tenacity.time.monotonic", lambda: elapsed)
    _, _, exchange = failure(slow)
    assert len(exchange.requests) == 2


@pytest.mark.parametrize(("status", "kind"), [(429, "limited"), (418, "banned"), (403, "limited")])
@pytest.mark.parametrize(
    ("headers", "body", "until"),
    [
        ({}, "{}", NOON + MINUTE),
        ({"Retry-After": "0"}, "{}", NOON + MINUTE),
        ({"Retry-After": "240"}, "{}", NOON + 240_000),
        ({"Retry-After": "Sun, 22 Nov 2026 12:10:00 GMT"}, "{}", NOON + 600_000),
        ({"Retry-After": "nonsense"}, "{}", NOON + MINUTE),
        (
            {"Retry-After": "5"},
            f'{{"code":-1003,"msg":"IP banned until {NOON + 7_200_000}. Please"}}',
            NOON + 7_200_000,
        ),
    ],
)
def test_a_refusal_is_never_tried_again_and_tells_until_when(
    status: int, kind: str, headers: dict[str, str], body: str, until: int
) -> None:
    error, feed, exchange = failure(httpx.Response(status, headers=headers, content=body.encode()))
    assert (error.kind, error.until, len(exchange.requests)) == (kind, until, 1)
    assert feed.session.is_over


def test_a_server_error_that_says_when_is_believed() -> None:
    error, _, exchange = failure(httpx.Response(503, headers={"Retry-After": "30"}))
    assert (error.kind, error.until, len(exchange.requests)) == ("down", NOON + 30_000, 1)


def test_a_restricted_location_ends_the_session() -> None:
    error, feed, exchange = failure(httpx.Response(451, content=b'{"code":0,"msg":"restricted location"}'))
    assert (type(error), error.kind, len(exchange.requests)) == (RestrictedError, "restricted", 1)
    assert feed.session.is_over


def test_an_unknown_product_is_its_own_kind_and_ends_nothing() -> None:
    error, feed, exchange = failure(httpx.Response(404, content=b'{"message":"NotFound"}'))
    assert (type(error), error.kind, len(exchange.requests)) == (UnknownProductError, "unknown_product", 1)
    assert not feed.session.is_over


@pytest.mark.parametrize("status", [302, 400, 401])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    error, _, exchange = failure(httpx.Response(status, headers={"Location": "http://elsewhere.test/"}))
    assert (error.kind, len(exchange.requests)) == ("refused", 1)


def test_the_limit_is_left_a_buffer_until_the_next_minute() -> None:
    used = httpx.Response(200, headers={"X-MBX-USED-WEIGHT-1M": "5400"}, content=b"[1]")
    numbers, feed, exchange, clock = get(used, now=NOON + 15_000)
    assert numbers == [1]
    with pytest.raises(FeedDownError) as told:
        feed.get("/numbers", NUMBERS)
    assert (told.value.kind, told.value.until, len(exchange.requests)) == ("spent", NOON + MINUTE, 1)
    clock.now = NOON + MINUTE
    assert feed.get("/numbers", NUMBERS) == [1]


def test_the_venues_clock_is_asked_once_a_session() -> None:
    exchange, clock = Exchange({}), Clock()
    feed = http(exchange, clock)
    asked = []

    def ask() -> int:
        asked.append(clock.now)
        clock.now += 200
        return NOON + 5_100

    assert feed.now(lambda: feed.set_clock(ask)) == NOON + 5_100
    clock.now += 800
    assert feed.now(lambda: feed.set_clock(ask)) == NOON + 6_000
    assert len(asked) == 1
    feed.begin()
    feed.now(lambda: feed.set_clock(ask))
    assert len(asked) == 2
