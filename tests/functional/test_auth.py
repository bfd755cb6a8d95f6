"""Who is let in: registration, sign-in, refresh, sign-out, tickets, keys."""

import threading
from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import Any

import argon2
import boto3
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from cryptopulse import wiring
from cryptopulse.aws.client import Client as AwsClient
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.grants import Client
from cryptopulse.aws.keys import Keys
from cryptopulse.domain import attempts, passwords
from cryptopulse.domain.accounts import SESSIONS, Account
from cryptopulse.domain.tokens import RefreshToken
from cryptopulse.domain.users import email_key
from cryptopulse.errors import CryptoPulseError, ThrottledError
from tests.functional.web import ADDRESS, EMAIL, PASSWORD, Reply, Web

type Together = Callable[[Callable[[], object]], list[object]]

DAY = 86_400_000
ISSUER = "https://api.test"


@pytest.fixture(autouse=True)
def quick_passwords() -> None:
    """Here they are hashed in earnest."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Moves the functions' clock on by milliseconds."""
    ahead = 0
    real = wiring.now

    def move(milliseconds: int) -> None:
        nonlocal ahead
        ahead += milliseconds

    monkeypatch.setattr(wiring, "now", lambda: real() + ahead)
    return move


def problem(reply: Reply) -> tuple[int, str, Any]:
    assert reply.headers["Content-Type"] == "application/problem+json"
    return reply.status, reply.body["detail"], reply.body.get("errors")


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Together:
    """What four do at once, or raise; each call to a table is whole, as in DynamoDB, which moto's threads are not."""
    call, whole = AwsClient.call, threading.Lock()

    def locked(self: AwsClient, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with whole:
            return call(self, operation, body)

    monkeypatch.setattr(AwsClient, "call", locked)

    def run(do: Callable[[], object]) -> list[object]:
        start, outcomes = threading.Barrier(4), list[object]()

        def one() -> None:
            start.wait(5)
            try:
                outcomes.append(do())
            except CryptoPulseError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    return run


# --- registration ---


def test_registration_makes_an_account(web: Web) -> None:
    reply = web.register("Ann@Example.COM", display_name="  Ann ")
    assert reply.status == 201
    assert reply.body == {
        "id": reply.body["id"],
        "email": "Ann@example.com",
        "display_name": "Ann",
        "created_at": reply.body["created_at"],
    }
    assert len(reply.body["id"]) == 32
    assert reply.body["created_at"].endswith("Z")
    assert reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("email", [EMAIL, "ANN@example.com", "ann@EXAMPLE.com", "ａｎｎ@example.com"])
def test_an_e_mail_has_one_account_however_it_is_written(web: Web, email: str) -> None:
    assert web.register().status == 201
    assert problem(web.register(email)) == (409, "This e-mail address has an account.", None)
    assert web.sign_in(email).status == 200


def test_of_those_who_register_an_e_mail_at_once_one_gets_it(aws: boto3.Session, together: Together) -> None:
    def register() -> None:
        key = email_key(EMAIL)
        account = Account(
            id=token_hex(16), email=EMAIL, email_key=key, display_name=None, password="hash", created_at=1
        )
        wiring.accounts().add(account)

    assert sorted(map(str, together(register))) == ["None"] + ["This e-mail address has an account."] * 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": EMAIL}, "password"),
        ({"email": "ann", "password": PASSWORD}, "email"),
        ({"email": EMAIL, "password": "elevenchars"}, "password"),
        ({"email": EMAIL, "password": "x" * 129}, "password"),
        ({"email": EMAIL, "password": "Password2026!!"}, "password"),
        ({"email": EMAIL, "password": "ann@example.com"}, "password"),
        ({"email": EMAIL, "password": 12}, "password"),
        ({"email": [EMAIL], "password": PASSWORD}, "email"),
        ({"email": EMAIL, "password": PASSWORD, "display_name": ""}, "display_name"),
        ({"email": EMAIL, "password": PASSWORD, "id": "0" * 32}, "id"),
        ({"email": EMAIL, "password": PASSWORD, "scope": "admin"}, "scope"),
        ({"email": EMAIL, "password": PASSWORD, "epoch": 9}, "epoch"),
        ([], "body"),
    ],
)
def test_a_bad_registration_names_the_field(web: Web, body: object, field: str) -> None:
    reply = web("POST", "/auth/register", body)
    assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    "password", ["🔒" * 128, "пароль из семи слов", "null\x00byte in here", " " * 3 + "spaces all over  ", "x" * 128]
)
def test_passwords_of_any_unicode_work(web: Web, password: str) -> None:
    assert web.register(password=password).status == 201
    assert web.sign_in(password=password).status == 200
    assert web.sign_in(password=password + "x").status == 401


