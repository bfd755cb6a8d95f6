"""Imports of files, the jobs that they are, and the export."""

import gzip
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.api import renderings
from cryptopulse.api.renderings import CSV
from cryptopulse.aws import imports
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.aws.import_jobs import ImportJobs, OvertakenError
from cryptopulse.domain.imports import LineError
from cryptopulse.domain.portfolios import Asset, Currency, Draft, Portfolio, Quantity
from cryptopulse.domain.revisions import Edit
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Mark, Transaction
from cryptopulse.errors import NotFoundError, ThrottledError
from functions.import_transactions import app as worker
from functions.imports import app
from tests.conftest import read_event
from tests.functional.web import Person, Reply, Web

HEADER = (
    "time,type,asset,quantity,price,currency,fee,fee_asset,counter_asset,counter_quantity,to_portfolio_id,external_id,"
    "note"
)
DAY = 86_400_000
GZIP = "application/gzip"
HOME = "a0" * 16
"""Ann's portfolio."""
OTHER = "b0" * 16

type Send = Callable[..., Reply]


def file(*lines: str, header: str = HEADER) -> str:
    return "\r\n".join((header, *lines, ""))


def deposits(count: int, start: int = 0) -> str:
    return file(
        *(
            f"2025-01-02T00:{n // 60:02}:{n % 60:02}Z,deposit,BTC,{n + 1},100,USD,,,,,,d{n},"
            for n in range(start, start + count)
        )
    )


@pytest.fixture
def ann(web: Web) -> Person:
    person = web.person()
    found(person, HOME)
    return person


def found(person: Person, id_: str, base: Currency = "USD") -> None:
    """Makes a portfolio."""
    now = wiring.now()
    made = Portfolio(
        id=id_, name="Home", base_currency=base, cost_basis="fifo", created_at=now, updated_at=now, version=1
    )
    wiring.portfolios().add(person.id, made, None)


