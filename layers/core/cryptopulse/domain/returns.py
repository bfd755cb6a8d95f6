"""Returns: how well a portfolio did, from what it was worth and from what came in and went out.

Time-weighted, money-weighted, and what is made of daily returns. The formulas, with their sources and the reason for
each convention, are in docs/returns.md. What cannot be computed is None, never a guess.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from itertools import accumulate, chain, pairwise
from math import exp, expm1, fsum, inf, log, prod, sqrt, sumprod
from operator import mul
from typing import Final, NamedTuple

import msgspec

from cryptopulse.domain.candles import DAY, floor

YEAR: Final = 365 * DAY
"""A market that never closes is annualised over all days (ms)."""
EXACT: Final = Context(prec=80, Emin=MIN_EMIN, Emax=MAX_EMAX)
"""Sums of money (54 digits, ten million of them 7 more) are exact; of a product of 100,000 links more than 70 digits
are, and it cannot overflow."""
PLACES: Final = 12
"""Of ratios told."""
LARGEST: Final = 10**18
"""Ratios are below: an answer has no more digits before the point."""
BOUNDS: Final = (1e-12, 1e18)
"""Where 1 + rate of a money-weighted return is sought: all that can be told."""
NEWTON: Final = 20
"""Steps after which a root is bisected for."""
MARCH: Final = 100
"""Steps in which a root is shown to be the only one, on either side of it."""
TOUCHING: Final = 1e-12
"""What was paid in and what was got differ by no more: they cannot be told apart."""

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)


class Flow(NamedTuple):
    """Money that came in or went out, and what the portfolio was worth around it.

    `after` differs from `before + amount` by what the transaction itself cost or gained: fees, and a price other than
    the market's. Both values are at the same prices. All are in the base currency.
    """

    time: int
    """Unix ms."""
    before: Decimal
    """Value just before it."""
    amount: Decimal
    """Positive: a contribution; negative: a withdrawal."""
    after: Decimal
    """Value just after it."""


class Period(msgspec.Struct, frozen=True):
    """What is known of a portfolio from `start` to `end`.

    Raises:
        ValueError: It ends before it starts, has not one close a day, or a flow is out of order or outside.
    """

    start: int
    """Unix ms."""
    end: int
    """Unix ms; not in the period: a flow then is of the next."""
    opening: Decimal
    """Value at the start, before any flow then."""
    flows: Sequence[Flow]
    """In the order of time."""
    closes: Sequence[Decimal]
    """Value at 00:00 UTC after each day, before any flow then; the last is that at the end."""

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError("a period ends after it starts")
        if len(self.closes) != len(self.days):
            raise ValueError(f"{len(self.days)} days need as many closes, not {len(self.closes)}")
        times = [self.start, *(flow.time for flow in self.flows), self.end - 1]
        if times != sorted(times):
            raise ValueError("flows are in order and inside the period")

    @property
    def days(self) -> range:
        """00:00 UTC of each day (Unix ms)."""
        return range(floor(self.start, DAY), self.end, DAY)

    @property
    def by_day(self) -> Iterator[tuple[int, Decimal, list[Flow]]]:
        """Each day, its close and its flows."""
        flows = iter([*self.flows, Flow(self.end, ZERO, ZERO, ZERO)])
        flow = next(flows)
        for day, close in zip(self.days, self.closes, strict=True):
            end, own = min(day + DAY, self.end), []
            while flow.time < end:
                own.append(flow)
                flow = next(flows)
            yield day, close, own


class Day(NamedTuple):
    """A day of a portfolio's history."""

    day: int
    """00:00 UTC (Unix ms)."""
    value: Decimal
    """At its close."""
    contributions: Decimal
    """Net, from the start of the period to the close."""


class Fall(NamedTuple):
    """The largest fall of a series below what it had reached: a fraction, and the places of its top and bottom."""

    value: Decimal
    peak: int
    trough: int


