"""Imports: the CSV exports of exchanges, and our own, read to transactions; what cannot be read is told line by line.

Nothing is guessed: what has no meaning here is an error with its line. Lines of fiat currencies only, and moves between
one's own accounts at an exchange, are ignored: cash is not kept, and an exchange is one place.
"""

import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Context, localcontext
from hashlib import sha256
from io import BytesIO
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from cryptopulse.domain import binance_csv, coinbase_csv, exports, kraken_csv
from cryptopulse.domain.csv_tables import Row, Table, find, text_of
from cryptopulse.domain.legs import Booked, Layout, Leg, join
from cryptopulse.domain.portfolios import Draft, ExternalId
from cryptopulse.errors import InvalidError, TooLargeError

type Format = Literal["auto", "cryptopulse", "coinbase", "binance", "kraken"]

LAYOUTS: Final[Sequence[Layout]] = (
    exports.TRANSACTIONS,
    coinbase_csv.TRANSACTIONS,
    binance_csv.HISTORY,
    binance_csv.TRADES,
    kraken_csv.LEDGERS,
    kraken_csv.TRADES,
)
KEPT: Final = 1_000
"""Errors and warnings that are told; the others are counted."""
EXACT: Final = Context(prec=80)
"""Sums of amounts are exact in it, and a price of any two has its 18 places."""
LARGEST: Final = 10 * 1024 * 1024
"""Bytes of a file that came packed."""
_DIGEST: Final = 32
_EXPECTED: Final = (
    "No known header is in the file's first lines. Expected the CSV of Coinbase's transaction history, of Binance's"
    " transaction history or spot trade history, of Kraken's ledgers or trades, or our own export"
)


class LineError(Struct, frozen=True, order=True):
    """What is wrong with a line of the file."""

    line: Annotated[int, Meta(description="The line of the file, from 1; 0 is the file as a whole")]
    field: Annotated[
        str, Meta(description="A column's name in it, or a transaction's field; `file`: the file as a whole")
    ]
    message: str


class Parsed(Struct, kw_only=True):
    """What a file holds.

    `lines` are those below the header that are not blank; `ignored` of them say nothing about a portfolio. `repeated`
    is how many transactions the file tells again, by their id. `drafts` come with their (first) line, in its order,
    each with an `external_id` that is the same whenever the file, or another with the same lines, is read. `errors`
    and `warnings` are the first 1,000.
    """

    format: str
    lines: int
    drafts: list[tuple[int, Draft]]
    ignored: int
    repeated: int
    errors: list[LineError]
    errors_total: int
    warnings: list[LineError]
    warnings_total: int


def unpacked(data: bytes) -> bytes:
    """A file that gzip packed, inflated no further than to the limit.

    Raises:
        InvalidError: It is no gzip file, or not whole.
        TooLargeError: It is longer than 10 MB.
    """
    try:
        with gzip.open(BytesIO(data)) as packed:
            file = packed.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidError("file", f"Expected a gzip file: {error}") from error
    if len(file) > LARGEST:
        raise TooLargeError(f"The file must not be longer than {LARGEST} bytes unpacked.")
    return file


def recognise(data: bytes, format: Format) -> tuple[str, int]:  # noqa: A002 the contract's own word
    """Whose file it is, and how many lines that are not blank it has below its header: what `parse` says, sooner.

    Raises:
        InvalidError: As of `parse`.
        TooLargeError: As of `parse`.
    """
    layout, table = _open(data, format)
    return layout.format, len(table)


def parse(data: bytes, format: Format, now: int) -> Parsed:  # noqa: A002 the contract's own word
    """The transactions that a file holds.

    Args:
        data: The file, unpacked.
        format: Whose it is; `auto` goes by its header.
        now: Unix ms, to refuse transactions of the future.

    Raises:
        InvalidError: It is no CSV of these formats as a whole, or lacks a column.
        TooLargeError: It has more than 50,000 lines.
    """
    layout, table = _open(data, format)
    with localcontext(EXACT):
        return _Reading(layout, table, now).parsed()


def _open(data: bytes, format: Format) -> tuple[Layout, Table]:  # noqa: A002 the contract's own word
    found = find(text_of(data), {place: layout.columns for place, layout in enumerate(LAYOUTS)})
    if found is None:
        raise InvalidError("format", _EXPECTED)
    place, table = found
    layout = LAYOUTS[place]
    if format not in ("auto", layout.format):
        raise InvalidError("format", f"The file's header is that of {layout.format}")
    return layout, table


