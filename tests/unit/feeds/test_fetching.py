"""Fetching from strangers: how long, how much, how far, and where nothing is ever asked."""

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptopulse.errors import FeedDownError
from cryptopulse.feeds import fetching
from cryptopulse.feeds.fetching import LARGEST, LONGEST_WAIT, Fetcher, wait
from cryptopulse.feeds.webhooks import resolve
from tests.unit.feeds.exchange import NOON
from tests.unit.feeds.host import NAME, PUBLIC, Host, Reply, here, reply, trusting


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.close()


def failure(url: str, fetcher: Fetcher | None = None, redirects: int = 3) -> FeedDownError:
    with pytest.raises(FeedDownError) as told:
        (fetcher or Fetcher("any")).get(url, {}, redirects=redirects)
    return told.value


def moved(location: str, status: str = "302 Found") -> bytes:
    return reply(b"over there", status, Location=location)


def test_what_is_asked_and_answered(host: Host) -> None:
    host.answers["/a?b=c"] = reply(b"hello", ETag='"x"', Content_Type="text/xml")
    answer = Fetcher("any").get(f"http://localhost:{host.port}/a?b=c", {"If-None-Match": '"w"'})
    assert answer == (
        200,
        {"content-length": "5", "etag": '"x"', "content-type": "text/xml"},
        b"hello",
        f"http://localhost:{host.port}/a?b=c",
    )
    assert host.requests[0] == (
        "GET /a?b=c HTTP/1.1\r\n"
        f"Host: localhost:{host.port}\r\n"
        "User-Agent: CryptoPulse/1\r\n"
        "Accept-Encoding: gzip\r\n"
        'If-None-Match: "w"\r\n'
        "Connection: close\r\n\r\n"
    )


@pytest.mark.parametrize("status", ["304 Not Modified", "404 Not Found", "410 Gone", "429 Slow", "503 Later"])
def test_the_status_is_told(host: Host, status: str) -> None:
    host.answers["/a"] = reply(b"", status)
    assert Fetcher("any").get(f"{host.url}/a", {}).status == int(status[:3])


def test_chunks_and_gzip_are_undone(host: Host) -> None:
    packed = gzip.compress(b"hello " * 1_000)
    host.answers["/a"] = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: GZIP\r\n\r\n"
        + b"%x\r\n%b\r\n" % (10, packed[:10])
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(packed) - 10, packed[10:])
    )
    assert Fetcher("any").get(f"{host.url}/a", {}).body == b"hello " * 1_000


def test_an_empty_body_needs_no_unpacking(host: Host) -> None:
    host.answers["/a"] = reply(b"", Content_Encoding="gzip")
    assert Fetcher("any").get(f"{host.url}/a", {}).body == b""


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", id="cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000, id="endless head"),
        pytest.param(reply(b"no gzip", Content_Encoding="gzip"), id="no gzip"),
        pytest.param(reply(gzip.compress(b"hello")[:-4], Content_Encoding="gzip"), id="gzip cut short"),
        pytest.param(reply(zlib.compress(b"hello"), Content_Encoding="deflate"), id="deflate"),
        pytest.param(reply(b"hello", Content_Encoding="br"), id="br"),
    ],
)
def test_what_is_no_answer_is_down(host: Host, answer: bytes) -> None:
    host.answers["/a"] = answer
    assert failure(f"{host.url}/a").kind == "down"


def test_who_does_not_listen_is_down(host: Host) -> None:
    host.close()
    assert failure(host.url).kind == "down"


# --- how much ---