@pytest.fixture
def send(web: Web, ann: Person) -> Send:
    """Sends a request as Ann; a body goes as it is, text or bytes."""

    def send(
        method: str,
        path: str,
        body: object = None,
        type_: str = "",
        *,
        query: dict[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str = ann.access,
    ) -> Reply:
        return web(method, path, body, token=token, query=query, headers={"content-type": type_, **(headers or {})})

    return send


@pytest.fixture
def post(send: Send) -> Send:
    """Sends a file to be imported: text as it is, bytes packed by gzip unless the type is said."""

    def post(content: str | bytes, type_: str = CSV, portfolio: str = HOME, **more: Any) -> Reply:
        return send("POST", f"/portfolios/{portfolio}/transactions/import", content, type_, **more)

    return post


@pytest.fixture
def work(aws: boto3.Session, context: LambdaContext) -> Callable[..., None]:
    """Works off the queue's messages."""
    sqs = aws.client("sqs")

    def work(received: int = 1) -> None:
        for message in sqs.receive_message(QueueUrl=wiring.settings().IMPORTS_QUEUE, MaxNumberOfMessages=10).get(
            "Messages", ()
        ):
            sqs.delete_message(QueueUrl=wiring.settings().IMPORTS_QUEUE, ReceiptHandle=message["ReceiptHandle"])
            deliver(message["Body"], context, received)

    return work


def deliver(body: str, context: LambdaContext, received: int = 1) -> None:
    event = read_event("import_transactions")
    event["Records"][0]["body"] = body
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(received)
    worker.handler(event, context)


def held(person: Person, portfolio: str = HOME) -> list[Transaction]:
    return list(wiring.portfolios().read(person.id, portfolio).transactions())


def names(person: Person, portfolio: str = HOME) -> list[str]:
    return [tx.name for tx in held(person, portfolio)]


def job_of(reply: Reply, **expected: Any) -> None:
    """Asserts all of a finished job's answer."""
    assert reply.body == {
        "id": reply.body["id"],
        "status": "done",
        "format": "cryptopulse",
        "dry_run": False,
        "lines": 0,
        "processed": expected.get("lines", 0),
        "imported": 0,
        "skipped_duplicates": 0,
        "ignored": 0,
        "warnings": [],
        "errors": [],
        "errors_total": len(expected.get("errors", [])),
        "created_at": reply.body["created_at"],
        "finished_at": reply.body["finished_at"],
        **expected,
    }


def problem(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.body["errors"][0]["field"] if "errors" in reply.body else reply.body["detail"]


def wrong(line: int, field: str, message: str) -> dict[str, Any]:
    return {"line": line, "field": field, "message": message}


def unvalued(line: int) -> dict[str, Any]:
    return wrong(line, "price", "Neither the line nor the market knows a price at that time: its cost counts as 0")


# --- at once ---


def test_a_short_file_is_imported_while_the_request_waits(ann: Person, send: Send, post: Send) -> None:
    reply = post(
        file(
            "2025-01-02T03:04:05.678Z,buy,BTC,0.5,40000,USD,1.25,USD,,,,one,=first",
            "2025-01-03,trade,BTC,0.25,,,0.001,BTC,ETH,4,,two,",
            "2025-01-04,deposit,EUR,5,,,,,,,,,",
        ),
        query={"partial": "true"},
    )
    assert reply.status == 200
    job_of(
        reply,
        lines=3,
        imported=2,
        errors=[wrong(4, "asset", "A fiat currency is no asset: cash is not kept")],
    )
    assert send("GET", f"/portfolios/{HOME}/imports/{reply.body['id']}").body == reply.body
    first, second = held(ann)
    assert (
        first.type,
        first.asset,
        first.quantity,
        first.price,
        first.currency,
        first.fee,
        first.fee_asset,
        first.time,
        first.external_id,
        first.note,
    ) == (
        "buy",
        "BTC",
        Decimal("0.5"),
        Decimal(40_000),
        "USD",
        Decimal("1.25"),
        "USD",
        1_735_787_045_678,
        "one",
        "=first",
    )
    assert (second.type, second.counter_asset, second.counter_quantity, second.fee_asset) == (
        "trade",
        "ETH",
        Decimal(4),
        "BTC",
    )
    assert wiring.portfolios().read(ann.id, HOME).balances == {"BTC": Decimal("0.249"), "ETH": Decimal(4)}


def test_the_same_file_twice_adds_nothing(ann: Person, post: Send) -> None:
    post(deposits(3))
    before = held(ann)
    job_of(post(deposits(3)), lines=3, skipped_duplicates=3)
    job_of(post(deposits(4)), lines=4, skipped_duplicates=3, imported=1)
    assert held(ann)[:3] == before
    assert names(ann) == ["d0", "d1", "d2", "d3"]


def test_an_exchanges_file_is_recognised(ann: Person, post: Send) -> None:
    kraken = file(
        '"T1","R1","2025-01-02 03:04:05","deposit","","currency","XXBT","spot / main","1.5","0","1.5"',
        '"T2","R2","2025-01-02 03:04:06","deposit","","currency","ZEUR","spot / main","100","0","100"',
        header='"txid","refid","time","type","subtype","aclass","asset","wallet","amount","fee","balance"',
    )
    job_of(post(kraken), format="kraken", lines=2, imported=1, ignored=1, warnings=[unvalued(2)])
    job_of(post(kraken, query={"format": "kraken"}), format="kraken", lines=2, skipped_duplicates=1, ignored=1)
    assert problem(post(kraken, query={"format": "binance"})) == (422, "format")
    assert names(ann) == ["kraken:T1"]


PLAIN = "time,type,asset,quantity,price,note\n2025-01-02T00:00:00Z,buy,BTC,0.5,1234.5,Müller\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("latin-1"),
        "time;type;asset;quantity;price;note\n2025-01-02T00:00:00Z;buy;BTC;0,5;1.234,5;Müller\n",
        PLAIN.replace("\n", "\r\n", 1),
        PLAIN.replace("\n", "\r"),
        "\r\n\n\r" + PLAIN + "\n\n",
    ],
    ids=["plain", "base64", "BOM", "Latin-1", "semicolons, decimal commas", "mixed line ends", "CR", "blank lines"],
)
def test_files_are_taken_as_people_have_them(ann: Person, post: Send, content: str | bytes) -> None:
    reply = post(content)
    job_of(reply, lines=1, imported=1)
    (tx,) = held(ann)
    assert (tx.quantity, tx.price, tx.note) == (Decimal("0.5"), Decimal("1234.5"), "Müller")


def test_text_that_lost_characters_on_its_way_is_refused(ann: Person, post: Send) -> None:
    assert problem(post(PLAIN.replace("ü", "\ufffd"))) == (
        400, "The text is not in UTF-8: pack it by gzip, then any encoding will do.",
    )  # fmt: skip
    assert held(ann) == []


BOMB = gzip.compress(bytes(200_000_000), 1, mtime=0)
LINE = "2025-01-02,deposit,BTC,1\n"
MANY = "The file must not have more than 50,000 lines."


@pytest.mark.parametrize(
    ("content", "type_", "expected"),
    [
        ("", CSV, (400, "There is no body.")),
        ("   \n", CSV, (422, "file")),
        ("what,is,this\n1,2,3\n", CSV, (422, "format")),
        ("time,type,asset\n2025-01-02,deposit,BTC\n", CSV, (422, "quantity")),
        (HEADER + ",extra\n", CSV, (422, "extra")),
        (HEADER + '\n2025-01-02,deposit,BTC,"1', CSV, (422, "file")),
        (gzip.compress(deposits(1).encode(), mtime=0), CSV, (422, "file")),
        (deposits(1).encode(), GZIP, (422, "file")),
        (gzip.compress(deposits(1).encode(), mtime=0)[:-9], GZIP, (422, "file")),
        (gzip.compress(deposits(1).encode(), mtime=0)[:-8] + bytes(8), GZIP, (422, "file")),
        (gzip.compress(b"", mtime=0), GZIP, (422, "file")),
        ("x" * (renderings.LARGEST + 1), CSV, (413, f"The body must not be longer than {renderings.LARGEST} bytes.")),
        (BOMB, GZIP, (413, "The file must not be longer than 10485760 bytes unpacked.")),
        (gzip.compress(f"{HEADER}\n\n{LINE * 50_001}".encode(), mtime=0), GZIP, (413, MANY)),
        (gzip.compress(f"{HEADER}\n{LINE * 50_000}\nx".encode(), mtime=0), GZIP, (413, MANY)),
        (deposits(1), "application/json", (415, "The body must be text/csv or application/gzip.")),
        (deposits(1), "text/plain", (415, "The body must be text/csv or application/gzip.")),
    ],
)  # fmt: skip
def test_what_is_no_file_of_ours_is_refused_whole(
    ann: Person, post: Send, content: str | bytes, type_: str, expected: tuple[int, str]
) -> None:
    assert problem(post(content, type_)) == expected
    assert held(ann) == []


