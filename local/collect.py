"""Holds the live streams in a process of its own, for those who would rather keep it in a container: `make collect`.

It does what stream_prices does, minute by minute and under the same lease, which it takes over: Lambda's own
invocations see that somebody holds it and end at once. When this process ends, the next of them takes over.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from cryptopulse import wiring
from cryptopulse.errors import ServiceError
from cryptopulse.telemetry import logger
from functions.stream_prices.app import Holder
from local.cloud import STACK, forget_aws_account
from local.endpoints import HOME, read
from local.processes import ProblemError

FUNCTION: Final = "StreamPrices"
ROUND: Final = 60.0
"""Seconds from one try to the next, as the schedule does it."""
HANDOVER: Final = 150_000
"""Milliseconds before the end of its own holder at which the next takes over: before Lambda's invocations would."""


class Stack:
    """A stack with the function whose work this is.

    Args:
        name: The stack's.
        session: Whose credentials to use.
        endpoint: The local cloud's address; None is AWS.
    """

    def __init__(self, name: str, session: boto3.Session, endpoint: str | None) -> None:
        self._name = name
        self._session = session
        self._endpoint = endpoint

    def enter(self) -> None:
        """Makes the function's environment, with credentials as of now, this process's own.

        Raises:
            ProblemError: There is no such function, or it polls.
        """
        try:
            os.environ |= self._environment() | self._credentials()
        except (BotoCoreError, ClientError) as error:
            raise ProblemError(f"the stack {self._name} cannot be looked at: {error}") from error
        wiring.clear()
        if wiring.settings().PRICE_MODE != "stream":
            raise ProblemError(f"the stack {self._name} polls: deploy it with PriceMode=stream")

    def _environment(self) -> dict[str, str]:
        resource = self._session.client("cloudformation", endpoint_url=self._endpoint).describe_stack_resource(
            StackName=self._name, LogicalResourceId=FUNCTION
        )
        function = self._session.client("lambda", endpoint_url=self._endpoint).get_function_configuration(
            FunctionName=resource["StackResourceDetail"]["PhysicalResourceId"]
        )
        variables = function["Environment"]["Variables"]
        return {name: value for name, value in variables.items() if value}  # boto3 would take an empty address for one

    def _credentials(self) -> dict[str, str]:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise ProblemError("there are no AWS credentials here")
        keys = credentials.get_frozen_credentials()
        return {
            "AWS_REGION": self._session.region_name,
            "AWS_ACCESS_KEY_ID": keys.access_key or "",
            "AWS_SECRET_ACCESS_KEY": keys.secret_key or "",
            "AWS_SESSION_TOKEN": keys.token or "",
        }


async def collect(enter: Callable[[], None], stop: asyncio.Event) -> None:
    """Holds the streams until `stop`: each minute it tries to, as an invocation of stream_prices would.

    Args:
        enter: Renews the environment, before each try.
        stop: Ends it, after all that was gathered is sent.

    Raises:
        ProblemError: The first time, from `enter`.
    """
    await asyncio.to_thread(enter)
    async with asyncio.TaskGroup() as tasks:
        number = 0
        while not stop.is_set():
            number += 1
            tasks.create_task(_hold(number, stop))
            try:
                async with asyncio.timeout(ROUND):
                    await stop.wait()
            except TimeoutError:
                try:
                    await asyncio.to_thread(enter)  # streams are being held meanwhile
                except ProblemError as problem:  # the credentials in use may still be good
                    logger.error("environment not renewed", reason=str(problem))


async def _hold(number: int, stop: asyncio.Event) -> None:
    """One try; what fails is told, and the next minute's tries again."""
    ends = time.monotonic() + wiring.settings().STREAM_SECONDS
    name, is_first = f"collect-{os.getpid()}-{number}", number == 1
    holder = Holder(name, lambda: ends - time.monotonic(), insists=is_first, handover=HANDOVER)
    own = asyncio.Event()
    following = asyncio.create_task(_follow(stop, own))
    try:
        await holder.hold(own)
    except* ServiceError:
        logger.exception("failed")
    finally:
        following.cancel()


async def _follow(stop: asyncio.Event, own: asyncio.Event) -> None:
    await stop.wait()
    own.set()


async def _run(enter: Callable[[], None]) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await collect(enter, stop)


def main() -> int:
    """Runs `make collect`."""
    parser = argparse.ArgumentParser(prog="make collect", description=__doc__)
    parser.add_argument("--stack", default="", help="a stack on AWS; what `make run` runs if empty")
    parser.add_argument("--home", type=Path, default=HOME)
    arguments = parser.parse_args()
    try:
        if arguments.stack:
            stack = Stack(arguments.stack, boto3.Session(), None)
        else:
            forget_aws_account()
            origin = read(arguments.home).http.partition("/_aws/")[0]
            session = boto3.Session("test", "test", region_name="us-east-1")
            stack = Stack(STACK, session, origin)
        asyncio.run(_run(stack.enter))
    except ProblemError as problem:
        Console(stderr=True).print(f"[red]{problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
