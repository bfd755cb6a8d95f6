"""What an attacker tries, through the front door."""

import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode, der_to_raw_signature

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.domain.users import email_key
from local.openapi import document
from tests.functional.web import EMAIL, PASSWORD, Person, Reply, Web

BOB = "bob@example.com"


@pytest.fixture
def ann(web: Web) -> Person:
    return web.person()


@pytest.fixture
def bob(web: Web) -> Person:
    return web.person(BOB)


# --- forged tokens ---


def claims(person: Person, **changes: Any) -> dict[str, Any]:
    return jwt.decode(person.access, options={"verify_signature": False}) | changes


def unsigned(header: Mapping[str, Any], payload: Mapping[str, Any]) -> bytes:
    return b".".join(base64url_encode(json.dumps(part).encode()) for part in (header, payload))


def own_key(header: dict[str, Any], payload: Mapping[str, Any]) -> str:
    """A token well signed by a key of the attacker's."""
    key = ec.generate_private_key(ec.SECP256R1())
    message = unsigned(header, payload)
    signature = der_to_raw_signature(key.sign(message, ec.ECDSA(hashes.SHA256())), ec.SECP256R1())
    return b".".join((message, base64url_encode(signature))).decode()


def by_kms(header: dict[str, Any], payload: Mapping[str, Any]) -> str:
    """A token that our own key signed, though not as our tokens are."""
    message = unsigned(header, payload)
    signature = der_to_raw_signature(wiring.keys().sign(message), ec.SECP256R1())
    return b".".join((message, base64url_encode(signature))).decode()


def secret(header: dict[str, Any], payload: Mapping[str, Any]) -> str:
    """A token with the public key as a shared secret."""
    (key,) = wiring.keys().public.values()
    message = unsigned(header | {"alg": "HS256"}, payload)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return b".".join((message, base64url_encode(2 * hmac.digest(pem, message, "sha256")))).decode()


