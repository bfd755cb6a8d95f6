"""What can go wrong, by kind."""

from collections.abc import Sequence


class CryptoPulseError(Exception):
    """The base of all errors here."""


class RefusedError(CryptoPulseError):
    """The first handshake was refused: a bad, used or expired ticket, or too many connections."""


class SessionEndedError(CryptoPulseError):
    """The session that the ticket came from is over. A ticket's callback may raise it, too: to stop."""


class RequestError(CryptoPulseError):
    """The server did not do what was asked for; nothing has changed."""

    def __init__(self, code: str, message: str, symbols: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.symbols = tuple(symbols)


class BadRequestError(RequestError):
    """It cannot be read."""


class UnknownSymbolError(RequestError):
    """`symbols` are not known."""


class UnauthorizedError(RequestError):
    """A private channel asks for a ticket."""


class LimitError(RequestError):
    """Too much of something."""


REQUEST_ERRORS: dict[str, type[RequestError]] = {
    "bad_request": BadRequestError,
    "unknown_symbol": UnknownSymbolError,
    "unauthorized": UnauthorizedError,
    "limit": LimitError,
}
