"""Access tokens: JWTs (RFC 9068), ES256, signed by KMS and verified in process."""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from jwt.algorithms import ECAlgorithm
from jwt.types import Options
from jwt.utils import base64url_encode, der_to_raw_signature

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
_TYPE: Final = "at+jwt"
# PyJWT would ask the clock itself.
_TIMELESS: Final[Options] = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}


class Claims(msgspec.Struct, kw_only=True):
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


def sign(claims: Claims, kid: str, signature: Callable[[bytes], bytes]) -> str:
    """An access token.

    Args:
        claims: What it says.
        kid: Thumbprint of the key.
        signature: Signs a message with that key by ECDSA on P-256 with SHA-256, in DER.
    """
    header = {"alg": "ES256", "kid": kid, "typ": _TYPE}
    message = b".".join(base64url_encode(msgspec.json.encode(part)) for part in (header, claims))
    raw = der_to_raw_signature(signature(message), SECP256R1())
    return b".".join((message, base64url_encode(raw))).decode()


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
    try:
        header = jwt.get_unverified_header(token)
        key = keys().get(header.get("kid", ""))
        if key is None or header.get("typ") != _TYPE:
            raise jwt.InvalidKeyError
        decoded = jwt.decode(token, key, ["ES256"], _TIMELESS, audience=AUDIENCE, issuer=issuer)
        claims = msgspec.convert(decoded, Claims)
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, msgspec.ValidationError, RecursionError) as error:
        raise UnauthenticatedError("The access token is not one of ours.", is_presented=True) from error
    if claims.exp * 1000 <= now:
        raise UnauthenticatedError("The access token has expired.", is_presented=True)
    if (max(claims.iat, claims.nbf) - LEEWAY) * 1000 > now:
        raise UnauthenticatedError("The access token is not valid yet.", is_presented=True)
    return claims


class Jwk(msgspec.Struct, kw_only=True):
    """A public key as RFC 7517 writes it, named by its thumbprint (RFC 7638)."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str


class JwkSet(msgspec.Struct):
    """Public keys as RFC 7517 writes them."""

    keys: list[Jwk]


def jwk(key: EllipticCurvePublicKey) -> Jwk:
    """A public key's JWK."""
    own = ECAlgorithm.to_jwk(key, as_dict=True)
    required = {name: own[name] for name in ("crv", "kty", "x", "y")}
    thumbprint = sha256(msgspec.json.encode(required, order="sorted")).digest()
    return Jwk(**required, kid=base64url_encode(thumbprint).decode(), use="sig", alg="ES256")
