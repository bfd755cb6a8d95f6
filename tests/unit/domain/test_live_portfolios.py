"""What a portfolio is worth, priced from series: as its holdings say."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.frames import portfolio as told
from cryptopulse.domain.lanes import Lane, SeriesState
from cryptopulse.domain.live_portfolios import LiveHolding, LiveLeg, LivePortfolio, Worth, last_in, priced_by, worth
from cryptopulse.domain.lots import Book
from cryptopulse.domain.portfolios import CURRENCIES, Currency, Portfolio
from cryptopulse.domain.prices import Last
from cryptopulse.domain.quotes import path, product, references
from cryptopulse.domain.reports import Holdings
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.transactions import Mark

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
FOLLOWED = [
    Series("coinbase", "BTC-USD"),
    Series("binance", "BTC-USDT"),
    Series("coinbase", "ETH-EUR"),
    Series("binance", "SOL-USDT"),
    Series("coinbase", "USDT-USD"),
    Series("coinbase", "USDT-EUR"),
    Series("coinbase", "USDT-GBP"),
]
ASSETS = ["BTC", "ETH", "SOL", "USDT", "NOPE"]
BTC, SOL, RATE = LiveLeg("coinbase:BTC-USD", 1, False), LiveLeg("binance:SOL-USDT", 0, False), "coinbase:USDT-USD"


def portfolio(base: Currency) -> Portfolio:
    return Portfolio(id="p", name="", base_currency=base, cost_basis="fifo", created_at=0, updated_at=0, version=7)


amounts = st.decimals("0.000000000000000001", "999999999999999999.999999999999999999", places=18)
prices = st.builds(Last, st.integers(1, 10**14), st.integers(0, 12), st.integers(NOON - 99, NOON))


@given(
    st.sampled_from(CURRENCIES),
    st.dictionaries(st.sampled_from(ASSETS), st.tuples(amounts, amounts)),
    st.dictionaries(st.sampled_from(FOLLOWED), prices),
)
def test_a_portfolio_is_worth_what_its_holdings_say(
    base: Currency, held: dict[str, tuple[Decimal, Decimal]], known: dict[Series, Last]
) -> None:
    book = Book("fifo")
    for asset, (quantity, cost) in held.items():
        book.acquire(asset, quantity, cost, NOON, asset)
    speaking = references(FOLLOWED)
    marks = {}
    for asset in held:
        legs = path(asset, base, speaking)
        quote = None if legs is None else product([(known.get(leg.series), leg.is_inverted) for leg in legs], NOON)
        if quote is not None:
            marks[asset] = Mark(*quote)
    totals = Holdings.of(book, marks, base).totals
    live = LivePortfolio.of(portfolio(base), book.holdings, speaking, 2, 0)
    by_name = {str(series): last for series, last in known.items()}
    found = worth(live, priced_by(by_name.get))
    assert msgspec.json.decode(told("p", found)) | {"time": ""} == {
        "id": "p",
        "time": "",
        "value": totals.value,
        "cost_basis": totals.cost_basis,
        "unrealized": totals.unrealized,
    }
    ways = [path(asset, base, speaking) or () for asset in marks]
    assert found.time == max((known[leg.series].time for legs in ways for leg in legs), default=0)


def test_a_live_portfolio_knows_the_way_to_each_price() -> None:
    book = Book("fifo")
    for asset in ("SOL", "BTC", "USDT", "NOPE"):
        book.acquire(asset, Decimal(2), Decimal(3), NOON, asset)
    series = [Series.parse(name) for name in (BTC.series, SOL.series, RATE)]
    live = LivePortfolio.of(portfolio("USD"), book.holdings, references(series), 2, NOON)
    btc, sol, rate = (LiveLeg(str(each), lane_of(each, 2), is_inverted=False) for each in series)
    assert live == LivePortfolio(
        7,
        NOON,
        tuple(LiveHolding(Decimal(2), Decimal(3), legs) for legs in [(btc,), (sol, rate), (rate,)]),
    )
    assert live.series == {(leg.lane, leg.series) for leg in (btc, sol, rate)}
    assert live.lanes == {leg.lane for leg in (btc, sol, rate)}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({}, Worth(Decimal(0), Decimal(0), NOON)),
        ({BTC.series: Last(250, 2, NOON - 5)}, Worth(Decimal("1.25"), Decimal(9), NOON)),
        ({BTC.series: Last(250, 2, NOON + 5)}, Worth(Decimal("1.25"), Decimal(9), NOON + 5)),
    ],
)
def test_it_is_never_of_a_time_before_it_was_read(last: dict[str, Last], expected: Worth) -> None:
    live = LivePortfolio(1, NOON, (LiveHolding(Decimal("0.5"), Decimal(9), (BTC,)),))
    assert worth(live, priced_by(last.get)) == expected
    assert expected.unrealized == expected.value - expected.cost_basis


def test_prices_are_those_in_the_lanes() -> None:
    live = LivePortfolio(1, NOON, tuple(LiveHolding(Decimal(1), Decimal(1), (leg,)) for leg in (BTC, SOL)))
    lane = Lane(1, series={BTC.series: SeriesState(price_scale=2, price=250, time=NOON)})
    assert last_in({1: lane}, live)(BTC.series) == Last(250, 2, NOON)
    assert last_in({1: lane}, live)(SOL.series) is None
    for state in (SeriesState(), None):
        nothing = Lane(1, series={BTC.series: state} if state else {})
        assert last_in({0: Lane(0), 1: nothing}, live)(BTC.series) is None
