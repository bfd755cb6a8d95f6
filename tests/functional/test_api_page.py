"""Each example of docs/api.md, in order, on the real handlers: what it shows is what they answer."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.domain.candles import DAY, HOUR, MINUTE, rows_of
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record
from cryptopulse.domain.times import Time
from cryptopulse.domain.webhooks import sign
from functions.fan_out import app as fan_out
from functions.websocket import app as websocket
from tests.conftest import read_event
from tests.functional.api_page import Call, Example, abridged, blocks, differences, examples, read
from tests.functional.callbacks import hang_up, served
from tests.functional.conftest import Filled
from tests.functional.doorbells import rung
from tests.functional.web import Reply, Web

NOW = int(Time.parse("2026-11-22T12:10:30Z"))
YEAR = int(Time.parse("2026-01-01"))
TODAY, HOUR_NOW, MINUTE_NOW = (NOW // size * size for size in (DAY, HOUR, MINUTE))
BTC, ETH, TETHER = Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD"), Series("binance", "BTC-USDT")
BASES = {BTC: 65_000_00, ETH: 2_700_00}


def candles(series: Series, start: int, end: int, size: int) -> Candles:
    """What was traded: prices swing by a hundredth."""

    def price(time: int) -> int:
        return BASES[series] * (5_000 + time // size * 37 % 101 - 50) // 5_000

    ends = [(time, price(time), price(time + size)) for time in range(start, end, size)]
    bars = [Bar(time, a, max(a, b) + 150, min(a, b) - 150, b, 1_250) for time, a, b in ends]
    return Candles(series.symbol, 2, 3, start, end, end, bars)


def tell(market: Market, series: Series, *messages: Message) -> None:
    """Has the market tell something, as process_ticks does."""
    number = lane_of(series, 2)
    lane, minutes = market.lane(number), LazyMinutes(market, number)
    before = lane.version
    folded = fold(lane, minutes, [Record(series.venue, number, list(messages))])
    market.write(lane, before, [minutes[minute] for minute in folded.minutes])
    wiring.doorbells().ring({number: lane.version})


def fill(market: Market) -> None:
    """The year's days, the minutes of a day and more, and last prices."""
    market.save_series([BTC, ETH, TETHER])
    for series, base in BASES.items():
        market.merge(series, "1d", candles(series, YEAR, TODAY, DAY))
        packed = candles(series, HOUR_NOW - 26 * HOUR, HOUR_NOW, MINUTE)
        market.merge_minutes({series: rows_of(packed, MINUTE)}, HOUR_NOW)
        quote = Quote(series.symbol, 2, base + 12_34, NOW - 400)
        tell(market, series, candles(series, HOUR_NOW, MINUTE_NOW, MINUTE), quote, Clock(MINUTE_NOW))


class Shell:
    """Does what the page has one type, and compares.

    Args:
        web: The HTTP API.
        live: The WebSocket: sends a frame, and returns those that come.
    """

    def __init__(self, web: Web, live: Callable[[str], list[Any]]) -> None:
        self._web = web
        self._live = live
        self._variables = {"API": "", "WS": "wss://test", "JSON": "Content-Type: application/json"}
        self._tags: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def run(self, example: Example) -> list[str]:
        """What differs."""
        if "websockets" in example.command:
            return self._talk(example.shown.splitlines())
        command = read(example.command, self._variables, self._tags)
        reply = self._ask(command.call) if command.call else None
        if command.variable:
            assert not example.shown
            self._variables[command.variable] = reply.body[command.field] if reply else command.value
        if not command.call or not reply:
            return []
        if command.variable:
            return [] if reply.status < 300 else [f"status {reply.status}"]
        head, gap, shown = example.shown.partition("\n\n") if command.call.is_with_headers else ("", "", example.shown)
        if command.call.is_with_headers:
            return self._compare_head(head, reply) + (self._compare(shown, reply) if gap else [])
        return self._compare(shown, reply)

    def _ask(self, call: Call) -> Reply:
        reply = self._web(call.method, call.path, call.body, query=call.query, headers=call.headers)
        if call.tag_file:
            self._tags[call.tag_file] = reply.headers["ETag"]
        return reply

    def _compare(self, shown: str, reply: Reply) -> list[str]:
        """The body; the status of an error is in it, and what is no error is a 2xx."""
        expected = abridged(shown)
        is_error = reply.headers["Content-Type"] == "application/problem+json"
        lines = [] if is_error or reply.status < 300 else [f"status {reply.status}"]
        return lines + differences(expected, reply.body, self._ids)

    def _compare_head(self, shown: str, reply: Reply) -> list[str]:
        status, *lines, rest = shown.splitlines()
        assert rest == "…"
        headers = {name.lower(): value for name, value in reply.headers.items()}
        expected = dict(line.split(": ", 1) for line in lines) | {"…": None}
        found = differences(expected, headers, self._ids, "headers")
        return found if int(status.split()[1]) == reply.status else [f"status {reply.status}", *found]

    def _talk(self, lines: list[str]) -> list[str]:
        """A session on the WebSocket: `>` is said, `<` is heard."""
        heard: list[Any] = []
        found = []
        for line in lines:
            sign_, text = line.split(" ", 1)
            if sign_ == ">":
                heard += self._live(text)
            else:
                found += differences(abridged(text), heard.pop(0), self._ids, "frame")
        return found + [f"unheard: {frame}" for frame in heard]


