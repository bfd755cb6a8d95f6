"""What lets users in: sessions and API tokens, in the Accounts table (its keys: `accounts`)."""

import hmac
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import Final, NamedTuple

import msgspec

from cryptopulse.aws.dynamodb import Check, Item, Table, Write
from cryptopulse.domain.accounts import API_TOKENS, Account, GrantedToken, Session
from cryptopulse.domain.schemas import Schema
from cryptopulse.domain.tokens import REFRESH_LIFETIME, ApiToken, RefreshToken, TokenScope, is_id
from cryptopulse.errors import ConditionError, ConflictError, InvalidError, NotFoundError, UnauthenticatedError

_SESSION: Final = Schema("session")
_TOKEN: Final = Schema("API token")
ENDED_KEPT: Final = 3_600
"""Seconds an ended session is kept."""
USED_EVERY: Final = 60_000
"""The last use of an API token is noted at most once in so many ms."""
ONCE_KEPT: Final = 86_400
"""Seconds an Idempotency-Key counts."""


class Client(NamedTuple):
    """Where a request comes from, and what its program calls itself."""

    address: str
    user_agent: str


class Once(NamedTuple):
    """A request that is to be done once: hashes of its route with its Idempotency-Key, and of its body."""

    key: str
    body: bytes


class ReusedError(UnauthenticatedError):
    """A refresh token came again after it had been spent: it was stolen, or the thief was faster.

    Args:
        session: The session, which is to end.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("The refresh token is not good any more.", is_presented=True)
        self.session = session


class Grants:
    """Reads and writes sessions and API tokens."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # --- who is let in ---

    def admit_session(self, user: str, session: str, now: int) -> None:
        """Lets the bearer of an access token in where the session counts.

        Raises:
            UnauthenticatedError: The account or the session has ended.
        """
        if self._read(user, f"SESSION#{session}", now=now) is None:
            raise UnauthenticatedError("The session has ended.", is_presented=True)

    def admit_token(self, token: ApiToken, now: int) -> GrantedToken:
        """Lets the bearer of an API token in, and notes its use.

        Raises:
            UnauthenticatedError: It is not, or not any more, good.
        """
        sk = f"TOKEN#{token.id}"
        item = self._read(token.user, sk, now=now)
        if item is None or not hmac.compare_digest(item["digest"], token.digest):
            raise UnauthenticatedError("The API token is not good.", is_presented=True)
        granted = _token(item)
        if granted.last_used_at is None or now - granted.last_used_at >= USED_EVERY:
            self._note_use(token.user, sk, now)
        return granted

    def is_live(self, user: str, grant: str, now: int) -> bool:
        """Whether a session or API token of this id lets its user in."""
        return self._read(user, f"SESSION#{grant}", f"TOKEN#{grant}", now=now) is not None

    def _read(self, user: str, *sks: str, now: int) -> Item | None:
        """The session's or API token's item with one of these keys, if it lets in at this moment."""
        pk = f"USER#{user}"
        found = self._table.get_many([(pk, "ACCOUNT"), *((pk, sk) for sk in sks)], consistent=True)
        account = found.pop((pk, "ACCOUNT"), None)
        if account is None:
            return None
        return next((item for item in found.values() if _lets_in(item, account["epoch"], now)), None)

    # --- sessions ---

    def open_session(self, account: Account, client: Client, now: int) -> tuple[Session, RefreshToken]:
        """Opens a session of an account, as it was when its password was checked.

        Raises:
            UnauthenticatedError: The account has ended, or its password has changed, since.
        """
        secret = token_bytes(RefreshToken.FAMILY + RefreshToken.FRESH)
        token = RefreshToken.make(account.id, token_hex(16), secret)
        session = Session(
            id=token.id,
            user=account.id,
            epoch=account.epoch,
            family=token.family,
            refresh=token.digest,
            created_at=now,
            last_used_at=now,
            address=client.address,
            user_agent=client.user_agent,
        )
        item: Item = {
            "pk": f"USER#{account.id}",
            "sk": f"SESSION#{session.id}",
            "version": 1,
            "expires_at": session.expires_at // 1000,
            **_SESSION.mark,
            **_fields(session),
        }
        try:
            self._table.transact([Write(item, 0), Check(item["pk"], "ACCOUNT", {"epoch": account.epoch})])
        except ConditionError as error:
            raise UnauthenticatedError("The account has changed; sign in again.") from error
        return session, token

    def sessions(self, user: str, epoch: int, now: int) -> list[Session]:
        """The live sessions of a user whose account is in this epoch, the last used first."""
        items = self._table.query(f"USER#{user}", "SESSION#", "SESSION#~", consistent=True)
        found = [session for session in map(_session, items) if session.is_live(epoch, now)]
        return sorted(found, key=lambda session: (-session.last_used_at, session.id))

    def redeem(self, token: RefreshToken, now: int) -> Session:
        """The session that a refresh token goes on with, once it is spent.

        Raises:
            ReusedError: It was spent before.
            UnauthenticatedError: It is not good.
        """
        item = self._read(token.user, f"SESSION#{token.id}", now=now)
        if item is None or not hmac.compare_digest(item["family"], token.family):
            raise UnauthenticatedError("The refresh token is not good.", is_presented=True)
        session = _session(item)
        if not hmac.compare_digest(session.refresh, token.digest):
            raise ReusedError(session)
        return session

    def spend(self, session: Session, token: RefreshToken, client: Client, now: int) -> RefreshToken:
        """Spends the token of a session for the one that follows; of two at once one succeeds.

        Raises:
            ReusedError: It has been spent since.
        """
        pk, sk = f"USER#{token.user}", f"SESSION#{token.id}"
        following = token.next(token_bytes(RefreshToken.FRESH))
        changes = {
            "refresh": following.digest,
            "last_used_at": now,
            "address": client.address,
            "user_agent": client.user_agent,
            "expires_at": now // 1000 + REFRESH_LIFETIME,
        }
        condition = "#refresh = :spent AND #ended_at = :not_ended AND #epoch = :same"
        values = {"spent": token.digest, "not_ended": 0, "same": session.epoch}
        try:
            self._table.update(pk, sk, set=changes, add={"version": 1}, condition=condition, values=values)
        except ConditionError as error:
            stored = self._table.get(pk, sk, consistent=True) or {}
            if stored.get("refresh") != following.digest:  # else we wrote it ourselves, and the answer was lost
                raise ReusedError(session) from error
        return following

    def recognise(self, token: RefreshToken) -> Session | None:
        """The session of a refresh token, good or spent; None for one that was made up."""
        item = self._table.get(f"USER#{token.user}", f"SESSION#{token.id}", consistent=True)
        if item is None or not hmac.compare_digest(item["family"], token.family):
            return None
        return _session(item)

    def end_session(self, user: str, session: str, now: int) -> bool:
        """Ends a session, one that has ended too; returns whether there is one of this id."""
        if not is_id(session):
            return False
        changes = {"ended_at": now, "expires_at": now // 1000 + ENDED_KEPT}
        try:
            self._table.update(
                f"USER#{user}",
                f"SESSION#{session}",
                set=changes,
                add={"version": 1},
                condition="attribute_exists(pk)",
            )
        except ConditionError:
            return False
        return True

    # --- API tokens ---

    def add_token(
        self, user: str, name: str, scopes: list[TokenScope], ends_at: int | None, now: int, request: Once | None
    ) -> tuple[GrantedToken, ApiToken]:
        """Makes an API token that ends then (Unix ms; None: never).

        Args:
            request: The request, where it is to count once.

        Raises:
            ConflictError: The user has as many as he may, or the request was done before.
            InvalidError: Its Idempotency-Key was used for another.
            UnauthenticatedError: The account has ended.
        """
        if len(self.tokens(user, now)) >= API_TOKENS:
            raise ConflictError(f"There may be {API_TOKENS} API tokens; remove one first.")
        token = ApiToken.make(user, token_hex(16), token_bytes(ApiToken.FRESH))
        granted = GrantedToken(
            id=token.id,
            user=user,
            name=name,
            scopes=scopes,
            digest=token.digest,
            created_at=now,
            ends_at=ends_at,
        )
        pk = f"USER#{user}"
        item: Item = {"pk": pk, "sk": f"TOKEN#{granted.id}", "version": 1, **_TOKEN.mark, **_fields(granted)}
        if granted.ends_at is not None:
            item["expires_at"] = granted.ends_at // 1000
        writes: list[Write | Check] = [Write(item, 0), Check(pk, "ACCOUNT", {})]
        if request is not None:
            self._refuse_repeat(pk, request, now)
            mark = {"body": request.body, "expires_at": now // 1000 + ONCE_KEPT}
            writes.append(Write({"pk": pk, "sk": f"ONCE#{request.key}", "version": 1, **mark}, 0))
        try:
            self._table.transact(writes)
        except ConditionError as error:
            if request is not None:  # it may be running twice
                self._refuse_repeat(pk, request, now)
            raise UnauthenticatedError("The account has ended.", is_presented=True) from error
        return granted, token

    def tokens(self, user: str, now: int) -> list[GrantedToken]:
        """A user's API tokens that are good still, the newest first."""
        items = self._table.query(f"USER#{user}", "TOKEN#", "TOKEN#~", consistent=True)
        found = [token for item in items if (token := _token(item)).is_live(now)]
        return sorted(found, key=lambda token: (-token.created_at, token.id))

    def remove_token(self, user: str, id_: str) -> None:
        """Removes an API token.

        Raises:
            NotFoundError: There is none of this id.
        """
        if not is_id(id_) or self._table.take(f"USER#{user}", f"TOKEN#{id_}") is None:
            raise NotFoundError("There is no such API token.")

    def _refuse_repeat(self, pk: str, request: Once, now: int) -> None:
        done = self._table.get(pk, f"ONCE#{request.key}", consistent=True)
        if done is None:
            return
        if done["expires_at"] * 1000 <= now:
            self._table.delete(pk, f"ONCE#{request.key}")
        elif done["body"] == request.body:
            raise ConflictError("This request was done before; what it showed is shown once.")
        else:
            raise InvalidError("Idempotency-Key", "Was used for another request")

    def _note_use(self, user: str, sk: str, now: int) -> None:
        try:
            self._table.update(f"USER#{user}", sk, set={"last_used_at": now}, condition="attribute_exists(pk)")
        except ConditionError as error:  # removed meanwhile
            raise UnauthenticatedError("The API token is not good.", is_presented=True) from error


def once(route: str, key: str, body: msgspec.Struct) -> Once:
    """A request to a route with an Idempotency-Key."""
    return Once(sha256(f"{route} {key}".encode()).hexdigest(), sha256(msgspec.json.encode(body, enc_hook=str)).digest())


def _lets_in(item: Item, epoch: int, now: int) -> bool:
    if item["sk"].startswith("SESSION#"):
        return _session(item).is_live(epoch, now)
    return _token(item).is_live(now)


def _session(item: Item) -> Session:
    return msgspec.convert(_SESSION.read(item), Session)


def _token(item: Item) -> GrantedToken:
    return msgspec.convert(_TOKEN.read(item), GrantedToken)


def _fields(struct: msgspec.Struct) -> Item:
    return msgspec.structs.asdict(struct)