class Drawdown(msgspec.Struct, frozen=True):
    """The largest fall of the index: a fraction, 0.25 is 25 %. Without a fall it is 0 and has no days."""

    value: Decimal | None = None
    peak: int | None = None
    trough: int | None = None
    """Days, 00:00 UTC (Unix ms); each at its first close at that level."""


class Performance(msgspec.Struct, frozen=True):
    """The figures of a period: money in the base currency, ratios as fractions to 12 places."""

    start: int
    end: int
    value_start: Decimal
    value_end: Decimal
    net_contributions: Decimal
    gain: Decimal
    twr: Decimal | None
    twr_annualized: Decimal | None
    mwr: Decimal | None
    max_drawdown: Drawdown
    volatility: Decimal | None
    sharpe: Decimal | None
    sortino: Decimal | None
    benchmark_twr: Decimal | None


def performance(period: Period, benchmark: Sequence[Decimal | None] = (), *, annualize: bool = False) -> Performance:
    """All figures of a period.

    Args:
        period: What is known of it.
        benchmark: Price at the start and at each close, None where there is none; empty without a benchmark.
        annualize: Whether to annualise the time-weighted return of less than 365 days too.

    Raises:
        ValueError: The benchmark has not one price more than there are days.
    """
    if benchmark and len(benchmark) != len(period.days) + 1:
        raise ValueError("a benchmark has a price at the start and at each close")
    growth = daily_growth(period)
    first = next((place for place, factor in enumerate(growth) if factor is not None), None)
    days = ZERO if first is None else Decimal(period.end - max(period.start, period.days[first])) / DAY
    returns = _returns(growth)
    with localcontext(EXACT):
        contributed = sum([flow.amount for flow in period.flows], ZERO)
        gain = period.closes[-1] - period.opening - contributed
    return Performance(
        start=period.start,
        end=period.end,
        value_start=period.opening,
        value_end=period.closes[-1],
        net_contributions=contributed,
        gain=gain,
        twr=twr(growth),
        twr_annualized=annualized(growth, days) if annualize or days >= 365 else None,
        mwr=mwr(cash_flows(period)),
        max_drawdown=Drawdown() if first is None else _drawdown(period, growth, first),
        volatility=volatility(returns),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        benchmark_twr=price_return(benchmark[first], benchmark[-1]) if benchmark and first is not None else None,
    )


def history(period: Period) -> list[Day]:
    """Value and net contributions, day by day."""
    contributed, days = ZERO, []
    with localcontext(EXACT):
        for day, close, flows in period.by_day:
            contributed = sum([flow.amount for flow in flows], contributed)
            days.append(Day(day, close, contributed))
    return days


# --- time-weighted ---


def daily_growth(period: Period) -> list[Decimal | None]:
    """By what each day multiplied the money at work, linked at each of its flows; None where none was.

    Between two valuations: later value / earlier value. Across a flow a contribution counts before it, a withdrawal
    after it: (after + withdrawn) / (before + contributed). A link whose divisor is 0 is left out: nothing was at work.
    A negative value has no return: then no day has one.
    """
    around = chain([flow.before for flow in period.flows], [flow.after for flow in period.flows])
    if min(chain([period.opening], around, period.closes)) < 0:
        return [None] * len(period.closes)
    growth = []
    value = period.opening
    with localcontext(EXACT):
        for _, close, flows in period.by_day:
            growth.append(_linked(value, flows, close))
            value = close
    return growth


def _linked(value: Decimal, flows: Iterable[Flow], close: Decimal) -> Decimal | None:
    """The growth of a day, from the value before it."""
    links = []
    for _, before, amount, after in flows:
        paid, got = (before, after - amount) if amount.is_signed() else (before + amount, after)
        if value:
            links.append(before / value)
        if paid:
            links.append(got / paid)
        value = after
    if value:
        links.append(close / value)
    return prod(links, start=ONE) if links else None


