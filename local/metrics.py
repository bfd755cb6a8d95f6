"""The local cloud's figures for Prometheus, on loopback: `make metrics`; docs/grafana.json shows them."""

import argparse
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from local.cloud import forget_aws_account
from local.endpoints import HOME, read
from local.processes import ProblemError
from local.run import stop_on_signals
from local.watching import Watch, exposition

PORT = 9464


def serve(watch: Watch, port: int) -> HTTPServer:
    """A server that looks anew whenever it is asked for `/metrics`; 503 while the local cloud does not answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                status, body = (200, exposition(watch.look())) if self.path == "/metrics" else (404, "see /metrics\n")
            except ProblemError as problem:
                status, body = 503, f"{problem}\n"
            self.send_response(status)
            self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
            return

    return HTTPServer(("127.0.0.1", port), Handler)


def main() -> int:
    """Runs `make metrics`."""
    parser = argparse.ArgumentParser(prog="make metrics", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--port", type=int, default=PORT)
    arguments = parser.parse_args()
    forget_aws_account()
    try:
        with serve(Watch(read(arguments.home), time.time()), arguments.port) as server:
            stop_on_signals()
            print(f"http://127.0.0.1:{server.server_port}/metrics  Ctrl-C stops")
            server.serve_forever()
    except KeyboardInterrupt:
        print()
    except (ProblemError, OSError) as problem:
        print(f"✗ {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