def test_one_password_typed_in_two_unicode_forms_is_the_same(web: Web) -> None:
    assert web.register(password="crème brûlée for two").status == 201
    assert web.sign_in(password="cre\u0300me bru\u0302le\u0301e for two").status == 200


def test_repeating_a_registration_with_its_key_gives_the_first_answer(web: Web, clock: Callable[[int], None]) -> None:
    body = {"email": EMAIL, "password": PASSWORD, "display_name": "Ann"}
    key = {"idempotency-key": "k" * 64}
    first = web("POST", "/auth/register", body, headers=key)
    again = web("POST", "/auth/register", body, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    for other in (body | {"password": PASSWORD + "!"}, body | {"display_name": "Bob"}):
        status, _, errors = problem(web("POST", "/auth/register", other, headers=key))
        assert (status, errors[0]["field"]) == (422, "Idempotency-Key")
    assert web("POST", "/auth/register", body, headers={"idempotency-key": "another"}).status == 409
    assert web("POST", "/auth/register", body).status == 409
    clock(DAY)
    assert web("POST", "/auth/register", body, headers=key).status == 409


@pytest.mark.parametrize("key", ["", "k" * 65, "naïve", "tab\there"])
def test_a_key_that_is_none_is_refused(web: Web, key: str) -> None:
    reply = web("POST", "/auth/register", {"email": EMAIL, "password": PASSWORD}, headers={"idempotency-key": key})
    assert (reply.status, reply.body["errors"][0]["field"]) == (422, "Idempotency-Key")


def test_an_address_that_registers_very_often_waits(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "REGISTRATION", attempts.REGISTRATION._replace(free=4))
    statuses = [web.register(f"user{number}@example.com").status for number in range(5)]
    assert statuses == [201] * 4 + [429]
    reply = web.register("another@example.com")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
    elsewhere = web("POST", "/auth/register", {"email": "b@example.com", "password": PASSWORD}, address="203.0.113.8")
    assert elsewhere.status == 201


# --- sign-in ---


def test_signing_in_gives_a_pair(web: Web) -> None:
    id_ = web.register().body["id"]
    reply = web.sign_in()
    assert reply.status == 200
    access, refresh = reply.body["access_token"], reply.body["refresh_token"]
    assert reply.body == {
        "access_token": access,
        "refresh_token": refresh,
        "token_type": "Bearer",
        "expires_in": 900,
    }
    (key,) = web("GET", "/.well-known/jwks.json").body["keys"]
    claims = jwt.decode(access, jwt.PyJWK(key), ["ES256"], audience="cryptopulse", issuer=ISSUER)
    assert claims["sub"] == id_
    assert claims["exp"] - claims["iat"] == 900
    assert claims["scope"].split() == ["admin", "read", "trade"]
    assert jwt.get_unverified_header(access) == {"alg": "ES256", "kid": key["kid"], "typ": "at+jwt"}
    assert web("GET", "/users/me", token=access).body["id"] == id_


def test_a_wrong_password_and_an_unknown_e_mail_get_one_answer(web: Web) -> None:
    web.register()
    replies = [
        web.sign_in(password="wrong password, quite"),
        web.sign_in("nobody@example.com"),
        web.sign_in("no e-mail"),
        web.sign_in(""),
        web.sign_in(password="short"),
        web.sign_in(f"{EMAIL}\x00"),
    ]
    for reply in replies:
        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert reply.body["detail"] == "The e-mail or the password is wrong."
    seen = [(sorted(reply.headers), {**reply.body, "request_id": ""}) for reply in replies]
    assert seen == [seen[0]] * len(seen)


def test_after_five_failures_an_address_waits_for_that_account_and_only_that_address(
    web: Web, clock: Callable[[int], None]
) -> None:
    web.register()
    for _ in range(5):
        assert web.sign_in(password="wrong password, quite").status == 401
    assert web.sign_in(password="wrong password, quite").status == 429
    reply = web.sign_in()
    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
    assert web.sign_in(address="203.0.113.8").status == 200
    clock(1_000)
    assert web.sign_in().status == 200
    assert web.sign_in(password="wrong password, quite").status == 401  # the account's five are free again


def test_strangers_together_keep_nobody_out(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "SIGN_IN_ACCOUNT", attempts.SIGN_IN_ACCOUNT._replace(free=4))
    web.register()
    for number in range(5):
        assert web.sign_in(password="wrong password, quite", address=f"198.51.100.{number}").status == 401
    assert web.sign_in(password="wrong password, quite", address="198.51.100.4").status == 429
    assert web.sign_in(password="wrong password, quite", address="192.0.2.1").status == 401
    again = web.sign_in(password="wrong password, quite", address="192.0.2.1")
    assert (again.status, again.headers["Retry-After"]) == (429, "1")  # then all may try at the account again
    assert web.sign_in(address="192.0.2.2").status == 200
    assert web.sign_in(address="192.0.2.2").status == 200


def test_where_he_is_signed_in_nobody_waits_for_longer_than_a_minute(
    web: Web, clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "SIGN_IN_PAIR", attempts.SIGN_IN_PAIR._replace(first=900_000))
    web.register()
    for _ in range(6):
        web.sign_in(password="wrong password, quite")
    assert web.sign_in().headers["Retry-After"] == "900"
    clock(900_000)
    assert web.sign_in().status == 200
    for _ in range(6):
        web.sign_in(password="wrong password, quite")
    assert int(web.sign_in().headers["Retry-After"]) <= 60


def test_a_neighbour_behind_the_same_address_keeps_nobody_out_who_is_known_there(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "SIGN_IN_ADDRESS", attempts.SIGN_IN_ADDRESS._replace(free=4))
    web.register()
    assert web.sign_in().status == 200
    for number in range(5):
        web.sign_in(f"user{number}@example.com")
    assert web.sign_in("bob@example.com").status == 429
    assert web.sign_in().status == 200


def test_a_user_who_signs_in_very_often_waits(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "SIGNED_IN", attempts.SIGNED_IN._replace(free=2))
    web.register()
    assert [web.sign_in().status for _ in range(3)] == [200, 200, 429]


def test_an_idempotency_key_does_not_help_to_guess(web: Web) -> None:
    key = {"idempotency-key": "known"}
    body = {"email": EMAIL, "password": PASSWORD}
    assert web("POST", "/auth/register", body, headers=key).status == 201
    guess = body | {"password": "wrong password, quite"}
    statuses = [web("POST", "/auth/register", guess, headers=key).status for _ in range(6)]
    assert statuses == [422] * 5 + [429]


def test_a_hash_with_other_parameters_is_made_anew_at_sign_in(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "_HASHER", cheap())
        id_ = web.register().body["id"]
    before = wiring.accounts().require(id_)
    assert web.sign_in().status == 200
    after = wiring.accounts().require(id_)
    assert passwords.is_outdated(before.password)
    assert not passwords.is_outdated(after.password)
    assert web.sign_in().status == 200
    assert wiring.accounts().require(id_) == after


def test_of_very_many_sessions_the_one_unused_for_longest_ends(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", cheap())
    monkeypatch.setattr("functions.auth.app.SESSIONS", 3)
    assert SESSIONS == 100
    ann = web.person()
    others = [web.again(ann.id) for _ in range(3)]
    assert web("GET", "/users/me", token=ann.access).status == 401
    assert [web("GET", "/users/me", token=each.access).status for each in others] == [200] * 3


# --- refresh ---


def test_a_refresh_token_is_good_once(web: Web, clock: Callable[[int], None]) -> None:
    ann = web.person()
    clock(60_000)
    second = web("POST", "/auth/refresh", {"refresh_token": ann.refresh})
    assert second.status == 200
    assert sorted(second.body) == ["access_token", "expires_in", "refresh_token", "token_type"]
    assert second.body["refresh_token"] != ann.refresh
    third = web("POST", "/auth/refresh", {"refresh_token": second.body["refresh_token"]})
    assert third.status == 200
    sids = {
        jwt.decode(body, options={"verify_signature": False})["sid"]
        for body in (ann.access, third.body["access_token"])
    }
    assert len(sids) == 1


def test_a_spent_one_ends_its_family_and_no_other(web: Web) -> None:
    ann = web.person()
    other = web.again(ann.id)
    second = web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).body
    assert web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).status == 401
    assert web("POST", "/auth/refresh", {"refresh_token": second["refresh_token"]}).status == 401
    assert web("GET", "/users/me", token=second["access_token"]).status == 401
    assert web("POST", "/auth/refresh", {"refresh_token": other.refresh}).status == 200


