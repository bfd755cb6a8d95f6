"""CSV files as people have them: any of the usual encodings, separators, line ends, decimal signs and preambles."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from itertools import islice
from typing import Final

from msgspec import Struct

from cryptopulse.domain.portfolios import NOTE, Asset, Note, is_fiat
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError, TooLargeError

LINES: Final = 50_000
"""Lines of a file below its header."""
_PREAMBLE: Final = 64
"""Records in which the header must stand."""
_WIDEST: Final = 100
"""Columns of a header."""
_ALIKE: Final = 0.6
"""Share of a layout's columns by which a header is recognised that lacks some."""
_SEPARATORS: Final = (",", ";", "\t")
_MAGIC: Final = {
    b"PK\x03\x04": "a ZIP archive or a workbook",
    b"\x1f\x8b": "packed by gzip",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}

# Commas group by three. One group alone ("1,234") could be a decimal comma too, and is refused.
_POINT: Final = re.compile(
    r"[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3}){2,}|[0-9]{1,3}(,[0-9]{3})+(?=\.))(\.[0-9]+)?(?P<exponent>[eE][+-]?[0-9]{1,2})?"
)
_COMMA: Final = re.compile(
    r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3}){2,}|[0-9]{1,3}(\.[0-9]{3})+(?=,))(,[0-9]+)?(?P<exponent>[eE][+-]?[0-9]{1,2})?"
)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?[0-9.]*[0-9],[0-9]+")
_SIGN: Final = re.compile(r"(?P<minus>-?)[^0-9.,+-]{0,4}(?P<number>[+-]?[0-9].*)")
"""Money with a currency's sign or letters in front, and perhaps a minus before that."""
_LONGEST: Final = 64
_SHOWN: Final = 40
"""Characters of a file's own words that an error repeats."""

