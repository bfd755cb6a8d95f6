"""Faults in force: what a test or an operator asks a venue or a newsroom to do wrong, how often, and until when."""

import random
from collections.abc import Callable, Container
from typing import Annotated, Literal, get_args

import msgspec

from local.simulator.markets import Venue

type Clock = Callable[[], int]
"""The time in Unix microseconds."""

type Newsroom = Literal["block-courier", "coin-gazette", "chain-observer"]
"""The newsrooms with a feed of their own."""

type Source = Venue | Newsroom | Literal["newsapi"]
"""Whose answers can go wrong."""

type _VenueKind = Literal[
    "rate_limited",
    "banned",
    "restricted",
    "server_error",
    "timeout",
    "truncated",
    "missing_rows",
    "unknown_product",
]
type _FrameKind = Literal["duplicate", "reorder", "skip", "malformed"]
type _LinkKind = Literal["drop", "freeze"]
type _NewsKind = Literal[
    "rate_limited",
    "restricted",
    "server_error",
    "timeout",
    "truncated",
    "slow",
    "redirect_loop",
    "oversized",
    "gzip_bomb",
]
type _FeedKind = Literal["malformed", "wrong_charset", "billion_laughs", "external_entity"]
type _NewsApiKind = Literal["removed_articles"]
type Kind = (
    _VenueKind
    | _FrameKind
    | _LinkKind
    | Literal["server_shutdown", "slow_consumer"]
    | _NewsKind
    | _FeedKind
    | _NewsApiKind
)

TRADE_KINDS: frozenset[Kind] = frozenset(get_args(_FrameKind.__value__))
"""What befalls one frame of a venue's live stream that tells of a trade: the rate is a share of them."""
FRAME_KINDS: frozenset[Kind] = TRADE_KINDS - {"skip"}
"""What befalls any other frame with market data."""
LINK_KINDS: dict[Venue, frozenset[Kind]] = {
    "binance": frozenset((*get_args(_LinkKind.__value__), "server_shutdown")),
    "coinbase": frozenset((*get_args(_LinkKind.__value__), "slow_consumer")),
}
"""What befalls a connection as a whole: drawn for each of them when it opens and once a second from then on."""
_VENUES: tuple[Venue, ...] = get_args(Venue.__value__)


def _stream_kinds(source: Source) -> frozenset[Kind]:
    """What goes wrong in live streams alone."""
    return next((TRADE_KINDS | LINK_KINDS[venue] for venue in _VENUES if venue == source), frozenset())


def _kinds(source: Source) -> tuple[Kind, ...]:
    """What can go wrong there."""
    if source in _VENUES:
        return (*get_args(_VenueKind.__value__), *_stream_kinds(source))
    own = _NewsApiKind if source == "newsapi" else _FeedKind
    return (*get_args(_NewsKind.__value__), *get_args(own.__value__))


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of a source's answers that go wrong for some seconds; `retry_after` is the header's value, if any.

    Of a live stream it is a share of the frames, or of the seconds of each connection (TRADE_KINDS, LINK_KINDS).

    Raises:
        ValueError: this cannot go wrong there.
    """

    venue: Source
    kind: Kind
    rate: Annotated[float, msgspec.Meta(ge=0, le=1)]
    seconds: Annotated[float, msgspec.Meta(gt=0)]
    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        if self.kind not in _kinds(self.venue):
            raise ValueError(f"{self.venue} knows no {self.kind}")


class Faults:
    """The faults of all sources; replaced as a whole."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._random = random.Random(seed)
        self._ending: list[tuple[Fault, int]] = []

    def replace(self, faults: list[Fault]) -> None:
        """Put these in force from now on, and no others."""
        now = self._clock()
        self._ending = [(fault, now + int(fault.seconds * 1e6)) for fault in faults]

    def in_force(self) -> list[Fault]:
        """Those that have not ended, with the seconds that are left."""
        now = self._clock()
        left = ((fault, (end - now) / 1e6) for fault, end in self._ending)
        return [msgspec.structs.replace(fault, seconds=seconds) for fault, seconds in left if seconds > 0]

    def drawn(self, venue: Source) -> Fault | None:
        """The fault that strikes this answer: the first of the source's whose draw falls below its rate."""
        mine = (f for f in self.in_force() if f.venue == venue and f.kind not in _stream_kinds(venue))
        return next((fault for fault in mine if self._random.random() < fault.rate), None)

    def struck(self, venue: Venue, kinds: Container[Kind]) -> list[Fault]:
        """The faults of these kinds whose draw for a live stream falls below their rate."""
        return [f for f in self.in_force() if f.venue == venue and f.kind in kinds and self._random.random() < f.rate]

    def thinned(self, rows: list[str]) -> list[str]:
        """The rows without about a fifth of them, and without at least one."""
        lost = {self._random.randrange(len(rows)) for _ in range(max(1, len(rows) // 5))} if rows else set()
        return [row for at, row in enumerate(rows) if at not in lost]

    def choice(self, statuses: tuple[int, ...]) -> int:
        """One of the statuses, by chance."""
        return self._random.choice(statuses)
