"""Alerts over HTTP: the real handler, with a market whose prices the tests set."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.kept import Repeatable
from cryptopulse.aws.queues import Queue
from cryptopulse.domain.alerts import ALERTS, Alert, Fired
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.sightings import Reached
from cryptopulse.domain.ticks import Bar, Candles, Clock
from cryptopulse.errors import ConflictError, ThrottledError, UnauthenticatedError
from functions.alerts import app
from tests.functional.stage import ETH, NOON, Stage, alert, connect
from tests.functional.web import Person, Reply, Web

HOOK = "https://example.com/hook"
ABOVE = {"symbol": "BTC-USD", "condition": "above", "threshold": "100"}
NOBODY = "0" * 32


@pytest.fixture
def ann(stage: Stage, web: Web) -> Person:
    return web.person()


def made(web: Web, person: Person, body: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    reply = web("POST", "/alerts", ABOVE | (body or {}) | more, token=person.access)
    assert reply.status == 201, reply.body
    shown: dict[str, Any] = reply.body
    return shown


def problem(reply: Reply) -> tuple[int, list[dict[str, str]]]:
    return reply.status, reply.body["errors"]


def told(web: Web, person: Person, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = web("GET", "/alerts/history", token=person.access, query=query).body["items"]
    return items


# --- making ---


def test_a_new_alert_is_shown_whole(web: Web, ann: Person) -> None:
    reply = web("POST", "/alerts", ABOVE, token=ann.access)
    id_ = reply.body["id"]
    assert (reply.status, reply.body) == (
        201,
        {
            "id": id_,
            "symbol": "BTC-USD",
            "venue": "coinbase",
            "condition": "above",
            "threshold": "100",
            "window": None,
            "repeat": False,
            "webhook_url": None,
            "note": None,
            "status": "armed",
            "created_at": "2026-11-22T12:00:00.000Z",
            "last_fired_at": None,
        },
    )
    assert reply.headers["Location"] == f"https://api.test/alerts/{id_}"
    again = web("GET", f"/alerts/{id_}", token=ann.access)
    assert (again.status, again.body) == (200, reply.body)
    assert again.headers["ETag"] == reply.headers["ETag"]
    assert web("GET", "/alerts", token=ann.access).body == {"items": [reply.body], "next_cursor": None}


def test_all_that_can_be_asked_for(web: Web, ann: Person) -> None:
    body = {
        "symbol": "BTC-USDT",
        "venue": "binance",
        "condition": "change_pct",
        "threshold": "-2.50",
        "window": "90m",
        "repeat": True,
        "webhook_url": HOOK,
        "note": " down ",
    }
    reply = web("POST", "/alerts", body, token=ann.access)
    secret = reply.body["webhook_secret"]
    assert reply.body == body | {
        "note": "down",
        "id": reply.body["id"],
        "status": "armed",
        "created_at": "2026-11-22T12:00:00.000Z",
        "last_fired_at": None,
        "webhook_secret": secret,
    }
    assert secret.startswith("whsec_")
    assert len(secret) == 49
    once = {name: value for name, value in reply.body.items() if name != "webhook_secret"}
    again = web("GET", f"/alerts/{once['id']}", token=ann.access)
    assert again.body == once
    assert again.headers["ETag"] == reply.headers["ETag"]
    assert made(web, ann, condition="change_pct")["window"] == "1h"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"symbol": "DOGE-USD"}, "symbol", "There is no symbol 'DOGE-USD'."),
        ({"symbol": "BTC-USD", "venue": "binance"}, "venue", "binance does not trade BTC-USD."),
        ({"venue": "kraken"}, "venue", "There is no venue 'kraken'."),
        ({"venue": 1}, "venue", "Expected `str | null`, got `int`"),
        ({"condition": "near"}, "condition", "Not one of the values allowed"),
        ({"threshold": 100}, "threshold", "Expected `str`"),
        ({"threshold": "0"}, "threshold", "Expected a price above 0"),
        ({"threshold": "-1"}, "threshold", "Expected a price above 0"),
        (
            {"threshold": "1e3"},
            "threshold",
            "Expected a decimal number, at most 18 digits before and 18 after the point, no exponent",
        ),
        (
            {"condition": "change_pct", "threshold": "-100"},
            "threshold",
            "Expected per cent above -100, and not 0",
        ),
        ({"window": "1h"}, "window", "Only change_pct has one"),
        (
            {"condition": "change_pct", "window": "25h"},
            "window",
            "Expected 5m to 24h, in whole minutes or hours",
        ),
        ({"repeat": 1}, "repeat", "Expected `bool`, got `int`"),
        ({"note": ""}, "note", "Expected 1 to 500 characters"),
        ({"status": "armed"}, "status", "There is no such field"),
        ({"webhook_secret": "whsec_x"}, "webhook_secret", "There is no such field"),
    ],
)
def test_a_bad_alert_names_the_field_and_leaves_nothing(
    web: Web, ann: Person, change: dict[str, Any], field: str, message: str
) -> None:
    reply = web("POST", "/alerts", ABOVE | change, token=ann.access)
    assert problem(reply) == (422, [{"field": field, "message": message}])
    assert web("GET", "/alerts", token=ann.access).body["items"] == []


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com", "https://127.0.0.1", "https://[::1]/", "https://10.1.2.3", "https://169.254.169.254/"),
        *("https://[::ffff:127.0.0.1]/", "https://[fd00::1]/", "https://100.64.0.1", "https://a:b@example.com"),
        *("https://example.com/#x", "https://example.com:25", "ftp://example.com", "https://" + "a" * 2_000),
    ],
)
def test_a_webhook_that_could_never_be_called_is_refused(web: Web, ann: Person, url: str) -> None:
    for reply in (
        web("POST", "/alerts", ABOVE | {"webhook_url": url}, token=ann.access),
        web("PATCH", f"/alerts/{made(web, ann)['id']}", {"webhook_url": url}, token=ann.access),
    ):
        assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (422, ["webhook_url"])


def test_what_lacks_is_named(web: Web, ann: Person) -> None:
    for field in ABOVE:
        body = {name: value for name, value in ABOVE.items() if name != field}
        reply = web("POST", "/alerts", body, token=ann.access)
        assert problem(reply) == (422, [{"field": field, "message": "Required"}])


def test_a_user_has_two_hundred(web: Web, ann: Person) -> None:
    table = wiring.alerts()._table
    item = table.get(f"USER#{ann.id}", f"ALERT#{made(web, ann)['id']}")
    assert item is not None
    for number in range(ALERTS - 1):
        table.put(item | {"sk": f"ALERT#{number:032x}", "id": f"{number:032x}"})
    reply = web("POST", "/alerts", ABOVE, token=ann.access)
    assert (reply.status, reply.body["detail"]) == (409, "There may be 200 alerts; remove one first.")
    first = web("GET", "/alerts", token=ann.access, query={"limit": "150"}).body
    query = {"limit": "150", "cursor": first["next_cursor"]}
    rest = web("GET", "/alerts", token=ann.access, query=query).body
    assert [len(first["items"]), len(rest["items"]), rest["next_cursor"]] == [150, 50, None]
    assert len({each["id"] for each in first["items"] + rest["items"]}) == 200


def test_the_newest_comes_first(web: Web, ann: Person, stage: Stage) -> None:
    ids = []
    for _ in range(3):
        stage.later(1)
        ids.append(made(web, ann)["id"])
    assert [each["id"] for each in web("GET", "/alerts", token=ann.access).body["items"]] == ids[::-1]


def test_a_repeat_gets_the_first_answer(web: Web, ann: Person) -> None:
    key = {"Idempotency-Key": "k"}
    first, second = (web("POST", "/alerts", ABOVE, token=ann.access, headers=key) for _ in range(2))
    assert (second.status, second.body, second.headers["ETag"]) == (201, first.body, first.headers["ETag"])
    other = web("POST", "/alerts", ABOVE | {"threshold": "101"}, token=ann.access, headers=key)
    assert problem(other) == (422, [{"field": "Idempotency-Key", "message": "Was used for another request"}])
    assert len(web("GET", "/alerts", token=ann.access).body["items"]) == 1


def test_a_secret_is_not_shown_again(web: Web, ann: Person) -> None:
    key, body = {"Idempotency-Key": "k"}, ABOVE | {"webhook_url": HOOK}
    assert web("POST", "/alerts", body, token=ann.access, headers=key).status == 201
    again = web("POST", "/alerts", body, token=ann.access, headers=key)
    assert (again.status, again.body["detail"]) == (
        409,
        "This request was done before; what it showed is shown once.",
    )
    assert len(web("GET", "/alerts", token=ann.access).body["items"]) == 1


# --- at once ---


def test_what_holds_already_fires_at_once(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    bell = connect(ann.id, "c=")
    shown = made(web, ann, webhook_url=HOOK)
    assert (shown["status"], shown["last_fired_at"]) == ("fired", "2026-11-22T12:00:01.000Z")
    (fired,) = told(web, ann)
    assert fired == {
        "id": fired["id"],
        "alert_id": shown["id"],
        "symbol": "BTC-USD",
        "venue": "coinbase",
        "condition": "above",
        "threshold": "100",
        "price": "100",
        "time": "2026-11-22T12:00:01.000Z",
        "webhook": "pending",
    }
    key = f"FIRED#{NOON + 1_000:015}#{fired['id']}"
    assert stage.errands() == [{"user": ann.id, "key": key, "number": 1, "due": NOON + 1_000}]
    assert stage.rung() == [(bell, [ann.id])]
    assert stage.items("OUTBOX") == stage.items("RULES#coinbase:BTC-USD") == []


@pytest.mark.parametrize(
    ("condition", "threshold", "is_fired"),
    [("above", "101", False), ("below", "100", True), ("below", "99.9", False)],
)
def test_what_does_not_hold_waits(
    web: Web, ann: Person, stage: Stage, condition: str, threshold: str, is_fired: bool
) -> None:
    stage.price(100)
    stage.price(105, ETH)
    shown = made(web, ann, condition=condition, threshold=threshold)
    assert shown["status"] == ("fired" if is_fired else "armed")
    assert len(told(web, ann)) == is_fired


def test_a_price_that_nobody_has_heard_of_for_long_fires_nothing(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    stage.later(6 * MINUTE)
    assert made(web, ann)["status"] == "armed"
    stage.market(Clock(stage.now))  # no trade since, but the venue is there
    assert made(web, ann)["status"] == "fired"


def test_one_that_repeats_fires_at_once_and_stays_armed(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    shown = made(web, ann, repeat=True)
    assert (shown["status"], shown["last_fired_at"]) == ("armed", "2026-11-22T12:00:01.000Z")
    (rule,) = stage.items("RULES#coinbase:BTC-USD")
    assert rule == f"FALL#{'99'.zfill(19)}5{'0' * 17}#{ann.id}#{shown['id']}#{NOON + 1_001:015}"


def test_a_change_is_measured_from_the_close_a_window_ago(web: Web, ann: Person, stage: Stage) -> None:
    bars = [Bar(NOON + n * MINUTE, 100 + n, 100 + n, 100 + n, 100 + n, 1) for n in range(8)]
    stage.now = NOON + 10 * MINUTE
    stage.market(Candles("BTC-USD", 0, 0, NOON, NOON + 8 * MINUTE, stage.now, bars), Clock(NOON + 8 * MINUTE))
    stage.now = NOON + 12 * MINUTE
    web_ann = web.again(ann.id)
    stage.price(109)  # at 12:12:01; what ended by 12:07 closed at 106
    move = {"condition": "change_pct", "window": "5m"}
    assert made(web, web_ann, move, threshold="2.84")["status"] == "armed"
    assert made(web, web_ann, move, threshold="-0.1")["status"] == "armed"
    assert made(web, web_ann, move, threshold="2.83")["status"] == "fired"
    assert made(web, web_ann, move, threshold="0.1", window="1h")["status"] == "armed"  # nobody knows


def test_a_queue_that_fails_loses_nothing(web: Web, ann: Person, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.price(100)

    def refuse(self: Queue, body: str, *, delay: int = 0) -> None:
        raise ThrottledError("Throttled", "SendMessage")

    with monkeypatch.context() as patch:
        patch.setattr(Queue, "send", refuse)
        assert made(web, ann, webhook_url=HOOK)["status"] == "fired"
    assert [stage.errands(), len(stage.items("OUTBOX"))] == [[], 1]
    stage.later(31_000)
    stage.evaluate()
    assert [len(stage.errands()), stage.items("OUTBOX")] == [1, []]


# --- changing ---


def test_every_field_changes(web: Web, ann: Person, stage: Stage) -> None:
    before = made(web, ann, condition="change_pct")
    stage.later(5)
    body = {"threshold": "-3", "window": "5m", "repeat": True, "webhook_url": HOOK, "note": "n", "status": "paused"}
    reply = web("PATCH", f"/alerts/{before['id']}", body, token=ann.access)
    secret = reply.body.pop("webhook_secret")
    assert (reply.status, reply.body) == (200, before | body)
    assert secret.startswith("whsec_")
    read = web("GET", f"/alerts/{before['id']}", token=ann.access)
    assert (read.body, read.headers["ETag"]) == (reply.body, reply.headers["ETag"])
    back = {"webhook_url": None, "note": None, "status": "armed"}
    assert web("PATCH", f"/alerts/{before['id']}", back, token=ann.access).body == reply.body | back
    assert len(stage.items("RULES#coinbase:BTC-USD")) == 1


def test_an_empty_change_changes_nothing(web: Web, ann: Person) -> None:
    before = made(web, ann)
    reply = web("PATCH", f"/alerts/{before['id']}", {}, token=ann.access)
    assert (reply.status, reply.body) == (200, before)


def test_the_secret_is_shown_when_it_is_new_only(web: Web, ann: Person) -> None:
    id_ = made(web, ann, webhook_url=HOOK)["id"]
    for url, is_new in ((HOOK + "2", False), (None, False), (HOOK, True)):
        reply = web("PATCH", f"/alerts/{id_}", {"webhook_url": url}, token=ann.access)
        assert (reply.body["webhook_url"], "webhook_secret" in reply.body) == (url, is_new)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "fired"}, "status"),
        ({"status": None}, "status"),
        ({"threshold": "-1"}, "threshold"),
        ({"threshold": None}, "threshold"),
        ({"window": "1h"}, "window"),
        ({"repeat": None}, "repeat"),
        ({"symbol": "ETH-USD"}, "symbol"),
        ({"condition": "below"}, "condition"),
    ],
)
def test_a_bad_change_names_the_field(web: Web, ann: Person, change: dict[str, Any], field: str) -> None:
    before = made(web, ann)
    reply = web("PATCH", f"/alerts/{before['id']}", change, token=ann.access)
    assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (422, [field])
    assert web("GET", f"/alerts/{before['id']}", token=ann.access).body == before


def test_a_fired_one_is_armed_again_and_tried_at_once(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    id_ = made(web, ann)["id"]
    stage.price(99)
    assert web("PATCH", f"/alerts/{id_}", {"status": "armed"}, token=ann.access).body["status"] == "armed"
    stage.price(100)
    assert web("PATCH", f"/alerts/{id_}", {"note": "same"}, token=ann.access).body["status"] == "armed"
    assert web("PATCH", f"/alerts/{id_}", {"threshold": "99.5"}, token=ann.access).body["status"] == "fired"
    assert [each["threshold"] for each in told(web, ann)] == ["99.5", "100"]


def test_who_changed_it_meanwhile_is_not_overwritten(web: Web, ann: Person) -> None:
    id_ = made(web, ann)["id"]
    tag = web("GET", f"/alerts/{id_}", token=ann.access).headers["ETag"]
    matching = {"If-Match": tag}
    assert web("PATCH", f"/alerts/{id_}", {"note": "a"}, token=ann.access, headers=matching).status == 200
    assert web("PATCH", f"/alerts/{id_}", {"note": "b"}, token=ann.access, headers=matching).status == 412
    assert web("DELETE", f"/alerts/{id_}", token=ann.access, headers=matching).status == 412
    current = web("GET", f"/alerts/{id_}", token=ann.access)
    assert current.body["note"] == "a"
    matching = {"If-Match": current.headers["ETag"]}
    assert web("DELETE", f"/alerts/{id_}", token=ann.access, headers=matching).status == 204


def test_one_that_fires_while_it_is_changed_is_changed_after(
    web: Web, ann: Person, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = made(web, ann)["id"]
    look, looks = app._try, []
    rule = wiring.alerts().get(ann.id, id_).rule
    assert rule is not None

    def fire_meanwhile(alert: Alert, now: int) -> Fired | None:
        looks.append(wiring.alerts().reach(rule, Reached(Decimal(100), now), now))
        return look(alert, now)

    monkeypatch.setattr(app, "_try", fire_meanwhile)
    reply = web("PATCH", f"/alerts/{id_}", {"threshold": "90", "note": "n"}, token=ann.access)
    assert (reply.status, reply.body["status"], reply.body["note"], len(looks)) == (200, "fired", "n", 1)
    assert [each["threshold"] for each in told(web, ann)] == ["100"]
    assert stage.items("RULES#coinbase:BTC-USD") == []


@pytest.mark.parametrize(("races", "is_done"), [(4, True), (5, False)])
def test_who_is_outrun_again_and_again_gives_up(web: Web, ann: Person, stage: Stage, races: int, is_done: bool) -> None:
    alerts, id_ = wiring.alerts(), made(web, ann)["id"]
    left = races

    def outrun(alert: Alert) -> None:
        nonlocal left
        if left:
            left -= 1
            alerts.change(ann.id, id_, lambda other: other.arm(other.since + 1))
        alert.note = "mine"

    for act in (lambda: alerts.change(ann.id, id_, outrun), lambda: alerts.remove(ann.id, id_, outrun)):
        left = races
        if is_done:
            act()
        else:
            with pytest.raises(ConflictError, match="changed by others"):
                act()
            assert alerts.get(ann.id, id_).note is None
    assert [len(alerts.all(ann.id)), len(stage.items("RULES#coinbase:BTC-USD"))] == ([0, 0] if is_done else [1, 1])


def test_of_two_at_once_with_one_key_one_is_done(stage: Stage, ann: Person) -> None:
    kept = Repeatable.of(ann.id, "POST /alerts", "k", b"").kept(None, stage.now)
    first = alert(ann.id, "above", "100")
    for number, is_first in ((1, True), (2, False)):
        another = msgspec.structs.replace(first, id=f"{number:032x}", version=0)
        if is_first:
            wiring.alerts().add(another, None, kept)
        else:
            with pytest.raises(ConflictError, match="The request was done before"):
                wiring.alerts().add(another, None, kept)
    assert len(wiring.alerts().all(ann.id)) == 2


# --- removing ---


def test_a_removed_one_is_gone_but_for_its_history(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    ids = [made(web, ann)["id"], made(web, ann, threshold="101")["id"]]
    for id_ in ids:
        reply = web("DELETE", f"/alerts/{id_}", token=ann.access)
        assert (reply.status, reply.body) == (204, None)
        assert web("GET", f"/alerts/{id_}", token=ann.access).status == 404
    assert [each["alert_id"] for each in told(web, ann)] == ids[:1]
    assert stage.items("RULES#coinbase:BTC-USD") == []
    stage.evaluate(stage.price(200))
    assert len(told(web, ann)) == 1


# --- history ---


def test_history_goes_both_ways_in_pages(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    wanted = []
    for number in range(5):
        stage.later(1_000)
        made(web, ann, threshold=str(90 + number))
        wanted.append(str(90 + number))

    def pages(**query: str) -> list[list[str]]:
        found, cursor = [], None
        while True:
            more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
            page = web("GET", "/alerts/history", token=ann.access, query={"limit": "2"} | query | more).body
            found.append([each["threshold"] for each in page["items"]])
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert pages() == [["94", "93"], ["92", "91"], ["90"]]
    assert pages(since=str(NOON)) == [["90", "91"], ["92", "93"], ["94"]]
    assert pages(since="2026-11-22T12:00:04Z") == [["92", "93"], ["94"]]
    assert pages(since="2026-11-22T13:00:00Z") == [[]]


def test_a_page_of_the_newest_stays_what_it_was(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    for number in range(3):
        stage.later(1_000)
        made(web, ann, threshold=str(90 + number))
    first = web("GET", "/alerts/history", token=ann.access, query={"limit": "2"}).body
    stage.later(1_000)
    made(web, ann, threshold="99")
    query = {"limit": "2", "cursor": first["next_cursor"]}
    rest = web("GET", "/alerts/history", token=ann.access, query=query).body
    assert [each["threshold"] for each in first["items"] + rest["items"]] == ["92", "91", "90"]


def test_a_page_reads_no_more_than_it_shows(
    web: Web, ann: Person, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.price(100)
    for number in range(9):
        stage.later(1_000)
        made(web, ann, threshold=str(90 + number))
    call, read = Client.call, list[int]()

    def counted(client: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = call(client, operation, body)
        if operation == "Query" and body["ExpressionAttributeValues"][":start"]["S"].startswith("FIRED#"):
            read.append(len(answer["Items"]))
        return answer

    monkeypatch.setattr(Client, "call", counted)
    for since in ({}, {"since": "0"}):
        first = web("GET", "/alerts/history", token=ann.access, query={"limit": "2", **since}).body
        query = {"limit": "2", "cursor": first["next_cursor"], **since}
        second = web("GET", "/alerts/history", token=ann.access, query=query).body
        shown = [each["threshold"] for each in first["items"] + second["items"]]
        assert shown == (["90", "91", "92", "93"] if since else ["98", "97", "96", "95"])
    assert max(read) <= 4


def test_history_ends_after_ninety_days(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    made(web, ann)
    at = stage.now
    stage.later(89 * 86_400_000)
    stage.price(100)
    ann = web.again(ann.id)
    made(web, ann, threshold="99")
    stage.now = at + 90 * 86_400_000
    ann = web.again(ann.id)

    def thresholds(**query: str) -> tuple[list[str], str | None]:
        page = web("GET", "/alerts/history", token=ann.access, query=query).body
        return [each["threshold"] for each in page["items"]], page["next_cursor"]

    assert (thresholds(), thresholds(since="0")) == ((["99", "100"], None), (["100", "99"], None))
    newest, oldest = thresholds(limit="1"), thresholds(limit="1", since="0")
    stage.now += 1
    assert (thresholds(), thresholds(since="0")) == ((["99"], None), (["99"], None))
    assert thresholds(limit="1", cursor=str(newest[1])) == ([], None)
    assert thresholds(limit="1", since="0", cursor=str(oldest[1])) == (["99"], None)
    stage.now += 90 * 86_400_000
    ann = web.again(ann.id)
    assert (thresholds(), thresholds(since="0")) == (([], None), ([], None))
    assert thresholds(limit="1", cursor=str(newest[1])) == ([], None)


@pytest.mark.parametrize("since", ["yesterday", "-1", ""])
def test_a_bad_since_is_refused(web: Web, ann: Person, since: str) -> None:
    reply = web("GET", "/alerts/history", token=ann.access, query={"since": since})
    assert (reply.status, [error["field"] for error in reply.body["errors"]]) == (422, ["since"])


# --- whose they are ---


def test_what_is_anothers_is_not_found(web: Web, ann: Person, stage: Stage) -> None:
    stage.price(100)
    ids = [made(web, ann)["id"], made(web, ann, threshold="200")["id"], NOBODY, "x"]
    bob = web.person("bob@example.com")
    for id_ in ids:
        for method, body in (("GET", None), ("PATCH", {"note": "mine"}), ("DELETE", None)):
            reply = web(method, f"/alerts/{id_}", body, token=bob.access)
            assert (reply.status, reply.body["detail"]) == (404, "There is no such alert.")
    assert web("GET", "/alerts", token=bob.access).body["items"] == told(web, bob) == []
    assert len(web("GET", "/alerts", token=ann.access).body["items"]) == 2


def test_writing_needs_the_scope_trade(web: Web, ann: Person) -> None:
    id_ = made(web, ann)["id"]

    def token(*scopes: str) -> str:
        body = {"name": "bot", "scopes": list(scopes)}
        text: str = web("POST", "/users/me/tokens", body, token=ann.access).body["token"]
        return text

    reader, trader = token("read"), token("trade")
    assert [web("GET", path, token=reader).status for path in ("/alerts", f"/alerts/{id_}", "/alerts/history")] == [
        200
    ] * 3
    assert web("POST", "/alerts", ABOVE, token=reader).status == 403
    assert web("PATCH", f"/alerts/{id_}", {"note": "n"}, token=reader).status == 403
    assert web("DELETE", f"/alerts/{id_}", token=reader).status == 403
    assert web("GET", "/alerts", token=trader).status == 403
    assert web("POST", "/alerts", ABOVE, token=trader).status == 201
    assert web("PATCH", f"/alerts/{id_}", {"note": "n"}, token=trader).status == 200
    assert web("DELETE", f"/alerts/{id_}", token=trader).status == 204
    assert web("GET", "/alerts").status == 401


def test_an_ended_account_makes_and_changes_nothing(web: Web, ann: Person, stage: Stage) -> None:
    """Its access token is refused before; a request that was let in just then is refused by its write."""
    kept = alert(ann.id, "above", "100")
    wiring.accounts().end(wiring.accounts().require(ann.id), stage.now)
    for write in (
        lambda: alert(ann.id, "above", "100", number=1),
        lambda: wiring.alerts().change(ann.id, kept.id, lambda each: each.arm(stage.now + 1)),
    ):
        with pytest.raises(UnauthenticatedError, match="The account has ended"):
            write()
    assert stage.items(f"USER#{ann.id}")[:1] == [f"ALERT#{kept.id}"]


def test_the_deployment_may_call_any_address(web: Web, ann: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_ADDRESSES", "any")
    wiring.settings.cache_clear()
    assert made(web, ann, webhook_url="http://127.0.0.1:8080/")["webhook_url"] == "http://127.0.0.1:8080/"
