"""Transactions to holdings, gains and performance: against the same with pandas, and as there are more of them.

Both begin with what a request has read: the transactions, and the closes of the days and of the hours of flows. Both
tell the gain of each lot, and link the return at each flow. The plain reference is what one would write with pandas for
exact money: columns of Decimals, days as whole tables, and what depends on what was before row by row: lots, and the
values around flows, each a product of two series. It tells less: nothing of each asset, no days without a price, no
digits beyond the context's 28. An expert's is printed too, which finds the values around all flows in whole tables, and
the same with floats.
"""

import gc
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from math import isclose, log
from statistics import linear_regression, median
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench._ledger import large_vs_small
from cryptopulse.domain.bookkeeping import enter
from cryptopulse.domain.candles import DAY, HOUR, floor
from cryptopulse.domain.lots import Book, Match
from cryptopulse.domain.portfolios import Kind
from cryptopulse.domain.quotes import Closes, History, Leg, Quotes
from cryptopulse.domain.reports import Holdings, PerformanceView, Year
from cryptopulse.domain.returns import YEAR
from cryptopulse.domain.series import Series
from cryptopulse.domain.transactions import Mark, Transaction, new_id
from cryptopulse.domain.valuation import Inventory, valuation
from cryptopulse.telemetry import COLLECTED

START, DAYS = 19_723 * DAY, 1096
"""2024-01-01, and the days from then on."""
END = START + DAYS * DAY
HOURS_FROM = START + 366 * DAY
"""Hours are kept for two years."""
ASSETS = [f"COIN{number:02}" for number in range(50)]
COUNTS = 10_000, 20_000, 40_000
TURNS = 3
ENOUGH, LINEAR, TWICE = 5, 1.15, 2

KINDS: tuple[Kind, ...] = ("buy", "sell", "trade", "reward")

type Closed = dict[tuple[str, int], int]
"""Closes in cents, by asset and start."""


class Work(NamedTuple):
    """What there is to report on."""

    transactions: list[Transaction]
    days: Closed
    hours: Closed


def work(count: int) -> Work:
    """Purchases, sales, trades and rewards at random times, at about the market's prices."""
    chosen = random.Random(count)
    days: Closed = {}
    for asset in ASSETS:
        dollars = chosen.uniform(1, 1000)
        for day in range(START - DAY, END, DAY):
            days[asset, day] = round(100 * dollars)
            dollars = max(dollars * chosen.uniform(0.95, 1.054), 0.5)
    times = sorted(chosen.randrange(START, END) for _ in range(count))
    hours = {
        (asset, hour): round(days[asset, floor(hour, DAY)] * (chosen.uniform(0.98, 1.02) if (hour + HOUR) % DAY else 1))
        for hour in sorted({floor(time, HOUR) for time in times if time >= HOURS_FROM})
        for asset in ASSETS
    }
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    transactions = []
    for place, moment in enumerate(times):
        asset, other = chosen.sample(ASSETS, 2)
        hour, day = floor(moment, HOUR), floor(moment, DAY)
        cents = {each: hours.get((each, hour), days[each, day]) for each in (asset, other)}
        kind: Kind = chosen.choices(KINDS, (45, 40, 10, 5))[0]
        if kind in ("sell", "trade") and held[asset] < 1:
            kind = "buy"
        quantity = Decimal(chosen.randrange(10**4, 10**6)).scaleb(-4)
        more: dict[str, Any] = {}
        if kind in ("sell", "trade"):
            quantity = round(held[asset] * chosen.randrange(1, 6) / 100, 8)
        if kind in ("buy", "sell"):
            price, fee = Decimal(cents[asset] * chosen.randrange(990, 1010)).scaleb(-5), chosen.randrange(1, 300)
            more = {"price": price, "currency": "USD", "fee": Decimal(fee).scaleb(-2), "fee_asset": "USD"}
        if kind == "trade":
            received = round(quantity * cents[asset] / cents[other], 8)
            more = {"counter_asset": other, "counter_quantity": received}
            held[other] += received
        held[asset] += -quantity if kind in ("sell", "trade") else quantity
        marks = {each: Mark(Decimal(cents[each]).scaleb(-2), moment) for each in (asset, other)}
        transactions.append(
            Transaction(
                id=new_id(moment, moment, place, 0),
                type=kind,
                asset=asset,
                quantity=quantity,
                time=moment,
                created_at=moment,
                updated_at=moment,
                marks=marks,
                **more,
            )
        )
    return Work(transactions, days, hours)


