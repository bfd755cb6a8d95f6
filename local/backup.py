"""Backups of the table Accounts in files: `make backup` and `make restore`.

A file is gzip JSON lines: what it is, each item as DynamoDB tells it, numbers as text, and how many there are. What
DynamoDB shows is not of one moment: a backup is kept only if all that its portfolios refer to is in it.
"""

import argparse
import gzip
import sys
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import FIRST_DELAY, LONGEST_DELAY, WRITES
from cryptopulse.aws.portfolios import sort_keys
from cryptopulse.domain.ledgers import Ref, decode_head, decode_map
from cryptopulse.errors import CryptoPulseError
from local.endpoints import HOME
from local.processes import ProblemError
from local.stacks import find

FORM: Final = 1
SESSION: Final = "SESSION#"
"""What is not restored: who was signed out since must not be signed in again."""

type Raw = dict[str, dict[str, Any]]
"""An item as DynamoDB's protocol has it."""


class Head(msgspec.Struct, forbid_unknown_fields=True):
    """The first line of a file."""

    cryptopulse_backup: int
    table: str
    made_at: int
    """Unix ms."""


class End(msgspec.Struct, forbid_unknown_fields=True):
    """The last line of a file."""

    items: int


class Backups:
    """Reads and writes one table.

    Args:
        client: Calls DynamoDB.
        table: The table's name.
    """

    def __init__(self, client: Client, table: str) -> None:
        self._client = client
        self._table = table

    def save(self, path: Path, now: int) -> int:
        """Writes all items into a new file, which its owner alone may read; returns how many.

        Raises:
            ProblemError: There is such a file, or portfolios were changed meanwhile.
        """
        if path.exists():
            raise ProblemError(f"{path} is there already")
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        encode = msgspec.json.encode
        try:
            part.touch(0o600)
            with gzip.open(part, "wb") as file:
                file.write(encode(Head(FORM, self._table, now)) + b"\n")
                count = 0
                for item in self._items():
                    file.write(encode(item) + b"\n")
                    count += 1
                file.write(encode(End(count)) + b"\n")
            check(part)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        return count

    def restore(self, path: Path, *, force: bool) -> int:
        """Writes the items of a file, but for sessions; returns how many.

        Args:
            path: The file.
            force: Whether to write over what there is; what the file does not know stays.

        Raises:
            ProblemError: The file is no whole backup, or there is something, and no force.
        """
        check(path)
        if not force and self._call("Scan", Limit=1)["Items"]:
            raise ProblemError(f"{self._table} is not empty: FORCE=1 writes over what is there, and leaves the rest")
        count = 0
        for some in batched(
            (each for each in items(path) if not each["sk"]["S"].startswith(SESSION)), WRITES, strict=False
        ):
            self._write(some)
            count += len(some)
        return count

    def _items(self) -> Iterator[Raw]:
        request: dict[str, Any] = {"ConsistentRead": True}
        while True:
            answer = self._call("Scan", **request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _write(self, some: Sequence[Raw]) -> None:
        left: Sequence[Any] = [{"PutRequest": {"Item": item}} for item in some]
        delay = FIRST_DELAY
        while left:
            answer = self._client.call("BatchWriteItem", {"RequestItems": {self._table: left}})
            left = answer.get("UnprocessedItems", {}).get(self._table, [])
            if left:
                time.sleep(delay)
                delay = min(2 * delay, LONGEST_DELAY)

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._client.call(operation, {"TableName": self._table, **request})


def items(path: Path) -> Iterator[Raw]:
    """The items of a file.

    Raises:
        ProblemError: It is no backup, or not all of one.
    """
    try:
        with gzip.open(path, "rb") as file:
            head = msgspec.json.decode(file.readline(), type=Head)
            if head.cryptopulse_backup != FORM:
                raise ProblemError(f"{path} is of a later release: form {head.cryptopulse_backup}")
            last = file.readline()
            count = 0
            for line in file:
                yield msgspec.json.decode(last, type=Raw)
                count, last = count + 1, line
            if msgspec.json.decode(last, type=End).items != count:
                raise ProblemError(f"{path} lacks items")
    except (OSError, EOFError, msgspec.MsgspecError) as error:
        raise ProblemError(f"{path} is no whole backup: {error}") from error


def check(path: Path) -> None:
    """Looks whether a file is whole, and all that its portfolios refer to is in it.

    Raises:
        ProblemError: It is not.
    """
    names: set[tuple[str, str]] = set()
    maps: dict[tuple[str, str], bytes] = {}
    heads: list[tuple[str, str, Ref]] = []
    for item in items(path):
        key = item["pk"]["S"], item["sk"]["S"]
        names.add(key)
        kind, _, rest = key[1].partition("#")
        if kind == "MAP":
            maps[key] = b64decode(item["data"]["B"])
        elif kind == "PORTFOLIO" and (ref := decode_head(b64decode(item["ledger"]["B"])).map) is not None:
            heads.append((key[0], rest, ref))
    torn = {pid for pk, pid, ref in heads if not _is_whole(pk, pid, ref, names, maps)}
    if torn:
        raise ProblemError(
            f"{len(torn)} portfolios are not whole, {min(torn)} for one: they were changed meanwhile; again"
        )


def _is_whole(pk: str, pid: str, ref: Ref, names: set[tuple[str, str]], maps: Mapping[tuple[str, str], bytes]) -> bool:
    keys = [(pk, sk) for sk in sort_keys(pid, ref)]
    if not maps.keys() >= set(keys):
        return False
    found = decode_map(b"".join(maps[key] for key in keys))
    return all((pk, sk) in names for each in found.refs for sk in sort_keys(pid, each))


def main() -> int:
    """Runs `make backup` and `make restore`."""
    parser = argparse.ArgumentParser(prog="make backup", description=__doc__)
    parser.add_argument("action", choices=("save", "restore"))
    parser.add_argument("--file", required=True)
    parser.add_argument("--force", action="store_true", help="restore over what there is")
    parser.add_argument("--table", default="", help="another table than the stack's: one that was restored on AWS")
    parser.add_argument("--stack", default="", help="a stack on AWS; what `make run` runs if empty")
    parser.add_argument("--home", type=Path, default=HOME)
    arguments = parser.parse_args()
    if not arguments.file:
        parser.error("FILE=… says where it is to be")
    file = Path(arguments.file)
    console = Console(highlight=False)
    try:
        find(arguments.stack, arguments.home).enter("Auth")
        table = arguments.table or wiring.settings().ACCOUNTS_TABLE
        backups = Backups(Client("dynamodb", wiring.account()), table)
        if arguments.action == "save":
            count = backups.save(file, wiring.now())
            console.print(f"{count:,} items of {table} are in {file}", soft_wrap=True)
        else:
            count = backups.restore(file, force=arguments.force)
            console.print(f"{count:,} items are in {table} again; sessions are not: all sign in anew", soft_wrap=True)
    except (ProblemError, CryptoPulseError) as problem:
        Console(stderr=True).print(f"[red]{problem}", soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
