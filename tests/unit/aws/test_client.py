"""The thin client: retries, errors, and connections that have gone stale."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cryptopulse.aws.client import RETRIES, Account, Client
from cryptopulse.aws.sigv4 import Credentials
from cryptopulse.errors import ConditionError, ServiceError, ThrottledError

type Answer = tuple[int, dict[str, object]] | None
"""Status and body; None hangs up."""


class Service:
    """A service on loopback that gives its answers in order, the last one for ever."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[Answer] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.connections = 0
        self.delays: list[float] = []
        """Seconds to wait before each of the next answers."""


@pytest.fixture
def service() -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            made.connections += 1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            if answer is None:
                self.close_connection = True
                return
            if made.delays:
                time.sleep(made.delays.pop(0))
            data = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parent's name)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Service(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(service: Service, slept: list[float]) -> Iterator[Client]:
    account = Account("eu-west-1", Credentials("AKID", "secret"), service.url)
    client = Client("dynamodb", account, sleep=slept.append)
    yield client
    client.endpoint.close()


def test_a_call_is_one_signed_request(service: Service, client: Client) -> None:
    service.answers = [(200, {"Item": {}})]
    assert client.call("GetItem", {"TableName": "T"}) == {"Item": {}}
    ((headers, body),) = service.requests
    assert json.loads(body) == {"TableName": "T"}
    assert headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")


THROTTLED: Answer = (400, {"__type": "com.amazonaws#ProvisionedThroughputExceededException", "message": "slow down"})


def test_throttling_and_failures_of_the_service_are_tried_again(
    service: Service, client: Client, slept: list[float]
) -> None:
    service.answers = [THROTTLED, (500, {}), (200, {"ok": True})]
    assert client.call("PutItem", {}) == {"ok": True}
    assert len(slept) == 2
    assert all(0 <= pause <= 2 for pause in slept)


def test_a_service_that_goes_on_throttling_raises(service: Service, client: Client, slept: list[float]) -> None:
    service.answers = [THROTTLED]
    with pytest.raises(ThrottledError, match="ProvisionedThroughputExceededException: PutItem: slow down"):
        client.call("PutItem", {})
    assert len(slept) == RETRIES
    assert len(service.requests) == RETRIES + 1


@pytest.mark.parametrize(
    "body",
    [
        {"__type": "com.amazonaws#ConditionalCheckFailedException", "message": "no"},
        {
            "__type": "com.amazonaws#TransactionCanceledException",
            "Message": "cancelled",
            "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed"}],
        },
    ],
)
def test_a_lost_condition_is_told_at_once(service: Service, client: Client, body: dict[str, object]) -> None:
    service.answers = [(400, body)]
    with pytest.raises(ConditionError):
        client.call("PutItem", {})
    assert len(service.requests) == 1


def test_a_transaction_in_conflict_is_tried_again(service: Service, client: Client) -> None:
    body: dict[str, object] = {
        "__type": "x#TransactionCanceledException",
        "CancellationReasons": [{"Code": "TransactionConflict"}],
    }
    service.answers = [(400, body), (200, {})]
    assert client.call("TransactWriteItems", {}) == {}


def test_any_other_refusal_is_told_at_once(service: Service, client: Client) -> None:
    service.answers = [(400, {"__type": "x#ValidationException", "message": "bad key"})]
    with pytest.raises(ServiceError, match="ValidationException: PutItem: bad key") as caught:
        client.call("PutItem", {})
    assert caught.value.code == "ValidationException"
    assert len(service.requests) == 1


def test_connections_are_kept_and_opened_anew_when_stale(service: Service, client: Client, slept: list[float]) -> None:
    service.answers = [(200, {}), (200, {}), None, (200, {})]
    for _ in range(3):
        client.call("GetItem", {})
    assert (service.connections, slept) == (2, [])


def test_an_answer_that_comes_too_late_is_never_taken_for_the_next_ones(service: Service, client: Client) -> None:
    client.endpoint.timeout = 1
    service.answers = [(200, {"n": 1}), None, (200, {"n": 2}), (200, {"n": 3}), (200, {"n": 4})]
    service.delays = [0, 1.5]
    assert client.call("GetItem", {}) == {"n": 1}
    assert client.call("GetItem", {}) == {"n": 3}
    assert client.call("GetItem", {}) == {"n": 4}


def test_nobody_there_is_an_error_after_retries(client: Client, slept: list[float]) -> None:
    account = Account("eu-west-1", Credentials("AKID", "secret"), "http://127.0.0.1:9")
    with pytest.raises(ThrottledError, match="NoAnswer"):
        Client("kinesis", account, sleep=slept.append).call("PutRecords", {})


def test_a_service_that_hangs_is_given_up_in_time(
    service: Service, client: Client, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cryptopulse.aws.client.PATIENCE", 0)
    service.answers = [THROTTLED]
    with pytest.raises(ThrottledError):
        client.call("PutItem", {})
    assert (len(service.requests), slept) == (1, [])


def test_a_hasty_client_waits_and_tries_no_longer_than_told(service: Service, slept: list[float]) -> None:
    account = Account("eu-west-1", Credentials("AKID", "secret"), service.url)
    client = Client("dynamodb", account, timeout=0.5, retries=1, sleep=slept.append)
    service.answers = [(200, {})]
    service.delays = [5, 5]
    with pytest.raises(ThrottledError, match="NoAnswer: UpdateItem: TimeoutError"):
        client.call("UpdateItem", {})
    assert (len(service.requests), len(slept)) == (2, 1)