class _Reading:
    """One file being read: what was found so far."""

    def __init__(self, layout: Layout, table: Table, now: int) -> None:
        self.layout = layout
        self.table = table
        self.now = now
        self.drafts: dict[str, tuple[int, Draft]] = {}
        self.seen: Counter[str] = Counter()
        self.ignored = 0
        self.repeated = 0
        self.errors: list[LineError] = []
        self.warnings: list[LineError] = []

    def parsed(self) -> Parsed:
        groups: defaultdict[str, list[tuple[Row, list[Leg]]]] = defaultdict(list)
        unread: set[str] = set()
        self.warn_of_zone()
        for row in self.table.rows():
            group = self.layout.group(row)
            try:
                row.check_width()
                found = self.layout.read(row)
                if found is None:
                    self.ignored += 1
                elif isinstance(found, Booked):
                    self.book([row], [found])
                elif group:
                    groups[group].append((row, found))
                else:
                    self.join([(row, found)])
            except InvalidError as error:
                self.refuse(row, error)
                unread.add(group)
        for group, told in groups.items():
            try:
                if group in unread:
                    raise InvalidError("line", "Another line of the same exchange cannot be read")
                self.join(told)
            except InvalidError as error:
                self.refuse(told[0][0], error, *(row.line for row, _ in told[1:]))
        errors, warnings = sorted(self.errors), sorted(self.warnings)
        return Parsed(
            format=self.layout.format,
            lines=len(self.table),
            drafts=sorted(self.drafts.values(), key=lambda numbered: numbered[0]),
            ignored=self.ignored,
            repeated=self.repeated,
            errors=errors[:KEPT],
            errors_total=len(errors),
            warnings=warnings[:KEPT],
            warnings_total=len(warnings),
        )

    def warn_of_zone(self) -> None:
        if self.layout.format == "binance" and binance_csv.ZONELESS in map(str.strip, self.table.names.values()):
            message = "The column does not state its zone: taken for UTC. Is (UTC+0) in the file's name?"
            self.warnings.append(LineError(self.table.line, binance_csv.ZONELESS, message))

    def refuse(self, row: Row, error: InvalidError, *others: int) -> None:
        message = f"{error.message} (with lines {', '.join(map(str, others[:9]))})" if others else error.message
        self.errors.append(LineError(row.line, error.field, message))

    def join(self, told: list[tuple[Row, list[Leg]]]) -> None:
        booked = join([leg for _, legs in told for leg in legs])
        if not booked:
            self.ignored += len(told)
        self.book([row for row, _ in told], booked)

    def book(self, rows: list[Row], booked: list[Booked]) -> None:
        """Takes in what rows tell, all of it or, with an InvalidError, nothing."""
        line = rows[0].line
        for each in booked:
            each.draft.check_time(self.now)
        named = {str(draft.external_id): (line, draft) for draft in self.named(rows, booked)}
        for name, (_, draft) in named.items():
            before, told = self.drafts.get(name, (line, draft))
            if told != draft:
                raise InvalidError("external_id", f"Line {before} has the same id, and is another transaction")
        self.repeated += len(named.keys() & self.drafts.keys())
        for name, numbered in named.items():
            self.drafts.setdefault(name, numbered)
        for each in booked:
            if each.warning:
                self.warnings.append(LineError(line, *each.warning))

    def named(self, rows: list[Row], booked: list[Booked]) -> list[Draft]:
        """The drafts with an id each: their own, the exchange's, or else one made of the lines' content and how many
        times the file had it before."""
        if all(each.draft.external_id for each in booked):
            return [each.draft for each in booked]
        reference = min(self.layout.reference(row) for row in rows)
        base = f"{self.layout.format}:{reference or self.digest(rows)}"
        drafts = []
        for each in booked:
            name = f"{base}:{each.part}" if each.part else base
            if not reference:
                self.seen[name] += 1
                name = name if self.seen[name] == 1 else f"{name}:{self.seen[name]}"
            try:
                drafts.append(msgspec.structs.replace(each.draft, external_id=ExternalId.parse(name)))
            except ValueError as error:
                raise InvalidError("external_id", str(error)) from error
        return drafts

    def digest(self, rows: list[Row]) -> str:
        contents = sorted(row.content(self.layout.columns) for row in rows)
        return sha256("\x1e".join(contents).encode()).hexdigest()[:_DIGEST]