def twr(growth: Iterable[Decimal | None]) -> Decimal | None:
    """Time-weighted return: the product of all growth, less 1 (GIPS).

    Args:
        growth: Of days, or of any other sub-periods; those that are None stand still.

    Returns:
        A fraction; None if nothing was ever at work.
    """
    return annualized(growth, ONE, 1)


def annualized(growth: Iterable[Decimal | None], days: Decimal, year: int = 365) -> Decimal | None:
    """Time-weighted return as that of a year at the same pace: product of all growth^(year / days), less 1.

    Args:
        growth: As of `twr`.
        days: What they took.
        year: Days a year.

    Returns:
        As of `twr`.
    """
    factors = [factor for factor in growth if factor is not None]
    if not factors:
        return None
    with localcontext(EXACT):
        return _told(prod(factors, start=ONE) ** (year / days) - 1)


def index(growth: Iterable[Decimal | None]) -> list[Decimal]:
    """What 1 became by the end of each day, after the 1 itself. While nothing is at work it stands still."""
    with localcontext(EXACT):
        return list(accumulate((ONE if factor is None else factor for factor in growth), mul, initial=ONE))


def price_return(first: Decimal | None, last: Decimal | None) -> Decimal | None:
    """The time-weighted return of an asset without flows; None where a price is missing."""
    return twr([last / first]) if first and last is not None else None


def max_drawdown(index: Iterable[Decimal]) -> Fall | None:
    """The largest fall below the highest value before it: the most of (peak − value) / peak.

    Returns:
        The first top and the first bottom, where several are as high and as low; None if the index never falls.
    """
    top, peak, worst = ZERO, 0, None
    with localcontext(EXACT):
        for place, value in enumerate(index):
            if value > top:
                top, peak = value, place
            elif value < top and (fall := (top - value) / top) > (worst.value if worst else 0):
                worst = Fall(fall, peak, place)
    return worst


def _drawdown(period: Period, growth: Sequence[Decimal | None], first: int) -> Drawdown:
    """That of the index, from the first day on which something was at work."""
    fall = max_drawdown(index(growth[first:]))
    if fall is None:
        return Drawdown(ZERO)
    # What was there at the start was the close of the day before; what came later came on its first day.
    base = floor(period.start - 1, DAY) if period.opening else period.days[first]
    days = [base, *period.days[first:]]
    return Drawdown(_told(fall.value), days[fall.peak], days[fall.trough])


# --- of daily returns ---


def _returns(growth: Iterable[Decimal | None]) -> list[float]:
    """Of the days on which something was at work; none, if one is too large to be told."""
    with localcontext(EXACT):
        returns = [float(factor - 1) for factor in growth if factor is not None]
    return returns if max(returns, default=0) < LARGEST else []


def volatility(returns: Sequence[float], year: float = 365) -> Decimal | None:
    """Sample standard deviation of returns, annualised: √(Σ(r − mean)² / (n − 1)) · √year.

    Args:
        returns: Simple returns of periods of one length, as fractions.
        year: Periods a year.

    Returns:
        A fraction; None for fewer than two returns.
    """
    if len(returns) < 2:
        return None
    return _told(_deviation(returns) * sqrt(year))


def sharpe(returns: Sequence[float], year: float = 365) -> Decimal | None:
    """Sharpe ratio (1994) against a risk-free rate of 0: mean / sample standard deviation · √year.

    Returns:
        None for fewer than two returns, and where all are the same.
    """
    if len(returns) < 2 or not (deviation := _deviation(returns)):
        return None
    return _told(_mean(returns) / deviation * sqrt(year))


def sortino(returns: Sequence[float], year: float = 365) -> Decimal | None:
    """Sortino ratio (Sortino and Price 1994) against a target of 0: mean / downside deviation · √year.

    Returns:
        None for fewer than two returns, and where none is negative.
    """
    if len(returns) < 2 or not (deviation := downside_deviation(returns)):
        return None
    return _told(_mean(returns) / deviation * sqrt(year))


