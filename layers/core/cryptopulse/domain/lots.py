"""Lots: what was acquired when and at what cost, and which of it each disposal takes.

Amounts are Decimals, money in the portfolio's base currency. Quantities are exact. Money is rounded to 18 decimals,
half even, and in three places only: where it comes in, where a lot or the proceeds of a disposal are split, where a
part leaves the pool at its average cost. In a split the running totals of the parts are rounded: no part is off by more
than the last digit, the last part takes the rest, and all add up to exactly the whole.
"""

import heapq
import zlib
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import partial
from operator import attrgetter
from typing import Final, Literal, NamedTuple

import msgspec

from cryptopulse.errors import InvalidError, SchemaError

type Method = Literal["fifo", "lifo", "hifo", "acb"]
"""First in, first out; last in, first out; highest unit cost first; adjusted cost base, the average of the pool."""
type Term = Literal["short", "long"]

ZERO: Final = Decimal(0)
UNIT: Final = Decimal("1E-18")
"""The smallest amount of money."""

# Quantities have at most 36 digits, money 54, sums of ten million of them 7 more. So products fit; a quotient that is
# not halfway between two units does not become so (105 digits); different unit costs stay different (91).
_DIGITS: Final = 120
EXACT: Final = Context(prec=_DIGITS, traps=[Inexact, InvalidOperation, Overflow])
"""For sums and products of amounts: the default context rounds them to 28 digits without a word."""
_ROUNDING: Final = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN, traps=[DivisionByZero, InvalidOperation, Overflow])
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply
_divide, _quantize = _ROUNDING.divide, _ROUNDING.quantize

_DAY: Final = 86_400_000


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A quantity of an asset with its cost, when (Unix ms) and by which transaction it was acquired.

    Where its acquisition is not known both are None, and the cost is 0.
    """

    quantity: Decimal
    cost: Decimal
    acquired_at: int | None
    transaction: str | None


class Match(msgspec.Struct, frozen=True, gc=False):
    """The part of a disposal that one lot gave. Times in Unix ms; `acquisition` and `disposal` are transactions' ids.

    Where there was no lot `acquired_at` and `acquisition` are None, `cost_basis` is 0 and the term short: nothing shows
    that it was held for longer.
    """

    asset: str
    quantity: Decimal
    acquired_at: int | None
    disposed_at: int
    proceeds: Decimal
    cost_basis: Decimal
    gain: Decimal
    term: Term
    acquisition: str | None
    disposal: str


class Holding(NamedTuple):
    """How much there is of an asset, and what it cost."""

    quantity: Decimal
    cost: Decimal


class Lot(msgspec.Struct, order=True, gc=False):
    """An acquisition as it was made, and what is left of it. Under `acb` the pool knows the cost."""

    quantity: Decimal
    cost: Decimal
    acquired_at: int
    transaction: str
    left: Decimal
    taken_cost: Decimal = ZERO
    """What of it was taken had cost; under `acb` it does not matter."""


class LotsByTime:
    """The lots of an asset by time, then id: O(1), since they come in this order, but for those of transfers."""

    _order = attrgetter("acquired_at", "transaction")

    def __init__(self, *, is_last_first: bool) -> None:
        self._lots: deque[Lot] = deque()
        self._is_last_first = is_last_first

    def __iter__(self) -> Iterator[Lot]:
        return iter(self._lots)

    def add(self, lot: Lot) -> None:
        lots = self._lots
        if lots and lot.acquired_at <= lots[-1].acquired_at and self._order(lot) < self._order(lots[-1]):
            insort(lots, lot, key=self._order)
        else:
            lots.append(lot)

    def first(self) -> Lot | None:
        if not self._lots:
            return None
        return self._lots[-1] if self._is_last_first else self._lots[0]

    def drop(self) -> None:
        if self._is_last_first:
            self._lots.pop()
        else:
            self._lots.popleft()


class LotsByUnitCost:
    """The lots of an asset by unit cost, the highest first, then by time and id: a heap, O(log n).

    A lot's place is that of its acquisition, whatever is left of it. Lots alike in all of this come in Lot's own order,
    whose last field is what is left: the one that was begun stays first.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Decimal, int, str, Lot]] = []

    def __iter__(self) -> Iterator[Lot]:
        return (lot for *_, lot in sorted(self._heap))

    def add(self, lot: Lot) -> None:
        # One division when it comes, none where it is compared: with these digits it orders as fractions would.
        unit_cost = _divide(lot.cost, lot.quantity)
        heapq.heappush(self._heap, (unit_cost.copy_negate(), lot.acquired_at, lot.transaction, lot))

    def first(self) -> Lot | None:
        return self._heap[0][-1] if self._heap else None

    def drop(self) -> None:
        heapq.heappop(self._heap)


