"""A ledger is what a plain sorted list of its transactions is, whatever was added, removed and changed, and when."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, get_args
from zlib import compress

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from msgspec.msgpack import encode
from msgspec.structs import replace

from cryptopulse.domain.bookkeeping import enter, moves
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.ledgers import (
    LIMITS,
    Block,
    Head,
    Limits,
    Reader,
    Ref,
    decode_block,
    decode_head,
    encode_block,
    encode_head,
)
from cryptopulse.domain.lots import EXACT, Book, Method, Part, rounded
from cryptopulse.domain.portfolios import Currency, Portfolio
from cryptopulse.domain.revisions import Change, Edit, Revised, Short, rebook, revise
from cryptopulse.domain.times import month_of
from cryptopulse.domain.transactions import Mark, Transaction, new_id, time_of
from cryptopulse.errors import ConflictError, InvalidError, NotFoundError, RacedError, SchemaError, ShortError

METHODS: tuple[Method, ...] = get_args(Method.__value__)
A, B, C = "a" * 32, "b" * 32, "c" * 32
NOW = 1_795_348_800_000
START = 1_700_000_000_000
SMALL = Limits(tail=6, kept=2, tail_size=2_000, block=8, block_size=2_000, recent=10, transactions=500, assets=6)

ZERO = Decimal(0)


def d(text: str) -> Decimal:
    return Decimal(text)


class Cloud:
    """Portfolios in memory, as the table has them."""

    def __init__(self, limits: Limits = SMALL, **bases: Currency) -> None:
        self.limits = limits
        self.portfolios: dict[str, Portfolio] = {}
        self.heads: dict[str, bytes] = {}
        self.items: dict[str, dict[Ref, bytes]] = {}
        self.reads: list[Ref] = []
        self.edits = 0
        self.names: set[str] = set()
        """All that there have ever been."""
        for letter, base in (bases or {"a": "USD"}).items():
            id_ = letter * 32
            self.portfolios[id_] = Portfolio(
                id=id_, name=letter, base_currency=base, cost_basis="fifo", created_at=0, updated_at=0, version=1
            )
            self.heads[id_] = encode_head(Head())
            self.items[id_] = {}

    def open(self, id_: str) -> Reader | None:
        if id_ not in self.heads:
            return None
        return Reader(self.portfolios[id_], self.heads[id_], Items(self, id_), self.limits)

    def read(self, id_: str = A) -> Reader:
        reader = self.open(id_)
        assert reader is not None
        return reader

    def edit(self, edits: Mapping[str, Edit] | Edit, **options: Any) -> Revised:
        self.edits += 1
        edits = {A: edits} if isinstance(edits, Edit) else edits
        now = options.pop("now", NOW + 25_000 * self.edits)
        self.names |= {tx.name for edit in edits.values() for tx in edit.add}
        revised = revise(edits, self.open, salt=f"{self.edits:08x}", now=now, **options)
        self.apply(revised.changes)
        return revised

    def add(self, *transactions: Transaction, to: str = A, **options: Any) -> Revised:
        return self.edit({to: Edit(add=transactions)}, **options)

    def remove(self, *ids: str, of: str = A, **options: Any) -> Revised:
        return self.edit({of: Edit(remove=ids)}, **options)

    def rebook(self, id_: str, method: Method) -> None:
        self.edits += 1
        reader = self.read(id_)
        reader = Reader(replace(reader.portfolio, cost_basis=method), self.heads[id_], Items(self, id_), self.limits)
        self.apply(rebook(reader, lambda other: reader if other == id_ else self.open(other), salt="x", now=NOW))

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            id_ = change.portfolio.id
            assert self.portfolios[id_].version == change.portfolio.version - 1
            assert not self.items[id_].keys() & change.written.keys()
            self.items[id_] |= change.written
            self.portfolios[id_], self.heads[id_] = change.portfolio, change.head
            for ref in change.removed:
                del self.items[id_][ref]


class Items:
    """Reads of one portfolio."""

    def __init__(self, cloud: Cloud, id_: str) -> None:
        self._cloud = cloud
        self._items = cloud.items[id_]

    def read(self, refs: Sequence[Ref]) -> list[bytes]:
        self._cloud.reads += refs
        return [self._items[ref] for ref in refs]


class Ids:
    """Transactions one after the other, with ids of their own."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, type_: str, quantity: str, time: int, asset: str = "BTC", **fields: Any) -> Transaction:
        self.count += 1
        if type_ in ("buy", "sell"):
            fields = {"price": d("10"), "currency": "USD"} | fields
        made: dict[str, Any] = {
            "id": new_id(START + time, NOW, self.count, 0),
            "type": type_,
            "asset": asset,
            "quantity": d(quantity),
            "time": START + time,
            "created_at": NOW,
            "updated_at": NOW,
        }
        return Transaction(**made | fields)


@pytest.fixture
def tx() -> Ids:
    return Ids()


# --- the model: a plain sorted list, everything computed anew ---


def ordered(transactions: Iterable[Transaction]) -> list[Transaction]:
    return sorted(transactions, key=lambda each: each.key)


