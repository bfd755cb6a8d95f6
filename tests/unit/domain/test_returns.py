"""Returns by hand, and what must hold for any portfolio."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import fsum, isclose, sqrt
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cryptopulse.domain.candles import DAY, HOUR
from cryptopulse.domain.returns import (
    YEAR,
    Day,
    Drawdown,
    Fall,
    Flow,
    Performance,
    Period,
    annualized,
    cash_flows,
    daily_growth,
    downside_deviation,
    history,
    index,
    max_drawdown,
    mwr,
    performance,
    price_return,
    sharpe,
    sortino,
    twr,
    volatility,
    xirr,
)

START = 19_723 * DAY
"""2024-01-01."""


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def decimals(*values: float | str) -> list[Decimal]:
    return [Decimal(str(value)) for value in values]


def flow(time: int, before: float | str, amount: float | str, after: float | str | None = None) -> Flow:
    """Without `after`, one that costs nothing."""
    value, change = decimals(before, amount)
    return Flow(time, value, change, value + change if after is None else Decimal(str(after)))


def period(
    closes: Sequence[float | str], flows: Sequence[Flow] = (), opening: float | str = 0, start: int = START
) -> Period:
    """Whole days."""
    return Period(start, start + len(closes) * DAY, Decimal(str(opening)), flows, decimals(*closes))


def bought_twice_and_sold() -> Period:
    """10 at 100, then 5 at 120, then 5 sold at 90; at the end 110. A price holds until the next is known."""
    start, second, third, end = (at(day) for day in ("2024-01-01", "2024-04-01", "2024-07-01", "2024-12-31"))
    steps = [(start, 1000), (second, 1800), (third, 900), (end - DAY, 1100)]
    closes = [next(value for since, value in reversed(steps) if since <= day) for day in range(start, end, DAY)]
    flows = [flow(start, 0, 1000), flow(second, 1200, 600), flow(third, 1350, -450)]
    return Period(start, end, Decimal(0), flows, decimals(*closes))


# --- the figures of a period ---


def test_a_year_of_two_purchases_and_a_sale() -> None:
    told = performance(bought_twice_and_sold(), benchmark=decimals(*range(100, 466)))
    assert told == Performance(
        start=at("2024-01-01"),
        end=at("2024-12-31"),
        value_start=Decimal(0),
        value_end=Decimal(1100),
        net_contributions=Decimal(1150),
        gain=Decimal(-50),
        twr=Decimal("0.1"),
        twr_annualized=Decimal("0.1"),
        mwr=Decimal("-0.040823585938"),
        max_drawdown=Drawdown(Decimal("0.25"), at("2024-04-01"), at("2024-07-01")),
        volatility=told.volatility,
        sharpe=told.sharpe,
        sortino=told.sortino,
        benchmark_twr=Decimal("3.65"),
    )
    # 365 daily returns, of which three are not 0.
    changes = [0.2, -0.25, 110 / 90 - 1]
    mean = fsum(changes) / 365
    deviation = sqrt((fsum((change - mean) ** 2 for change in changes) + 362 * mean**2) / 364)
    assert told.volatility is not None
    assert told.sharpe is not None
    assert told.sortino is not None
    assert isclose(told.volatility, deviation * sqrt(365), abs_tol=1e-12)
    assert isclose(told.sharpe, mean / deviation * sqrt(365), abs_tol=1e-12)
    assert isclose(told.sortino, mean / sqrt(0.0625 / 365) * sqrt(365), abs_tol=1e-12)


def test_history_counts_contributions_from_the_start() -> None:
    days = history(bought_twice_and_sold())
    assert len(days) == 365
    assert [day for day, before in zip(days[1:], days, strict=False) if day[1:] != before[1:]] == [
        Day(at("2024-04-01"), Decimal(1800), Decimal(1600)),
        Day(at("2024-07-01"), Decimal(900), Decimal(1150)),
        Day(at("2024-12-30"), Decimal(1100), Decimal(1150)),
    ]
    assert days[0] == Day(at("2024-01-01"), Decimal(1000), Decimal(1000))


def test_a_period_may_begin_and_end_within_a_day() -> None:
    start, end = START + 6 * HOUR, START + DAY + 12 * HOUR
    part = Period(start, end, Decimal(100), [flow(START + DAY, 110, 10)], decimals(110, 132))
    told = performance(part, annualize=True)
    assert (told.twr, told.gain) == (Decimal("0.21"), Decimal(22))
    assert told.mwr is not None
    assert isclose(100 * (1 + told.mwr) + 10 * (1 + told.mwr) ** Decimal("0.4"), 132)  # 10 for 12 of 30 hours
    assert told.twr_annualized == annualized(decimals("1.21"), Decimal("1.25"))
    assert [day.contributions for day in history(part)] == decimals(0, 10)


def test_half_a_year_is_annualized_only_when_asked() -> None:
    half = period([100] * 181 + [110], opening=100)
    assert performance(half).twr_annualized is None
    told = performance(half, annualize=True)
    assert (told.twr, told.mwr) == (Decimal("0.1"), Decimal("0.1"))
    assert told.twr_annualized is not None
    assert isclose(told.twr_annualized, 1.1 ** (365 / 182) - 1, abs_tol=1e-12)


def test_a_year_counts_from_the_first_money() -> None:
    late = [flow(START + 100 * DAY + 12 * HOUR, 0, 100)]
    assert performance(period([0] * 100 + [100] * 364 + [110], late)).twr_annualized == Decimal("0.1")
    assert performance(period([0] * 100 + [100] * 363 + [110], late)).twr_annualized is None


def test_the_benchmark_begins_with_the_first_money() -> None:
    late = period([0, 100, 110], [flow(START + DAY, 0, 100)])
    assert performance(late, benchmark=decimals(1, 2, 4, 5)).benchmark_twr == Decimal("1.5")
    assert performance(late, benchmark=[Decimal(1), None, Decimal(4), Decimal(5)]).benchmark_twr is None
    assert performance(late, benchmark=[Decimal(1), Decimal(2), Decimal(4), None]).benchmark_twr is None
    assert performance(late).benchmark_twr is None


# --- what cannot be computed ---


NOTHING = {
    "twr": None,
    "twr_annualized": None,
    "mwr": None,
    "max_drawdown": Drawdown(),
    "volatility": None,
    "sharpe": None,
    "sortino": None,
    "benchmark_twr": None,
}


def ratios(told: Performance) -> dict[str, object]:
    return {name: getattr(told, name) for name in NOTHING}


def test_an_empty_portfolio_has_no_returns() -> None:
    assert ratios(performance(period([0, 0, 0]), decimals(1, 2, 3, 4), annualize=True)) == NOTHING


def test_a_negative_value_has_no_return() -> None:
    closes = [100] * 399 + [110]
    assert performance(period(closes, opening=100)).twr == Decimal("0.1")
    negative = period([*closes[:9], -1, *closes[10:]], opening=100)
    assert ratios(performance(negative)) == NOTHING | {"mwr": xirr(cash_flows(negative))}
    around = flow(START, -5, 5)
    assert daily_growth(period([100], [around], opening=100)) == [None]


def test_one_day_has_a_return_and_no_statistics() -> None:
    told = performance(period([110], [flow(START + HOUR, 0, 100)]))
    assert ratios(told) == NOTHING | {
        "twr": Decimal("0.1"),
        "mwr": Decimal("0.1"),
        "max_drawdown": Drawdown(Decimal(0)),
    }


def test_a_standstill_has_no_ratios_to_its_risk() -> None:
    told = performance(period([100, 100, 100], opening=100))
    assert ratios(told) == NOTHING | {
        "twr": Decimal(0),
        "mwr": Decimal(0),
        "max_drawdown": Drawdown(Decimal(0)),
        "volatility": Decimal(0),
    }


def test_without_a_loss_there_is_no_sortino() -> None:
    told = performance(period([110, 132], opening=100))
    assert told.sharpe is not None
    assert told.sortino is None


def test_equal_returns_have_no_sharpe() -> None:
    assert volatility([0.1] * 3) == Decimal(0)
    assert sharpe([0.1] * 3) is None
    assert sharpe([0.1]) is None
    assert sortino([-0.1]) is None


def test_all_lost_is_all_lost() -> None:
    told = performance(period([50, 0, 30], [flow(START + 2 * DAY, 0, 20)], opening=100))
    assert (told.twr, told.max_drawdown) == (Decimal(-1), Drawdown(Decimal(1), START - DAY, START + DAY))
    assert told.gain == Decimal(-90)


def test_what_an_answer_cannot_hold_is_not_told() -> None:
    dust, much = "0.000000000000000001", "1e18"
    told = performance(period([much, much], opening=dust))
    assert ratios(told) == NOTHING | {"max_drawdown": Drawdown(Decimal(0))}
    assert annualized(decimals("1.5"), Decimal(1)) is None


def test_the_largest_amounts_bought_ten_thousand_times_do_not_overflow() -> None:
    dust, much = Decimal("1e-18"), Decimal("1e18")
    swings = [Flow(START + time, Decimal(0), dust, much) for time in range(10_000)]
    told = performance(period([0, 0], [Flow(each.time, *each[1:]) for each in swings]))
    assert (told.twr, told.volatility) == (Decimal(-1), None)


# --- linking ---


def test_a_purchase_bears_its_costs_and_a_sale_too() -> None:
    bought = flow(START, 0, 1010, 1000)
    sold = flow(START + DAY, 1000, -495, 500)
    emptied = flow(START + 2 * DAY, 500, -505, 0)
    growth = daily_growth(period([1000, 500, 0, 0], [bought, sold, emptied]))
    assert growth[1:] == [*decimals("0.995", "1.01"), None]
    assert growth[0] is not None
    assert isclose(growth[0], 1000 / 1010)


def test_an_emptied_portfolio_goes_on_where_it_was() -> None:
    flows = [flow(START, 0, 100), flow(START + DAY, 110, -110), flow(START + 3 * DAY + HOUR, 0, 50)]
    growth = daily_growth(period([110, 0, 0, 55], flows))
    assert growth == [Decimal("1.1"), Decimal(1), None, Decimal("1.1")]
    assert twr(growth) == Decimal("0.21")
    assert index(growth) == decimals(1, "1.1", "1.1", "1.1", "1.21")


def test_what_comes_from_nothing_is_gain_but_no_return() -> None:
    airdrop = period([0, 30, 33])
    told = performance(airdrop)
    assert (told.gain, told.twr, told.mwr) == (Decimal(33), Decimal("0.1"), None)
    unknown = period([0, 100], [flow(START, 0, -500, 0), flow(START + DAY, 0, 100)])
    told = performance(unknown)
    assert (told.gain, told.net_contributions, told.twr) == (Decimal(500), Decimal(-400), Decimal(0))


def test_flows_at_midnight_belong_to_the_day_that_begins() -> None:
    flows = [flow(START + DAY, 200, 100)]
    assert daily_growth(period([200, 300], flows, opening=100)) == decimals(2, 1)


def test_the_fall_is_from_the_first_top_to_the_first_bottom() -> None:
    assert max_drawdown(decimals(1, 2, 2, 1, 4, 2, 1, 1, 2)) == Fall(Decimal("0.75"), 4, 6)
    assert max_drawdown(decimals(1, 2, 1, 2, 1)) == Fall(Decimal("0.5"), 1, 2)
    assert max_drawdown(decimals(1, 1, 2)) is None


def test_a_fall_from_the_start_is_from_the_day_that_gave_the_value() -> None:
    assert performance(period([90], opening=100)).max_drawdown == Drawdown(Decimal("0.1"), START - DAY, START)
    late = [flow(START + DAY + HOUR, 0, 100)]
    assert performance(period([0, 90, 80], late)).max_drawdown == Drawdown(Decimal("0.2"), START + DAY, START + 2 * DAY)


def test_ratios_are_told_to_twelve_places() -> None:
    assert price_return(Decimal(3), Decimal(4)) == Decimal("0.333333333333")
    assert str(price_return(Decimal(3), Decimal(3))) == "0"
    assert price_return(Decimal(0), Decimal(3)) is None


def test_statistics_by_hand() -> None:
    returns = [0.1, -0.2, 0.1]
    assert volatility(returns, 1) == Decimal("0.173205080757")
    assert sharpe([0.3, -0.1, 0.1], 4) == Decimal(1)
    assert downside_deviation(returns) == pytest.approx(sqrt(0.04 / 3))
    assert sortino([0.3, -0.1, 0.1], 3) == Decimal(3)


# --- a period that cannot be ---


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"end": START}, "ends after it starts"),
        ({"closes": decimals(1)}, "2 days need as many closes, not 1"),
        ({"flows": [flow(START - 1, 0, 1)]}, "in order and inside"),
        ({"flows": [flow(START + 2 * DAY, 0, 1)]}, "in order and inside"),
        ({"flows": [flow(START + 1, 0, 1), flow(START, 0, 1)]}, "in order and inside"),
    ],
)
def test_a_period_that_contradicts_itself_is_refused(change: dict[str, object], fault: str) -> None:
    good = period([1, 1])
    with pytest.raises(ValueError, match=fault):
        msgspec.structs.replace(good, **change)


def test_a_benchmark_of_other_days_is_refused() -> None:
    with pytest.raises(ValueError, match="at the start and at each close"):
        performance(period([1, 1]), benchmark=decimals(1, 1))


# --- money-weighted ---


def yearly(*amounts: float) -> list[tuple[int, Decimal]]:
    return [(year * YEAR, Decimal(str(amount))) for year, amount in enumerate(amounts)]


def test_the_rate_of_simple_flows() -> None:
    assert xirr(yearly(-100, 121)) == Decimal("0.21")
    assert xirr(yearly(-100, 0, 121)) == Decimal("0.1")
    assert xirr(yearly(-100, 100)) == Decimal(0)
    assert xirr(yearly(100, -50)) == Decimal("-0.5")
    assert xirr([*yearly(-100, 242), (YEAR, Decimal(-121)), (0, Decimal(0))]) == Decimal("0.21")


@pytest.mark.parametrize("coefficients", [(6, 1, -4), (1, -8, -4), (1, 1000, -1), (1, -1000, -1)])
def test_the_rate_of_a_quadratic(coefficients: tuple[int, int, int]) -> None:
    constant, linear, square = coefficients
    rate = xirr(yearly(*coefficients))
    assert rate is not None
    assert isclose(rate, 2 * square / (-linear - sqrt(linear**2 - 4 * square * constant)) - 1, rel_tol=1e-9)


def test_less_than_a_year_is_not_made_one() -> None:
    week = [(0, Decimal(-100)), (7 * DAY, Decimal(200))]
    assert mwr(week) == Decimal(1)
    annual = xirr(week)
    assert annual is not None
    assert isclose(annual, 2 ** (365 / 7), rel_tol=1e-13)
    assert mwr(yearly(-100, 0, 121)) == xirr(yearly(-100, 0, 121))
    assert mwr([(0, Decimal(-100)), (1, Decimal(150))]) == Decimal("0.5")
    assert xirr([(0, Decimal(-100)), (1, Decimal(150))]) is None


@pytest.mark.parametrize(
    "flows",
    [
        [],
        yearly(-100),
        yearly(-100, -1),
        yearly(-100, 0, 0),
        [(0, Decimal(-100)), (0, Decimal(110))],
        yearly(-1, 2, -2),  # its roots are complex
        yearly(-1, 2, -1),  # twice 0 %
        yearly(-100, 230, -132),  # 10 % and 20 %
        yearly(-1, 6, -11, 6),  # 0, 100 and 200 %
        yearly(-1, 3, -3, 1),  # three times 0 %
        yearly(-1, 4, -5, 2),  # 100 % and twice 0 %
    ],
)
def test_no_single_rate(flows: list[tuple[int, Decimal]]) -> None:
    assert xirr(flows) is None
    assert mwr(flows) is None


def test_a_single_rate_among_complex_ones() -> None:
    # (x − 1.1)(x² − 2x + 2): the balance changes its sign, and yet there is no other root.
    assert xirr(yearly(-1, 3.1, -4.2, 2.2)) == Decimal("0.1")


def test_a_second_rate_outside_the_bounds_does_not_count() -> None:
    assert xirr(yearly(-100, 230, -132), bounds=(0.9, 1.15)) == Decimal("0.1")


@given(
    st.lists(st.tuples(st.integers(0, 4000 * DAY), st.integers(-100_000, 100_000)), max_size=20),
    st.integers(100_000, 100_000_000),
)
def test_at_the_rate_nothing_is_left(drawn: list[tuple[int, int]], end: int) -> None:
    flows = [(time, Decimal(cents) / 100) for time, cents in [(0, -1_000_000), *drawn, (4000 * DAY, end)]]
    rate = xirr(flows)
    assume(rate is not None)
    assert rate is not None
    worth = [float(amount) * float(1 + rate) ** (-time / YEAR) for time, amount in flows]
    assert abs(fsum(worth)) <= 1e-9 * max(map(abs, worth))


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=7))
def test_a_rate_is_told_where_there_is_exactly_one(coefficients: list[int]) -> None:
    rate = xirr(yearly(*coefficients))
    polynomial = [Fraction(coefficient) for coefficient in coefficients]
    while polynomial and not polynomial[-1]:
        polynomial.pop()
    roots, multiple = roots_of(polynomial)
    assert (rate is not None) == (roots == 1 and roots_of(multiple)[0] == 0)


def roots_of(polynomial: list[Fraction]) -> tuple[int, list[Fraction]]:
    """How many different roots lie within our bounds, and the polynomial of the multiple ones, by Sturm's theorem.

    Yearly flows are a polynomial in 1 / (1 + rate).
    """
    chain, rest = [polynomial], [power * coefficient for power, coefficient in enumerate(polynomial)][1:]
    while rest:
        chain.append(rest)
        rest = [-coefficient for coefficient in remainder(chain[-2], chain[-1])]
    return changes_of_sign(chain, Fraction(1, 10**18)) - changes_of_sign(chain, Fraction(10**12)), chain[-1]


def remainder(dividend: list[Fraction], divisor: list[Fraction]) -> list[Fraction]:
    """Of polynomials, lowest power first, without leading zeros."""
    rest = list(dividend)
    while len(rest) >= len(divisor):
        factor, shift = rest[-1] / divisor[-1], len(rest) - len(divisor)
        for power, coefficient in enumerate(divisor):
            rest[power + shift] -= factor * coefficient
        while rest and not rest[-1]:
            rest.pop()
    return rest


def changes_of_sign(chain: list[list[Fraction]], place: Fraction) -> int:
    values = [sum(coefficient * place**power for power, coefficient in enumerate(each)) for each in chain]
    signs = [value > 0 for value in values if value]
    return sum(one != other for one, other in pairwise(signs))


# --- what must hold for any portfolio ---


class Market(NamedTuple):
    """Prices of an asset: at the start, at some times of a day, and at each close."""

    opening: Decimal
    quotes: list[tuple[int, Decimal]]
    closes: list[Decimal]

    def held(self, quantity: Decimal, changes: Sequence[Decimal]) -> Period:
        """What holding the asset is, where each change multiplies the quantity, at the quotes and without costs."""
        opening, flows, closes = quantity * self.opening, [], []
        trades = zip(self.quotes, changes, strict=True)
        trade = next(trades, None)
        for day, close in enumerate(self.closes):
            while trade and trade[0][0] < START + (day + 1) * DAY:
                (time, price), change = trade
                flows.append(Flow(time, quantity * price, quantity * (change - 1) * price, quantity * change * price))
                quantity *= change
                trade = next(trades, None)
            closes.append(quantity * close)
        return Period(START, START + len(closes) * DAY, opening, flows, closes)


prices = st.decimals("0.01", "10000", places=2)
quantities = st.decimals("0.01", "1000", places=2)
QUOTES = 4
trades = st.lists(st.decimals("0.1", "3", places=1), min_size=QUOTES, max_size=QUOTES)


@st.composite
def markets(draw: st.DrawFn) -> Market:
    closes = draw(st.lists(prices, min_size=2, max_size=8))
    times = st.integers(START, START + len(closes) * DAY - 1)
    return Market(draw(prices), [(time, draw(prices)) for time in sorted(draw(times) for _ in range(QUOTES))], closes)


portfolios = st.builds(Market.held, markets(), quantities, trades)


@given(markets(), quantities, trades, trades)
def test_time_weighted_returns_are_the_prices_whatever_flows(
    market: Market, quantity: Decimal, some: list[Decimal], others: list[Decimal]
) -> None:
    one, other = (performance(market.held(quantity, changes), annualize=True) for changes in (some, others))
    assert one.twr == other.twr == price_return(market.opening, market.closes[-1])
    assert one.twr_annualized == other.twr_annualized
    assert one.max_drawdown.value == other.max_drawdown.value
    assert (one.volatility, one.sharpe, one.sortino) == (other.volatility, other.sharpe, other.sortino)


@given(portfolios, st.data())
def test_parts_of_a_period_link_to_the_whole(whole: Period, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(whole.closes) - 1))
    middle = whole.days[place]
    former = [flow for flow in whole.flows if flow.time < middle]
    left = Period(whole.start, middle, whole.opening, former, whole.closes[:place])
    right = Period(middle, whole.end, whole.closes[place - 1], whole.flows[len(former) :], whole.closes[place:])
    assert daily_growth(left) + daily_growth(right) == daily_growth(whole)
    one, other, both = performance(left), performance(right), performance(whole)
    assert (one.gain + other.gain, one.net_contributions + other.net_contributions) == (
        both.gain,
        both.net_contributions,
    )


@given(portfolios, quantities)
def test_in_another_unit_of_money_all_ratios_are_the_same(story: Period, unit: Decimal) -> None:
    other = Period(
        story.start,
        story.end,
        story.opening * unit,
        [Flow(flow.time, flow.before * unit, flow.amount * unit, flow.after * unit) for flow in story.flows],
        [close * unit for close in story.closes],
    )
    assert daily_growth(other) == daily_growth(story)
    one, two = performance(story, annualize=True), performance(other, annualize=True)
    assert two.gain == one.gain * unit
    assert ratios(two) | {"mwr": None} == ratios(one) | {"mwr": None}
    assert (one.mwr is None) == (two.mwr is None)
    assert isclose(one.mwr or 0, two.mwr or 0, rel_tol=1e-9, abs_tol=1e-9)


@given(portfolios, st.integers(0, QUOTES - 1), quantities)
def test_money_that_only_passes_through_changes_nothing(story: Period, place: int, amount: Decimal) -> None:
    time, before, *_ = story.flows[place]
    passing = [Flow(time, before, amount, before + amount), Flow(time, before + amount, -amount, before)]
    other = msgspec.structs.replace(story, flows=[*story.flows[:place], *passing, *story.flows[place:]])
    assert daily_growth(other) == daily_growth(story)
    assert performance(other, annualize=True) == performance(story, annualize=True)
    assert history(other) == history(story)
