"""An AWS of our own on loopback: moto behind a plain HTTP server, and what it holds put back as it was."""

import io
import socketserver
import threading
from copy import deepcopy
from functools import cache
from typing import Any
from urllib.parse import unquote

from moto import backends
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

REGION = "us-east-1"
SERVICES = ("dynamodb", "kinesis", "kms", "sqs")
"""What the functions keep something in."""

type Held = dict[str, dict[str, Any]]
"""What each service holds."""
type Items = dict[str, Any]
"""What a table holds."""


class Cloud:
    """All that moto plays, from when it is made until it is closed."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = "http://{}:{}".format(*self._server.server_address)

    def close(self) -> None:
        """Hears no more requests."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def held(self) -> Held:
        """What it holds now."""
        return {service: _copy(vars(_backend(service))) for service in SERVICES}

    def hold(self, held: Held) -> None:
        """Makes it hold this and nothing else: a hundredth of the work of making it all by calls."""
        BackendDict.reset()
        reset_model_data()
        for service, state in held.items():
            vars(_backend(service)).update(_copy(state))

    def items(self, table: str) -> Items:
        """What is in a table now."""
        return deepcopy(_backend("dynamodb").tables[table].items)

    def put(self, table: str, items: Items) -> None:
        """Makes a table hold this and nothing else."""
        _backend("dynamodb").tables[table].items = deepcopy(items)


def _backend(service: str) -> Any:
    return backends.get_backend(service)[DEFAULT_ACCOUNT_ID][REGION]  # type: ignore[call-overload]


def _copy(state: dict[str, Any]) -> dict[str, Any]:
    locks = [queue._messages_lock for queue in state.get("queues", {}).values()]
    return deepcopy(state, {id(lock): lock for lock in locks})


class _Server(socketserver.TCPServer):
    """Hands requests to moto, one after the other: each is whole, as in AWS, which it would not be in threads."""

    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.application = _Application(create_backend_app)


class _Application(DomainDispatcherApplication):
    """Moto, which looks through its folders at each request to find the service."""

    get_backend_for_host = cache(DomainDispatcherApplication.get_backend_for_host)


class _Connection(socketserver.StreamRequestHandler):
    """Speaks as much HTTP as AWS's clients do: werkzeug's server takes longer for a request than moto itself."""

    timeout = 5  # s: who connects and says nothing holds up all others
    server: _Server

    def handle(self) -> None:
        method, target, protocol = self.rfile.readline().decode("latin-1").split()
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "REQUEST_URI": target,
            "SERVER_PROTOCOL": protocol,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_address[1]),
            "wsgi.url_scheme": "http",
        }
        while (line := self.rfile.readline()) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value.strip()
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[name] = environ.pop(f"HTTP_{name}", "")
        environ["wsgi.input"] = io.BytesIO(self.rfile.read(int(environ["CONTENT_LENGTH"] or 0)))
        head: list[str] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            told = [*headers, ("Connection", "close")]  # nobody has to close what he kept open
            head.extend([f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told), "\r\n"])

        body = b"".join(self.server.application(environ, start))
        self.wfile.write("\r\n".join(head).encode("latin-1") + body)
