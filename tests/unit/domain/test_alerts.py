"""Alerts: what may be asked for, what is seen of prices, and that exactly what reaches a threshold fires."""

import hashlib
import hmac
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.alerts import (
    Alert,
    AlertChange,
    AlertView,
    Condition,
    Fired,
    FiredView,
    NewAlert,
    Threshold,
    Window,
)
from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.portfolios import Note
from cryptopulse.domain.prices import Last
from cryptopulse.domain.rules import Near, Rule, Side, bounds
from cryptopulse.domain.series import Series
from cryptopulse.domain.sightings import RECENT, Reached, Seen, observe, spotted
from cryptopulse.domain.ticks import Bar, Candles, Clock, Message, Quote, Record, Trades
from cryptopulse.domain.webhooks import WebhookUrl, is_public, sign
from cryptopulse.errors import InvalidError

NOON = 1_795_348_800_000
BTC = Series("coinbase", "BTC-USD")
USER, ID, SECRET = "u" * 32, "a" * 32, "whsec_secret"


def made(condition: Condition = "above", threshold: str = "100", **more: object) -> Alert:
    new = msgspec.structs.replace(
        NewAlert(symbol="BTC-USD", condition=condition, threshold=Threshold(threshold)), **more
    )
    return Alert.of(new, BTC, USER, ID, SECRET, NOON)


def seen(*messages: Message, arrived: int = NOON + 1_000, newest: dict[Series, int] | None = None) -> Seen:
    return observe([(Record("coinbase", 0, list(messages)), arrived)], {} if newest is None else newest)[BTC]


def trades(*prices: int, time: int = NOON, scale: int = 0) -> Trades:
    return Trades("BTC-USD", scale, 0, [(n, price, 1, time + n) for n, price in enumerate(prices)])


# --- what clients send ---


@pytest.mark.parametrize("text", ["1", "-1", "0.000000000000000001", "9" * 18 + "." + "9" * 18, "007", "-0.50"])
def test_a_threshold_is_a_decimal_string(text: str) -> None:
    assert Threshold.parse(text) == Decimal(text)


