"""Portfolios in DynamoDB: all or nothing, nothing lost in a race, nothing left behind."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.kept import Kept, KeptError
from cryptopulse.aws.portfolios import PORTFOLIOS, TRIES, Edit, Edited, Portfolios
from cryptopulse.domain.ledgers import Limits
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.transactions import Transaction, new_id
from cryptopulse.errors import ConditionError, ConflictError, NotFoundError, ShortError, UnauthenticatedError

USER = "1" * 32
A, B, C = "a" * 32, "b" * 32, "c" * 32
NOW = 1_795_348_800_000
START = 1_700_000_000_000
SMALL = Limits(tail=4, kept=1, block=5, recent=6)


def d(text: str) -> Decimal:
    return Decimal(text)


def portfolio(id_: str, **fields: Any) -> Portfolio:
    made: dict[str, Any] = {
        "id": id_,
        "name": "Main",
        "base_currency": "USD",
        "cost_basis": "fifo",
        "created_at": NOW,
        "updated_at": NOW,
        "version": 1,
    }
    return Portfolio(**made | fields)


def transaction(number: int, type_: str = "buy", quantity: str = "1", **fields: Any) -> Transaction:
    """The transaction of this number, which is its time and price too."""
    made: dict[str, Any] = {
        "id": new_id(START + number, NOW, number, 0),
        "type": type_,
        "asset": "BTC",
        "quantity": d(quantity),
        "time": START + number,
        "created_at": NOW,
        "updated_at": NOW,
    }
    priced = {"price": Decimal(number), "currency": "USD"} if type_ in ("buy", "sell") else {}
    return Transaction(**made | priced | fields)


@pytest.fixture
def table(aws: boto3.Session) -> Table:
    table = Table(Client("dynamodb", wiring.account()), "Accounts")
    table.put({"pk": f"USER#{USER}", "sk": "ACCOUNT", "version": 1})
    return table


@pytest.fixture
def portfolios(table: Table) -> Portfolios:
    """With two portfolios, which put their transactions into blocks early."""
    portfolios = Portfolios(table, SMALL)
    portfolios.add(USER, portfolio(A), None)
    portfolios.add(USER, portfolio(B, name="Other", created_at=NOW + 1), None)
    return portfolios


def add(portfolios: Portfolios, *transactions: Transaction, to: str = A, **options: Any) -> Edited:
    return portfolios.edit(USER, {to: Edit(add=transactions)}, NOW, **options)


def stored(table: Table) -> list[str]:
    """Sort keys of all that the user has."""
    return [item["sk"] for item in table.query(f"USER#{USER}")]


def test_transactions_are_kept_in_order(portfolios: Portfolios) -> None:
    made = [transaction(number) for number in range(1, 41)]
    for tx in made[::3] + made[1::3] + made[2::3]:
        add(portfolios, tx)
    reader = portfolios.read(USER, A)
    assert list(reader.transactions()) == made
    assert reader.portfolio == portfolio(A, version=41)
    assert reader.balances == {"BTC": d("40")}
    assert reader.page(made[20].key, 3) == made[19:16:-1]
    assert portfolios.read(USER, B).count == 0


def test_portfolios_are_a_users_own(portfolios: Portfolios) -> None:
    assert portfolios.all(USER) == [portfolio(A), portfolio(B, name="Other", created_at=NOW + 1)]
    assert portfolios.get(USER, A) == portfolio(A)
    assert portfolios.all("2" * 32) == []
    for user, id_ in (("2" * 32, A), (USER, C), (USER, "nothing"), (USER, "")):
        actions: list[Callable[[], object]] = [
            lambda: portfolios.get(user, id_),  # noqa: B023 (called in this round only)
            lambda: portfolios.read(user, id_),  # noqa: B023
            lambda: portfolios.change(user, id_, lambda _: None),  # noqa: B023
            lambda: portfolios.remove(user, id_, lambda _: None),  # noqa: B023
            lambda: portfolios.edit(user, {id_: Edit(add=[transaction(1)])}, NOW),  # noqa: B023
        ]
        for action in actions:
            with pytest.raises(NotFoundError, match="no such portfolio"):
                action()


def test_there_may_be_a_hundred(portfolios: Portfolios, table: Table) -> None:
    stored = table.get(f"USER#{USER}", f"PORTFOLIO#{A}")
    assert stored is not None
    for number in range(PORTFOLIOS - 3):
        table.put({**stored, "sk": f"PORTFOLIO#{number:032x}", "created_at": NOW - number})
    portfolios.add(USER, portfolio(C), None)
    with pytest.raises(ConflictError, match="100 portfolios"):
        portfolios.add(USER, portfolio("d" * 32), None)
    times = [each.created_at for each in portfolios.all(USER)]
    assert times == sorted(times)
    assert len(times) == PORTFOLIOS


# --- others are writing too ---


class Interlude:
    """Does something between another's reading and its writing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def before(self, operation: str, *actions: Callable[[], object]) -> None:
        """Does one of the actions before each of the next calls of an operation, but their own."""
        call, waiting = Client.call, list(actions)

        def called(client: Client, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
            if name == operation and waiting:
                action = waiting.pop(0)
                rest, waiting[:] = waiting[:], []
                action()
                waiting[:] = rest
            return call(client, name, body)

        self._monkeypatch.setattr(Client, "call", called)


@pytest.fixture
def interlude(monkeypatch: pytest.MonkeyPatch) -> Interlude:
    return Interlude(monkeypatch)


def check_nothing_else_is_stored(portfolios: Portfolios, table: Table, *ids: str) -> None:
    """Of portfolios nothing is there but what they, and those who may be reading them, need."""
    expected = set()
    for id_ in ids:
        reader = portfolios.read(USER, id_)
        refs = reader.map.refs | {ref for each in reader.map.replaced for ref in each.refs}
        refs |= {reader.head.map} if reader.head.map else set()
        expected |= {f"PORTFOLIO#{id_}"} | {f"{ref.kind}#{id_}#{ref.number}-{ref.salt}" for ref in refs}
    assert {sk for sk in stored(table) if sk != "ACCOUNT"} == expected


def test_of_two_writers_at_once_neither_is_lost(portfolios: Portfolios, table: Table, interlude: Interlude) -> None:
    made = [transaction(number) for number in range(1, 13)]
    interlude.before(
        "TransactWriteItems",
        lambda: add(portfolios, *made[3:6]),
        lambda: add(portfolios, made[6], made[1]),
        lambda: portfolios.change(USER, A, lambda own: setattr(own, "name", "Renamed")),
    )
    add(portfolios, made[0], made[2], *made[7:])
    reader = portfolios.read(USER, A)
    assert list(reader.transactions()) == made
    assert reader.portfolio == portfolio(A, name="Renamed", version=5)
    check_nothing_else_is_stored(portfolios, table, A, B)


def test_two_sales_at_once_do_not_both_take_the_last_lot(portfolios: Portfolios, interlude: Interlude) -> None:
    add(portfolios, transaction(1))
    interlude.before("TransactWriteItems", lambda: add(portfolios, transaction(2, "sell")))
    with pytest.raises(ShortError) as caught:
        add(portfolios, transaction(3, "sell"))
    assert (caught.value.transaction_id, caught.value.time, caught.value.missing) == (None, START + 3, d("1"))
    assert [tx.type for tx in portfolios.read(USER, A).transactions()] == ["buy", "sell"]


def test_who_is_always_slower_is_told(portfolios: Portfolios, table: Table, interlude: Interlude) -> None:
    made = [transaction(number) for number in range(1, TRIES + 1)]
    interlude.before("TransactWriteItems", *(lambda tx=tx: add(portfolios, tx) for tx in made))
    with pytest.raises(ConflictError, match="by another request at the same moment"):
        add(portfolios, *[transaction(number) for number in range(20, 40)])
    assert list(portfolios.read(USER, A).transactions()) == made
    check_nothing_else_is_stored(portfolios, table, A, B)


def test_a_change_of_a_portfolio_takes_what_it_is_then(portfolios: Portfolios, interlude: Interlude) -> None:
    interlude.before("TransactWriteItems", lambda: add(portfolios, transaction(1)))
    portfolios.change(USER, A, lambda own: setattr(own, "name", "Renamed"))
    reader = portfolios.read(USER, A)
    assert (reader.portfolio, reader.count) == (portfolio(A, name="Renamed", version=3), 1)


def test_a_change_or_removal_that_is_always_slower_is_told(portfolios: Portfolios, interlude: Interlude) -> None:
    actions: list[Callable[[], object]] = [
        lambda: portfolios.change(USER, A, lambda own: setattr(own, "name", "Renamed")),
        lambda: portfolios.remove(USER, A, lambda _: None),
    ]
    for start, action in enumerate(actions):
        made = [transaction(TRIES * start + number) for number in range(1, TRIES + 1)]
        interlude.before("TransactWriteItems", *(lambda tx=tx: add(portfolios, tx) for tx in made))
        with pytest.raises(ConflictError, match="by another request at the same moment"):
            action()
    assert portfolios.get(USER, A) == portfolio(A, version=2 * TRIES + 1)


def test_what_is_checked_is_what_is_replaced(portfolios: Portfolios, interlude: Interlude) -> None:
    tx = transaction(1)
    add(portfolios, tx)
    changed = transaction(1, note="first", updated_at=NOW + 1)
    replacing = {A: Edit(remove=[tx.id], add=[changed])}
    seen: list[Mapping[str, Transaction]] = []
    interlude.before("TransactWriteItems", lambda: portfolios.edit(USER, replacing, NOW))
    portfolios.edit(USER, {A: Edit(remove=[tx.id])}, NOW, check=seen.append)
    assert seen == [{tx.id: tx}, {tx.id: changed}]


def test_a_portfolio_that_is_removed_meanwhile_is_not_found(portfolios: Portfolios, interlude: Interlude) -> None:
    interlude.before("TransactWriteItems", lambda: portfolios.remove(USER, A, lambda _: None))
    with pytest.raises(NotFoundError, match="no such portfolio"):
        add(portfolios, *[transaction(number) for number in range(1, 20)])


def test_what_is_too_new_for_a_quick_read_is_read_consistently(
    portfolios: Portfolios, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [transaction(number) for number in range(1, 20)]
    add(portfolios, *made)
    call = Client.call

    def late(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "BatchGetItem" and not body["RequestItems"]["Accounts"]["ConsistentRead"]:
            return {"Responses": {}}
        return call(client, operation, body)

    monkeypatch.setattr(Client, "call", late)
    assert list(portfolios.read(USER, A).transactions()) == made


def test_a_reader_that_is_too_slow_is_told(portfolios: Portfolios) -> None:
    made = [transaction(number) for number in range(1, 20)]
    add(portfolios, *made)
    reader = portfolios.read(USER, A)
    for number, tx in enumerate(made[:3]):
        portfolios.edit(USER, {A: Edit(remove=[tx.id])}, NOW + number * 60_000)
    with pytest.raises(ConflictError, match="try again"):
        list(reader.transactions())


# --- all or nothing ---


def test_a_request_is_done_once(portfolios: Portfolios, table: Table) -> None:
    kept = Kept(f"USER#{USER}", "ONCE#key", {"body": b"1"})
    add(portfolios, transaction(1), kept=kept)
    with pytest.raises(KeptError):
        add(portfolios, *[transaction(number) for number in range(2, 20)], kept=kept)
    with pytest.raises(KeptError):
        portfolios.add(USER, portfolio(C), kept)
    assert portfolios.read(USER, A).count == 1
    assert table.get(f"USER#{USER}", "ONCE#key") == kept.item
    table.delete(f"USER#{USER}", "ONCE#key")
    check_nothing_else_is_stored(portfolios, table, A, B)


def test_a_request_that_changes_nothing_is_done_too(portfolios: Portfolios, table: Table) -> None:
    add(portfolios, transaction(1))
    kept = Kept(f"USER#{USER}", "ONCE#key", {"body": b"1"})
    edited = add(portfolios, transaction(1), skip_known=True, kept=kept)
    assert edited == Edited({A: portfolio(A, version=2)}, [], [transaction(1).id])
    assert table.get(f"USER#{USER}", "ONCE#key") == kept.item


def test_a_change_whose_answer_was_lost_counts(
    portfolios: Portfolios, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Client.call

    def lose(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = call(self, operation, body)
        if operation == "TransactWriteItems":  # done again without its token being known
            raise ConditionError("TransactionCanceledException", "ConditionalCheckFailed")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(Client, "call", lose)
        add(portfolios, *[transaction(number) for number in range(1, 30)])
    assert portfolios.read(USER, A).count == 29
    assert len(list(portfolios.read(USER, A).transactions())) == 29


def test_nothing_is_written_for_an_account_that_has_ended(portfolios: Portfolios, table: Table) -> None:
    add(portfolios, transaction(1))
    table.delete(f"USER#{USER}", "ACCOUNT")
    before = stored(table)
    actions: list[Callable[[], object]] = [
        lambda: portfolios.add(USER, portfolio(C), None),
        lambda: portfolios.change(USER, A, lambda own: setattr(own, "name", "New")),
        lambda: add(portfolios, *[transaction(number) for number in range(2, 30)]),
    ]
    for action in actions:
        with pytest.raises(UnauthenticatedError, match="ended"):
            action()
    assert stored(table) == before


def test_a_refused_edit_writes_nothing(portfolios: Portfolios, table: Table) -> None:
    add(portfolios, *[transaction(number) for number in range(1, 20)])
    before = stored(table)
    with pytest.raises(ShortError):
        add(portfolios, *[transaction(number) for number in range(20, 60)], transaction(61, "sell", "99"))
    assert stored(table) == before


def test_an_import_is_seen_at_once_or_not_at_all(portfolios: Portfolios, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [transaction(number) for number in range(1, 50)]
    call, seen = Client.call, set[int]()

    def watched(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if operation in ("PutItem", "DeleteItem", "TransactWriteItems"):
            monkeypatch.setattr(Client, "call", call)
            seen.add(len(list(portfolios.read(USER, A).transactions())))
            monkeypatch.setattr(Client, "call", watched)
        return call(client, operation, body)

    monkeypatch.setattr(Client, "call", watched)
    add(portfolios, *made)
    add(portfolios, *[transaction(number) for number in range(50, 70)])
    assert seen == {0, 49}


# --- transfers ---


def transfer(number: int, quantity: str, source: str, target: str) -> dict[str, Edit]:
    own = transaction(number, "transfer", quantity, to_portfolio_id=target)
    return {source: Edit(add=[own]), target: Edit(add=[own.received(source)])}


def test_a_transfer_goes_on_through_portfolios_as_what_is_before_it_changes(portfolios: Portfolios) -> None:
    portfolios.add(USER, portfolio(C), None)
    add(portfolios, transaction(10, quantity="2"))
    portfolios.edit(USER, transfer(20, "2", A, B), NOW)
    portfolios.edit(USER, transfer(30, "1", B, C), NOW)
    edited = add(portfolios, transaction(5), transaction(6))
    assert edited.portfolios == {
        A: portfolio(A, version=4),
        B: portfolio(B, name="Other", created_at=NOW + 1, version=4),
        C: portfolio(C, version=3),
    }
    costs = {id_: portfolios.read(USER, id_).book().holdings["BTC"].cost for id_ in (A, B, C)}
    assert costs == {A: d("20"), B: d("6"), C: d("5")}
    portfolios.change(USER, A, lambda own: setattr(own, "cost_basis", "lifo"))
    costs = {id_: portfolios.read(USER, id_).book().holdings["BTC"].cost for id_ in (A, B, C)}
    assert costs == {A: d("11"), B: d("10"), C: d("10")}


@pytest.mark.parametrize(("limit", "most"), [("TOGETHER", 1), ("TOGETHER_SIZE", 100)])
def test_what_dynamodb_cannot_write_at_once_is_refused(
    portfolios: Portfolios, table: Table, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    add(portfolios, transaction(10, quantity="2"))
    before = stored(table)
    monkeypatch.setattr(f"cryptopulse.aws.portfolios.{limit}", most)
    with pytest.raises(ConflictError, match="too many portfolios at once"):
        portfolios.edit(USER, transfer(20, "2", A, B), NOW)
    assert stored(table) == before


def test_both_portfolios_of_a_transfer_change_or_none(portfolios: Portfolios, interlude: Interlude) -> None:
    add(portfolios, transaction(10, quantity="2"))
    interlude.before("TransactWriteItems", lambda: add(portfolios, transaction(1), to=B))
    portfolios.edit(USER, transfer(20, "2", A, B), NOW)
    assert portfolios.read(USER, A).balances == {}
    assert portfolios.read(USER, B).balances == {"BTC": d("3")}


def test_what_was_read_of_two_portfolios_at_two_moments_is_read_again(
    portfolios: Portfolios, interlude: Interlude
) -> None:
    add(portfolios, transaction(10))
    sent = transfer(20, "1", A, B)
    portfolios.edit(USER, sent, NOW)
    taken = {id_: Edit(remove=[tx.id for tx in edit.add]) for id_, edit in sent.items()}
    actions: list[Callable[[], object]] = [
        lambda: add(portfolios, transaction(1)),
        lambda: portfolios.change(USER, A, lambda own: setattr(own, "cost_basis", "lifo")),
    ]
    for action in actions:
        interlude.before("GetItem", lambda: None, lambda: portfolios.edit(USER, taken, NOW))
        action()
        assert portfolios.read(USER, A).balances["BTC"] >= d("1")
        assert portfolios.read(USER, B).balances == {}
        portfolios.edit(USER, sent, NOW)


def test_what_was_transferred_stays_when_its_source_is_removed(portfolios: Portfolios, table: Table) -> None:
    add(portfolios, *[transaction(number) for number in range(1, 30)])
    portfolios.edit(USER, transfer(40, "2", A, B), NOW)
    with pytest.raises(ConflictError, match="No"):
        portfolios.remove(USER, A, _refuse)
    portfolios.remove(USER, A, lambda _: None)
    assert [each.id for each in portfolios.all(USER)] == [B]
    assert portfolios.read(USER, B).book().holdings == {"BTC": (d("2"), d("3"))}
    check_nothing_else_is_stored(portfolios, table, B)


def _refuse(_: Portfolio) -> None:
    raise ConflictError("No.")


def test_a_removal_sees_the_portfolio_as_it_is(portfolios: Portfolios, interlude: Interlude) -> None:
    names: list[str] = []
    interlude.before(
        "TransactWriteItems", lambda: portfolios.change(USER, A, lambda own: setattr(own, "name", "Renamed"))
    )
    portfolios.remove(USER, A, lambda own: names.append(own.name))
    assert names == ["Main", "Renamed"]


def test_a_name_changes_without_the_rest(portfolios: Portfolios) -> None:
    made = [transaction(number) for number in range(1, 20)]
    add(portfolios, *made)

    def rename(own: Portfolio) -> None:
        own.name, own.updated_at = "New", NOW + 5

    expected = portfolio(A, name="New", updated_at=NOW + 5, version=3)
    assert portfolios.change(USER, A, rename) == portfolios.get(USER, A) == expected
    assert list(portfolios.read(USER, A).transactions()) == made


# --- large ones ---


def test_what_is_larger_than_an_item_is_in_pieces(table: Table) -> None:
    portfolios = Portfolios(table)
    portfolios.add(USER, portfolio(A), None)
    portfolios.add(USER, portfolio(B), None)
    add(portfolios, *[transaction(number, quantity=f"0.{number * 7919 % 10**9:09}") for number in range(1, 20_001)])
    everything = f"{portfolios.read(USER, A).balances['BTC']:f}"
    portfolios.edit(USER, transfer(30_000, everything, A, B), NOW)
    assert any(sk.endswith("#1") for sk in stored(table))
    assert portfolios.read(USER, B).book().holdings["BTC"].quantity == d(everything)
    assert len(portfolios.read(USER, B).book().lots("BTC")) == 20_000
    portfolios.remove(USER, B, lambda _: None)
    assert not any(f"#{B}" in sk for sk in stored(table))
