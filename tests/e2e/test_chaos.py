"""The chaos run, a minute of it: `make chaos` does five."""

import subprocess
import sys

from local.processes import free_ports
from local.template import ROOT

PATIENCE_S = 900


def test_after_a_minute_of_faults_every_candle_is_the_exchanges_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.chaos", "--seconds", "60", "--port", str(free_ports()), "--seed", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    figures = [line for line in done.stdout.splitlines() if line.startswith("figure ")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert figures[:3] == [
        "figure chaos.candles_wrong 0", "figure chaos.ticks_doubled 0", "figure chaos.gaps_open 0",
    ]  # fmt: skip
