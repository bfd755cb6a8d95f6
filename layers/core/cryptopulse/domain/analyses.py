"""What requests for analytics ask, and what they are told."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain.charts import IntervalName, RowsQuery, Venue
from cryptopulse.domain.prices import Fields
from cryptopulse.errors import InvalidError

MOST_SYMBOLS: Final = 100

type Estimator = Literal["close", "parkinson", "garman_klass", "rogers_satchell", "yang_zhang"]
type Values = list[float | None]

Complete = Annotated[
    bool, Meta(description="Every candle that the values rest on is there, and none is known to lack a trade")
]
Starts = Annotated[list[int], Meta(description="Starts of the candles (Unix ms), oldest first")]
NextCursor = Annotated[
    str | None,
    Meta(description="With `start` and no `end` newer rows follow, else older ones; null on the last page"),
]
IndicatorNames = Annotated[
    str,
    Meta(
        description="1 to 20, by commas: `sma:n ema:n wma:n rsi:n macd:fast:slow:signal bb:n:k atr:n adx:n "
        "stoch:k:slow:d obv min:n max:n returns:n drawdown vwap vwap:n`; parameters may be left out",
        examples=["sma:20,rsi:14,macd"],
    ),
]
Window = Annotated[int, Meta(ge=2, le=500, description="Rows, or returns, that each value is made of")]
Returns = Annotated[int, Meta(ge=2, le=1000, description="The last so many intervals: their log returns")]
Method = Annotated[
    Literal["pearson", "spearman"], Meta(description="`pearson`: of the returns; `spearman`: of their ranks")
]
Symbols = Annotated[str, Meta(description="By commas, at most 100", examples=["BTC-USD,ETH-USD"])]


class IndicatorsQuery(RowsQuery, kw_only=True, forbid_unknown_fields=True):
    """Which indicators to show, of which candles."""

    indicators: IndicatorNames
    fields: (
        Annotated[Fields, Meta(description="The members to show, of CSV the columns, by commas; all, if left out")]
        | UnsetType
    ) = UNSET


class VolatilityQuery(RowsQuery, kw_only=True, forbid_unknown_fields=True):
    """Which volatility to show."""

    interval: IntervalName = "1d"
    window: Window = 30
    estimator: Estimator = "close"
    fields: Fields | UnsetType = UNSET


class CorrelationQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which correlations to show."""

    symbols: Annotated[str, Meta(description="2 to 100, by commas", examples=["BTC-USD,ETH-USD"])]
    interval: IntervalName = "1d"
    window: Returns = 90
    method: Method = "pearson"
    fields: Fields | UnsetType = UNSET


class BetaQuery(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which beta to show."""

    venue: Venue | UnsetType = UNSET
    benchmark: Annotated[str, Meta(description="The symbol to measure by", examples=["BTC-USD"])] = "BTC-USD"
    interval: IntervalName = "1d"
    window: Returns = 90
    fields: Fields | UnsetType = UNSET


class Indicators(Struct, kw_only=True):
    """Indicators of one series on closed candles."""

    symbol: str
    venue: str
    interval: str
    time: Starts
    series: Annotated[
        dict[str, Values | dict[str, Values]],
        Meta(
            description="By each indicator's full name, one value a time; null where the series is too short. `macd` "
            "has `macd`, `signal` and `histogram`, `bb` has `upper`, `middle` and `lower`, `stoch` has `k` and `d`"
        ),
    ]
    complete: Complete
    next_cursor: NextCursor


class Newest(Struct, kw_only=True):
    """The newest value of each indicator of one series."""

    symbol: str
    venue: str
    time: Annotated[
        str | None,
        Meta(
            description="Start of the last closed candle; null: there is none",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    values: Annotated[
        dict[str, float | Mapping[str, float | None] | None],
        Meta(description="By each indicator's full name; null where the series is too short"),
    ]


class Volatility(Struct, kw_only=True):
    """Annualised volatility of one series on closed candles."""

    symbol: str
    venue: str
    interval: str
    estimator: Estimator
    window: int
    periods_per_year: Annotated[float, Meta(description="Intervals in 365 days: a market that never closes")]
    time: Starts
    values: Annotated[Values, Meta(description="Fractions: 0.65 is 65 %; null where the series is too short")]
    complete: Complete
    next_cursor: NextCursor


class Correlation(Struct, kw_only=True):
    """How the log returns of several symbols go together."""

    symbols: Annotated[list[str], Meta(description="In the order asked")]
    venues: Annotated[list[str], Meta(description="Of the series that speaks for each symbol")]
    interval: str
    window: int
    method: Method
    observations: Annotated[int, Meta(description="Returns between times that all series have; at most `window`")]
    matrix: Annotated[
        list[Values],
        Meta(description="A row for each symbol; null where a series does not move, or there are fewer than 2 returns"),
    ]
    complete: Complete


class Beta(Struct, kw_only=True):
    """How much a symbol moves with another."""

    symbol: str
    venue: str
    benchmark: Annotated[str, Meta(description="The symbol to measure by")]
    benchmark_venue: Annotated[str, Meta(description="Of the series that speaks for it")]
    interval: str
    window: int
    observations: Annotated[int, Meta(description="Returns between times that both series have; at most `window`")]
    beta: Annotated[
        float | None,
        Meta(description="Covariance by the benchmark's variance; null where that does not move, or below 2 returns"),
    ]
    complete: Complete


def symbols(text: str, least: int = 1) -> list[str]:
    """The symbols that a request lists.

    Raises:
        InvalidError: They are too few or too many, or one is named twice.
    """
    listed = text.split(",")
    if not all(listed) or not least <= len(listed) <= MOST_SYMBOLS:
        raise InvalidError("symbols", f"Expected {least} to {MOST_SYMBOLS} symbols, separated by commas")
    if len(set(listed)) < len(listed):
        raise InvalidError("symbols", "Each may be named once")
    return listed
