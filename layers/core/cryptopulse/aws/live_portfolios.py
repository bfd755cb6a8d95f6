"""Portfolios as WebSocket clients are shown them, and what becomes of that when they change."""

from collections.abc import Callable, Iterable

from cryptopulse.aws.connections import Connections
from cryptopulse.aws.doorbells import Doorbells
from cryptopulse.aws.market import Market
from cryptopulse.aws.portfolios import Portfolios
from cryptopulse.aws.prices import Prices
from cryptopulse.domain.live_portfolios import LivePortfolio, last_in, priced_by, worth
from cryptopulse.domain.quotes import references
from cryptopulse.domain.subscriptions import Connection, Show
from cryptopulse.errors import NotFoundError, RacedError, ServiceError
from cryptopulse.telemetry import logger


class LivePortfolios:
    """Reads what portfolios hold, and hands it to the connections that show them.

    Args:
        portfolios: The users' portfolios.
        market: The lanes.
        prices: Knows the series followed.
        lanes: How many lanes there are.
        connections: Those that show portfolios.
        doorbells: Has their clients told.
    """

    def __init__(
        self,
        portfolios: Portfolios,
        market: Market,
        prices: Prices,
        lanes: int,
        connections: Connections,
        doorbells: Doorbells,
    ) -> None:
        self._portfolios = portfolios
        self._market = market
        self._prices = prices
        self._lanes = lanes
        self._connections = connections
        self._doorbells = doorbells

    def show(self, user: str, id_: str, now: int) -> Show | None:
        """What one of a user's portfolios holds and is worth now (Unix ms); None where he has none of this id."""
        portfolio = self._read(user, id_, now)
        if portfolio is None:
            return None
        lanes = self._market.lanes(portfolio.lanes, consistent=True)
        versions = {number: lanes[number].version if number in lanes else 0 for number in portfolio.lanes}
        return Show(portfolio, worth(portfolio, priced_by(last_in(lanes, portfolio))), versions)

    def refresh(self, user: str, ids: Iterable[str], now: int) -> None:
        """Hands what changed portfolios hold to the user's connections that show them; call it after each change.

        The change has been made and is not undone: what fails here is logged, and made good within a minute, when
        fan_out checks what it shows.

        Args:
            user: Whose portfolios.
            ids: Theirs; those that are no more are shown no more.
            now: Unix ms.
        """
        try:
            self._refresh(user, ids, now)
        except (ServiceError, RacedError):
            logger.exception("portfolios not refreshed", user=user)

    def check(self, user: str, id_: str, version: int, now: int) -> None:
        """Refreshes a portfolio unless it is of this version still."""
        try:
            is_current = self._portfolios.get(user, id_).version == version
        except NotFoundError:
            is_current = False
        if not is_current:
            self.refresh(user, [id_], now)

    def _refresh(self, user: str, ids: Iterable[str], now: int) -> None:
        showing = [connection for connection in self._connections.of(user, now) if connection.portfolios]
        shards = set()
        for id_ in ids:
            connections = [connection for connection in showing if id_ in connection.portfolios]
            if not connections:
                continue
            change = _holding(id_, self._read(user, id_, now))
            for connection in connections:
                self._connections.change(connection, change, now, is_heard=False)
                shards.add(self._connections.shard_of(connection.id))
        self._doorbells.ring({}, sorted(shards))

    def _read(self, user: str, id_: str, now: int) -> LivePortfolio | None:
        """What a portfolio holds; None where there is none of this id."""
        try:
            reader = self._portfolios.read(user, id_)
        except NotFoundError:
            return None
        speaking = references(self._prices.series(now))
        return LivePortfolio.of(reader.portfolio, reader.book().holdings, speaking, self._lanes, now)


def _holding(id_: str, portfolio: LivePortfolio | None) -> Callable[[Connection], None]:
    return lambda connection: connection.hold(id_, portfolio)
