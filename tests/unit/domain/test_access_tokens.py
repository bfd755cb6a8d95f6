import hmac
import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from cryptopulse.domain.access_tokens import AUDIENCE, LEEWAY, LIFETIME, Claims, JwkSet, jwk, sign, verify
from cryptopulse.errors import UnauthenticatedError

KEY, OLD_KEY, FOREIGN_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
KEYS = {jwk(key.public_key()).kid: key.public_key() for key in (KEY, OLD_KEY)}
KID = next(iter(KEYS))
ISSUER = "https://api.test"
NOW = 1_795_329_060
CLAIMS = Claims(
    iss=ISSUER, aud=AUDIENCE, sub="u" * 32, sid="s" * 32, scope="admin read trade", jti="j", iat=NOW, exp=NOW + LIFETIME
)


def signed_by(key: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    return lambda message: key.sign(message, ec.ECDSA(hashes.SHA256()))


def token(claims: Claims = CLAIMS, kid: str = KID, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    return sign(claims, kid, signed_by(key))


def forged(header: Mapping[str, Any], payload: object = None, key: ec.EllipticCurvePrivateKey = KEY) -> str:
    """A token with any header and payload, well signed by a key."""
    own = {"alg": "ES256", "typ": "at+jwt", "kid": KID, **header}
    told = msgspec.to_builtins(CLAIMS) if payload is None else payload
    message = b".".join(base64url_encode(json.dumps(part).encode()) for part in (own, told))
    signature = ECAlgorithm(ECAlgorithm.SHA256).sign(message, key)
    return b".".join((message, base64url_encode(signature))).decode()


def read(text: str, now: int = NOW * 1000) -> Claims:
    return verify(text, lambda: KEYS, ISSUER, now)


def refusal(text: str, now: int = NOW * 1000) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        read(text, now)
    assert caught.value.is_presented
    return str(caught.value)


def test_what_is_signed_is_read() -> None:
    assert read(token()) == CLAIMS


def test_any_library_can_verify_it_with_the_published_keys() -> None:
    published = json.loads(msgspec.json.encode(JwkSet([jwk(key) for key in KEYS.values()])))
    keys = jwt.PyJWKSet.from_dict(published)
    found = jwt.decode(
        token(),
        keys[jwt.get_unverified_header(token())["kid"]],
        algorithms=["ES256"],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert found == msgspec.to_builtins(CLAIMS)


def test_a_key_is_named_by_its_thumbprint() -> None:
    public = jwk(KEY.public_key())
    text = f'{{"crv":"P-256","kty":"EC","x":"{public.x}","y":"{public.y}"}}'
    assert public.kid == base64url_encode(sha256(text.encode()).digest()).decode()
    assert (public.kty, public.crv, public.use, public.alg) == ("EC", "P-256", "sig", "ES256")


def test_the_key_before_verifies_still() -> None:
    old = list(KEYS)[1]
    assert read(token(kid=old, key=OLD_KEY)) == CLAIMS


def test_it_is_good_to_the_last_second_and_not_before_its_time() -> None:
    end = (NOW + LIFETIME) * 1000
    assert read(token(), end - 1) == CLAIMS
    assert refusal(token(), end) == "The access token has expired."
    assert read(token(), (NOW - LEEWAY) * 1000) == CLAIMS
    assert refusal(token(), (NOW - LEEWAY) * 1000 - 1) == "The access token is not valid yet."
    later = msgspec.structs.replace(CLAIMS, nbf=NOW + LEEWAY + 1)
    assert refusal(token(later)) == "The access token is not valid yet."


@pytest.mark.parametrize("field", ["iss", "aud"])
def test_another_issuers_and_audiences_are_refused(field: str) -> None:
    assert "not one of ours" in refusal(token(msgspec.structs.replace(CLAIMS, **{field: "another"})))


@pytest.mark.parametrize("field", ["iss", "aud", "sub", "sid", "scope", "jti", "iat", "exp"])
def test_every_claim_is_needed_and_has_its_type(field: str) -> None:
    told = msgspec.to_builtins(CLAIMS)
    assert "not one of ours" in refusal(forged({}, {name: value for name, value in told.items() if name != field}))
    assert "not one of ours" in refusal(forged({}, told | {field: ["x"]} if field != "aud" else told | {field: 1}))


def test_foreign_keys_are_refused_whatever_the_header_names() -> None:
    own = ECAlgorithm.to_jwk(FOREIGN_KEY.public_key(), as_dict=True)
    for header in (
        {},
        {"kid": jwk(FOREIGN_KEY.public_key()).kid},
        {"kid": "../../dev/null"},
        {"kid": ""},
        {"kid": 1},
        {"kid": None},
        {"kid": ["a"]},
        {"jku": "https://evil.example/jwks.json"},
        {"jwk": own},
        {"jwk": own, "kid": "mine"},
        {"x5u": "https://evil.example"},
        {"x5c": ["AAAA"]},
    ):
        refusal(forged(header, key=FOREIGN_KEY))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"alg": "ES256K"},
        {"alg": "RS256"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["ES256"]},
        {"typ": "JWT"},
        {"typ": None},
        {"crit": ["exp"]},
        {"crit": ["x"], "x": 1},
        {"b64": False, "crit": ["b64"]},
    ],
)
def test_other_headers_are_refused_though_well_signed(header: dict[str, Any]) -> None:
    refusal(forged(header))


