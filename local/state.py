"""What the local cloud has saved, made fit for the next start."""

import json
from pathlib import Path
from typing import Any

from local.processes import write_atomically


def empty_streams(folder: Path) -> None:
    """Takes the records out of the saved streams, and puts their readers at the beginning.

    The emulator drops records older than the retention but does not move the readers' places, which then lie behind the
    end: nothing would be delivered for a long time. It also reads and saves the whole stream each time.

    Args:
        folder: The emulator's STATE_DIR; may not exist yet.
    """
    streams, functions = folder / "kinesis.json", folder / "lambda.json"
    if not (streams.exists() and functions.exists()):
        return
    kinesis = json.loads(streams.read_text())
    for stream in kinesis["payload"]["streams"]["data"].values():
        for shard in stream["shards"].values():
            shard["records"] = []
    # The readers first: at the beginning of a full stream they repeat, which is harmless; past the end they starve.
    state = json.loads(functions.read_text())
    _zero(state["payload"]["kinesis_positions"]["data"])
    write_atomically(functions, json.dumps(state))
    write_atomically(streams, json.dumps(kinesis))


def _zero(positions: dict[str, dict[str, Any]]) -> None:
    for shards in positions.values():
        shards.update(dict.fromkeys(shards, 0))