def walked(transactions: Iterable[Transaction]) -> tuple[dict[str, Decimal], dict[tuple[str, str], Decimal]]:
    """What there is at the end, and what each transaction takes too much."""
    there: dict[str, Decimal] = {}
    shorts: dict[tuple[str, str], Decimal] = {}
    for tx in transactions:
        for asset, change in moves(tx):
            left = EXACT.add(there.get(asset, ZERO), change)
            if left < 0:
                shorts[tx.id, asset] = EXACT.subtract(shorts.get((tx.id, asset), ZERO), left)
            there[asset] = max(left, ZERO)
    return {asset: quantity for asset, quantity in there.items() if quantity}, shorts


def entered(transactions: Iterable[Transaction], method: Method, base: Currency = "USD") -> Book:
    book = Book(method)
    for tx in transactions:
        enter(book, tx, base)
    return book


def looks(book: Book) -> tuple[Any, ...]:
    lots = {asset: book.lots(asset) for asset in sorted(book.positions)}
    return book.holdings, book.missing, book.realised, {asset: parts for asset, parts in lots.items() if parts}


def shorter(before: Collection[Transaction], after: Collection[Transaction]) -> list[tuple[str, str, Decimal]]:
    """What takes too much that did not, or more than it did."""
    old, new = walked(ordered(before))[1], walked(ordered(after))[1]
    return sorted((id_, asset, missing) for (id_, asset), missing in new.items() if missing > old.get((id_, asset), 0))


def told(shorts: Iterable[Short]) -> list[tuple[str, str, Decimal]]:
    return sorted((short.transaction.id, short.asset, short.missing) for short in shorts)


def check_whole(cloud: Cloud, id_: str, expected: Collection[Transaction]) -> None:
    """Everything that a portfolio says is what the list says."""
    reader, model = cloud.read(id_), ordered(expected)
    base, method = reader.portfolio.base_currency, reader.portfolio.cost_basis
    assert list(reader.transactions()) == model
    assert reader.count == len(model)
    assert reader.balances == walked(model)[0]
    for each in METHODS:
        assert looks(reader.book(each)) == looks(entered(model, each, base))
    assert looks(reader.book()) == looks(entered(model, method, base))
    names = {tx.name for tx in model}
    assert reader.known(names | cloud.names) == names
    assert [reader.find(tx.id) for tx in model] == model
    check_storage(cloud, id_)


def check_storage(cloud: Cloud, id_: str) -> None:
    """Blocks and tail keep their limits, and nothing is stored that the map does not name."""
    reader, limits = cloud.read(id_), cloud.limits
    map_ = reader.map
    replaced = {ref for each in map_.replaced for ref in each.refs}
    own = {reader.head.map} if reader.head.map else set()
    assert cloud.items[id_].keys() == map_.refs | replaced | own
    assert len(reader.tail) <= limits.tail
    assert len(reader.head.tail) <= max(limits.tail_size, len(encode_block([])))
    assert len(reader.hashes(map_.recent)) <= limits.recent
    assert reader.head.end == (map_.blocks[-1].last if map_.blocks else None)
    stored = list(reader.blocks())
    assert map_.moved == {tx.id: tx.time for _, own in stored for tx in own if tx.time != time_of(tx.id)}
    for block, transactions in stored:
        assert block.count == len(transactions) <= limits.block
        assert block.last == transactions[-1].key
        assert block.size == len(cloud.items[id_][block.ref])
        assert block.size <= limits.block_size or block.count == 1
    assert all(before.last < after.last for before, after in zip(map_.blocks, map_.blocks[1:], strict=False))


# --- any history ---

ASSETS = ("BTC", "ETH", "SOL")


