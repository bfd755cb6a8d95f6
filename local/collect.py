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
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from cryptopulse import wiring
from cryptopulse.errors import ServiceError
from cryptopulse.telemetry import logger
from functions.stream_prices.app import Holder
from local.endpoints import HOME
from local.processes import ProblemError
from local.stacks import Stack, find

FUNCTION: Final = "StreamPrices"
ROUND: Final = 60.0
"""Seconds from one try to the next, as the schedule does it."""
HANDOVER: Final = 150_000
"""Milliseconds before the end of its own holder at which the next takes over: before Lambda's invocations would."""


def enter(stack: Stack) -> None:
    """Makes the function's environment this process's own.

    Raises:
        ProblemError: There is no such function, or it polls.
    """
    stack.enter(FUNCTION)
    if wiring.settings().PRICE_MODE != "stream":
        raise ProblemError(f"the stack {stack.name} polls: deploy it with PriceMode=stream")


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
        asyncio.run(_run(partial(enter, find(arguments.stack, arguments.home))))
    except ProblemError as problem:
        Console(stderr=True).print(f"[red]{problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
