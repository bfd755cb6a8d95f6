"""What a route may ask for in its signature."""

import re
from base64 import b64decode
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Protocol, Self

import msgspec
from msgspec import Meta, Raw, Struct

from cryptopulse import wiring
from cryptopulse.api.addresses import address
from cryptopulse.api.app import CALLER, JSON, Answer, Given, Request
from cryptopulse.api.renderings import CSV, entity_tag, packed_tag, preferred
from cryptopulse.aws import kept
from cryptopulse.aws.grants import Client
from cryptopulse.aws.kept import Kept, KeptAnswer, KeptError, Repeatable
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Time
from cryptopulse.domain.tokens import Caller
from cryptopulse.errors import InvalidError, MalformedError, MediaTypeError, StaleError, TooLargeError

SHOWN: Final = 41
"""Characters of a client's own words that an answer repeats at most."""
LARGEST: Final = 16_384
"""Bytes of a body, where a route takes no more."""
IDEMPOTENCY_KEY: Final = kept.HEADER
_KEY: Final = re.compile("[ -~]{1,64}")
_MALFORMED: Final = "The body is not well-formed JSON."
_AGENT: Final = 200
"""Characters of a User-Agent."""
_NAMED: Final = re.compile(
    r"Object (?P<fault>missing required|contains unknown) field `(?P<name>.*?)`(?: - at `\$(?P<path>[^`]*)`)?",
    re.DOTALL,
)
_INDEX: Final = re.compile(r"\[.*?\]")

_TAGGED: Final = re.compile(r'(W/)?("[^"]*")')

IDEMPOTENT: Final = Given(lambda request: _idempotency_key(request))
ONCE: Final = Given(lambda request: _once(request), is_personal=True)
IF_MATCH: Final = Given(lambda request: Expected(request.headers.get("If-Match")))
ACCEPTS: Final = Given(lambda request: _format(request))

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
Accepts = Annotated[Literal["json", "csv"], ACCEPTS]
"""What the client would rather have."""
Tracked = Annotated[list[Series], Given(lambda _: wiring.prices().series(wiring.now()))]
"""The series followed."""
Symbol = Annotated[str, Meta(description="BASE-QUOTE, upper case", examples=["BTC-USD"])]


class Single:
    """A request that is done once, where it carries an Idempotency-Key.

    Args:
        repeatable: What its repeats are known by; None: there is no key.
        now: Unix ms.
    """

    def __init__(self, repeatable: Repeatable | None, now: int) -> None:
        self._repeatable = repeatable
        self._now = now

    def keep(self, answer: Answer[Any] | None) -> Kept | None:
        """What is to be written in one transaction with what the request does; None: nothing.

        Args:
            answer: What its repeats are to get; None where that is shown once: they are refused.
        """
        if self._repeatable is None:
            return None
        if answer is None:
            return self._repeatable.kept(None, self._now)
        headers = {name: str(value) for name, value in answer.headers.items()}
        return self._repeatable.kept(KeptAnswer(answer.status_code, headers, answer.body or ""), self._now)


class Expected:
    """What a client takes a thing for.

    Args:
        tags: The header If-Match; None: whatever it is.
    """

    def __init__(self, tags: str | None) -> None:
        self._tags = tags

    def check(self, thing: Struct) -> None:
        """Refuses to go on where a thing, as answers show it, is another than expected; strongly compared.

        Raises:
            StaleError: It is.
        """
        if self._tags is None or self._tags.strip() == "*":
            return
        tag = entity_tag(msgspec.json.encode(thing))
        if all(weak or own not in (tag, packed_tag(tag)) for weak, own in _TAGGED.findall(self._tags)):
            raise StaleError("It has been changed since: read it again.")


Once = Annotated[Single, ONCE]
"""The request as one that is done once: repeats of it with its Idempotency-Key get the first answer again."""
IfMatch = Annotated[Expected, IF_MATCH]
"""What the client takes the thing for that it wants to change."""


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
        kind: The struct, or what else its JSON may be.
        is_optional: Whether all of it may be absent.
    """

    def __init__(
        self,
        make: Callable[[Request], Struct | list[Struct] | None],
        place: Literal["query", "body"],
        kind: Any,
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
        given = request.query_string_parameters
        try:
            "".join(given.values()).encode()  # what is kept of an answer by its parameters must be text
            return msgspec.convert(given, kind, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise _invalid(str(error), "query", "parameter") from error
        except UnicodeEncodeError as error:
            raise InvalidError("query", "Expected Unicode text") from error

    return Read(read, "query", kind, is_optional=True)


def body(kind: type[Struct], *, optional: bool = False, many: int = 0, largest: int = LARGEST) -> Read:
    """The request's body, JSON, as a struct; what does not fit it is refused with InvalidError.

    What cannot be read at all is refused with MalformedError, MediaTypeError or TooLargeError.

    Args:
        kind: The struct; it forbids unknown fields.
        optional: Whether the body may be absent: None.
        many: How many an array in its place may hold: then it is a list; 0: there may be none.
        largest: Bytes that it may have.
    """
    decoder = msgspec.json.Decoder(kind, dec_hook=_decode)

    def read(request: Request) -> Struct | list[Struct] | None:
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
            if many and raw.lstrip().startswith(b"["):
                return _read_all(decoder, raw, many)
            return _read(decoder, raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedError(_MALFORMED) from error

    either = kind | Annotated[list[kind], Meta(min_length=1, max_length=many)] if many else kind  # type: ignore[valid-type]  # made at run time
    return Read(read, "body", either, is_optional=optional)


def _read(decoder: msgspec.json.Decoder[Struct], raw: bytes | Raw, whole: str = "body") -> Struct:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), whole, "field") from error


def _read_all(decoder: msgspec.json.Decoder[Struct], raw: bytes, many: int) -> list[Struct]:
    items = msgspec.json.decode(raw, type=list[Raw])
    if not 1 <= len(items) <= many:
        raise InvalidError("body", f"Expected 1 to {many} in the array")
    found = []
    for place, item in enumerate(items):
        try:
            found.append(_read(decoder, item, ""))
        except InvalidError as error:
            raise within(place, error) from error
    return found


def within(place: int, error: InvalidError) -> InvalidError:
    """What is wrong with one item of an array."""
    return InvalidError(f"[{place}].{error.field}".rstrip("."), error.message)


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
        raise ValueError(getattr(kind, "NO_TEXT", "Expected `str`"))
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


def _format(request: Request) -> Literal["json", "csv"]:
    request.vary = ("Accept",)
    return "csv" if preferred(request.headers.get("Accept", ""), (JSON, CSV)) == CSV else "json"


def _user_agent(request: Request) -> str:
    told: str = request.headers.get("User-Agent", "")
    return "".join(letter for letter in told if letter.isprintable())[:_AGENT]


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidError(IDEMPOTENCY_KEY, "Expected 1 to 64 printable characters")
    return key


def _once(request: Request) -> Single:
    now, key = wiring.now(), _idempotency_key(request)
    if key is None or request.caller is None:
        return Single(None, now)
    route = f"{request.http_method} {request.path}"
    content = request.raw_query_string.encode() + b"\n" + _raw(request)
    request.repeatable = Repeatable.of(request.caller.user, route, key, content)
    if wiring.kept().find(request.repeatable, now) is not None:
        raise KeptError("This request was done before.")
    return Single(request.repeatable, now)
