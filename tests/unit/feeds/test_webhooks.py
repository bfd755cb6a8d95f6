"""Webhooks: what is sent, what of the answer counts, and where nothing is ever sent."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cryptopulse.domain.webhooks import WebhookUrl
from cryptopulse.errors import FeedDownError
from cryptopulse.feeds import webhooks
from cryptopulse.feeds.webhooks import Webhooks, resolve
from tests.unit.feeds.host import NAME, PUBLIC, Listener, here, trusting

BODY = b'{"a":1}'


class Receiver(Listener):
    """Takes requests and gives each the answer it is told to.

    Args:
        tls: Secures its connections.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.answer: Callable[[socket.socket], None]
        self.say(b"HTTP/1.1 204 No Content\r\n\r\n")
        super().__init__(tls)

    def say(self, answer: bytes) -> None:
        """What to answer from now on."""
        self.answer = lambda connection: connection.sendall(answer)

    def hear(self, connection: socket.socket) -> None:
        request = b""
        while not request.endswith(BODY):
            request += connection.recv(65_536)
        self.requests.append(request)
        self.answer(connection)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def secure(certificate: Path) -> Iterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    receiver = Receiver(tls)
    yield receiver
    receiver.close()


def post(url: str, hooks: Webhooks | None = None) -> int:
    return (hooks or Webhooks("any")).post(WebhookUrl.parse(url), BODY, {"Content-Type": "application/json"})


def test_what_is_sent(receiver: Receiver) -> None:
    assert post(f"http://localhost:{receiver.port}/hook?a=b") == 204
    assert receiver.requests == [
        b"POST /hook?a=b HTTP/1.1\r\n"
        b"Host: localhost:%d\r\n"
        b"User-Agent: CryptoPulse/1\r\n"
        b"Accept: */*\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: 7\r\n"
        b"Connection: close\r\n"
        b'\r\n{"a":1}' % receiver.port
    ]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nand never more", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 500 Or not\r\n\r\n", 200),
        (b"HTTP/1.0 201 Created\r\n\r\n", 201),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n", 202),
        (b"HTTP/1.1 500 Oh\r\nX: " + b"y" * 10_000 + b"\r\n\r\n", 500),
    ],
)
def test_the_status_is_what_counts(receiver: Receiver, answer: bytes, status: int) -> None:
    receiver.say(answer)
    assert post(f"http://127.0.0.1:{receiver.port}") == status


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.say(b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:%d/other\r\nContent-Length: 0\r\n\r\n" % receiver.port)
    assert post(f"http://127.0.0.1:{receiver.port}/hook") == 307
    assert receiver.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_no_answer_that_is_http_is_none(receiver: Receiver, answer: bytes) -> None:
    receiver.say(answer)
    with pytest.raises(FeedDownError) as told:
        post(f"http://127.0.0.1:{receiver.port}")
    assert told.value.kind == "down"


def test_who_does_not_listen_is_down(receiver: Receiver) -> None:
    receiver.close()
    with pytest.raises(FeedDownError) as told:
        post(f"http://127.0.0.1:{receiver.port}")
    assert told.value.kind == "down"


def test_who_is_silent_is_not_waited_for(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WHOLE", 0.5)

    def wait(connection: socket.socket) -> None:
        connection.recv(1)  # until the client hangs up

    receiver.answer = wait
    with pytest.raises(FeedDownError, match="TimeoutError"):
        post(f"http://127.0.0.1:{receiver.port}")


def test_when_the_time_is_over_nothing_is_begun(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "CONNECT", 0)
    with pytest.raises(FeedDownError, match="too slow"):
        post(f"http://127.0.0.1:{receiver.port}")
    assert receiver.connections == 0


def test_nor_who_answers_byte_by_byte(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "WHOLE", 0.5)
    pause = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not pause.wait(0.05):
            connection.sendall(b"X")

    receiver.answer = drip
    with pytest.raises(FeedDownError, match="TimeoutError"):
        post(f"http://127.0.0.1:{receiver.port}")
    pause.set()


def test_a_name_without_an_address_is_down() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(f"{host} is not known")

    for hooks in (Webhooks("any", resolve=unknown), Webhooks("any", resolve=lambda *_: [])):
        with pytest.raises(FeedDownError) as told:
            post("https://nowhere.example", hooks)
        assert told.value.kind == "down"


def test_the_system_resolves() -> None:
    assert set(resolve("localhost", 443)) <= {"127.0.0.1", "::1"}
    assert resolve("127.0.0.1", 443) == ["127.0.0.1"]


def test_the_next_address_is_tried(receiver: Receiver) -> None:
    hooks = Webhooks("any", resolve=lambda *_: ["::1", "127.0.0.1"])
    assert post(f"http://{NAME}:{receiver.port}", hooks) == 204


# --- TLS ---


def test_a_certificate_must_be_trusted_and_the_hosts(secure: Receiver, certificate: Path) -> None:
    url = f"https://{NAME}:{secure.port}"
    assert post(url, Webhooks("any", resolve=here, tls=trusting(certificate))) == 204
    with pytest.raises(FeedDownError, match="self-signed certificate"):
        post(url, Webhooks("any", resolve=here))
    with pytest.raises(FeedDownError, match="Hostname mismatch"):
        post(f"https://other.example:{secure.port}", Webhooks("any", resolve=here, tls=trusting(certificate)))
    assert len(secure.requests) == 1


# --- where nothing is sent ---


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.31.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
        *("::1", "fd00::1", "fe80::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    ],
)
@pytest.mark.parametrize("others", [[], [PUBLIC]])
def test_a_name_that_leads_to_a_private_address_is_not_called(
    receiver: Receiver, address: str, others: list[str]
) -> None:
    hooks = Webhooks("public", resolve=lambda *_: [*others, address])
    with pytest.raises(FeedDownError) as told:
        post(f"https://{NAME}:{receiver.port}", hooks)
    assert (told.value.kind, receiver.connections) == ("refused", 0)


def test_what_is_private_by_its_own_name_is_not_called(receiver: Receiver) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"):
        with pytest.raises(FeedDownError) as told:
            post(f"https://{host}:{receiver.port}", Webhooks("public"))
        assert told.value.kind == "refused"
    assert receiver.connections == 0


def test_plain_http_is_not_called(receiver: Receiver) -> None:
    with pytest.raises(FeedDownError) as told:
        post(f"http://{NAME}:{receiver.port}", Webhooks("public", resolve=lambda *_: [PUBLIC]))
    assert (told.value.kind, receiver.connections) == ("refused", 0)


def test_what_was_looked_at_is_what_is_called(
    secure: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that changes its address in between leads nowhere: it is asked once."""
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    called: list[tuple[str, int]] = []
    connect = socket.create_connection

    def reroute(address: tuple[str, int], timeout: float) -> socket.socket:
        called.append(address)
        return connect(("127.0.0.1", secure.port), timeout)

    monkeypatch.setattr(socket, "create_connection", reroute)
    hooks = Webhooks("public", resolve=lambda *_: next(answers), tls=trusting(certificate))
    assert post(f"https://{NAME}", hooks) == 204
    assert called == [(PUBLIC, 443)]
    assert next(answers) == ["127.0.0.1"]
    assert secure.requests[0].split(b"\r\n")[1] == f"Host: {NAME}".encode()
