"""Logs, metrics, and what every handler has in common."""

import gc
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from hashlib import sha256
from itertools import chain, repeat
from typing import Any

from aws_lambda_powertools import Logger, Metrics
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


def entrypoint[Answer](handler: Handler[Answer]) -> Handler[Answer]:
    """Wraps a handler: the request's id in every log line, and the metrics written at its end, also when it fails."""

    gc.set_threshold(*COLLECTED)

    @wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> Answer:
        logger.append_keys(request_id=context.aws_request_id, cold_start=next(_cold))
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
    """What the line of a request holds more, once: how its answer came, and the metrics, as CloudWatch reads them."""
    how = outcome.get()
    outcome.set(None)
    found: dict[str, Any] = {} if how is None else {"cache": how}
    if metrics.metric_set:
        found |= metrics.serialize_metric_set()
        metrics.clear_metrics()
    return found


def user_hash(user: str) -> str:
    """What the lines of requests call a user; ids are random, so nobody can guess them by it."""
    return sha256(f"user:{user}".encode()).hexdigest()[:16]
