"""How a source of news has been answering."""

from msgspec import Struct
from msgspec.structs import replace

from cryptopulse.domain.news_feeds import State
from cryptopulse.errors import FeedDownError


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

    def answered(self, state: State, now: int) -> "Source":
        """After an answer, which left this state."""
        return Source(self.url, state, ok_at=now)

    def failed(self, error: FeedDownError) -> "Source":
        """After a failure; one of our own budget says nothing of the source."""
        if error.kind == "spent":
            return self
        return replace(
            self,
            state=replace(self.state, until=error.until or 0),
            kind=error.kind,
            error=str(error),
            failures=self.failures + 1,
        )
