"""History from the exchanges, asked for piece by piece, with a progress bar."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local.cloud import Cloud, forget_aws_account
from local.endpoints import HOME, read
from local.processes import ProblemError, Processes

PIECE_S = 5
PATIENCE_S = 120


class Answer(msgspec.Struct):
    """What the function says after each piece of work.

    Attributes:
        done: Calls made, of all those needed.
        total: All those needed.
        message: What it was about, or what held it up.
    """

    done: int
    total: int
    message: str


def backfill(cloud: Cloud, console: Console, request: dict[str, Any], patience: float) -> str:
    """Invokes the Backfill function until nothing is left to do, or it gets no further.

    Args:
        cloud: Where it runs.
        console: For the progress bar.
        request: The function's event: `assets`, `days`, `quick`.
        patience: Seconds without progress after which to give up.

    Returns:
        What holds it up; empty if all is there.

    Raises:
        ProblemError: It failed.
    """
    event = json.dumps(request | {"max_seconds": PIECE_S}).encode()
    columns = (TextColumn("  history {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        done, moved = -1, time.monotonic()
        while True:
            answer = msgspec.json.decode(cloud.invoke("Backfill", event), type=Answer)
            progress.update(task, completed=answer.done, total=answer.total, description=answer.message)
            if answer.done >= answer.total:
                return ""
            if answer.done > done:
                done, moved = answer.done, time.monotonic()
            elif time.monotonic() - moved > patience:
                return f"{answer.done} of {answer.total} pages: {answer.message or 'it gets no further'}"
            else:
                time.sleep(1)


def _days(word: str) -> int | None:
    """Reads `--days`; `make` passes an empty one on."""
    return int(word) if word else None


def main() -> int:
    """Runs `make backfill`."""
    parser = argparse.ArgumentParser(prog="make backfill", description=__doc__)
    parser.add_argument("--assets", default="", help="codes, comma-separated; all tracked ones if empty")
    parser.add_argument("--days", type=_days, help="how far back; all that is kept if empty")
    parser.add_argument("--home", type=Path, default=HOME)
    arguments = parser.parse_args()
    forget_aws_account()
    console = Console()
    try:
        origin = read(arguments.home).http.partition("/_aws/")[0]
        cloud = Cloud(arguments.home, origin, Processes(arguments.home))
        request = {
            "assets": [asset.strip() for asset in arguments.assets.split(",") if asset.strip()] or None,
            "days": arguments.days,
        }
        if reason := backfill(cloud, console, request, PATIENCE_S):
            raise ProblemError(f"history is incomplete, and is fetched further every minute: {reason}")
    except ProblemError as problem:
        console.print(f"[red]{problem}")
        return 1
    console.print("History is complete.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
