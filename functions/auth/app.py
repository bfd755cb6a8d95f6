"""Who is let in: registration, sign-in, tokens, and the keys that verify them."""

from hashlib import sha256
from secrets import token_hex
from typing import Annotated, Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import UNSET

from cryptopulse import wiring
from cryptopulse.api import callers, cookies, security
from cryptopulse.api.addresses import network
from cryptopulse.api.app import Answer, Api, Created, Empty, public, scoped
from cryptopulse.api.deps import From, IdempotencyKey, Now, Sent, Who, body
from cryptopulse.aws.accounts import NOBODY
from cryptopulse.aws.grants import ReusedError
from cryptopulse.aws.tickets import LIFETIME
from cryptopulse.domain import access_tokens, attempts
from cryptopulse.domain.access_tokens import Claims, JwkSet
from cryptopulse.domain.accounts import SESSIONS, Account, Session
from cryptopulse.domain.passwords import hash_, is_outdated, is_right
from cryptopulse.domain.tokens import SCOPES, RefreshToken
from cryptopulse.domain.users import Profile, Refresh, Registration, SignIn, Ticket, TokenPair, email_key
from cryptopulse.errors import ConflictError, InvalidError, LimitedError, UnauthenticatedError
from cryptopulse.telemetry import entrypoint

REPEATABLE: Final = 86_400_000
"""Milliseconds for which a registration may be repeated with its Idempotency-Key."""
WRONG: Final = "The e-mail or the password is wrong."
KEYS_KEPT: Final = 3_600
"""Seconds anybody may keep the public keys: a new one signs from its deployment on, and is asked for when it is met."""

PRESENTED: Final[Any] = {
    401: {"description": "No refresh token, or none that is good"},
    403: {"description": "The cookie came from a page that is not ours"},
}
COOKIE: Final[Any] = [{}, {"refreshCookie": []}]

api = Api(lambda event: callers.authenticate(event, live=True))


@api.post("/auth/register", tags=["Accounts"], responses={409: {"description": "The e-mail has an account"}})
@public
def register(
    new: Annotated[Registration, body(Registration)], client: From, key: IdempotencyKey, now: Now
) -> Created[Profile]:
    """Makes an account.

    After 200 an hour an address waits longer and longer. Nothing is sent: an e-mail is not verified, and a lost
    password cannot be reset.
    """
    security.refuse_common(new.password, new.email, "password")
    where = network(client.address)
    security.begin({f"register#{where}": attempts.REGISTRATION}, now, None, client)
    account = Account(
        id=token_hex(16),
        email=str(new.email),
        email_key=new.email.key,
        display_name=None if new.display_name is None else str(new.display_name),
        password=hash_(new.password),
        created_at=now,
        created_with=sha256(key.encode()).hexdigest() if key else "",
    )
    try:
        wiring.accounts().add(account)
    except ConflictError:
        first = wiring.accounts().find(account.email_key)
        if not (first and key and first.created_with == account.created_with and now - first.created_at < REPEATABLE):
            raise
        pair = f"sign-in#{account.email_key}#{where}"
        security.begin({pair: attempts.SIGN_IN_PAIR}, now, first.id, client)
        if first.display_name != account.display_name or not is_right(first.password, new.password):
            raise InvalidError("Idempotency-Key", "Was used for another request") from None
        wiring.attempts().succeed(pair)
        account = first
    else:
        security.log("registered", account.id, client)
    return Created(Profile.of(account))


@api.post("/auth/login", tags=["Accounts"], responses={401: {"description": "Wrong e-mail or password"}})
@public
def sign_in(given: Annotated[SignIn, body(SignIn)], client: From, sent: Sent, now: Now) -> Answer[TokenPair]:
    """Opens a session.

    After five failures at an account from an address that address waits longer and longer there, up to 15 minutes;
    other addresses are not affected. With `cookie` the refresh token is put into a cookie and left out of the answer.
    """
    key, where = email_key(given.email), network(client.address)
    pair, by_address, by_account = f"sign-in#{key}#{where}", f"sign-in#{where}", f"sign-in#{key}"
    account = wiring.accounts().find(key)
    counted = {by_address: attempts.SIGN_IN_ADDRESS, by_account: attempts.SIGN_IN_ACCOUNT}
    try:
        wiring.attempts().begin({pair: attempts.SIGN_IN_PAIR, **counted}, now)
    except LimitedError as limited:
        is_known = _knows(account, where, now)
        rule = attempts.SIGN_IN_KNOWN if is_known else attempts.SIGN_IN_STRANGER
        counted = {} if is_known else {by_address: attempts.SIGN_IN_ADDRESS}
        try:
            wiring.attempts().begin({pair: rule, **counted}, now)
        except LimitedError as too:
            security.log("made to wait", account.id if account else None, client)
            raise min(limited, too, key=lambda error: error.retry_after) from None
    if not is_right(account.password if account else None, given.password) or account is None:
        security.log("refused a password", account.id if account else None, client)
        raise UnauthenticatedError(WRONG)
    wiring.attempts().succeed(pair, counted)
    security.begin({f"signed-in#{account.id}": attempts.SIGNED_IN}, now, account.id, client)
    if is_outdated(account.password):
        wiring.accounts().rehash(account, hash_(given.password))
    session, token = wiring.grants().open_session(account, client, now)
    for unused in wiring.grants().sessions(account.id, account.epoch, now)[SESSIONS:]:
        security.end_session(account.id, unused.id, now)
    security.log("signed in", account.id, client, session=session.id)
    return _pair(_access_token(session), token, sent, in_cookie=given.cookie)


