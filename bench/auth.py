"""CPU of letting a request in: in process against a Lambda authorizer, argon2id against bcrypt; and what time tells."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes, token_hex
from statistics import median
from typing import Any, TextIO

import bcrypt
import boto3
import jwt
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2, event_source
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerEventV2,
    APIGatewayAuthorizerResponseV2,
)
from aws_lambda_powertools.utilities.typing import LambdaContext

from bench._cloud import cloud, free_port
from cryptopulse import wiring
from cryptopulse.api.callers import authenticate
from cryptopulse.aws.client import Client
from cryptopulse.domain import access_tokens
from cryptopulse.domain.tokens import RefreshToken

ROOT = Path(__file__).parent.parent
TURNS, REQUESTS = 12, 150
"""The sides of `verify_ratio` take turns, so that the machine drifts for both; so many requests each."""
SIGN_INS = 15
"""Of each kind, by turns."""
GUESSES = 60
"""Of each kind, by turns."""
STORE = 0.005
"""Seconds counted for each call of the store, about what DynamoDB takes; moto's own time depends on what it finds."""
LEAST = {"verify_ratio": 3.0, "sign_in_ratio": 4.0}
MOST = {"enumeration_ratio": 1.05}
"""What is promised. Medians less than 5 % apart are not told apart: this measures no finer, let alone a stranger."""
type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]
type Guess = tuple[str, str, dict[str, Any] | None]
"""A method, a path, and what is sent to it."""

ADDRESS = "192.0.2.44"
"""Where events/auth.json comes from."""
PASSWORD = "a heron, two otters and a kite"  # noqa: S105 (of accounts that live as long as this benchmark)

RUNTIME_API = """
import socket, sys
events = open(sys.argv[2], "rb")
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
connection = server.accept()[0]
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
requests = connection.makefile("rb")
while line := requests.readline():
    size = 0
    while (header := requests.readline()) != b"\\r\\n":
        if header.startswith(b"Content-Length:"):
            size = int(header[15:])
    requests.read(size)
    head, body = b"202 Accepted", b'{"status":"OK"}'
    if line.startswith(b"GET"):
        head, body = b"200 OK\\r\\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd", next(events)
    connection.sendall(b"HTTP/1.1 %s\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (head, len(body), body))
"""
"""Lambda's side of an invocation, in a process of its own: it gives the events of a file and takes the answers."""


def http_event(method: str, path: str, headers: dict[str, str], body: Any = None) -> dict[str, Any]:
    """An HTTP API's event, as it comes from API Gateway."""
    event: dict[str, Any] = json.loads((ROOT / "events" / "auth.json").read_text())
    event |= {"rawPath": path, "headers": event["headers"] | headers}
    event["requestContext"]["http"] |= {"method": method, "path": path}
    if body is None:
        event.pop("body", None)
    else:
        event |= {"body": json.dumps(body), "isBase64Encoded": False}
    return event


def context() -> LambdaContext:
    made = LambdaContext()
    made._aws_request_id = "bench"
    made._function_name = "bench"
    made._memory_limit_in_mb = 512
    made._invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    return made


@contextmanager
def replaced(owner: object, **names: Any) -> Iterator[None]:
    """Other things in the place of a module's or a class's, for a while."""
    before = {name: getattr(owner, name) for name in names}
    try:
        for name, value in names.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


# --- a request's token, in process and by an authorizer ---


def access_token() -> str:
    now = wiring.now() // 1000
    claims = access_tokens.Claims(
        iss=wiring.settings().ISSUER,
        aud=access_tokens.AUDIENCE,
        sub=token_hex(16),
        sid=token_hex(16),
        scope="admin read trade",
        jti=token_hex(16),
        iat=now,
        exp=now + access_tokens.LIFETIME,
    )
    return access_tokens.sign(claims, wiring.keys().kid, wiring.keys().sign)


class AnyAccount:
    """Stands for the store, whose reads are the same on both sides."""

    def require(self, user: str) -> None:
        """Every account is there."""


def make_authorizer(log: TextIO) -> Handler:
    """A Lambda authorizer for HTTP APIs as Powertools' documentation writes one, with PyJWT and our key."""
    logger = Logger(service="authorizer", level="INFO", stream=log)
    keys, issuer = wiring.keys().public, wiring.settings().ISSUER

    @logger.inject_lambda_context
    @event_source(data_class=APIGatewayAuthorizerEventV2)
    def authorize(event: APIGatewayAuthorizerEventV2, _: LambdaContext) -> dict[str, Any]:
        token = event.headers["authorization"].removeprefix("Bearer ")
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, algorithms=["ES256"], audience=access_tokens.AUDIENCE, issuer=issuer)
        logger.info("authorized", user=claims["sub"])
        return APIGatewayAuthorizerResponseV2(authorize=True, context=claims).asdict()

    return authorize


