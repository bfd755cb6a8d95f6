"""Runs of a whole system of its own in which things go wrong: their options, their folder and their figures."""

import argparse
import signal
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from rich.console import Console

from local.cloud import forget_aws_account
from local.processes import ProblemError
from local.run import Run, stop_on_signals


def options(name: str, description: str | None) -> argparse.ArgumentParser:
    """What every trial can be told."""
    parser = argparse.ArgumentParser(prog=f"make {name}", description=description)
    parser.add_argument("--seconds", type=float, required=True, help="how long things go wrong")
    parser.add_argument("--port", type=int, required=True, help="the first of two")
    parser.add_argument("--seed", type=int, required=True, help="what goes wrong when")
    parser.add_argument("--home", type=Path, help="folder of all state, to be looked at; else a temporary one")
    return parser


def carry_out(
    name: str,
    arguments: argparse.Namespace,
    trial: Callable[[Run, Path, Console], Mapping[str, int]],
    zero: Collection[str],
) -> int:
    """Carries a trial out and prints its figures; whatever happens, nothing of its system is left running.

    Args:
        name: Its figures' first word.
        arguments: As `options` reads them.
        trial: Brings the system up in a folder, and tells what came of it.
        zero: The figures that have to be.

    Returns:
        The exit code.
    """
    console = Console(highlight=False, markup=False, soft_wrap=True)
    forget_aws_account()
    stop_on_signals()
    with tempfile.TemporaryDirectory(prefix=f"cryptopulse-{name}-") as temporary:
        home = (arguments.home or Path(temporary)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        run = Run(home, arguments.port, Console(highlight=False, soft_wrap=True))
        try:
            figures = trial(run, home, console)
        except ProblemError as problem:
            console.print(f"✗ {problem}")
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(each, signal.SIG_IGN)
            run.stop()
    for figure, value in figures.items():
        console.print(f"figure {name}.{figure} {value}")
    return int(any(figures[figure] for figure in zero))
