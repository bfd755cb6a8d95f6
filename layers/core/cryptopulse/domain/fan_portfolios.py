"""Live portfolios: what they are worth as prices move, and who was told something else last."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from cryptopulse.domain import frames
from cryptopulse.domain.fan_flows import Flows, Reader
from cryptopulse.domain.fan_state import NEVER, Client, Flow, Price, Told
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.live_portfolios import LivePortfolio, Worth, priced_by, worth
from cryptopulse.domain.prices import Last
from cryptopulse.domain.subscriptions import Connection, Show


class Valued(NamedTuple):
    """Names what a version of a portfolio is worth."""

    id: str
    version: int
    worth: Worth


class Portfolios:
    """The channel `portfolio`: what one is worth now is owed where it differs from what was told last.

    Args:
        flows: Of the shard.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._state = flows.state
        self._priced: dict[int, set[str]] = {}
        """By lane, the series that portfolios are priced by."""
        self.begin()

    def begin(self) -> None:
        """Begins a beat."""
        self._behind: set[int] = set()
        """Lanes that a portfolio's snapshot knows better."""
        self._worths: dict[tuple[str, int], Worth] = {}
        self._price = priced_by(self._last)

    def adopt(self, connection: Connection, client: Client) -> None:
        """Takes what is new in a connection."""
        flow = client.flows.get("portfolio")
        if flow is None:
            return
        flow.told = {id_: told for id_, told in flow.told.items() if id_ in connection.portfolios}
        for id_, show in connection.portfolios.items():
            if show.added <= client.adopted:
                continue
            shown, known = show.worth, flow.told.get(id_)
            # Where it was told something else, nobody knows in which order that and the snapshot came.
            is_sure = known is None or (known.value, known.cost_basis) == (shown.value, shown.cost_basis)
            time = max(shown.time, known.time if known else 0)
            flow.told[id_] = Told(shown.value if is_sure else None, shown.cost_basis, time, 0, NEVER)
            seen = self._state.seen
            self._behind |= {lane for lane, version in show.shown.items() if version > seen.get(lane, 0)}

    def derive(self) -> None:
        """Works out which prices all portfolios need together."""
        self._priced = {}
        portfolios = {(id_, show.portfolio.version): show.portfolio for _, id_, show in self._shows()}
        for lane, series in {each for portfolio in portfolios.values() for each in portfolio.series}:
            self._priced.setdefault(lane, set()).add(series)

    def lanes(self, new: Collection[int]) -> set[int]:
        """The lanes to look at, given those that have moved on."""
        known = self._state.prices.keys()
        unpriced = {lane for lane, priced in self._priced.items() if not priced <= known}
        return {lane for lane in self._priced if lane in new or lane in self._behind} | unpriced

    def absorb(self, lane: Lane) -> None:
        """Marks the prices that changed in a lane."""
        for series in self._priced.get(lane.number, ()):
            state, known = lane.series.get(series), self._state.prices.get(series)
            last = (state.price, state.price_scale, state.time) if state else (0, 0, 0)
            if known is None or (known.price, known.scale, known.time) != last:
                self._state.prices[series] = Price(*last, self._state.beat)

    def unchecked(self, now: int) -> dict[tuple[str, str], int]:
        """Portfolios of which to check whether these are their versions, by user and id; `now` in Unix ms."""
        versions: dict[str, tuple[tuple[str, str], int]] = {}
        for connection, id_, show in self._shows():
            name, version = _name(connection, id_), show.portfolio.version
            if name not in versions or version < versions[name][1]:
                versions[name] = (connection.user, id_), version
        looked = self._state.looked
        new = versions.keys() - looked.keys()  # they were read for their snapshots just now
        late = self._flows.unlooked(versions.keys() - new, now)
        looked |= dict.fromkeys(new | late, now)
        self._flows.changed |= bool(new or late)
        return dict(versions[name] for name in late)

    @property
    def names(self) -> set[str]:
        """Those shown, as it is noted when they were looked at."""
        return {_name(connection, id_) for connection, id_, _ in self._shows()}

    def _shows(self) -> Iterator[tuple[Connection, str, Show]]:
        for reader in self._flows.of("portfolio"):
            for id_, show in reader.connection.portfolios.items():
                yield reader.connection, id_, show

    def owing(self) -> Iterator[tuple[tuple[Valued, ...], Collection[Reader]]]:
        """What flows are owed, and which."""
        for reader in self._flows.of("portfolio"):
            shows = reader.connection.portfolios.items()
            if owed := tuple(each for id_, show in shows for each in self._owed(id_, show.portfolio, reader.flow)):
                yield owed, (reader,)

    def _owed(self, id_: str, portfolio: LivePortfolio, flow: Flow) -> Iterator[Valued]:
        told = flow.told.get(id_)
        prices = (self._state.prices[series] for _, series in portfolio.series if series in self._state.prices)
        if told and told.version == portfolio.version and all(price.beat <= told.beat for price in prices):
            return
        found = self._worth(id_, portfolio)
        if told is None or (found.value, found.cost_basis) != (told.value, told.cost_basis):
            # Clients do not take what is older than what they know, and not all clocks are the same.
            time = max(found.time, told.time if told else 0)
            yield Valued(id_, portfolio.version, found._replace(time=time))
        else:
            told.version, told.beat = portfolio.version, self._state.beat

    def _worth(self, id_: str, portfolio: LivePortfolio) -> Worth:
        key = id_, portfolio.version
        if key not in self._worths:
            self._worths[key] = worth(portfolio, self._price)
        return self._worths[key]

    def _last(self, series: str) -> Last | None:
        known = self._state.prices.get(series)
        return Last(known.price, known.scale, known.time) if known and known.time else None

    def value(self, key: Valued) -> bytes:
        """What is told of a portfolio."""
        return frames.portfolio(key.id, key.worth)

    def sent(self, reader: Reader, told: Sequence[Valued]) -> None:
        """Notes what a flow was told."""
        reader.flow.sent = self._state.beat
        for id_, version, (value, cost_basis, time) in told:
            reader.flow.told[id_] = Told(value, cost_basis, time, version, self._state.beat)

    def prune(self) -> None:
        """Drops the prices that no portfolio needs any more."""
        priced = set[str]().union(*self._priced.values())
        self._state.prices = {name: price for name, price in self._state.prices.items() if name in priced}


def _name(connection: Connection, portfolio: str) -> str:
    return f"{connection.user}/{portfolio}"
