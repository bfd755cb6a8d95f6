"""A user's journey: an account from its registration to its end, with a program's token, a cookie and a WebSocket."""

from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
from websockets.exceptions import ConnectionClosed, InvalidStatus

from local.endpoints import Endpoints
from local.journeys.answers import WrongError, call, expect, get
from local.journeys.listener import Listener, listening


class User:
    """Somebody who has an account, or is about to have one.

    Args:
        client: Asks the API.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.email = f"Smoke.{token_hex(8)}@example.com"
        self.password = token_urlsafe(24)

    def register(self) -> dict[str, Any]:
        """Makes the account; returns its profile."""
        body = {"email": self.email, "password": self.password, "display_name": "Zoë 王"}
        return self._told("POST", "/auth/register", 201, body)

    def sign_in(self) -> dict[str, str]:
        """A new session's pair of tokens."""
        return self._told("POST", "/auth/login", 200, {"email": self.email, "password": self.password})

    def end(self, token: str) -> None:
        """Ends the account, by a session's access token."""
        call(self._client, "DELETE", "/users/me", 204, {"current_password": self.password}, token=token)

    def _told(self, method: str, path: str, status: int, body: object) -> dict[str, Any]:
        answer: dict[str, Any] = call(self._client, method, path, status, body).json()
        return answer


def walk(client: httpx.Client, endpoints: Endpoints) -> Iterator[str]:
    """Yields what was seen, a line a step; leaves no account behind.

    Raises:
        WrongError: An answer is not what the contract says.
    """
    user = User(client)
    profile = user.register()
    yield f"account: registered as {profile['id']}"
    yield from _refuse(client, user)
    pair = user.sign_in()
    token = pair["access_token"]
    yield from _be_known(client, profile, token, endpoints.http)
    yield from _settle(client, token)
    yield from _run_a_program(client, token)
    yield from _end_a_session(client, user, token)
    yield from _refresh(client, user)
    yield from _browse(client, user, endpoints.http)
    yield from _connect(client, user, endpoints.websocket)
    yield from _leave(client, user, pair)
    again = user.register()
    expect("registered again", again["id"] != profile["id"], again)
    user.end(user.sign_in()["access_token"])
    yield f"account: registered again as {again['id']}, and ended"


def _refuse(client: httpx.Client, user: User) -> Iterator[str]:
    taken = {"email": user.email.upper(), "password": user.password}
    yield f"e-mail in upper case: {call(client, 'POST', '/auth/register', 409, taken).json()['detail']}"
    wrong = {"email": user.email, "password": "not " + user.password}
    yield f"wrong password: {call(client, 'POST', '/auth/login', 401, wrong).json()['detail']}"


def _be_known(client: httpx.Client, profile: dict[str, Any], token: str, issuer: str) -> Iterator[str]:
    said = _verified(client, token, issuer)
    expect("access token", said["sub"] == profile["id"], said)
    yield f"signed in: the access token verifies with a key of ours, good for {said['exp'] - said['iat']} s"
    seen = call(client, "GET", "/users/me", 200, token=token).json()
    expect("profile", seen == profile, seen)
    yield f"profile: {seen['display_name']}; without a token {call(client, 'GET', '/users/me', 401).json()['title']}"


def _verified(client: httpx.Client, token: str, issuer: str) -> dict[str, Any]:
    """What an access token says, to anybody who knows our public keys alone."""
    keys = jwt.PyJWKSet.from_dict(get(client, "/.well-known/jwks.json").json())
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        said: dict[str, Any] = jwt.decode(token, key, ["ES256"], audience="cryptopulse", issuer=issuer)
    except jwt.PyJWTError as error:
        raise WrongError(f"access token: {error!r}") from error
    return said


def _settle(client: httpx.Client, token: str) -> Iterator[str]:
    named = call(client, "PATCH", "/users/me", 200, {"display_name": "Ζωή 🌍"}, token=token).json()
    expect("display name", named["display_name"] == "Ζωή 🌍", named)
    liked = call(client, "GET", "/users/me/preferences", 200, token=token).json()
    wanted = liked | {"base_currency": "EUR", "watchlist": ["BTC-USD", "ETH-USD"], "theme": "dark"}
    call(client, "PUT", "/users/me/preferences", 200, wanted, token=token)
    kept = call(client, "GET", "/users/me/preferences", 200, token=token).json()
    expect("preferences", kept == wanted != liked, kept)
    yield f"settled: {named['display_name']}, {kept['base_currency']}, {', '.join(kept['watchlist'])}, {kept['theme']}"


def _run_a_program(client: httpx.Client, own: str) -> Iterator[str]:
    made = call(client, "POST", "/users/me/tokens", 201, {"name": "smoke", "scopes": ["read"]}, token=own).json()
    secret = made.pop("token")
    call(client, "GET", "/users/me", 200, token=secret)
    refusal = call(client, "PATCH", "/users/me", 403, {"display_name": "Eve"}, token=secret).json()
    yield f"API token {made['name']}: reads; changing: {refusal['detail']}"
    listed = call(client, "GET", "/users/me/tokens", 200, token=own).json()["items"]
    is_noted = len(listed) == 1 and listed[0].pop("last_used_at") and made.pop("last_used_at") is None
    expect("API tokens", is_noted and listed == [made], listed)
    call(client, "DELETE", f"/users/me/tokens/{made['id']}", 204, token=own)
    call(client, "GET", "/users/me", 401, token=secret)
    yield "API token removed: refused"