def test_base64_that_is_none_is_refused(
    http_event: Callable[..., dict[str, Any]], context: LambdaContext, ann: Person
) -> None:
    headers = {"authorization": f"Bearer {ann.access}", "content-type": GZIP}
    event = http_event("POST", f"/portfolios/{HOME}/transactions/import", headers=headers, body=b"x")
    answer = app.handler({**event, "body": "H4sI*"}, context)
    assert (answer["statusCode"], json.loads(answer["body"])["detail"]) == (400, "The body cannot be read.")


@pytest.mark.parametrize(
    ("query", "field"),
    [({"format": "excel"}, "format"), ({"dry_run": "maybe"}, "dry_run"), ({"dryrun": "true"}, "dryrun")],
)
def test_a_bad_parameter_is_named(post: Send, query: dict[str, str], field: str) -> None:
    assert problem(post(deposits(1), query=query)) == (422, field)


def test_a_header_alone_imports_nothing(post: Send) -> None:
    job_of(post(HEADER), lines=0)


def test_all_or_nothing_tells_every_error_and_imports_none(ann: Person, post: Send) -> None:
    lines = (
        "2025-01-02,deposit,BTC,1,,,,,,,,good,",
        "2025-01-02,deposit,BTC,0,,,,,,,,,",
        "2025-01-02,buy,BTC,1,100,EUR,,,,,,,",
        f"2025-01-02,transfer,BTC,1,,,,,,,{OTHER},,",
    )
    errors = [
        wrong(3, "quantity", Quantity.EXPECTED),
        wrong(4, "currency", "No rate of EUR in USD is known for that time: enter the price in USD"),
        wrong(5, "to_portfolio_id", "Expected a portfolio of yours"),
    ]  # fmt: skip
    told = {"lines": 4, "errors": errors, "warnings": [unvalued(2)]}
    job_of(post(file(*lines)), status="failed", **told)
    assert held(ann) == []
    job_of(post(file(*lines), query={"partial": "true"}), imported=1, **told)
    assert names(ann) == ["good"]


def test_a_dry_run_tells_what_would_be_and_changes_nothing(ann: Person, post: Send) -> None:
    post(deposits(1))
    before = wiring.portfolios().get(ann.id, HOME)
    lines = deposits(2) + "2025-01-03,withdrawal,BTC,5,,,,,,,,w,\r\n2025-01-03,withdrawal,BTC,1,,,,,,,,w2,\r\n"
    warnings = [
        wrong(4, "quantity", "2 BTC more than there is; its cost counts as 0"),
        wrong(5, "quantity", "1 BTC more than there is; its cost counts as 0"),
    ]
    counts = {"lines": 4, "skipped_duplicates": 1, "imported": 3, "warnings": warnings}
    told = post(lines, query={"dry_run": "true"})
    assert [each["line"] for each in told.body["preview"]["transactions"]] == [2, 3, 4, 5]
    assert told.body["preview"]["assets"] == ["BTC"]
    job_of(told, dry_run=True, preview=told.body["preview"], **counts)
    assert wiring.portfolios().get(ann.id, HOME) == before
    assert names(ann) == ["d0"]
    job_of(post(lines), **counts)
    assert wiring.portfolios().read(ann.id, HOME).balances == {}


def test_a_dry_run_before_a_transfer_to_a_portfolio_that_is_gone(ann: Person, post: Send) -> None:
    found(ann, OTHER)
    post(file("2025-01-02,deposit,BTC,1,100,USD,,,,,,a,", transfer("t", OTHER)))
    wiring.portfolios().remove(ann.id, OTHER, lambda _: None)
    earlier = file("2025-01-01,deposit,BTC,1,50,USD,,,,,,b,")
    told = post(earlier, query={"dry_run": "true"})
    job_of(told, dry_run=True, lines=1, imported=1, preview=told.body["preview"])
    job_of(post(earlier), lines=1, imported=1)
    assert [(part.quantity, part.cost) for part in held(ann)[2].parts] == [(Decimal(1), Decimal(50))]


def test_a_disposal_that_was_there_and_becomes_short_is_told_of_the_file_as_a_whole(ann: Person, post: Send) -> None:
    post(file("2025-01-02,deposit,BTC,1,,,,,,,,a,", "2025-01-05,withdrawal,BTC,1,,,,,,,,b,"))
    reply = post(file("2025-01-03,withdrawal,BTC,0.25,,,,,,,,c,"))
    message = "The withdrawal of 2025-01-05T00:00:00.000Z gives 0.25 BTC more than there is; its cost counts as 0"
    job_of(reply, lines=1, imported=1, warnings=[wrong(0, "quantity", message)])


