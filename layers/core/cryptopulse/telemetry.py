"""Logs, metrics, and what every handler has in common."""

import gc
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import wraps
from hashlib import sha256
from itertools import chain, repeat
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics(namespace="CryptoPulse")
COLLECTED = 50_000, 20, 20
"""When garbage is looked for: amounts are many, all alive to a request's end, and looking took a fifth of its time."""

type Handler[Answer] = Callable[[dict[str, Any], LambdaContext], Answer]

_cold = chain([True], repeat(False))
"""Whether an invocation is the process's first."""
outcome: ContextVar[str | None] = ContextVar("outcome", default=None)
"""How the answer under way came, where that may be from a cache."""
rung: ContextVar[dict[int, str] | None] = ContextVar("rung", default=None)
"""The last doorbell of each connection shard that this invocation has rung, by its sequence number in the stream."""


def entrypoint[Answer](handler: Handler[Answer]) -> Handler[Answer]:
    """Wraps a handler: the request's id in every log line, and the metrics written at its end, also when it fails."""

    gc.set_threshold(*COLLECTED)

    @wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> Answer:
        logger.append_keys(request_id=context.aws_request_id, cold_start=(is_cold := next(_cold)))
        rung.set(None)
        if is_cold:
            metrics.add_metric("ColdStarts", MetricUnit.Count, 1)
        try:
            return handler(event, context)
        except Exception:
            logger.exception("failed")
            raise
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    return run


def noted() -> dict[str, Any]:
    """What the line of an invocation holds more, once: how its answer came, the doorbells that it rang, and the
    metrics, as CloudWatch reads them."""
    told = {"cache": outcome.get(), "rung": rung.get()}
    outcome.set(None)
    rung.set(None)
    found: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if metrics.metric_set:
        found |= metrics.serialize_metric_set()
        metrics.clear_metrics()
    return found


def place(records: Sequence[Mapping[str, Any]], now: int) -> dict[str, Any]:
    """What the line of a stream's consumer says of its batch: the sequence numbers of its first and last record, how
    many there are, and for how long (ms) the last had been in the stream."""
    ends = [each["kinesis"] for each in (*records[:1], *records[-1:])]
    return {
        "records": len(records),
        "sequences": [each["sequenceNumber"] for each in ends],
        "age": now - int(ends[-1]["approximateArrivalTimestamp"] * 1000) if ends else 0,
    }


def user_hash(user: str) -> str:
    """What the lines of requests call a user; ids are random, so nobody can guess them by it."""
    return sha256(f"user:{user}".encode()).hexdigest()[:16]
