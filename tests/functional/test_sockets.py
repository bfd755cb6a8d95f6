"""Posts to WebSocket clients: taken, refused, gone or unanswered."""

from collections.abc import Iterator

import pytest

from cryptopulse.aws.client import Account, Endpoint
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.aws.sockets import ATTEMPTS, Delivery, Sockets
from cryptopulse.errors import GoneError, ServiceError, ThrottledError
from tests.functional.callbacks import HANG, Callbacks, hang_up, served

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
    monkeypatch.setattr(sockets._endpoint, "_timeout", 0.1)
    callbacks.answers["a"] = [HANG]
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


def test_many_connections_get_their_frames_in_order(sockets: Sockets, callbacks: Callbacks) -> None:
    frames = [b'{"n":%d}' % number for number in range(3)]
    callbacks.answers.update({"c3": [200, 410], "c5": [429], "c7": [200, 200, 500]})
    delivered = sockets.deliver([(f"c{number}", frames) for number in range(40)], 10)
    wanted = [Delivery(3)] * 40
    wanted[3], wanted[5], wanted[7] = Delivery(1, gone=True), Delivery(0), Delivery(2)
    assert delivered == wanted
    for number in range(40):
        assert callbacks.frames(f"c{number}") == [{"n": n} for n in range(wanted[number].taken)]


def test_nothing_is_begun_after_the_deadline(sockets: Sockets, callbacks: Callbacks) -> None:
    assert sockets.deliver([("a", [b"{}"])], -1) == [Delivery(0)]
    assert callbacks.seen == []


@pytest.mark.parametrize("count", [1, 2])
def test_a_forbidden_post_stops_all(sockets: Sockets, callbacks: Callbacks, count: int) -> None:
    callbacks.answers["c0"] = [403]
    with pytest.raises(ServiceError):
        sockets.deliver([(f"c{number}", [b"{}"]) for number in range(count)], 10)


def test_closing_who_is_gone_is_done(sockets: Sockets, callbacks: Callbacks) -> None:
    sockets.close("a")
    callbacks.answers["b"] = [410]
    sockets.close("b")
    assert callbacks.closed == ["a"]
    callbacks.answers["a"] = [429]
    with pytest.raises(ThrottledError):
        sockets.close("a")
