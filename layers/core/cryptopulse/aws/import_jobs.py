"""Import jobs in the Accounts table, under `USER#<id>` with all else that is the user's.

| sk                              | holds                                                                   | life    |
| ------------------------------- | ----------------------------------------------------------------------- | ------- |
| `IMPORT#<portfolio>#<id>`       | the job; every write is conditional on its version                      | 30 days |
| …`#FILE#<n>`                    | a piece of the file, packed                                             | a day   |
| …`#PRICED#<batch>#<n>`          | a piece of the transactions that a batch of it makes, packed            | a day   |
| …`#ENTERED`                     | that they are in the portfolio: written in the same transaction as they | a day   |

What is below a job goes when it is finished; what a crash leaves of it goes when its life ends.
"""

import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import msgspec

from cryptopulse.aws.dynamodb import Check, Item, Table, Write
from cryptopulse.aws.entries import Side
from cryptopulse.aws.kept import Kept
from cryptopulse.domain.import_jobs import LIFETIME, PATIENCE, ImportJob
from cryptopulse.domain.schemas import Schema
from cryptopulse.domain.tokens import is_id
from cryptopulse.errors import ConditionError, ConflictError, NotFoundError, UnauthenticatedError

PIECE: Final = 350_000
"""Bytes of an item's content: DynamoDB takes 400 KB."""
_SCHEMA: Final = Schema("import")
_ABANDONED: Final = "It was not finished within a day. Send the file again: what is in already is not added twice."


class OvertakenError(ConflictError):
    """Somebody else goes on with the job."""


class ImportJobs:
    """Reads and writes import jobs."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._sides = msgspec.msgpack.Decoder(list[Side])

    def add(self, user: str, job: ImportJob, file: bytes | None, kept: Kept | None) -> None:
        """Adds a job.

        Args:
            user: Whose.
            job: As it begins.
            file: What is to be imported, where that is left for later.
            kept: What says that the request has been done.

        Raises:
            ConflictError: The request was done before, or at the same moment.
            UnauthenticatedError: The account has ended.
        """
        if file is not None:
            for item in self._pieces(user, job, "FILE", file):
                self._table.put(item)
        writes: list[Write | Check] = [self._write(user, job), Check(_pk(user), "ACCOUNT", {})]
        if kept is not None:
            writes.append(Write(kept.item, 0))
        try:
            self._table.transact(writes)
        except ConditionError as error:
            self.clear(user, job)
            if kept is not None and self._table.get(kept.pk, kept.sk, consistent=True) is not None:
                raise ConflictError("The request was done at the same moment.") from error
            raise UnauthenticatedError("The account has ended.", is_presented=True) from error

    def get(self, user: str, portfolio: str, id_: str, now: int) -> ImportJob:
        """A job; one that nobody finishes any more has failed.

        Raises:
            NotFoundError: There is none, or none any more.
        """
        item = self._table.get(_pk(user), _sk(portfolio, id_), consistent=True) if is_id(id_) else None
        if item is None or item["expires_at"] * 1000 <= now:
            raise NotFoundError("There is no such import.")
        job = msgspec.msgpack.decode(zlib.decompress(_SCHEMA.read(item)["job"]), type=ImportJob)
        if not job.is_finished and job.created_at + PATIENCE <= now:
            job.fail(_ABANDONED, job.created_at + PATIENCE)
        return job

    def save(self, user: str, job: ImportJob, sides: Sequence[Side] = ()) -> None:
        """Writes a job over the version that was read, together with what its last batch makes.

        Raises:
            OvertakenError: It has been written since, or is gone.
        """
        writes = [self._write(user, job)]
        if sides:
            content = msgspec.msgpack.encode(sides)
            writes += [Write(item, 0) for item in self._pieces(user, job, f"PRICED#{job.batches:03}", content)]
        try:
            self._table.transact(writes)
        except ConditionError as error:
            raise OvertakenError("Somebody else goes on with the import.") from error

    def file(self, user: str, job: ImportJob) -> bytes:
        """The file of an unfinished job.

        Raises:
            OvertakenError: It is gone: somebody has finished the job.
        """
        for file in self._joined(user, job, "FILE"):
            return file
        raise OvertakenError("Somebody else has finished the import.")

    def priced(self, user: str, job: ImportJob) -> Iterator[Side]:
        """What the batches so far make, in the file's order."""
        for packed in self._joined(user, job, "PRICED"):
            yield from self._sides.decode(packed)

    def entered(self, user: str, job: ImportJob) -> Kept:
        """What says that all of it is in the portfolio, to be written with it."""
        item = _below(user, job, "ENTERED")
        return Kept(item.pop("pk"), item.pop("sk"), item)

    def clear(self, user: str, job: ImportJob) -> None:
        """Removes all that an unfinished job needs."""
        sk = _sk(job.portfolio, job.id)
        for item in self._table.query(_pk(user), f"{sk}#", f"{sk}#~", consistent=True):
            self._table.delete(item["pk"], item["sk"])

    def _write(self, user: str, job: ImportJob) -> Write:
        previous = job.version
        job.version += 1
        item: Item = {
            "pk": _pk(user),
            "sk": _sk(job.portfolio, job.id),
            "version": job.version,
            **_SCHEMA.mark,
            "expires_at": (job.created_at + LIFETIME) // 1000,
            "job": zlib.compress(msgspec.msgpack.encode(job)),
        }
        return Write(item, previous)

    def _pieces(self, user: str, job: ImportJob, name: str, content: bytes) -> list[Item]:
        packed = zlib.compress(content)
        pieces = [packed[start : start + PIECE] for start in range(0, len(packed), PIECE)]
        return [
            {**_below(user, job, f"{name}#{number:03}"), "version": 1, "piece": piece}
            for number, piece in enumerate(pieces)
        ]

    def _joined(self, user: str, job: ImportJob, kind: str) -> Iterator[bytes]:
        """The contents of this kind, in order of their names."""
        sk = f"{_sk(job.portfolio, job.id)}#{kind}#"
        items = self._table.query(_pk(user), sk, f"{sk}~", consistent=True)
        for _, pieces in groupby(items, lambda item: item["sk"].rpartition("#")[0]):
            yield zlib.decompress(b"".join(item["piece"] for item in pieces))


def _pk(user: str) -> str:
    return f"USER#{user}"


def _sk(portfolio: str, id_: str) -> str:
    return f"IMPORT#{portfolio}#{id_}"


def _below(user: str, job: ImportJob, name: str) -> Item:
    """Key and end of an item that an unfinished job needs."""
    expires_at = (job.created_at + PATIENCE) // 1000
    return {"pk": _pk(user), "sk": f"{_sk(job.portfolio, job.id)}#{name}", "expires_at": expires_at}