def test_one_made_up_ends_nothing(web: Web) -> None:
    ann = web.person()
    tail = "A" if ann.refresh[-60] != "A" else "B"
    for text in (
        ann.refresh[:-60] + tail + ann.refresh[-59:],
        ann.refresh[:47] + "A" * 64,
        "cr_" + "A" * 108,
        "",
        "x",
        "\x00",
    ):
        made_up = web("POST", "/auth/refresh", {"refresh_token": text})
        assert (made_up.status, made_up.body["detail"]) == (401, "The refresh token is not good.")
    assert web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).status == 200


def test_of_those_racing_with_one_token_one_wins(web: Web, together: Together) -> None:
    ann = web.person()
    outcomes = together(lambda: spend(ann.refresh))
    assert sorted(type(each).__name__ for each in outcomes) == ["RefreshToken"] + ["ReusedError"] * 3


def test_a_refresh_token_ends_after_30_days_without_use(web: Web, clock: Callable[[int], None]) -> None:
    ann = web.person()
    clock(30 * DAY - 1_000)
    second = web("POST", "/auth/refresh", {"refresh_token": ann.refresh})
    assert second.status == 200
    clock(30 * DAY)
    assert web("POST", "/auth/refresh", {"refresh_token": second.body["refresh_token"]}).status == 401