class Report(NamedTuple):
    """What both must agree on."""

    value: float
    cost: float
    gain_short: float
    gain_long: float
    gain: float
    twr: float
    mwr: float
    max_drawdown: float
    volatility: float
    sharpe: float
    sortino: float


# --- ours ---


def quotes_of(given: Work) -> Quotes:
    """The closes as a request has read them."""
    series = {asset: Series("coinbase", f"{asset}-USD") for asset in ASSETS}
    histories = {each: History(END + DAY, END + DAY) for each in series.values()}
    for step, closes in ((DAY, given.days), (HOUR, given.hours)):
        by_asset: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for (asset, start), close in closes.items():
            by_asset[asset][start] = close
        for asset, rows in by_asset.items():
            histories[series[asset]].add(step, Closes(2, list(rows), list(rows.values())))
    return Quotes({asset: (Leg(each),) for asset, each in series.items()}, histories)


def ours(given: Work, quotes: Quotes) -> Report:
    """Through the functions that the API's routes call."""
    book, matches = Book("fifo"), list[Match]()
    for tx in given.transactions:
        matches += enter(book, tx, "USD").matches
    marks = {asset: Mark(quote.price, quote.time) for asset in ASSETS if (quote := quotes.last(asset, END))}
    totals = Holdings.of(book, marks, "USD").totals
    gains = Year(matches, Decimal(0)).totals
    valued = valuation(Inventory(), given.transactions, quotes, "USD", START, END)
    told = PerformanceView.of(valued, "USD", annualize=True)
    figures = (
        totals.value, totals.cost_basis, gains.short, gains.long,
        told.gain, told.twr, told.mwr, told.max_drawdown.value, told.volatility, told.sharpe, told.sortino,
    )  # fmt: skip
    return Report(*(float(figure) for figure in figures if figure is not None))


# --- with pandas ---


class Frames(NamedTuple):
    """The same as tables."""

    transactions: pd.DataFrame
    marks: pd.DataFrame
    days: pd.DataFrame
    hours: pd.DataFrame


def frames_of(given: Work, number: Callable[[Any], Any]) -> Frames:
    """All amounts are of one type: Decimal or float."""
    columns = ("id", "time", "type", "asset", "counter_asset")
    amounts = ("quantity", "price", "fee", "counter_quantity")
    rows = [
        [*(getattr(tx, name) for name in columns), *(number(getattr(tx, name) or 0) for name in amounts)]
        for tx in given.transactions
    ]
    marks = [(tx.id, code, number(mark.price)) for tx in given.transactions for code, mark in tx.marks.items()]
    days, hours = (
        [(asset, start, number(Decimal(close).scaleb(-2))) for (asset, start), close in closes.items()]
        for closes in (given.days, given.hours)
    )
    return Frames(
        pd.DataFrame(rows, columns=[*columns, *amounts]),
        pd.DataFrame(marks, columns=["id", "asset", "price"]),
        pd.DataFrame(days, columns=["asset", "time", "close"]),
        pd.DataFrame(hours, columns=["asset", "time", "close"]),
    )


def lots(frames: Frames, number: Callable[[Any], Any]) -> tuple[pd.DataFrame, dict[str, deque[list[Any]]]]:
    """First in, first out: the gain of each part of a disposal, and the lots that are left."""
    marked = frames.transactions.merge(frames.marks.rename(columns={"price": "mark"}), on=["id", "asset"])
    held: dict[str, deque[list[Any]]] = defaultdict(deque)
    matches, dust = [], number(Decimal("1E-9"))
    for tx in marked.itertuples(index=False):
        value = tx.quantity * (tx.price or tx.mark)
        if tx.type in ("sell", "trade"):
            left = tx.quantity
            while left > dust and held[tx.asset]:
                lot = held[tx.asset][0]
                taken = min(lot[0], left)
                cost = lot[1] * taken / lot[0]
                matches.append((tx.asset, taken, lot[2], tx.time, (value - tx.fee) * taken / tx.quantity, cost))
                lot[0], lot[1], left = lot[0] - taken, lot[1] - cost, left - taken
                if lot[0] <= dust:
                    held[tx.asset].popleft()
        else:
            held[tx.asset].append([tx.quantity, value + tx.fee, tx.time])
        if tx.type == "trade":
            held[tx.counter_asset].append([tx.counter_quantity, value, tx.time])
    gains = pd.DataFrame(matches, columns=["asset", "quantity", "acquired", "disposed", "proceeds", "cost"])
    gains["gain"] = gains.proceeds - gains.cost
    days = {name: pd.to_datetime(gains[name], unit="ms").dt.normalize() for name in ("acquired", "disposed")}
    gains["is_long"] = days["disposed"] > days["acquired"] + pd.DateOffset(years=1)
    return gains, held


