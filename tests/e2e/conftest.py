"""The real system, brought up as `make run` does it, on ports and in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import endpoints
from local.endpoints import Endpoints
from local.feeds import Mode
from local.processes import free_ports
from local.template import ROOT

UP_S = 300
DOWN_S = 180


class System:
    """A run of the whole system that can be stopped, killed and started again.

    Args:
        home: Folder of its state.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_ports()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return (self.home / "run.log").read_text()

    def start(self, prices: Mode = "stream") -> Endpoints:
        """Starts it with simulated exchanges and two assets, and waits until it says that it is up."""
        choices = {"FEEDS": "simulated", "PRICES": prices, "ASSETS": "BTC,ETH"}
        environment = os.environ | choices | {"PORT": str(self.port)}
        with (self.home / "run.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.run", "--home", str(self.home)],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + UP_S
        while not endpoints.path(self.home).exists():
            assert self._process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.2)
        return endpoints.read(self.home)

    def stop(self) -> int:
        """Ends it as Ctrl-C does, and tells its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(DOWN_S)

    def kill(self) -> None:
        """Ends it as a power cut would end its terminal: what it started goes on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        endpoints.path(self.home).unlink()

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that is stopped in the end, whatever a test did with it."""
    system = System(tmp_path_factory.mktemp("system"))
    yield system
    if system.runs:
        assert system.stop() == 0, system.output


@pytest.fixture(scope="module")
def running(system: System) -> Endpoints:
    """Where the running system answers."""
    return system.start()
