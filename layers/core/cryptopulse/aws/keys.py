"""The KMS keys of access tokens: the private ones never leave it."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from cryptopulse.aws.client import Client
from cryptopulse.domain.access_tokens import jwk


class Keys:
    """Asymmetric keys on P-256.

    Args:
        client: Of KMS.
        arns: The keys in force, newest first: that one signs, all of them verify.
    """

    def __init__(self, client: Client, arns: Sequence[str]) -> None:
        self._client = client
        self._arns = arns

    @cached_property
    def public(self) -> dict[str, EllipticCurvePublicKey]:
        """The public keys by their thumbprints, newest first; asked for once in a process."""
        keys = [self._public(arn) for arn in self._arns]
        return {jwk(key).kid: key for key in keys}

    @property
    def kid(self) -> str:
        """Thumbprint of the key that signs."""
        return next(iter(self.public))

    def sign(self, message: bytes) -> bytes:
        """The newest key's signature (ECDSA with SHA-256, in DER) of at most 4 KB."""
        request = {
            "KeyId": self._arns[0],
            "Message": b64encode(message).decode(),
            "MessageType": "RAW",
            "SigningAlgorithm": "ECDSA_SHA_256",
        }
        return b64decode(self._client.call("Sign", request)["Signature"])

    def _public(self, arn: str) -> EllipticCurvePublicKey:
        der = b64decode(self._client.call("GetPublicKey", {"KeyId": arn})["PublicKey"])
        key = load_der_public_key(der)
        if not isinstance(key, EllipticCurvePublicKey):
            raise TypeError(f"{arn} is not a key on an elliptic curve")
        return key
