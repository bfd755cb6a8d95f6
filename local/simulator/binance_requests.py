"""What a request to Binance may say, and the venue's words when it says something else."""

import re

import msgspec
from starlette.requests import Request

from local.simulator.exchange import Refusal
from local.simulator.markets import DAY_MS
from local.simulator.series import HOUR_MS, MINUTE_MS

INTERVALS = {
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
}
_SYMBOL = re.compile(r"(?:[^\Wa-z]|[-.]){1,50}")
_MICROSECONDS_FROM = 10**14


def error(code: int, message: str, status: int = 400, headers: dict[str, str] | None = None) -> Refusal:
    """A refusal in the venue's own form."""
    return Refusal(status, {"code": code, "msg": message}, headers)


def invalid(name: str) -> Refusal:
    """The refusal of a value that can be read and makes no sense."""
    return error(-1130, f"Data sent for parameter '{name}' is not valid.")


def clashing() -> Refusal:
    """The refusal of parameters that exclude each other."""
    return error(-1128, "Combination of optional parameters invalid.")


def _illegal(name: str, legal: str) -> Refusal:
    return error(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def only(request: Request, *names: str) -> None:
    """Refuse parameters that the path does not know."""
    sent = request.query_params.keys()
    read = len(sent & set(names))
    if read < len(sent):
        message = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(sent)}'."
        raise error(-1104, message)


def mandatory(request: Request, name: str) -> str:
    """The text of a parameter that must be there."""
    if not request.query_params.get(name):
        raise error(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return request.query_params[name]


def symbol_in(request: Request) -> str:
    """The value of `symbol`, well-formed; whether it exists is not known here."""
    symbol = mandatory(request, "symbol")
    if not _SYMBOL.fullmatch(symbol):
        raise _illegal("symbol", r"^[\w\-._&&[^a-z]]{1,50}$")
    return symbol


def symbols_in(request: Request) -> list[str] | None:
    """The value of `symbols`, None where it is not sent."""
    text = request.query_params.get("symbols")
    if text is None:
        return None
    malformed = _illegal("symbols", r'^\["[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}\]$')
    try:
        symbols = msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        raise malformed from None
    if " " in text or not symbols or not all(_SYMBOL.fullmatch(symbol) for symbol in symbols):
        raise malformed
    if len(set(symbols)) < len(symbols):
        raise error(-1151, "Symbol is present multiple times in the list.")
    return symbols


def interval_in(request: Request) -> int:
    """The value of `interval` in milliseconds."""
    size = INTERVALS.get(mandatory(request, "interval"))
    if size is None:
        raise error(-1120, "Invalid interval.")
    return size


def integer_in(request: Request, name: str) -> int | None:
    """The value of an optional whole number."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,20}", text):
        raise _illegal(name, "^[0-9]{1,20}$")
    return int(text)


def time_in(request: Request, name: str) -> int | None:
    """The value of an optional time in Unix milliseconds; it may be sent in microseconds."""
    value = integer_in(request, name)
    return value // 1000 if value is not None and value >= _MICROSECONDS_FROM else value


def limit_in(request: Request) -> int:
    """The value of `limit`: 500 unless told; the venue takes more than 1,000 as 1,000."""
    limit = integer_in(request, "limit")
    if limit == 0:
        raise invalid("limit")
    return min(500 if limit is None else limit, 1000)


def ticker_weight(request: Request, few: int, many: int, every: int) -> int:
    """What a ticker request weighs, by the number of symbols it names."""
    if "symbol" in request.query_params:
        return 2
    text = request.query_params.get("symbols")
    if text is None:
        return every
    named = text.count(",") + 1
    return few if named <= 20 else many if named <= 100 else every
