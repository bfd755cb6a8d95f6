"""Valuations with kept months: what they would be without, whatever changes, and whoever is slow."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import boto3
import msgspec
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.market import Market
from cryptopulse.aws.portfolios import Edit, Portfolios, Reader
from cryptopulse.aws.valuations import Valuations
from cryptopulse.domain.bookkeeping import moves
from cryptopulse.domain.candles import DAY, HOUR
from cryptopulse.domain.ledgers import Limits
from cryptopulse.domain.portfolios import Kind, Portfolio
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Bar, Candles
from cryptopulse.domain.times import Time, month_of, month_start
from cryptopulse.domain.transactions import Mark, Transaction, new_id
from cryptopulse.domain.valuation import Inventory, Valuation, valuation
from cryptopulse.errors import NotFoundError, ThrottledError
from tests.functional.conftest import Filled


def at(time: str) -> int:
    return int(Time.parse(time))


USER = "1" * 32
A, B = "a" * 32, "b" * 32
FIRST = at("2025-01-01")
NOW = at("2025-09-10T10:00:03Z")
SMALL = Limits(tail=6, kept=2, block=5, recent=6)
BTC, ETH, DEAD, LATE, RATE, DOLLAR = (
    Series("coinbase", each) for each in ("BTC-USD", "ETH-USD", "DEAD-USDT", "LATE-USD", "USDT-EUR", "USDT-USD")
)
SPANS = {
    BTC: ("2025-01-01", "2025-09-10"),
    ETH: ("2025-01-01", "2025-09-10"),
    DEAD: ("2025-01-01", "2025-03-10"),
    LATE: ("2025-06-20", "2025-09-10"),
    RATE: ("2025-01-01", "2025-09-10"),
    DOLLAR: ("2025-01-01", "2025-09-10"),
}
ASSETS = "BTC", "ETH", "DEAD", "LATE", "NOBODYS"
QUIET = range(at("2025-04-28"), at("2025-05-03"), DAY)
"""Days on which nobody traded ETH."""
KINDS: tuple[Kind, ...] = ("buy", "sell", "trade", "deposit", "withdrawal", "reward", "fee")


def told(series: Series, step: int, start: int, end: int, prices: Callable[[int], int]) -> Candles:
    starts = [each for each in range(start, end, step) if not (series == ETH and each - each % DAY in QUIET)]
    bars = [Bar(each, close, close, close, close, 100) for each, close in zip(starts, map(prices, starts), strict=True)]
    return Candles(series.symbol, 2, 3, start, end, end, bars)


def price(series: Series, start: int) -> int:
    """In cents; a day and its last hour have one close."""
    start -= 23 * HOUR if start % DAY == 23 * HOUR else 0
    return random.Random(f"{series}{start}").randrange(50, 150_00)


def fill(market: Market) -> None:
    """Days of all series; hours of some days of two."""
    market.save_series([*SPANS])
    for series, (start, end) in SPANS.items():
        market.merge(series, "1d", told(series, DAY, at(start), at(end), lambda each: price(series, each)))  # noqa: B023
        for day in (at("2025-02-03"), at("2025-07-31")):
            if series in (BTC, RATE):
                market.merge(series, "1h", told(series, HOUR, day, day + DAY, lambda each: price(series, each)))  # noqa: B023


@pytest.fixture(autouse=True)
def market(filled: Filled) -> None:
    filled(fill)


@pytest.fixture
def table(aws: boto3.Session) -> Table:
    table = Table(Client("dynamodb", wiring.account()), "Accounts")
    table.put({"pk": f"USER#{USER}", "sk": "ACCOUNT", "version": 1})
    return table


def portfolio(id_: str, **fields: Any) -> Portfolio:
    made: dict[str, Any] = {
        "id": id_,
        "name": "Main",
        "base_currency": "USD",
        "cost_basis": "fifo",
        "created_at": FIRST,
        "updated_at": FIRST,
        "version": 1,
    }
    return Portfolio(**made | fields)


class Owner:
    """Somebody with portfolios, and an eye on what they are worth."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.portfolios = Portfolios(table, SMALL)
        self.valuations = Valuations(table, wiring.quotes())
        self.now = NOW
        self._made = 0
        for id_ in (A, B):
            self.portfolios.add(USER, portfolio(id_), None)

    def transaction(self, kind: Kind, asset: str, quantity: str, time: int, **more: Any) -> Transaction:
        self._made += 1
        if kind in ("buy", "sell"):
            more = {"price": Decimal("70.5"), "currency": "USD"} | more
        return Transaction(
            id=new_id(time, NOW, self._made, 0),
            type=kind,
            asset=asset,
            quantity=Decimal(quantity),
            time=time,
            created_at=NOW,
            updated_at=NOW,
            **more,
        )

    def edit(self, **edits: Edit) -> None:
        """By the letters of portfolios."""
        self.portfolios.edit(USER, {letter * 32: edit for letter, edit in edits.items()}, self.now, tolerant=True)

    def enter(self, kind: Kind, asset: str, quantity: str, time: str, **more: Any) -> Transaction:
        tx = self.transaction(kind, asset, quantity, at(time), **more)
        self.edit(a=Edit(add=[tx]))
        return tx

    def read(self, id_: str = A) -> Reader:
        return self.portfolios.read(USER, id_)

    def check(self, start: int | None = None, end: int | None = None, reader: Reader | None = None) -> Valuation:
        """What it is worth, after a look at whether that is what a valuation from scratch says."""
        reader = reader or self.read()
        until = end or self.now
        from_ = (reader.first or 0) if start is None else start
        found = self.valuations.over(USER, reader, from_, until, self.now)
        assert found == scratch(reader, from_, until, self.now)
        return found

    def kept(self, letter: str = "a") -> list[str]:
        """The months that are kept of a portfolio."""
        prefix = f"DAYS#{letter * 32}#"
        return [item["sk"].removeprefix(prefix) for item in self.table.query(f"USER#{USER}", prefix, f"{prefix}~")]


