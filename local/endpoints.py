"""Where a running system answers: `.local/endpoints.json`, there while it is up."""

from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from local.processes import ProblemError, write_atomically
from local.template import ROOT

HOME = ROOT / ".local"


@dataclass(frozen=True)
class Endpoints:
    """Absolute URLs on loopback.

    Attributes:
        http: The API's base.
        websocket: The WebSocket API.
        health: What tells whether all is well.
        web: The dashboard; None where there is no Node.js to build it.
        simulator: The simulated exchanges; None when the prices are live.
    """

    http: str
    websocket: str
    health: str
    web: str | None = None
    simulator: str | None = None


def path(home: Path) -> Path:
    """The file."""
    return home / "endpoints.json"


def write(home: Path, endpoints: Endpoints) -> None:
    """Tells that the system is up."""
    there = {name: url for name, url in asdict(endpoints).items() if url is not None}
    write_atomically(path(home), msgspec.json.encode(there).decode() + "\n")


def read(home: Path) -> Endpoints:
    """Finds a running system.

    Raises:
        ProblemError: None runs.
    """
    try:
        return msgspec.json.decode(path(home).read_bytes(), type=Endpoints)
    except FileNotFoundError:
        raise ProblemError("nothing runs here: start it with `make run`, and try again when it shows prices") from None