def flood(connection: socket.socket) -> None:
    """More than anybody should take, until the client hangs up."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
    for _ in range(50):
        connection.sendall(b" " * 1_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(flood, id="50 MB"),
        pytest.param(reply(gzip.compress(b" " * 50_000_000, 1), Content_Encoding="gzip"), id="gzip bomb"),
        pytest.param(reply(b" " * (LARGEST + 1)), id="a byte"),
    ],
)
def test_what_is_too_large_is_not_read_to_its_end(host: Host, answer: Reply) -> None:
    host.answers["/a"] = answer
    assert failure(f"{host.url}/a").kind == "refused"


def test_the_largest_is_read(host: Host) -> None:
    host.answers["/a"] = reply(gzip.compress(b" " * LARGEST, 1), Content_Encoding="x-gzip")
    assert len(Fetcher("any").get(f"{host.url}/a", {}).body) == LARGEST


# --- how long ---


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"", b""), (b"HTTP/1.1 200 OK\r\n", b"X"), (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x")],
    ids=["silent", "a slow head", "a slow body"],
)
def test_who_is_slow_is_not_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch, start: bytes, piece: bytes) -> None:
    monkeypatch.setattr(fetching, "WHOLE", 0.5)
    pause = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while not pause.wait(0.02):
            connection.sendall(piece)

    host.answers["/a"] = drip
    error = failure(f"{host.url}/a")
    pause.set()
    assert (error.kind, type(error.__cause__).__name__) in (("down", "ReadTimeout"), ("down", "TimeoutError"))


def test_when_the_time_is_over_nothing_is_begun(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "CONNECT", 0)
    assert failure(f"{host.url}/a").kind == "down"
    assert host.requests == []


# --- how far ---


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Go", "308 Stay"])
def test_redirects_are_followed(host: Host, status: str) -> None:
    host.answers |= {"/a": moved("b?c=d#e", status), "/b?c=d": moved(f"{host.url}/c"), "/c": reply(b"here")}
    answer = Fetcher("any").get(f"{host.url}/a", {})
    assert (answer.body, answer.url) == (b"here", f"{host.url}/c")


def test_three_redirects_are_enough(host: Host) -> None:
    host.answers |= {f"/{i}": moved(f"/{i + 1}") for i in range(5)} | {"/5": reply(b"far")}
    assert Fetcher("any").get(f"{host.url}/2", {}).body == b"far"
    assert failure(f"{host.url}/1").kind == "refused"


def test_a_loop_ends(host: Host) -> None:
    host.answers["/a"] = moved("/a")
    assert failure(f"{host.url}/a").kind == "refused"
    assert len(host.requests) == 4


def test_no_redirect_where_none_is_allowed(host: Host) -> None:
    host.answers["/a"] = moved("/b")
    assert failure(f"{host.url}/a", redirects=0).kind == "refused"
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        *("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "javascript:alert(1)", "//["),
        *("http://user:password@127.0.0.1/", "http://2130706433/", "http://127.0.0.1:22/", "http://127.0.0.1/ä"),
    ],
)
def test_a_redirect_to_what_is_not_http_is_not_followed(host: Host, location: str) -> None:
    host.answers["/a"] = moved(location)
    assert failure(f"{host.url}/a").kind == "refused"
    assert len(host.requests) == 1


# --- where nothing is asked ---


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.31.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),  # noqa: S104
        *("::1", "fd00::1", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe"),
    ],
)
@pytest.mark.parametrize("others", [[], [PUBLIC]], ids=["alone", "beside a public one"])
def test_a_name_that_leads_to_a_private_address_is_not_asked(host: Host, address: str, others: list[str]) -> None:
    fetcher = Fetcher("public", resolve=lambda *_: [*others, address])
    assert failure(f"http://{NAME}:{host.port}/", fetcher).kind == "refused"
    assert host.requests == []


@pytest.mark.parametrize("private", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]"])
def test_nor_is_one_that_a_redirect_leads_to(host: Host, monkeypatch: pytest.MonkeyPatch, private: str) -> None:
    """The first host is taken for a public one; the second is looked at as the first was."""
    connect = socket.create_connection

    def reroute(address: tuple[str, int], *args: object, **kwargs: object) -> socket.socket:
        assert address == (PUBLIC, host.port)
        return connect(("127.0.0.1", host.port), 5)

    monkeypatch.setattr(socket, "create_connection", reroute)
    fetcher = Fetcher("public", resolve=lambda name, port: [PUBLIC] if name == NAME else resolve(name, port))
    host.answers["/a"] = moved(f"http://{private}:{host.port}/secret")
    assert failure(f"http://{NAME}:{host.port}/a", fetcher).kind == "refused"
    assert len(host.requests) == 1
    monkeypatch.undo()


def test_a_name_without_an_address_is_down() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(f"{host} is not known")

    assert failure("https://nowhere.example", Fetcher("any", resolve=unknown)).kind == "down"
    assert failure("https://nowhere.example", Fetcher("any", resolve=lambda *_: [])).kind == "down"


def test_the_next_address_is_tried(host: Host) -> None:
    host.answers["/a"] = reply(b"here")
    fetcher = Fetcher("any", resolve=lambda *_: ["::1", "127.0.0.1"])
    assert fetcher.get(f"http://{NAME}:{host.port}/a", {}).body == b"here"


def test_a_certificate_must_be_trusted_and_the_hosts(certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    host = Host(tls)
    host.answers["/a"] = reply(b"here")
    url = f"https://{NAME}:{host.port}/a"
    assert Fetcher("any", resolve=here, tls=trusting(certificate)).get(url, {}).body == b"here"
    for name, fetcher in (
        (NAME, Fetcher("any", resolve=here)),
        ("other.example", Fetcher("any", resolve=here, tls=trusting(certificate))),
    ):
        assert failure(f"https://{name}:{host.port}/a", fetcher).kind == "down"
    assert len(host.requests) == 1
    host.close()


# --- when to come again ---


@pytest.mark.parametrize(
    ("text", "until"),
    [
        (None, 0),
        ("0", NOON),
        ("240", NOON + 240_000),
        ("99999999999", NOON + LONGEST_WAIT),
        ("Sun, 22 Nov 2026 12:10:00 GMT", NOON + 600_000),
        ("Sun, 22 Nov 2037 12:10:00 GMT", NOON + LONGEST_WAIT),
        ("nonsense", 0),
        ("Sun, 22 Nov 2026 12:10:00 +99999999999999", 0),
    ],
)
def test_retry_after(text: str | None, until: int) -> None:
    assert wait({} if text is None else {"retry-after": text}, NOON) == until