def scratch(reader: Reader, start: int, end: int, now: int) -> Valuation:
    """A valuation that knows of no months."""
    base, first = reader.portfolio.base_currency, reader.first
    inventory = Inventory.after(reader.transactions(0, start), base)
    transactions = list(reader.transactions(start, end))
    assets = {*inventory.quantities, *(asset for tx in transactions for asset, _ in moves(tx))}
    since = end if first is None else min(month_start(month_of(first)), end)
    times = {tx.time for tx in transactions}
    quotes = wiring.quotes().span(assets, base, max(start, since), end, times, now, since)
    return valuation(inventory, transactions, quotes, base, start, end)


@pytest.fixture
def owner(table: Table) -> Owner:
    return Owner(table)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts calls, as `made` the months written (their first pieces), by table the keys asked for in batches."""
    counted: Counter[str] = Counter()
    call = Client.call

    def counting(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        counted[operation] += 1
        counted["made"] += operation == "PutItem" and body["Item"]["sk"]["S"].startswith("DAYS#")
        for table, page in body["RequestItems"].items() if operation == "BatchGetItem" else ():
            counted[table] += len(page["Keys"])
        return call(client, operation, body)

    monkeypatch.setattr(Client, "call", counting)
    return counted


def held(owner: Owner) -> None:
    """Something of everything, from January on."""
    owner.enter("buy", "BTC", "2", "2025-01-15T08:00:00Z")
    owner.enter("buy", "BTC", "0.1", "2025-01-16", fee=Decimal("0.01"), fee_asset="ETH")
    owner.enter("buy", "DEAD", "10", "2025-01-20")
    owner.enter("withdrawal", "BTC", "0.1", "2025-02-01")
    owner.enter("buy", "ETH", "3", "2025-02-03T09:30:00Z")
    owner.enter("reward", "LATE", "5", "2025-03-31T23:59:59Z", marks={"LATE": Mark(Decimal(3), FIRST)})
    owner.enter("sell", "BTC", "0.5", "2025-05-01T00:00:00Z")
    owner.enter("trade", "ETH", "1", "2025-07-31T12:00:00Z", counter_asset="BTC", counter_quantity=Decimal("0.1"))


MONTHS = ["2025-01", "2025-02", "2025-03", "2025-04", "2025-05", "2025-06", "2025-07", "2025-08"]


def test_months_are_valued_once(owner: Owner, calls: Counter[str]) -> None:
    held(owner)
    calls.clear()
    reader = owner.read()
    first = owner.valuations.over(USER, reader, FIRST, NOW, NOW)
    assert (calls["made"], owner.kept()) == (8, MONTHS)
    many = calls.copy()
    calls.clear()
    again = owner.valuations.over(USER, reader, FIRST, NOW, NOW)
    assert (again, calls["made"]) == (first, 0)
    assert (many["Accounts"], calls["Accounts"]) == (3, 1)  # of transactions only the first block, for its time
    owner.check()


@pytest.mark.parametrize(
    ("time", "made"), [("2025-06-15", 3), ("2025-05-31T23:59:59.999Z", 4), ("2025-08-01", 1), ("2025-09-01", 0)]
)
def test_an_edit_drops_the_months_from_its_own_on(owner: Owner, calls: Counter[str], time: str, made: int) -> None:
    held(owner)
    owner.check()
    tx = owner.enter("buy", "BTC", "1", time)
    calls.clear()
    owner.check()
    assert calls["made"] == made
    owner.edit(a=Edit(remove=[tx.id]))
    calls.clear()
    owner.check()
    assert calls["made"] == made


def test_a_transaction_that_moves_drops_the_months_from_the_earlier_time_on(owner: Owner, calls: Counter[str]) -> None:
    held(owner)
    tx = owner.enter("sell", "BTC", "1", "2025-07-15")
    for time in ("2025-04-15", "2025-07-20"):
        owner.check()
        moved = msgspec.structs.replace(tx, time=at(time))
        owner.edit(a=Edit(remove=[tx.id], add=[moved]))
        calls.clear()
        owner.check()
        assert calls["made"] == 5


def test_what_changes_no_value_drops_nothing(owner: Owner, calls: Counter[str]) -> None:
    held(owner)
    moved = owner.transaction("transfer", "BTC", "0.5", at("2025-03-05"), to_portfolio_id=B)
    owner.edit(a=Edit(add=[moved]), b=Edit(add=[moved.received(A)]))
    owner.check()
    owner.check(reader=owner.read(B))
    calls.clear()
    owner.portfolios.change(USER, A, lambda own: setattr(own, "name", "Other"))
    owner.portfolios.change(USER, A, lambda own: setattr(own, "cost_basis", "lifo"))  # other lots go over to B
    owner.check()
    owner.check(reader=owner.read(B))
    assert calls["made"] == 0


def test_another_base_currency_changes_all_values(owner: Owner) -> None:
    held(owner)
    dollars = owner.check()
    owner.portfolios.change(
        USER, A, lambda own: setattr(own, "base_currency", "EUR"), lambda _, all_: [euros(tx) for tx in all_]
    )
    assert owner.check().days[40].value != dollars.days[40].value


def euros(tx: Transaction) -> Transaction:
    """The same, marked in euros."""
    marks = {code: Mark(Decimal("0.9"), tx.time) for code in (*tx.marks, "USD")}
    return msgspec.structs.replace(tx, marks=marks)


def test_missing_prices_are_looked_for_again_after_a_day(owner: Owner, calls: Counter[str]) -> None:
    owner.enter("buy", "BTC", "1", "2025-01-15")
    owner.enter("buy", "ETH", "1", "2025-02-03")  # has none in the last days of April and the first of May
    owner.enter("buy", "NOBODYS", "1", "2025-02-04")  # can have none
    for later, made in ((0, 8), (DAY - 1, 0), (DAY, 2)):
        owner.now = NOW + later
        calls.clear()
        owner.check()
        assert calls["made"] == made
    missing = told(BTC, DAY, QUIET.start, QUIET.stop, lambda _: 50_00)
    wiring.market().merge(ETH, "1d", msgspec.structs.replace(missing, symbol="ETH-USD"))
    owner.now += DAY
    before = owner.valuations.over(USER, owner.read(), QUIET.start, QUIET.stop, NOW).days
    calls.clear()
    after = owner.check(QUIET.start, QUIET.stop).days
    assert [calls["made"], *(day.value for day in after)] != [0, *(day.value for day in before)]


def test_a_month_is_kept_two_days_after_its_end(owner: Owner) -> None:
    owner.enter("buy", "BTC", "1", "2025-06-15")
    for now, kept in (("2025-08-02T23:59:59.999Z", ["2025-06"]), ("2025-08-03", ["2025-06", "2025-07"])):
        owner.now = at(now)
        owner.check()
        assert owner.kept() == kept


def test_what_is_followed_anew_is_priced_anew(owner: Owner, calls: Counter[str]) -> None:
    owner.enter("buy", "BTC", "1", "2025-03-15")
    owner.enter("buy", "NOBODYS", "1", "2025-06-15")
    owner.check()
    wiring.market().save_series([*SPANS, Series("coinbase", "NOBODYS-USD")])
    wiring.clear()
    owner.valuations = Valuations(owner.table, wiring.quotes())
    calls.clear()
    owner.check()
    assert calls["made"] == 3


PERIODS = [
    ("2025-02-01", "2025-06-01"),
    ("2025-02-03T09:30:00Z", "2025-02-03T09:30:01Z"),
    ("2025-03-14T15:09:26Z", "2025-08-05T03:05:08Z"),
    ("2024-11-20T10:00:00Z", "2025-01-15T08:00:00Z"),
    ("2024-11-20T10:00:00Z", "2025-02-20"),
    ("2025-05-01", "2025-05-02"),
    ("2025-01-15T08:00:00.001Z", "2025-01-31"),
    ("2025-08-01", "2025-09-01"),
    ("2025-09-02T01:00:00Z", "2025-09-10T10:00:03Z"),
    ("2025-09-10", "2025-09-10T10:00:03Z"),
]


@pytest.mark.parametrize(("start", "end"), PERIODS)
@pytest.mark.parametrize("known", [[], [("2025-01-15T08:00:00Z", "2025-09-10T10:00:03Z")], PERIODS])
def test_any_period_is_as_from_scratch(owner: Owner, start: str, end: str, known: list[tuple[str, str]]) -> None:
    held(owner)
    for period in (*known, (start, end), (start, end)):
        owner.check(at(period[0]), at(period[1]))


def test_a_late_period_needs_only_the_month_before(owner: Owner, calls: Counter[str]) -> None:
    held(owner)
    owner.check(at("2025-08-20"))
    assert owner.kept() == ["2025-07"]
    calls.clear()
    for start in ("2025-08-20", "2025-08-21", "2025-08-01T00:00:00.001Z"):
        owner.valuations.over(USER, owner.read(), at(start), NOW, NOW)
    assert calls["made"] == 0


def test_the_last_price_counts_however_old_it_is(owner: Owner) -> None:
    held(owner)
    last = Decimal(price(DEAD, at("2025-03-09"))).scaleb(-2)
    for _ in range(2):
        told = owner.check(at("2025-08-10"), at("2025-08-11"))
        rate = Decimal(price(DOLLAR, at("2025-08-10"))).scaleb(-2)
        assert (told.shares["DEAD"].closing, told.unpriced) == (10 * last * rate, [])


@pytest.mark.parametrize("start", [None, at("2025-01-01"), at("2025-06-02")])
def test_an_empty_portfolio_keeps_nothing(owner: Owner, start: int | None) -> None:
    owner.check(start or NOW - 1)
    assert owner.kept() == []


# --- at once ---


def test_who_is_slow_harms_nobody(owner: Owner, calls: Counter[str]) -> None:
    held(owner)
    slow = owner.read()
    owner.enter("buy", "BTC", "1", "2025-04-10")
    fast = owner.read()
    owner.check(reader=slow)
    calls.clear()
    owner.check(reader=fast)
    assert calls["made"] == 5  # from April on; the others are of an older version, but not another
    owner.check(reader=slow)
    owner.check(reader=fast)


def test_months_of_a_removed_portfolio_go_with_it(owner: Owner) -> None:
    held(owner)
    owner.check()
    owner.edit(b=Edit(add=[owner.transaction("buy", "ETH", "1", at("2025-07-01"))]))
    owner.check(reader=owner.read(B))
    owner.portfolios.remove(USER, A, lambda _: None)
    assert (owner.kept("a"), owner.kept("b")) == ([], ["2025-07", "2025-08"])
    with pytest.raises(NotFoundError):
        owner.read()


def test_what_cannot_be_kept_is_told_all_the_same(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held(owner)
    call = Client.call

    def throttled(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "PutItem":
            raise ThrottledError("ProvisionedThroughputExceededException", "Too fast.")
        return call(client, operation, body)

    monkeypatch.setattr(Client, "call", throttled)
    owner.check()
    assert owner.kept() == []
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["months not kept"]


def test_what_was_done_before_a_failure_is_not_done_again(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, calls: Counter[str]
) -> None:
    monkeypatch.setattr("cryptopulse.aws.valuations.AT_ONCE", 3)
    held(owner)
    calls.clear()
    call = Client.call

    def failing(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if calls["made"] == 3 and operation == "BatchGetItem":
            raise ThrottledError("ThrottlingException", "Too fast.")
        return call(client, operation, body)

    with monkeypatch.context() as patch:
        patch.setattr(Client, "call", failing)
        with pytest.raises(ThrottledError):
            owner.check()
    assert owner.kept() == MONTHS[:3]
    calls.clear()
    owner.check()
    assert (calls["made"], owner.kept()) == (5, MONTHS)


def test_who_may_not_write_does_not(owner: Owner) -> None:
    held(owner)
    reader = owner.read()
    found = owner.valuations.over(USER, reader, FIRST, NOW, NOW, keeps=False)
    assert (found, owner.kept()) == (scratch(reader, FIRST, NOW, NOW), [])


# --- large months ---


def test_a_large_month_is_in_pieces(
    owner: Owner, table: Table, monkeypatch: pytest.MonkeyPatch, calls: Counter[str]
) -> None:
    monkeypatch.setattr("cryptopulse.aws.valuations.PIECE", 700)
    held(owner)
    owner.check()
    pieces = [name for name in owner.kept() if name.startswith("2025-02")]
    assert pieces == ["2025-02", "2025-02#1"]
    calls.clear()
    owner.check()
    assert calls["made"] == 0
    second = table.get(f"USER#{USER}", f"DAYS#{A}#2025-02#1")
    assert second is not None
    spoilt: list[Callable[[], None]] = [
        lambda: table.delete(f"USER#{USER}", f"DAYS#{A}#2025-02#1"),
        lambda: table.put({**second, "salt": "another"}),
        lambda: table.delete(f"USER#{USER}", f"DAYS#{A}#2025-02"),
    ]
    for spoil in spoilt:
        spoil()
        calls.clear()
        owner.check()
        assert calls["made"] == len(pieces)


def test_a_month_that_is_too_large_is_not_kept(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cryptopulse.aws.valuations.PIECE", 700)
    monkeypatch.setattr("cryptopulse.aws.valuations.PIECES", 1)
    held(owner)
    for _ in range(2):
        owner.check()
        assert owner.kept() == ["2025-01"]


# --- anything, in any order ---


class Chance(Owner):
    """Does what users may do, by chance."""

    def __init__(self, table: Table, seed: int) -> None:
        super().__init__(table)
        self.random = random.Random(seed)

    def moment(self) -> int:
        time = self.random.randrange(FIRST, self.now)
        return self.random.choice([time, time - time % HOUR, time - time % DAY, month_start(month_of(time))])

    def make(self) -> Transaction:
        kind, (asset, counter) = self.random.choice(KINDS), self.random.sample(ASSETS, 2)
        more: dict[str, Any] = {}
        if kind == "trade":
            more = {"counter_asset": counter, "counter_quantity": self.amount()}
        if kind != "fee" and self.random.random() < 0.3:
            more |= {"fee": self.amount() / 100, "fee_asset": self.random.choice(["USD", *ASSETS])}
        marked = self.random.sample(ASSETS, self.random.randrange(3))
        time = self.moment()
        marks = {code: Mark(self.amount(), time) for code in marked}
        return self.transaction(kind, asset, str(self.amount()), time, marks=marks, **more)

    def amount(self) -> Decimal:
        return Decimal(self.random.randrange(1, 10**6)).scaleb(-4)

    def some(self, letter: str) -> list[Transaction]:
        own = [tx for tx in self.read(letter * 32).transactions() if tx.type != "transfer"]
        return self.random.sample(own, min(len(own), self.random.randrange(3)))

    def add(self, letter: str) -> None:
        self.edit(**{letter: Edit(add=[self.make() for _ in range(self.random.randrange(1, 9))])})

    def remove(self, letter: str) -> None:
        self.edit(**{letter: Edit(remove=[tx.id for tx in self.some(letter)])})

    def move(self, letter: str) -> None:
        moved = [msgspec.structs.replace(tx, time=self.moment()) for tx in self.some(letter)]
        self.edit(**{letter: Edit(remove=[tx.id for tx in moved], add=moved)})

    def transfer(self, letter: str) -> None:
        other = {"a": "b", "b": "a"}[letter]
        tx = self.transaction(
            "transfer", self.random.choice(ASSETS), str(self.amount()), self.moment(), to_portfolio_id=other * 32
        )
        self.edit(**{letter: Edit(add=[tx]), other: Edit(add=[tx.received(letter * 32)])})

    def recall(self, letter: str) -> None:
        sent = [tx for tx in self.read(letter * 32).transactions() if tx.type == "transfer"]
        if sent:
            tx = self.random.choice(sent)
            self.edit(a=Edit(remove=[tx.id]), b=Edit(remove=[tx.id]))

    def rebook(self, letter: str) -> None:
        method = self.random.choice(["fifo", "lifo", "hifo", "acb"])
        self.portfolios.change(USER, letter * 32, lambda own: setattr(own, "cost_basis", method))

    def begin_anew(self, letter: str) -> None:
        if not any(tx.type == "transfer" for tx in self.read(letter * 32).transactions()):
            self.portfolios.remove(USER, letter * 32, lambda _: None)
            self.portfolios.add(USER, portfolio(letter * 32), None)

    def wait(self, _: str) -> None:
        self.now += self.random.choice([HOUR, DAY, 20 * DAY])

    def look(self, letter: str, reader: Reader | None = None) -> None:
        reader = reader or self.read(letter * 32)
        start, end = sorted((self.moment(), self.moment() + 1))
        if self.random.random() < 0.5:
            start, end = reader.first or start, self.now
        if start < end:
            self.check(start, end, reader)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_changes_the_value_is_as_from_scratch(table: Table, calls: Counter[str], seed: int) -> None:
    chance = Chance(table, seed)
    doing = [chance.add] * 4 + [chance.remove, chance.move, chance.transfer, chance.recall, chance.rebook, chance.wait]
    for _ in range(20):
        letter = chance.random.choice("ab")
        slow = chance.read(letter * 32)
        chance.random.choice([*doing, chance.begin_anew])(letter)
        if chance.random.random() < 0.3 and chance.read(letter * 32).portfolio.version >= slow.portfolio.version:
            chance.look(letter, slow)
        for _ in range(2):
            chance.look(chance.random.choice("ab"))
    for each in ("a", "b"):
        chance.check(reader=chance.read(each * 32)) if chance.read(each * 32).count else None
    assert calls["made"]
