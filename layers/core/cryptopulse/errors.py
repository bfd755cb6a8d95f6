"""Everything raised on purpose.

CryptoPulseError
├── InvalidError            a value that breaks a rule; knows the field
├── NotFoundError           not there, or not yours
├── ConflictError           the state forbids it, or somebody was faster
│   ├── RacedError          somebody was, again and again: the same may go well later
│   └── ShortError          a disposal would lack what it takes
├── StaleError              it is not any more what the caller takes it for
├── RequestError            an HTTP request that cannot be read
│   ├── MalformedError      its body is no JSON
│   ├── TooLargeError       its body is too long
│   └── MediaTypeError      its body is of another kind than the route takes
├── UnauthenticatedError    no credentials, or none that are good
├── DeniedError             good credentials that do not go so far
├── LimitedError            too many requests; knows when to come again
├── UnreadableError         a record that will never parse
├── SchemaError             a stored document of a version that this release does not read
├── FeedDownError           an exchange did not answer usefully; may say until when to stay away
│   ├── RestrictedError     it may not from here (HTTP 451)
│   └── UnknownProductError it does not know the symbol
└── ServiceError            an AWS service refused
    ├── ThrottledError      too fast; all retries used up
    ├── ConditionError      a conditional write lost
    └── GoneError           the WebSocket client has left
"""

from decimal import Decimal


class CryptoPulseError(Exception):
    """The root of all errors raised on purpose."""


class InvalidError(CryptoPulseError):
    """A value breaks a rule.

    Args:
        field: Name of the field or parameter at fault.
        message: What is wrong with it, for the caller's eyes.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class NotFoundError(CryptoPulseError):
    """What was asked for does not exist, or does not belong to the caller."""


class ConflictError(CryptoPulseError):
    """The state of things forbids the change."""


class RacedError(ConflictError):
    """Others changed the same thing at the same moment, at each try: the same may go well later."""


class ShortError(ConflictError):
    """A disposal would be short of what it takes, or shorter than it was.

    Args:
        what: The disposal in words.
        portfolio_id: Where it is.
        transaction_id: Its id; None where it is what was to be entered.
        asset: What there is too little of.
        time: Of the disposal, Unix ms.
        missing: How much of it would not be there.
    """

    def __init__(
        self, what: str, portfolio_id: str, transaction_id: str | None, asset: str, time: int, missing: Decimal
    ) -> None:
        super().__init__(f"The {what} would take {missing:f} {asset} more than there is.")
        self.portfolio_id = portfolio_id
        self.transaction_id = transaction_id
        self.asset = asset
        self.time = time
        self.missing = missing


class StaleError(CryptoPulseError):
    """What is to be changed is not any more as the caller knows it."""


class RequestError(CryptoPulseError):
    """An HTTP request that cannot be read."""


class MalformedError(RequestError):
    """The body is no JSON."""


class TooLargeError(RequestError):
    """The body is too long."""


class MediaTypeError(RequestError):
    """The body is of another media type than the route takes."""


class UnauthenticatedError(CryptoPulseError):
    """The request carries no credentials, or bad ones.

    Args:
        message: What is wrong, for the caller's eyes.
        is_presented: Whether there were any credentials.
    """

    def __init__(self, message: str, *, is_presented: bool = False) -> None:
        super().__init__(message)
        self.is_presented = is_presented


class DeniedError(CryptoPulseError):
    """The caller is known, and may not do this.

    Args:
        message: What is missing, for the caller's eyes.
        scope: The scope that would have been needed, if it is for want of one.
    """

    def __init__(self, message: str, *, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class LimitedError(CryptoPulseError):
    """Too many requests.

    Args:
        message: What there was too much of, for the caller's eyes.
        retry_after: Seconds after which to come again, at least 1.
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnreadableError(CryptoPulseError):
    """A record that cannot be decoded, now or ever."""


class SchemaError(CryptoPulseError):
    """A stored document is of a version that this release does not read: of a later release, most likely.

    Args:
        kind: What it is.
        version: Which it says it is.
        newest: The newest that is read.
    """

    def __init__(self, kind: str, version: object, newest: int) -> None:
        super().__init__(f"stored {kind}: version {version}, where this release reads up to {newest}")


class FeedDownError(CryptoPulseError):
    """A feed gave no usable answer.

    Args:
        message: What happened.
        kind: One word for logs and `/health`: `limited`, `banned`, `restricted`, `refused`, `unknown_product`, `down`,
            or `spent` where our own budget of calls is.
        until: Unix milliseconds before which the feed must not be asked again; None if it may be.
    """

    def __init__(self, message: str, *, kind: str = "down", until: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.until = until


class RestrictedError(FeedDownError):
    """The venue refuses this location (HTTP 451): permanent until an operator changes the host."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="restricted")


class UnknownProductError(FeedDownError):
    """The venue does not know the symbol."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="unknown_product")


class ServiceError(CryptoPulseError):
    """An AWS service refused a call.

    Args:
        code: The service's own error code, such as `ValidationException`.
        message: The service's own words.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class ThrottledError(ServiceError):
    """Still throttled, or still failing on the service's side, after all retries."""


class ConditionError(ServiceError):
    """A conditional write found another state than it was made for."""


class GoneError(ServiceError):
    """The WebSocket connection no longer exists."""
