"""Posts to WebSocket clients: taken, refused, gone or unanswered."""

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptopulse.aws.client import Account, Endpoint
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.aws.sockets import ATTEMPTS, CLOSE, Delivery, Sockets
from cryptopulse.errors import GoneError, ServiceError, ThrottledError
from tests.certificates import self_signed
from tests.functional.callbacks import CUT, HALF, HANG, HINT, NOISE, UPGRADE, Callbacks, hang_up, served

ACCOUNT = Account("us-east-1", Credentials("testing", "testing"))


@pytest.fixture
def callbacks() -> Iterator[Callbacks]:
    with served() as callbacks:
        yield callbacks


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def sockets(callbacks: Callbacks, waits: list[float]) -> Iterator[Sockets]:
    sockets = Sockets(Endpoint(callbacks.url, "execute-api", ACCOUNT), sleep=waits.append)
    yield sockets
    hang_up(sockets)


def test_a_post_is_signed_and_names_the_connection(sockets: Sockets, callbacks: Callbacks) -> None:
    sockets.post("T73xAeZyoAMCJcw=", b'{"type":"pong"}')
    assert callbacks.sent == {"T73xAeZyoAMCJcw=": [{"type": "pong"}]}
    ((method, path, headers),) = callbacks.seen
    assert (method, path) == ("POST", "/ws/@connections/T73xAeZyoAMCJcw%3D")
    scope = headers["authorization"].split("Credential=testing/")[1].split(",")[0]
    assert scope[8:] == "/us-east-1/execute-api/aws4_request"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (410, GoneError),
        (429, ThrottledError),
        (500, ThrottledError),
        (503, ThrottledError),
        (403, ServiceError),
        (413, ServiceError),
    ],
)
def test_each_refusal_is_an_error_of_its_own(
    sockets: Sockets, callbacks: Callbacks, status: int, error: type[ServiceError]
) -> None:
    callbacks.answers["a"] = [status]
    with pytest.raises(ServiceError) as caught:
        sockets.post("a", b"{}")
    assert type(caught.value) is error


def test_no_answer_counts_as_not_taken(sockets: Sockets, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch) -> None:
    callbacks.answers["a"] = [HANG]
    with monkeypatch.context() as patched:
        patched.setattr(sockets._endpoint, "timeout", 0.1)
        with pytest.raises(ThrottledError):
            sockets.post("a", b"{}")
    sockets.post("a", b'{"n":1}')
    assert callbacks.frames("a") == [{"n": 1}]


def test_a_frame_not_taken_is_sent_again(sockets: Sockets, callbacks: Callbacks, waits: list[float]) -> None:
    callbacks.answers["a"] = [429, 503]
    sockets.send("a", b'{"n":1}')
    assert callbacks.frames("a") == [{"n": 1}]
    assert len(waits) == 2
    callbacks.answers["a"] = [429] * ATTEMPTS
    with pytest.raises(ThrottledError):
        sockets.send("a", b"{}")


def numbered(count: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(count)]


def heard(callbacks: Callbacks) -> dict[str, list[int]]:
    return {connection: [frame["n"] for frame in sent] for connection, sent in callbacks.sent.items()}


def test_who_has_his_frames_may_be_closed(sockets: Sockets, callbacks: Callbacks) -> None:
    callbacks.answers |= {"b": [200, 429], "c": [429], "d": [200, 410]}
    posts = [("a", [b"{}", CLOSE]), ("b", [b"{}", CLOSE]), ("c", [b"{}", CLOSE]), ("d", [b"{}", CLOSE]), ("e", [CLOSE])]
    told = [Delivery(2), Delivery(1), Delivery(0), Delivery(1, gone=True), Delivery(1)]
    assert sockets.deliver(posts, 5) == told
    assert {id_: callbacks.frames(id_) for id_ in "abcde"} == {"a": [{}], "b": [{}], "c": [], "d": [{}], "e": []}
    assert sorted(callbacks.closed) == ["a", "e"]


def test_many_connections_get_their_frames_in_order(sockets: Sockets, callbacks: Callbacks) -> None:
    callbacks.answers.update({"c3": [200, 410], "c5": [429], "c7": [200, 200, 500]})
    delivered = sockets.deliver([(f"c{number}", numbered(3)) for number in range(40)], 10)
    wanted = [Delivery(3)] * 40
    wanted[3], wanted[5], wanted[7] = Delivery(1, gone=True), Delivery(0), Delivery(2)
    assert delivered == wanted
    for number in range(40):
        assert callbacks.frames(f"c{number}") == [{"n": n} for n in range(wanted[number].taken)]


def test_a_delivered_post_is_as_one_of_its_own(sockets: Sockets, callbacks: Callbacks) -> None:
    sockets.post("T73xAeZyoAMCJcw=", b"{}")
    sockets.deliver([("T73xAeZyoAMCJcw=", [b"{}"])], 10)
    alone, delivered = ((method, path, sorted(headers)) for method, path, headers in callbacks.seen)
    assert delivered == alone
    authorizations = [re.sub(r"/\d{8}/|Signature=.*", "", headers["authorization"]) for *_, headers in callbacks.seen]
    assert authorizations[0] == authorizations[1]


