"""What a route may ask for in its signature."""

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Annotated, Final, Literal, Protocol, Self

import msgspec
from msgspec import Meta, Raw, Struct

from cryptopulse import wiring
from cryptopulse.api.addresses import address
from cryptopulse.api.app import CALLER, JSON, Given, Request
from cryptopulse.aws.grants import Client
from cryptopulse.aws.prices import Prices as PricesReader
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Time
from cryptopulse.domain.tokens import Caller
from cryptopulse.errors import InvalidError, MalformedError, MediaTypeError, TooLargeError

SHOWN: Final = 41
"""Characters of a client's own words that an answer repeats at most."""
LARGEST: Final = 16_384
"""Bytes of a body, where a route takes no more."""
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KEY: Final = re.compile("[ -~]{1,64}")
_MALFORMED: Final = "The body is not well-formed JSON."
_AGENT: Final = 200
"""Characters of a User-Agent."""
_NAMED: Final = re.compile(
    r"Object (?P<fault>missing required|contains unknown) field `(?P<name>.*?)`(?: - at `\$(?P<path>[^`]*)`)?",
    re.DOTALL,
)
_INDEX: Final = re.compile(r"\[.*?\]")

IDEMPOTENT: Final = Given(lambda request: _idempotency_key(request))

Now = Annotated[int, Given(lambda _: wiring.now())]
"""Unix milliseconds."""
Who = Annotated[Caller, CALLER]
"""Who makes the request."""
Sent = Annotated[Request, Given(lambda request: request)]
"""The request itself."""
From = Annotated[Client, Given(lambda request: Client(address(request), _user_agent(request)))]
"""Where the request comes from."""
IdempotencyKey = Annotated[str | None, IDEMPOTENT]
"""What makes repeating the request harmless, if the client sent it."""
Prices = Annotated[PricesReader, Given(lambda _: wiring.prices())]
Tracked = Annotated[list[Series], Given(lambda _: wiring.prices().series(wiring.now()))]
"""The series followed."""
Symbol = Annotated[str, Meta(description="BASE-QUOTE, upper case", examples=["BTC-USD"])]


class Parsed(Protocol):
    """A type of ours that requests write as text."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that reads so.

        Raises:
            ValueError: None does; in words that do not repeat the text.
        """


class Read(Given):
    """Marks what is read into a struct.

    Args:
        make: Reads it.
        place: Where it stands in the request.
        kind: The struct.
        is_optional: Whether all of it may be absent.
    """

    def __init__(
        self,
        make: Callable[[Request], Struct | None],
        place: Literal["query", "body"],
        kind: type[Struct],
        *,
        is_optional: bool,
    ) -> None:
        super().__init__(make)
        self.place = place
        self.kind = kind
        self.is_optional = is_optional


def parameters(kind: type[Struct]) -> Read:
    """The request's query parameters as a struct that names each of them; others are refused with InvalidError."""

    def read(request: Request) -> Struct:
        try:
            return msgspec.convert(request.query_string_parameters, kind, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise _invalid(str(error), "query", "parameter") from error
        except UnicodeEncodeError as error:
            raise InvalidError("query", "Expected Unicode text") from error

    return Read(read, "query", kind, is_optional=True)


def body(kind: type[Struct], *, optional: bool = False, largest: int = LARGEST) -> Read:
    """The request's body, JSON, as a struct; what does not fit it is refused with InvalidError.

    What cannot be read at all is refused with MalformedError, MediaTypeError or TooLargeError.

    Args:
        kind: The struct; it forbids unknown fields.
        optional: Whether the body may be absent: None.
        largest: Bytes that it may have.
    """
    decoder = msgspec.json.Decoder(kind, dec_hook=_decode)

    def read(request: Request) -> Struct | None:
        raw = _raw(request)
        if not raw:
            if optional:
                return None
            raise MalformedError("There is no body.")
        if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != JSON:
            raise MediaTypeError(f"The body must be {JSON}.")
        if len(raw) > largest:
            raise TooLargeError(f"The body must not be longer than {largest} bytes.")
        try:
            raw.decode()
            msgspec.json.decode(raw, type=Raw)  # to its end: what is no JSON has no fields that could be wrong
            return decoder.decode(raw)
        except msgspec.ValidationError as error:
            raise _invalid(str(error), "body", "field") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedError(_MALFORMED) from error

    return Read(read, "body", kind, is_optional=optional)


def _raw(request: Request) -> bytes:
    text = request.body or ""
    try:
        return b64decode(text, validate=True) if request.is_base64_encoded else text.encode()
    except ValueError as error:
        raise MalformedError(_MALFORMED) from error


def _decode(kind: type[Parsed], value: object) -> Parsed:
    """A value of a type that is ours."""
    if kind is Time and type(value) is int:
        return Time.of(value)
    if not isinstance(value, str):
        raise ValueError("Expected `str`")
    return kind.parse(value)


def _invalid(text: str, whole: str, part: str) -> InvalidError:
    """What is wrong with a value, without the value.

    Args:
        text: What msgspec says of it.
        whole: What to call all of it.
        part: What to call one of its fields.
    """
    if named := _NAMED.fullmatch(text):
        name, path = named["name"][:SHOWN], named["path"] or ""
        message = "Required" if named["fault"] == "missing required" else f"There is no such {part}"
    else:
        name, (message, _, path) = "", text.partition(" - at `$")
        if message.startswith("Invalid enum value"):
            message = "Not one of the values allowed"
    where = _INDEX.sub("", path).strip(".`")
    return InvalidError(".".join(filter(None, (where, name))) or whole, message)


def _user_agent(request: Request) -> str:
    told: str = request.headers.get("User-Agent", "")
    return "".join(letter for letter in told if letter.isprintable())[:_AGENT]


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidError(IDEMPOTENCY_KEY, "Expected 1 to 64 printable characters")
    return key
