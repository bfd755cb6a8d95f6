"""Bodies that are files, of requests and of answers."""

from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from aws_lambda_powertools.event_handler import Response

from cryptopulse.api.app import Given, Request
from cryptopulse.api.renderings import CSV, LARGEST
from cryptopulse.errors import MalformedError, MediaTypeError, TooLargeError

LOST: Final = "\ufffd"
"""What stands where a character could not be read."""

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


class CsvFile(Response[str]):
    """The answer that is a CSV file, to be saved.

    Args:
        name: The file's, without its ending.
        lines: What is in it.
    """

    def __init__(self, name: str, lines: Iterable[str]) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        super().__init__(HTTPStatus.OK, f"{CSV}; charset=utf-8", "".join(lines), headers)
