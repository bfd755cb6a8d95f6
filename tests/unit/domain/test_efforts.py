"""What frames of clients cost."""

import json
from typing import Any

import pytest

from cryptopulse.domain.efforts import ALLOWED, MOST, effort
from cryptopulse.domain.subscriptions import Channel, Connection, Entry, NewsWatch, Refusal, parse

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
HOUR = 3_600_000


def connection(held: int, **channels: Channel) -> Connection:
    entries = {f"A{number}-USD": Entry(f"coinbase:A{number}-USD", 0, "", 1, 1) for number in range(held)}
    return Connection("a", "192.0.2.44", NOON, NOON, channels={"ticks": Channel(1_000, entries), **channels})


def symbols(count: int) -> list[str]:
    return [f"B{number}-USD" for number in range(count)]


def taken(held: int, frame: dict[str, Any], **channels: Channel) -> int:
    action = parse(json.dumps(frame), is_bound=True)
    assert not isinstance(action, Refusal)
    return effort(action, connection(held, **channels), NOON)


TICKS = {"action": "subscribe", "channel": "ticks"}
CANDLES = {"action": "subscribe", "channel": "candles", "interval": "1h"}


@pytest.mark.parametrize(
    ("held", "frame", "expected"),
    [
        (500, {"action": "ping"}, 0),
        (0, {**TICKS, "symbols": symbols(1)}, 1),
        (499, {**TICKS, "symbols": symbols(1)}, 20),
        (0, {**TICKS, "symbols": symbols(500)}, 3),
        (0, {**TICKS, "symbols": symbols(500), "since": 0}, 3),
        (0, {**CANDLES, "symbols": symbols(10)}, 1),
        (0, {**CANDLES, "symbols": symbols(10), "since": NOON - 53 * HOUR}, 4),
        (0, {**CANDLES, "symbols": symbols(10), "since": NOON + HOUR}, 1),
        (0, {**CANDLES, "symbols": symbols(10), "since": 0}, 28),
        (0, {**CANDLES, "symbols": symbols(500), "since": 0}, MOST),
        (500, {"action": "unsubscribe", "channel": "ticks"}, 21),
        (0, {"action": "unsubscribe", "channel": "news"}, 1),
        (0, {"action": "subscribe", "channel": "news"}, 11),
        (0, {"action": "subscribe", "channel": "alerts"}, 11),
        (0, {"action": "subscribe", "channel": "portfolio", "portfolio_id": "x"}, 11),
        (500, {"action": "resync"}, 23),
    ],
    ids=str,
)
def test_a_frame_counts_as_what_it_takes(held: int, frame: dict[str, Any], expected: int) -> None:
    assert taken(held, frame) == expected


def test_a_resync_of_what_has_to_be_read_takes_more() -> None:
    news = Channel(1_000, news=NewsWatch(None, None, NOON))
    assert taken(1, {"action": "resync"}) == 1
    assert taken(1, {"action": "resync"}, news=news) == 11


def test_500_subscriptions_may_be_made_one_by_one_in_a_minute() -> None:
    assert sum(taken(held, {**TICKS, "symbols": symbols(1)}) for held in range(500)) <= ALLOWED
