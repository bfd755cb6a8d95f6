"""The HTTP API as a client sees it: each request goes to the function that serves its path."""

import gzip
import importlib
import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aws_lambda_powertools.utilities.typing import LambdaContext

SERVING = {
    r"/users/.*": "users",
    r"/auth/.*|/\.well-known/.*": "auth",
    r"/portfolios/[^/]*/(holdings|performance|history|gains)": "reports",
    r"/portfolios/[^/]*/(transactions/(import|export)|imports/.*)": "imports",
    r"/portfolios/[^/]*/statement": "statements",
    r"/portfolios(/.*)?": "portfolios",
    r"/alerts(/.*)?": "alerts",
    r".*": "queries",
}
"""Which function serves a path: the first that matches."""
EMAIL = "ann@example.com"
PASSWORD = "correct horse battery staple"
ADDRESS = "203.0.113.7"


class Reply(NamedTuple):
    """An answer; `body` is decoded where it is JSON, bytes where it came in base64, None where there is none."""

    status: int
    body: Any
    headers: dict[str, str]
    cookies: list[str]


class Person(NamedTuple):
    """Somebody who has signed in."""

    id: str
    access: str
    refresh: str


class Web:
    """Sends requests.

    Args:
        event: Makes an event, as the fixture `http_event` does.
        context: Of the invocations.
    """

    def __init__(self, event: Callable[..., dict[str, Any]], context: LambdaContext) -> None:
        self._event = event
        self._context = context

    def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        address: str = ADDRESS,
        query: dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cookies: dict[str, str] | None = None,
    ) -> Reply:
        """The answer to a request."""
        sent = {**({"authorization": f"Bearer {token}"} if token is not None else {}), **(headers or {})}
        event = self._event(method, path, query, headers=sent, body=body, cookies=cookies)
        event["requestContext"]["http"]["sourceIp"] = address
        name = next(name for pattern, name in SERVING.items() if re.fullmatch(pattern, path, re.DOTALL))
        answer = importlib.import_module(f"functions.{name}.app").handler(event, self._context)
        text = b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"]
        if text and answer["headers"]["Content-Type"].endswith("json"):
            text = json.loads(gzip.decompress(text) if "Content-Encoding" in answer["headers"] else text)
        return Reply(answer["statusCode"], text or None, answer["headers"], answer.get("cookies", []))

    def register(self, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> Reply:
        """Makes an account."""
        return self("POST", "/auth/register", {"email": email, "password": password, **more})

    def sign_in(self, email: str = EMAIL, password: str = PASSWORD, address: str = ADDRESS, **more: Any) -> Reply:
        """Opens a session."""
        return self("POST", "/auth/login", {"email": email, "password": password, **more}, address=address)

    def person(self, email: str = EMAIL, password: str = PASSWORD) -> Person:
        """Somebody new who has signed in."""
        id_ = self.register(email, password).body["id"]
        return self.again(id_, email, password)

    def again(self, id_: str, email: str = EMAIL, password: str = PASSWORD) -> Person:
        """The same person with a new session."""
        pair = self.sign_in(email, password).body
        return Person(id_, pair["access_token"], pair["refresh_token"])
