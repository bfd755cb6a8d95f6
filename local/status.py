"""How the local cloud does, on one screen: `make status`. It exits with 1 where something is down."""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.cloud import forget_aws_account
from local.endpoints import HOME, read
from local.processes import ProblemError
from local.watching import Samples, Watch

WINDOW_S = 300
"""Log lines count that are no older."""


def show(samples: Samples, console: Console) -> bool:
    """Prints the figures; whether everything is up."""
    down = [labels[0][1] for (name, labels), value in samples.items() if name == "up" and not value]
    for labels in _of(samples, "info"):
        told = dict(labels)
        console.print(f"{told['status']} · version {told['version']} · {told['feeds']} feeds · {told['mode']}")
    parts = {labels[0][1]: value for labels, value in _of(samples, "up").items()}
    console.print("  ".join(f"{name} {'up' if value else 'DOWN'}" for name, value in parts.items()))
    venues = ("feed_age_seconds", "feed_streamed", "gaps_open", "gaps_repaired_total", "stream_reconnects")
    _print(console, ("venue", "age, s", "streamed", "gaps", "repaired", "reconnects"), samples, venues)
    _print(console, ("source of news", "age, s"), samples, ("news_age_seconds",))
    _print(console, ("queue", "messages"), samples, ("queue_messages",))
    functions = ("invocations_count", "invocations_sum", "errors_total", "iterator_age_seconds")
    _print(console, ("function", "runs", "seconds", "errors", "behind, s"), samples, functions)
    counts = {
        "connections": samples.get(("connections", ()), 0.0),
        "ticks folded": samples["ticks_folded_total", ()],
        "fold lag, s": samples.get(("fold_lag_seconds", ()), 0.0),
        **{f"frames {labels[0][1]}": value for labels, value in _of(samples, "frames_total").items()},
        **{f"cache {labels[0][1]}": value for labels, value in _of(samples, "cache_requests_total").items()},
        "cold starts": samples["cold_starts_total", ()],
        "requests": sum(_of(samples, "requests_count").values()),
        "5xx": sum(value for labels, value in _of(samples, "requests_count").items() if labels[-1][1][0] == "5"),
    }
    console.print(" · ".join(f"{name} {value:,.6g}" for name, value in counts.items()))
    console.print(f"Of functions, ticks, frames, cache and requests: the last {WINDOW_S // 60} minutes.", style="dim")
    return not down


def _of(samples: Samples, wanted: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {labels: value for (name, labels), value in samples.items() if name == wanted}


def _print(console: Console, titles: Iterable[str], samples: Samples, names: Iterable[str]) -> None:
    """A row for each value of the first label, a column for each of these metrics."""
    columns = [_of(samples, name) for name in names]
    rows = sorted({labels for column in columns for labels in column})
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, title in enumerate(titles):
        table.add_column(title, justify="right" if number else "left")
    for labels in rows:
        table.add_row(labels[0][1], *(f"{column[labels]:,.6g}" if labels in column else "–" for column in columns))
    console.print(table)


def main() -> int:
    """Runs `make status`."""
    parser = argparse.ArgumentParser(prog="make status", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    forget_aws_account()
    console = Console(highlight=False, markup=False, soft_wrap=True)
    try:
        return 0 if show(Watch(read(parser.parse_args().home), time.time() - WINDOW_S).look(), console) else 1
    except ProblemError as problem:
        console.print(f"✗ {problem}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