def _knows(account: Account | None, where: str, now: int) -> bool:
    """Whether a user is signed in from this network; where there is no account it takes as long."""
    user, epoch = (account.id, account.epoch) if account else (NOBODY, 0)
    return any(network(each.address) == where for each in wiring.grants().sessions(user, epoch, now))


@api.post("/auth/refresh", tags=["Accounts"], responses=PRESENTED, security=COOKIE)
@public
def refresh(
    given: Annotated[Refresh | None, body(Refresh, optional=True)], client: From, sent: Sent, now: Now
) -> Answer[TokenPair]:
    """Spends a refresh token for a new pair; one that was spent before ends its session.

    Without a body the token is that of the cookie, taken from our own `Origin` only.
    """
    token = RefreshToken.parse(_presented(given, sent))
    if token is None:
        raise UnauthenticatedError("The refresh token is not good.", is_presented=True)
    try:
        session = wiring.grants().redeem(token, now)
        access = _access_token(session)  # first: where it fails, nothing is spent
        following = wiring.grants().spend(session, token, client, now)
    except ReusedError as error:
        security.log("refused a spent refresh token", error.session.user, client, session=error.session.id)
        security.end_session(error.session.user, error.session.id, now)
        raise
    return _pair(access, following, sent, in_cookie=given is None)


@api.post("/auth/logout", tags=["Accounts"], responses=PRESENTED, security=COOKIE)
@public
def sign_out(
    given: Annotated[Refresh | None, body(Refresh, optional=True)], client: From, sent: Sent, now: Now
) -> Empty:
    """Ends the session of a refresh token; what is no token of ours ends nothing.

    Without a body the token is that of the cookie, taken from our own `Origin` only.
    """
    token = RefreshToken.parse(_presented(given, sent))
    session = wiring.grants().recognise(token) if token else None
    if session:
        security.end_session(session.user, session.id, now)
        security.log("signed out", session.user, client, session=session.id)
    return Empty(cookies=[cookies.drop(sent)] if given is None else [])


@api.post("/auth/ws-ticket", tags=["Accounts"])
@scoped("read")
def issue_ticket(caller: Who, now: Now) -> Answer[Ticket]:
    """A ticket for the WebSocket's handshake, good once and for a minute.

    Connect with `?ticket=`. The connection is the user's for as long as the session or API token lasts that asked for
    it.
    """
    return Answer(Ticket(wiring.tickets().issue(caller.user, caller.grant, now), LIFETIME))


@api.get("/.well-known/jwks.json", tags=["Accounts"])
@public
def read_keys() -> Answer[JwkSet]:
    """The keys that verify access tokens (RFC 7517)."""
    return Answer(JwkSet([access_tokens.jwk(key) for key in wiring.keys().public.values()]), max_age=KEYS_KEPT)


def _presented(given: Refresh | None, sent: Sent) -> str:
    """The refresh token of the body, else of the cookie."""
    text = given.refresh_token if given else cookies.refresh_cookie(sent)
    if text is None:
        raise UnauthenticatedError("This needs a refresh token, in the body or in the cookie.")
    return text


def _access_token(session: Session) -> str:
    issued = wiring.now() // 1000
    claims = Claims(
        iss=wiring.settings().ISSUER,
        aud=access_tokens.AUDIENCE,
        sub=session.user,
        sid=session.id,
        scope=" ".join(sorted(SCOPES)),
        jti=token_hex(16),
        iat=issued,
        exp=issued + access_tokens.LIFETIME,
    )
    return access_tokens.sign(claims, wiring.keys().kid, wiring.keys().sign)


def _pair(access: str, refresh: RefreshToken, sent: Sent, *, in_cookie: bool) -> Answer[TokenPair]:
    pair = TokenPair(
        access_token=access,
        refresh_token=UNSET if in_cookie else refresh.text,
        token_type="Bearer",  # noqa: S106 (RFC 6750's word)
        expires_in=access_tokens.LIFETIME,
    )
    return Answer(pair, cookies=[cookies.keep(sent, refresh.text)] if in_cookie else [])


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers an HTTP request."""
    return api.resolve(event, context)
