"""Minutes and tables in memory; a table counts capacity units by the sizes of its items, since moto does not."""

from collections.abc import Iterable, Iterator, Sequence

from cryptopulse.aws.dynamodb import Check, Item, Removal, Table, Write
from cryptopulse.domain.lanes import Minute


def size(item: Item) -> int:
    """Bytes that DynamoDB counts for the item: names and values, a number as half its digits and one."""
    total = 0
    for name, value in item.items():
        total += len(name)
        total += len(value.encode()) if isinstance(value, str) else 0
        total += len(value) if isinstance(value, bytes) else 0
        total += len(str(value)) // 2 + 2 if isinstance(value, int) else 0
    return total


class Minutes(dict[int, Minute]):
    """A lane's minutes, as a table would hold them."""

    def __missing__(self, minute: int) -> Minute:
        self[minute] = Minute(minute)
        return self[minute]


class MemoryTable(Table):
    """What Market needs of a table. `written` counts write units, `read` read units (consistent ones twice)."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.written = 0
        self.read = 0.0

    def get(self, pk: str, sk: str, *, consistent: bool = False) -> Item | None:
        return self._read(self.items.get((pk, sk)), consistent=consistent)

    def get_many(self, keys: Iterable[tuple[str, str]], *, consistent: bool = False) -> dict[tuple[str, str], Item]:
        found = {key: self.get(*key, consistent=consistent) for key in keys}
        return {key: item for key, item in found.items() if item is not None}

    def query(
        self,
        pk: str,
        start: str = " ",
        end: str = "~",
        *,
        consistent: bool = False,
        is_backwards: bool = False,
        page: int | None = None,
        attributes: Sequence[str] = (),
    ) -> Iterator[Item]:
        keys = sorted((key for key in self.items if key[0] == pk and start <= key[1] <= end), reverse=is_backwards)
        found = [self.items[key] for key in keys[:page]]
        self.read += max(1, -(-sum(map(size, found)) // 4096)) * (1 if consistent else 0.5)
        return iter(found)

    def put_version(self, item: Item, previous: int) -> None:
        self._write(item, previous, cost=1)

    def transact(self, writes: Sequence[Write | Check | Removal]) -> None:
        for write in writes:
            if not isinstance(write, Write):
                raise TypeError(f"Market makes no {type(write).__name__}")
            self._write(write.item, write.previous, cost=2)

    def _write(self, item: Item, previous: int, cost: int) -> None:
        key = item["pk"], item["sk"]
        stored = self.items.get(key, {}).get("version", 0)
        if stored != previous:
            raise AssertionError(f"{key} is at {stored}, not {previous}")
        self.items[key] = item
        self.written += cost * -(-size(item) // 1024)

    def _read(self, item: Item | None, *, consistent: bool) -> Item | None:
        self.read += max(1, -(-size(item or {}) // 4096)) * (1 if consistent else 0.5)
        return item
