"""Bodies that are files, of requests and of answers."""

import gzip
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from aws_lambda_powertools.event_handler import Response

from cryptopulse.api.app import Answer, Given, Request
from cryptopulse.errors import MalformedError, MediaTypeError, TooLargeError

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file as it is sent, either way: Lambda's own limit is 6 MB, a third of which base64 adds."""
LONG: Final = 256 * 1024
"""Bytes from which on packing an answer pays."""
LOST: Final = "\ufffd"
"""What stands where a character could not be read."""
CSV: Final = "text/csv"
_TOO_LONG: Final = "The file is longer than 4 MB: "

type Unpack = Callable[[bytes], bytes]


class Content(Given):
    """Marks what is the request's body as it is: `Annotated[bytes, Content({"text/csv": bytes})]`.

    What cannot be taken is refused with MalformedError, MediaTypeError or TooLargeError.

    Args:
        types: The media types that the route takes, and how to unpack each.
    """

    def __init__(self, types: Mapping[str, Unpack]) -> None:
        super().__init__(self._read)
        self.types = types

    def _read(self, request: Request) -> bytes:
        unpack = self.types.get(request.headers.get("Content-Type", "").partition(";")[0].strip().lower())
        if unpack is None:
            raise MediaTypeError(f"The body must be {' or '.join(self.types)}.")
        text = request.body or ""
        try:
            raw = b64decode(text, validate=True) if request.is_base64_encoded else text.encode()
        except ValueError as error:
            raise MalformedError("The body cannot be read.") from error
        if not raw:
            raise MalformedError("There is no body.")
        if len(raw) > LARGEST:
            raise TooLargeError(f"The body must not be longer than {LARGEST} bytes.")
        if not request.is_base64_encoded and LOST in text:  # by the gateway, which passes text on as UTF-8
            raise MalformedError("The text is not in UTF-8: pack it by gzip, then any encoding will do.")
        return unpack(raw)


class CsvFile(Response[str | bytes]):
    """The answer that is a CSV file, to be saved; packed by gzip where the client takes that.

    Args:
        name: The file's, without its ending.
        lines: What is in it.
        codings: The request's Accept-Encoding.

    Raises:
        TooLargeError: It is longer than 4 MB as it would be sent.
    """

    def __init__(self, name: str, lines: Iterable[str], codings: str) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Vary": "Accept-Encoding"}
        is_packed = _takes_gzip(codings)
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        body = _packed(lines) if is_packed else _plain(lines)
        super().__init__(HTTPStatus.OK, f"{CSV}; charset=utf-8", body, {**headers})


def packed[Body](answer: Answer[Body], codings: str) -> Answer[Body]:
    """A JSON answer that may be long: packed by gzip where it is, and the client takes that.

    Args:
        answer: As it is.
        codings: The request's Accept-Encoding.

    Raises:
        TooLargeError: It is longer than 4 MB as it would be sent.
    """
    text = answer.body or ""
    if len(text) > LONG and _takes_gzip(codings):
        answer.body, answer.base64_encoded = b64encode(_packed([text])).decode(), True
        answer.headers["Content-Encoding"] = "gzip"
    else:
        _plain([text])
    answer.headers["Vary"] = "Accept-Encoding"
    return answer


def _plain(lines: Iterable[str]) -> str:
    kept, length = [], 0
    for line in lines:
        kept.append(line)
        length += len(line.encode())
        if length > LARGEST:
            raise TooLargeError(f"{_TOO_LONG}ask with Accept-Encoding: gzip, or for less of it.")
    return "".join(kept)


def _packed(lines: Iterable[str]) -> bytes:
    packed = gzip.compress("".join(lines).encode(), compresslevel=6, mtime=0)
    if len(packed) > LARGEST:
        raise TooLargeError(f"{_TOO_LONG}ask for less; transactions can be exported a year at a time.")
    return packed


def _takes_gzip(codings: str) -> bool:
    """Whether an Accept-Encoding takes it."""
    for coding in codings.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() in ("gzip", "*") and not re.fullmatch(r"q=0(\.0*)?", weight.strip()):
            return True
    return False
