"""The local cloud's process: ministack, saving its state every minute and not only at a graceful stop.

Started as `python -m local.emulator HOME`; the argument only marks whose process it is. It uses private names of the
pinned ministack, which offers no other way to save.
"""

import threading
import time

from ministack import app
from ministack.core.persistence import save_all

SAVE_EVERY_S = 60


def save_regularly() -> None:
    """Saves all state on the server's own loop, where nothing changes meanwhile; never returns."""
    while True:
        time.sleep(SAVE_EVERY_S)
        if app._MAIN_LOOP is not None:  # noqa: SLF001
            saved = threading.Event()

            def save(saved: threading.Event = saved) -> None:
                try:
                    save_all(app._build_persistence_save_dict())  # noqa: SLF001
                finally:
                    saved.set()

            app._MAIN_LOOP.call_soon_threadsafe(save)  # noqa: SLF001
            saved.wait()


if __name__ == "__main__":
    threading.Thread(target=save_regularly, daemon=True).start()
    app.main()