# --- whose ---


def test_what_is_somebody_elses_is_not_there(ann: Person, web: Web, send: Send, post: Send) -> None:
    bob = web.person("bob@example.com")
    found(bob, OTHER)
    job = post(deposits(1)).body["id"]
    assert post(deposits(1), portfolio=HOME, token=bob.access).status == 404
    assert post(deposits(1), portfolio=OTHER).status == 404
    assert post(deposits(1), portfolio="nonsense").status == 404
    assert send("GET", f"/portfolios/{HOME}/imports/{job}").status == 200
    for path in (
        f"/portfolios/{HOME}/imports/{job}",
        f"/portfolios/{OTHER}/imports/{job}",
        f"/portfolios/{OTHER}/imports/nonsense",
        f"/portfolios/{OTHER}/imports/{'c0' * 16}",
        f"/portfolios/{HOME}/transactions/export",
    ):
        assert send("GET", path, token=bob.access).status == 404
    assert (held(bob, OTHER), names(ann)) == ([], ["d0"])


def test_importing_needs_the_scope_trade_and_reading_only_read(ann: Person, web: Web, send: Send, post: Send) -> None:
    reader = web("POST", "/users/me/tokens", {"name": "bot", "scopes": ["read"]}, token=ann.access).body["token"]
    assert post(deposits(1), token=reader).status == 403
    job = post(deposits(1)).body["id"]
    assert send("GET", f"/portfolios/{HOME}/imports/{job}", token=reader).status == 200
    assert send("GET", f"/portfolios/{HOME}/transactions/export", token=reader).status == 200
    assert send("GET", f"/portfolios/{HOME}/transactions/export", token="nonsense").status == 401


# --- transfers ---


def transfer(name: str, to: str, day: int = 3) -> str:
    return f"2025-01-{day:02},transfer,BTC,1,,,,,,,{to},{name},"


def test_a_transfer_is_entered_at_both_ends_and_exported_from_either(ann: Person, send: Send, post: Send) -> None:
    found(ann, OTHER)
    post(deposits(2))
    job_of(post(file(transfer("t", OTHER))), lines=1, imported=1)
    (sent,) = [tx for tx in held(ann) if tx.type == "transfer"]
    (received,) = held(ann, OTHER)
    assert (sent.id, sent.time, sent.parts) == (received.id, received.time, received.parts)
    assert [(part.quantity, part.cost) for part in received.parts] == [(Decimal(1), Decimal(100))]
    assert (sent.from_portfolio_id, received.from_portfolio_id, received.is_incoming) == (None, HOME, True)

    for portfolio, count in ((HOME, 3), (OTHER, 1)):
        exported = send("GET", f"/portfolios/{portfolio}/transactions/export", headers={"accept-encoding": "identity"})
        job_of(post(exported.body, portfolio=portfolio), lines=count, skipped_duplicates=count)
    assert (len(held(ann)), len(held(ann, OTHER))) == (3, 1)


def test_the_transfers_of_an_export_do_not_come_into_a_new_portfolio(ann: Person, send: Send, post: Send) -> None:
    """Neither end's: each is there already, and tells that it came from, or went to, the first one."""
    new = "c0" * 16
    found(ann, OTHER)
    found(ann, new)
    post(deposits(2))
    post(file(transfer("t", OTHER)))
    message = "The portfolio that it goes to has a transaction of this external_id, which comes from elsewhere"
    for portfolio, imported, line in ((HOME, 2, 4), (OTHER, 0, 2)):
        exported = send("GET", f"/portfolios/{portfolio}/transactions/export", headers={"accept-encoding": "identity"})
        errors = [wrong(line, "to_portfolio_id", message)]
        lines = imported + 1
        job_of(post(exported.body, portfolio=new), status="failed", lines=lines, errors=errors)
        reply = post(exported.body, portfolio=new, query={"partial": "true"})
        job_of(reply, lines=lines, imported=imported, errors=errors)
    assert names(ann, new) == ["d0", "d1"]
    assert names(ann, OTHER) == ["t"]


def test_a_transfer_into_the_portfolio_itself_that_it_does_not_know_is_an_error(ann: Person, post: Send) -> None:
    message = "A transfer into this portfolio is entered in the one that it comes from"
    job_of(post(file(transfer("t", HOME))), status="failed", lines=1, errors=[wrong(2, "to_portfolio_id", message)])
    assert held(ann) == []


# --- the export ---

EXPORTED = f"""\
{HEADER}
2024-12-31T23:59:59.999Z,buy,BTC,0.000000000000000001,999999999999999999.5,GBP,1.5,USD,,,,'=cmd(),'+1
2025-01-01T00:00:00.000Z,trade,BTC,1,,,0.25,ETH,SOL,1000000,,@two,
2025-12-31T23:59:59.999Z,airdrop,UNKNOWN,5,,,,,,,,three,"a ""note"", Müller"
2026-01-01T00:00:00.000Z,fee,BTC,0.5,,,,,,,,four,
""".replace("\n", "\r\n").replace(",@two", ",'@two")


