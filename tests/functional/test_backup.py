"""Backups of users' data: exact, whole, for its owner's eyes, and never put over data by mistake."""

import gzip
from decimal import Decimal
from pathlib import Path

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.aws.portfolios import Edit, Portfolios
from cryptopulse.domain.ledgers import Limits
from local.backup import Backups
from local.processes import ProblemError
from tests.functional.stage import NOON, somebody
from tests.functional.test_portfolios_table import A, portfolio, transaction

SMALL = Limits(tail=4, kept=1, block=5, recent=6)


@pytest.fixture
def table(aws: boto3.Session) -> Table:
    """With a user, his session, a portfolio in blocks, and amounts that no float holds."""
    user, table = somebody(), Table(Client("dynamodb", wiring.account()), "Accounts")
    portfolios = Portfolios(table, SMALL)
    portfolios.add(user, portfolio(A), None)
    portfolios.edit(user, {A: Edit(add=[transaction(number) for number in range(1, 30)])}, NOON)
    amount = Decimal("12345678901234567890.123456789012345678")
    table.put({"pk": "USER#x", "sk": "ODD", "amount": amount, "many": [b"\0\xff", None, {"a": Decimal("1E-30")}]})
    table.put({"pk": f"USER#{user}", "sk": "SESSION#1", "user": user})
    return table


@pytest.fixture
def backups() -> Backups:
    return Backups(Client("dynamodb", wiring.account()), "Accounts")


def contents(aws: boto3.Session) -> list[Item]:
    items = aws.client("dynamodb").scan(TableName="Accounts")["Items"]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def empty(aws: boto3.Session, table: Table) -> None:
    table.delete_many((item["pk"]["S"], item["sk"]["S"]) for item in contents(aws))


def test_a_restored_table_is_as_it_was_but_for_sessions(
    aws: boto3.Session, table: Table, backups: Backups, tmp_path: Path
) -> None:
    file, before = tmp_path / "a.gz", contents(aws)
    assert backups.save(file, NOON) == len(before)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ProblemError, match="is there already"):
        backups.save(file, NOON)
    empty(aws, table)
    assert backups.restore(file, force=False) == len(before) - 1
    assert contents(aws) == [item for item in before if item["sk"]["S"] != "SESSION#1"]
    assert len(list(Portfolios(table, SMALL).read(f"{0:032x}", A).transactions())) == 29


def test_data_is_written_over_only_by_force(aws: boto3.Session, table: Table, backups: Backups, tmp_path: Path) -> None:
    backups.save(tmp_path / "a.gz", NOON)
    table.put({"pk": "USER#x", "sk": "ODD", "amount": 1})
    table.put({"pk": "USER#y", "sk": "NEW"})
    changed = contents(aws)
    with pytest.raises(ProblemError, match="not empty: FORCE=1"):
        backups.restore(tmp_path / "a.gz", force=False)
    assert contents(aws) == changed
    backups.restore(tmp_path / "a.gz", force=True)
    odd = table.get("USER#x", "ODD") or {}
    assert odd["amount"] == Decimal("12345678901234567890.123456789012345678")
    assert table.get("USER#y", "NEW") == {"pk": "USER#y", "sk": "NEW"}


def test_a_file_that_is_not_whole_changes_nothing(
    aws: boto3.Session, table: Table, backups: Backups, tmp_path: Path
) -> None:
    file = tmp_path / "a.gz"
    backups.save(file, NOON)
    whole = gzip.decompress(file.read_bytes())
    lines = whole.splitlines(keepends=True)
    empty(aws, table)
    for content, problem in [
        (file.read_bytes()[:-20], "is no whole backup"),
        (gzip.compress(b"".join(lines[:-1])), "is no whole backup"),
        (gzip.compress(b"".join(lines[:3] + lines[4:])), "lacks items"),
        (gzip.compress(whole.replace(b'backup":1', b'backup":2')), "of a later release: form 2"),
        (b"text", "is no whole backup"),
    ]:
        file.write_bytes(content)
        with pytest.raises(ProblemError, match=problem):
            backups.restore(file, force=False)
    assert contents(aws) == []


@pytest.mark.parametrize("kind", ["MAP#", "TX#", "LOTS#", "KNOWN#"])
def test_a_backup_of_half_a_change_is_told_and_not_kept(
    aws: boto3.Session, table: Table, backups: Backups, tmp_path: Path, kind: str
) -> None:
    (key, *_) = [(item["pk"]["S"], item["sk"]["S"]) for item in contents(aws) if item["sk"]["S"].startswith(kind)]
    table.delete(*key)
    with pytest.raises(ProblemError, match=f"1 portfolios are not whole, {A} for one"):
        backups.save(tmp_path / "a.gz", NOON)
    assert list(tmp_path.iterdir()) == []
