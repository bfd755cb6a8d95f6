"""Alerts and what they have told, in the Accounts table, and the rules that evaluators look for there.

| pk               | sk                                     | holds                                             |
| ---------------- | -------------------------------------- | ------------------------------------------------- |
| `USER#<id>`      | `ALERT#<id>`                           | an alert                                          |
| `USER#<id>`      | `FIRED#<time>#<id>`                    | what it told, for 90 days                         |
| `RULES#<series>` | `FALL#<price>#<user>#<alert>#<since>`  | that it waits for the price to fall so far        |
| `RULES#<series>` | `MOVE#<window>#<user>#<alert>#<since>` | that it waits for a change in a window, and which |
| `RULES#<series>` | `RISE#<price>#<user>#<alert>#<since>`  | that it waits for the price to rise so far        |
| `RULES`          | `HEAD#<lane>`                          | how often rules were added to each series of it   |
| `OUTBOX`         | `<time>#<id>`                          | what has fired and is still to be told of         |

Times are 15 digits of Unix ms, prices 37 digits, 18 of them behind the point. Between the falls to a price below the
market's and the rises to one above it lie all the rules that prices between the two could meet: one Query.

A rule is written with its alert, and its series' number raised after that: who sees the new number sees the rule.
Should a crash come between the two, an evaluator that has not read the rules for some minutes reads them anyway. A rule
whose alert or account is gone, or which is not the alert's any more, is removed when a price meets it a minute later.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from secrets import token_hex
from typing import Final, NamedTuple

import msgspec

from cryptopulse.aws.dynamodb import Check, Item, Removal, Table, Write
from cryptopulse.aws.kept import Kept
from cryptopulse.domain.alerts import ALERTS, Alert, Delivery, Fired
from cryptopulse.domain.candles import DAY, MINUTE
from cryptopulse.domain.lots import EXACT
from cryptopulse.domain.rules import Rule, bounds
from cryptopulse.domain.schemas import Schema
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.sightings import Reached, Seen
from cryptopulse.domain.tokens import is_id
from cryptopulse.errors import ConditionError, ConflictError, NotFoundError, UnauthenticatedError

TRIES: Final = 5
HISTORY: Final = 90 * DAY
"""How long (ms) it is kept what an alert has told."""
YOUNG: Final = MINUTE
"""A rule so young (ms) may be seen before its alert: what a transaction writes is not seen all at once."""
_ALERT: Final = Schema("alert")
_FIRED: Final = Schema("firing")
_WIDTH: Final = 37
_SCALE: Final = 18


class Notice(NamedTuple):
    """A firing that is still to be told of: the user's item `key`, of a time (Unix ms), and whether by webhook."""

    user: str
    key: str
    time: int
    has_webhook: bool


class Delivering(NamedTuple):
    """What a webhook is to be told: the firing and its alert; None where that is gone."""

    fired: Fired
    alert: Alert | None


