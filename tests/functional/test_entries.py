"""What users enter, marked in few calls and held together with its other end."""

from collections.abc import Mapping
from typing import Any

import boto3
import msgspec
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.entries import Entered, Side, edits
from cryptopulse.aws.portfolios import Edit
from cryptopulse.domain.accounts import Account
from cryptopulse.domain.portfolios import Asset, Currency, Draft, Portfolio, Quantity
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Transaction
from cryptopulse.errors import ConflictError, InvalidError, NotFoundError

NOW = 1_795_329_063_057
USER = "a" * 32


def portfolio(number: int, base: Currency = "USD") -> Portfolio:
    return Portfolio(
        id=f"{number:032x}",
        name="x",
        base_currency=base,
        cost_basis="fifo",
        created_at=number,
        updated_at=number,
        version=1,
    )


@pytest.fixture
def mine(aws: boto3.Session) -> list[Portfolio]:
    """A user's portfolios."""
    wiring.accounts().add(
        Account(id=USER, email="a@example.com", email_key="k", display_name=None, password="p", created_at=NOW)
    )
    made = [portfolio(number) for number in range(5)]
    for each in made:
        wiring.portfolios().add(USER, each, None)
    return made


def draft(**fields: Any) -> Draft:
    usual: dict[str, Any] = {"type": "deposit", "asset": Asset("BTC"), "quantity": Quantity("1"), "time": Time(NOW)}
    return Draft(**usual | fields)


def move(to: str) -> Draft:
    return draft(type="transfer", to_portfolio_id=to)


def attempt(home: Portfolio, *drafts: Draft) -> list[Side | InvalidError]:
    return wiring.entries().attempt(USER, home, [(f"{place:032x}", each) for place, each in enumerate(drafts)], NOW)


@pytest.fixture
def reads(mine: list[Portfolio], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reads of the Accounts table from now on."""
    made: list[str] = []
    call = Client.call

    def noted(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if body.get("TableName") == "Accounts":
            made.append(operation)
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", noted)
    return made


@pytest.mark.parametrize(("targets", "expected"), [(0, []), (2, ["GetItem"] * 2), (4, ["Query"])])
def test_the_portfolios_of_transfers_are_read_once(
    mine: list[Portfolio], reads: list[str], targets: int, expected: list[str]
) -> None:
    drafts = [move(each.id) for each in mine[1 : 1 + targets] for _ in range(3)] or [draft()]
    made = attempt(mine[0], *drafts)
    assert [each.other and each.other[0] for each in made if isinstance(each, Side)] == [
        each.to_portfolio_id for each in drafts
    ]
    assert reads == expected


def test_each_draft_is_judged_for_itself(mine: list[Portfolio]) -> None:
    drafts = [draft(), draft(time=Time(NOW + 300_001)), move("f" * 32), draft(price=Quantity("1"), currency="EUR")]
    made = attempt(mine[0], *drafts)
    assert [each.field if isinstance(each, InvalidError) else each.own.id for each in made] == [
        "0" * 32,
        "time",
        "to_portfolio_id",
        "currency",
    ]


def test_marks_in_two_bases_are_not_entered_together(mine: list[Portfolio]) -> None:
    sides: list[tuple[Side | None, Side | None]] = []
    for base in ("USD", "USDT"):
        ((made),) = attempt(portfolio(0, base), draft())
        assert isinstance(made, Side)
        sides.append((None, made))
    own = [each.own for _, each in sides if each is not None]
    assert edits(mine[0].id, sides[:1]) == {mine[0].id: Edit((), own[:1], "USD")}
    with pytest.raises(ConflictError, match="base currency was changed meanwhile"):
        edits(mine[0].id, sides)
    stale = edits(mine[0].id, sides[1:])
    with pytest.raises(ConflictError, match="base currency was changed at the same moment"):
        wiring.portfolios().edit(USER, stale, NOW)


# --- what is replaced ---


@pytest.fixture
def moved(mine: list[Portfolio]) -> Transaction:
    """A transfer from the first portfolio to the second."""
    sides = attempt(mine[0], move(mine[1].id), draft())
    changes = edits(mine[0].id, [(None, each) for each in sides if isinstance(each, Side)])
    wiring.portfolios().edit(USER, changes, NOW)
    return wiring.portfolios().read(USER, mine[0].id).find("0" * 32)


def test_what_another_request_removed_meanwhile_is_not_there(mine: list[Portfolio], moved: Transaction) -> None:
    def change(found: Entered) -> None:
        wiring.portfolios().edit(USER, edits(mine[0].id, [(found.side, None)]), NOW)

    with pytest.raises(NotFoundError, match="no such transaction"):
        wiring.entries().replace(USER, mine[1].id, moved.id, NOW, change)


def test_where_the_other_portfolio_goes_meanwhile_only_this_end_is_removed(
    mine: list[Portfolio], moved: Transaction
) -> None:
    found: list[Entered] = []

    def change(seen: Entered) -> None:
        if not found:
            wiring.portfolios().remove(USER, mine[0].id, lambda _: None)
        found.append(seen)

    wiring.entries().replace(USER, mine[1].id, moved.id, NOW, change)
    assert [each.home and each.home.id for each in found] == [mine[0].id, None]
    assert wiring.portfolios().read(USER, mine[1].id).count == 0


def test_who_is_always_slower_gives_up(mine: list[Portfolio], moved: Transaction) -> None:
    others: list[int] = []

    def touch(found: Entered) -> Side:
        others.append(NOW + len(others) + 1)
        own, other = found.side.own, found.side.other
        assert other is not None
        newer = Side(_noted(own, others[-1]), (other[0], _noted(other[1], others[-1])))
        wiring.portfolios().edit(USER, edits(mine[0].id, [(found.side, newer)]), NOW)
        return found.side

    with pytest.raises(ConflictError, match="by another request at the same moment"):
        wiring.entries().replace(USER, mine[0].id, moved.id, NOW, touch)
    assert len(others) == 5


def _noted(transaction: Transaction, time: int) -> Transaction:
    return msgspec.structs.replace(transaction, updated_at=time)