def _end_a_session(client: httpx.Client, user: User, own: str) -> Iterator[str]:
    lost = user.sign_in()
    sessions = _sessions(client, own)
    other = next(each["id"] for each in _sessions(client, lost["access_token"]) if each["current"])
    expect("sessions", [each["current"] for each in sessions if each["id"] == other] == [False], sessions)
    call(client, "DELETE", f"/users/me/sessions/{other}", 204, token=own)
    left = _sessions(client, own)
    expect("sessions", left == [each for each in sessions if each["id"] != other], left)
    call(client, "GET", "/users/me", 401, token=lost["access_token"])
    call(client, "POST", "/auth/refresh", 401, {"refresh_token": lost["refresh_token"]})
    yield f"sessions: {len(sessions)}, and {len(left)} after one of them was ended"


def _sessions(client: httpx.Client, token: str) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = call(client, "GET", "/users/me/sessions", 200, token=token).json()["items"]
    return sessions


def _refresh(client: httpx.Client, user: User) -> Iterator[str]:
    first = user.sign_in()
    second = _refreshed(client, first)
    call(client, "GET", "/users/me", 200, token=second["access_token"])
    yield "refreshed: a new pair"
    for stale in (first, second):  # whoever of the two stole it
        call(client, "POST", "/auth/refresh", 401, {"refresh_token": stale["refresh_token"]})
    call(client, "GET", "/users/me", 401, token=second["access_token"])
    yield "a spent refresh token again: refused, and so is the one that followed it, and the session"


def _refreshed(client: httpx.Client, pair: dict[str, str]) -> dict[str, str]:
    following: dict[str, str] = call(
        client, "POST", "/auth/refresh", 200, {"refresh_token": pair["refresh_token"]}
    ).json()
    expect("refresh", following["refresh_token"] != pair["refresh_token"], "the same refresh token again")
    return following


def _browse(client: httpx.Client, user: User, base: str) -> Iterator[str]:
    own = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(base))}
    body = {"email": user.email, "password": user.password, "cookie": True}
    answer = call(client, "POST", "/auth/login", 200, body, headers=own)
    expect("cookie", "refresh_token" not in answer.json(), "the refresh token is in the body too")
    cookie = _cookie(client, answer)
    call(client, "POST", "/auth/refresh", 403, headers={"Cookie": cookie, "Origin": "https://elsewhere.example"})
    call(client, "POST", "/auth/refresh", 403, headers={"Cookie": cookie})
    following = _cookie(client, call(client, "POST", "/auth/refresh", 200, headers={"Cookie": cookie} | own))
    expect("cookie", following != cookie, "the same refresh token again")
    yield "browser: the refresh token is in a cookie of ours, taken from our own pages only"
    call(client, "POST", "/auth/logout", 204, headers={"Cookie": following} | own)
    call(client, "POST", "/auth/refresh", 401, headers={"Cookie": following} | own)
    yield "browser: signed out"


def _cookie(client: httpx.Client, answer: httpx.Response) -> str:
    """The refresh token's cookie that an answer sets, as a browser sends it."""
    client.cookies.clear()  # it goes into a request where the journey says so
    cookie: Morsel[str] = SimpleCookie(answer.headers["Set-Cookie"])["refresh_token"]
    is_safe = cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Strict"
    expect("cookie", bool(is_safe) and cookie["path"].endswith("/auth"), "it is not kept from scripts, or elsewhere")
    return f"{cookie.key}={cookie.value}"


def _connect(client: httpx.Client, user: User, websocket: str) -> Iterator[str]:
    with listening(websocket) as listener:
        refusal = listener.say("subscribe", channel="alerts")
        expect("no ticket", refusal["code"] == "unauthorized", refusal)
        yield f"WebSocket: {refusal['message']}"
    pair = user.sign_in()
    ticket = call(client, "POST", "/auth/ws-ticket", 200, token=pair["access_token"]).json()["ticket"]
    with listening(f"{websocket}?ticket={ticket}") as listener:
        pong = listener.say("ping")
        expect("ticket", pong["type"] == "pong", pong)
        _expect_refused(f"{websocket}?ticket={ticket}")
        yield "WebSocket: a ticket lets in once"
        call(client, "POST", "/auth/logout", 204, {"refresh_token": pair["refresh_token"]})
        bye = listener.hear("bye")
        expect("bye", bye == {"type": "bye", "reason": "session_ended"}, bye)
        _expect_closed(listener)
        yield f"signed out: the WebSocket is told {bye['reason']}, and closed"


def _expect_refused(url: str) -> None:
    try:
        with listening(url):
            pass
    except InvalidStatus:
        return
    raise WrongError("WebSocket: a ticket was taken a second time")


def _expect_closed(listener: Listener) -> None:
    try:
        more = listener.hear("bye")
    except ConnectionClosed:
        return
    raise WrongError(f"WebSocket: not closed, but told {more}")


def _leave(client: httpx.Client, user: User, pair: dict[str, str]) -> Iterator[str]:
    new = {"name": "smoke", "scopes": ["read", "trade", "admin"]}
    program = call(client, "POST", "/users/me/tokens", 201, new, token=pair["access_token"]).json()["token"]
    user.end(pair["access_token"])
    for token in (pair["access_token"], program):
        call(client, "GET", "/users/me", 401, token=token)
        call(client, "POST", "/auth/ws-ticket", 401, token=token)
    call(client, "POST", "/auth/refresh", 401, {"refresh_token": pair["refresh_token"]})
    call(client, "POST", "/auth/login", 401, {"email": user.email, "password": user.password})
    yield "account ended: refused with either token, the refresh token and the password"