def test_a_lost_answer_of_the_table_is_no_reuse(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = web.person()
    update = Table.update

    def twice(self: Table, *args: Any, **options: Any) -> Any:
        update(self, *args, **options)
        return update(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "update", twice)
        second = spend(ann.refresh)
    assert web("POST", "/auth/refresh", {"refresh_token": second.text}).status == 200


def test_where_no_access_token_can_be_signed_nothing_is_spent(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = web.person()

    def busy(self: Keys, message: bytes) -> bytes:
        raise ThrottledError("KMSThrottlingException", "Sign: too fast")

    with monkeypatch.context() as patch:
        patch.setattr(Keys, "sign", busy)
        assert web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).status == 503
    assert web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).status == 200


def spend(text: str) -> RefreshToken:
    """Spends a refresh token without a request."""
    token, now = RefreshToken.parse(text), wiring.now()
    assert token is not None
    return wiring.grants().spend(wiring.grants().redeem(token, now), token, Client(ADDRESS, "test"), now)


# --- the cookie ---


def test_a_browser_keeps_the_refresh_token_in_a_cookie(web: Web) -> None:
    web.register()
    reply = web.sign_in(cookie=True)
    assert "refresh_token" not in reply.body
    (cookie,) = reply.cookies
    pair, *attributes = cookie.split("; ")
    assert pair.startswith("refresh_token=cr_")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=2592000", "Path=/auth", "SameSite=Strict", "Secure"]
    jar = dict([pair.split("=")])
    own = {"origin": ISSUER}
    again = web("POST", "/auth/refresh", headers=own, cookies=jar)
    assert again.status == 200
    assert "refresh_token" not in again.body
    jar = dict([again.cookies[0].split("; ")[0].split("=")])
    out = web("POST", "/auth/logout", headers=own, cookies=jar)
    assert (out.status, out.body) == (204, None)
    assert out.cookies[0].startswith("refresh_token=; ")
    assert "Max-Age=0" in out.cookies[0]
    assert web("POST", "/auth/refresh", headers=own, cookies=jar).status == 401