class Alerts:
    """Reads and writes alerts.

    Args:
        table: The Accounts table.
        lanes: How many lanes there are.
    """

    def __init__(self, table: Table, lanes: int) -> None:
        self._table = table
        self._lanes = lanes

    # --- a user's ---

    def all(self, user: str) -> list[Alert]:
        """A user's alerts, the newest first."""
        items = self._table.query(_user(user), "ALERT#", "ALERT#~", consistent=True)
        return sorted(map(_alert, items), key=lambda alert: (-alert.created_at, alert.id))

    def get(self, user: str, id_: str) -> Alert:
        """A user's alert.

        Raises:
            NotFoundError: There is none of this id.
        """
        item = self._table.get(_user(user), f"ALERT#{id_}", consistent=True) if is_id(id_) else None
        if item is None:
            raise NotFoundError("There is no such alert.")
        return _alert(item)

    def add(self, alert: Alert, fired: Fired | None, kept: Kept | None) -> None:
        """Adds an alert, and what it has told already.

        Args:
            alert: As it is after that.
            fired: What it told.
            kept: What the request is known by, where it is to count once.

        Raises:
            ConflictError: The user has as many as he may, or the request was done before.
            UnauthenticatedError: The account has ended.
        """
        if len(self.all(alert.user)) >= ALERTS:
            raise ConflictError(f"There may be {ALERTS} alerts; remove one first.")
        try:
            self._save(None, alert, fired, kept)
        except ConditionError as error:
            self._require_account(alert.user)
            raise ConflictError("The request was done before.") from error

    def change(self, user: str, id_: str, change: Callable[[Alert], Fired | None]) -> tuple[Alert, Fired | None]:
        """Changes an alert, and returns it and what it has told.

        Args:
            user: Whose.
            id_: Its id.
            change: Alters it in place and returns what it tells then; called again where somebody was faster.

        Raises:
            NotFoundError: There is none of this id.
            ConflictError: Somebody was faster again and again.
            UnauthenticatedError: The account has ended.
        """
        for _ in range(TRIES):
            alert = self.get(user, id_)
            before = msgspec.structs.replace(alert)
            fired = change(alert)
            try:
                self._save(before, alert, fired, None)
            except ConditionError:
                self._require_account(user)
            else:
                return alert, fired
        raise ConflictError("The alert was changed by others at the same moment; try again.")

    def remove(self, user: str, id_: str, check: Callable[[Alert], None]) -> None:
        """Removes an alert; what it has told stays.

        Args:
            user: Whose.
            id_: Its id.
            check: Refuses to, by raising.

        Raises:
            NotFoundError: There is none of this id.
            ConflictError: Somebody changed it again and again.
        """
        for _ in range(TRIES):
            alert = self.get(user, id_)
            check(alert)
            removals = [Removal(_user(user), f"ALERT#{id_}", {"version": alert.version})]
            if alert.rule is not None:
                removals.append(Removal(*_place(alert.rule), {}))
            try:
                self._table.transact(removals)
            except ConditionError:
                continue
            return
        raise ConflictError("The alert was changed by others at the same moment; try again.")

    def wipe(self, user: str) -> int:
        """Removes what there is of a user's alerts in the partitions that are not his; returns how many items.

        Once his account has ended nothing is added to it.
        """
        places = [_place(alert.rule) for alert in self.all(user) if alert.rule is not None]
        places += [
            ("OUTBOX", item["sk"]) for item in self._table.query("OUTBOX", consistent=True) if item["user"] == user
        ]
        for pk, sk in places:
            self._table.delete(pk, sk)
        return len(places)

    def _save(self, before: Alert | None, alert: Alert, fired: Fired | None, kept: Kept | None) -> None:
        """Writes an alert over what it was before, with its rule and what it has told."""
        old, new = None if before is None else before.rule, alert.rule
        alert.version += 1
        pk = _user(alert.user)
        item = {"pk": pk, "sk": f"ALERT#{alert.id}", **_ALERT.mark, **msgspec.to_builtins(alert)}
        writes: list[Write | Check | Removal] = [Write(item, alert.version - 1), Check(pk, "ACCOUNT", {})]
        if old is not None and old != new:
            writes.append(Removal(*_place(old), {}))
        if new is not None and old != new:
            writes.append(Write(_rule_item(new), 0))
        if fired is not None:
            writes += [Write(_fired_item(fired), 0), Write(_outbox_item(fired), 0)]
        if kept is not None:
            writes.append(Write(kept.item, 0))
        self._table.transact(writes)
        if new is not None and old != new:
            head = f"HEAD#{lane_of(new.series, self._lanes)}"
            self._table.update("RULES", head, add={_attribute(new.series): 1})

    def _require_account(self, user: str) -> None:
        if self._table.get(_user(user), "ACCOUNT", consistent=True) is None:
            raise UnauthenticatedError("The account has ended.", is_presented=True)

    # --- what they have told ---

    def history(self, user: str, since: int, now: int) -> list[Fired]:
        """What a user's alerts have told from a time on (Unix ms, included), the oldest first."""
        start = max(since, now - HISTORY)
        items = self._table.query(_user(user), f"FIRED#{start:015}", "FIRED#~", consistent=True)
        return [_fired(item) for item in items]

    def page(
        self, user: str, since: int, now: int, after: str | None, count: int, *, is_newest_first: bool
    ) -> list[Fired]:
        """Some of what a user's alerts have told.

        Args:
            user: Whose.
            since: From when on (Unix ms, included).
            now: Unix ms.
            after: The `Notice.key` of the one that they follow; None: they are the first.
            count: How many, at most.
            is_newest_first: In which order.
        """
        start, end = f"FIRED#{max(since, now - HISTORY):015}", "FIRED#~"
        if after is not None:
            start, end = (min(start, after), after) if is_newest_first else (max(start, after), end)
        items = self._table.query(
            _user(user), start, end, consistent=True, is_backwards=is_newest_first, page=count + 1
        )
        return [_fired(item) for item in islice((item for item in items if item["sk"] != after), count)]

    def delivering(self, user: str, key: str) -> Delivering | None:
        """What is to be delivered of a firing; None where it, or the account, is gone, or nothing is."""
        item = self._table.get(_user(user), key, consistent=True)
        if item is None or (fired := _fired(item)).webhook != "pending":
            return None
        if self._table.get(_user(user), "ACCOUNT", consistent=True) is None:
            return None
        alert = self._table.get(_user(user), f"ALERT#{fired.alert_id}", consistent=True)
        return Delivering(fired, None if alert is None else _alert(alert))

    def settle(self, fired: Fired, webhook: Delivery, tries: int) -> None:
        """Notes how a delivery stands after so many tries, unless a later try has told."""
        try:
            self._table.update(
                _user(fired.user),
                _fired_key(fired),
                set={"webhook": webhook, "tries": tries},
                condition="#webhook = :pending AND #tries < :tries",
                values={"pending": "pending"},
            )
        except ConditionError:
            return

    def reopen(self, user: str, key: str, number: int) -> bool:
        """Has a firing wait once more for the try of its webhook that it was given up at; False if it was not."""
        try:
            self._table.update(
                _user(user),
                key,
                set={"webhook": "pending", "tries": number - 1},
                condition="#webhook = :failed AND #tries = :given_up",
                values={"failed": "failed", "given_up": number},
            )
        except ConditionError:
            return False
        return True

    # --- what evaluators need ---

    def heads(self, lanes: Iterable[int]) -> dict[Series, int]:
        """How often rules were added to each series of some lanes that ever had one; read consistently."""
        items = self._table.get_many((("RULES", f"HEAD#{lane}") for lane in lanes), consistent=True).values()
        return {_series(name): count for item in items for name, count in item.items() if name not in ("pk", "sk")}

    def rules(self, series: Series, seen: Seen) -> Iterator[Rule]:
        """The rules of a series that prices around those seen could meet; one Query, read consistently."""
        low, high = bounds(seen)
        items = self._table.query(
            f"RULES#{series}", f"FALL#{_sortable(low)}", f"RISE#{_sortable(high)}~", consistent=True
        )
        return (_rule(series, item) for item in items)

    def reach(self, rule: Rule, reached: Reached, now: int) -> tuple[Alert, Fired | None] | None:
        """Has an alert take what its rule waited for: once.

        Args:
            rule: The rule.
            reached: The price that met it.
            now: Unix ms.

        Returns:
            The alert and what it tells; None where the rule is no alert's any more: it is removed, unless it is young.
        """

        def change(alert: Alert) -> Fired | None:
            if alert.rule != rule:
                raise NotFoundError("The alert waits for something else by now.")
            return alert.reach(reached, token_hex(10), now)

        try:
            return self.change(rule.user, rule.alert, change)
        except (NotFoundError, UnauthenticatedError):
            if rule.since < now - YOUNG:
                self._table.delete(*_place(rule))
            return None

    # --- what is still to be told of ---

    def outbox(self, before: int) -> list[Notice]:
        """What fired before a time (Unix ms) and was not told of, the oldest first."""
        return [
            Notice(item["user"], f"FIRED#{item['sk']}", item["time"], item["webhook"])
            for item in self._table.query("OUTBOX", " ", f"{before:015}", consistent=True)
        ]

    def told(self, notice: Notice) -> None:
        """Notes that it was told of."""
        self._table.delete("OUTBOX", notice.key.removeprefix("FIRED#"))


