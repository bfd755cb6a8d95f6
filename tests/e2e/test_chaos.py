"""The chaos run, its short form: `make chaos` does five minutes of all assets."""

import subprocess
import sys

from local.processes import free_ports
from local.template import ROOT

PATIENCE_S = 900


def test_after_some_faults_every_candle_is_the_exchanges_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.chaos", "--seconds", "20", "--port", str(free_ports()), "--seed", "1",
         "--assets", "BTC,ETH"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    figures = [line for line in done.stdout.splitlines() if line.startswith("figure ")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert figures[:3] == [
        "figure chaos.candles_wrong 0", "figure chaos.ticks_doubled 0", "figure chaos.gaps_open 0",
    ]  # fmt: skip
