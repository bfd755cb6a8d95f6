"""The local cloud's process: ministack, kept small, and saved every minute and not only at a graceful stop.

Run as `python -m local.emulator HOME`; the argument only marks whose process it is. Private names are used, since the
pinned ministack offers no other way.
"""

import asyncio
import copy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Coroutine
from itertools import islice
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.core.persistence import save_all, save_state
from ministack.services import cloudformation, cloudwatch_logs, kinesis, lambda_svc
from ministack.services.cloudformation import changesets, engine

from local.cloud_faults import Disturbed

SAVE_EVERY_S = 60
TRIM_EVERY_S = 1
LOGS_KEPT = 500
"""Of each log group: an invocation leaves a log stream of some 15 KB."""

_saving = threading.Lock()
_ended = threading.Event()
"""What is saved at the stop is not to be written over by what was copied before it."""


def save_regularly() -> None:
    """Saves all state every minute; never returns."""
    while True:
        time.sleep(SAVE_EVERY_S)
        states = _on_loop(_snapshot())
        with _saving:  # in this thread: to write them takes longer than to copy them
            for service, state in states.items() if not _ended.is_set() else ():
                save_state(service, state)


def tell_sam_parameters() -> None:
    """Makes SAM's transform see the values of parameters, as on AWS, and not their defaults alone.

    Else functions are published once: which version is the newest follows from the parameter `Release`.
    """
    transform = changesets._apply_transforms  # noqa: SLF001

    def transform_with_values(sent: dict[str, Any], *parameters: Any) -> Any:
        template = copy.deepcopy(sent)
        for name, value in engine._transform_parameters(template, *parameters).items():  # noqa: SLF001
            template["Parameters"][name]["Default"] = value
        return transform(template, *parameters)

    changesets._apply_transforms = transform_with_values  # noqa: SLF001


def trim_regularly() -> None:
    """Makes the reader of the streams drop, every second, what every mapping has read.

    Else all records of a day stay in memory, each put looks at all of them, and each save writes them. Between two
    rounds of the reader no batch is under way, and on the server's loop no record comes: only then may places move.
    """
    read, trimmed = lambda_svc._poll_kinesis, 0.0  # noqa: SLF001

    def trim_and_read() -> bool:
        nonlocal trimmed
        if app._MAIN_LOOP and time.monotonic() - trimmed > TRIM_EVERY_S:  # noqa: SLF001
            _on_loop(_trim())
            trimmed = time.monotonic()
        return bool(read())

    lambda_svc._poll_kinesis = trim_and_read  # noqa: SLF001


async def _trim() -> None:
    readers = defaultdict(list)
    for key, mapping in lambda_svc._esms._data.items():  # noqa: SLF001
        places: dict[str, int] = lambda_svc._kinesis_positions._data.get(key, {})  # noqa: SLF001
        readers[mapping["EventSourceArn"]].append(places)
    for stream in kinesis._streams._data.values():  # noqa: SLF001
        mappings = readers[stream["StreamARN"]]
        for name, shard in stream["shards"].items():
            read = min((places.get(name, 0) for places in mappings), default=0)
            if read:
                del shard["records"][:read]
                for places in mappings:
                    places[name] -= read


async def _snapshot() -> dict[str, Any]:
    """All state by service, without old logs; nothing while a deployment is under way: half a stack is of no use."""
    stacks = cloudformation._stacks._data.values()  # noqa: SLF001
    if any(stack["StackStatus"].endswith("IN_PROGRESS") for stack in stacks):
        return {}
    for group in cloudwatch_logs._log_groups._data.values():  # noqa: SLF001
        streams = group["streams"]  # oldest first
        for name in list(islice(streams, max(0, len(streams) - LOGS_KEPT))):
            del streams[name]
    return {service: copy() for service, copy in app._build_persistence_save_dict().items()}  # noqa: SLF001


def _save_last(states: dict[str, Any]) -> None:
    with _saving:
        _ended.set()
        save_all(states)


def _on_loop[Answer](work: Coroutine[Any, Any, Answer]) -> Answer:
    """Has it done on the server's own loop, where nothing changes meanwhile."""
    return asyncio.run_coroutine_threadsafe(work, app._MAIN_LOOP).result()  # noqa: SLF001


if __name__ == "__main__":
    app.save_all = _save_last
    tell_sam_parameters()
    app.app = Disturbed(app.app)
    trim_regularly()
    threading.Thread(target=save_regularly, daemon=True).start()
    del sys.argv[1:]
    try:
        app.main()
    finally:
        lambda_runtime.reset()  # a function at work would go on without us, stream_prices for 14 minutes