class Runtime:
    """What Lambda's runtime does about each call of a handler, as lean as it can be."""

    def __init__(self, port: int) -> None:
        while True:
            try:
                self._connection = socket.create_connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self, handler: Handler) -> dict[str, Any]:
        """Takes an event, has it handled, gives the answer back."""
        head, event = self._ask(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        request_id = head.partition(b"Lambda-Runtime-Aws-Request-Id: ")[2].partition(b"\r\n")[0]
        answer = handler(json.loads(event), context())
        body = json.dumps(answer).encode()
        path = b"/2018-06-01/runtime/invocation/%s/response" % request_id
        self._ask(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s" % (path, len(body), body))
        return answer

    def _ask(self, request: bytes) -> tuple[bytes, bytes]:
        self._connection.sendall(request)
        data = self._connection.recv(65_536)
        head, _, body = data.partition(b"\r\n\r\n")
        size = int(head.rpartition(b"Content-Length: ")[2])
        while len(body) < size:
            body += self._connection.recv(65_536)
        return head, body


@contextmanager
def runtime(events: list[dict[str, Any]]) -> Iterator[Runtime]:
    """Lambda's runtime, which is given these events one after the other."""
    port = free_port()
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(f"{json.dumps(event)}\n" for event in events)
        file.flush()
        server = subprocess.Popen([sys.executable, "-c", RUNTIME_API, str(port), file.name])
        try:
            yield Runtime(port)
        finally:
            server.terminate()
            server.wait(10)


def verify_ratio() -> float:
    """CPU of an authorizer's run against verifying in process; no token comes twice, so that no cache helps.

    Of the authorizer all that a second invocation costs its sandbox is counted: its event from the Runtime API, the
    handler, its answer back. What both sides do is left out: the function's own run, and its reads.
    """
    ours, theirs = [], []
    with Path(os.devnull).open("w") as log:
        authorizer = make_authorizer(log)
        for _ in range(TURNS):
            own, others = measured(authorizer)
            ours.append(own)
            theirs.append(others)
    in_process, authorized = median(ours), median(theirs)
    print(f"a request's token: in process {in_process * 1e6:.0f} µs of CPU, by an authorizer {authorized * 1e6:.0f} µs")
    return authorized / in_process


def measured(authorizer: Handler) -> tuple[float, float]:
    """CPU of a request either way (s)."""
    credentials = [f"Bearer {access_token()}" for _ in range(2 * REQUESTS)]
    events = [http_event("GET", "/users/me", {"authorization": each}) for each in credentials]
    requests = [APIGatewayProxyEventV2(event) for event in events[:REQUESTS]]
    asked = [
        event | {"type": "REQUEST", "identitySource": [each]}
        for event, each in zip(events[REQUESTS:], credentials[REQUESTS:], strict=True)
    ]
    with replaced(wiring, accounts=AnyAccount):
        began = time.process_time()
        callers = [authenticate(request, live=False) for request in requests]
        ours = time.process_time() - began
    with runtime(asked) as lambda_:
        began = time.process_time()
        answers = [lambda_.run(authorizer) for _ in asked]
        theirs = time.process_time() - began
    assert all(answer["isAuthorized"] for answer in answers)
    assert len({caller.user for caller in callers} | {answer["context"]["sub"] for answer in answers}) == len(events)
    return ours / REQUESTS, theirs / REQUESTS


# --- sign-in ---


class Auth:
    """The functions of accounts, as clients see them."""

    def __init__(self) -> None:
        from functions.auth import app
        from functions.users import app as users

        self.app, self._users = app, users
        self.access = ""
        """The access token to send."""
        self.is_exhausted = False
        """Whether the address has tried too often."""
        self._connections = boto3.resource("dynamodb").Table("Connections")

    def post(self, path: str, body: dict[str, Any], status: int) -> tuple[dict[str, Any], float]:
        """The answer to a POST, and the CPU it took (s)."""
        return self.request(("POST", path, body), status)

    def request(self, guess: Guess, status: int) -> tuple[dict[str, Any], float]:
        """The answer, and the CPU it took (s); no earlier attempt delays it."""
        method, path, body = guess
        with self._connections.batch_writer() as batch:
            for item in self._connections.scan()["Items"]:
                batch.delete_item({"pk": item["pk"], "sk": item["sk"]})
        if self.is_exhausted:
            made = {"made": 1_000, "last": wiring.now(), "version": 1}
            self._connections.put_item(Item={"pk": f"ATTEMPTS#sign-in#{ADDRESS}", "sk": "ATTEMPTS", **made})
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {self.access}"} if self.access else {}
        )
        event = http_event(method, path, headers, body)
        handler = (self._users if path.startswith("/users/") else self.app).handler
        began = time.process_time()
        answer = handler(event, context())
        took = time.process_time() - began
        assert answer["statusCode"] == status, answer
        return json.loads(answer["body"]), took

    def register(self) -> str:
        """A new account's e-mail."""
        email = f"{token_hex(8)}@example.com"
        self.post("/auth/register", {"email": email, "password": PASSWORD}, 201)
        return email

    def sign_in(self, email: str) -> tuple[dict[str, Any], float]:
        """The tokens, and the CPU it took (s)."""
        return self.post("/auth/login", {"email": email, "password": PASSWORD}, 200)


def sign_in_ratio(auth: Auth) -> float:
    """CPU of a sign-in with bcrypt of cost 12 in place of argon2id, against ours."""
    with_bcrypt = {
        "hash_": lambda password: bcrypt.hashpw(password.encode(), bcrypt.gensalt(12)).decode(),
        "is_right": lambda hashed, password: bcrypt.checkpw(password.encode(), hashed.encode()),
        "is_outdated": lambda _: False,
    }
    mine = auth.register()
    with replaced(auth.app, **with_bcrypt):
        other = auth.register()
    ours, theirs = [], []
    for _ in range(SIGN_INS):
        ours.append(auth.sign_in(mine)[1])
        with replaced(auth.app, **with_bcrypt):
            theirs.append(auth.sign_in(other)[1])
    argon2id, bcrypt12 = median(ours), median(theirs)
    print(f"a sign-in: argon2id {argon2id * 1e3:.0f} ms of CPU, bcrypt {bcrypt12 * 1e3:.0f} ms")
    return bcrypt12 / argon2id


# --- who has an account ---


def enumeration_ratio(auth: Auth) -> float:
    """How far the medians of what should take the same time are apart, at worst."""
    email = auth.register()
    good = RefreshToken.parse(auth.sign_in(email)[0]["refresh_token"])
    assert good is not None
    session = bytes.fromhex(good.user + good.id)

    def sign_in(as_: str) -> Guess:
        return "POST", "/auth/login", {"email": as_, "password": "another password altogether"}

    def refresh(session: bytes) -> Guess:
        made_up = session + token_bytes(RefreshToken.SIZE - len(session))
        text = RefreshToken.PREFIX + urlsafe_b64encode(made_up).decode()
        return "POST", "/auth/refresh", {"refresh_token": text}

    def end(session: str) -> Guess:
        return "DELETE", f"/users/me/sessions/{session}", None

    def remove(token: str) -> Guess:
        return "DELETE", f"/users/me/tokens/{token}", None

    ratios = [
        apart(auth, lambda: sign_in(email), lambda: sign_in(f"{token_hex(8)}@example.com"), 401),
        apart(auth, lambda: refresh(session), lambda: refresh(token_bytes(len(session))), 401),
    ]
    elsewhere = auth.register()  # who is not signed in here
    auth.is_exhausted = True
    ratios.append(apart(auth, lambda: sign_in(elsewhere), lambda: sign_in(f"{token_hex(8)}@example.com"), 429))
    auth.is_exhausted = False
    auth.access = auth.sign_in(email)[0]["access_token"]
    new = {"name": "bot", "scopes": ["read"]}
    token = auth.post("/users/me/tokens", new, 201)[0]["id"]
    auth.access = auth.sign_in(auth.register())[0]["access_token"]  # of somebody else
    ratios += [
        apart(auth, lambda: end(good.id), lambda: end(token_hex(16)), 404),
        apart(auth, lambda: remove(token), lambda: remove(token_hex(16)), 404),
    ]
    return max(ratios)


def apart(auth: Auth, known: Callable[[], Guess], unknown: Callable[[], Guess], status: int) -> float:
    """The longer of two kinds of guesses' median times by the shorter; both are refused in the same words."""
    calls = 0
    call = Client.call

    def counted(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        return call(self, operation, body)

    took: dict[Callable[[], Guess], list[float]] = {known: [], unknown: []}
    refusals = set()
    with replaced(Client, call=counted):
        for number in range(GUESSES):
            for guess in (known, unknown) if number % 2 else (unknown, known):
                calls, guessed = 0, guess()
                refusal, cpu = auth.request(guessed, status)
                took[guess].append(cpu + STORE * calls)
                refusals.add(json.dumps(refusal))
    assert len(refusals) == 1, refusals
    times = [median(took[known]), median(took[unknown])]
    print(f"{guessed[0]} {guessed[1][:20]}: known {times[0] * 1e3:.2f} ms, unknown {times[1] * 1e3:.2f} ms")
    return max(times) / min(times)


def main() -> None:
    with cloud():
        os.environ["REQUESTS_PER_MINUTE"] = "1000000"
        auth = Auth()
        figures = {
            "verify_ratio": verify_ratio(),
            "sign_in_ratio": sign_in_ratio(auth),
            "enumeration_ratio": enumeration_ratio(auth),
        }
    for name, figure in figures.items():
        print(f"figure auth.{name} {figure:.2f}")
    missed = [name for name, least in LEAST.items() if figures[name] < least]
    missed += [name for name, most in MOST.items() if figures[name] > most]
    if missed:
        raise SystemExit(f"auth misses what it promises: {', '.join(missed)}")


if __name__ == "__main__":
    main()
