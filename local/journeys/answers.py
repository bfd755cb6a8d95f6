"""Asks a running system, and holds its answers against what it promises."""

import time
from collections.abc import Mapping

import httpx

PROBLEM = "application/problem+json"
PATIENCE_S = 90
"""A request that comes too often is made again when it may; for so long."""


class WrongError(Exception):
    """The system answered something else than it promises."""


def expect(what: str, right: bool, seen: object) -> None:
    """Stops the journey where it is not right.

    Raises:
        WrongError: It is not; tells what was seen.
    """
    if not right:
        raise WrongError(f"{what}: {seen}")


def call(
    client: httpx.Client,
    method: str,
    path: str,
    status: int,
    body: object = None,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """The answer to a request, which must have this status; if it is a refusal, it must say so itself too.

    Args:
        client: Knows the base address.
        method: The request's.
        path: Below the base address.
        status: What is expected.
        body: Sent as JSON, unless it is None.
        token: Whose request it is.
        headers: More of them.

    Raises:
        WrongError: It is another one.
    """
    what, deadline = f"{method} {path}", time.monotonic() + PATIENCE_S
    sent = {**(headers or {})} | ({"Authorization": f"Bearer {token}"} if token else {})
    while (answer := client.request(method, path, json=body, headers=sent)).status_code == 429 != status:
        wait = int(answer.headers.get("Retry-After", 1))  # the gateway's own refusals tell no time
        expect(what, time.monotonic() + wait < deadline, f"429, to be made again in {wait} s")
        time.sleep(wait)
    said = answer.text if answer.is_error else ""  # anything else may hold what is secret
    expect(what, answer.status_code == status, f"{answer.status_code} {said}")
    if answer.is_error:
        is_problem = answer.headers["Content-Type"] == PROBLEM and answer.json()["status"] == status
        expect(what, is_problem, f"not a problem document: {said}")
    return answer


def get(client: httpx.Client, path: str) -> httpx.Response:
    """The answer to a GET that anybody may make, and that goes well.

    Raises:
        WrongError: It does not.
    """
    return call(client, "GET", path, 200)