FORGERIES: Mapping[str, Callable[[dict[str, Any], Person], str]] = {
    "alg none": lambda head, ann: unsigned(head | {"alg": "none"}, claims(ann)).decode() + "." + "A" * 86,
    "alg none, no signature": lambda head, ann: unsigned(head | {"alg": "none"}, claims(ann)).decode() + ".",
    "no signature": lambda head, ann: unsigned(head, claims(ann)).decode() + ".",
    "HS256 by the public key": lambda head, ann: secret(head, claims(ann)),
    "a key of one's own": lambda head, ann: own_key(head, claims(ann)),
    "a foreign kid": lambda head, ann: own_key(head | {"kid": "mine"}, claims(ann)),
    "no kid": lambda head, ann: by_kms({"alg": "ES256", "typ": "at+jwt"}, claims(ann)),
    "a foreign jku": lambda head, ann: own_key(head | {"jku": "https://evil.example/jwks.json"}, claims(ann)),
    "a foreign jwk": lambda head, ann: own_key(head | {"jwk": {"kty": "EC"}}, claims(ann)),
    "a path for a kid": lambda head, ann: own_key(head | {"kid": "../../../dev/null"}, claims(ann)),
    "expired": lambda head, ann: by_kms(head, claims(ann, iat=1, exp=2)),
    "not yet valid": lambda head, ann: by_kms(head, claims(ann, nbf=claims(ann)["iat"] + 3600)),
    "issued tomorrow": lambda head, ann: by_kms(head, claims(ann, iat=claims(ann)["iat"] + 86_400)),
    "never expires": lambda head, ann: by_kms(head, {k: v for k, v in claims(ann).items() if k != "exp"}),
    "no session": lambda head, ann: by_kms(head, claims(ann, sid="")),
    "another type": lambda head, ann: by_kms(head | {"typ": "JWT"}, claims(ann)),
    "truncated": lambda head, ann: ann.access[:-20],
    "trailing data": lambda head, ann: ann.access + "AAAA",
    "a trailing part": lambda head, ann: ann.access + ".AAAA",
    "padded": lambda head, ann: ann.access + "==",
    "a new line": lambda head, ann: ann.access + "\nX-User: root",
    "oversized": lambda head, ann: by_kms(head, claims(ann, jti="x" * 3_000)),
    "very oversized": lambda head, ann: "A" * 200_000,
    "null bytes": lambda head, ann: ann.access.replace(".", "\x00.", 1),
    "no text": lambda head, ann: "\ud800é😀",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(web: Web, ann: Person, forgery: str) -> None:
    head = jwt.get_unverified_header(ann.access)
    reply = web("GET", "/users/me", token=FORGERIES[forgery](head, ann))
    assert (reply.status, reply.body["title"]) == (401, "Unauthorized")
    assert set(reply.headers) == {
        "Cache-Control",
        "Content-Type",
        "RateLimit-Limit",
        "RateLimit-Remaining",
        "RateLimit-Reset",
        "Vary",
        "WWW-Authenticate",
        "X-Request-Id",
    }
    assert "root" not in str(reply)


def test_what_our_key_signs_as_ours_is_let_in(web: Web, ann: Person) -> None:
    """The forgeries above fail for what they are, not for how the test makes them."""
    head = jwt.get_unverified_header(ann.access)
    assert web("GET", "/users/me", token=by_kms(head, claims(ann))).status == 200


def test_a_token_of_more_scopes_than_it_was_given_is_no_other_users(web: Web, ann: Person, bob: Person) -> None:
    head = jwt.get_unverified_header(ann.access)
    mixed = by_kms(head, claims(ann, sub=bob.id))
    assert web("GET", "/users/me", token=mixed).status == 401


# --- headers ---


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-viewer-address", "x-real-ip", "forwarded"])
def test_an_address_cannot_be_made_up(web: Web, ann: Person, name: str) -> None:
    web("POST", "/auth/login", {"email": EMAIL, "password": PASSWORD}, headers={name: "192.0.2.99:1234"})
    items = web("GET", "/users/me/sessions", token=ann.access).body["items"]
    assert {item["address"] for item in items} == {"203.0.113.7"}


def test_our_own_edge_names_the_address(web: Web, ann: Person) -> None:
    edge = {"x-origin-secret": wiring.settings().EDGE_SECRET, "x-viewer-address": "2001:db8::1"}
    body = {"email": EMAIL, "password": PASSWORD}
    pair = web("POST", "/auth/login", body, headers=edge).body
    items = web("GET", "/users/me/sessions", token=pair["access_token"]).body["items"]
    assert "2001:db8::1" in {item["address"] for item in items}


def test_a_user_agent_is_kept_short_and_harmless(web: Web, ann: Person) -> None:
    agent = "<script>alert(1)</script>\r\nSet-Cookie: a=b\x00" + "x" * 10_000
    body = {"email": EMAIL, "password": PASSWORD}
    pair = web("POST", "/auth/login", body, headers={"user-agent": agent}).body
    agents = [item["user_agent"] for item in web("GET", "/users/me/sessions", token=pair["access_token"]).body["items"]]
    (kept,) = [each for each in agents if "script" in each]
    assert len(kept) <= 200
    assert kept.isprintable()


# --- other users' things ---


def test_nobody_reaches_what_is_anothers(web: Web, ann: Person, bob: Person) -> None:
    made = web("POST", "/users/me/tokens", {"name": "bot", "scopes": ["read"]}, token=ann.access).body
    session = web("GET", "/users/me/sessions", token=ann.access).body["items"][0]["id"]
    ids = {"{session_id}": session, "{token_id}": made["id"]}
    tried = 0
    for path, methods in document()["paths"].items():
        for name, id_ in ids.items():
            for method in methods if name in path else ():
                there = web(method.upper(), path.replace(name, id_), token=bob.access)
                absent = web(method.upper(), path.replace(name, "f" * 32), token=bob.access)
                assert there.status == absent.status == 404
                assert there.body | {"request_id": ""} == absent.body | {"request_id": ""}
                tried += 1
    assert tried == 2
    assert web("GET", "/users/me", token=ann.access).status == 200
    assert web("GET", "/users/me", token=made["token"]).status == 200
    assert ann.id not in str(web("GET", "/users/me/export", token=bob.access).body)


@pytest.mark.parametrize(
    "id_",
    [
        "ACCOUNT",
        "..",
        "%2e%2e",
        "SESSION#x",
        "x%00",
        "~",
        " ",
        "a" * 2_000,
        "0" * 32 + "#",
        "0" * 33,
        "A" * 32,
        "%23",
        "é",
        "*",
        "$ne",
    ],
)
def test_ids_that_are_none_are_not_found(web: Web, ann: Person, id_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not reach the table: it takes keys of 1,024 bytes, and says more of others than moto does."""
    call = Client.call

    def checked(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        assert not body.get("Key", {}).get("sk", {}).get("S", "").endswith(f"#{id_}")
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", checked)
    for path in ("sessions", "tokens"):
        assert web("DELETE", f"/users/me/{path}/{id_}", token=ann.access).status == 404
    assert web("GET", "/users/me", token=ann.access).status == 200


def test_a_cursor_is_good_for_its_own_list_only(web: Web, ann: Person, bob: Person) -> None:
    for person in (ann, bob):
        web.again(person.id, EMAIL if person is ann else BOB)
    page = web("GET", "/users/me/sessions", token=ann.access, query={"limit": "1"}).body
    asked = {"limit": "1", "cursor": page["next_cursor"]}
    assert web("GET", "/users/me/tokens", token=ann.access, query=asked).status == 422
    other = web("GET", "/users/me/sessions", token=bob.access, query=asked).body["items"]
    assert other == web("GET", "/users/me/sessions", token=bob.access).body["items"][1:]  # a place in his own list


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "user",
        "sub",
        "scope",
        "scopes",
        "role",
        "is_admin",
        "epoch",
        "version",
        "created_at",
        "email_key",
        "pk",
        "sk",
        "expires_at",
        "__proto__",
        "constructor",
    ],
)
def test_nothing_can_be_set_that_is_not_offered(web: Web, ann: Person, field: str) -> None:
    bodies: dict[tuple[str, str], dict[str, Any]] = {
        ("POST", "/auth/register"): {"email": BOB, "password": PASSWORD},
        ("POST", "/auth/login"): {"email": EMAIL, "password": PASSWORD},
        ("POST", "/auth/refresh"): {"refresh_token": ann.refresh},
        ("PATCH", "/users/me"): {"display_name": "Ann"},
        ("PUT", "/users/me/preferences"): {},
    }
    before = [item for item in (wiring.accounts().get(ann.id),) if item]
    for (method, path), body in bodies.items():
        reply = web(method, path, body | {field: "admin"}, token=ann.access)
        assert (reply.status, reply.body["errors"][0]["field"]) == (422, field), path
    assert [wiring.accounts().get(ann.id)] == before
    assert wiring.accounts().find(email_key(BOB)) is None


# --- bodies ---


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("nonsense", 400),
        ("{}{}", 400),
        ('{"email": NaN}', 400),
        ("[" * 100_000, 413),
        ("[" * 15_000, 400),
        ('{"a":' * 3_000, 400),
        ('{"email": "\\ud800@example.com", "password": "x"}', 400),
        (b"\xff\xfe", 400),
        (b'{"email": "\xff"}', 400),
        ("null", 422),
        ("1e999", 422),
        ('"text"', 422),
        ("[]", 422),
        ('{"email": 1e400, "password": "x"}', 422),
        ("{" + '"a": 1, ' * 1_500 + '"b": 2}', 422),
        ("x" * 20_000, 413),
        ("\ufeff{}", 400),
    ],
)
@pytest.mark.parametrize("path", ["/auth/register", "/auth/login", "/auth/refresh"])
def test_a_body_that_is_none_is_a_4xx(web: Web, path: str, body: str | bytes, status: int) -> None:
    if path == "/auth/refresh" and body == "":
        status = 401  # it may come without a body
    assert web("POST", path, body, headers={"content-type": "application/json"}).status == status


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp", "", "text/json"],
)
def test_a_form_on_another_page_can_send_nothing(web: Web, kind: str) -> None:
    text = json.dumps({"email": EMAIL, "password": PASSWORD})
    assert web("POST", "/auth/register", text, headers={"content-type": kind}).status == 415


def test_a_body_in_base64_is_the_same(web: Web) -> None:
    body = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
    assert (
        web("POST", "/auth/register", body, headers={"content-type": "application/json; charset=UTF-8"}).status == 201
    )


# --- names that look alike ---


@pytest.mark.parametrize(
    "email", ["аnn@example.com", "ann@еxample.com", "ann@exаmple.com", "ɑnn@example.com", "ann@example.cοm"]
)
def test_a_lookalike_is_another_user(web: Web, ann: Person, email: str) -> None:
    reply = web.register(email)
    assert reply.status == 201
    assert reply.body["id"] != ann.id
    assert web.sign_in(email).status == 200
    assert web.sign_in().status == 200


# --- limits ---


def test_a_flood_from_one_address_is_held_and_no_other(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_PER_MINUTE", "30")
    frozen = wiring.now() // 60_000 * 60_000 + 15_000
    monkeypatch.setattr(wiring, "now", lambda: frozen)
    wiring.clear()
    replies: list[Reply] = [web("GET", "/users/me", token="x" * 30) for _ in range(40)]
    assert [reply.status for reply in replies] == [401] * 30 + [429] * 10
    last = replies[-1]
    assert last.headers["Retry-After"] == last.headers["RateLimit-Reset"] == "45"
    assert (last.headers["RateLimit-Limit"], last.headers["RateLimit-Remaining"]) == ("30", "0")
    assert web("GET", "/time").status == 429
    assert web("GET", "/time", address="203.0.113.8").status == 200
    assert web("GET", "/time", address="2001:db8::1").status == 200


def test_a_network_of_ipv6_is_one_client(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_PER_MINUTE", "10")
    frozen = wiring.now() // 60_000 * 60_000 + 15_000
    monkeypatch.setattr(wiring, "now", lambda: frozen)
    wiring.clear()
    statuses = [web("GET", "/time", address=f"2001:db8:0:1::{number:x}").status for number in range(1, 12)]
    assert statuses == [200] * 10 + [429]
    assert web("GET", "/time", address="2001:db8:0:2::1").status == 200


def test_a_user_is_limited_wherever_he_comes_from(
    web: Web, ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_PER_MINUTE", "10")
    frozen = wiring.now() // 60_000 * 60_000 + 75_000
    monkeypatch.setattr(wiring, "now", lambda: frozen)
    wiring.clear()
    statuses = [
        web("GET", "/users/me", token=ann.access, address=f"198.51.100.{number}").status for number in range(11)
    ]
    assert statuses == [200] * 10 + [429]
    assert web("GET", "/users/me", token=bob.access, address="198.51.100.1").status == 200