def downside_deviation(returns: Sequence[float]) -> float:
    """Of a period, below a target of 0: √(Σ min(r, 0)² / n), over all n returns."""
    return sqrt(fsum(min(change, 0) ** 2 for change in returns) / len(returns))


def _mean(returns: Sequence[float]) -> float:
    return fsum(returns) / len(returns)


def _deviation(returns: Sequence[float]) -> float:
    if min(returns) == max(returns):
        return 0.0  # not the rounding of their mean
    mean = _mean(returns)
    return sqrt(fsum((change - mean) ** 2 for change in returns) / (len(returns) - 1))


# --- money-weighted ---


def cash_flows(period: Period) -> Iterator[tuple[int, Decimal]]:
    """The period as its investor saw it: what he paid in is negative, what he got, or could have had, positive."""
    yield period.start, -period.opening
    for flow in period.flows:
        yield flow.time, -flow.amount
    yield period.end, period.closes[-1]


def xirr(flows: Iterable[tuple[int, Decimal]], bounds: tuple[float, float] = BOUNDS) -> Decimal | None:
    """The annual rate at which what was paid in is worth what was got: Σ amount / (1 + rate)^(ms / YEAR) = 0.

    Args:
        flows: Time (Unix ms) and amount, in any order; those of one time are one.
        bounds: Where 1 + rate is sought; of less than a year, that of the whole time.

    Returns:
        A fraction; None where there is no such rate within the bounds, or more than one.
    """
    solved = _solve(flows, bounds)
    return None if solved is None else _rate(solved.growth / solved.years)


def mwr(flows: Iterable[tuple[int, Decimal]]) -> Decimal | None:
    """Money-weighted return: the XIRR, or, of less than a year from the first flow to the last, what it makes in that
    time: (1 + XIRR)^(time / YEAR) − 1.

    Args:
        flows: As of `xirr`.

    Returns:
        As of `xirr`.
    """
    solved = _solve(flows, BOUNDS)
    return None if solved is None else _rate(solved.growth / max(solved.years, 1))


class _Solution(NamedTuple):
    growth: float
    """ln(1 + rate) of the whole time."""
    years: float
    """From the first flow to the last."""


def _solve(flows: Iterable[tuple[int, Decimal]], bounds: tuple[float, float]) -> _Solution | None:
    net: dict[int, Decimal] = {}
    with localcontext(EXACT):
        for time, amount in flows:
            net[time] = net[time] + amount if time in net else amount
    moments = sorted([time for time, amount in net.items() if amount])
    if len(moments) < 2:
        return None
    start, span = moments[0], moments[-1] - moments[0]
    years = span / YEAR
    times = [(moment - start) / span for moment in moments]
    low, high = (log(bound) * max(years, 1) for bound in bounds)
    # Of one sign at both bounds, the sum has between them no root or an even number.
    amounts = [float(net[moment]) for moment in moments]
    ends = [sumprod(amounts, _discounts(times, rate)) for rate in (low, high)]
    if ends[0] * ends[1] >= 0:
        return None
    if ends[1] < 0:
        amounts = [-amount for amount in amounts]
    root = _root(times, amounts, low, high)
    return _Solution(root, years) if _is_only(root, times, amounts, low, high) else None


def _rate(growth: float) -> Decimal | None:
    return _told(expm1(growth)) if growth < log(LARGEST) else None


def _discounts(times: Sequence[float], rate: float) -> list[float]:
    """e^(−rate · time), all by one factor where they would be above 1."""
    shift = min(rate, 0.0)
    return list(map(exp, [shift - rate * time for time in times]))


