"""`python -m local.simulator --port N`: serve the simulated exchanges until interrupted."""

import argparse
import time

import uvicorn

from local.simulator.app import make_app


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m local.simulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=1, help="selects the market (default 1)")
    arguments = parser.parse_args()
    app = make_app(arguments.seed, lambda: time.time_ns() // 1000)
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
        ws_ping_interval=20,  # as Binance does, with a minute to answer
        ws_ping_timeout=60,
    )


if __name__ == "__main__":
    main()