def signs(transactions: pd.DataFrame, number: Callable[[Any], Any]) -> pd.Series:
    one = number(1)
    return transactions.type.map({"buy": one, "reward": one, "sell": -one, "trade": -one})


def quantities(frames: Frames, number: Callable[[Any], Any]) -> pd.DataFrame:
    """What there is of each asset after each transaction."""
    transactions = frames.transactions
    given = transactions[["id", "asset"]].assign(change=transactions.quantity * signs(transactions, number))
    trades = transactions[transactions.type == "trade"]
    received = trades[["id", "counter_asset", "counter_quantity"]].set_axis(["id", "asset", "change"], axis=1)
    changes = pd.concat([given, received]).pivot(index="id", columns="asset", values="change")
    return changes.fillna(number(0)).cumsum()  # ids are in the order of time


def prices_at(frames: Frames, days: pd.DataFrame) -> pd.DataFrame:
    """The prices at each transaction: its own, else of the hour, else of the day."""
    moment = frames.transactions.set_index("id").time
    hours = frames.hours.pivot(index="time", columns="asset", values="close")
    prices = frames.marks.pivot(index="id", columns="asset", values="price")
    prices = prices.fillna(hours.reindex(moment // HOUR * HOUR).set_axis(moment.index))
    return prices.fillna(days.reindex(moment // DAY * DAY).set_axis(moment.index))


def row_by_row(after: pd.DataFrame, prices: pd.DataFrame, zero: Any) -> pd.DataFrame:
    """The values before and after each transaction, as one would write it first."""
    held, values = pd.Series(zero, index=after.columns, dtype=object), []
    for id_, row in prices.iterrows():
        before, held = (held * row).sum(), after.loc[id_]
        values.append((before, (held * row).sum()))
    return pd.DataFrame(values, columns=["before", "after"])


def in_whole_tables(after: pd.DataFrame, prices: pd.DataFrame, zero: Any) -> pd.DataFrame:
    """The same, one row for each transaction and one column for each asset."""
    before = (after.shift(fill_value=zero) * prices).sum(axis=1)
    return pd.DataFrame({"before": before.to_numpy(), "after": (after * prices).sum(axis=1).to_numpy()})


def with_pandas(frames: Frames, number: Callable[[Any], Any], around: Callable[..., pd.DataFrame]) -> Report:
    """The report; `around` tells the values around transactions."""
    zero, one = number(0), number(1)
    gains, held = lots(frames, number)
    by_term = gains.groupby("is_long").gain.sum()

    transactions = frames.transactions
    moment = transactions.set_index("id").time
    days = frames.days.pivot(index="time", columns="asset", values="close")
    after = quantities(frames, number)
    paid = transactions.quantity * transactions.price * signs(transactions, number) + transactions.fee
    flows = around(after, prices_at(frames, days), zero).assign(
        day=(moment // DAY * DAY).to_numpy(), time=moment.to_numpy(), amount=paid.to_numpy()
    )
    flows = flows[flows.amount != 0]
    whole = range(START, END, DAY)
    standing = after.set_axis(moment // DAY * DAY).groupby(level=0).last().reindex(whole).ffill().fillna(zero)
    closes = (standing * days.reindex(whole)).sum(axis=1)

    opening = closes.shift(fill_value=zero)
    earlier = flows.after.groupby(flows.day).shift()
    earlier = earlier.where(earlier.notna(), flows.day.map(opening))
    since = (flows.before / earlier.where(earlier != 0, one)).where(earlier != 0, one)
    contributed, withdrawn = flows.amount.where(flows.amount > 0, zero), -flows.amount.where(flows.amount < 0, zero)
    links = since * (flows.after + withdrawn) / (flows.before + contributed)
    latest = flows.groupby("day").after.last().reindex(whole)
    latest = latest.where(latest.notna(), opening)
    until = (closes / latest.where(latest != 0, one)).where(latest != 0, one)
    growth = (links.groupby(flows.day).prod().reindex(whole).fillna(one) * until).astype(float)
    growth = growth[(opening != 0) | growth.index.isin(flows.day)]
    index, returns = growth.cumprod(), growth - 1
    deviation, downside = returns.std(), np.sqrt((returns.clip(upper=0) ** 2).mean())
    return Report(
        value=float(closes.iloc[-1]),
        cost=float(sum(lot[1] for each in held.values() for lot in each)),
        gain_short=float(by_term[False]),
        gain_long=float(by_term[True]),
        gain=float(closes.iloc[-1] - flows.amount.sum()),
        twr=index.iloc[-1] - 1,
        mwr=_xirr(np.append(flows.time, END), np.append(-flows.amount.astype(float), float(closes.iloc[-1]))),
        max_drawdown=(1 - index / index.cummax().clip(lower=1)).max(),
        volatility=deviation * np.sqrt(365),
        sharpe=returns.mean() / deviation * np.sqrt(365),
        sortino=returns.mean() / downside * np.sqrt(365),
    )


def _xirr(times: Any, amounts: Any) -> float:
    """Newton's method, from 10 %."""
    years, rate = (times - times[0]) / YEAR, 0.1
    for _ in range(100):
        discounts = (1 + rate) ** -years
        step = (amounts @ discounts) / (amounts @ (-years * discounts / (1 + rate)))
        rate -= step
        if abs(step) < 1e-14:
            break
    return float(rate)


# --- the comparison ---


def took(make: Callable[[], Report]) -> tuple[float, Report]:
    """CPU seconds, and what was made; garbage is collected as in our functions."""
    gc.set_threshold(*COLLECTED)
    gc.collect()
    gc.freeze()  # what was made before is not looked through again
    began = time.process_time()
    made = make()
    return time.process_time() - began, made


def ratio(given: Work) -> float:
    """How many times more CPU it takes with pandas."""
    exact, rough = frames_of(given, Decimal), frames_of(given, float)
    sides: dict[str, Callable[[], Report]] = {
        "pandas": lambda: with_pandas(exact, Decimal, row_by_row),
        "pandas in whole tables": lambda: with_pandas(exact, Decimal, in_whole_tables),
        "with floats": lambda: with_pandas(rough, float, in_whole_tables),
    }
    costs: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(TURNS):
        quotes = quotes_of(given)  # they keep their rows in order once they are looked at
        made = {"ours": took(partial(ours, given, quotes))} | {name: took(make) for name, make in sides.items()}
        for name, (seconds, _) in made.items():
            costs[name].append(seconds)
    for other in sides:
        for name, mine, theirs in zip(Report._fields, made["ours"][1], made[other][1], strict=True):
            assert isclose(mine, theirs, rel_tol=1e-9), f"{name}: {mine} is not {theirs}"
    told = {name: median(each) for name, each in costs.items()}
    count = len(given.transactions)
    print(f"{count:,} transactions of {len(ASSETS)} assets in {DAYS} days, ms of CPU: ", end="")
    print(", ".join(f"{name} {seconds * 1e3:.0f}" for name, seconds in told.items()))
    print(f"{told['pandas in whole tables'] / told['ours']:.1f} times less than in whole tables")
    return told["pandas"] / told["ours"]


def exponent() -> float:
    """With which power of their number the time of transactions grows."""
    costs = []
    for count in COUNTS:
        given = work(count)
        costs.append(min(took(partial(ours, given, quotes_of(given)))[0] for _ in range(TURNS)))
        print(f"{count:,} transactions: {costs[-1] * 1e3:.0f} ms of CPU")
    return linear_regression([log(count) for count in COUNTS], [log(cost) for cost in costs]).slope


def main() -> None:
    times = ratio(work(COUNTS[0]))
    print(f"figure portfolio.cpu_ratio {times:.1f}")
    power = exponent()
    print(f"figure portfolio.growth_exponent {power:.2f}")
    growth = large_vs_small()
    print(f"figure portfolio.large_vs_small {growth:.2f}")
    if times < ENOUGH or power > LINEAR or growth > TWICE:
        raise SystemExit(f"portfolio misses what it promises: {ENOUGH} times, linear, within {TWICE} times")


if __name__ == "__main__":
    main()
