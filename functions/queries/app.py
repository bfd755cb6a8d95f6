"""Market data: what is followed, prices, candles, and how well the system does."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.api.app import Answer, Api, File
from cryptopulse.api.cursors import Cursors
from cryptopulse.api.deps import Market, Now, Prices, Symbol, Tracked, parameters
from cryptopulse.api.lists import Page, Paged, page
from cryptopulse.aws.market import KEPT
from cryptopulse.domain import charts, health
from cryptopulse.domain.candles import INTERVALS, MINUTE
from cryptopulse.domain.coins import Coin, coins
from cryptopulse.domain.prices import Price, Quoted, dollar_symbols, find, quoted
from cryptopulse.domain.series import lane_of
from cryptopulse.domain.times import Time, rfc3339
from cryptopulse.errors import InvalidError, ServiceError
from cryptopulse.telemetry import entrypoint, logger

HERE = Path(__file__).parent
DAY_S = 86_400

api = Api()

Venue = Annotated[str, Meta(description="`binance` or `coinbase`; without it the symbol's reference")]


class PriceQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    at: Annotated[Time, Meta(description="What the price was: close of the minute, else hour, else day")] | UnsetType = UNSET
    sparkline: Annotated[bool, Meta(description="Add 24 hourly closes; not with `at`")] = False
    venue: Venue | UnsetType = UNSET