def test_whatever_fails_nobody_else_is_kept_waiting(
    sockets: Sockets, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 connections, in three deliveries of two frames each, over 8 lines: 18 are gone, 6 throttled, one hangs."""
    monkeypatch.setattr("cryptopulse.aws.sockets.LINES", 8)
    monkeypatch.setattr(sockets._endpoint, "timeout", 1)
    names = [f"c{number}=" for number in range(60)]
    gone, throttled, hole = set(names[::3][:18]), set(names[1::9][:6]), names[5]
    callbacks.answers.update({name: [410] * 3 for name in gone} | {name: [200, 429] for name in throttled})
    callbacks.answers[hole] = [HANG] * 3
    told = dict.fromkeys(names, 0)
    removed = set()
    for _ in range(3):
        waiting = [name for name in names if name not in removed]
        posts = [(name, [b'{"n":%d,"to":"%s"}' % (told[name] + n, name.encode()) for n in (0, 1)]) for name in waiting]
        for name, delivery in zip(waiting, sockets.deliver(posts, 10), strict=True):
            told[name] += delivery.taken
            removed |= {name} if delivery.gone else set()
    assert removed == gone
    assert told == {name: 0 if name in gone or name == hole else 5 if name in throttled else 6 for name in names}
    assert callbacks.sent == {name: [{"n": n, "to": name} for n in range(told[name])] for name in names if told[name]}
    lines = sockets._lines
    assert (len(lines._busy), len(lines._waiting)) == (0, 0)
    assert len(lines._idle) + len(lines._opening) <= 8


def test_lines_are_kept_and_only_as_many_as_are_needed(sockets: Sockets, callbacks: Callbacks) -> None:
    for taken in (1, 2, 3):
        assert sockets.deliver([(name, [b"{}"]) for name in "abc"], 10) == [Delivery(1)] * 3
        assert [len(callbacks.sent[name]) for name in "abc"] == [taken] * 3
    assert callbacks.lines == 3


@pytest.mark.parametrize("is_telling", [True, False])
def test_each_answer_may_be_the_last_over_its_line(sockets: Sockets, callbacks: Callbacks, *, is_telling: bool) -> None:
    callbacks.is_closing, callbacks.is_telling = True, is_telling
    for _ in range(2):
        assert sockets.deliver([("a", numbered(3)), ("b", numbered(3))], 10) == [Delivery(3)] * 2
    assert heard(callbacks) == {"a": [0, 1, 2, 0, 1, 2], "b": [0, 1, 2, 0, 1, 2]}
    assert callbacks.lines == 12


@pytest.mark.parametrize(
    ("answers", "taken", "lines"),
    [
        pytest.param([CUT], 2, 2, id="sent again"),
        pytest.param([CUT, CUT], 0, 2, id="once"),
        pytest.param([200, CUT], 2, 2, id="only what was not taken"),
        pytest.param([HALF], 0, 1, id="not with half an answer"),
        pytest.param([NOISE], 0, 1, id="not with what is no answer"),
        pytest.param([UPGRADE], 0, 1, id="not with another protocol"),
        pytest.param([HINT], 0, 1, id="not with a hint of an answer"),
    ],
)
def test_what_goes_unanswered_over_a_kept_line_is_sent_again(
    sockets: Sockets, callbacks: Callbacks, answers: list[int], taken: int, lines: int
) -> None:
    sockets.deliver([("b", [b"{}"])], 10)
    callbacks.answers["a"] = answers
    assert sockets.deliver([("a", numbered(2))], 10) == [Delivery(taken)]
    assert callbacks.frames("a") == [{"n": n} for n in range(taken)]
    assert callbacks.lines == lines
    assert sockets.deliver([("a", numbered(1))], 10) == [Delivery(1)]


def test_what_goes_unanswered_over_a_new_line_is_not_sent_again(sockets: Sockets, callbacks: Callbacks) -> None:
    callbacks.answers["a"] = [CUT]
    assert sockets.deliver([("a", [b"{}"])], 10) == [Delivery(0)]
    assert callbacks.lines == 1


def test_what_comes_too_late_is_not_taken_for_another_answer(
    sockets: Sockets, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets.deliver([("b", [b"{}"])], 10)
    callbacks.answers["a"] = [HANG]
    with monkeypatch.context() as patched:
        patched.setattr(sockets._lines, "_timeout", 0.1)
        assert sockets.deliver([("a", [b"{}"])], 10) == [Delivery(0)]
    assert sockets.deliver([("a", [b"{}"])], 10) == [Delivery(1)]
    assert callbacks.lines == 2


def test_answers_may_come_in_chunks(sockets: Sockets, callbacks: Callbacks) -> None:
    callbacks.is_chunked = True
    callbacks.answers["b"] = [200, 410]
    assert sockets.deliver([("a", numbered(3)), ("b", numbered(3))], 10) == [Delivery(3), Delivery(1, gone=True)]
    assert callbacks.lines == 2


def test_nothing_is_begun_after_the_deadline(sockets: Sockets, callbacks: Callbacks) -> None:
    assert sockets.deliver([("a", [b"{}"])], -1) == [Delivery(0)]
    assert callbacks.lines == 0
    sockets.deliver([("a", [b"{}"])], 10)
    assert sockets.deliver([("a", [b"{}"])], -1) == [Delivery(0)]
    assert len(callbacks.seen) == 1


def test_what_is_in_the_air_at_the_deadline_still_counts(
    sockets: Sockets, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cryptopulse.aws.sockets.LINES", 1)
    callbacks.on_post = lambda: setattr(sockets._lines, "_end", 0)
    assert sockets.deliver([("a", numbered(2)), ("b", numbered(2))], 10) == [Delivery(1), Delivery(0)]
    assert heard(callbacks) == {"a": [0]}


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_our_own_fault_stops_all_that_was_not_begun(
    sockets: Sockets, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("cryptopulse.aws.sockets.LINES", 2)
    monkeypatch.setattr(sockets._endpoint, "timeout", 1)
    callbacks.answers.update({"c0": [status], "c1": [HANG]})
    with pytest.raises(ServiceError) as caught:
        sockets.deliver([(f"c{number}", numbered(2)) for number in range(9)], 10)
    assert str(caught.value) == f"""{status}: POST c0: b'{{"message": "as told"}}'"""
    assert sorted(path for _, path, _ in callbacks.seen) == ["/ws/@connections/c0", "/ws/@connections/c1"]
    assert sockets.deliver([("c2", numbered(2))], 10) == [Delivery(2)]


def test_where_nobody_listens_nothing_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    sockets = Sockets(Endpoint(f"http://127.0.0.1:{port}/ws", "execute-api", ACCOUNT))
    assert sockets.deliver([("a", [b"{}"]), ("b", [b"{}"])], 10) == [Delivery(0)] * 2
    asked: list[object] = []

    def unknown(*arguments: object) -> list[object]:
        asked.append(arguments)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert sockets.deliver([("a", [b"{}"]), ("b", [b"{}"])], 10) == [Delivery(0)] * 2
    assert len(asked) == 1
    hang_up(sockets)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for localhost with its key, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(self_signed("localhost"))
    return path


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr("cryptopulse.aws.sockets.tls", lambda: context)


def secured(port: int, timeout: float = 5) -> Sockets:
    return Sockets(Endpoint(f"https://localhost:{port}/ws", "execute-api", ACCOUNT, timeout))


@pytest.fixture
def safe(certificate: Path) -> Iterator[Callbacks]:
    """The server, behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with served(context) as callbacks:
        yield callbacks


@pytest.mark.usefixtures("trusted")
def test_lines_are_encrypted_and_kept(safe: Callbacks) -> None:
    sockets = secured(safe.port)
    for _ in range(2):
        assert sockets.deliver([("a", numbered(3)), ("b", numbered(3))], 10) == [Delivery(3)] * 2
    assert heard(safe) == {"a": [0, 1, 2, 0, 1, 2], "b": [0, 1, 2, 0, 1, 2]}
    assert safe.lines == 2
    hang_up(sockets)


@pytest.mark.usefixtures("trusted")
def test_answers_may_be_long(safe: Callbacks) -> None:
    sockets = secured(safe.port)
    safe.message = "x" * 100_000
    safe.answers["b"] = [200, 410]
    assert sockets.deliver([("a", numbered(3)), ("b", numbered(3))], 10) == [Delivery(3), Delivery(1, gone=True)]
    assert safe.lines == 2
    hang_up(sockets)


@pytest.mark.usefixtures("trusted")
def test_a_frame_that_does_not_go_at_once_goes_in_parts(safe: Callbacks) -> None:
    sockets = secured(safe.port)
    frame = b'"%s"' % (b"x" * 4_000_000)
    assert sockets.deliver([("a", [frame, frame])], 10) == [Delivery(2)]
    assert [len(each) for each in safe.frames("a")] == [4_000_000] * 2
    hang_up(sockets)


def test_nothing_is_told_to_a_stranger(safe: Callbacks) -> None:
    sockets = secured(safe.port)
    assert sockets.deliver([("a", [b"{}"])], 10) == [Delivery(0)]
    assert safe.seen == []
    hang_up(sockets)


@pytest.mark.usefixtures("trusted")
def test_a_host_that_does_not_answer_at_all_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sockets = secured(server.getsockname()[1], timeout=0.1)
        assert sockets.deliver([("a", [b"{}"]), ("b", [b"{}"])], 10) == [Delivery(0)] * 2
        hang_up(sockets)


def test_closing_who_is_gone_is_done(sockets: Sockets, callbacks: Callbacks) -> None:
    sockets.close("a")
    callbacks.answers["b"] = [410]
    sockets.close("b")
    assert callbacks.closed == ["a"]
    callbacks.answers["a"] = [429]
    with pytest.raises(ThrottledError):
        sockets.close("a")
