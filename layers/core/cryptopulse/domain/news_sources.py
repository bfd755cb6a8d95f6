"""How a source of news has been answering."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from cryptopulse.domain.candles import DAY, floor
from cryptopulse.domain.news_feeds import State
from cryptopulse.errors import FeedDownError

DAILY: Final = 600
"""New articles that are taken in a day (UTC), shared evenly by the sources: subscribers can be told of as many."""
LONGEST_ERROR: Final = 500
"""Characters that are kept of a failure: a stranger may have written most of it."""


class Source(Struct, frozen=True):
    """A source as it is kept between runs; times are Unix ms, 0 is never."""

    url: str
    """What this is about."""
    state: State = State()
    """What its next asking starts from."""
    ok_at: int = 0
    """When it last answered."""
    kind: str = ""
    error: str = ""
    """The newest failure, both empty if it answered since."""
    failures: int = 0
    """Askings without an answer, one after another."""
    day: int = 0
    """The day (00:00 UTC) of its newest article."""
    taken: int = 0
    """How many new articles it has brought on that day."""

    def answered(self, state: State, now: int) -> "Source":
        """After an answer, which left this state."""
        return replace(self, state=state, ok_at=now, kind="", error="", failures=0)

    def room(self, sources: int, now: int) -> int:
        """How many new articles it may still bring today, as one of so many sources."""
        return max(0, DAILY // sources - (self.taken if self.day == floor(now, DAY) else 0))

    def brought(self, articles: int, now: int) -> "Source":
        """After so many new articles."""
        if not articles:
            return self
        day = floor(now, DAY)
        return replace(self, day=day, taken=articles + (self.taken if self.day == day else 0))

    def failed(self, error: FeedDownError) -> "Source":
        """After a failure; one of our own budget says nothing of the source."""
        if error.kind == "spent":
            return self
        return replace(
            self,
            state=replace(self.state, until=error.until or 0),
            kind=error.kind,
            error=str(error)[:LONGEST_ERROR],
            failures=self.failures + 1,
        )