_TIME: Final = re.compile(
    r"([0-9]{2})?[0-9]{2}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"( ?UTC|Z|[+-][0-9]{2}:[0-9]{2})?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Columns(Struct, frozen=True):
    """What a table's header must name.

    Args:
        needed: Each with what else it may be called: `Time|UTC_Time`. The first name is the one to ask for it by.
        optional: The same.
        is_strict: Whether there must be no others.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...] = ()
    is_strict: bool = False


class Table:
    """What stands below a header.

    Args:
        line: The header's line, from 1.
        header: Its names.
        columns: Which of them are asked for.
        records: What is below: each with its first line and its cells.
        separator: Of its cells.
    """

    def __init__(
        self,
        line: int,
        header: Sequence[str],
        columns: Columns,
        records: Sequence[tuple[int, list[str]]],
        separator: str,
    ) -> None:
        self.line = line
        self.names = _names(header, columns)
        """What each column is called here."""
        self.places = {name: header.index(own) for name, own in self.names.items()}
        self.width = len(header)
        self.records = records
        self.has_decimal_commas = separator != "," and any(
            _DECIMAL_COMMA.fullmatch(cell) for _, cells in records for cell in cells
        )

    def __len__(self) -> int:
        return len(self.records)

    def rows(self) -> Iterator["Row"]:
        """The rows, in the file's order."""
        return (Row(self, line, cells) for line, cells in self.records)


class Row:
    """A row's cells, by the first name of their column; every fault is an InvalidError with the column's own name."""

    __slots__ = ("_cells", "_table", "line")

    def __init__(self, table: Table, line: int, cells: list[str]) -> None:
        self._table = table
        self._cells = cells
        self.line = line

    def fault(self, column: str, message: str) -> InvalidError:
        """What is wrong with a cell."""
        return InvalidError(self._table.names.get(column, column).strip(), message)

    def check_width(self) -> None:
        """Refuses more cells than there are columns: a separator inside one has shifted the rest."""
        if any(map(str.strip, self._cells[self._table.width :])):
            raise InvalidError("line", "More cells than the header names: is one of them not quoted?")

    def text(self, column: str) -> str:
        """What a cell says, without spaces around it; "" where there is no such column."""
        place = self._table.places.get(column)
        return self._cells[place].strip() if place is not None and place < len(self._cells) else ""

    def word(self, column: str) -> str:
        """The same for what must not be empty."""
        text = self.text(column)
        if not text:
            raise self.fault(column, "Is empty")
        return text

    def read[T](self, column: str, parse: Callable[[str], T], text: str | None = None) -> T:
        """A cell, or this text from it, as a type that reads itself or raises ValueError."""
        try:
            return parse(self.word(column) if text is None else text)
        except ValueError as error:
            raise self.fault(column, str(error)) from error

    def read_if_any[T](self, column: str, parse: Callable[[str], T]) -> T | None:
        """The same for what may be empty."""
        return self.read(column, parse) if self.text(column) else None

    def number(self, column: str) -> Decimal:
        """A number, perhaps with a sign or an exponent."""
        return self.read(column, self._number)

    def plain(self, column: str) -> Decimal:
        """A number without an exponent."""
        return self.read(column, lambda text: self._number(text, with_exponent=False))

    def money(self, column: str) -> Decimal:
        """A number perhaps with a currency's sign in front; 0 where it is empty."""
        text = self.text(column)
        signed = _SIGN.fullmatch(text)
        if signed:
            text = signed["minus"] + signed["number"]
        return self.read(column, self._number, text) if text else Decimal(0)

    def time(self, column: str) -> Time:
        """A moment, UTC unless it says otherwise."""
        return self.read(column, moment)

    def note(self, column: str) -> Note | None:
        """A remark on one line, cut where it is long."""
        text = "".join(filter(str.isprintable, " ".join(self.text(column).split())))[:NOTE].strip()
        return Note.parse(text) if text else None

    def content(self, columns: Columns) -> str:
        """All that is asked for of the row: what tells it from others."""
        return "\x1f".join(map(self.text, (*map(_first, columns.needed), *map(_first, columns.optional))))

    def _number(self, text: str, *, with_exponent: bool = True) -> Decimal:
        return number(text, decimal="," if self._table.has_decimal_commas else ".", with_exponent=with_exponent)


def number(text: str, decimal: str = ".", *, with_exponent: bool = True) -> Decimal:
    """A number as files write it; thousands may be grouped where that leaves no doubt.

    Args:
        text: Digits with signs.
        decimal: The decimal sign, `.` or `,`.
        with_exponent: Whether it may have one, of two digits at most.

    Raises:
        ValueError: It is none, or can be read in two ways.
    """
    found = (_COMMA if decimal == "," else _POINT).fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or (found["exponent"] and not with_exponent):
        raise ValueError(f"Expected a number with a decimal {'comma' if decimal == ',' else 'point'}, without doubt")
    return Decimal(text.replace(".", "").replace(",", ".") if decimal == "," else text.replace(",", ""))


def moment(text: str) -> Time:
    """A moment as exchanges write it: `2024-12-19 17:59:59 UTC`, `2024-12-19T17:59:59.123Z`, `24-12-19 17:59:59`.

    Raises:
        ValueError: It is none.
    """
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError("Expected a time such as 2024-12-19 17:59:59")
    text = text if found[1] else f"20{text}"
    try:
        time = datetime.fromisoformat(text.replace("UTC", "").strip())
    except ValueError as error:
        raise ValueError("Expected a time that the calendar has") from error
    return Time.of((time.replace(tzinfo=time.tzinfo or UTC) - _EPOCH) // _MILLISECOND)


def code(text: str) -> str:
    """The code of an asset or a fiat currency, in whatever case.

    Raises:
        ValueError: It is none.
    """
    text = text.upper() if text.isascii() else text
    return text if is_fiat(text) else Asset.parse(text)


def text_of(data: bytes) -> str:
    """A file's text: UTF-8 with or without BOM, else Windows-1252, which holds Latin-1.

    Raises:
        InvalidError: It is no text.
    """
    for magic, kind in _MAGIC.items():
        if data.startswith(magic):
            raise InvalidError("file", f"Expected a CSV file in UTF-8, this is {kind}")
    if b"\0" in data:
        raise InvalidError("file", "Expected a CSV file in UTF-8, this is UTF-16 or no text")
    if not data.strip():
        raise InvalidError("file", "Is empty")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def find[K](text: str, layouts: Mapping[K, Columns]) -> tuple[K, Table] | None:
    """The layout whose header the text has, after whatever preamble, and what stands below it; None where it has none.

    Raises:
        InvalidError: The header lacks a column or has it twice, or the text is no CSV.
        TooLargeError: There are more lines than 50,000.
    """
    best, likeness = None, 0.0
    for separator in _SEPARATORS:
        for line, header in _head(text, separator):
            for layout, columns in layouts.items() if len(header) <= _WIDEST else ():
                share = len(_names(header, columns).keys() & set(map(_first, columns.needed))) / len(columns.needed)
                if share > likeness:
                    best, likeness = (layout, separator, line, header), share
    if best is None or likeness < _ALIKE:
        return None
    layout, separator, line, header = best
    _check(header, layouts[layout])
    below = list(_records(text, separator, LINES + 1, line))
    if len(below) > LINES:
        raise TooLargeError(f"The file must not have more than {LINES:,} lines.")
    return layout, Table(line, header, layouts[layout], below, separator)


def _head(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The records among which the header is; none where this is not the separator."""
    try:
        yield from islice(_read(text, separator), _PREAMBLE)
    except csv.Error:
        return


def _records(text: str, separator: str, most: int, header: int) -> Iterator[tuple[int, list[str]]]:
    """The first records below the header that are not blank."""
    records = ((line, cells) for line, cells in _read(text, separator) if line > header and any(map(str.strip, cells)))
    try:
        yield from islice(records, most)
    except csv.Error as error:
        raise InvalidError("file", f"Is no CSV: {error}. Is a quote not closed?") from error


def _read(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the line they begin at, from 1; \\r, \\n and \\r\\n all end one."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    for cells in reader:
        yield line, cells
        line = reader.line_num + 1


def _first(name: str) -> str:
    return name.partition("|")[0]


def _names(header: Sequence[str], columns: Columns) -> dict[str, str]:
    """What each column asked for is called in the header, if it is there."""
    known = {name.strip().casefold(): name for name in reversed(header)}
    names = {}
    for column in (*columns.needed, *columns.optional):
        for name in column.split("|"):
            if name.casefold() in known:
                names[_first(column)] = known[name.casefold()]
                break
    return names


def _check(header: Sequence[str], columns: Columns) -> None:
    names = _names(header, columns)
    for column in map(_first, columns.needed):
        if column not in names:
            raise InvalidError(column, "The column is missing")
    given = [name.strip().casefold() for name in header]
    for own in names.values():
        if given.count(own.strip().casefold()) > 1:
            raise InvalidError(own.strip(), "There is more than one such column")
    if columns.is_strict:
        for name in header:
            if name.strip() and name not in names.values():
                raise InvalidError(name.strip()[:_SHOWN], "There is no such column")
