"""The HTTP API as a client sees it: each request goes to the function that serves its path."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.auth import app as auth
from functions.queries import app as queries
from functions.users import app as users

EMAIL = "ann@example.com"
PASSWORD = "correct horse battery staple"
ADDRESS = "203.0.113.7"


class Reply(NamedTuple):
    """An answer; `body` is decoded, None where there is none."""

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
        serving = (
            users if path.startswith("/users/") else auth if path.startswith(("/auth/", "/.well-known/")) else queries
        )
        answer = serving.handler(event, self._context)
        text = answer["body"]
        return Reply(
            answer["statusCode"], json.loads(text) if text else None, answer["headers"], answer.get("cookies", [])
        )

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
