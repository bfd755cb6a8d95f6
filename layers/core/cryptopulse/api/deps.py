"""What a route may ask for in its signature."""

import re
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler import Depends, Request
from msgspec import Meta

from cryptopulse import wiring
from cryptopulse.aws.market import Market as MarketTable
from cryptopulse.aws.prices import Prices as PricesReader
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError

_AT = re.compile(r"(?P<message>.*) - at `\$\.(?P<field>\w+).*`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)`", re.DOTALL)


def parameters[Query: msgspec.Struct](kind: type[Query]) -> Depends:
    """The request's query parameters as a struct that names each of them: others are refused.

    The dependency raises InvalidError, which names the parameter.
    """

    def read(request: Request) -> msgspec.Struct:
        try:
            return msgspec.convert(request.query_parameters or {}, kind, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from error

    return Depends(read)


def _decode(kind: type[Any], text: str) -> Any:
    if kind is Time:
        return Time.parse(text)
    raise NotImplementedError(kind)


def _invalid(text: str) -> InvalidError:
    if unknown := _UNKNOWN.fullmatch(text):
        return InvalidError(unknown["field"], "There is no such parameter")
    found = _AT.fullmatch(text)
    return InvalidError(found["field"], found["message"]) if found else InvalidError("query", text)


Now = Annotated[int, Depends(wiring.now)]
"""Unix milliseconds."""
Market = Annotated[MarketTable, Depends(wiring.market)]
Prices = Annotated[PricesReader, Depends(wiring.prices)]


def _series(prices: Prices, now: Now) -> list[Series]:
    return prices.series(now)


Tracked = Annotated[list[Series], Depends(_series)]
"""The series followed."""
Symbol = Annotated[str, Meta(description="BASE-QUOTE, upper case", examples=["BTC-USD"])]