@st.composite
def transactions(draw: st.DrawFn, number: int) -> Transaction:
    tx = Ids()
    tx.count = number
    type_ = draw(st.sampled_from(("buy", "buy", "sell", "trade", "deposit", "withdrawal", "reward", "fee")))
    asset = draw(st.sampled_from(ASSETS))
    time = draw(st.integers(0, 40))
    fields: dict[str, Any] = {"marks": {each: Mark(d("7.5"), START) for each in ASSETS}}
    if type_ == "trade":
        counter = draw(st.sampled_from([each for each in ASSETS if each != asset]))
        fields |= {"counter_asset": counter, "counter_quantity": d(str(draw(st.integers(1, 9))))}
    if type_ != "fee" and draw(st.booleans()):
        fields |= {"fee": d("0.3"), "fee_asset": draw(st.sampled_from(("USD", "ETH")))}
    if draw(st.booleans()):
        fields["external_id"] = f"x{draw(st.integers(0, 25))}"
    return tx(type_, str(draw(st.integers(1, 9))), time, asset, **fields)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_edits_leave_what_a_plain_list_would_hold(data: st.DataObject) -> None:
    cloud, model, number = Cloud(), dict[str, Transaction](), 0
    for _ in range(data.draw(st.integers(1, 9))):
        removed = data.draw(st.lists(st.sampled_from(sorted(model)), max_size=12, unique=True)) if model else []
        added = []
        for _ in range(data.draw(st.sampled_from((0, 1, 1, 2, 5, 12, 30)))):
            number += 1
            added.append(data.draw(transactions(number)))
        for id_ in removed:  # some change and keep their id
            if data.draw(st.booleans()):
                number += 1
                changed = data.draw(transactions(number))
                added.append(replace(changed, id=id_))
        tolerant, skips = data.draw(st.booleans()), data.draw(st.booleans())
        left = {id_: tx for id_, tx in model.items() if id_ not in removed}
        names = {tx.name for tx in left.values()}
        good, skipped = list[Transaction](), list[str]()
        for tx in ordered(added):
            if tx.name in names:
                skipped.append(tx.name)
            else:
                good.append(tx)
            names.add(tx.name)
        after = left | {tx.id: tx for tx in good}
        edit = Edit(remove=removed, add=added)
        note(f"{edit} tolerant={tolerant} skips={skips}")
        short = shorter(model.values(), after.values())
        if skipped and not skips:
            with pytest.raises(ConflictError, match="already"):
                cloud.edit(edit, tolerant=tolerant)
        elif short and not tolerant:
            with pytest.raises(ShortError) as caught:
                cloud.edit(edit, skip_known=skips)
            first = min((after[id_].key, id_, asset, missing) for id_, asset, missing in short)
            told_id = first[1] if first[1] in removed else caught.value.transaction_id
            assert caught.value.transaction_id == told_id
            assert (caught.value.transaction_id is None) == (first[1] not in model)
            assert (caught.value.time, caught.value.missing) in {
                (after[id_].time, missing) for id_, _, missing in short if after[id_].key == first[0]
            }
        else:
            revised = cloud.edit(edit, tolerant=tolerant, skip_known=skips)
            assert told(revised.shorts) == short
            assert sorted(revised.skipped) == sorted(skipped)
            model = after
        check_whole(cloud, A, model.values())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pages_and_spans_are_those_of_the_list(data: st.DataObject) -> None:
    cloud = Cloud()
    made = [data.draw(transactions(number)) for number in range(data.draw(st.integers(0, 60)))]
    model = ordered(replace(tx, external_id=None) for tx in made)
    cloud.add(*model, tolerant=True)
    reader = cloud.read()
    limit = data.draw(st.integers(1, 20))
    pages, after = list[Transaction](), None
    while page := reader.page(after, limit):
        assert len(page) == min(limit, len(model) - len(pages))
        pages += page
        after = page[-1].key
    assert pages == model[::-1]
    start, end = sorted(START + data.draw(st.integers(-1, 42)) for _ in range(2))
    assert list(reader.transactions(start, end)) == [tx for tx in model if start <= tx.time < end]
    for method in METHODS:
        before = [tx for tx in model if tx.time < end]
        assert looks(reader.book(method, end)) == looks(entered(before, method))


# --- transfers ---


def convert(parts: Iterable[Part], rate: Decimal) -> tuple[Part, ...]:
    return tuple(replace(part, cost=rounded(EXACT.multiply(part.cost, rate))) for part in parts)


RATES: dict[tuple[Currency, Currency], Decimal] = {
    ("USD", "EUR"): d("0.9"),
    ("EUR", "USD"): d("1.1"),
    ("GBP", "USD"): d("1.3"),
    ("USD", "GBP"): d("0.75"),
    ("GBP", "EUR"): d("1.2"),
    ("EUR", "GBP"): d("0.85"),
}


def both(
    tx: Ids, cloud: Cloud, quantity: str, time: int, source: str, target: str, **fields: Any
) -> dict[str, Transaction]:
    """A transfer as both of its portfolios have it."""
    own = tx("transfer", quantity, time, to_portfolio_id=target, **fields)
    bases = cloud.portfolios[source].base_currency, cloud.portfolios[target].base_currency
    other = own.received(source)
    if bases[0] != bases[1]:
        other = replace(other, marks={bases[0]: Mark(RATES[bases], START + time)})
    return {source: own, target: other}


