"""What the operator asks for goes wrong, at one venue, for a time; the truth stays visible."""

import asyncio
import re
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from starlette.requests import Request
from starlette.types import Message

from local.simulator.exchange import held
from local.simulator.faults import Fault, Faults
from tests.unit.simulator.conftest import Ask

KLINES = "/binance/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=100"
CANDLES = "/coinbase/products/BTC-USD/candles"
PATHS = {"binance": KLINES, "coinbase": CANDLES}
HEALTHY = {"binance": "coinbase", "coinbase": "binance"}

venues = pytest.mark.parametrize("venue", ["binance", "coinbase"])


def put(ask: Ask, *faults: dict[str, object]) -> httpx.Response:
    return ask("/admin/faults", "PUT", json=list(faults))


def struck(ask: Ask, venue: str, kind: str, **more: object) -> httpx.Response:
    """A venue's answer to a question for candles while all its answers have this fault; the other one's are sound."""
    answer = put(ask, {"venue": venue, "kind": kind, "rate": 1, "seconds": 60} | more)
    assert answer.status_code == 200, answer.text
    assert ask(PATHS[HEALTHY[venue]]).status_code == 200
    return ask(PATHS[venue])


@venues
@pytest.mark.parametrize("retry_after", [None, 0, 7])
def test_rate_limited_with_and_without_retry_after(ask: Ask, venue: str, retry_after: int | None) -> None:
    answer = struck(ask, venue, "rate_limited", **({} if retry_after is None else {"retry_after": retry_after}))
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == (None if retry_after is None else str(retry_after))


@venues
def test_banned_tells_until_when(ask: Ask, clock: SimpleNamespace, venue: str) -> None:
    answer = struck(ask, venue, "banned")
    until = re.search(r"banned until (\d{13})", answer.text)
    assert (answer.status_code, until and int(until[1])) == (418, clock.now // 1000 + 60_000)


@venues
def test_restricted(ask: Ask, venue: str) -> None:
    assert struck(ask, venue, "restricted").status_code == 451


@venues
def test_server_errors_are_of_three_kinds(ask: Ask, venue: str) -> None:
    answers = [struck(ask, venue, "server_error")]
    answers += [ask(PATHS[venue]) for _ in range(11)]
    assert {answer.status_code for answer in answers} == {500, 502, 503}


@venues
def test_a_held_answer_ends_as_a_timeout(ask: Ask, venue: str) -> None:
    assert struck(ask, venue, "timeout").status_code == 504


def test_holding_ends_when_the_client_leaves() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    asyncio.run(asyncio.wait_for(held(Request({"type": "http"}, receive), seconds=30), timeout=20))


@venues
def test_truncated_is_no_json_and_says_200(ask: Ask, venue: str) -> None:
    sound = ask(PATHS[venue])
    answer = struck(ask, venue, "truncated")
    assert (answer.status_code, answer.content) == (200, sound.content[: len(sound.content) // 2])
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(answer.content)


@venues
def test_missing_rows_are_some_and_the_rest_is_sound(ask: Ask, venue: str) -> None:
    sound = ask(PATHS[venue]).json()
    rows = struck(ask, venue, "missing_rows").json()
    assert 0.7 * len(sound) < len(rows) < len(sound)
    assert [row for row in sound if row in rows] == rows


@venues
def test_an_unknown_product_is_the_venues_own_error(ask: Ask, venue: str) -> None:
    answer = struck(ask, venue, "unknown_product")
    expected: dict[str, tuple[int, Any]] = {
        "binance": (400, {"code": -1121, "msg": "Invalid symbol."}),
        "coinbase": (404, {"message": "NotFound"}),
    }
    assert (answer.status_code, answer.json()) == expected[venue]
    assert ask("/binance/api/v3/time").status_code == ask("/coinbase/time").status_code == 200


def test_faults_end_and_are_replaced_as_a_whole(ask: Ask, clock: SimpleNamespace) -> None:
    one = {"venue": "binance", "kind": "restricted", "rate": 1, "seconds": 10}
    other = {"venue": "coinbase", "kind": "rate_limited", "rate": 0.5, "seconds": 20, "retry_after": 3}
    assert put(ask, one, other).json() == [one | {"retry_after": None}, other]
    clock.now += 10_000_000
    assert ask("/admin/faults").json() == [other | {"seconds": 10}]
    assert ask(KLINES).status_code == 200
    assert put(ask).json() == []


def test_a_rate_is_a_share() -> None:
    faults = Faults(lambda: 0, seed=1)
    faults.replace([Fault("binance", "restricted", rate=0.3, seconds=1)])
    assert 250 < sum(faults.drawn("binance") is not None for _ in range(1000)) < 350
    assert faults.drawn("coinbase") is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "sleepy"}, "Invalid enum value 'sleepy' - at `$[0].kind`"),
        ({"venue": "kraken"}, "Invalid enum value 'kraken' - at `$[0].venue`"),
        ({"rate": 1.5}, "Expected `float` <= 1.0 - at `$[0].rate`"),
        ({"rate": -1}, "Expected `float` >= 0.0 - at `$[0].rate`"),
        ({"seconds": 0}, "Expected `float` > 0.0 - at `$[0].seconds`"),
        ({"retry_after": -1}, "Expected `int` >= 0 - at `$[0].retry_after`"),
        ({"more": 1}, "Object contains unknown field `more` - at `$[0]`"),
    ],
)
def test_bad_faults_are_refused_and_change_nothing(ask: Ask, change: dict[str, object], reason: str) -> None:
    sound = {"venue": "binance", "kind": "restricted", "rate": 1.0, "seconds": 60.0}
    put(ask, sound)
    answer = put(ask, sound | change)
    assert (answer.status_code, answer.json()) == (422, {"message": reason})
    assert ask("/admin/faults").json() == [sound | {"retry_after": None}]


def test_what_is_no_json_is_a_bad_request(ask: Ask) -> None:
    assert ask("/admin/faults", "PUT", content=b"[").status_code == 400
