"""Returns as other programs' tests have them (`../shared/data`, where present), each under its own convention."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from math import exp, isclose, log1p, sqrt
from pathlib import Path
from typing import Any, Final

import pytest

from cryptopulse.domain.candles import DAY
from cryptopulse.domain.returns import (
    Flow,
    Period,
    annualized,
    daily_growth,
    downside_deviation,
    index,
    max_drawdown,
    sharpe,
    sortino,
    twr,
    volatility,
    xirr,
)

GOLDEN = Path(__file__).parents[4] / "shared/data/portfolio"

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the golden cases are not beside this checkout")

type Case = Mapping[str, Any]


def read(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text()) if GOLDEN.is_dir() else {"cases": [], "series": {}}


def midnight(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY


def flows(case: Case) -> list[tuple[int, Decimal]]:
    return [(midnight(day), Decimal(str(amount))) for day, amount in case["cashflows"]]


# --- XIRR ---

RATES = [case for case in read("xirr_cases.json")["cases"] if case["function"] == "xirr"]
SCANNED: Final = (1e-6, 52)
"""Bounds of the scan that found the roots listed with each case."""
FARTHER: Final = {"case_30_26": 241.58518458739, "case_30_36": -0.99999999725524, "neg_1938": 230.80406113082}
"""Unambiguous only within that scan: a second root lies outside, so that without its bounds there is no single rate."""


@pytest.mark.parametrize("case", [case for case in RATES if case["unambiguous"]], ids=lambda case: case["name"])
def test_a_rate(case: Case) -> None:
    rate = xirr(flows(case), SCANNED)
    if case["expected"] is None:
        assert rate is None
    else:
        assert rate is not None
        assert isclose(rate, case["expected"], rel_tol=1e-9, abs_tol=1e-11)
    if case["name"] in FARTHER:
        assert worth(case, case["expected"]) == pytest.approx(0, abs=1e-6)
        assert worth(case, FARTHER[case["name"]]) == pytest.approx(0, abs=1e-6)
        assert xirr(flows(case)) is None
    else:
        assert xirr(flows(case)) == rate


def worth(case: Case, rate: float) -> float:
    """What the flows are worth at a rate, at the first or the last of them, by the sum of all their sizes there."""
    told = flows(case)
    start = (min if rate > 0 else max)(time for time, _ in told)
    each = [float(amount) * exp(log1p(rate) * (start - time) / DAY / 365) for time, amount in told]
    return sum(each) / sum(map(abs, each))


@pytest.mark.parametrize("case", [case for case in RATES if not case["unambiguous"]], ids=lambda case: case["name"])
def test_of_several_rates_none_is_told(case: Case) -> None:
    """The source tells one of them, or (case_30_20) none because its method does not get there."""
    assert xirr(flows(case), SCANNED) is None
    assert xirr(flows(case)) is None


def test_every_case_of_rates_is_here() -> None:
    """But the XNPV: the worth of flows at a given rate is no figure of ours."""
    cases = read("xirr_cases.json")["cases"]
    assert [case["name"] for case in cases if case not in RATES] == ["random_100"]
    assert FARTHER.keys() <= {case["name"] for case in RATES if case["unambiguous"]}


# --- portfolio-performance ---

PORTFOLIO: dict[str, Any] = {case["id"]: case for case in read("portfolio_performance_cases.json")["cases"]}
LOTS: Final = {"pp-cost-1", "pp-zero-holding"}
"""Cost and gains of lots, no returns."""


@pytest.mark.parametrize("name", ["pp-irr-excel-1", "pp-irr-small-interval"])
def test_portfolio_performance_irr(name: str) -> None:
    case = PORTFOLIO[name]
    rate = xirr(flows(case))
    assert rate is not None
    assert isclose(rate, case["expected"], abs_tol=case["tolerance"])


@pytest.mark.parametrize(
    ("name", "closed", "expected"),
    [
        ("pp-trade-long-closed", [-500, 900], {"irr": 0.8, "return": 0.8}),
        # The 18 that were sold, first in, first out: of the third purchase one of three.
        ("pp-trade-long-multiple", [-120, -60, -30, 360], {"irr": 0.76018, "return": 150 / 210}),
    ],
)
def test_portfolio_performance_trades(name: str, closed: Sequence[int], expected: Mapping[str, float]) -> None:
    case = PORTFOLIO[name]
    told = {key.removesuffix("_closed"): value for key, value in case["expected"].items()}
    assert (told["irr"], told["return"]) == (expected["irr"], expected["return"])
    days = [midnight(transaction["date"]) for transaction in case["transactions"]]
    rate = xirr(zip(days, map(Decimal, closed), strict=True))
    assert rate is not None
    assert isclose(rate, told["irr"], abs_tol=case["tolerance"].get("irr", 1e-4))
    assert -sum(closed) / sum(amount for amount in closed if amount < 0) == pytest.approx(told["return"])


def test_portfolio_performance_time_weighted() -> None:
    """Inflows count at the start of their day, outflows at its end."""
    case = PORTFOLIO["pp-twr-daily"]
    opening = value = Decimal(0)
    told, closes = [], []
    for day in case["dates"]:
        events = [(kind, Decimal(str(amount))) for date, kind, amount in case["events"] if date == day]
        for kind, amount in sorted(events, key=lambda event: ["DEPOSIT", "GAIN", "LOSS", "WITHDRAW"].index(event[0])):
            if kind in {"DEPOSIT", "WITHDRAW"}:
                flow = amount if kind == "DEPOSIT" else -amount
                told.append(Flow(midnight(day) + (DAY - 1) * (flow < 0), value, flow, value + flow))
                value += flow
            else:
                value += amount if kind == "GAIN" else -amount
        closes.append(value)
    start = midnight(case["dates"][0])
    growth = daily_growth(Period(start, start + len(closes) * DAY, opening, told, closes))
    expected, tolerance = case["expected"], case["tolerance"]
    assert [float(each or 1) - 1 for each in growth] == pytest.approx(expected["daily"], abs=tolerance)
    assert [float(each) - 1 for each in index(growth)[1:]] == pytest.approx(expected["accumulated"], abs=tolerance)
    assert float(twr(growth) or 0) == pytest.approx(expected["accumulated"][-1], abs=tolerance)


def test_portfolio_performance_drawdown() -> None:
    case = PORTFOLIO["pp-drawdown-simple"]
    fall = max_drawdown(1 + Decimal(str(each)) for each in case["accumulated_returns"])
    assert fall is not None
    assert float(fall.value) == pytest.approx(case["expected"])


def test_portfolio_performance_volatility() -> None:
    """Of log returns, for the time of all of them.

    Its `semi_deviation` is not ours: it lies below the mean of the returns, not below a target, and divides by n − 1.
    """
    case = PORTFOLIO["pp-risk-volatility"]
    logarithms = [log1p(each) for each in case["returns"]]
    assert float(volatility(logarithms, year=6) or 0) == pytest.approx(
        case["expected"]["standard_deviation"], abs=case["tolerance"]
    )


def test_every_case_of_portfolio_performance_is_here() -> None:
    tested = {name for name in PORTFOLIO if name.startswith(("pp-irr", "pp-trade"))}
    assert set(PORTFOLIO) == tested | LOTS | {"pp-twr-daily", "pp-drawdown-simple", "pp-risk-volatility"}


# --- empyrical ---

EMPYRICAL = read("empyrical_performance_cases.json")
PERIODS: Final = {"daily": 252, "weekly": 52, "monthly": 12, "yearly": 1}
OURS: Final = {
    "cum_returns",
    "cum_returns_final",
    "aggregate_returns",
    "max_drawdown",
    "annual_return",
    "cagr",
    "annual_volatility",
    "sharpe_ratio",
    "downside_risk",
    "sortino",
}
OTHERS: Final = {"alpha", "alpha_beta", "beta", "calmar", "capture_ratio", "down_capture", "excess_sharpe", "omega"} | {
    "stability_of_timeseries",
    "tail_ratio",
    "up_capture",
}
"""Figures that we do not tell."""


def cases(*functions: str) -> list[Any]:
    return [
        pytest.param(case["args"], id=f"{case['function']}-{place}")
        for place, case in enumerate(EMPYRICAL["cases"])
        if case["function"] in functions
    ]


def values(told: Any) -> list[float]:
    """A series without its NaNs: they are left out there too, and in linking stand still."""
    return [value for value in EMPYRICAL["series"][told["series"]]["values"] if value != "NaN"]


def growth(told: Any) -> list[Decimal | None]:
    series = EMPYRICAL["series"][told["series"]]["values"]
    return [None if value == "NaN" else 1 + Decimal(str(value)) for value in series]


def same(figure: Decimal | None, expected: Any, places: int = 8) -> bool:
    """What cannot be computed is NaN there, None here."""
    if expected == "NaN" or figure is None:
        return figure is None and expected == "NaN"
    return isclose(figure, expected, abs_tol=0.5 * 10**-places)


@pytest.mark.parametrize("args", cases("cum_returns", "cum_returns_final"))
def test_empyrical_linking(args: Case) -> None:
    if isinstance(args["expected"], list):
        grown = [float(each) * args["starting_value"] for each in index(growth(args["returns"]))[1:]]
        assert grown == pytest.approx(args["expected"], abs=1e-4)
    else:
        assert same(twr(growth(args["returns"])), args["expected"], places=4)


@pytest.mark.parametrize("args", cases("aggregate_returns"))
def test_empyrical_linking_of_months_quarters_and_years(args: Case) -> None:
    days = map(date.fromisoformat, EMPYRICAL["series"][args["returns"]["series"]]["index"])
    months = {"monthly": 1, "quarterly": 3, "yearly": 12}[args["convert_to"]]
    pairs = zip(days, growth(args["returns"]), strict=True)
    parts = groupby(pairs, lambda pair: (pair[0].year, (pair[0].month - 1) // months))
    told = [twr(each for _, each in part) for _, part in parts]
    assert len(told) == len(args["expected"])
    assert all(same(*pair) for pair in zip(told, args["expected"], strict=True))


@pytest.mark.parametrize("args", cases("max_drawdown"))
def test_empyrical_drawdown(args: Case) -> None:
    fall = max_drawdown(index(growth(args["returns"])))
    assert isclose(fall.value if fall else 0, -args["expected"], abs_tol=1e-8)


@pytest.mark.parametrize("args", cases("annual_return", "cagr"))
def test_empyrical_annual_return(args: Case) -> None:
    told = growth(args["returns"])
    assert same(annualized(told, Decimal(len(told)), PERIODS[args["period"]]), args["expected"])


@pytest.mark.parametrize("args", cases("annual_volatility"))
def test_empyrical_volatility(args: Case) -> None:
    assert same(volatility(values(args["returns"]), PERIODS[args["period"]]), args["expected"])


@pytest.mark.parametrize("args", cases("sharpe_ratio"))
def test_empyrical_sharpe(args: Case) -> None:
    figure = sharpe(values(args["returns"]), PERIODS["daily"])
    if args["expected"] == "Infinity":  # a ratio to no deviation at all: we tell none
        assert figure is None
    else:
        assert same(figure, args["expected"])


@pytest.mark.parametrize("args", cases("downside_risk"))
def test_empyrical_downside_risk(args: Case) -> None:
    figure = downside_deviation(values(args["returns"])) * sqrt(PERIODS[args["period"]])
    assert figure == pytest.approx(args["expected"], abs=1e-8)


@pytest.mark.parametrize("args", cases("sortino"))
def test_empyrical_sortino(args: Case) -> None:
    """A required return that varies is taken off first: our target is 0."""
    target = args["required_return"]
    series = EMPYRICAL["series"]
    required = series[target["series"]]["values"] if isinstance(target, dict) else [target] * 100
    pairs = zip(series[args["returns"]["series"]]["values"], required, strict=False)
    excess = [change - less for change, less in pairs if "NaN" not in (change, less)]
    assert same(sortino(excess, PERIODS[args["period"]]), args["expected"])


def test_every_case_of_empyrical_is_here_or_not_ours() -> None:
    assert {case["function"] for case in EMPYRICAL["cases"]} == OURS | OTHERS
