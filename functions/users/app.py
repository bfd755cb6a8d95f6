"""A user's own account: profile, password, preferences, sessions, API tokens, and its end."""

from typing import Annotated, Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET
from msgspec.structs import asdict

from cryptopulse import wiring
from cryptopulse.api import callers, security
from cryptopulse.api.addresses import network
from cryptopulse.api.app import Answer, Api, Created, Empty, scoped
from cryptopulse.api.deps import From, IdempotencyKey, Now, Who, body, parameters
from cryptopulse.api.lists import Page, Paged, paged
from cryptopulse.aws.grants import Client, once
from cryptopulse.aws.portfolios import Reader
from cryptopulse.domain import attempts
from cryptopulse.domain.accounts import Account, Preferences
from cryptopulse.domain.alerts import AlertView
from cryptopulse.domain.passwords import EnteredPassword, hash_, is_right
from cryptopulse.domain.portfolios import PortfolioView
from cryptopulse.domain.times import rfc3339
from cryptopulse.domain.tokens import Caller
from cryptopulse.domain.transactions import TransactionView
from cryptopulse.domain.users import (
    ApiTokenView,
    Deletion,
    Export,
    NewApiToken,
    NewApiTokenView,
    NewPreferences,
    PasswordChange,
    PortfolioExport,
    Profile,
    ProfileChange,
    SessionView,
)
from cryptopulse.errors import ConflictError, DeniedError, InvalidError, NotFoundError, TooLargeError
from cryptopulse.telemetry import entrypoint

EXPORTED: Final = 50_000
"""Transactions that one answer can hold."""
FIRINGS: Final = 10_000
"""Of alerts: the newest so many."""
RACED: Final[Any] = {409: {"description": "The account was changed by another request at the same moment"}}

api = Api(lambda event: callers.authenticate(event, live=True))


@api.get("/users/me", tags=["Accounts"])
def read_profile(caller: Who) -> Answer[Profile]:
    """Who I am."""
    return Answer(Profile.of(wiring.accounts().require(caller.user)))


@api.patch("/users/me", tags=["Accounts"], responses={409: {"description": "The e-mail has an account"}})
@scoped("admin")
def change_profile(
    given: Annotated[ProfileChange, body(ProfileChange)], caller: Who, client: From, now: Now
) -> Answer[Profile]:
    """Changes the name or the e-mail; the e-mail asks for the password, and for a session."""
    email = given.email
    if email is not UNSET:
        if not caller.may("session"):
            raise DeniedError("Only a session may change the e-mail: sign in.", scope="session")
        if given.current_password is UNSET:
            raise InvalidError("current_password", "Is needed to change the e-mail")
        security.begin({f"register#{network(client.address)}": attempts.REGISTRATION}, now, caller.user, client)
        confirmed = _confirm(caller, given.current_password, client, now)

    def change(account: Account) -> None:
        if email is not UNSET:
            if account.epoch != confirmed.epoch:
                raise ConflictError("The password was changed at the same moment; try again.")
            account.email, account.email_key = str(email), email.key
        if given.display_name is not UNSET:
            account.display_name = None if given.display_name is None else str(given.display_name)

    account = wiring.accounts().change(caller.user, change)
    if email is not UNSET:
        security.log("changed the e-mail", account.id, client)
    return Answer(Profile.of(account))


@api.delete("/users/me", tags=["Accounts"], responses=RACED)
@scoped("session")
def end_account(given: Annotated[Deletion, body(Deletion)], caller: Who, client: From, now: Now) -> Empty:
    """Ends the account: at once nothing lets its user in; within the hour its data is wiped.

    Backups keep it for 35 days more.
    """
    account = _confirm(caller, given.current_password, client, now)
    wiring.accounts().end(account, now)
    security.close_sockets(account.id, now)
    security.log("ended the account", account.id, client)
    return Empty()


@api.post("/users/me/password", tags=["Accounts"], responses=RACED)
@scoped("session")
def change_password(
    given: Annotated[PasswordChange, body(PasswordChange)], caller: Who, client: From, now: Now
) -> Empty:
    """Changes the password, which ends every session but this one."""
    account = _confirm(caller, given.current_password, client, now)
    security.refuse_common(given.new_password, account.email, "new_password")
    wiring.accounts().change_password(account, hash_(given.new_password), caller.grant)
    kept = {caller.grant, *(token.id for token in wiring.grants().tokens(account.id, now))}
    security.close_sockets(account.id, now, but=kept)
    security.log("changed the password", account.id, client)
    return Empty()


@api.get("/users/me/preferences", tags=["Accounts"])
def read_preferences(caller: Who) -> Answer[Preferences]:
    """How I like things."""
    return Answer(wiring.accounts().require(caller.user).preferences)


@api.put("/users/me/preferences", tags=["Accounts"], responses=RACED)
@scoped("admin")
def change_preferences(given: Annotated[NewPreferences, body(NewPreferences)], caller: Who) -> Answer[Preferences]:
    """Replaces the preferences; what is left out goes back to its default."""

    def change(account: Account) -> None:
        account.preferences = given

    return Answer(wiring.accounts().change(caller.user, change).preferences)


