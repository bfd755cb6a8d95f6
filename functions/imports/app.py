"""Files in and out: imports of transactions, the jobs that they are, and the export."""

from datetime import UTC, datetime
from http import HTTPStatus
from secrets import token_hex
from typing import Annotated, Any, Final

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.api import callers
from cryptopulse.api.app import Answer, Api, scoped
from cryptopulse.api.bodies import Content, CsvFile
from cryptopulse.api.deps import IdempotencyKey, Now, Sent, Single, Who, parameters
from cryptopulse.api.renderings import CSV
from cryptopulse.aws.kept import KeptAnswer, Repeatable
from cryptopulse.domain.exports import export
from cryptopulse.domain.import_jobs import AT_ONCE, ImportJob, ImportView, Task
from cryptopulse.domain.imports import Format, recognise, unpacked
from cryptopulse.errors import ConflictError
from cryptopulse.telemetry import entrypoint

TIME_LIMIT: Final = 30_000
"""Milliseconds after which no request runs any more."""

api = Api(lambda event: callers.authenticate(event, live=False))


class ImportQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """How to take a file."""

    format: Annotated[Format, Meta(description="Whose file it is; `auto` goes by its header")] = "auto"
    dry_run: Annotated[bool, Meta(description="Whether to tell only what would be imported")] = False
    partial: Annotated[bool, Meta(description="Whether the good lines go in where others are wrong; else none do")] = (
        False
    )


class ExportQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to export."""

    year: Annotated[int, Meta(ge=2009, le=2999, description="In UTC; all of them if left out")] | UnsetType = UNSET


@api.post(
    "/portfolios/<portfolio_id>/transactions/import",
    tags=["Portfolios"],
    responses={
        202: {"description": "More than 1,000 lines: the job is queued, and `Location` tells where it is"},
        409: {"description": "A request with this `Idempotency-Key` is still running"},
    },
)
@scoped("trade")
def import_transactions(
    portfolio_id: str,
    file: Annotated[bytes, Content({CSV: bytes, "application/gzip": unpacked})],
    query: Annotated[ImportQuery, parameters(ImportQuery)],
    request: Sent,
    caller: Who,
    key: IdempotencyKey,
    now: Now,
) -> Answer[ImportView]:
    """Imports the CSV file of an exchange, or our own.

    All or nothing, unless `partial`. A transaction that the portfolio knows by its id is left out, so importing a file
    twice adds nothing. UTF-8 is best; pack a file by gzip that is in another encoding.
    """
    wiring.portfolios().get(caller.user, portfolio_id)
    content = request.raw_query_string.encode() + b"\n" + file
    route = f"{request.http_method} {request.path}"
    repeatable = Repeatable.of(caller.user, route, key, content) if key else None
    if repeatable is not None and (first := wiring.kept().find(repeatable, now)) is not None:
        return _repeat(caller.user, portfolio_id, first, file, now)
    found, lines = recognise(file, query.format)
    job = ImportJob(
        id=token_hex(16),
        portfolio=portfolio_id,
        format=found,
        is_dry_run=query.dry_run,
        is_partial=query.partial,
        lines=lines,
        created_at=now,
        started_at=now,
    )
    is_queued = lines > AT_ONCE
    answer = _accepted(job) if is_queued else Answer(ImportView.of(job))
    kept = Single(repeatable, now).keep(answer)
    wiring.import_jobs().add(caller.user, job, file if is_queued else None, kept)
    if is_queued:
        _queue(caller.user, job)
        return answer
    wiring.imports().run(caller.user, job, file)
    return Answer(ImportView.of(job))


@api.get("/portfolios/<portfolio_id>/imports/<import_id>", tags=["Portfolios"])
def read_import(portfolio_id: str, import_id: str, caller: Who, now: Now) -> Answer[ImportView]:
    """How far an import has come, and what was found; for 30 days."""
    wiring.portfolios().get(caller.user, portfolio_id)
    return Answer(ImportView.of(wiring.import_jobs().get(caller.user, portfolio_id, import_id, now)))


@api.get(
    "/portfolios/<portfolio_id>/transactions/export",
    tags=["Portfolios"],
    responses={413: {"description": "Longer than 4 MB as it would be sent"}},
)
def export_transactions(
    portfolio_id: str, query: Annotated[ExportQuery, parameters(ExportQuery)], caller: Who
) -> CsvFile:
    """All transactions as CSV, which the import takes back unchanged.

    Above 4 MB only with `Accept-Encoding: gzip`. Transfers are in the files of both ends. Brought back to where it
    came from a file adds nothing; brought to another portfolio its transfers are errors as long as their targets have
    them, for these know where they came from.
    """
    reader = wiring.portfolios().read(caller.user, portfolio_id)
    if query.year is UNSET:
        return CsvFile("transactions", export(reader.transactions()))
    span = _new_year(query.year), _new_year(query.year + 1)
    return CsvFile(f"transactions-{query.year}", export(reader.transactions(*span)))


def _accepted(job: ImportJob) -> Answer[ImportView]:
    location = f"{wiring.settings().ISSUER}/portfolios/{job.portfolio}/imports/{job.id}"
    return Answer(ImportView.of(job), status=HTTPStatus.ACCEPTED, headers={"Location": location})


def _queue(user: str, job: ImportJob) -> None:
    task = Task(user=user, portfolio=job.portfolio, job=job.id)
    wiring.import_queue().send(msgspec.json.encode(task).decode())


def _repeat(user: str, portfolio: str, first: KeptAnswer, file: bytes, now: int) -> Answer[ImportView]:
    """The answer to a request that was begun before, as it was then; what has broken off goes on."""
    view = msgspec.json.decode(first.body, type=ImportView)
    job = wiring.import_jobs().get(user, portfolio, view.id, now)
    if first.status == HTTPStatus.ACCEPTED:
        if job.status == "queued":
            _queue(user, job)
        return Answer(view, status=HTTPStatus.ACCEPTED, headers=first.headers)
    if not job.is_finished:
        if now < job.started_at + TIME_LIMIT:
            raise ConflictError("The request is still running.")
        wiring.imports().run(user, job, file)
    return Answer(ImportView.of(job))


def _new_year(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)
