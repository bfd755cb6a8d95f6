"""Requests to every operation of the OpenAPI document: no 5xx, no answer but as it says, nothing of Bob's.

`make test` sends the same few random ones each time; `make fuzz` sends many: at least COUNT with a body, from SEED on.
What lies at a bound of a field or just beyond follows, by turns.
"""

import gzip
import itertools
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import hypothesis
import pytest
import requests
import schemathesis
from aws_lambda_powertools.utilities.typing import LambdaContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter
from schemathesis import APIOperation, BaseSchema, Case, CheckContext, Config, GenerationMode, Response
from schemathesis.core.result import Ok

from cryptopulse import wiring
from cryptopulse.domain import attempts
from cryptopulse.domain.candles import DAY, HOUR
from cryptopulse.domain.exports import HEADER
from local.openapi import document
from tests.functional.security.fuzz import Gateway, Kept, told
from tests.functional.security.users import BTC, User, fill
from tests.functional.web import EMAIL, PASSWORD, Web

COUNT = int(os.environ.get("FUZZ_COUNT", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SHARE = 100 if COUNT else 15
"""Requests from one seed to an operation that takes a body; a third of them to any other."""
NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z, for ever: prices stay fresh and tokens good."""
BOB = "bob.0f6c1d@example.com"
BOBS_PASSWORD = "a passphrase of Bob's own"
BOBS_NAME = "Bob 0f6c1d"
ORIGIN = "https://app.test"
SETTINGS = settings(
    deadline=None, database=None, phases=[Phase.generate, Phase.shrink], suppress_health_check=[*HealthCheck]
)
PLACES = {
    "symbol": ("path", "body"),
    "symbols": ("query",),
    "benchmark": ("query",),
    "venue": ("query", "body"),
    "asset": ("query", "body"),
    "start": ("query",),
    "since": ("query",),
    **dict.fromkeys(("session_id", "token_id", "portfolio_id", "transaction_id", "import_id", "alert_id"), ("path",)),
}
"""Where a parameter stands; all else is a field of the body."""


@pytest.fixture(autouse=True)
def unhindered(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody has to wait, time stands still, and only errors are logged."""
    monkeypatch.setenv("REQUESTS_PER_MINUTE", str(10**9))
    for name, rule in [each for each in vars(attempts).items() if isinstance(each[1], attempts.Rule)]:
        monkeypatch.setattr(attempts, name, rule._replace(free=10**9))
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    monkeypatch.setattr("hypothesis.core.RepresentationPrinter", RepresentationPrinter)  # Schemathesis silences it
    wiring.clear()
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def bitcoin(aws: boto3.Session) -> None:
    """One series with an hour of candles and a fresh price."""
    fill(wiring.market(), NOW)


def without_tuples(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without what Schemathesis cannot read in an answer's (4.32)."""
    lost = ("prefixItems", "items") if "prefixItems" in schema else ()
    return {name: value for name, value in schema.items() if name not in lost}


def described(known: dict[str, list[str]]) -> BaseSchema:
    """The document, as Schemathesis reads it.

    Args:
        known: Values to try half of the time, by fields and parameters.
    """
    told = json.loads(json.dumps(document()), object_hook=without_tuples)
    for operation in (each for path in told["paths"].values() for each in path.values()):
        del operation["responses"]["default"]  # each status is to be told
    config = {
        "generation": {"with-security-parameters": False},
        "checks": {
            "ignored_auth": {"enabled": False},  # `attempt` knows better who asks
            "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 412, 422]},
        },
        "dictionaries": {name: {"values": values} for name, values in known.items()},
        "parameters": {
            f"{place}.{name}": {"dictionary": name, "probability": 0.5}
            for name in known
            for place in PLACES.get(name, ("body",))
        },
    }
    return schemathesis.openapi.from_dict(told, config=Config.from_dict(config))


def files(targets: list[str]) -> st.SearchStrategy[bytes]:
    """Files to import, most of them as we export them, with transfers to these portfolios."""
    amounts = st.sampled_from(["1", "0.5", "1e3", "-1", "999999999999999999"])
    columns = {
        "time": st.sampled_from(["2026-11-22T05:00:00Z", "2026-11-20", "2030-01-01"]),
        "type": st.sampled_from(["buy", "deposit", "sell", "transfer", "reward"]),
        "asset": st.sampled_from(["BTC", "ETH", "X", "EUR"]),
        "quantity": amounts,
        "price": amounts,
        "to_portfolio_id": st.sampled_from(["", *targets]),
    }
    words = st.just("") | st.text(st.characters(exclude_categories=["Cs"]))
    rows = st.tuples(*[columns.get(name, words if name == "note" else st.just("")) for name in HEADER]).map(",".join)
    ours = st.lists(rows).map(lambda lines: "\n".join((",".join(HEADER), *lines)).encode())
    return ours | ours | st.binary(min_size=1)


def drafts(targets: list[str]) -> st.SearchStrategy[Any]:
    """Transactions whose fields go together, which random ones hardly do, alone and in arrays."""
    usual = {
        "asset": st.sampled_from(["BTC", "ETH", "X"]),
        "quantity": st.sampled_from(["0.000000000000000001", "1", "0.5", "999999999999999999"]),
        "time": st.sampled_from([NOW, NOW - HOUR, NOW - 600 * DAY, "2009-01-03"]),
    }
    price = {"type": st.sampled_from(["buy", "sell", "deposit", "reward"]), "price": st.sampled_from(["1", "0.1"])}
    more = {"note": st.text(min_size=1), "fee": st.just("0.1"), "external_id": st.just("x")}
    target = {"type": st.just("transfer"), "to_portfolio_id": st.sampled_from(targets)}
    one = st.fixed_dictionaries(usual | price, optional=more) | st.fixed_dictionaries(usual | target, optional=more)
    return one | st.lists(one, min_size=1, max_size=5)


def refusal(need: str | None, caller: str) -> int | None:
    """The status that tells a caller that he may not do this; None if he may."""
    if need is None:
        return None
    if caller in ("nobody", "browser"):
        return 401
    return 403 if (caller, need) == ("token", "session") else None


def test_random_requests(
    aws: boto3.Session,
    web: Web,
    bitcoin: None,
    http_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ann = User(web, EMAIL, PASSWORD, "Ann", "300000.5")
    bob = User(web, BOB, BOBS_PASSWORD, BOBS_NAME, "740481.516234210815")
    own, spare = ann.sessions
    spent, fresh = spare.refresh, web("POST", "/auth/refresh", {"refresh_token": spare.refresh}).body["refresh_token"]
    callers = {
        "session": {"Authorization": f"Bearer {own.access}"},
        "token": {"Authorization": f"Bearer {ann.token}"},
        "browser": {"Cookie": f"refresh_token={fresh}"},
        "nobody": {},
    }
    schema = described(
        {
            "email": [EMAIL, BOB],
            "password": [PASSWORD],
            "current_password": [PASSWORD],
            "refresh_token": [fresh, spent],
            "session_id": [*ann.session_ids, *bob.session_ids],
            "token_id": [ann.token_id, bob.token_id],
            "portfolio_id": [*ann.portfolio_ids, *bob.portfolio_ids],
            "to_portfolio_id": [*ann.portfolio_ids, *bob.portfolio_ids],
            "transaction_id": [*ann.transaction_ids, *bob.transaction_ids],
            "import_id": [ann.import_id, bob.import_id],
            "alert_id": [*ann.alert_ids, *bob.alert_ids],
            "asset": [BTC.base],
            "time": ["2026-11-22T05:30:00Z", "2026-11-20"],
            "start": ["2026-11-20"],
            "since": ["2026-11-20"],
            "symbol": [BTC.symbol],
            "symbols": [BTC.symbol],
            "benchmark": [BTC.symbol],
            "venue": [BTC.venue],
        }
    )
    csv = files([*ann.portfolio_ids, *bob.portfolio_ids])
    schemathesis.openapi.media_type("text/csv", csv)
    schemathesis.openapi.media_type("application/gzip", csv.map(lambda file: gzip.compress(file, mtime=0)) | csv)
    kept = Kept(aws.resource("dynamodb").Table("Accounts"))
    gateway, session = Gateway(http_event, context), requests.Session()
    session.mount("http://", gateway)
    seen: Counter[tuple[str, int]] = Counter()

    def attempt(case: Case[Any], caller: str) -> None:
        label = case.operation.label

        def lets_in(_: CheckContext, response: Response, case: Case[Any]) -> None:
            need = case.operation.definition.raw.get("x-scope")
            status = response.status_code
            if refused := refusal(need, caller):
                assert status in (refused, 404, 405)
            elif need:
                assert status != 401
                assert (caller, status) != ("session", 403)

        def keeps_to_ann(_: CheckContext, response: Response, case: Case[Any]) -> None:
            if response.status_code < 300 or label == "POST /auth/refresh":  # a spent token ends its session
                assert not [key for key in kept.restore() if any(mark in "#".join(key) for mark in bob.marks)]
            assert not [secret for secret in bob.secrets if secret in told(response)]

        headers = {"Origin": ORIGIN, **callers[caller]}
        response = case.call("http://api.test", session, headers)
        seen[label, response.status_code] += 1
        case.validate_response(response, additional_checks=[lets_in, keeps_to_ann], headers=headers)

    def entering(case: Case[Any], draft: Any) -> Case[Any]:
        case.body = draft
        return case

    def attempts_at(operation: APIOperation[Any, Any, Any, Any]) -> Callable[[], None]:
        cases = st.one_of([operation.as_strategy(mode) for mode in GenerationMode])
        if operation.label == "POST /portfolios/{portfolio_id}/transactions":
            cases |= st.builds(entering, operation.as_strategy(), drafts([*ann.portfolio_ids, *bob.portfolio_ids]))
        asking = st.sampled_from([*callers, "session", "token"])
        share = SHARE if operation.body else SHARE // 3
        return settings(SETTINGS, max_examples=share)(given(case=cases, caller=asking)(attempt))

    operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    runs = {each.label: attempts_at(each) for each in operations}
    assert {*runs} == {f"{method.upper()} {path}" for path, own in document()["paths"].items() for method in own}
    if COUNT:
        pytestconfig.add_cleanup(lambda: print(gateway.figures()))  # noqa: T201 (what make fuzz shows)
    for seed in itertools.count(SEED):
        for label, run in runs.items():
            try:
                hypothesis.seed(seed)(run)()
            except BaseException as error:
                error.add_note(f"Once more: make fuzz SEED={seed}, at {label}")
                raise
        if COUNT:
            with capsys.disabled():
                print(f"seed {seed}: {gateway.requests} requests so far, {gateway.bodies} with a body")  # noqa: T201 (what make fuzz shows)
        if gateway.bodies >= COUNT:
            break
    for each, caller in itertools.product(operations, callers if COUNT else ["session"]):
        bounds = schema.iter_coverage_cases(
            each, generation_modes=[*GenerationMode], generation_config=schema.config.generation
        )
        for case in bounds:  # of every field, by turns
            attempt(case, caller)
    assert {label for label, _ in seen} == {*runs}
    assert ("POST /portfolios/{portfolio_id}/transactions", 201) in seen
    assert sum(times for (_, status), times in seen.items() if status < 300) > gateway.requests / 20
    assert not kept.restore()  # what was refused changed nothing
