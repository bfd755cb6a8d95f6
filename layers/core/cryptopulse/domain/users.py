"""What users send about themselves, and what they get to see."""

import unicodedata
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, Self

from email_validator import EmailNotValidError, EmailSyntaxError, ValidatedEmail, validate_email
from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain.accounts import Account, GrantedToken, Preferences, Session
from cryptopulse.domain.alerts import AlertView, FiredView
from cryptopulse.domain.names import DisplayName
from cryptopulse.domain.passwords import EnteredPassword, Password
from cryptopulse.domain.portfolios import PortfolioView
from cryptopulse.domain.times import Moment, Time, rfc3339
from cryptopulse.domain.tokens import TokenScope
from cryptopulse.domain.transactions import TransactionView
from cryptopulse.errors import InvalidError

LONGEST_EMAIL: Final = 254
"""Characters of an e-mail address (RFC 5321)."""


class Email(str):
    """An e-mail address as its owner writes it, its domain in lower case."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "format": "email", "maxLength": LONGEST_EMAIL}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The address.

        Raises:
            ValueError: It is none that could receive mail.
        """
        try:
            if len(text) > LONGEST_EMAIL:  # before anything whose time grows faster
                raise EmailSyntaxError
            return cls(_validated(text).normalized)
        except EmailNotValidError as error:
            raise ValueError("Expected an e-mail address") from error

    @property
    def key(self) -> str:
        """What two ways of writing one address share, hashed."""
        return email_key(self)


def email_key(text: str) -> str:
    """A hash that is the same for an address in whatever case and Unicode form; of any text, also one that is none."""
    text = text[: LONGEST_EMAIL + 1]
    try:
        found = _validated(text)
        text = f"{found.local_part}@{found.ascii_domain}"
    except EmailNotValidError:
        pass  # nobody's
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()


def _validated(text: str) -> ValidatedEmail:
    # Nothing is sent, so that reserved domains (.test) do no harm.
    return validate_email(text, check_deliverability=False, test_environment=True)


# --- what clients send ---


class _Body(Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class Registration(_Body):
    """Who wants an account."""

    email: Email
    password: Password
    display_name: DisplayName | None = None


class SignIn(_Body):
    """Who wants in; `cookie` asks for the refresh token in a cookie."""

    email: Annotated[str, Meta(max_length=1_000)]
    password: EnteredPassword
    cookie: Annotated[bool, Meta(description="Whether the refresh token is to come in a cookie, not in the answer")] = (
        False
    )


class Refresh(_Body):
    """A refresh token to spend, or to be rid of."""

    refresh_token: Annotated[str, Meta(max_length=1_000)]


class ProfileChange(_Body):
    """What to change of a profile; an e-mail asks for the password."""

    display_name: DisplayName | UnsetType | None = UNSET
    email: Email | UnsetType = UNSET
    current_password: EnteredPassword | UnsetType = UNSET


class PasswordChange(_Body):
    """A new password, and the one so far."""

    current_password: EnteredPassword
    new_password: Annotated[Password, Meta(description="12 to 128 characters, any Unicode; common ones are refused")]


class Deletion(_Body):
    """The end of an account."""

    current_password: EnteredPassword


class NewPreferences(Preferences, kw_only=True, forbid_unknown_fields=True):
    """How a user wants things from now on; what is left out goes back to its default."""


class NewApiToken(_Body):
    """An API token to be."""

    name: DisplayName
    scopes: Annotated[list[TokenScope], Meta(min_length=1, max_length=3, extra_json_schema={"uniqueItems": True})]
    expires_at: Time | None = None

    def __post_init__(self) -> None:
        if len(set(self.scopes)) < len(self.scopes):
            raise InvalidError("scopes", "Expected each once")


# --- what they get ---


class Profile(Struct):
    """A user, as he sees himself."""

    id: str
    email: str
    display_name: str | None
    created_at: Moment

    @classmethod
    def of(cls, account: Account) -> Self:
        """An account's."""
        return cls(account.id, account.email, account.display_name, rfc3339(account.created_at))


class TokenPair(Struct, kw_only=True, omit_defaults=True):
    """What a client is let in with; without `refresh_token` where that is in a cookie."""

    access_token: Annotated[str, Meta(description="For `Authorization: Bearer …`; a JWT that the public keys verify")]
    refresh_token: str | UnsetType = UNSET
    token_type: Annotated[str, Meta(description="How to send it: `Bearer`", examples=["Bearer"])]
    expires_in: Annotated[int, Meta(description="Seconds until the access token ends")]


class Ticket(Struct):
    """What opens a WebSocket with the private channels."""

    ticket: Annotated[str, Meta(description="For `?ticket=` of the WebSocket's address, once")]
    expires_in: Annotated[int, Meta(description="Seconds until it is no good any more")]


class SessionView(Struct):
    """A session, as its user sees it; `current` is the one that asks."""

    id: str
    created_at: Moment
    last_used_at: Moment
    address: str
    user_agent: Annotated[str, Meta(description="What the client called itself, 200 characters at most")]
    current: Annotated[bool, Meta(description="Whether it is the one that asks")]

    @classmethod
    def of(cls, session: Session, current: str) -> Self:
        """A session's, asked for by the session `current`."""
        created_at, last_used_at = rfc3339(session.created_at), rfc3339(session.last_used_at)
        return cls(session.id, created_at, last_used_at, session.address, session.user_agent, session.id == current)


class ApiTokenView(Struct, kw_only=True):
    """An API token, as its user sees it."""

    id: str
    name: str
    scopes: list[TokenScope]
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None

    @classmethod
    def of(cls, granted: GrantedToken, **more: str) -> Self:
        """An API token's; `more` is what a class below adds."""
        return cls(
            id=granted.id,
            name=granted.name,
            scopes=granted.scopes,
            created_at=rfc3339(granted.created_at),
            expires_at=None if granted.ends_at is None else rfc3339(granted.ends_at),
            last_used_at=None if granted.last_used_at is None else rfc3339(granted.last_used_at),
            **more,
        )


class NewApiTokenView(ApiTokenView, kw_only=True):
    """An API token just made: `token` is shown this once."""

    token: Annotated[str, Meta(description="For `Authorization: Bearer …`; begins with `cp_`")]


class PortfolioExport(PortfolioView, kw_only=True):
    """A portfolio with all that is in it."""

    transactions: Annotated[list[TransactionView], Meta(description="All of them, in order")]


class Export(Struct):
    """All that is kept of a user."""

    exported_at: Annotated[Moment, Meta(description="When this was read")]
    profile: Profile
    preferences: Preferences
    sessions: list[SessionView]
    tokens: Annotated[list[ApiTokenView], Meta(description="API tokens, without the tokens themselves")]
    portfolios: Annotated[list[PortfolioExport], Meta(description="With all that is in them")]
    alerts: Annotated[list[AlertView], Meta(description="The newest first")]
    alerts_fired: Annotated[list[FiredView], Meta(description="Of the last 90 days, newest first, 10,000 at most")]