@pytest.fixture
def shell(
    filled: Filled,
    web: Web,
    kinesis_event: Callable[..., dict[str, Any]],
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shell]:
    now = NOW
    monkeypatch.setattr(wiring, "now", lambda: now)
    monkeypatch.setattr(fan_out, "sleep", lambda seconds: None)
    with served() as callbacks:
        monkeypatch.setenv("MANAGEMENT_URL", callbacks.url)
        wiring.clear()
        fan_out._memory.clear()
        market = filled(fill)
        said = read_event("ws_message")
        connection = said["requestContext"]["connectionId"]

        def live(frame: str) -> list[Any]:
            """Says a frame; half a second before the next beat the price moves."""
            nonlocal now
            websocket.handler(read_event("ws_connect"), context)
            websocket.handler({**said, "body": frame}, context)
            now += 500
            tell(market, BTC, Quote("BTC-USD", 2, 65_020_50, NOW + 400))
            now += 500
            fan_out.handler(kinesis_event(*rung()), context)
            now = NOW
            return callbacks.frames(connection)

        yield Shell(web, live)
        hang_up(wiring.sockets())


def test_every_example_answers_what_it_shows(shell: Shell) -> None:
    found = {example.command: differing for example in examples() if (differing := shell.run(example))}
    assert not found, json.dumps(found, indent=1)


@pytest.mark.parametrize(
    ("shown", "given"),
    [
        ('{"a": 1}', {"a": 1, "b": 2}),
        ('{"a": 1, …}', {"a": 1}),
        ('{"a": 1, …}', {"b": 2, "c": 3}),
        ('{"a": 1}', {"a": 2}),
        ('{"a": 1}', {"a": 1.0}),
        ('{"a": null}', {"a": "x"}),
        ("[1, …]", [1]),
        ("[1]", [1, 2]),
        ('"cp_…"', "cr_abc"),
        ('"cp_…"', "cp_"),
        (f'["{"a" * 32}", "{"a" * 32}"]', ["b" * 32, "c" * 32]),
        (f'["{"a" * 32}"]', ["b" * 31]),
    ],
)
def test_what_is_shown_otherwise_than_answered_is_told(shown: str, given: object) -> None:
    assert differences(abridged(shown), given, {})


def test_a_webhooks_signature_is_verified_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python")
    page: dict[str, Any] = {}
    exec(code, page)  # noqa: S102 (the page's own code)
    monkeypatch.setattr(page["time"], "time", lambda: NOW / 1000)
    is_ours, body = page["is_ours"], b'{"id": "1"}'
    signature = sign("whsec_secret", NOW // 1000, body)
    assert is_ours("whsec_secret", signature, body)
    assert not is_ours("whsec_other", signature, body)
    assert not is_ours("whsec_secret", signature, body + b" ")
    assert not is_ours("whsec_secret", sign("whsec_secret", NOW // 1000 - 301, body), body)
    assert not is_ours("whsec_secret", "v1=" + signature, body)