@pytest.mark.parametrize("field", ["alg", "typ", "kid"])
def test_every_field_of_the_header_is_needed(field: str) -> None:
    header = {"alg": "ES256", "typ": "at+jwt", "kid": KID}
    message = b".".join(
        base64url_encode(json.dumps(part).encode())
        for part in ({name: value for name, value in header.items() if name != field}, msgspec.to_builtins(CLAIMS))
    )
    signature = base64url_encode(ECAlgorithm(ECAlgorithm.SHA256).sign(message, KEY))
    assert "not one of ours" in refusal((message + b"." + signature).decode())


def test_a_signature_by_the_public_key_as_a_secret_is_refused() -> None:
    for encoding in (Encoding.PEM, Encoding.DER):
        secret = KEY.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        header = {"alg": "HS256", "typ": "at+jwt", "kid": KID}
        message = b".".join(
            base64url_encode(json.dumps(part).encode()) for part in (header, msgspec.to_builtins(CLAIMS))
        )
        mac = hmac.digest(secret, message, "sha256")
        for signature in (mac, mac + bytes(32)):
            refusal((message + b"." + base64url_encode(signature)).decode())


def test_without_a_signature_it_is_refused() -> None:
    head, body, _ = token().split(".")
    none = base64url_encode(b'{"alg":"none","typ":"at+jwt"}').decode()
    for text in (f"{head}.{body}.", f"{head}.{body}", f"{none}.{body}.", f"{none}.{body}", f"{head}.{body}.{'A' * 86}"):
        refusal(text)


def test_nothing_can_be_cut_off_added_or_altered() -> None:
    whole = token()
    for place in range(len(whole)):
        refusal(whole[:place])
        other = "A" if whole[place] != "A" else "B"
        refusal(whole[:place] + other + whole[place + 1 :])
    for tail in ("=", "==", "A", ".", ".A", "\n", " ", "!", "\x00", whole, "." + whole):
        refusal(whole + tail)
        refusal(tail + whole)


def test_there_is_one_way_to_write_a_signature() -> None:
    head, body, signature = token().split(".")
    last = signature[-1]
    raw = base64url_decode(signature)
    for other in set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") - {last}:
        text = signature[:-1] + other
        if base64url_decode(text) == raw:
            refusal(f"{head}.{body}.{text}")


@pytest.mark.parametrize(
    "payload",
    [
        [],
        "text",
        1,
        {"iss": ISSUER},
        {"a": "b" * 4000},
        {"exp": 1e400},
        {"exp": True},
        {"aud": [AUDIENCE, "other"]},
    ],
)
def test_payloads_that_are_none_of_ours_are_refused(payload: object) -> None:
    refusal(forged({}, payload))


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...", "a.b.c", "é.é.é", "\x00", "x" * 3000, "A" * 10 + "." + "[" * 1000 + ".x"]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    assert refusal(text) == "The access token is malformed."


def test_the_keys_are_not_asked_for_where_no_token_could_be_ours() -> None:
    def keys() -> Mapping[str, ec.EllipticCurvePublicKey]:
        raise AssertionError("asked")

    with pytest.raises(UnauthenticatedError):
        verify("a.b.c", keys, ISSUER, NOW * 1000)
