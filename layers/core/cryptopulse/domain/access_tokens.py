"""Access tokens: JWTs (RFC 9068), ES256, signed by KMS and verified in process."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Meta

from cryptopulse.errors import UnauthenticatedError

AUDIENCE: Final = "cryptopulse"
LIFETIME: Final = 900
"""Seconds an access token is good for."""
LEEWAY: Final = 60
"""Seconds that the clock of who signed may be ahead of ours."""
LONGEST: Final = 2_048
"""Characters of an access token; ours have some 550."""
# The last character of 64 bytes in base64 has four bits to spare: only one way of writing a signature is taken.
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{85}[AQgw]")
_ES256: Final = ECDSA(SHA256())
_HALF: Final = 32
"""Bytes of a coordinate, and of each half of a signature."""


class Header(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What an access token is signed with: nothing else is ever taken, so that a token cannot choose."""

    alg: Literal["ES256"]
    kid: str
    typ: Literal["at+jwt"]


class Claims(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an access token says (RFC 9068); times in Unix seconds. `sid` is the session it was issued to."""

    iss: str
    aud: str
    sub: str
    sid: str
    scope: str
    jti: str
    iat: int
    exp: int
    nbf: int = 0


_header = msgspec.json.Decoder(Header)
_claims = msgspec.json.Decoder(Claims)


def sign(claims: Claims, kid: str, signature: Callable[[bytes], bytes]) -> str:
    """An access token.

    Args:
        claims: What it says.
        kid: Thumbprint of the key.
        signature: Signs a message with that key by ECDSA on P-256 with SHA-256, in DER.
    """
    header = Header(alg="ES256", kid=kid, typ="at+jwt")
    message = f"{_text(msgspec.json.encode(header))}.{_text(msgspec.json.encode(claims))}"
    r, s = decode_dss_signature(signature(message.encode()))
    return f"{message}.{_text(r.to_bytes(_HALF) + s.to_bytes(_HALF))}"


def verify(token: str, keys: Callable[[], Mapping[str, EllipticCurvePublicKey]], issuer: str, now: int) -> Claims:
    """What a good access token says.

    Args:
        token: As it was presented.
        keys: Gives the keys in force by thumbprint. Only these are ever used, whatever the token's header names.
        issuer: Who must have issued it.
        now: Unix ms.

    Raises:
        UnauthenticatedError: It is no token of ours, or not good now.
    """
    if len(token) > LONGEST or not _JWT.fullmatch(token):
        raise UnauthenticatedError("The access token is malformed.", is_presented=True)
    message, _, signature = token.rpartition(".")
    header, _, payload = message.partition(".")
    try:
        key = keys()[_header.decode(_bytes(header)).kid]
        raw = _bytes(signature)
        der = encode_dss_signature(int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:]))
        key.verify(der, message.encode(), _ES256)
        claims = _claims.decode(_bytes(payload))
        if (claims.aud, claims.iss) != (AUDIENCE, issuer):
            raise KeyError
    except (KeyError, InvalidSignature, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise UnauthenticatedError("The access token is not one of ours.", is_presented=True) from error
    if claims.exp * 1000 <= now:
        raise UnauthenticatedError("The access token has expired.", is_presented=True)
    if (max(claims.iat, claims.nbf) - LEEWAY) * 1000 > now:
        raise UnauthenticatedError("The access token is not valid yet.", is_presented=True)
    return claims


_COORDINATE: Final = Meta(description="A coordinate, 32 bytes in base64url")


class Jwk(msgspec.Struct, kw_only=True):
    """A public key as RFC 7517 writes it, named by its thumbprint (RFC 7638)."""

    kty: Annotated[str, Meta(description="The key's type: `EC`")]
    crv: Annotated[str, Meta(description="Its curve: `P-256`")]
    x: Annotated[str, _COORDINATE]
    y: Annotated[str, _COORDINATE]
    kid: Annotated[str, Meta(description="What the header of a token calls it that it verifies")]
    use: Annotated[str, Meta(description="`sig`: it verifies signatures")]
    alg: Annotated[str, Meta(description="How they are made: `ES256`")]


class JwkSet(msgspec.Struct):
    """Public keys as RFC 7517 writes them."""

    keys: Annotated[list[Jwk], Meta(description="All that are in force")]


def jwk(key: EllipticCurvePublicKey) -> Jwk:
    """A public key's JWK."""
    numbers = key.public_numbers()
    required = {
        "kty": "EC",
        "crv": "P-256",
        "x": _text(numbers.x.to_bytes(_HALF)),
        "y": _text(numbers.y.to_bytes(_HALF)),
    }
    thumbprint = sha256(msgspec.json.encode(required, order="sorted")).digest()
    return Jwk(**required, kid=_text(thumbprint), use="sig", alg="ES256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
