"""A venue as we know it: what it trades, how it has been answering, and when to leave it alone."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.series import Series, tracked
from cryptopulse.errors import FeedDownError

BACKOFF: Final = MINUTE // 2
LONGEST_BACKOFF: Final = HOUR
"""How long (ms) to stay away after a first refusal, doubled for each one more, and at most."""
RECHECK: Final = 5 * MINUTE
"""A venue that refuses our location is asked once in so long (ms) whether it still does."""
PATIENCE: Final = 3
"""So many calls that fail one after another, each with its own retries, end a session."""

_REFUSALS: Final = ("limited", "banned")
_ENDING: Final = (*_REFUSALS, "restricted", "spent")


class Product(NamedTuple):
    """Something a venue trades: `symbol` is our `BASE-QUOTE`, `native` the venue's own id."""

    symbol: str
    native: str
    trading: bool


class Session:
    """One run's dealings with a venue: counts what happened, and says when enough is enough.

    The one place where a failing feed is not raised but told: one venue never silences the other.
    """

    def __init__(self) -> None:
        self.calls = 0
        """Requests sent."""
        self.failures: Counter[str] = Counter()
        """Requests without a usable answer, by kind; those that a retry made good too."""
        self.error: FeedDownError | None = None
        """The newest failure."""
        self.is_over = False
        """The venue is not to be asked again in this session."""
        self._in_row = 0

    def failed(self, error: FeedDownError) -> None:
        """Counts a request without a usable answer."""
        self.failures[error.kind] += 1
        self.error = error
        self.is_over |= error.kind in _ENDING

    def ask[Answer](self, call: Callable[[], Answer]) -> Answer | None:
        """The call's answer, or None if the feed gave none or is not to be asked any more."""
        if self.is_over:
            return None
        try:
            answer = call()
        except FeedDownError as error:
            if error is not self.error:
                self.failed(error)
            self._in_row += error.kind != "unknown_product"
            self.is_over |= self._in_row >= PATIENCE
            return None
        self._in_row = 0
        return answer


class VenueState(NamedTuple):
    """How a venue has been answering, as kept between runs; times are Unix milliseconds, 0 is never."""

    url: str
    """The base URL that this is about."""
    ok_at: int = 0
    """When it last told a price."""
    kind: str = ""
    error: str = ""
    """The newest failure of the last poll, both empty if there was none."""
    until: int = 0
    """It is not to be asked before."""
    strikes: int = 0
    """Refusals one after another."""
    calls: int = 0
    failures: int = 0
    """Requests of the last poll, and those that failed."""

    def after(self, session: Session, now: int, *, priced: bool) -> "VenueState":
        """The state after a session.

        Args:
            session: What happened.
            now: Its end in Unix milliseconds.
            priced: Whether the venue told a price.
        """
        state = self._replace(
            ok_at=now if priced else self.ok_at, calls=session.calls, failures=session.failures.total()
        )
        error = session.error
        if error is None:
            return state._replace(kind="", error="", until=0, strikes=0)
        if error.kind == "spent":  # our own budget: says nothing of the venue
            return state._replace(kind=self.kind or "spent", error=self.error or str(error))
        until, strikes = error.until or 0, 0
        if error.kind in _REFUSALS:
            until = max(until, now + min(BACKOFF << self.strikes, LONGEST_BACKOFF))
            strikes = min(self.strikes + 1, 8)
        elif error.kind == "restricted":
            until = now + RECHECK
        return state._replace(kind=error.kind, error=str(error), until=until, strikes=strikes)


def followed(
    assets: Iterable[str],
    quotes: Iterable[tuple[str, str]],
    listings: Mapping[str, Iterable[Product] | None],
    before: Iterable[Series],
) -> list[Series]:
    """The series to follow, in the order to list them.

    A series once followed stays while its venue lists the product, trading or halted, and while the list is unknown.

    Args:
        assets: Asset codes, in the order to list them.
        quotes: (venue, quote) pairs.
        listings: Each venue's products; None where its list could not be had.
        before: The series followed so far.
    """
    known = set(before)
    traded: dict[str, list[str]] = {}
    for venue, products in listings.items():
        if products is None:
            traded[venue] = [series.symbol for series in known if series.venue == venue]
        else:
            traded[venue] = [p.symbol for p in products if p.trading or Series(venue, p.symbol) in known]
    return tracked(assets, quotes, traded)
