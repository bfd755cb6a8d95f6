"""Requests to every operation of the OpenAPI document: no 5xx, no answer but as it says, nothing of Bob's.

`make test` sends the same few random ones each time; `make fuzz` sends many: at least COUNT with a body, from SEED on.
What lies at a bound of a field or just beyond follows, by turns.
"""

import itertools
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import argon2
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
from cryptopulse.aws.market import LazyMinutes
from cryptopulse.domain import attempts, passwords
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Quote, Record
from cryptopulse.domain.tokens import RefreshToken
from cryptopulse.domain.users import email_key
from cryptopulse.domain.venues import VenueState
from local.openapi import document
from tests.functional.security.fuzz import Gateway, Kept
from tests.functional.web import EMAIL, PASSWORD, Person, Web

COUNT = int(os.environ.get("FUZZ_COUNT", "0"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
SHARE = 100 if COUNT else 15
"""Requests from one seed to an operation that takes a body; a third of them to any other."""
NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z, for ever: prices stay fresh and tokens good."""
BTC = Series("coinbase", "BTC-USD")
BOB = "bob.0f6c1d@example.com"
BOBS_PASSWORD = "a passphrase of Bob's own"
BOBS_NAME = "Bob 0f6c1d"
ORIGIN = "https://app.test"
SETTINGS = settings(
    deadline=None, database=None, phases=[Phase.generate, Phase.shrink], suppress_health_check=[*HealthCheck]
)
PLACES = {"symbol": "path", "symbols": "query", "venue": "query", "session_id": "path", "token_id": "path"}
"""Where a parameter stands; all else is a field of the body."""


@pytest.fixture(autouse=True)
def unhindered(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody has to wait, passwords are hashed fast, time stands still, and only errors are logged."""
    monkeypatch.setenv("REQUESTS_PER_MINUTE", str(10**9))
    for name, rule in [each for each in vars(attempts).items() if isinstance(each[1], attempts.Rule)]:
        monkeypatch.setattr(attempts, name, rule._replace(free=10**9))
    monkeypatch.setattr(passwords, "_HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(wiring, "now", lambda: NOW)
    monkeypatch.setattr("hypothesis.core.RepresentationPrinter", RepresentationPrinter)  # Schemathesis silences it
    wiring.clear()
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def bitcoin(aws: boto3.Session) -> None:
    """One series with an hour of candles and a fresh price."""
    market, lane, end = wiring.market(), lane_of(BTC, wiring.settings().LANES), NOW // MINUTE * MINUTE
    market.save_series([BTC])
    wiring.venues().save(BTC.venue, VenueState("http://feed", ok_at=NOW))
    bars = [Bar(start, 6_300_000, 6_310_000, 6_290_000, 6_305_000, 100) for start in range(end - HOUR, end, MINUTE)]
    told = Candles(BTC.symbol, 2, 3, end - HOUR, end, end, bars)
    state, minutes = market.lane(lane), LazyMinutes(market, lane)
    version = state.version
    folded = fold(state, minutes, [Record(BTC.venue, lane, [told, Quote(BTC.symbol, 2, 6_305_500, NOW), Clock(end)])])
    market.write(state, version, [minutes[minute] for minute in folded.minutes])


class User:
    """Somebody with two sessions and an API token; all that others may not get to know of him.

    Args:
        web: Makes him.
        email: His e-mail.
        password: His password.
        name: The name he shows.
    """

    def __init__(self, web: Web, email: str, password: str, name: str) -> None:
        self.id: str = web.register(email, password, display_name=name).body["id"]
        self.sessions = [web.again(self.id, email, password) for _ in range(2)]
        self.session_ids = [_session_id(each) for each in self.sessions]
        made = {"name": name, "scopes": ["read", "trade", "admin"]}
        token = web("POST", "/users/me/tokens", made, token=self.sessions[0].access).body
        self.token_id: str = token["id"]
        self.token: str = token["token"]
        assert web("GET", "/users/me", token=self.token).status == 200  # notes its use, once in a minute
        self.items = {f"USER#{self.id}", f"EMAIL#{email_key(email)}"}
        credentials = [text for each in self.sessions for text in (each.access, each.refresh)]
        self.secrets = [self.id, email, password, name, *credentials, *self.session_ids, self.token_id, self.token]


def _session_id(person: Person) -> str:
    token = RefreshToken.parse(person.refresh)
    assert token
    return token.id


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
            "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 422]},
        },
        "dictionaries": {name: {"values": values} for name, values in known.items()},
        "parameters": {
            f"{PLACES.get(name, 'body')}.{name}": {"dictionary": name, "probability": 0.5} for name in known
        },
    }
    return schemathesis.openapi.from_dict(told, config=Config.from_dict(config))


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
    ann, bob = User(web, EMAIL, PASSWORD, "Ann"), User(web, BOB, BOBS_PASSWORD, BOBS_NAME)
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
            "symbol": [BTC.symbol],
            "symbols": [BTC.symbol],
            "venue": [BTC.venue],
        }
    )
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
                assert not kept.restore() & bob.items
            assert not [secret for secret in bob.secrets if secret in f"{response.headers} {response.text}"]

        headers = {"Origin": ORIGIN, **callers[caller]}
        response = case.call("http://api.test", session, headers)
        seen[label, response.status_code] += 1
        case.validate_response(response, additional_checks=[lets_in, keeps_to_ann], headers=headers)

    def attempts_at(operation: APIOperation[Any, Any, Any, Any]) -> Callable[[], None]:
        cases = st.one_of([operation.as_strategy(mode) for mode in GenerationMode])
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
    assert sum(times for (_, status), times in seen.items() if status < 300) > gateway.requests / 10
    assert not kept.restore()  # what was refused changed nothing