def notice(fired: Fired) -> Notice:
    """What is to be told of a firing."""
    return Notice(fired.user, _fired_key(fired), fired.time, fired.webhook == "pending")


def _user(user: str) -> str:
    return f"USER#{user}"


def _alert(item: Item) -> Alert:
    return msgspec.convert(_ALERT.read(item), Alert)


def _fired(item: Item) -> Fired:
    return msgspec.convert(_FIRED.read(item), Fired)


def _fired_key(fired: Fired) -> str:
    return f"FIRED#{fired.time:015}#{fired.id}"


def _fired_item(fired: Fired) -> Item:
    return {
        "pk": _user(fired.user),
        "sk": _fired_key(fired),
        "version": 1,
        "expires_at": (fired.time + HISTORY) // 1000,
        **_FIRED.mark,
        **msgspec.to_builtins(fired),
    }


def _outbox_item(fired: Fired) -> Item:
    return {
        "pk": "OUTBOX",
        "sk": _fired_key(fired).removeprefix("FIRED#"),
        "version": 1,
        "user": fired.user,
        "time": fired.time,
        "webhook": fired.webhook == "pending",
    }


def _sortable(price: Decimal) -> str:
    return f"{int(price.scaleb(_SCALE, EXACT)):0{_WIDTH}}"


def _place(rule: Rule) -> tuple[str, str]:
    """The keys of a rule's item."""
    level = f"{rule.window:08}" if rule.side == "move" else _sortable(rule.level)
    return f"RULES#{rule.series}", f"{rule.side.upper()}#{level}#{rule.user}#{rule.alert}#{rule.since:015}"


def _rule_item(rule: Rule) -> Item:
    pk, sk = _place(rule)
    return {"pk": pk, "sk": sk, "version": 1, "level": str(rule.level), "rearming": rule.is_rearming}


def _rule(series: Series, item: Item) -> Rule:
    side, key, user, alert, since = item["sk"].split("#")
    window = int(key) if side == "MOVE" else 0
    return Rule(series, side.lower(), Decimal(item["level"]), window, user, alert, int(since), item["rearming"])


def _attribute(series: Series) -> str:
    """The attribute that counts a series' rules: `coinbase_BTC_USD`."""
    return f"{series.venue}_{series.base}_{series.quote}"


def _series(attribute: str) -> Series:
    venue, base, quote = attribute.split("_")
    return Series(venue, f"{base}-{quote}")