def _root(times: Sequence[float], amounts: Sequence[float], low: float, high: float) -> float:
    """A root of Σ amount · e^(−rate · time), which is negative at `low` and positive at `high`: Newton, in a bracket.

    What is followed is not the sum but the logarithm of its positive part by its negative: nearly a straight line.
    """
    parts = _parts(amounts)
    moments = [[part * time for part, time in zip(side, times, strict=True)] for side in parts]
    rate = min(max(0.0, low), high)
    step = 0
    while True:
        discounts = _discounts(times, rate)
        ins, outs = (sumprod(side, discounts) for side in parts)
        value = _logarithm(ins, outs)
        if abs(value) <= 2**-52:
            break
        low, high = (low, rate) if value > 0 else (rate, high)
        following = low
        if ins and outs and step < NEWTON:
            later, earlier = (sumprod(side, discounts) for side in reversed(moments))
            slope = later / outs - earlier / ins
            following = rate - value / slope if slope else low
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - rate) <= 1e-15 * max(1, abs(rate)):
            break
        rate, step = following, step + 1
    return rate


def _is_only(root: float, times: Sequence[float], amounts: Sequence[float], low: float, high: float) -> bool:
    """Whether there is surely no other root: not even one that is only touched.

    At a root, Σ amount · e^(−rate · time) is (rate − root) · ∫ balance(t) · e^(−(rate − root) · t) dt, where balance(t)
    is the sum of what was paid up to t, discounted at the root. Where the balance never changes its sign that integral
    has no root (Soper 1959). Elsewhere a march to either side looks for one.
    """
    discounted = [amount * discount for amount, discount in zip(amounts, _discounts(times, root), strict=True)]
    gross = list(accumulate(map(abs, discounted)))
    paid = accumulate(discounted)
    coming = list(accumulate(reversed(discounted)))[-2::-1]
    # What was paid is what is yet to come, with the other sign: the smaller sum has the smaller rounding.
    balances = [
        before if 2 * size <= gross[-1] else -after for before, after, size in zip(paid, coming, gross, strict=False)
    ]
    widths = [later - earlier for earlier, later in pairwise(times)]
    mirrored = [1 - time for time in times[1:]]
    return _stays_positive(balances, times[:-1], widths, high - root) and _stays_positive(
        balances, mirrored, widths, root - low
    )


def _stays_positive(balances: Sequence[float], starts: Sequence[float], widths: Sequence[float], reach: float) -> bool:
    """Whether ∫ balance(t) · e^(−rate · t) dt is positive at all rates from 0 to `reach`.

    As the rate rises, both the positive and the negative part of the integral fall: each at the mean time of its mass,
    which can only become earlier. So the logarithm of the one by the other falls at most at today's mean time of the
    positive part, less the earliest of the negative, and there is no root until that has used it up. False too where
    the steps become too small to get there.
    """
    parts = _parts(balances)
    earliest = min((start for start, out in zip(starts, parts[1], strict=True) if out), default=inf)
    ends = [part * (start + width) for part, start, width in zip(parts[0], starts, widths, strict=True)]
    weights, rate = list(widths), 0.0
    for _ in range(MARCH):
        ins, outs = (sumprod(side, weights) for side in parts)
        if not outs:
            return True
        excess = _logarithm(ins, outs)
        if excess <= TOUCHING:
            return False
        fall = sumprod(ends, weights) / ins - earliest
        if fall <= 0:
            return True
        rate += excess / fall
        if rate > reach:
            return True
        weights = [
            discount * -expm1(-rate * width) for discount, width in zip(_discounts(starts, rate), widths, strict=True)
        ]
    return False


def _parts(amounts: Sequence[float]) -> tuple[list[float], list[float]]:
    """The positive ones and the negative ones without their sign, 0 in the place of the others."""
    ins = [amount if amount > 0 else 0.0 for amount in amounts]
    outs = [-amount if amount < 0 else 0.0 for amount in amounts]
    return ins, outs


def _logarithm(ins: float, outs: float) -> float:
    """ln(ins / outs); infinite where a part is nothing, or too little for a float."""
    ratio = ins / outs if outs else inf
    return log(ratio) if ratio else -inf


def _told(ratio: Decimal | float) -> Decimal | None:
    """To the places that are told; None where it has more digits before the point than an answer."""
    with localcontext(EXACT):
        exact = Decimal(ratio)
        return round(exact, PLACES).normalize() or ZERO if abs(exact) < LARGEST else None
