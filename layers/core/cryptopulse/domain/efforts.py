"""What the frames of WebSocket clients cost us: the unit is a frame that we send, about a millionth of a dollar.

Ten frames a second are allowed, but one of them may ask for a thousand in return, or have 500 subscriptions written
again. So those of one client, a user or an address, share an allowance of so much a minute.
"""

from typing import Final

from cryptopulse.domain.candles import INTERVALS
from cryptopulse.domain.snapshots import CLOSED_CANDLES
from cryptopulse.domain.subscriptions import (
    Action,
    Connection,
    Ping,
    Resync,
    Subscribe,
    SubscribeAlerts,
    SubscribeNews,
    SubscribePortfolio,
)

ALLOWED: Final = 6_000
"""A minute: 500 subscriptions made one by one, ten a second, are within it."""
MOST: Final = ALLOWED // 10
"""The most that one frame counts as: whoever has not used up his minute may ask for anything."""
A_FRAME: Final = 180
"""Candles that fill a frame."""
A_WRITE: Final = 25
"""Entries that cost as much as a frame to read and write."""
READING: Final = 10
"""To read what has to be read for news, alerts or a portfolio."""


def effort(action: Action, connection: Connection, now: int) -> int:
    """What it takes to do what a client of this connection asks for (Unix ms: now); 0 where that is next to nothing."""
    held = len(connection.entries())
    match action:
        case Ping():
            return 0
        case Subscribe():
            sent = len(action.symbols) * _rows(action, now) // A_FRAME
        case SubscribeNews() | SubscribeAlerts() | SubscribePortfolio():
            sent = READING
        case Resync():
            sent = held // A_FRAME + READING * sum(not channel.entries for channel in connection.channels.values())
        case _:
            sent = 0
    return min(MOST, 1 + held // A_WRITE + sent)


def _rows(action: Subscribe, now: int) -> int:
    """How many rows of each symbol are to be shown, at most."""
    if action.candles is None or action.since_ms is None:
        return 1
    return 1 + min(CLOSED_CANDLES, max(0, now - action.since_ms) // INTERVALS[action.candles])
