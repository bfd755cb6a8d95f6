"""What every feed of news offers."""

from typing import NamedTuple, Protocol

from cryptopulse.domain.news import Item
from cryptopulse.domain.news_feeds import State
from cryptopulse.errors import FeedDownError


class Fetched(NamedTuple):
    """What a feed told, newest first as a rule, and what to keep of it once that is stored."""

    items: list[Item]
    state: State


class NewsFeed(Protocol):
    """One source of news."""

    name: str

    def latest(self, known: State) -> Fetched:
        """What it tells now; nothing if that is what it told before.

        Args:
            known: What was kept of the last asking.

        Raises:
            FeedDownError: There is no usable answer. Its `until`, 0 for None, is to be kept in place of the state's.
                Kind `spent`: it was not asked, for its time has not come, and nothing is known anew.
        """
        ...


def check_due(name: str, known: State, now: int) -> None:
    """Keeps a feed from being asked too early.

    Raises:
        FeedDownError: Its time has not come (kind `spent`).
    """
    if now < known.until:
        raise FeedDownError(f"{name}: not before {known.until}", kind="spent", until=known.until)
