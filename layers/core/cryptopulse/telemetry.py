"""Logs, metrics, and what every handler has in common."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics(namespace="CryptoPulse")

type Handler[Answer] = Callable[[dict[str, Any], LambdaContext], Answer]


def entrypoint[Answer](handler: Handler[Answer]) -> Handler[Answer]:
    """Wraps a handler: the request's id in every log line, and the metrics written at its end, also when it fails."""

    @wraps(handler)
    def run(event: dict[str, Any], context: LambdaContext) -> Answer:
        logger.append_keys(request_id=context.aws_request_id)
        try:
            return handler(event, context)
        except Exception:
            logger.exception("failed")
            raise
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    return run
