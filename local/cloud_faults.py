"""What can be made to go wrong in the local cloud's services: slow calls, refusals, lost answers.

`PUT /_faults` at the local cloud takes a JSON list of `CloudFault`; they replace those before. Functions meet them, and
whoever else calls a service over HTTP; what the emulator does within itself does not.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any, Final, Literal

import msgspec

type Service = Literal["dynamodb", "kinesis", "kms", "sqs", "connections"]
type Kind = Literal["slow", "throttled", "failing", "lost"]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PATH: Final = "/_faults"
SLOW_S: Final = (0.2, 2.0)
"""At least and at most: less than our client waits for an answer."""
TARGETS: Final[dict[str, Service]] = {
    "DynamoDB_20120810": "dynamodb",
    "Kinesis_20131202": "kinesis",
    "TrentService": "kms",
    "AmazonSQS": "sqs",
}
THROTTLED: Final[dict[Service, tuple[int, str]]] = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "kinesis": (400, "ProvisionedThroughputExceededException"),
    "kms": (400, "ThrottlingException"),
    "sqs": (400, "ThrottlingException"),
    "connections": (429, "LimitExceededException"),
}


class CloudFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of a service's calls that go wrong for some seconds.

    Attributes:
        service: Whose; `connections` is `@connections`.
        kind: `slow`; `throttled` and `failing` are refusals; of `lost` it is done, and the answer says that it failed.
        rate: The share.
        seconds: How long.
    """

    service: Service
    kind: Kind
    rate: Annotated[float, msgspec.Meta(ge=0, le=1)]
    seconds: Annotated[float, msgspec.Meta(gt=0)]


class Disturbed:
    """The emulator's server, with faults.

    Args:
        app: The server.
        clock: Seconds.
        chance: Decides which calls are struck.
        sleep: Waits.
    """

    def __init__(
        self,
        app: App,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._app, self._clock, self._chance, self._sleep = app, clock, chance, sleep
        self._ending: list[tuple[CloudFault, float]] = []

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == PATH:
            await self._replace(receive, send)
        elif self._ending and (fault := self._drawn(scope)):
            await self._strike(fault, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _replace(self, receive: Receive, send: Send) -> None:
        try:
            faults = msgspec.json.decode(await _body(receive), type=list[CloudFault])
        except msgspec.DecodeError as reason:
            await _answer(send, 400, {"message": str(reason)})
            return
        now = self._clock()
        self._ending = [(fault, now + fault.seconds) for fault in faults]
        await _answer(send, 200, {})

    def _drawn(self, scope: MutableMapping[str, Any]) -> CloudFault | None:
        service, now = _service(scope), self._clock()
        mine = (fault for fault, end in self._ending if fault.service == service and now < end)
        return next((fault for fault in mine if self._chance() < fault.rate), None)

    async def _strike(self, fault: CloudFault, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if fault.kind == "slow":
            least, most = SLOW_S
            await self._sleep(least + (most - least) * self._chance())
            await self._app(scope, receive, send)
            return
        if fault.kind == "lost":
            await self._app(scope, receive, _nowhere)
        else:
            await _body(receive)  # or the next request on this connection would begin in its midst
        status, code = THROTTLED[fault.service] if fault.kind == "throttled" else (500, "InternalFailure")
        await _answer(send, status, {"__type": code, "message": f"{fault.service} is {fault.kind}, as it was told"})


def _service(scope: MutableMapping[str, Any]) -> Service | None:
    if "/@connections/" in scope["path"]:
        return "connections"
    target = next((value.decode() for name, value in scope["headers"] if name.lower() == b"x-amz-target"), "")
    return TARGETS.get(target.partition(".")[0])


async def _body(receive: Receive) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _answer(send: Send, status: int, body: dict[str, str]) -> None:
    content = msgspec.json.encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _nowhere(message: Message) -> None:
    """Whatever is sent there is lost."""