def _lots(method: Method) -> LotsByTime | LotsByUnitCost:
    return LotsByUnitCost() if method == "hifo" else LotsByTime(is_last_first=method == "lifo")


class StoredLots:
    """The lots of an asset that are kept elsewhere: read when one is looked at, not when one is added.

    Args:
        method: Their book's.
        read: Gets what `encode_lots` packed.
    """

    def __init__(self, method: Method, read: Callable[[], bytes]) -> None:
        self._method: Final[Method] = method
        self._read = read
        self._all: LotsByTime | LotsByUnitCost | None = None
        self._added: list[Lot] = []

    def __iter__(self) -> Iterator[Lot]:
        return iter(self._lots)

    @property
    def is_touched(self) -> bool:
        """Whether they may be others than those stored."""
        return self._all is not None or bool(self._added)

    def add(self, lot: Lot) -> None:
        if self._all is None:
            self._added.append(lot)
        else:
            self._all.add(lot)

    def first(self) -> Lot | None:
        return self._lots.first()

    def drop(self) -> None:
        self._lots.drop()

    @property
    def _lots(self) -> LotsByTime | LotsByUnitCost:
        if self._all is None:
            self._all = _lots(self._method)
            for lot in (*_decode_lots(self._read()), *self._added):
                self._all.add(lot)
        return self._all


class Position(msgspec.Struct):
    """What a book knows of one asset: the lots, their quantity and cost, and what is there without a lot."""

    lots: LotsByTime | LotsByUnitCost | StoredLots
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    unknown: Decimal = ZERO
    """Received, its acquisition not known."""
    missing: Decimal = ZERO
    """All that was received so, or taken without being there."""


