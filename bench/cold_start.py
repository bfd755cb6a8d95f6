"""CPU of importing a handler and answering its first event, against the usual fat imports; fresh interpreters.

Indicators are an event of their own: the first to need their engine, and found in no cache.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench._cloud import cloud
from bench.candles import history, store_packed
from cryptopulse import wiring

ROOT = Path(__file__).parent.parent
ROUNDS = 7
LIMITS = {"websocket": 1 / 3, "process_ticks": 1 / 3, "queries": 0.4, "indicators": 0.4}
"""What is promised, of the fat handler's CPU."""
FUNCTIONS = {"indicators": "queries"}
"""Where it has not the name of what is measured."""
MARKET = ("queries", "indicators")
"""What has to find the market's data, not answer that there is none."""
EVENTS = {
    "queries": "queries",
    "indicators": "indicators",
    "websocket": "ws_message",
    "process_ticks": "process_ticks",
    "fan_out": "fan_out",
    "auth": "auth",
    "users": "users",
    "portfolios": "portfolios",
    "reports": "reports",
    "alerts": "alerts",
    "evaluate_alerts": "evaluate_alerts",
    "statements": "statements",
}

FAT = """
import boto3, httpx, pandas
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parser import event_parser
logger, metrics, tracer = Logger(), Metrics(namespace="fat"), Tracer(disabled=True)
api = APIGatewayHttpResolver(enable_validation=True)
table = boto3.resource("dynamodb").Table("Market")
client = httpx.Client()
table.get_item(Key={"pk": "a", "sk": "b"})
"""

LEAN = """
import json
from aws_lambda_powertools.utilities.typing import LambdaContext
from functions.{name}.app import handler
context = LambdaContext()
context._aws_request_id = "cold"
context.get_remaining_time_in_millis = lambda: 30_000
answer = handler(json.loads({event!r}), context)
assert not {is_market} or answer["statusCode"] == 200, answer
"""

MEASURED = "import time\n{code}\nimport sys\nsys.stderr.write(f'cpu {{time.process_time()}}')"


def cpu(code: str, environment: dict[str, str]) -> float:
    """Seconds of CPU of an interpreter that runs the code, its own start included."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURED.format(code=code)],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'layers/core'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RuntimeError(run.stderr)
    return float(run.stderr.rpartition("cpu ")[2])


def main() -> None:
    codes = {}
    for name, event in EVENTS.items():
        text = json.dumps(json.loads((ROOT / "events" / f"{event}.json").read_text()))
        codes[name] = LEAN.format(name=FUNCTIONS.get(name, name), event=text, is_market=name in MARKET)
    took: dict[str, list[float]] = {name: [] for name in ("fat", *codes)}
    with cloud() as environment:
        now = wiring.now()
        store_packed(history(now), now)
        for number in range(ROUNDS):
            for name, code in (("fat", FAT), *codes.items()):
                took[name].append(cpu(code, environment | {"VERSION": f"round-{number}"}))  # a cache of its own
    fat = median(took["fat"])
    print(f"fat handler {fat * 1e3:.0f} ms of CPU")
    missed = []
    for name in codes:
        own = median(took[name])
        print(f"{name} {own * 1e3:.0f} ms")
        print(f"figure cold_start.{name}_ratio {own / fat:.3f}")
        if own / fat > LIMITS.get(name, 1):
            missed.append(name)
    if missed:
        raise SystemExit(f"cold_start: {', '.join(missed)} above what they promise")


if __name__ == "__main__":
    main()
