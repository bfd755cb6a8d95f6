"""Signature Version 4, with the day's signing key derived once.

The rules: "Create a signed AWS API request" in the IAM user guide. Tested against botocore's own signer.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import quote


class Credentials(NamedTuple):
    """Who signs. `token` is the session token, empty for long-lived keys."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key})"


@lru_cache(maxsize=16)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    service: str,
    region: str,
    credentials: Credentials,
    now: datetime | None = None,
) -> dict[str, str]:
    """The headers to send: those given and the signature's.

    Args:
        path: The path as sent, percent-encoded once, without a query.
        headers: Lower-case names; `host` must be among them. All are signed.
        now: The moment of signing in UTC; the clock's by default.
    """
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "x-amz-date": stamp}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    canonical = "\n".join(
        [
            method,
            quote(path, safe="/~"),
            "",
            *(f"{name}:{signed[name].strip()}" for name in names),
            "",
            ";".join(names),
            sha256(body).hexdigest(),
        ]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(credentials.secret_key, stamp[:8], region, service)
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return signed


class PostSigner:
    """Makes signed JSON posts, or DELETEs, to one place on one host; what those of one second share is made once.

    Args:
        host: As it is told in the `host` header.
        path: Percent-encoded, up to and with the slash before the last segment.
        service: The name to sign for.
        region: Where it is.
        credentials: Who signs.
    """

    def __init__(self, host: str, path: str, service: str, region: str, credentials: Credentials) -> None:
        self._host = host
        self._path = path
        self._signed_path = quote(path, safe="/~")
        self._service = service
        self._region = region
        self._credentials = credentials
        self._second = -1

    def request(self, segment: str, body: bytes, second: int, method: str = "POST") -> bytes:
        """A whole HTTP request.

        Args:
            segment: The path's last, not encoded.
            body: What is posted.
            second: The moment of signing (Unix seconds).
            method: The request's.
        """
        if second != self._second:
            self._renew(second)
        once = quote(segment, safe="")
        twice = once.replace("%", "%25")  # nothing else in it is left to encode
        canonical = f"{method}\n{self._signed_path}{twice}{self._shared}{sha256(body).hexdigest()}"
        text = self._text + sha256(canonical.encode()).hexdigest()
        signature = hmac.digest(self._key, text.encode(), "sha256").hex()
        head = f"{method} {self._path}{once}{self._head}{signature}\r\ncontent-length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def _renew(self, second: int) -> None:
        self._second = second
        stamp = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
        access_key, secret_key, token = self._credentials
        headers = {"content-type": "application/json", "host": self._host, "x-amz-date": stamp}
        if token:
            headers["x-amz-security-token"] = token
        names, scope = ";".join(headers), f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        self._key = _signing_key(secret_key, stamp[:8], self._region, self._service)
        self._text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n"
        self._shared = "\n\n" + "".join(f"{name}:{value}\n" for name, value in headers.items()) + f"\n{names}\n"
        sent = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        self._head = (
            f" HTTP/1.1{sent}\r\nauthorization: AWS4-HMAC-SHA256 Credential={access_key}/{scope}, "
            f"SignedHeaders={names}, Signature="
        )