def replayed(cloud: Cloud, model: Mapping[str, Mapping[str, Transaction]]) -> dict[str, dict[str, Transaction]]:
    """All portfolios entered together in order; transfers with the lots that they take then."""
    books = {id_: Book(cloud.portfolios[id_].cost_basis) for id_ in model}
    after: dict[str, dict[str, Transaction]] = {id_: {} for id_ in model}
    sent: dict[str, tuple[tuple[Part, ...], Currency]] = {}
    events = [(tx.key, tx.is_incoming, id_) for id_, own in model.items() for tx in own.values()]
    for key, _, id_ in sorted(events):
        tx, base = model[id_][key.id], cloud.portfolios[id_].base_currency
        if tx.is_incoming and tx.id in sent:
            parts, source = sent[tx.id]
            tx = replace(tx, parts=parts if source == base else convert(parts, tx.marks[source].price))
        given = enter(books[id_], tx, base).given
        if tx.type == "transfer" and not tx.is_incoming:
            tx = replace(tx, parts=given)
            sent[tx.id] = given, base
        after[id_][tx.id] = tx
    return after


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_transfers_take_along_what_they_take_whatever_changes_before_them(data: st.DataObject) -> None:
    cloud = Cloud(a="USD", b="EUR", c="GBP") if data.draw(st.booleans()) else Cloud(a="USD", b="USD", c="USD")
    model: dict[str, dict[str, Transaction]] = {A: {}, B: {}, C: {}}
    tx = Ids()
    for _ in range(data.draw(st.integers(1, 7))):
        edits: dict[str, tuple[list[str], list[Transaction]]] = {}

        def put(id_: str, added: Transaction | None = None, removed: str | None = None) -> None:
            remove, add = edits.setdefault(id_, ([], []))  # noqa: B023 (called in this round only)
            add += [added] if added else []
            remove += [removed] if removed else []

        known = sorted({id_ for own in model.values() for id_ in own})
        for id_ in data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []:
            for portfolio, own in model.items():
                if id_ in own:
                    put(portfolio, removed=id_)
        for _ in range(data.draw(st.sampled_from((0, 1, 1, 3, 10)))):
            time, quantity = data.draw(st.integers(0, 30)), str(data.draw(st.integers(1, 9)))
            if data.draw(st.booleans()):
                source, target = data.draw(st.permutations((A, B, C)))[:2]
                fields = {"fee": d("0.1"), "fee_asset": "BTC"} if data.draw(st.booleans()) else {}
                for portfolio, each in both(tx, cloud, quantity, time, source, target, **fields).items():
                    put(portfolio, added=each)
            else:
                portfolio = data.draw(st.sampled_from((A, B, C)))
                marks = {"USD": Mark(d("0.8"), START)}
                type_ = data.draw(st.sampled_from(("buy", "buy", "sell")))
                put(
                    portfolio, added=tx(type_, quantity, time, price=d(str(data.draw(st.integers(1, 99)))), marks=marks)
                )
        if data.draw(st.integers(0, 4)) == 0:
            method = data.draw(st.sampled_from(METHODS))
            cloud.rebook(portfolio := data.draw(st.sampled_from((A, B, C))), method)
            model = replayed(cloud, model)
            note(f"{portfolio[0]} {method}")
        note(str(edits))
        order = data.draw(st.permutations(sorted(edits)))
        cloud.edit({id_: Edit(*edits[id_]) for id_ in order}, tolerant=True)
        for id_, (removed, added) in edits.items():
            model[id_] = {key: each for key, each in model[id_].items() if key not in removed}
            model[id_] |= {each.id: each for each in added}
        model = replayed(cloud, model)
        for id_, own in model.items():
            check_whole(cloud, id_, own.values())


def test_what_changes_in_one_portfolio_goes_on_through_the_others(tx: Ids) -> None:
    """A to B to C: a dearer lot entered before all of it comes first under fifo, and goes all the way."""
    cloud = Cloud(a="USD", b="EUR", c="GBP")
    cloud.add(tx("buy", "2", 10, price=d("100")))
    cloud.edit({id_: Edit(add=[each]) for id_, each in both(tx, cloud, "2", 20, A, B).items()})
    cloud.edit({id_: Edit(add=[each]) for id_, each in both(tx, cloud, "2", 30, B, C).items()})
    assert cloud.read(C).book().holdings == {"BTC": (d("2"), d("153.00"))}
    late = tx("buy", "1", 5, price=d("500"))
    revised = cloud.add(late)
    assert [change.portfolio.id for change in revised.changes] == [A, B, C]
    # 500 + 100 dollars, at 0.9 in euros, at 0.85 in pounds
    assert cloud.read(C).book().holdings == {"BTC": (d("2"), d("459.00"))}
    assert [part.transaction for part in cloud.read(C).book().lots("BTC")] == [late.id, tx_id(cloud, 10)]
    assert cloud.read(A).book().holdings == {"BTC": (d("1"), d("100"))}


def tx_id(cloud: Cloud, time: int, of: str = A) -> str:
    (found,) = cloud.read(of).transactions(START + time, START + time + 1)
    return found.id


@pytest.mark.parametrize("order", [(A, B), (B, A)])
def test_a_change_at_the_end_begins_anew_where_a_transfer_long_ago_changes_too(tx: Ids, order: tuple[str, str]) -> None:
    cloud = Cloud(a="USD", b="USD")
    cheap = tx("buy", "1", 10)
    cloud.add(cheap)
    sides = both(tx, cloud, "1", 20, A, B)
    cloud.edit({id_: Edit(add=[each]) for id_, each in sides.items()})
    made = [tx("buy", "1", 30 + number) for number in range(40)]
    cloud.add(*made, to=B)
    dear = tx("buy", "1", 5, price=d("99"))
    sold = tx("sell", "1", 100)
    edits = {A: Edit(add=[dear]), B: Edit(remove=[made[-1].id], add=[sold])}
    cloud.edit({id_: edits[id_] for id_ in order})
    parts = (Part(d("1"), d("99"), dear.time, dear.id),)
    check_whole(cloud, A, [dear, cheap, replace(sides[A], parts=parts)])
    check_whole(cloud, B, [replace(sides[B], parts=parts), *made[:-1], sold])


