"""An AWS of its own process for benchmarks: moto for tables, stream and key, and sockets that take every frame."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3

REGION = "us-east-1"
MOTO = """
import sys, uvicorn
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from uvicorn.middleware.wsgi import WSGIMiddleware
cloud = WSGIMiddleware(DomainDispatcherApplication(create_backend_app))
uvicorn.run(cloud, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""
"""moto behind a server that keeps connections, as AWS does; moto's own closes each."""


def free_port() -> int:
    """A port on loopback that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Sockets(BaseHTTPRequestHandler):
    """Stands for `@connections`: every post arrives."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parent's name)
        pass


@contextmanager
def cloud() -> Iterator[dict[str, str]]:
    """Yields the functions' environment on a fresh cloud with empty tables; sets it in this process too."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    moto = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", MOTO, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sockets = ThreadingHTTPServer(("127.0.0.1", 0), _Sockets)
    Thread(target=sockets.serve_forever, daemon=True).start()
    environment = {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_ENDPOINT_URL": url,
        "ACCOUNTS_TABLE": "Accounts",
        "MARKET_TABLE": "Market",
        "CONNECTIONS_TABLE": "Connections",
        "STREAM_NAME": "Stream",
        "ASSETS": "BTC,ETH",
        "QUOTES": "coinbase:USD,binance:USDT",
        "LANES": "2",
        "CONNECTION_SHARDS": "2",
        "FEEDS": "simulated",
        "BINANCE_URL": f"{url}/binance",
        "COINBASE_URL": f"{url}/coinbase",
        "CURSOR_KEY": "00000000-0000-0000-0000-000000000000",
        "ISSUER": "https://api.test",
        "MANAGEMENT_URL": f"http://127.0.0.1:{sockets.server_port}/ws",
        "POWERTOOLS_LOG_LEVEL": "ERROR",
    }
    os.environ.update(environment)
    try:
        _wait(f"{url}/moto-api/data.json")
        dynamodb = boto3.client("dynamodb")
        for name in ("Accounts", "Market", "Connections", "Plain"):
            dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            )
        boto3.client("kinesis").create_stream(StreamName="Stream", ShardCount=1)
        key = boto3.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        environment["SIGNING_KEYS"] = os.environ["SIGNING_KEYS"] = key
        yield environment
    finally:
        moto.terminate()
        moto.wait(10)
        sockets.shutdown()


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=1).read()  # noqa: S310 (our own loopback server)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing answers at {url}")
