"""The Accounts table: users. (What lets them in is in `grants`.)

| pk             | sk             | holds                                                                  |
| -------------- | -------------- | ---------------------------------------------------------------------- |
| `USER#<id>`    | `ACCOUNT`      | the account; where it is gone, all that is still there of it is void   |
| `USER#<id>`    | `SESSION#<id>` | a session; for an hour after its end: ending it again finds it         |
| `USER#<id>`    | `TOKEN#<id>`   | an API token                                                           |
| `USER#<id>`    | `ONCE#<hash>`  | an Idempotency-Key that was used, and for what                         |
| `EMAIL#<hash>` | `EMAIL`        | whose an e-mail address is                                             |
| `WIPE`         | `<user id>`    | an account that has ended and is to be wiped                           |

Who lets a caller in reads the account with the session or API token, consistently: one write ends them all.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from cryptopulse.aws.dynamodb import Item, Removal, Table, Write
from cryptopulse.domain.accounts import Account
from cryptopulse.domain.schemas import Schema
from cryptopulse.errors import ConditionError, ConflictError, RacedError, UnauthenticatedError

TRIES: Final = 5
_SCHEMA: Final = Schema("account")
NOBODY: Final = "0" * 32
"""No user's id."""
_TAKEN: Final = "This e-mail address has an account."
_RACED: Final = "The account was changed by another request at the same moment; try again."


class Accounts:
    """Reads and writes users' accounts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, account: Account) -> None:
        """Adds an account.

        Raises:
            ConflictError: Somebody has its e-mail.
        """
        try:
            self._table.transact([_write(account), _owner(account)])
        except ConditionError as error:
            raise ConflictError(_TAKEN) from error

    def find(self, email_key: str) -> Account | None:
        """The account of an e-mail. Where there is none it reads as much, so that nobody can time them apart."""
        owner = self._table.get(f"EMAIL#{email_key}", "EMAIL", consistent=True)
        return self.get(owner["user"] if owner else NOBODY)

    def get(self, user: str) -> Account | None:
        """A user's account; None where it has ended."""
        item = self._table.get(f"USER#{user}", "ACCOUNT", consistent=True)
        return _account(item) if item else None

    def require(self, user: str) -> Account:
        """A user's account.

        Raises:
            UnauthenticatedError: It has ended.
        """
        account = self.get(user)
        if account is None:
            raise UnauthenticatedError("The account has ended.", is_presented=True)
        return account

    def change(self, user: str, change: Callable[[Account], None]) -> Account:
        """Changes an account and returns it.

        Args:
            user: Whose.
            change: Alters it in place; called again where somebody was faster.

        Raises:
            UnauthenticatedError: It has ended.
            ConflictError: Somebody else has its new e-mail.
        """
        for _ in range(TRIES):
            account = self.require(user)
            old_key = account.email_key
            change(account)
            writes: list[Write | Removal] = [_write(account)]
            if account.email_key != old_key:
                writes += [_owner(account), Removal(f"EMAIL#{old_key}", "EMAIL", {"user": user})]
            try:
                self._table.transact(writes)
            except ConditionError as error:
                if account.email_key == old_key:
                    continue
                owner = self._table.get(f"EMAIL#{account.email_key}", "EMAIL", consistent=True)
                if owner and owner["user"] != user:
                    raise ConflictError(_TAKEN) from error
            else:
                return account
        raise RacedError(_RACED)

    def change_password(self, account: Account, password: str, session: str) -> None:
        """Gives an account a new password (its hash), which ends all of its sessions but one.

        Args:
            account: As the one so far was checked on.
            password: The new one's hash.
            session: Id of the session that goes on.

        Raises:
            ConflictError: The password has been changed, or the session has ended, since.
        """
        for _ in range(TRIES):
            current = self.require(account.id)
            kept = self._table.get(f"USER#{account.id}", f"SESSION#{session}", consistent=True)
            if current.epoch != account.epoch or kept is None or kept["epoch"] != account.epoch:
                break
            current.password, current.epoch = password, account.epoch + 1
            renewed = kept | {"epoch": current.epoch, "version": kept["version"] + 1}
            try:
                self._table.transact([_write(current), Write(renewed, kept["version"])])
            except ConditionError:
                continue
            return
        raise RacedError(_RACED)

    def rehash(self, account: Account, password: str) -> None:
        """Keeps a stronger hash of the same password; where the account has changed meanwhile, a later sign-in does."""
        account.password = password
        try:
            self._table.transact([_write(account)])
        except ConditionError:
            return

    def end(self, account: Account, now: int) -> None:
        """Ends an account, as it was when its password was checked: from now on nothing lets its user in.

        Raises:
            ConflictError: Its password or e-mail has been changed since.
        """
        pk = f"USER#{account.id}"
        writes: list[Write | Removal] = [
            Removal(pk, "ACCOUNT", {"epoch": account.epoch, "email_key": account.email_key}),
            Removal(f"EMAIL#{account.email_key}", "EMAIL", {"user": account.id}),
            Write({"pk": "WIPE", "sk": account.id, "version": 1, "ended_at": now}, 0),
        ]
        try:
            self._table.transact(writes)
        except ConditionError as error:
            raise RacedError(_RACED) from error

    # --- what is left of those that have ended ---

    def ended(self) -> Iterator[str]:
        """Ids of the users still to be wiped."""
        return (item["sk"] for item in self._table.query("WIPE", consistent=True))

    def wipe(self, user: str) -> int:
        """Removes all items of a user; returns how many there were."""
        return self._table.delete_all(f"USER#{user}")

    def forget(self, user: str) -> None:
        """Notes that nothing is left of a user."""
        self._table.delete("WIPE", user)


def _account(item: Item) -> Account:
    """The account that an item holds."""
    return msgspec.convert(_SCHEMA.read(item), Account)


def _write(account: Account) -> Write:
    """The account over the version that was read; its version rises by one."""
    previous = account.version
    account.version += 1
    fields = msgspec.to_builtins(account)
    return Write({"pk": f"USER#{account.id}", "sk": "ACCOUNT", **_SCHEMA.mark, **fields}, previous)


def _owner(account: Account) -> Write:
    return Write({"pk": f"EMAIL#{account.email_key}", "sk": "EMAIL", "user": account.id, "version": 1}, 0)
