"""What a route may ask for in its signature."""

import re
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from msgspec import Meta

from cryptopulse import wiring
from cryptopulse.api.app import Given
from cryptopulse.aws.prices import Prices as PricesReader
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError

_AT = re.compile(r"(?P<message>.*) - at `\$\.(?P<field>\w+).*`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.*)`", re.DOTALL)

Now = Annotated[int, Given(lambda _: wiring.now())]
"""Unix milliseconds."""
Prices = Annotated[PricesReader, Given(lambda _: wiring.prices())]
Tracked = Annotated[list[Series], Given(lambda _: wiring.prices().series(wiring.now()))]
"""The series followed."""
Symbol = Annotated[str, Meta(description="BASE-QUOTE, upper case", examples=["BTC-USD"])]


def parameters[Query: msgspec.Struct](kind: type[Query]) -> Given:
    """The request's query parameters as a struct that names each of them; others are refused with InvalidError."""

    def read(event: APIGatewayProxyEventV2) -> Query:
        try:
            return msgspec.convert(event.query_string_parameters, kind, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise _invalid(str(error)) from error

    return Given(read)


def _decode(_: type[Any], text: str) -> Time:
    """A value of the only type in queries that is ours."""
    return Time.parse(text)


def _invalid(text: str) -> InvalidError:
    if unknown := _UNKNOWN.fullmatch(text):
        return InvalidError(unknown["field"], "There is no such parameter")
    found = _AT.fullmatch(text)
    return InvalidError(found["field"], found["message"]) if found else InvalidError("query", text)
