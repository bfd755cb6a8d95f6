"""Articles: they get numbers as they are read; a flow is owed those after the one it was sent last."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from cryptopulse.domain import frames
from cryptopulse.domain.fan_flows import LOOKED_EVERY, Flows, Reader
from cryptopulse.domain.fan_state import NEVER, Article, Client, Flow
from cryptopulse.domain.subscriptions import NEWS_REACH, Connection, NewsWatch, mark


class Reported(NamedTuple):
    """Names an article, by its mark."""

    mark: bytes
    number: int


class Published(NamedTuple):
    """An article as it was read: its id, when it was published (Unix ms), the assets it names, what is told of it."""

    id: str
    time: int
    assets: tuple[str, ...]
    body: bytes


class News:
    """The channel `news`.

    Args:
        flows: Of the shard.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._state = flows.state
        self._is_unheard = False
        """Whether somebody has begun to watch the news."""
        self._reports = self._untold()
        """The articles that somebody may be owed, in order of their numbers."""

    def begin(self) -> None:
        """Begins a beat."""
        self._is_unheard = False

    def adopt(self, connection: Connection, client: Client) -> None:
        """Takes what is new in a connection."""
        if connection.news_watch is not None and connection.news_watch.added > client.adopted:
            client.flows["news"].sent = NEVER  # it may now want what was not for it before
            self._is_unheard = True

    def unread(self, now: int, *, is_rung: bool) -> int | None:
        """From when on (Unix ms) to read the news; None: there is no need to.

        Args:
            now: Unix ms.
            is_rung: Whether a doorbell told of new articles.
        """
        looked = self._state.news_at
        is_due = is_rung or self._is_unheard or now - looked >= LOOKED_EVERY
        if not is_due or not any(self._watches()):
            return None
        return max(now, looked) - NEWS_REACH  # what is older has been forgotten, and would count as new

    def hear(self, articles: Iterable[Published], now: int) -> None:
        """Takes the news that were read.

        Args:
            articles: All of them from `unread` on, oldest first.
            now: When they were read (Unix ms).
        """
        self._flows.changed = True
        state = self._state
        state.news_at = max(now, state.news_at)
        for id_, time, assets, body in articles:
            known = state.articles.get(mark(id_))
            if known is None:
                state.numbered += 1
                known = state.articles[mark(id_)] = Article(time, state.numbered)
            known.assets, known.body = assets, body
        self._reports = self._untold()
        for reader, watch in self._watches():
            if next(self._owed(watch, reader.flow), None) is None:
                reader.flow.sent = state.numbered  # so that these are not looked through again

    def _untold(self) -> list[tuple[int, bytes, Article]]:
        found = [(article.number, name, article) for name, article in self._state.articles.items() if article.body]
        return sorted(found, key=lambda each: each[0])

    def _watches(self) -> Iterator[tuple[Reader, NewsWatch]]:
        for reader in self._flows.of("news"):
            if (watch := reader.connection.news_watch) is not None and not reader.connection.is_ended:
                yield reader, watch

    def owing(self) -> Iterator[tuple[tuple[Reported, ...], Collection[Reader]]]:
        """What flows are owed, and which."""
        for reader in self._flows.of("news"):
            watch = reader.connection.news_watch
            if watch is None or not self._reports or self._reports[-1][0] <= reader.flow.sent:
                continue
            owed = tuple(self._owed(watch, reader.flow))
            # One frame of them: it is taken or not, and none of them comes twice.
            if keys := owed[: frames.fitting(map(self.value, owed))]:
                yield keys, (reader,)

    def _owed(self, watch: NewsWatch, flow: Flow) -> Iterator[Reported]:
        first = bisect_right(self._reports, flow.sent, key=lambda each: each[0])
        for number, name, article in self._reports[first:]:
            if watch.is_new(name, article.time, article.assets):
                yield Reported(name, number)

    def value(self, key: Reported) -> bytes:
        """What is told of an article."""
        return self._state.articles[key.mark].body

    def sent(self, reader: Reader, told: Sequence[Reported]) -> None:
        """Notes what a flow was told."""
        reader.flow.sent = told[-1].number

    def prune(self) -> None:
        """Keeps what somebody is owed, and of the others that they are known."""
        state = self._state
        if not any(self._watches()):
            state.articles, state.news_at = {}, 0
        oldest = state.news_at - NEWS_REACH
        owed = {key.mark for reader, watch in self._watches() for key in self._owed(watch, reader.flow)}
        state.articles = {
            name: article if name in owed else Article(article.time, article.number)
            for name, article in state.articles.items()
            if article.time >= oldest or name in owed
        }
        self._reports = self._untold()
