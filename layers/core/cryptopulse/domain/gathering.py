"""What came of one venue's live streams and waits to be sent: gathered by lane into stream records.

A take gives at most one record of a lane, so that nothing overtakes what the stream did not take; its clock comes with
the last of what waits, for it says that all before it has been sent.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from cryptopulse.domain.candles import MINUTE, floor
from cryptopulse.domain.folding import GRACE
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Clock, Message, Quote, Record, Trades

TRADES: Final = 500
"""Trades of one record, at most."""
CLOCK_STEP: Final = 1_000
"""A lane is told the time once in so many ms of the venue's clock, and when a minute closes."""

type Kind = tuple[str, int, int]
"""A symbol, and the scales of its price and size."""


class Gathering:
    """One venue's ticks between its sockets and the stream.

    Args:
        venue: The venue's name.
        lanes: How many lanes there are.
        limit: Trades that may wait; of more, each symbol's are conflated to its newest one.
    """

    def __init__(self, venue: str, lanes: int, limit: int = 20_000) -> None:
        self.venue = venue
        self.count = 0
        """Trades waiting."""
        self.conflated = 0
        """Trades left out: the jump in ids tells the fold that they are missing."""
        self.time = 0
        """All that happened at the venue up to then (Unix ms) has been gathered."""
        self._number = lanes
        self._limit = limit
        self._trades: dict[Kind, list[tuple[int, int, int, int]]] = {}
        """As in Trades."""
        self._quotes: dict[str, Quote] = {}
        self._confirmed: dict[str, tuple[int, int]] = {}
        """The venue's word by symbol: an id and when it was the last one, Unix ms."""
        self._lanes: dict[str, int] = {}
        self._traded: dict[str, int] = {}
        """When a symbol's newest trade taken was made: no older quote is worth telling."""
        self._told: dict[int, int] = {}
        """The time that each lane was told last."""
        self._unheard: frozenset[str] = frozenset()

    def trade(self, symbol: str, price_scale: int, size_scale: int, id_: int, price: int, size: int, time: int) -> None:
        """Gathers a trade: `price` and `size` at their scales, `time` in Unix ms."""
        self.line(symbol, price_scale, size_scale).append((id_, price, size, time))
        self.count += 1
        self.bound()

    def line(self, symbol: str, price_scale: int, size_scale: int) -> list[tuple[int, int, int, int]]:
        """Where trades of a kind wait, as in Trades: always the same list.

        Who has many appends to it, adds to `count`, and spares the search; it is bounded by the next to call `bound`.
        """
        return self._trades.setdefault((symbol, price_scale, size_scale), [])

    def bound(self) -> None:
        """Where more trades wait than may, leaves each symbol its newest one."""
        if self.count > self._limit:
            self._conflate()

    def quote(self, quote: Quote) -> None:
        """Gathers a last price; only a symbol's newest is kept."""
        known = self._quotes.get(quote.symbol)
        if known is None or quote.time >= known.time:
            self._quotes[quote.symbol] = quote

    def confirm(self, symbol: str, id_: int, time: int) -> None:
        """Takes the venue's word that the symbol's last trade as of `time` (Unix ms) is this one."""
        known = self._confirmed.get(symbol)
        if known is None or (id_, time) >= known:
            self._confirmed[symbol] = id_, time

    def advance(self, time: int, unheard: Iterable[str] = ()) -> None:
        """All that happened at the venue up to `time` (Unix ms) has been gathered, but of the symbols `unheard`.

        It never goes back.
        """
        self.time, self._unheard = max(self.time, time), frozenset(unheard)

    def take(self) -> list[Record]:
        """What is to be sent now, a record of each lane at most; what one does not hold waits for the next take."""
        messages: defaultdict[int, list[Message]] = defaultdict(list)
        room: defaultdict[int, int] = defaultdict(lambda: TRADES)
        for kind, line in self._trades.items():
            if line and room[lane := self._lane(kind[0])]:
                messages[lane].append(trades := self._trades_of(kind, line, room[lane]))
                room[lane] -= len(trades.trades)
        quotes, self._quotes = self._quotes, {}
        for symbol, quote in quotes.items():
            lane = self._lane(symbol)
            if quote.time > self._traded.get(symbol, 0):
                messages[lane].append(quote)
        for lane, clocks in self._clocks().items():
            messages[lane] += clocks
        return [Record(self.venue, lane, told) for lane, told in sorted(messages.items())]

    def put_back(self, records: Iterable[Record]) -> None:
        """Takes back records that the stream did not take: they wait before what came since."""
        before: dict[Kind, list[tuple[int, int, int, int]]] = {}
        for record in records:
            for message in record.messages:
                if isinstance(message, Trades):
                    kind = message.symbol, message.price_scale, message.size_scale
                    before[kind] = before.get(kind, []) + message.trades
                    self.count += len(message.trades)
                if isinstance(message, Quote):
                    self._quotes.setdefault(message.symbol, message)
                if isinstance(message, Clock):
                    self._told[record.lane] = 0
                    for symbol, id_ in message.last_ids.items():
                        self._confirmed.setdefault(symbol, (id_, message.time))
        for kind, trades in before.items():
            self.line(*kind)[:0] = trades
        self._trades = {kind: self._trades[kind] for kind in before} | self._trades
        self.bound()

    def _lane(self, symbol: str) -> int:
        lane = self._lanes.get(symbol)
        if lane is None:
            lane = self._lanes[symbol] = lane_of(Series(self.venue, symbol), self._number)
        return lane

    def _conflate(self) -> None:
        newest: dict[str, tuple[int, Kind]] = {}
        for kind, line in self._trades.items():
            if line:
                line[:] = [max(line)]
                newest[kind[0]] = max(newest.get(kind[0], (0, kind)), (line[0][0], kind))
        for kind, line in self._trades.items():
            if line and newest[kind[0]][1] != kind:
                line.clear()
        self.conflated += self.count - len(newest)
        self.count = len(newest)

    def _trades_of(self, kind: Kind, line: list[tuple[int, int, int, int]], room: int) -> Trades:
        """The oldest waiting trades of a kind, taken."""
        symbol, price_scale, size_scale = kind
        waiting = line[:room]
        del line[:room]
        self.count -= len(waiting)
        self._traded[symbol] = max(self._traded.get(symbol, 0), waiting[-1][3])
        return Trades(symbol, price_scale, size_scale, waiting)

    def _clocks(self) -> dict[int, list[Clock]]:
        """The clock of each lane with a series here of which no trade waits any more, where it is due.

        What the venue told of earlier minutes stands in clocks of their own before it, one a minute.
        """
        earlier: defaultdict[int, dict[int, Clock]] = defaultdict(dict)
        last_ids: defaultdict[int, dict[str, int]] = defaultdict(dict)
        minute = floor(self.time, MINUTE)
        due = {lane for lane in self._known_lanes() if self._is_due(lane)}
        due -= {self._lanes[kind[0]] for kind, line in self._trades.items() if line}
        for symbol, (id_, time) in list(self._confirmed.items()):
            lane = self._lanes[symbol]
            if lane not in due or time > self.time:
                continue
            del self._confirmed[symbol]
            if time >= minute:
                last_ids[lane][symbol] = id_
            else:
                clock = earlier[lane].setdefault(floor(time, MINUTE), Clock(time))
                clock.time = max(clock.time, time)
                clock.last_ids[symbol] = id_
        self._told |= dict.fromkeys(due, self.time)
        unheard: defaultdict[int, list[str]] = defaultdict(list)
        for symbol in sorted(self._unheard):
            unheard[self._lane(symbol)].append(symbol)
        now = {lane: Clock(self.time, last_ids[lane], unheard[lane]) for lane in due}
        return {lane: [*dict(sorted(earlier[lane].items())).values(), now[lane]] for lane in due}

    def _known_lanes(self) -> set[int]:
        for symbol in self._confirmed:
            self._lane(symbol)
        return set(self._lanes.values())

    def _is_due(self, lane: int) -> bool:
        told = self._told.get(lane, 0)
        closes = (self.time - GRACE) // MINUTE > (told - GRACE) // MINUTE
        return self.time > told and (closes or self.time - told >= CLOCK_STEP)
