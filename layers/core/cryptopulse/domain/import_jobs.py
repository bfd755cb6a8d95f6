"""Import jobs: how far the import of a file has come, and what was found."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from typing import Annotated, Final, Literal, NamedTuple, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain.bookkeeping import moves
from cryptopulse.domain.imports import KEPT, LineError, Parsed
from cryptopulse.domain.lots import EXACT, ZERO
from cryptopulse.domain.portfolios import Currency, Draft, Kind
from cryptopulse.domain.revisions import Short
from cryptopulse.domain.times import Moment, rfc3339
from cryptopulse.domain.transactions import Transaction, new_id

type Status = Literal["queued", "running", "done", "failed"]

AT_ONCE: Final = 1_000
"""Lines of a file up to which its import is done while the request waits."""
LIFETIME: Final = 30 * 86_400_000
"""Milliseconds for which a job can be read."""
PATIENCE: Final = 86_400_000
"""Milliseconds after which nobody goes on with a job: its file is gone."""
WHOLE: Final = 0
"""The line of what is told of the file as a whole."""
_PLACES: Final = 1 << 16


PREVIEWED: Final = 20
"""Transactions of a file that a dry run shows."""
_NAMED: Final = 500
"""Assets of a file that a dry run names."""


class Task(Struct, frozen=True):
    """Which job to go on with: a message of the queue."""

    user: str
    portfolio: str
    job: str


class Numbered(NamedTuple):
    """A draft, its line in the file, and the id of the transaction that it makes."""

    line: int
    id: str
    draft: Draft


class Previewed(Struct, kw_only=True):
    """A transaction as the file was understood; what it does not say is null."""

    line: Annotated[int, Meta(description="The (first) line of the file that tells it")]
    time: Moment
    type: Kind
    asset: str
    quantity: str
    price: str | None
    currency: Currency | None
    fee: str | None
    fee_asset: str | None
    counter_asset: str | None
    counter_quantity: str | None

    @classmethod
    def of(cls, line: int, draft: Draft) -> Self:
        """A draft's."""
        return cls(
            line=line,
            time=rfc3339(draft.time),
            type=draft.type,
            asset=str(draft.asset),
            quantity=f"{draft.quantity:f}",
            price=_plain(draft.price),
            currency=draft.currency,
            fee=_plain(draft.fee),
            fee_asset=_plain(draft.fee_asset),
            counter_asset=_plain(draft.counter_asset),
            counter_quantity=_plain(draft.counter_quantity),
        )


class Preview(Struct, kw_only=True):
    """What a file holds, as it was understood, whether the portfolio has it or not."""

    transactions: Annotated[list[Previewed], Meta(description=f"The first {PREVIEWED}, in the file's order")]
    assets: Annotated[list[str], Meta(description=f"All that its transactions are about; the first {_NAMED} by name")]

    @classmethod
    def of(cls, drafts: Sequence[tuple[int, Draft]]) -> Self:
        """Of a file's drafts with their lines."""
        assets = {
            str(asset) for _, draft in drafts for asset in (draft.asset, draft.counter_asset) if asset is not None
        }
        return cls(
            transactions=[Previewed.of(line, draft) for line, draft in drafts[:PREVIEWED]],
            assets=sorted(assets)[:_NAMED],
        )