class Book:
    """The lots of a portfolio under one method, fed in order of time.

    Lots are taken oldest first (`fifo`), latest first (`lifo`), or highest unit cost first (`hifo`); under `acb` at the
    average cost of all there are, their dates oldest first. What is there without a known acquisition goes last.
    """

    def __init__(self, method: Method) -> None:
        self.method: Final = method
        self.time = 0
        """Of the last event, Unix ms."""
        self.realised: dict[Term, Decimal] = {"short": ZERO, "long": ZERO}
        """The gain of all disposals so far."""
        self.positions: dict[str, Position] = {}

    @property
    def holdings(self) -> dict[str, Holding]:
        """What there is of each asset; assets of which nothing is left are not named."""
        return {
            asset: Holding(quantity, position.cost)
            for asset, position in self.positions.items()
            if (quantity := _add(position.quantity, position.unknown))
        }

    @property
    def missing(self) -> dict[str, Decimal]:
        """Of each asset that lacks any, the quantity whose acquisition is not known: taken or received without one."""
        return {asset: position.missing for asset, position in self.positions.items() if position.missing}

    def lots(self, asset: str) -> list[Part]:
        """What there is of an asset: oldest first, under `hifo` highest unit cost first, at last what is not known."""
        position = self.positions.get(asset)
        if position is None:
            return []
        parts = []
        quantity, cost = position.quantity, position.cost
        for lot in position.lots:
            own = self._cost(lot, lot.left, quantity, cost)
            quantity, cost = _subtract(quantity, lot.left), _subtract(cost, own)
            parts.append(Part(lot.left, own, lot.acquired_at, lot.transaction))
        if position.unknown:
            parts.append(Part(position.unknown, ZERO, None, None))
        return parts

    def acquire(self, asset: str, quantity: Decimal, cost: Decimal, time: int, transaction: str) -> None:
        """Adds a lot.

        Args:
            asset: What was acquired.
            quantity: How much of it, more than 0.
            cost: What all of it cost, fees included.
            time: Unix ms.
            transaction: The acquisition's id.

        Raises:
            InvalidError: The quantity is not above 0, or an amount not finite.
            ValueError: The time is before that of an earlier event.
        """
        self._advance(quantity, time, transaction)
        self._put(asset, quantity, rounded(cost), time, transaction)

    def receive(self, asset: str, parts: Iterable[Part]) -> None:
        """Adds what another book gave by `remove`, with its dates and cost."""
        for part in parts:
            if part.acquired_at is None or part.transaction is None:
                position = self._position(asset)
                position.unknown = _add(position.unknown, part.quantity)
                position.missing = _add(position.missing, part.quantity)
            else:
                self._put(asset, part.quantity, part.cost, part.acquired_at, part.transaction)

    def dispose(self, asset: str, quantity: Decimal, proceeds: Decimal, time: int, transaction: str) -> list[Match]:
        """Takes lots for what was sold or spent, and realises the gain.

        Args:
            asset: What was given.
            quantity: How much of it, more than 0.
            proceeds: What was received for all of it, less fees.
            time: Unix ms.
            transaction: The disposal's id.

        Returns:
            The parts in the order they were taken; quantities and proceeds add up to those given. What there was no lot
            for is the last.

        Raises:
            InvalidError: The quantity is not above 0, or an amount not finite.
            ValueError: The time is before that of an earlier event.
        """
        proceeds = rounded(proceeds)
        matches: list[Match] = []
        matched = shared = ZERO
        for part in self.remove(asset, quantity, time, transaction):
            cost, acquired_at = part.cost, part.acquired_at
            matched = _add(matched, part.quantity) if matches else part.quantity
            total = _share(proceeds, matched, quantity)
            own, shared = _subtract(total, shared) if matches else total, total
            gain = _subtract(own, cost)
            held: Term = "short" if acquired_at is None else term(acquired_at, time)
            self.realised[held] = _add(self.realised[held], gain)
            acquisition = part.transaction
            match = Match(asset, part.quantity, acquired_at, time, own, cost, gain, held, acquisition, transaction)
            matches.append(match)
        return matches

    def remove(self, asset: str, quantity: Decimal, time: int, transaction: str) -> list[Part]:
        """Takes lots without a gain: a withdrawal, or a transfer to another book.

        Args:
            asset: What left.
            quantity: How much of it, more than 0.
            time: Unix ms.
            transaction: The id of what removes it.

        Returns:
            The parts in the order they were taken; their quantities add up to the one given. What there was no lot for
            is the last.

        Raises:
            InvalidError: The quantity is not above 0.
            ValueError: The time is before that of an earlier event.
        """
        self._advance(quantity, time, transaction)
        position = self._position(asset)
        lots, pool_quantity, pool_cost = position.lots, position.quantity, position.cost
        parts = []
        while quantity and (lot := lots.first()) is not None:
            taken = min(lot.left, quantity)
            cost = self._cost(lot, taken, pool_quantity, pool_cost)
            pool_quantity, pool_cost = _subtract(pool_quantity, taken), _subtract(pool_cost, cost)
            quantity = _subtract(quantity, taken)
            if taken == lot.left:
                lots.drop()
            else:
                lot.left, lot.taken_cost = _subtract(lot.left, taken), _add(lot.taken_cost, cost)
            parts.append(Part(taken, cost, lot.acquired_at, lot.transaction))
        position.quantity, position.cost = pool_quantity, pool_cost
        if quantity:
            parts.append(Part(quantity, ZERO, None, None))
            held = min(position.unknown, quantity)
            position.unknown = _subtract(position.unknown, held)
            position.missing = _add(position.missing, _subtract(quantity, held))
        return parts

    def _cost(self, lot: Lot, taken: Decimal, pool_quantity: Decimal, pool_cost: Decimal) -> Decimal:
        """What the next `taken` of a lot cost."""
        if self.method == "acb":
            return _share(pool_cost, taken, pool_quantity)
        total = lot.cost
        if taken != lot.left:
            total = _share(total, _subtract(lot.quantity, _subtract(lot.left, taken)), lot.quantity)
        return _subtract(total, lot.taken_cost) if lot.taken_cost else total

    def _advance(self, quantity: Decimal, time: int, transaction: str) -> None:
        if not (quantity.is_finite() and quantity > ZERO):
            raise InvalidError("quantity", "Expected more than 0")
        if time < self.time:
            raise ValueError(f"transaction {transaction} at {time} comes after {self.time}")
        self.time = time

    def _position(self, asset: str) -> Position:
        position = self.positions.get(asset)
        if position is None:
            position = self.positions[asset] = Position(_lots(self.method))
        return position

    def _put(self, asset: str, quantity: Decimal, cost: Decimal, acquired_at: int, transaction: str) -> None:
        position = self._position(asset)
        position.lots.add(Lot(quantity, cost, acquired_at, transaction, quantity))
        position.quantity = _add(position.quantity, quantity)
        position.cost = _add(position.cost, cost)


