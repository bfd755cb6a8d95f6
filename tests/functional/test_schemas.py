"""Stored documents: those of before they said a version are read, those of a later release are refused and kept."""

from collections.abc import Callable
from typing import NamedTuple

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.aws.grants import Client as Device
from cryptopulse.domain import fan_state
from cryptopulse.domain.accounts import Account
from cryptopulse.domain.fan_state import State
from cryptopulse.domain.import_jobs import ImportJob
from cryptopulse.domain.lanes import Lane, Minute
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.schemas import Schema
from cryptopulse.domain.tokens import TokenScope
from cryptopulse.errors import SchemaError
from tests.functional.stage import NOON, alert, somebody

ID = "a" * 32
NEW = Portfolio(id=ID, name="Main", base_currency="USD", cost_basis="fifo", created_at=NOON, updated_at=NOON, version=1)


class Kept(NamedTuple):
    """A stored document, how it is read, and what changes it."""

    item: Item
    read: Callable[[], object]
    change: Callable[[], object]


def account() -> Kept:
    user, accounts = somebody(), wiring.accounts()
    return kept("ACCOUNT", lambda: accounts.get(user), lambda: accounts.change(user, lambda _: None))


def session() -> Kept:
    owner = own_account()
    made, token = wiring.grants().open_session(owner, Device("192.0.2.1", "curl"), NOON)
    return kept(
        f"SESSION#{made.id}",
        lambda: wiring.grants().sessions(owner.id, 1, NOON),
        lambda: wiring.grants().redeem(token, NOON),
    )


def api_token() -> Kept:
    owner, grants = own_account(), wiring.grants()
    scopes: list[TokenScope] = ["read"]
    made, token = grants.add_token(owner.id, "mine", scopes, None, NOON, None)
    return kept(f"TOKEN#{made.id}", lambda: grants.tokens(owner.id, NOON), lambda: grants.admit_token(token, NOON))


def portfolio() -> Kept:
    user, portfolios = somebody(), wiring.portfolios()
    portfolios.add(user, NEW, None)
    return kept(f"PORTFOLIO#{ID}", lambda: portfolios.all(user), lambda: portfolios.change(user, ID, lambda _: None))


def an_alert() -> Kept:
    user, alerts = somebody(), wiring.alerts()
    made = alert(user, "above", "100")
    return kept(
        f"ALERT#{made.id}", lambda: alerts.get(user, made.id), lambda: alerts.change(user, made.id, lambda _: None)
    )


def import_() -> Kept:
    user, jobs = somebody(), wiring.import_jobs()
    made = ImportJob(
        id=ID, portfolio=ID, format="x", is_dry_run=False, is_partial=False, lines=1, created_at=NOON, started_at=NOON
    )
    jobs.add(user, made, None, None)
    return kept(
        f"IMPORT#{ID}#{ID}",
        lambda: jobs.get(user, ID, ID, NOON),
        lambda: jobs.save(user, jobs.get(user, ID, ID, NOON)),
    )


def lane() -> Kept:
    market = wiring.market()
    market.write(Lane(0, 1, clocks={"binance": NOON}), 0)
    return kept("LIVE", lambda: market.lane(0), lambda: advance(market.lane(0)), table="Market")


def advance(found: Lane) -> None:
    found.version += 1
    wiring.market().write(found, found.version - 1)


def minute() -> Kept:
    market = wiring.market()
    market.write(Lane(0, 1), 0, [Minute(NOON)])
    return kept(
        "MIN#2026-11-22T12:00",
        lambda: market.minutes_at(0, [NOON]),
        lambda: market.write(Lane(0, 2), 1, market.minutes_at(0, [NOON])),
        table="Market",
    )


def own_account() -> Account:
    found = wiring.accounts().get(somebody())
    assert found is not None
    return found


def _table(name: str) -> Table:
    return Table(Client("dynamodb", wiring.account()), name)


def kept(sk: str, read: Callable[[], object], change: Callable[[], object], *, table: str = "Accounts") -> Kept:
    pk = "LANE#0" if table == "Market" else f"USER#{0:032x}"
    item = _table(table).get(pk, sk, consistent=True)
    assert item is not None
    return Kept(item, read, change)


@pytest.mark.parametrize("kind", [account, session, api_token, portfolio, an_alert, import_, lane, minute])
def test_a_document_of_before_is_read_and_one_of_a_later_release_is_refused_and_kept(
    aws: boto3.Session, kind: Callable[[], Kept]
) -> None:
    made = kind()
    where = _table("Market" if made.item["pk"] == "LANE#0" else "Accounts")
    now = made.read()
    assert made.item["v"] == (2 if kind is lane else 1)
    where.put({name: value for name, value in made.item.items() if name != "v"})
    assert made.read() == now
    made.change()
    later = made.item | {"v": 3}
    where.put(later)
    for use in (made.read, made.change):
        with pytest.raises(SchemaError, match="version 3, where this release reads up to"):
            use()
    assert where.get(made.item["pk"], made.item["sk"], consistent=True) == later


def test_documents_of_older_versions_are_migrated_step_by_step() -> None:
    schema = Schema(
        "thing", lambda old: {**old, "count": old["number"]}, lambda old: {**old, "count": old["count"] + 1}, oldest=2
    )
    assert schema.mark == {"v": 4}
    assert [schema.read({"v": version, "number": 1, "count": 5})["count"] for version in (2, 3, 4)] == [2, 6, 5]
    for other in (1, 5):
        with pytest.raises(SchemaError, match=f"stored thing: version {other}, where this release reads up to 4"):
            schema.read({"v": other})


def test_the_state_of_a_shard_of_a_later_release_is_refused() -> None:
    packed = fan_state.encode(State(7))
    assert fan_state.decode(packed) == State(7)
    with pytest.raises(SchemaError, match="state of a shard"):
        fan_state.decode(b"\2" + packed[1:])
