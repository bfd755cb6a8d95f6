"""Attempts at passwords and the like, in the Connections table.

| pk               | sk         | holds                                                              |
| ---------------- | ---------- | ------------------------------------------------------------------ |
| `ATTEMPTS#<key>` | `ATTEMPTS` | `made`: how many, `last`: when the last one was (Unix ms), `version` |

What is tried with a key is counted before it is checked: of tries made at once no more than are free get through.
Write units: 2 for each key of an attempt, 1 for each key of a success; a refused attempt writes nothing.
"""

import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cryptopulse.aws.dynamodb import Item, Table, Write
from cryptopulse.domain.attempts import Past, Rule
from cryptopulse.errors import ConditionError, LimitedError

SK: Final = "ATTEMPTS"
TRIES: Final = 6


class Attempts:
    """Counts attempts, and refuses those that come too early.

    Args:
        table: The Connections table.
        sleep: Waits before a write is tried again; replaced in tests.
    """

    def __init__(self, table: Table, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._table = table
        self._sleep = sleep

    def begin(self, rules: Mapping[str, Rule], now: int) -> None:
        """Counts an attempt under all these keys, or under none.

        Args:
            rules: The rule of each key; keys show in the table, so no e-mail belongs into them.
            now: Unix ms.

        Raises:
            LimitedError: It comes too early by one of the rules, or too many come at once; it is not counted.
        """
        for attempt in range(TRIES):
            if attempt:
                self._sleep(random.uniform(0, 0.02 * 2**attempt))
            items = self._table.get_many([(_pk(key), SK) for key in rules], consistent=True)
            known = {key: items.get((_pk(key), SK)) for key in rules}
            wait = max(rule.wait(_past(known[key]), now) for key, rule in rules.items())
            if wait > 0:
                raise LimitedError("Too many attempts.", -(-wait // 1000))
            try:
                self._table.transact([_counted(key, rule, known[key], now) for key, rule in rules.items()])
            except ConditionError:
                continue  # somebody was faster, and may have used up what was free
            return
        raise LimitedError("Too many attempts at once.", 1)

    def succeed(self, forget: str, undo: Iterable[str] = ()) -> None:
        """Takes note that an attempt was right.

        Args:
            forget: The key of which all attempts are forgotten.
            undo: Keys of which this one attempt is taken back.
        """
        self._table.delete(_pk(forget), SK)
        for key in undo:
            try:
                self._table.update(
                    _pk(key), SK, add={"made": -1, "version": 1}, condition="#made > :none", values={"none": 0}
                )
            except ConditionError:
                continue  # forgotten meanwhile


def _pk(key: str) -> str:
    return f"ATTEMPTS#{key}"


def _past(item: Item | None) -> Past:
    return Past(item["made"], item["last"]) if item else Past(0, 0)


def _counted(key: str, rule: Rule, item: Item | None, now: int) -> Write:
    made, last = rule.add(_past(item), now)
    version = item["version"] if item else 0
    new = {"made": made, "last": last, "version": version + 1, "expires_at": (last + rule.kept) // 1000 + 1}
    return Write({"pk": _pk(key), "sk": SK, **new}, version)