def rounded(amount: Decimal) -> Decimal:
    """An amount of money to 18 decimals, half even; no digits are added.

    Raises:
        InvalidError: It is not finite.
    """
    if not amount.is_finite():
        raise InvalidError("amount", "Expected a finite number")
    short = _quantize(amount, UNIT)
    return amount if short == amount else short


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    if part == whole:
        return amount
    return _quantize(_divide(_multiply(amount, part), whole), UNIT) if part else ZERO


def term(acquired_at: int, disposed_at: int) -> Term:
    """Whether what was held between two times (Unix ms) was held for more than a year, by the calendar in UTC.

    The year begins on the day after the acquisition, and the day of the disposal counts (IRS, Publication 544, "Holding
    Period"): acquired on 2023-03-01, long from 2024-03-02; acquired on 2024-02-29, long from 2025-03-01.
    """
    held = disposed_at - acquired_at
    if held < 365 * _DAY:
        return "short"
    if held >= 367 * _DAY:
        return "long"
    return "long" if _day(disposed_at) > _year_after(_day(acquired_at)) else "short"


def _day(time: int) -> date:
    return datetime.fromtimestamp(time // 1000, UTC).date()


def _year_after(day: date) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year + 1, day=28 if is_leap_day else day.day)


# --- the packed form: totals of all assets, and the lots of each in columns; compressed ---

_FORMAT: Final = b"\x01"

type _Columns = tuple[list[Decimal], list[Decimal], list[int], list[str], list[Decimal | None]]


class _Totals(msgspec.Struct, array_like=True):
    method: Method
    time: int
    realised: dict[Term, Decimal]
    positions: dict[str, tuple[Decimal, Decimal, Decimal, Decimal]]


_encoder = msgspec.msgpack.Encoder()
_totals_decoder = msgspec.msgpack.Decoder(_Totals)
_columns_decoder = msgspec.msgpack.Decoder(_Columns)


def encode_totals(book: Book) -> bytes:
    """A book as bytes, but for its lots."""
    positions = {
        asset: (position.quantity, position.cost, position.unknown, position.missing)
        for asset, position in book.positions.items()
    }
    return _packed(_Totals(book.method, book.time, book.realised, positions))


def encode_lots(lots: Iterable[Lot]) -> bytes:
    """The lots of one asset as bytes, some 40 each."""
    columns: _Columns = ([], [], [], [], [])
    quantities, costs, times, transactions, lefts = columns
    for lot in lots:
        quantities.append(lot.quantity)
        costs.append(lot.cost)
        times.append(lot.acquired_at)
        transactions.append(lot.transaction)
        lefts.append(None if lot.left == lot.quantity else lot.left)
    return _packed(columns)


def restore(totals: bytes, read: Callable[[str], bytes]) -> Book:
    """The book that was packed; it goes on exactly as that one would have.

    Args:
        totals: As of `encode_totals`.
        read: Gets what `encode_lots` packed of an asset; called for those of which lots are needed, when they are.

    Raises:
        SchemaError: It is of a later release.
    """
    packed = _totals_decoder.decode(_unpacked(totals))
    book = Book(packed.method)
    book.time, book.realised = packed.time, packed.realised
    for asset, (quantity, cost, unknown, missing) in packed.positions.items():
        lots = StoredLots(book.method, partial(read, asset)) if quantity else _lots(book.method)
        book.positions[asset] = Position(lots, quantity, cost, unknown, missing)
    return book


def _decode_lots(data: bytes) -> Iterator[Lot]:
    columns = _columns_decoder.decode(_unpacked(data))
    for acquired, paid, time, transaction, left in zip(*columns, strict=True):
        lot = Lot(acquired, paid, time, transaction, acquired)
        if left is not None:
            lot.left, lot.taken_cost = left, _share(paid, _subtract(acquired, left), acquired)
        yield lot


def _packed(content: object) -> bytes:
    # A higher level takes three times as long for the last fortieth.
    return _FORMAT + zlib.compress(_encoder.encode(content), 1)


def _unpacked(data: bytes) -> bytes:
    if data[:1] != _FORMAT:
        raise SchemaError("book of lots", data[:1], _FORMAT[0])
    return zlib.decompress(data[1:])