@api.get(
    "/users/me/export", tags=["Accounts"], responses={413: {"description": "Longer than 4 MB as it would be sent"}}
)
def export(caller: Who, now: Now) -> Answer[Export]:
    """All that is kept of me.

    Above 4 MB only with `Accept-Encoding: gzip`. Longer still: the portfolios' own exports give it a year at a time.
    """
    account, alerts = wiring.accounts().require(caller.user), wiring.alerts()
    newest = alerts.page(caller.user, 0, now, None, FIRINGS, is_newest_first=True)
    return Answer(
        Export(
            exported_at=rfc3339(now),
            profile=Profile.of(account),
            preferences=account.preferences,
            sessions=_sessions(caller, now),
            tokens=_tokens(caller, now),
            portfolios=_portfolios(caller.user),
            alerts=[AlertView.of(alert) for alert in alerts.all(caller.user)],
            alerts_fired=[fired.view for fired in newest],
        )
    )


def _portfolios(user: str) -> list[PortfolioExport]:
    """What is in a user's portfolios, unless that is too much for one answer."""
    readers = [wiring.portfolios().read(user, each.id) for each in wiring.portfolios().all(user)]
    if sum(reader.count for reader in readers) > EXPORTED:
        raise TooLargeError(f"There are more than {EXPORTED:,} transactions: export them portfolio by portfolio.")
    return [_portfolio(reader) for reader in readers]


def _portfolio(reader: Reader) -> PortfolioExport:
    portfolio = reader.portfolio
    views = [TransactionView.of(each, portfolio.id, portfolio.base_currency) for each in reader.transactions()]
    return PortfolioExport(**asdict(PortfolioView.of(portfolio)), transactions=views)


# --- sessions and API tokens ---


@api.get("/users/me/sessions", tags=["Accounts"])
def list_sessions(query: Annotated[Paged, parameters(Paged)], caller: Who, now: Now) -> Answer[Page[SessionView]]:
    """Where I am signed in, the last used first."""
    return Answer(paged(_sessions(caller, now), "/users/me/sessions", query))


@api.delete("/users/me/sessions/<session_id>", tags=["Accounts"])
@scoped("admin")
def end_session(session_id: str, caller: Who, client: From, now: Now) -> Empty:
    """Ends a session and its WebSockets; its access token is good until it expires, but not for the account."""
    if not security.end_session(caller.user, session_id, now):
        raise NotFoundError("There is no such session.")
    security.log("ended a session", caller.user, client, session=session_id)
    return Empty()


@api.get("/users/me/tokens", tags=["Accounts"])
def list_tokens(query: Annotated[Paged, parameters(Paged)], caller: Who, now: Now) -> Answer[Page[ApiTokenView]]:
    """My API tokens, the newest first."""
    return Answer(paged(_tokens(caller, now), "/users/me/tokens", query))


@api.post("/users/me/tokens", tags=["Accounts"], responses={409: {"description": "Too many, or done before"}})
@scoped("session")
def make_token(
    new: Annotated[NewApiToken, body(NewApiToken)], caller: Who, client: From, key: IdempotencyKey, now: Now
) -> Created[NewApiTokenView]:
    """Makes an API token, shown this once."""
    if new.expires_at is not None and new.expires_at <= now:
        raise InvalidError("expires_at", "Expected a time to come")
    request = once("POST /users/me/tokens", key, new) if key else None
    granted, token = wiring.grants().add_token(caller.user, str(new.name), new.scopes, new.expires_at, now, request)
    security.log("made an API token", caller.user, client, token=granted.id)
    return Created(NewApiTokenView.of(granted, token=token.text))


@api.delete("/users/me/tokens/<token_id>", tags=["Accounts"])
@scoped("session")
def remove_token(token_id: str, caller: Who, client: From, now: Now) -> Empty:
    """Removes an API token, and ends its WebSockets."""
    wiring.grants().remove_token(caller.user, token_id)
    security.close_sockets(caller.user, now, grant=token_id)
    security.log("removed an API token", caller.user, client, token=token_id)
    return Empty()


def _confirm(caller: Caller, password: EnteredPassword, client: Client, now: int) -> Account:
    """The caller's account, where this is its password."""
    account, key = wiring.accounts().require(caller.user), f"password#{caller.user}"
    security.begin({key: attempts.PASSWORD}, now, caller.user, client)
    if not is_right(account.password, password):
        security.log("refused a password", caller.user, client)
        raise InvalidError("current_password", "Is not the account's password")
    wiring.attempts().succeed(key)
    return account


def _sessions(caller: Caller, now: int) -> list[SessionView]:
    account = wiring.accounts().require(caller.user)
    return [SessionView.of(each, caller.grant) for each in wiring.grants().sessions(account.id, account.epoch, now)]


def _tokens(caller: Caller, now: int) -> list[ApiTokenView]:
    return [ApiTokenView.of(granted) for granted in wiring.grants().tokens(caller.user, now)]


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)