class ImportJob(Struct, kw_only=True):
    """The import of one file into one portfolio. Times are Unix ms.

    `imported` and `skipped_duplicates` count transactions, the others lines. `errors` and `warnings` are the first
    1,000, in the file's order.
    """

    id: str
    portfolio: str
    format: str
    is_dry_run: bool
    is_partial: bool
    lines: int
    created_at: int
    started_at: int
    """When somebody began to work on it, last."""
    status: Status = "queued"
    is_read: bool = False
    """Whether what the file itself says is counted in."""
    batches: int = 0
    """How many batches of its transactions are priced and counted in."""
    processed: int = 0
    imported: int = 0
    skipped_duplicates: int = 0
    ignored: int = 0
    warnings: list[LineError] = []
    errors: list[LineError] = []
    errors_total: int = 0
    preview: Preview | None = None
    """Of a dry run."""
    finished_at: int | None = None
    version: int = 0
    """Rises with each write: who writes over another version than he read has been overtaken."""

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing more to come."""
        return self.finished_at is not None

    @property
    def is_refused(self) -> bool:
        """Whether its errors forbid the whole."""
        return self.errors_total > 0 and not self.is_partial

    def numbered(self, drafts: Iterable[tuple[int, Draft]]) -> list[Numbered]:
        """The file's drafts with the ids of what they make, which are the same however often the job is begun."""
        return [
            Numbered(line, new_id(draft.time, self.created_at, place % _PLACES, self._chance + place // _PLACES), draft)
            for place, (line, draft) in enumerate(drafts)
        ]

    @property
    def _chance(self) -> int:
        return int(self.id, 16)

    def read(self, parsed: Parsed) -> None:
        """Counts in what the file itself says."""
        self.is_read = True
        self.ignored = parsed.ignored
        self.skipped_duplicates = parsed.repeated
        self.warnings = parsed.warnings
        self.errors, self.errors_total = parsed.errors, parsed.errors_total
        if self.is_dry_run:
            self.preview = Preview.of(parsed.drafts)

    def refuse(self, errors: Sequence[LineError]) -> None:
        """Takes in errors that only the portfolio or the market shows."""
        self.errors = sorted([*self.errors, *errors])[:KEPT]
        self.errors_total += len(errors)

    def warn(self, warnings: Sequence[LineError]) -> None:
        """Takes in warnings."""
        self.warnings = sorted([*self.warnings, *warnings])[:KEPT]

    def finish(self, now: int) -> None:
        """Ends it: done, or refused for its errors."""
        self.status = "failed" if self.is_refused else "done"
        self.processed = self.lines
        self.finished_at = now

    def fail(self, message: str, now: int) -> None:
        """Ends it for what no line is to blame for."""
        self.refuse([LineError(WHOLE, "file", message)])
        self.status = "failed"
        self.imported = 0
        self.finished_at = now


class ImportView(Struct, kw_only=True):
    """The import of a file, as it is shown."""

    id: str
    status: Annotated[Status, Meta(description="`failed`: nothing was imported; `errors` tell why")]
    format: Annotated[str, Meta(description="Whose file it is, by its header")]
    dry_run: Annotated[bool, Meta(description="Whether nothing is to be imported: the counts say what would be")]
    lines: Annotated[int, Meta(description="Lines below the header, blank ones left out")]
    processed: Annotated[int, Meta(description="Lines worked off")]
    imported: Annotated[int, Meta(description="Transactions that were added; one may have several lines")]
    skipped_duplicates: Annotated[int, Meta(description="Transactions that the portfolio had, or the file tells twice")]
    ignored: Annotated[int, Meta(description="Lines that say nothing about a portfolio: fiat only, or own accounts")]
    warnings: Annotated[list[LineError], Meta(description="The first 1,000; line 0 is the file as a whole")]
    errors: Annotated[list[LineError], Meta(description="The first 1,000; line 0 is the file as a whole")]
    errors_total: Annotated[int, Meta(description="How many errors there are")]
    created_at: Moment
    finished_at: Annotated[Moment | None, Meta(description="null: it is queued or running")]
    preview: Annotated[Preview, Meta(description="Of a dry run that has read the file")] | UnsetType = UNSET

    @classmethod
    def of(cls, job: ImportJob) -> Self:
        """A job as its owner sees it."""
        return cls(
            id=job.id,
            status=job.status,
            format=job.format,
            dry_run=job.is_dry_run,
            lines=job.lines,
            processed=job.processed,
            imported=job.imported,
            skipped_duplicates=job.skipped_duplicates,
            ignored=job.ignored,
            warnings=job.warnings,
            errors=job.errors,
            errors_total=job.errors_total,
            created_at=rfc3339(job.created_at),
            finished_at=None if job.finished_at is None else rfc3339(job.finished_at),
            preview=UNSET if job.preview is None else job.preview,
        )


def _plain(value: Decimal | str | None) -> str | None:
    """As a job is kept: in types of no code of ours."""
    if value is None:
        return None
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def shortages(transactions: Iterable[Transaction]) -> dict[tuple[str, str], Short]:
    """What takes more than there is, by id and asset; all of a portfolio's transactions, in order."""
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    found: dict[tuple[str, str], Short] = {}
    with localcontext(EXACT):
        for tx in transactions:
            for asset, change in moves(tx):
                left = held[asset] + change
                if left < 0:
                    known = found.get((tx.id, asset))
                    found[tx.id, asset] = Short(tx, asset, (known.missing if known else 0) - left)
                held[asset] = max(left, ZERO)
    return found