@pytest.mark.parametrize(
    "text", ["", "+1", "1e3", "1.", ".5", "9" * 19, "0." + "1" * 19, "NaN", "Infinity", "1,5", " 1", "1\n", "١"]
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a decimal number"):
        Threshold.parse(text)


@pytest.mark.parametrize(
    ("text", "ms"), [("5m", 5 * MINUTE), ("90m", 90 * MINUTE), ("1h", HOUR), ("24h", 24 * HOUR), ("1440m", 24 * HOUR)]
)
def test_a_window_is_minutes_or_hours(text: str, ms: int) -> None:
    assert Window.parse(text).ms == ms


@pytest.mark.parametrize("text", ["", "4m", "0h", "25h", "1441m", "1d", "60", "1 h", "-5m", "5M", "5m\n", "99999h"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected 5m to 24h"):
        Window.parse(text)


@pytest.mark.parametrize(
    ("condition", "threshold", "message"),
    [
        ("above", "0", "Expected a price above 0"),
        ("below", "-1", "Expected a price above 0"),
        ("change_pct", "0", "Expected per cent above -100, and not 0"),
        ("change_pct", "-0.0", "Expected per cent above -100, and not 0"),
        ("change_pct", "-100", "Expected per cent above -100, and not 0"),
    ],
)
def test_a_threshold_fits_its_condition(condition: Condition, threshold: str, message: str) -> None:
    with pytest.raises(InvalidError) as told:
        made(condition, threshold)
    assert (told.value.field, told.value.message) == ("threshold", message)
    alert = made(condition, "-99.9" if condition == "change_pct" else "1")
    with pytest.raises(InvalidError) as told:
        alert.apply(AlertChange(threshold=Threshold(threshold)), SECRET, NOON)
    assert (told.value.field, told.value.message) == ("threshold", message)


def test_only_a_change_has_a_window() -> None:
    with pytest.raises(InvalidError) as told:
        NewAlert(symbol="BTC-USD", condition="below", threshold=Threshold(1), window=Window("1h"))
    assert str(told.value) == "window: Only change_pct has one"
    with pytest.raises(InvalidError) as told:
        made("below").apply(AlertChange(window=Window("1h")), SECRET, NOON)
    assert str(told.value) == "window: Only change_pct has one"
    assert made("change_pct", "5").window == "1h"
    assert made("change_pct", "5", window=Window("5m")).window == "5m"


@pytest.mark.parametrize(
    ("text", "host", "port", "target"),
    [
        ("https://example.com", "example.com", 443, "/"),
        ("https://EXAMPLE.com:8443/@a/b?c=d%20e", "example.com", 8443, "/@a/b?c=d%20e"),
        ("https://example.com?a=1", "example.com", 443, "/?a=1"),
        ("https://8.8.8.8/hook", "8.8.8.8", 443, "/hook"),
        ("https://[2606:4700::1111]:1024/", "2606:4700::1111", 1024, "/"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/"),
    ],
)
def test_a_webhook_is_an_https_url(text: str, host: str, port: int, target: str) -> None:
    url = WebhookUrl.parse(text)
    url.check_addresses("public")
    assert (url, url.host, url.port, url.target, url.is_secure) == (text, host, port, target, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https:///path",
        "https://user@example.com",
        "https://user:password@example.com",
        "https://example.com/#top",
        "https://example.com:22",
        "https://example.com:80",
        "https://example.com:0",
        "https://example.com:65536",
        "https://example.com:x",
        "https://exa mple.com",
        "https://example.com/\r\nHost: other",
        "https://bücher.example",
        "https://example.com\\@other.example",
        "https://exam%70le.com",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://[::1",
        "https://[::1%25lo]/",
        "https://-example.com",
        "https://" + "a" * 64 + ".com",
        "https://example.com/" + "a" * 1981,
    ],
)
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected an https URL without user, password or fragment"):
        WebhookUrl.parse(text)


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "::1", "::", "fd00::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1"),
    *("::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "2001:db8::1", "::127.0.0.1", "fec0::1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_only_the_internets_addresses_are_public(address: str) -> None:
    assert not is_public(address)
    host = f"[{address}]" if ":" in address else address
    url = WebhookUrl.parse(f"https://{host}/")
    with pytest.raises(InvalidError) as told:
        url.check_addresses("public")
    assert told.value.field == "webhook_url"
    url.check_addresses("any")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_those_are(address: str) -> None:
    assert is_public(address)


def test_plain_http_is_for_deployments_that_call_any_address() -> None:
    url = WebhookUrl.parse("http://localhost:8080/")
    with pytest.raises(InvalidError):
        url.check_addresses("public")
    url.check_addresses("any")
    assert (WebhookUrl.parse("http://localhost").port, url.is_secure) == (80, False)


# --- rules ---


def test_an_alert_waits_for_what_it_says() -> None:
    assert made("above", "100.5").rule == Rule(BTC, "rise", Decimal("100.5"), 0, USER, ID, NOON)
    assert made("below", "100.5").rule == Rule(BTC, "fall", Decimal("100.5"), 0, USER, ID, NOON)
    assert made("change_pct", "-2").rule == Rule(BTC, "move", Decimal(-2), HOUR, USER, ID, NOON)


@pytest.mark.parametrize(
    ("condition", "threshold", "side", "level"),
    [
        ("above", "100", "fall", "99.5"),
        ("below", "100", "rise", "100.5"),
        ("above", "0.000000000000000001", "fall", "0"),
        ("below", "0.000000000000000001", "rise", "0.000000000000000002"),
        ("below", "9" * 18 + "." + "9" * 18, "rise", "1004999999999999999.999999999999999999"),
        ("change_pct", "3", "move", "3"),
    ],
)
def test_a_repeated_one_waits_for_the_price_to_go_back(
    condition: Condition, threshold: str, side: Side, level: str
) -> None:
    alert = made(condition, threshold, repeat=True)
    before = alert.rule
    fired = alert.reach(Reached(Decimal(7), NOON + 5), "f" * 20, NOON + 9)
    assert fired == Fired(
        id=f"{NOON + 5:012x}" + "f" * 20,
        user=USER,
        alert_id=ID,
        symbol="BTC-USD",
        venue="coinbase",
        condition=condition,
        threshold=Decimal(threshold),
        price=Decimal(7),
        time=NOON + 9,
        webhook="none",
    )
    window = HOUR if side == "move" else 0
    assert alert.rule == Rule(BTC, side, Decimal(level), window, USER, ID, NOON + 6, is_rearming=True)
    assert (alert.status, alert.last_fired_at) == ("armed", NOON + 9)
    assert alert.reach(Reached(Decimal(6), NOON + 20), "f" * 20, NOON + 21) is None
    assert before is not None
    assert alert.rule == before._replace(since=NOON + 21)
    assert alert.last_fired_at == NOON + 9


def test_another_fires_once() -> None:
    alert = made(webhook_url=WebhookUrl("https://example.com"))
    fired = alert.reach(Reached(Decimal(101), NOON + 5), "f" * 20, NOON + 9)
    assert fired is not None
    assert (fired.webhook, alert.status, alert.rule, alert.last_fired_at) == ("pending", "fired", None, NOON + 9)


@pytest.mark.parametrize(
    ("percent", "price", "is_met", "is_rearmed"),
    [
        ("5", "105", True, False),
        ("5", "104.999999999999999999", False, False),
        ("5", "104.475", False, True),
        ("5", "104.476", False, False),
        ("-5", "95", True, False),
        ("-5", "95.000000000000000001", False, False),
        ("-5", "95.475", False, True),
        ("-5", "95.474", False, False),
    ],
)
def test_a_change_is_measured_exactly(percent: str, price: str, is_met: bool, is_rearmed: bool) -> None:
    rule = made("change_pct", percent).rule
    assert rule is not None
    scale = -int(Decimal(price).as_tuple().exponent)
    found = seen(Quote("BTC-USD", scale, int(Decimal(price).scaleb(scale)), NOON + 500))
    told = Reached(Decimal(price), NOON + 500)
    assert rule.met(found, Decimal(100)) == (told if is_met else None)
    assert rule._replace(is_rearming=True).met(found, Decimal(100)) == (told if is_rearmed else None)
    assert rule.met(found, None) is None
    assert rule._replace(since=NOON + 501).met(found, Decimal(100)) is None


# --- changes ---


def test_a_new_threshold_arms_anew_what_is_armed() -> None:
    alert = made(repeat=True)
    alert.reach(Reached(Decimal(101), NOON + 5), "f" * 20, NOON + 9)
    alert.apply(AlertChange(threshold=Threshold("102")), SECRET, NOON + 20)
    assert alert.rule == Rule(BTC, "rise", Decimal(102), 0, USER, ID, NOON + 20)


def test_the_same_threshold_leaves_it_alone() -> None:
    alert = made()
    alert.apply(AlertChange(threshold=Threshold("100.0")), SECRET, NOON + 20)
    assert alert.rule == made().rule


def test_a_fired_one_is_armed_by_saying_so_only() -> None:
    alert = made()
    alert.reach(Reached(Decimal(101), NOON + 5), "f" * 20, NOON + 9)
    alert.apply(AlertChange(threshold=Threshold("102"), note=Note("so")), SECRET, NOON + 20)
    assert (alert.status, alert.note) == ("fired", "so")
    alert.apply(AlertChange(status="armed", note=None), SECRET, NOON + 30)
    assert (alert.rule, alert.note) == (Rule(BTC, "rise", Decimal(102), 0, USER, ID, NOON + 30), None)


def test_a_paused_one_waits_for_nothing() -> None:
    alert = made("change_pct", "5", repeat=True)
    alert.apply(AlertChange(status="paused", window=Window("5m")), SECRET, NOON + 20)
    alert.apply(AlertChange(threshold=Threshold("6")), SECRET, NOON + 20)
    assert (alert.status, alert.rule) == ("paused", None)
    alert.apply(AlertChange(status="armed"), SECRET, NOON + 30)
    assert alert.rule == Rule(BTC, "move", Decimal(6), 5 * MINUTE, USER, ID, NOON + 30)


def test_one_that_waits_to_be_armed_again_has_fired_once_it_does_not_repeat() -> None:
    alert = made(repeat=True)
    alert.reach(Reached(Decimal(101), NOON + 5), "f" * 20, NOON + 9)
    alert.apply(AlertChange(repeat=False), SECRET, NOON + 20)
    assert (alert.status, alert.is_waiting, alert.rule) == ("fired", False, None)


def test_a_webhook_brings_a_secret_and_takes_it_away() -> None:
    alert = made()
    assert alert.webhook_secret is None
    alert.apply(AlertChange(webhook_url=WebhookUrl("https://a.example")), "whsec_1", NOON)
    alert.apply(AlertChange(webhook_url=WebhookUrl("https://b.example")), "whsec_2", NOON)
    assert [alert.webhook_url, alert.webhook_secret] == ["https://b.example", "whsec_1"]
    alert.apply(AlertChange(webhook_url=None), "whsec_3", NOON)
    assert alert.webhook_url is alert.webhook_secret is None


def test_a_signature_is_of_time_and_body() -> None:
    wanted = hmac.new(b"whsec_secret", b'1795348800.{"a":1}', hashlib.sha256).hexdigest()
    assert sign("whsec_secret", 1_795_348_800, b'{"a":1}') == f"t=1795348800,v1={wanted}"


def test_numbers_are_shown_without_exponent() -> None:
    alert = made("above", "0.000000000000000001")
    assert AlertView.of(alert).threshold == "0.000000000000000001"
    fired = alert.reach(Reached(Decimal("1E-8"), NOON), "f" * 20, NOON)
    assert fired is not None
    assert fired.view == FiredView(
        id=f"{NOON:012x}" + "f" * 20,
        alert_id=ID,
        symbol="BTC-USD",
        venue="coinbase",
        condition="above",
        threshold="0.000000000000000001",
        price="0.00000001",
        time="2026-11-22T12:00:00.000Z",
        webhook="none",
    )


# --- what is seen ---


def test_high_low_and_last_of_all_messages() -> None:
    bars = [Bar(NOON, 990, 1050, 980, 1000, 5)]
    found = seen(
        trades(100, 103, 97), Candles("BTC-USD", 1, 0, NOON, NOON + MINUTE, NOON, bars), trades(99, time=NOON + 9)
    )
    assert (found.low, found.high, found.last) == (Decimal(97), Decimal("105.0"), Reached(Decimal(99), NOON + 9))
    assert found.highest(NOON) == Reached(Decimal("105.0"), NOON)
    assert found.highest(NOON + 1) == Reached(Decimal(103), NOON + 1)
    assert found.lowest(NOON + 3) == Reached(Decimal(99), NOON + 9)
    assert found.highest(NOON + 10) is None
    assert found.lowest(NOON + 10) is None


def test_of_equal_extremes_the_first_counts() -> None:
    found = seen(trades(100, 103, 103, 97, 97))
    assert (found.highest(NOON), found.lowest(NOON)) == (
        Reached(Decimal(103), NOON + 1),
        Reached(Decimal(97), NOON + 3),
    )


def test_of_the_last_prices_of_one_moment_the_later_told_counts() -> None:
    told = Trades("BTC-USD", 0, 0, [(1, 105, 1, NOON), (2, 103, 1, NOON), (3, 104, 1, NOON - 1)])
    assert seen(told).last == Reached(Decimal(103), NOON)
    assert seen(told, Quote("BTC-USD", 1, 1020, NOON)).last == Reached(Decimal(102), NOON)
    assert seen(told, Quote("BTC-USD", 1, 1020, NOON - 1)).last == Reached(Decimal(103), NOON)
    empty = seen(Trades("BTC-USD", 0, 0, []))
    assert (empty.is_news, empty.last, empty.newest) == (False, None, 0)


def test_history_is_no_news() -> None:
    arrived = NOON + RECENT + MINUTE
    bars = [Bar(NOON + n * MINUTE, 100, 100 + n, 100 - n, 100, 5) for n in range(5)]
    old = Candles("BTC-USD", 0, 0, NOON, NOON + 5 * MINUTE, arrived, bars)
    found = seen(old, trades(500), Quote("BTC-USD", 0, 1, NOON + 1), arrived=arrived)
    assert (found.low, found.high, found.last) == (Decimal(96), Decimal(104), None)
    assert found.highest(0) == Reached(Decimal(104), NOON + 4 * MINUTE)
    assert found.lowest(NOON + 2 * MINUTE) == Reached(Decimal(96), NOON + 4 * MINUTE)
    assert not seen(trades(500), arrived=arrived).is_news


def test_the_last_price_holds_as_long_as_the_venue_tells_no_other() -> None:
    quote = Quote("BTC-USD", 0, 101, NOON - 20 * MINUTE)
    assert not seen(quote).is_news
    found = seen(quote, Clock(NOON))
    assert (found.last, found.highest(NOON - 1)) == (Reached(Decimal(101), NOON), Reached(Decimal(101), NOON))
    assert seen(trades(101, time=NOON + 5), Clock(NOON)).last == Reached(Decimal(101), NOON + 5)


def test_an_older_price_told_late_is_not_the_last() -> None:
    newest: dict[Series, int] = {}
    assert seen(trades(101, time=NOON), newest=newest).last == Reached(Decimal(101), NOON)
    late = seen(trades(99, time=NOON - 9), Clock(NOON + 500), newest=newest)
    assert (late.last, late.lowest(0), newest) == (None, Reached(Decimal(99), NOON - 9), {BTC: NOON})


def test_venues_and_lanes_have_their_own_clocks() -> None:
    other = Record("binance", 0, [Clock(NOON + 900)])
    batch = [
        (Record("coinbase", 0, [trades(101)]), NOON),
        (other, NOON),
        (Record("coinbase", 1, [Clock(NOON + 9)]), NOON),
    ]
    assert observe(batch, {})[BTC].last == Reached(Decimal(101), NOON)


def test_the_price_now_is_that_unless_nothing_is_heard() -> None:
    last = Last(1015, 1, NOON)
    assert spotted(last, 0, NOON + 7).last == Reached(Decimal("101.5"), NOON + 7)
    assert spotted(last, NOON + HOUR, NOON + HOUR).last == Reached(Decimal("101.5"), NOON + HOUR)
    assert not spotted(last, 0, NOON + HOUR).is_news
    assert not spotted(None, NOON, NOON).is_news


# --- rules at hand ---


def rule(side: Side, level: str, since: int = NOON) -> Rule:
    return Rule(BTC, side, Decimal(level), 0, USER, f"{side} {level}", since)


def test_rules_are_read_again_only_where_others_could_be_met() -> None:
    near = Near([], seen(trades(100)), 3, NOON)
    assert bounds(seen(trades(100))) == (Decimal("98.00"), Decimal("102.00"))
    assert near.tells_of(seen(trades(98, 102)), 3, NOON + 299_999)
    assert not near.tells_of(seen(trades(100)), 4, NOON)
    assert not near.tells_of(seen(trades(100)), 3, NOON + 300_000)
    assert not near.tells_of(seen(trades(9_799, scale=2)), 3, NOON)
    assert not near.tells_of(seen(trades(10_201, scale=2)), 3, NOON)


def test_only_what_is_crossed_is_looked_at_the_nearest_first() -> None:
    rules = [rule("rise", level) for level in ("103", "101", "102")] + [
        rule("fall", level) for level in ("97", "99", "98")
    ]
    move = rule("move", "5")
    near = Near([*rules, move], seen(trades(100)), 1, NOON)
    assert near.crossed(seen(trades(100))) == [move]
    crossed = near.crossed(seen(trades(98, 102)))
    assert [each.alert for each in crossed] == ["fall 99", "fall 98", "rise 101", "rise 102", "move 5"]


prices = st.lists(st.lists(st.integers(90, 110), min_size=1, max_size=6), max_size=12)
alerts = st.lists(
    st.tuples(st.sampled_from(["above", "below"]), st.integers(88, 112), st.integers(0, 60), st.booleans()), max_size=8
)


@given(prices, alerts)
def test_what_fires_is_what_a_look_at_every_price_says(
    batches: list[list[int]], wanted: list[tuple[Condition, int, int, bool]]
) -> None:
    """Alerts of one path of prices, evaluated batch by batch by the rules at hand, against the definition itself.

    One that repeats fires once a run of prices at or beyond its threshold, until the price is 0.5 % back.
    """
    held = [made(condition, str(level), repeat=repeat) for condition, level, _, repeat in wanted]
    for number, (alert, (_, _, since, _)) in enumerate(zip(held, wanted, strict=True)):
        alert.id, alert.since = str(number), NOON + since
    told: dict[str, list[Decimal]] = {alert.id: [] for alert in held}
    at, near = NOON, None
    path: list[tuple[int, int]] = []
    ends: list[int] = []
    for batch in batches:
        found = seen(trades(*batch, time=at), arrived=at + 1_000)
        path += [(at + n, price) for n, price in enumerate(batch)]
        at += len(batch)
        ends.append(at)
        if near is None or not near.tells_of(found, 1, at):
            low, high = bounds(found)
            rules = [alert.rule for alert in held if alert.rule]
            kept = [each for each in rules if each.level >= low or each.side == "rise"]
            near = Near([each for each in kept if each.level <= high or each.side == "fall"], found, 1, at)
        for each in near.crossed(found):
            alert = held[int(each.alert)]
            current: Rule | None = each
            while current and (reached := current.met(found, None)):
                near = None
                if (fired := alert.reach(reached, "f" * 20, at)) is not None:
                    told[alert.id].append(fired.price)
                current = alert.rule
    for alert, (condition, level, since, repeat) in zip(held, wanted, strict=True):
        eligible = [(time, Decimal(price)) for time, price in path if time >= NOON + since]
        assert told[alert.id] == list(naive(eligible, ends, condition, Decimal(level), repeat=repeat))


def naive(
    path: list[tuple[int, Decimal]], ends: list[int], condition: Condition, level: Decimal, *, repeat: bool
) -> list[Decimal]:
    """The prices that fire: of each batch the extreme from where the alert was armed, if it reaches the level."""
    sign_ = 1 if condition == "above" else -1
    fires: list[Decimal] = []
    waiting, start = False, 0
    for end in ends:
        while rest := [(sign_ * price, -time) for time, price in path if start <= time < end]:
            if waiting:
                price, time = min(rest, key=lambda each: (each[0], -each[1]))
                if price > sign_ * level - level * Decimal("0.005"):
                    break
            else:
                price, time = max(rest)
                if price < sign_ * level:
                    break
                fires.append(sign_ * price)
                if not repeat:
                    return fires
            waiting, start = not waiting, -time + 1
    return fires
