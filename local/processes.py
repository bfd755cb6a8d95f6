"""The processes that a run starts: remembered in a file, so that the next run can end what a killed one left."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

from local.template import ROOT

STOP_GRACE_S = 30
_PORTS = range(12_000, 32_000, 3)
"""Not those from which systems take one for each connection that is made (32768 and up): they stay free."""
_turns = count(50 * os.getpid())  # processes begun one after the other do not choose the same


class ProblemError(Exception):
    """Something the user has to put right; the text says what is wrong and what to do."""


class Processes:
    """The child processes of one home folder, stopped in the opposite order of their start.

    Args:
        home: The folder of state and logs.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._file = home / "processes.json"
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._remembered: dict[str, tuple[int, str]] = {}

    def start(self, name: str, arguments: Sequence[str], program: str, env: Mapping[str, str]) -> None:
        """Starts a process in a session of its own: Ctrl-C reaches only us, and the order of stopping is ours.

        Args:
            name: What it is; its output goes to `<name>.log`.
            arguments: They tell it from any other process that may later have its id.
            program: Path of the executable.
            env: Its whole environment.
        """
        with self.log(name).open("wb") as log:
            child = subprocess.Popen(
                [program, *arguments],
                env=env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = child
        self._remembered[name] = (child.pid, " ".join(arguments))
        write_atomically(self._file, json.dumps(self._remembered))

    def log(self, name: str) -> Path:
        """Where a process's output is."""
        return self._home / f"{name}.log"

    def runs(self, name: str) -> bool:
        """Whether it was started and has not ended."""
        return name in self._children and self._children[name].poll() is None

    def check(self) -> None:
        """Looks after the processes.

        Raises:
            ProblemError: One has ended by itself.
        """
        for name, child in self._children.items():
            if child.poll() is not None:
                tail = "\n".join(self.log(name).read_text(errors="replace").strip().splitlines()[-8:])
                raise ProblemError(f"the {name} ended by itself with code {child.returncode}: {self.log(name)}\n{tail}")

    def stop(self) -> None:
        """Stops what was started; each gets 30 s to save its state."""
        for child in reversed(self._children.values()):
            child.terminate()
            try:
                child.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
        self._remembered.clear()
        self._file.unlink(missing_ok=True)

    def stop_orphans(self) -> list[str]:
        """Stops what an earlier run, killed before it could, has left behind.

        Returns:
            The names of the processes stopped.
        """
        left: dict[str, tuple[int, str]] = json.loads(self._file.read_text()) if self._file.exists() else {}
        orphans = [name for name, (pid, arguments) in left.items() if _runs(pid, arguments)]
        for name in orphans:
            _end(*left[name])
        self._file.unlink(missing_ok=True)
        return orphans


def _runs(pid: int, arguments: str) -> bool:
    listed = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.rstrip().endswith(arguments)


def _end(pid: int, arguments: str) -> None:
    """Ends a process that is not our child: politely, after 30 s by force."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE_S
        while _runs(pid, arguments):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)


def require_free_port(port: int, purpose: str) -> None:
    """Makes sure that a port on loopback can be listened on.

    Raises:
        ProblemError: Another program has it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ProblemError(
                f"port {port}, for the {purpose}, cannot be had: {error.strerror}.\n"
                f"Stop the program that has it (`lsof -i :{port}` names it), or move: make run PORT={port + 1000}"
            ) from error


def free_ports() -> int:
    """The first of three ports on loopback that are free now, one after the other."""
    while True:
        port = _PORTS[next(_turns) % len(_PORTS)]
        with ExitStack() as stack:
            try:
                for number in range(3):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + number))
            except OSError:
                continue
            return port


def write_atomically(path: Path, text: str) -> None:
    """Writes a whole file, or leaves the old one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)