def test_on_the_dashboards_origin_the_cookie_has_its_path(web: Web) -> None:
    web.register()
    own = {"origin": "https://app.test"}
    body = {"email": EMAIL, "password": PASSWORD, "cookie": True}
    (cookie,) = web("POST", "/auth/login", body, headers=own).cookies
    assert "; Path=/api/auth;" in cookie
    jar = dict([cookie.split("; ")[0].split("=")])
    assert web("POST", "/auth/refresh", headers=own, cookies=jar).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://api.test.evil.example"},
        {"origin": "http://api.test"},
    ],
)
@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_the_cookie_is_not_taken_from_other_pages(web: Web, headers: dict[str, str], path: str) -> None:
    web.register()
    jar = dict([web.sign_in(cookie=True).cookies[0].split("; ")[0].split("=")])
    assert problem(web("POST", path, headers=headers, cookies=jar)) == (
        403,
        "The cookie is taken from pages of our own Origin only.",
        None,
    )
    assert web("POST", "/auth/refresh", headers={"origin": ISSUER}, cookies=jar).status == 200


def test_a_body_goes_before_the_cookie(web: Web) -> None:
    ann = web.person()
    reply = web("POST", "/auth/refresh", {"refresh_token": ann.refresh}, cookies={"refresh_token": "cr_x"})
    assert reply.status == 200
    assert reply.cookies == []


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_neither_body_nor_cookie_is_401(web: Web, path: str) -> None:
    assert problem(web("POST", path)) == (401, "This needs a refresh token, in the body or in the cookie.", None)


# --- sign-out, tickets, keys ---


def test_signing_out_ends_the_session_and_can_be_repeated(web: Web) -> None:
    ann = web.person()
    for _ in range(2):
        assert web("POST", "/auth/logout", {"refresh_token": ann.refresh}).status == 204
    assert web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).status == 401
    assert web("GET", "/users/me", token=ann.access).status == 401
    assert web("POST", "/auth/ws-ticket", token=ann.access).status == 401


def test_a_made_up_token_signs_nobody_out(web: Web) -> None:
    ann = web.person()
    assert web("POST", "/auth/logout", {"refresh_token": ann.refresh[:47] + "A" * 64}).status == 204
    assert web("GET", "/users/me", token=ann.access).status == 200


def test_a_ticket_is_for_the_caller_and_a_minute(web: Web) -> None:
    ann = web.person()
    reply = web("POST", "/auth/ws-ticket", token=ann.access)
    assert (reply.status, sorted(reply.body), reply.body["expires_in"]) == (200, ["expires_in", "ticket"], 60)
    bound = wiring.tickets().redeem(reply.body["ticket"], wiring.now())
    assert bound is not None
    assert bound.user == ann.id
    assert wiring.grants().is_live(bound.user, bound.grant, wiring.now())


def test_the_keys_are_public_and_may_be_kept_for_an_hour(web: Web) -> None:
    reply = web("GET", "/.well-known/jwks.json")
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "public, max-age=3600"
    (key,) = reply.body["keys"]
    assert sorted(key) == ["alg", "crv", "kid", "kty", "use", "x", "y"]


def test_a_rotated_key_verifies_what_it_signed(web: Web, aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    old = wiring.settings().SIGNING_KEYS
    ann = web.person()
    new = aws.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    monkeypatch.setenv("SIGNING_KEYS", f"{new},{old}")
    wiring.clear()
    assert web("GET", "/users/me", token=ann.access).status == 200
    later = web.again(ann.id)
    kids = [key["kid"] for key in web("GET", "/.well-known/jwks.json").body["keys"]]
    assert [jwt.get_unverified_header(each.access)["kid"] for each in (later, ann)] == kids
    monkeypatch.setenv("SIGNING_KEYS", new)
    wiring.clear()
    assert web("GET", "/users/me", token=ann.access).status == 401
    assert web("GET", "/users/me", token=later.access).status == 200


def test_the_public_keys_are_asked_for_once(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    fetch = Keys._public

    def counted(self: Keys, arn: str) -> EllipticCurvePublicKey:
        asked.append(arn)
        return fetch(self, arn)

    monkeypatch.setattr(Keys, "_public", counted)
    ann = web.person()
    for _ in range(3):
        assert web("GET", "/users/me", token=ann.access).status == 200
    assert asked == [wiring.settings().SIGNING_KEYS]


def cheap() -> Any:
    """A hasher that costs nothing, for tests of very many."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
