"""What a portfolio's size costs: adding a transaction and reading holdings, in one of 100,000 and in one of 100.

CPU is from the transaction to the items and back to the holdings. Units are counted from the sizes of the items, a
write unit as five read units: what DynamoDB asks for them. Both are over whole rounds of a tail's overflow, with all
that is written and removed then; in the large portfolio over as many as fill a block.
"""

import random
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal

from bench._memory import MemoryTable, size
from cryptopulse.aws.dynamodb import Check, Item, Removal, Write
from cryptopulse.aws.portfolios import Edit, Portfolios
from cryptopulse.domain.ledgers import LIMITS
from cryptopulse.domain.portfolios import Portfolio
from cryptopulse.domain.transactions import Mark, Transaction, new_id

USER, PORTFOLIO = "1" * 32, "2" * 32
START, STEP = 1_600_000_000_000, 1_500_000
ASSETS = [f"COIN{number:02}" for number in range(50)]
SMALL, LARGE = 100, 100_000
ROUND = LIMITS.tail - LIMITS.kept
ROUNDS = LIMITS.block // ROUND + 1
WRITE_UNIT = 5
"""Read units that a write unit costs."""


class AccountsTable(MemoryTable):
    """What Portfolios needs of a table."""

    def put(self, item: Item) -> None:
        self.items[item["pk"], item["sk"]] = item
        self.written += -(-size(item) // 1024)

    def delete(self, pk: str, sk: str) -> None:
        self.written += -(-size(self.items.pop((pk, sk))) // 1024)

    def put_many(self, items: Iterable[Item]) -> None:
        for item in items:
            self.put(item)

    def delete_many(self, keys: Iterable[tuple[str, str]]) -> None:
        for key in keys:
            self.delete(*key)

    def transact(self, writes: Sequence[Write | Check | Removal]) -> None:
        for write in writes:
            if isinstance(write, Check):
                self.written += 2 * -(-size(self.items[write.pk, write.sk]) // 1024)
            else:
                super().transact([write])

    @property
    def units(self) -> float:
        return WRITE_UNIT * self.written + self.read


class Trader:
    """Buys and sells by turns, so that there are a lot or two of each asset.

    Args:
        count: How many transactions there are already.
    """

    def __init__(self, count: int) -> None:
        self._random = random.Random(count)
        self._held = dict.fromkeys(ASSETS, 0)
        self._made = 0
        self.table = AccountsTable()
        self.table.items[f"USER#{USER}", "ACCOUNT"] = {"email": "somebody@example.com", "password": "x" * 100}
        self._portfolios = Portfolios(self.table)
        portfolio = Portfolio(
            id=PORTFOLIO,
            name="Main",
            base_currency="USD",
            cost_basis="fifo",
            created_at=START,
            updated_at=START,
            version=1,
        )
        self._portfolios.add(USER, portfolio, None)
        self._add([self._next() for _ in range(count)])

    def _next(self) -> Transaction:
        self._made += 1
        asset = self._random.choice(ASSETS)
        sells = self._held[asset] > 0 and self._random.random() * 3 < self._held[asset]
        self._held[asset] += -1 if sells else 1
        moment = START + self._made * STEP
        return Transaction(
            id=new_id(moment, moment, 0, self._random.getrandbits(20)),
            type="sell" if sells else "buy",
            asset=asset,
            quantity=Decimal(1) + Decimal(self._random.randrange(10**8)) / 10**18,
            time=moment,
            created_at=moment,
            updated_at=moment,
            price=Decimal(self._random.randrange(1, 10**7)) / 100,
            currency="USD",
            fee=Decimal(self._random.randrange(1, 1000)) / 100,
            fee_asset="USD",
            marks={asset: Mark(Decimal(self._random.randrange(1, 10**7)) / 100, moment)},
        )

    def _add(self, transactions: Sequence[Transaction]) -> None:
        now = START + self._made * STEP
        self._portfolios.edit(USER, {PORTFOLIO: Edit(add=transactions)}, now, tolerant=True)

    def round(self) -> tuple[float, float]:
        """CPU seconds and units of adding transactions one by one, each time reading holdings."""
        coming = [self._next() for _ in range(ROUND)]
        units, began = self.table.units, time.process_time()
        for transaction in coming:
            self._add([transaction])
            holdings = self._portfolios.read(USER, PORTFOLIO).book().holdings
        took = time.process_time() - began
        left = {asset: round(holding.quantity) for asset, holding in holdings.items()}
        assert {asset: count for asset, count in left.items() if count} == {
            asset: count for asset, count in self._held.items() if count
        }
        return took / ROUND, (self.table.units - units) / ROUND


def large_vs_small() -> float:
    """How many times more it costs in the large portfolio, in CPU or in units, whichever is worse."""
    large = Trader(LARGE)
    costs = [(Trader(SMALL).round(), large.round()) for _ in range(ROUNDS)]
    figures = []
    for at, name, factor in ((0, "CPU ms", 1e3), (1, "units", 1)):
        small, big = (sum(each[side][at] for each in costs) / ROUNDS * factor for side in (0, 1))
        print(f"add one and read holdings, {name}: {small:.2f} of {SMALL} transactions, {big:.2f} of {LARGE:,}")
        figures.append(big / small)
    return max(figures)