def test_what_does_not_change_the_lots_of_a_transfer_leaves_the_other_portfolio_alone(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="USD")
    cloud.add(tx("buy", "2", 10))
    cloud.edit({id_: Edit(add=[each]) for id_, each in both(tx, cloud, "1", 20, A, B).items()})
    revised = cloud.add(tx("buy", "1", 15, price=d("500")))
    assert [change.portfolio.id for change in revised.changes] == [A]


def test_a_transfer_to_a_portfolio_that_is_gone_changes_on_this_side_only(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="USD")
    cloud.add(tx("buy", "2", 10))
    sides = both(tx, cloud, "1", 20, A, B)
    cloud.edit({id_: Edit(add=[each]) for id_, each in sides.items()})
    del cloud.heads[B]
    cloud.add(late := tx("buy", "1", 5, price=d("500")))
    assert cloud.read().find(sides[A].id).parts == (Part(d("1"), d("500"), late.time, late.id),)


def test_a_transfer_that_changes_otherwise_takes_its_lots_along_again(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="USD")
    cloud.add(tx("buy", "2", 10))
    sides = both(tx, cloud, "1", 20, A, B)
    cloud.edit({id_: Edit(add=[each]) for id_, each in sides.items()})
    id_, own = sides[A].id, cloud.read(A).find(sides[A].id)
    noted = {A: replace(own, note="cold"), B: replace(sides[B], note="cold")}
    cloud.edit({portfolio: Edit([id_], [each]) for portfolio, each in noted.items()})
    assert cloud.read(A).find(id_) == noted[A]
    assert cloud.read(B).find(id_) == replace(noted[B], parts=own.parts)


def test_both_sides_of_a_transfer_are_edited_together(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="USD")
    cloud.add(tx("buy", "2", 10))
    sides = both(tx, cloud, "1", 20, A, B)
    with pytest.raises(RacedError):  # as if the other had been read when it was not there yet, or any more
        cloud.add(sides[A])


def test_costs_go_over_at_a_rate_that_must_be_known(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="EUR")
    cloud.add(tx("buy", "2", 10))
    sides = both(tx, cloud, "1", 20, A, B)
    with pytest.raises(InvalidError) as caught:
        cloud.edit({A: Edit(add=[sides[A]]), B: Edit(add=[replace(sides[B], marks={})])})
    assert caught.value.field == "to_portfolio_id"
    assert (cloud.read(A).count, cloud.read(B).count) == (1, 0)


def test_a_transfer_of_many_lots_is_as_large_as_it_is(tx: Ids) -> None:
    cloud = Cloud(LIMITS, a="USD", b="USD")
    bought = [tx("buy", "0.123456789", number, price=d(f"{number}.{number:06}")) for number in range(1, 20_001)]
    cloud.add(*bought)
    cloud.edit({id_: Edit(add=[each]) for id_, each in both(tx, cloud, "2400", 20_002, A, B).items()})
    assert max(ref.pieces for ref in cloud.items[B]) > 1
    assert all(len(head) < 10_000 for head in cloud.heads.values())
    reader = cloud.read(B)
    (received,) = reader.page(None, 5)
    assert len(received.parts) == 19_441
    assert reader.balances == {"BTC": d("2400")}
    assert looks(reader.book()) == looks(entered([received], "fifo"))


# --- what is refused ---


def test_what_is_not_there_is_not_found(tx: Ids) -> None:
    cloud = Cloud()
    cloud.add(*[tx("buy", "1", number) for number in range(1, 20)])
    reader = cloud.read()
    for id_ in ("", "x", "f" * 32, "0" * 32, new_id(START + 3, NOW, 99, 0)):
        with pytest.raises(NotFoundError, match="no such transaction"):
            reader.find(id_)
        with pytest.raises(NotFoundError, match="no such transaction"):
            cloud.remove(id_)
    with pytest.raises(NotFoundError, match="no such portfolio"):
        cloud.remove("x", of=B)


def test_a_millisecond_may_fill_many_blocks(tx: Ids) -> None:
    cloud = Cloud()
    made = [tx("buy", "1", 7) for _ in range(60)] + [tx("sell", "1", 7) for _ in range(60)]
    cloud.add(*made[::-1])
    check_whole(cloud, A, made)
    cloud.remove(made[100].id, made[30].id)
    check_whole(cloud, A, [each for each in made if each not in (made[100], made[30])])


