"""A thin client for AWS's JSON services, over keep-alive connections.

boto3 spends 390 ms of CPU before its first answer and 330 µs on each call; the functions that users wait for cannot.
See docs/decisions/001-thin-aws-client.md.
"""

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from httptools import HttpParserError, HttpResponseParser

from cryptopulse.aws.sigv4 import Credentials, sign
from cryptopulse.errors import ConditionError, ServiceError, ThrottledError

TARGETS: Final = {
    "dynamodb": ("DynamoDB_20120810", "1.0"),
    "kinesis": ("Kinesis_20131202", "1.1"),
    "kms": ("TrentService", "1.1"),
    "secretsmanager": ("secretsmanager", "1.1"),
    "sqs": ("AmazonSQS", "1.0"),
}
RETRIED: Final = frozenset(
    {
        "InternalServerError",
        "DependencyTimeoutException",
        "KMSInternalException",
        "KMSThrottlingException",
        "InternalFailure",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
RETRIED_REASONS: Final = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})
RETRIES: Final = 6
TIMEOUT: Final = 5.0
"""Seconds to wait for a connection or an answer."""
PATIENCE: Final = 10.0
"""Seconds after which nothing is tried again."""


@cache
def tls() -> ssl.SSLContext:
    """The system's certificates, read once."""
    return ssl.create_default_context()


class Account(NamedTuple):
    """Where and as whom to call: `url` is one endpoint for all services, empty for AWS's own."""

    region: str
    credentials: Credentials
    url: str = ""

    def endpoint(self, service: str) -> str:
        """The URL of a service."""
        return self.url or f"https://{service}.{self.region}.amazonaws.com"


class Endpoint:
    """One host, spoken to over one kept connection per thread.

    Args:
        url: Scheme, host and perhaps a port; a path is kept as a prefix.
        service: The name to sign for, such as `dynamodb`.
        account: Who signs, and where.
        timeout: Seconds to wait for a connection or an answer.
    """

    def __init__(self, url: str, service: str, account: Account, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(url)
        self.prefix = parts.path.rstrip("/")
        self.host = parts.netloc
        self.is_secure = parts.scheme == "https"
        self.address = parts.hostname or "", parts.port or (443 if self.is_secure else 80)
        self._service = service
        self.account = account
        self.timeout = timeout
        self._local = threading.local()

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """The status and body of a signed request; a connection gone stale is opened anew, once.

        Raises:
            OSError: No answer came, or none that is HTTP.
        """
        signed = sign(
            method,
            self.prefix + path,
            {"host": self.host, **headers},
            body,
            service=self._service,
            region=self.account.region,
            credentials=self.account.credentials,
        )
        lines = [f"{method} {self.prefix}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in signed.items())]
        request = "\r\n".join([*lines, f"content-length: {len(body)}", "\r\n"]).encode() + body
        kept = hasattr(self._local, "socket")
        try:
            return self._exchange(request)
        except ConnectionError:
            if not kept:
                raise
        return self._exchange(request)

    def close(self) -> None:
        """Closes this thread's connection."""
        if kept := self._local.__dict__.pop("socket", None):
            kept.close()

    def _exchange(self, request: bytes) -> tuple[int, bytes]:
        answer = _Answer()
        try:
            if not hasattr(self._local, "socket"):
                self._local.socket = self._connect()
            connection: socket.socket = self._local.socket
            connection.sendall(request)
            while not answer.is_complete:
                data = connection.recv(65_536)
                if not data:
                    raise ConnectionResetError(f"{self.host} hung up")
                answer.feed(data)
        finally:
            if not (answer.is_complete and answer.keeps_alive):
                self.close()  # an answer still to come must never be read as the next request's
        return answer.parser.get_status_code(), b"".join(answer.body)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, self.timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tls().wrap_socket(connection, server_hostname=self.address[0]) if self.is_secure else connection


class _Answer:
    """An HTTP answer as it comes in."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.body: list[bytes] = []
        self.is_complete = False
        self.keeps_alive = False

    def feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except HttpParserError as error:
            raise ConnectionAbortedError(f"no HTTP: {error}") from error

    def on_headers_complete(self) -> None:
        self.keeps_alive = self.parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        self.body.append(part)

    def on_message_complete(self) -> None:
        self.is_complete = True


class Client:
    """Calls one service, of those in `TARGETS`.

    Args:
        service: The service's name.
        account: Who calls, and where.
        timeout: Seconds to wait for a connection or an answer.
        retries: How often what failed is tried again.
        sleep: Waits between retries; replaced in tests.
    """

    def __init__(
        self,
        service: str,
        account: Account,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = Endpoint(account.endpoint(service), service, account, timeout)
        self._retries = retries
        target, version = TARGETS[service]
        self._target = target
        self._headers = {"content-type": f"application/x-amz-json-{version}"}
        self._sleep = sleep

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The service's answer. What is throttled or failing on its side is tried again with full jitter.

        Raises:
            ConditionError: A condition of the write did not hold.
            ThrottledError: All retries were used up.
            ServiceError: Anything else that the service refuses.
        """
        payload = msgspec.json.encode(body)
        headers = {**self._headers, "x-amz-target": f"{self._target}.{operation}"}
        last = time.monotonic() + PATIENCE
        for attempt in range(self._retries + 1):
            try:
                status, answer = self.endpoint.request("POST", "/", headers, payload)
            except OSError as failure:
                error: ServiceError = ThrottledError("NoAnswer", f"{operation}: {failure!r}")
            else:
                if status == 200:
                    return msgspec.json.decode(answer or b"{}", type=dict[str, Any])
                error = _error(operation, status, answer)
                if not isinstance(error, ThrottledError):
                    raise error
            if attempt == self._retries or time.monotonic() > last:
                break
            self._sleep(random.uniform(0, min(2.0, 0.05 * 2**attempt)))
        raise error


def _error(operation: str, status: int, answer: bytes) -> ServiceError:
    try:
        body = msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    code = str(body.get("__type", status)).rpartition("#")[2]
    told = body.get("message") or body.get("Message") or repr(answer[:200])
    message = f"{operation}: {told}"
    reasons = [reason.get("Code") for reason in body.get("CancellationReasons", ())]
    if code == "ConditionalCheckFailedException" or "ConditionalCheckFailed" in reasons:
        return ConditionError(code, message)
    if code in RETRIED or status >= 500 or RETRIED_REASONS.intersection(reasons):
        return ThrottledError(code, message)
    return ServiceError(code, message)
