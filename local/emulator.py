"""The local cloud's process: ministack, saving its state every minute and not only at a graceful stop.

Run as `python -m local.emulator HOME`; the argument only marks whose process it is. Private names are used, since the
pinned ministack offers no other way to save.
"""

import sys
import threading
import time

from ministack import app
from ministack.core.persistence import save_all
from ministack.services import cloudformation

SAVE_EVERY_S = 60


def save_regularly() -> None:
    """Saves all state on the server's own loop, where nothing changes meanwhile; never returns."""
    while True:
        time.sleep(SAVE_EVERY_S)
        saved = threading.Event()
        app._MAIN_LOOP.call_soon_threadsafe(_save, saved)  # noqa: SLF001
        saved.wait()


def _save(saved: threading.Event) -> None:
    try:
        stacks = cloudformation._stacks._data.values()  # noqa: SLF001
        if not any(stack["StackStatus"].endswith("IN_PROGRESS") for stack in stacks):  # half a stack is of no use
            save_all(app._build_persistence_save_dict())  # noqa: SLF001
    finally:
        saved.set()


if __name__ == "__main__":
    threading.Thread(target=save_regularly, daemon=True).start()
    del sys.argv[1:]
    app.main()