def test_what_would_be_short_is_told(tx: Ids) -> None:
    cloud = Cloud()
    first, second = tx("buy", "2", 10), tx("buy", "1", 20)
    sold = tx("sell", "3", 30)
    cloud.add(first, second, sold)
    cases: list[tuple[Edit, str | None, int, str]] = [
        (Edit(remove=[second.id]), sold.id, 30, "1"),
        (Edit(remove=[first.id, second.id]), sold.id, 30, "3"),
        (Edit(remove=[first.id], add=[replace(first, quantity=d("1.5"))]), sold.id, 30, "0.5"),
        (Edit(remove=[sold.id], add=[replace(sold, quantity=d("3.1"))]), sold.id, 30, "0.1"),
        (Edit(add=[tx("sell", "0.1", 40)]), None, 40, "0.1"),
        (Edit(add=[tx("sell", "2.5", 15)]), None, 15, "0.5"),
        (Edit(add=[tx("sell", "1.5", 15)]), sold.id, 30, "1.5"),
    ]
    for edit, id_, time, missing in cases:
        with pytest.raises(ShortError) as caught:
            cloud.edit(edit)
        told = caught.value
        assert (told.transaction_id, told.asset, told.time, told.missing) == (id_, "BTC", START + time, d(missing))
    check_whole(cloud, A, [first, second, sold])


def test_what_was_short_before_may_stay_so(tx: Ids) -> None:
    cloud = Cloud()
    bought, sold = tx("buy", "1", 10), tx("sell", "3", 30)
    assert told(cloud.add(bought, sold, tolerant=True).shorts) == [(sold.id, "BTC", d("2"))]
    cloud.add(tx("buy", "0.5", 20))
    cloud.add(tx("buy", "0.5", 40, "ETH"))
    with pytest.raises(ShortError) as caught:
        cloud.remove(bought.id)
    assert caught.value.missing == d("2.5")
    edited = replace(sold, note="as told")
    cloud.edit(Edit(remove=[sold.id], add=[edited]))
    assert cloud.read().find(sold.id) == edited


def test_amounts_of_any_length_are_exact(tx: Ids) -> None:
    cloud = Cloud()
    most, least = "999999999999999999.999999999999999999", "0.000000000000000001"
    cloud.add(tx("buy", most, 1), tx("sell", least, 3))
    with pytest.raises(ShortError) as caught:
        cloud.add(tx("sell", most, 4))
    assert caught.value.missing == d(least)
    with pytest.raises(ShortError) as caught:
        cloud.add(tx("sell", "0.100000000000000003", 2, "ETH"), tx("buy", "0.100000000000000001", 1, "ETH"))
    assert caught.value.missing == d("0.000000000000000002")
    assert cloud.read().balances == {"BTC": d("999999999999999999.999999999999999998")}


def test_a_name_is_used_once(tx: Ids) -> None:
    cloud = Cloud()
    cloud.add(*[tx("buy", "1", number, external_id=f"n{number}") for number in range(20)])
    for names in (["n3"], ["n19"], ["new", "new"], [tx_id(cloud, 5)]):
        added = [tx("buy", "1", 100 + number, external_id=name) for number, name in enumerate(names)]
        if names == [tx_id(cloud, 5)]:  # has another name
            cloud.add(*added)
            continue
        with pytest.raises(ConflictError, match=rf"^There is a transaction {names[-1]} already\.$"):
            cloud.add(*added)
    cloud.edit(Edit(remove=[tx_id(cloud, 3)], add=[tx("buy", "1", 50, external_id="n3")]))
    assert cloud.read().known(["n3", "n4", "n21", "n2"]) == {"n2", "n3", "n4"}


def test_a_transfer_whose_name_is_known_on_either_side_is_left_out_on_both(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="USD")
    cloud.add(tx("buy", "5", 1), tx("buy", "1", 2, external_id="in-a"))
    cloud.add(tx("buy", "1", 2, external_id="in-b"), to=B)
    edits: dict[str, list[Transaction]] = {A: [], B: []}
    for time, name in enumerate(("in-a", "in-b", "in-none"), 10):
        for id_, each in both(tx, cloud, "1", time, A, B, external_id=name).items():
            edits[id_].append(each)
    revised = cloud.edit({id_: Edit(add=added) for id_, added in edits.items()}, skip_known=True)
    assert sorted(revised.skipped) == ["in-a", "in-b"]
    assert [each.name for each in cloud.read(A).page(None, 1)] == ["in-none"]
    assert [each.name for each in cloud.read(B).transactions()] == ["in-b", "in-none"]
    again = cloud.edit({id_: Edit(add=added) for id_, added in edits.items()}, skip_known=True)
    assert (again.changes, sorted(again.skipped)) == ([], ["in-a", "in-b", "in-none"])


def test_what_is_removed_is_checked_as_the_first_portfolio_has_it(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="USD")
    cloud.add(bought := tx("buy", "5", 1))
    sides = both(tx, cloud, "1", 2, A, B)
    cloud.edit({id_: Edit(add=[each]) for id_, each in sides.items()})
    seen: list[Mapping[str, Transaction]] = []

    def check(removed: Mapping[str, Transaction]) -> None:
        seen.append(removed)
        raise ConflictError("No.")

    id_ = sides[A].id
    for edits in (
        {A: Edit(remove=[id_, bought.id]), B: Edit(remove=[id_])},
        {B: Edit(remove=[id_]), A: Edit(remove=[id_, bought.id])},
    ):
        with pytest.raises(ConflictError, match="No"):
            cloud.edit(edits, check=check)
    assert seen == [
        {id_: cloud.read(A).find(id_), bought.id: bought},
        {id_: cloud.read(B).find(id_), bought.id: bought},
    ]