@pytest.fixture
def rated(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A market that knows what a pound was worth."""
    monkeypatch.setattr(
        wiring.quotes(),
        "marks",
        lambda wanted, base, now: {(code, time): Mark(Decimal("1.25"), time) for code, time in wanted if code == "GBP"},
    )


@pytest.mark.usefixtures("rated")
def test_what_is_exported_comes_back_and_adds_nothing(
    ann: Person, send: Send, post: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/portfolios/{HOME}/transactions/export"
    assert post(EXPORTED).body["imported"] == 4
    reply = send("GET", path, headers={"accept-encoding": "br, gzip;q=0"})
    assert (reply.status, reply.body) == (200, EXPORTED)
    assert {name: reply.headers[name] for name in ("Content-Type", "Content-Disposition", "Cache-Control", "Vary")} == {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": 'attachment; filename="transactions.csv"',
        "Cache-Control": "no-store",
        "Vary": "Accept-Encoding",
    }
    before = held(ann)
    assert post(reply.body).body["skipped_duplicates"] == 4
    assert held(ann) == before

    monkeypatch.setattr(renderings, "PACKED_FROM", 100)
    packed = send("GET", path, headers={"accept-encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body).decode() == EXPORTED
    assert post(packed.body, GZIP).body["skipped_duplicates"] == 4

    found(ann, OTHER)
    assert post(reply.body, portfolio=OTHER).body["imported"] == 4
    assert [tx.draft for tx in held(ann, OTHER)] == [tx.draft for tx in before]


def test_what_came_without_an_id_goes_out_under_its_own(ann: Person, send: Send, post: Send) -> None:
    (side,) = wiring.entries().sides(
        ann.id,
        wiring.portfolios().get(ann.id, HOME),
        [("0f" * 16, Draft(type="deposit", asset=Asset("BTC"), quantity=Quantity(1), time=Time(1_735_786_800_000)))],
        wiring.now(),
    )
    wiring.portfolios().edit(ann.id, {HOME: Edit(add=[side.own])}, wiring.now())
    exported = send("GET", f"/portfolios/{HOME}/transactions/export", headers={"accept-encoding": "identity"}).body
    assert exported == f"{HEADER}\r\n2025-01-02T03:00:00.000Z,deposit,BTC,1,,,,,,,,{'0f' * 16},\r\n"
    job_of(post(exported), lines=1, skipped_duplicates=1)


@pytest.mark.usefixtures("rated")
def test_a_year_is_exported_alone(send: Send, post: Send) -> None:
    path = f"/portfolios/{HOME}/transactions/export"
    post(EXPORTED)
    lines = EXPORTED.splitlines(keepends=True)
    years = {2024: lines[1:2], 2025: lines[2:4], 2026: lines[4:], 2009: []}
    for year, expected in years.items():
        reply = send("GET", path, query={"year": str(year)}, headers={"accept-encoding": "identity"})
        assert reply.body == "".join(lines[:1] + expected)
        assert reply.headers["Content-Disposition"] == f'attachment; filename="transactions-{year}.csv"'
    for bad in ("2008", "3000", "now", "2025.5"):
        assert problem(send("GET", path, query={"year": bad})) == (422, "year")


def test_a_long_export_asks_for_gzip(send: Send, post: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/portfolios/{HOME}/transactions/export"
    post(deposits(200))
    whole = send("GET", path, headers={"accept-encoding": "identity"}).body
    monkeypatch.setattr(renderings, "LARGEST", len(whole) - 1)
    refused = send("GET", path, headers={"accept-encoding": "identity"})
    assert problem(refused) == (
        413, "The answer is longer than 4 MB: ask with Accept-Encoding: gzip, or for less of it.",
    )  # fmt: skip
    packed = send("GET", path, headers={"accept-encoding": "*"}).body
    assert gzip.decompress(packed).decode() == whole
    monkeypatch.setattr(renderings, "LARGEST", len(packed) - 1)
    assert problem(send("GET", path, headers={"accept-encoding": "gzip"})) == (
        413, "The answer is longer than 4 MB: ask for less of it.",
    )  # fmt: skip


# --- jobs ---

AGAIN = "Send the file again: what is in already is not added twice."


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines are too many to be done at once, and make a batch."""
    monkeypatch.setattr(app, "AT_ONCE", 1)
    monkeypatch.setattr(imports, "BATCH", 2)


MIXED = file(
    "2025-01-02,deposit,BTC,1,100,USD,,,,,,a,",
    "2025-01-02,deposit,BTC,0,,,,,,,,bad,",
    "2025-01-03,withdrawal,BTC,3,,,,,,,,b,",
    "2025-01-03,deposit,EUR,3,,,,,,,,,",
    f"2025-01-04,transfer,BTC,1,,,,,,,{HOME},c,",
    "2025-01-05,deposit,ETH,3,,,,,,,,d,",
    "2025-01-05,deposit,ETH,3,,,,,,,,d,",
    "2025-01-06,buy,ETH,3,1,EUR,,,,,,e,",
    "2025-01-07,deposit,ETH,3,,,,,,,,f,",
)
"""Five good transactions, one of them told twice, and three errors; five batches."""
OUTCOME: dict[str, Any] = {
    "lines": 9,
    "imported": 5,
    "skipped_duplicates": 1,
    "warnings": [
        wrong(4, "quantity", "2 BTC more than there is; its cost counts as 0"),
        wrong(6, "quantity", "1 BTC more than there is; its cost counts as 0"),
        unvalued(7),
        unvalued(10),
    ],
    "errors": [
        wrong(3, "quantity", Quantity.EXPECTED),
        wrong(5, "asset", "A fiat currency is no asset: cash is not kept"),
        wrong(9, "currency", "No rate of EUR in USD is known for that time: enter the price in USD"),
    ],
}  # fmt: skip


def queued(reply: Reply, lines: int) -> None:
    """Asserts all of the answer that says that a job was left for later."""
    id_ = reply.body["id"]
    assert (reply.status, reply.headers["Location"]) == (
        202,
        f"https://api.test/portfolios/{reply.headers['Location'].split('/')[4]}/imports/{id_}",
    )
    job_of(reply, status="queued", lines=lines, processed=0, finished_at=None)


def left(person: Person, portfolio: str = HOME) -> list[str]:
    """What is there of imports beside the jobs."""
    items = Table(Client("dynamodb", wiring.account()), "Accounts").query(f"USER#{person.id}", "IMPORT#", "IMPORT#~")
    return [item["sk"] for item in items if item["sk"].count("#") > 2 and portfolio in item["sk"]]


def test_a_long_file_is_left_for_later(ann: Person, send: Send, post: Send, work: Callable[..., None]) -> None:
    reply = post(gzip.compress(deposits(2_345).encode(), mtime=0), GZIP)
    queued(reply, 2_345)
    path = f"/portfolios/{HOME}/imports/{reply.body['id']}"
    assert send("GET", path).body == reply.body
    assert held(ann) == []
    work()
    finished = send("GET", path)
    job_of(finished, lines=2_345, imported=2_345)
    assert names(ann) == [f"d{n}" for n in range(2_345)]
    assert left(ann) == []
    work()
    assert send("GET", path).body == finished.body


def test_ten_thousand_bad_lines_are_counted_and_the_first_thousand_told(
    ann: Person, send: Send, post: Send, work: Callable[..., None]
) -> None:
    reply = post(file(*["2025-01-02,deposit,BTC,x"] * 10_000, "2025-01-02,deposit,BTC,1"))
    queued(reply, 10_001)
    work()
    errors = [wrong(n, "quantity", "Expected a number with a decimal point, without doubt") for n in range(2, 1_002)]
    job_of(
        send("GET", f"/portfolios/{HOME}/imports/{reply.body['id']}"),
        status="failed",
        lines=10_001,
        errors=errors,
        errors_total=10_000,
        warnings=[unvalued(10_002)],
    )
    assert held(ann) == []


@pytest.mark.usefixtures("small")
def test_the_progress_of_a_job_is_told(
    ann: Person, send: Send, post: Send, work: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = post(deposits(5))
    seen = []
    save = ImportJobs.save

    def watched(self: ImportJobs, *args: Any) -> None:
        save(self, *args)
        told = send("GET", f"/portfolios/{HOME}/imports/{reply.body['id']}").body
        seen.append((told["status"], told["processed"], told["imported"], len(held(ann))))

    monkeypatch.setattr(ImportJobs, "save", watched)
    work()
    assert seen == [
        ("running", 0, 0, 0),
        ("running", 1, 0, 0),
        ("running", 3, 0, 0),
        ("running", 5, 0, 0),
        ("done", 5, 5, 5),
    ]


class BreakError(Exception):
    """The process ends here."""


def disturb(monkeypatch: pytest.MonkeyPatch, place: int, act: Callable[[], None], *, is_after: bool) -> None:
    """Does something at a write from now on: just before it, or just after."""
    call, writes = Client.call, 0

    def disturbed(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal writes
        if operation not in ("PutItem", "DeleteItem", "TransactWriteItems"):
            return call(self, operation, body)
        writes += 1
        is_now = writes == place
        if is_now and not is_after:
            act()
        answer = call(self, operation, body)
        if is_now and is_after:
            act()
        return answer

    monkeypatch.setattr(Client, "call", disturbed)


@pytest.fixture
def message(ann: Person, post: Send, aws: boto3.Session) -> Callable[[str], tuple[str, str]]:
    """Leaves the mixed file for later, in a portfolio of its own; returns the job's id and the queue's message."""

    def message(portfolio: str) -> tuple[str, str]:
        found(ann, portfolio)
        found(ann, OTHER[:-2] + portfolio[-2:])
        content = MIXED.replace(HOME, OTHER[:-2] + portfolio[-2:])
        id_ = post(content, portfolio=portfolio, query={"partial": "true"}).body["id"]
        return id_, json.dumps({"user": ann.id, "portfolio": portfolio, "job": id_})

    return message


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_a_job_that_broke_off_anywhere_goes_on(
    ann: Person,
    send: Send,
    message: Callable[[str], tuple[str, str]],
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
    is_after: bool,
) -> None:
    def interrupt() -> None:
        raise BreakError

    breaks = 0
    while True:
        portfolio = f"{breaks:032x}"
        id_, body = message(portfolio)
        with monkeypatch.context() as patch:
            disturb(patch, breaks + 1, interrupt, is_after=is_after)
            try:
                deliver(body, context)
                is_whole = True
            except BreakError:
                is_whole = False
        if not is_whole:
            deliver(body, context, 2)
        job_of(send("GET", f"/portfolios/{portfolio}/imports/{id_}"), **OUTCOME)
        assert names(ann, portfolio) == ["a", "b", "c", "d", "f"]
        assert names(ann, OTHER[:-2] + portfolio[-2:]) == ["c"]
        assert left(ann, portfolio) == []
        if is_whole:
            break
        breaks += 1
    assert breaks > 10


@pytest.mark.usefixtures("small")
def test_two_workers_on_one_job_do_it_once(
    ann: Person,
    send: Send,
    message: Callable[[str], tuple[str, str]],
    context: LambdaContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overtaken = 0
    for place in range(100):
        portfolio = f"{place:032x}"
        id_, body = message(portfolio)
        did: list[str] = []

        def overtake(body: str = body, did: list[str] = did) -> None:
            did.append(body)
            deliver(body, context, 2)

        with monkeypatch.context() as patch:
            disturb(patch, place + 1, overtake, is_after=False)
            try:
                deliver(body, context)
            except OvertakenError:
                overtaken += 1
        job_of(send("GET", f"/portfolios/{portfolio}/imports/{id_}"), **OUTCOME)
        assert names(ann, portfolio) == ["a", "b", "c", "d", "f"]
        assert names(ann, OTHER[:-2] + portfolio[-2:]) == ["c"]
        if not did:
            break
    assert overtaken > 5


@pytest.mark.usefixtures("small")
def test_a_job_that_fails_at_its_last_try_says_so(
    ann: Person, send: Send, post: Send, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = post(deposits(5)).body["id"]
    body = json.dumps({"user": ann.id, "portfolio": HOME, "job": id_})

    def fail(*_: Any) -> None:
        raise ThrottledError("Slow", "down")

    with monkeypatch.context() as patch:
        patch.setattr(wiring.entries(), "attempt", fail)
        for received, status in ((1, "running"), (2, "running"), (3, "failed")):
            with pytest.raises(ThrottledError):
                deliver(body, context, received)
            assert send("GET", f"/portfolios/{HOME}/imports/{id_}").body["status"] == status
    reply = send("GET", f"/portfolios/{HOME}/imports/{id_}")
    message = f"It was broken off by a fault on our side. {AGAIN}"
    job_of(reply, status="failed", lines=5, processed=0, errors=[wrong(0, "file", message)])
    assert left(ann) == []
    deliver(body, context, 4)
    assert send("GET", f"/portfolios/{HOME}/imports/{id_}").body == reply.body
    assert held(ann) == []


@pytest.mark.usefixtures("small")
def test_a_job_that_was_finished_at_its_last_try_stays_so(
    ann: Person, send: Send, post: Send, context: LambdaContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = post(deposits(5)).body["id"]
    body = json.dumps({"user": ann.id, "portfolio": HOME, "job": id_})

    def fail(*_: Any) -> None:
        raise ThrottledError("Slow", "down")

    with monkeypatch.context() as patch:
        patch.setattr(wiring.import_jobs(), "clear", fail)
        with pytest.raises(ThrottledError):
            deliver(body, context, 3)
    job_of(send("GET", f"/portfolios/{HOME}/imports/{id_}"), lines=5, imported=5)
    assert left(ann) != []
    deliver(body, context, 4)
    assert left(ann) == []


@pytest.mark.usefixtures("small")
def test_who_finds_no_file_any_more_has_been_overtaken(ann: Person, post: Send, work: Callable[..., None]) -> None:
    id_ = post(deposits(5)).body["id"]
    jobs = wiring.import_jobs()
    job = jobs.get(ann.id, HOME, id_, wiring.now())
    assert jobs.file(ann.id, job).decode() == deposits(5)
    work()
    with pytest.raises(OvertakenError):
        jobs.file(ann.id, job)


@pytest.mark.usefixtures("small")
def test_a_job_goes_with_its_portfolio(ann: Person, send: Send, post: Send, work: Callable[..., None]) -> None:
    id_ = post(deposits(5)).body["id"]
    wiring.portfolios().remove(ann.id, HOME, lambda _: None)
    work()
    with pytest.raises(NotFoundError):
        wiring.import_jobs().get(ann.id, HOME, id_, wiring.now())
    assert send("GET", f"/portfolios/{HOME}/imports/{id_}").status == 404
    assert left(ann) == []


@pytest.mark.usefixtures("small")
def test_a_job_of_an_account_that_has_ended_leaves_nothing(ann: Person, post: Send, work: Callable[..., None]) -> None:
    post(deposits(5))
    account = wiring.accounts().require(ann.id)
    wiring.accounts().end(account, wiring.now())
    wiring.accounts().wipe(ann.id)
    work()
    assert wiring.accounts().wipe(ann.id) == 0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("lines", [1, 5])
def test_a_file_that_comes_when_its_account_ends_leaves_nothing(
    ann: Person, post: Send, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    def end() -> None:
        wiring.accounts().end(wiring.accounts().require(ann.id), wiring.now())
        wiring.accounts().wipe(ann.id)

    with monkeypatch.context() as patch:
        disturb(patch, 1, end, is_after=False)
        assert problem(post(deposits(lines))) == (401, "The account has ended.")
    assert wiring.accounts().wipe(ann.id) == 0


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_job_fails_whose_portfolio_counts_in_another_currency_meanwhile(
    ann: Person, send: Send, post: Send, work: Callable[..., None], monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    def change() -> None:
        wiring.portfolios().change(ann.id, HOME, lambda portfolio: setattr(portfolio, "base_currency", "USDT"))

    id_ = post(deposits(3)).body["id"]
    with monkeypatch.context() as patch:
        disturb(patch, place, change, is_after=True)
        work()
    told = send("GET", f"/portfolios/{HOME}/imports/{id_}").body
    if place == 1:  # it had not been looked at
        assert (told["errors_total"], told["errors"][0]["field"]) == (3, "currency")
    else:
        message = "The portfolio's base currency was changed at the same moment; try again."
        assert (told["status"], told["errors"]) == ("failed", [wrong(0, "file", message)])
    assert (held(ann), left(ann)) == ([], [])


@pytest.mark.usefixtures("small")
def test_a_job_that_nobody_finishes_fails_after_a_day_and_is_kept_for_thirty(ann: Person, post: Send) -> None:
    id_ = post(deposits(5)).body["id"]
    jobs, now = wiring.import_jobs(), wiring.now()
    assert jobs.get(ann.id, HOME, id_, now + DAY - 60_000).status == "queued"
    job = jobs.get(ann.id, HOME, id_, now + DAY)
    assert (job.status, job.finished_at, job.errors) == (
        "failed",
        job.created_at + DAY,
        [LineError(0, "file", f"It was not finished within a day. {AGAIN}")],
    )
    assert jobs.get(ann.id, HOME, id_, now + 30 * DAY - 60_000).id == id_
    with pytest.raises(NotFoundError):
        jobs.get(ann.id, HOME, id_, now + 30 * DAY)


# --- requests that are repeated ---

KEY = {"idempotency-key": "one"}


def test_a_repeat_with_its_key_gets_the_first_answer_again(ann: Person, post: Send) -> None:
    first = post(deposits(2), headers=KEY)
    again = post(deposits(2), headers=KEY)
    assert (again.status, again.body) == (200, first.body)
    job_of(again, lines=2, imported=2)
    for other in (
        post(deposits(3), headers=KEY),
        post(deposits(2), headers=KEY, query={"dry_run": "true"}),
    ):
        assert problem(other) == (422, "Idempotency-Key")
    job_of(post(deposits(3), headers={"idempotency-key": "two"}), lines=3, skipped_duplicates=2, imported=1)
    assert problem(post(deposits(2), headers={"idempotency-key": "ö" * 3})) == (422, "Idempotency-Key")


@pytest.mark.usefixtures("small")
def test_a_repeat_of_what_was_left_for_later_makes_no_other_job(
    ann: Person, send: Send, post: Send, work: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ThrottledError("Slow", "down")

    with monkeypatch.context() as patch:
        patch.setattr(wiring.import_queue(), "send", fail)
        assert post(deposits(5), headers=KEY).status == 503
    first = post(deposits(5), headers=KEY)
    queued(first, 5)
    work()
    again = post(deposits(5), headers=KEY)
    assert (again.status, again.body, again.headers["Location"]) == (202, first.body, first.headers["Location"])
    work()
    job_of(send("GET", f"/portfolios/{HOME}/imports/{first.body['id']}"), lines=5, imported=5)
    assert names(ann) == [f"d{n}" for n in range(5)]


def test_a_request_that_broke_off_goes_on_when_it_is_repeated_and_not_before_it_must_have_ended(
    ann: Person, post: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise ThrottledError("Slow", "down")

    with monkeypatch.context() as patch:
        disturb(patch, 3, interrupt, is_after=True)  # the job, that somebody works on it, the transactions
        assert post(deposits(2), headers=KEY).status == 503
    assert names(ann) == ["d0", "d1"]
    assert problem(post(deposits(2), headers=KEY)) == (409, "The request is still running.")
    monkeypatch.setattr(app, "TIME_LIMIT", 0)
    reply = post(deposits(2), headers=KEY)
    job_of(reply, lines=2, imported=2)
    assert names(ann) == ["d0", "d1"]
    assert post(deposits(2), headers=KEY).body == reply.body
    assert left(ann) == []


def test_of_two_requests_with_one_key_at_once_one_imports(
    ann: Person, post: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies: list[Reply] = []
    with monkeypatch.context() as patch:
        disturb(patch, 1, lambda: replies.append(post(deposits(2), headers=KEY)), is_after=False)
        late = post(deposits(2), headers=KEY)
    job_of(replies[0], lines=2, imported=2)
    assert problem(late) == (409, "The request was done at the same moment.")
    assert post(deposits(2), headers=KEY).body == replies[0].body
