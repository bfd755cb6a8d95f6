"""What users see where something that we depend on is slow, throttles, errs or is gone, and what is kept meanwhile.

The table in docs/operations.md has every case; those that other tests show are not repeated here.
"""

import re
from collections.abc import Callable, Mapping
from itertools import count, product

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.client import Endpoint
from cryptopulse.errors import ThrottledError
from functions.ingest_prices import app as ingest_prices
from local.template import ROOT
from tests.functional.conftest import Exchanges, Streamed
from tests.functional.web import Person, Reply, Web

type Befall = Callable[[str, str | None], None]

NOWHERE = "http://127.0.0.1:9"
PURCHASE = {"type": "buy", "asset": "BTC", "quantity": "1", "price": "100", "time": "2026-01-01"}
KEYED = {"idempotency-key": "once"}
REFUSING = ("throttling", "erroring", "gone")
DEPENDENCIES = ("Binance", "Coinbase", "News", "DynamoDB", "Kinesis", "KMS", "`@connections`")
FAULTS = ("slow", "throttling", "erroring", "gone")


@pytest.fixture
def befall(monkeypatch: pytest.MonkeyPatch) -> Befall:
    """Has a fault befall all calls of a service, until it is None; of a slow one every other answer comes too late."""
    request, faults, calls = Endpoint.request, dict[str, str | None](), count()

    def disturbed(self: Endpoint, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        match faults.get(self._service):
            case "throttling":
                return 400, b'{"__type": "x#ThrottlingException"}'
            case "erroring":
                return 500, b'{"__type": "x#InternalServerError"}'
            case "gone":
                raise ConnectionRefusedError
            case "slow" if next(calls) % 2 == 0:
                request(self, method, path, headers, body)
                raise TimeoutError
        return request(self, method, path, headers, body)

    monkeypatch.setattr(Endpoint, "request", disturbed)
    monkeypatch.setattr("cryptopulse.aws.client.random.uniform", lambda *_: 0.0)  # nothing is waited for

    def befall(service: str, fault: str | None) -> None:
        faults[service] = fault

    return befall


@pytest.fixture
def ann(web: Web) -> Person:
    return web.person()


@pytest.fixture
def path(web: Web, ann: Person) -> str:
    """Of a portfolio of Ann's."""
    return f"/portfolios/{web('POST', '/portfolios', {'name': 'Hodl'}, token=ann.access).body['id']}"


def busy(reply: Reply) -> bool:
    """Whether it asks the client to try again."""
    told = reply.status, reply.headers["Content-Type"], reply.headers.get("Retry-After")
    return told == (503, "application/problem+json", "1")


# --- DynamoDB ---


def test_slow_tables_cost_no_answer_and_do_nothing_twice(web: Web, ann: Person, path: str, befall: Befall) -> None:
    befall("dynamodb", "slow")
    for _ in range(5):
        assert web("POST", f"{path}/transactions", PURCHASE, token=ann.access).status == 201
    assert len(web("GET", f"{path}/transactions", token=ann.access).body["items"]) == 5
    assert web("GET", "/health").body["checks"]["store"] == {"status": "ok"}


@pytest.mark.parametrize("fault", REFUSING)
def test_tables_that_refuse_are_told_and_nothing_is_lost(
    web: Web, ann: Person, path: str, befall: Befall, fault: str
) -> None:
    befall("dynamodb", fault)
    assert busy(web("POST", f"{path}/transactions", PURCHASE, token=ann.access, headers=KEYED))
    assert busy(web("GET", f"{path}/holdings", token=ann.access))
    health = web("GET", "/health")
    assert (health.status, health.body["status"], health.body["checks"]["store"]) == (503, "down", {"status": "down"})

    befall("dynamodb", None)
    for _ in range(2):
        assert web("POST", f"{path}/transactions", PURCHASE, token=ann.access, headers=KEYED).status == 201
    assert len(web("GET", f"{path}/transactions", token=ann.access).body["items"]) == 1
    assert web("GET", "/health").body["checks"]["store"] == {"status": "ok"}


# --- KMS ---


def test_a_slow_kms_keeps_nobody_out(web: Web, ann: Person, befall: Befall) -> None:
    befall("kms", "slow")
    assert [web.sign_in().status for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("fault", REFUSING)
def test_without_kms_nobody_signs_in_and_who_is_in_stays(web: Web, ann: Person, befall: Befall, fault: str) -> None:
    befall("kms", fault)
    assert busy(web.sign_in())
    assert busy(web("POST", "/auth/refresh", {"refresh_token": ann.refresh}))
    assert web("GET", "/users/me", token=ann.access).status == 200
    wiring.clear()  # a new process has no public keys yet
    assert busy(web("GET", "/users/me", token=ann.access))
    befall("kms", None)
    assert web("GET", "/users/me", token=ann.access).status == 200
    assert web.sign_in().status == 200
    assert web("POST", "/auth/refresh", {"refresh_token": ann.refresh}).status == 200


# --- Kinesis and the exchanges ---


@pytest.mark.parametrize("fault", REFUSING)
def test_prices_that_the_stream_refused_are_told_with_the_next_run(
    exchanges: Exchanges, streamed: Streamed, context: LambdaContext, befall: Befall, fault: str
) -> None:
    befall("kinesis", fault)
    with pytest.raises(ThrottledError):
        ingest_prices.handler({}, context)
    assert streamed() == []
    befall("kinesis", None)
    wiring.clear()
    told = ingest_prices.handler({}, context)
    assert all(told[venue] > 0 for venue in ("binance", "coinbase"))
    assert {record.venue for record in streamed()} == {"binance", "coinbase"}


@pytest.mark.parametrize(("venue", "other"), [("binance", "coinbase"), ("coinbase", "binance")])
def test_an_exchange_that_is_gone_is_told_and_asked_again(
    exchanges: Exchanges, context: LambdaContext, monkeypatch: pytest.MonkeyPatch, venue: str, other: str
) -> None:
    ingest_prices.handler({}, context)
    with monkeypatch.context() as patch:
        patch.setenv(f"{venue.upper()}_URL", NOWHERE)
        wiring.clear()
        told = ingest_prices.handler({}, context)
        assert (told[venue], told[other] > 0) == (0, True)
        assert wiring.venues().states()[venue].kind == "down"
        assert wiring.venues().states()[other].kind == ""
    wiring.clear()
    assert ingest_prices.handler({}, context)[venue] > 0
    assert wiring.venues().states()[venue].kind == ""


# --- the table ---


def matrix() -> dict[tuple[str, str], list[str]]:
    """The tests that each case of the table names."""
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    return {(who, fault): re.findall(r"`([^`]+)`", tests) for who, fault, tests in rows if fault in FAULTS}


def test_the_table_has_every_case() -> None:
    assert set(matrix()) == set(product(DEPENDENCIES, FAULTS))


@pytest.mark.parametrize("case", sorted(matrix()), ids=" ".join)
def test_each_case_names_tests_that_are_there(case: tuple[str, str]) -> None:
    named = matrix()[case]
    assert named
    for name in named:
        file, _, test = name.partition("::")
        assert re.search(rf"^def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), name