def test_what_is_marked_in_another_currency_than_the_portfolio_now_has_is_refused(tx: Ids) -> None:
    cloud = Cloud()
    cloud.edit(Edit(add=[tx("buy", "1", 1)], base="USD"))
    with pytest.raises(ConflictError, match="base currency was changed"):
        cloud.edit(Edit(add=[tx("buy", "1", 2)], base="EUR"))


def test_a_portfolio_has_its_limits(tx: Ids) -> None:
    cloud = Cloud(SMALL._replace(transactions=20))
    cloud.add(*[tx("buy", "1", number, f"C{number % 6}") for number in range(20)])
    with pytest.raises(ConflictError, match="20 transactions at most"):
        cloud.add(tx("buy", "1", 30, "C1"))
    changed = cloud.read().page(None, 1)[0]
    cloud.edit(Edit(remove=[changed.id], add=[replace(changed, note="changed")]))
    cloud.remove(tx_id(cloud, 0), tx_id(cloud, 19))
    for time in (30, 3):  # at the end, and before
        with pytest.raises(ConflictError, match="6 assets at most"):
            cloud.add(tx("buy", "1", time, "C7"))
    assert cloud.read().count == 18


def test_the_header_fits_an_item_of_dynamodb(tx: Ids) -> None:
    """With as many assets as there may be, amounts as long as they may be, and notes that cannot be packed."""
    cloud = Cloud(LIMITS)
    random = Random(1)
    cloud.add(
        *[
            tx("buy", f"{random.randrange(10**17, 10**18)}.{random.randrange(10**17, 10**18)}", 1, f"{number:X<20}")
            for number in range(LIMITS.assets)
        ]
    )
    letters = [chr(code) for code in range(0x20000, 0x2A6D0)]
    most = 0
    for time in range(2, 160):
        cloud.add(tx("buy", "1", time, "0" + "X" * 19, note="".join(random.choices(letters, k=500))))
        most = max(most, len(cloud.heads[A]))
    assert 100_000 < most < 250_000
    check_storage(cloud, A)


# --- what is read, and kept ---


def test_adding_at_the_end_reads_names_only(tx: Ids) -> None:
    cloud = Cloud()
    cloud.add(tx("buy", "9", 1), *[tx("buy", "9", number, "ETH") for number in range(2, 30)])
    cloud.reads.clear()
    cloud.add(tx("sell", "1", 40), tx("sell", "1", 41, "ETH"))
    assert {ref.kind for ref in cloud.reads} == {"MAP", "KNOWN"}


def test_holdings_read_the_lots_of_what_was_given(tx: Ids) -> None:
    cloud = Cloud()
    cloud.add(*[tx("buy", "9", number, ASSETS[number % 3]) for number in range(30)])
    cloud.add(tx("sell", "1", 40, "SOL"))
    reader = cloud.read()
    cloud.reads.clear()
    book = reader.book()
    assert [ref for ref in cloud.reads if ref.kind != "MAP"] == [reader.map.lots["SOL"].ref]
    assert book.holdings["BTC"].quantity == 90
    assert len(book.lots("ETH")) == 10
    assert [ref.kind for ref in cloud.reads[2:]] == ["LOTS"]


def test_a_change_writes_the_lots_that_it_changes(tx: Ids) -> None:
    cloud = Cloud()
    cloud.add(*[tx("buy", "9", number, ASSETS[number % 3]) for number in range(30)])
    before = cloud.read().map.lots
    cloud.add(tx("buy", "1", 3, "SOL", price=d("77")))
    after = cloud.read().map.lots
    assert {asset for asset in ASSETS if before[asset] != after[asset]} == {"SOL"}


def test_who_is_reading_may_go_on_for_a_minute(tx: Ids) -> None:
    cloud = Cloud()
    made = [tx("buy", "1", number) for number in range(20)]
    cloud.add(*made, now=NOW)
    readers = [cloud.read(), cloud.read()]
    cloud.remove(made[0].id, now=NOW + 1)
    cloud.remove(made[1].id, now=NOW + 60_000)
    assert list(readers[0].transactions()) == made
    cloud.remove(made[2].id, now=NOW + 60_001)
    assert [replaced.time for replaced in cloud.read().map.replaced] == [NOW + 60_000, NOW + 60_001]
    with pytest.raises(KeyError):
        list(readers[1].transactions())


def test_few_transactions_do_not_stay_alone_in_a_block(tx: Ids) -> None:
    cloud = Cloud(SMALL._replace(block=20))
    made = [tx("buy", "1", number) for number in range(200)]
    cloud.add(*made)
    cloud.remove(*[each.id for each in made if each.time % 20])
    assert [block.count for block in cloud.read().map.blocks] == [5, 5]
    check_whole(cloud, A, made[::20])


