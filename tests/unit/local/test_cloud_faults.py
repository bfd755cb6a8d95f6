"""The faults of the local cloud's services."""

import asyncio
import json
from typing import Any

import pytest

from local.cloud_faults import PATH, Disturbed, Message

PUT_ITEM = {"path": "/", "headers": [(b"X-Amz-Target", b"DynamoDB_20120810.PutItem")]}
POST = {"path": "/ws/@connections/c=", "headers": []}


class Cloud:
    """The emulator, as its faults see it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []
        self.slept: list[float] = []
        self._app = Disturbed(self._serve, lambda: self.now, lambda: 0.5, self._sleep)

    def ask(self, scope: dict[str, Any], body: bytes = b"{}") -> tuple[int, Any]:
        """The answer to a request, whose body comes in two parts."""
        parts: list[Message] = [{"body": body[:1], "more_body": True}, {"body": body[1:]}]
        sent: list[Message] = []

        async def receive() -> Message:
            return parts.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self._app({"type": "http", **scope}, receive, send))
        assert parts == []  # what is left over would be taken for the next request
        return sent[0]["status"], json.loads(sent[1]["body"])

    def disturb(self, kind: str, rate: float = 1) -> None:
        """Has DynamoDB's calls go wrong for ten seconds."""
        fault = {"service": "dynamodb", "kind": kind, "rate": rate, "seconds": 10}
        assert self.ask({"path": PATH, "headers": []}, json.dumps([fault]).encode())[0] == 200

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        self.done.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'"done"'})

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.mark.parametrize(
    ("kind", "status", "is_done", "slept"),
    [("slow", 200, True, 1), ("throttled", 400, False, 0), ("failing", 500, False, 0), ("lost", 500, True, 0)],
)
def test_a_fault_strikes_its_service_while_it_lasts(kind: str, status: int, is_done: bool, slept: int) -> None:
    cloud = Cloud()
    cloud.disturb(kind)
    assert cloud.ask(PUT_ITEM)[0] == status
    assert (len(cloud.done), len(cloud.slept)) == (is_done, slept)
    assert cloud.ask(POST) == (200, "done")
    cloud.now = 10
    assert cloud.ask(PUT_ITEM) == (200, "done")


def test_a_share_of_calls_is_struck() -> None:
    cloud = Cloud()
    cloud.disturb("failing", 0.4)
    assert cloud.ask(PUT_ITEM) == (200, "done")
    cloud.disturb("failing", 0.6)
    assert cloud.ask(PUT_ITEM)[0] == 500


def test_what_is_no_fault_is_refused_and_changes_nothing() -> None:
    cloud = Cloud()
    cloud.disturb("failing")
    assert cloud.ask({"path": PATH, "headers": []}, b'[{"service": "dynamodb"}]')[0] == 400
    assert cloud.ask(PUT_ITEM)[0] == 500
