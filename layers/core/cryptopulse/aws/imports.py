"""Imports: files read into portfolios, in steps that can be begun again wherever they broke off."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import batched, chain
from typing import Final

from cryptopulse.aws.entries import Entries, Side, edits
from cryptopulse.aws.import_jobs import ImportJobs, OvertakenError
from cryptopulse.aws.kept import KeptError
from cryptopulse.aws.portfolios import Portfolios
from cryptopulse.domain.bookkeeping import worth
from cryptopulse.domain.import_jobs import WHOLE, ImportJob, Numbered, shortages
from cryptopulse.domain.imports import LineError, parse
from cryptopulse.domain.ledgers import Reader
from cryptopulse.domain.portfolios import Currency, Portfolio
from cryptopulse.domain.revisions import Short, revise
from cryptopulse.domain.times import rfc3339
from cryptopulse.domain.transactions import Transaction
from cryptopulse.errors import ConflictError, InvalidError, NotFoundError, RacedError, UnauthenticatedError

BATCH: Final = 1_000
"""Transactions that are priced in one step."""
_UNVALUED: Final = "Neither the line nor the market knows a price at that time: its cost counts as 0"
_GIVEN_UP: Final = (
    "It was broken off by a fault on our side. Send the file again: what is in already is not added twice."
)
_INCOMING: Final = "A transfer into this portfolio is entered in the one that it comes from"
_ARRIVED: Final = "The portfolio that it goes to has a transaction of this external_id, which comes from elsewhere"


class Imports:
    """Works off import jobs.

    Args:
        jobs: Where they are kept.
        portfolios: Where the transactions go.
        entries: Makes transactions of drafts.
        now: The clock, Unix ms.
    """

    def __init__(self, jobs: ImportJobs, portfolios: Portfolios, entries: Entries, now: Callable[[], int]) -> None:
        self._jobs = jobs
        self._portfolios = portfolios
        self._entries = entries
        self._now = now

    def resume(self, user: str, portfolio: str, id_: str) -> ImportJob:
        """Goes on with a job that was left for later, if it is not finished, and returns it.

        Raises:
            NotFoundError: There is none.
            OvertakenError: Somebody else goes on with it.
            RacedError: The portfolio was changed by others all the while.
        """
        job = self._jobs.get(user, portfolio, id_, self._now())
        if job.is_finished:
            self._jobs.clear(user, job)  # the run that finished it may not have come so far
        else:
            self._try(user, job, self._jobs.file(user, job))
        return job

    def give_up(self, user: str, portfolio: str, id_: str) -> None:
        """Notes that a job has failed, if it is not finished.

        Raises:
            NotFoundError: There is none.
            OvertakenError: Somebody else goes on with it.
        """
        job = self._jobs.get(user, portfolio, id_, self._now())
        if not job.is_finished:
            self._fail(user, job, _GIVEN_UP)

    def run(self, user: str, job: ImportJob, file: bytes) -> None:
        """Goes on with a job until it is finished.

        Its transactions are priced in batches, and what they make is kept; then all are entered at once. Whoever
        repeats a step finds that it was taken.

        Args:
            user: Whose.
            job: As it is kept.
            file: What it imports.

        Raises:
            OvertakenError: Somebody else goes on with it.
        """
        try:
            self._try(user, job, file)
        except RacedError as error:
            self._fail(user, job, str(error))

    def _try(self, user: str, job: ImportJob, file: bytes) -> None:
        """Goes on with a job until it is finished, or may go better later."""
        try:
            self._run(user, job, file)
        except (OvertakenError, RacedError):
            raise
        except (ConflictError, InvalidError, NotFoundError, UnauthenticatedError) as error:
            self._fail(user, job, str(error))
        else:
            self._jobs.clear(user, job)

    def _run(self, user: str, job: ImportJob, file: bytes) -> None:
        parsed = parse(file, "auto", job.created_at)
        job.status, job.started_at = "running", self._now()
        if not job.is_read:
            job.read(parsed)
        numbered = job.numbered(parsed.drafts)
        batches = list(batched(numbered, BATCH, strict=False))
        if len(batches) > 1:
            self._jobs.save(user, job)
        portfolio = self._portfolios.get(user, job.portfolio)
        known = self._known(user, job, chain.from_iterable(batches[job.batches :]))
        sides = list(self._jobs.priced(user, job)) if job.batches else []
        for batch in batches[job.batches :]:
            made = self._priced(user, portfolio, job, batch, known)
            sides += made
            job.batches += 1
            job.processed = job.lines * job.batches // len(batches)
            self._jobs.save(user, job, made)
        if not job.is_refused:
            self._enter(user, job, sides, {each.id: each.line for each in numbered})
        job.finish(self._now())
        self._jobs.save(user, job)

    def _fail(self, user: str, job: ImportJob, message: str) -> None:
        job.fail(message, self._now())
        self._jobs.save(user, job)
        self._jobs.clear(user, job)

    def _known(self, user: str, job: ImportJob, numbered: Iterable[Numbered]) -> dict[str, set[str]]:
        """Which of the drafts' names the portfolios know that they are about."""
        names: defaultdict[str, set[str]] = defaultdict(set, {job.portfolio: set()})
        for _, _, draft in numbered:
            names[job.portfolio].add(str(draft.external_id))
            if draft.to_portfolio_id is not None:
                names[draft.to_portfolio_id].add(str(draft.external_id))
        own = {portfolio.id for portfolio in self._portfolios.all(user)} if len(names) > 1 else names.keys()
        return {id_: self._portfolios.read(user, id_).known(names[id_]) for id_ in names.keys() & own}

    def _priced(
        self, user: str, portfolio: Portfolio, job: ImportJob, batch: Sequence[Numbered], known: Mapping[str, set[str]]
    ) -> list[Side]:
        """What a batch makes; counts in what of it the portfolio has, and what is wrong with it."""
        drafts, errors = [], []
        for each in batch:
            name, target = str(each.draft.external_id), each.draft.to_portfolio_id
            if name in known[job.portfolio]:
                job.skipped_duplicates += 1
            elif target == job.portfolio:
                errors.append(LineError(each.line, "to_portfolio_id", _INCOMING))
            elif target is not None and name in known.get(target, ()):
                errors.append(LineError(each.line, "to_portfolio_id", _ARRIVED))
            else:
                drafts.append(each)
        pairs = [(each.id, each.draft) for each in drafts]
        made = self._entries.attempt(user, portfolio, pairs, self._now(), job.created_at)
        sides, unvalued = [], []
        for each, side in zip(drafts, made, strict=True):
            if isinstance(side, InvalidError):
                errors.append(LineError(each.line, side.field, side.message))
            else:
                sides.append(side)
                if _is_unvalued(side.own, portfolio.base_currency):
                    unvalued.append(LineError(each.line, "price", _UNVALUED))
        job.refuse(errors)
        job.warn(unvalued)
        return [] if job.is_refused else sides

    def _enter(self, user: str, job: ImportJob, sides: Sequence[Side], lines: Mapping[str, int]) -> None:
        """Enters all at once, or in a dry run finds out what would come of it; counts it in."""
        changes = edits(job.portfolio, ((None, side) for side in sides))
        shorts: list[Short] = []
        skipped = 0
        if changes and job.is_dry_run:
            revised = revise(
                changes, partial(self._read, user), salt="", now=self._now(), tolerant=True, skip_known=True
            )
            skipped, shorts = len(revised.skipped), revised.shorts
        elif changes:
            done = self._jobs.entered(user, job)
            try:
                edited = self._portfolios.edit(user, changes, self._now(), tolerant=True, skip_known=True, kept=done)
            except KeptError:  # it had been done when an earlier run broke off
                skipped, shorts = self._found(user, job, {side.own.id for side in sides})
            else:
                skipped, shorts = len(edited.skipped), edited.shorts
        job.imported = len(sides) - skipped
        job.skipped_duplicates += skipped
        job.warn([_warning(short, lines) for short in shorts])

    def _read(self, user: str, portfolio: str) -> Reader | None:
        try:
            return self._portfolios.read(user, portfolio)
        except NotFoundError:
            return None

    def _found(self, user: str, job: ImportJob, ids: Collection[str]) -> tuple[int, list[Short]]:
        """How many of a job's own transactions are not in its portfolio, and what is short for those that are."""
        stored = list(self._portfolios.read(user, job.portfolio).transactions())
        before = shortages(tx for tx in stored if tx.id not in ids)
        shorts = [
            short
            for name, short in shortages(stored).items()
            if name not in before or short.missing > before[name].missing
        ]
        return len(ids) - sum(tx.id in ids for tx in stored), shorts


def _warning(short: Short, lines: Mapping[str, int]) -> LineError:
    """What is to be known of a disposal without its acquisition; it may have been there before the file."""
    message = f"{short.missing:f} {short.asset} more than there is; its cost counts as 0"
    line = lines.get(short.transaction.id)
    if line is not None:
        return LineError(line, "quantity", message)
    return LineError(
        WHOLE, "quantity", f"The {short.transaction.type} of {rfc3339(short.transaction.time)} gives {message}"
    )


def _is_unvalued(transaction: Transaction, base: Currency) -> bool:
    """Whether it adds a lot whose cost nobody knows."""
    return transaction.type in ("deposit", "reward", "airdrop") and worth(transaction, transaction.asset, base) is None