def test_a_full_block_is_left_as_it_is(tx: Ids) -> None:
    cloud = Cloud(SMALL._replace(block=10, tail=5, kept=0))
    made = [tx("buy", "1", number) for number in range(60)]
    full: list[Block] = []
    for each in made:
        cloud.add(each)
        blocks = cloud.read().map.blocks
        assert blocks[: len(full)] == full
        full = [block for block in blocks if block.count == 10]
    assert [block.count for block in cloud.read().map.blocks] == [10, 10, 10, 10, 10, 10]
    check_whole(cloud, A, made)


def test_large_transactions_make_small_blocks(tx: Ids) -> None:
    cloud, random = Cloud(), Random(1)
    letters = [chr(code) for code in range(0x20000, 0x2A6D0)]
    made = [tx("buy", "1", time, note="".join(random.choices(letters, k=500))) for time in range(20)]
    cloud.add(*made)
    assert {block.count for block in cloud.read().map.blocks} == {1}
    check_whole(cloud, A, made)


def test_an_unknown_format_is_refused() -> None:
    data = encode_head(Head())
    assert decode_head(data) == Head()
    for decode in (decode_head, decode_block):
        with pytest.raises(SchemaError, match="stored ledger"):
            decode(b"\x00" + data[1:])


def test_a_header_of_before_months_were_noted_is_read() -> None:
    data = encode_head(Head())
    older = data[:1] + compress(encode([0, 0, None, None, b"", {}]))
    assert decode_head(older) == Head()


def test_a_header_tells_which_version_last_changed_a_month(tx: Ids) -> None:
    cloud, first = Cloud(a="USD", b="USD"), month_of(START)
    made = [tx("buy", "1", month * 31 * DAY) for month in range(12)]
    cloud.add(*made[6:8])
    cloud.add(made[8], made[4])
    cloud.add(made[9])
    assert touched(cloud) == [(first + 4, 3), (first + 9, 4)]
    later = replace(made[9], time=made[5].time)
    cloud.edit(Edit(remove=[later.id], add=[later]))
    assert touched(cloud) == [(first + 4, 3), (first + 5, 5)]
    cloud.edit({id_: Edit(add=[each]) for id_, each in both(tx, cloud, "1", 10 * 31 * DAY, A, B).items()})
    assert (touched(cloud), touched(cloud, B)) == ([(first + 4, 3), (first + 5, 5), (first + 10, 6)], [(first + 10, 2)])
    cloud.rebook(A, "lifo")  # other lots, but as many
    cloud.add(*made[10:])
    cloud.remove(made[4].id)
    assert (touched(cloud), touched(cloud, B)) == ([(first + 4, 9)], [(first + 10, 2)])
    head = replace(cloud.read().head, touched=[(10, 3), (12, 5)])
    assert [head.touched_at(month) for month in range(9, 14)] == [0, 3, 3, 5, 5]


def touched(cloud: Cloud, id_: str = A) -> list[tuple[int, int]]:
    return cloud.read(id_).head.touched


def test_a_ledger_knows_when_it_begins(tx: Ids) -> None:
    cloud = Cloud()
    assert cloud.read().first is None
    for time in (50, 70, 30, *range(100, 120), 10):
        cloud.add(tx("buy", "1", time))
        assert cloud.read().first == next(cloud.read().transactions()).time


def test_nothing_to_change_changes_nothing(tx: Ids) -> None:
    cloud = Cloud()
    cloud.add(tx("buy", "1", 1))
    assert cloud.edit(Edit()) == Revised([], [], [])


def test_under_another_method_a_transfer_takes_other_lots(tx: Ids) -> None:
    cloud = Cloud(a="USD", b="USD")
    cheap, dear = tx("buy", "1", 1, price=d("10")), tx("buy", "1", 2, price=d("90"))
    cloud.add(cheap, dear)
    cloud.edit({id_: Edit(add=[each]) for id_, each in both(tx, cloud, "1", 20, A, B).items()})
    assert cloud.read(B).book().lots("BTC") == [Part(d("1"), d("10"), cheap.time, cheap.id)]
    cloud.rebook(A, "hifo")
    assert cloud.read(B).book().lots("BTC") == [Part(d("1"), d("90"), dear.time, dear.id)]
    assert cloud.read(A).book().lots("BTC") == [Part(d("1"), d("10"), cheap.time, cheap.id)]
    cloud.rebook(B, "acb")
    assert cloud.read(A).book().lots("BTC") == [Part(d("1"), d("10"), cheap.time, cheap.id)]


def test_a_time_that_changed_is_known_as_long_as_its_transaction_is_there(tx: Ids) -> None:
    cloud = Cloud()
    made = [tx("buy", "1", number) for number in range(30)]
    cloud.add(*made)
    later = replace(made[3], time=START + 17)
    cloud.edit(Edit(remove=[later.id], add=[later]))
    assert cloud.read().map.moved == {later.id: later.time}
    check_whole(cloud, A, [later, *made[:3], *made[4:]])
    cloud.remove(later.id)
    assert cloud.read().map.moved == {}
    again = replace(made[5], time=START + 200)
    cloud.edit(Edit(remove=[again.id], add=[again]))
    assert cloud.read().map.moved == {}
    cloud.add(*[tx("buy", "1", 300 + number) for number in range(10)])
    assert cloud.read().map.moved == {again.id: again.time}
