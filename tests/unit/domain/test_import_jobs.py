"""Import jobs: how far the import of a file has come, and what was found."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec import UNSET

from cryptopulse.domain.import_jobs import PREVIEWED, ImportJob, ImportView, Previewed, shortages
from cryptopulse.domain.imports import LineError, parse
from cryptopulse.domain.portfolios import Asset, Draft, Kind, Quantity
from cryptopulse.domain.revisions import Short
from cryptopulse.domain.times import Time
from cryptopulse.domain.transactions import Transaction, time_of

NOW = 1_800_000_000_000
AT = 1_735_786_800_000
ID = "0f" * 16


def job(**more: Any) -> ImportJob:
    whole: dict[str, Any] = {
        "id": ID,
        "portfolio": "ab" * 16,
        "format": "cryptopulse",
        "is_dry_run": False,
        "is_partial": False,
        "lines": 3,
        "created_at": NOW,
        "started_at": NOW,
    }
    return ImportJob(**(whole | more))


def draft(time: int = AT) -> Draft:
    return Draft(type="deposit", asset=Asset("BTC"), quantity=Quantity("1"), time=Time(time))


def wrong(line: int, message: str = "Is empty") -> LineError:
    return LineError(line, "quantity", message)


# --- ids ---


def test_a_job_begun_again_makes_the_same_ids() -> None:
    drafts = [(2, draft()), (3, draft(AT + 1))]
    assert job().numbered(drafts) == job().numbered(drafts)
    assert [(each.line, each.draft) for each in job().numbered(drafts)] == drafts


def test_another_job_makes_other_ids() -> None:
    other = job(id="1e" * 16).numbered([(2, draft())])
    assert other[0].id != job().numbered([(2, draft())])[0].id


def test_ids_of_one_moment_are_in_the_order_of_the_file_and_tell_their_time() -> None:
    ids = [each.id for each in job().numbered([(2, draft())] * 70_000)]
    assert len(set(ids)) == 70_000
    assert ids[:65_536] == sorted(ids[:65_536])
    assert {time_of(id_) for id_ in ids} == {AT}


# --- what is found ---


def test_what_the_file_says_is_counted_in() -> None:
    file = b"time,type,asset,quantity\n2025-01-02,deposit,BTC,1\n2025-01-02,deposit,EUR,1\n2025-01-02,deposit,BTC,0\n"
    begun = job()
    begun.read(parse(file, "auto", NOW))
    assert begun.is_read
    assert begun.errors_total == 2
    assert begun.errors == [
        LineError(3, "asset", "A fiat currency is no asset: cash is not kept"),
        LineError(4, "quantity", Quantity.EXPECTED),
    ]
    assert begun.is_refused


def test_errors_are_told_in_the_order_of_the_file_wherever_they_were_found() -> None:
    begun = job(errors=[wrong(2), wrong(9)], errors_total=2)
    begun.refuse([wrong(5), wrong(1)])
    assert begun.errors == [wrong(1), wrong(2), wrong(5), wrong(9)]
    assert begun.errors_total == 4


def test_the_first_thousand_errors_and_warnings_are_told_and_all_errors_counted() -> None:
    begun = job(errors=[wrong(line) for line in range(1_000, 2_000)], errors_total=5_000)
    begun.refuse([wrong(line) for line in range(10)])
    begun.warn([wrong(line) for line in reversed(range(1_001))])
    assert begun.errors == [wrong(line) for line in (*range(10), *range(1_000, 1_990))]
    assert begun.errors_total == 5_010
    assert begun.warnings == [wrong(line) for line in range(1_000)]


@pytest.mark.parametrize(
    ("is_partial", "errors", "status"), [(False, 0, "done"), (True, 1, "done"), (False, 1, "failed"), (True, 0, "done")]
)
def test_an_error_refuses_the_whole_unless_a_part_will_do(is_partial: bool, errors: int, status: str) -> None:
    begun = job(is_partial=is_partial)
    begun.refuse([wrong(2)] * errors)
    begun.finish(NOW + 5)
    assert (begun.status, begun.processed, begun.finished_at) == (status, 3, NOW + 5)
    assert begun.is_finished


def test_what_breaks_off_has_failed_though_a_part_would_do() -> None:
    begun = job(is_partial=True, imported=2)
    begun.fail("It broke.", NOW + 5)
    assert (begun.status, begun.imported, begun.errors, begun.errors_total, begun.finished_at) == (
        "failed",
        0,
        [LineError(0, "file", "It broke.")],
        1,
        NOW + 5,
    )


def test_a_job_is_shown_as_the_contract_says() -> None:
    shown = job(
        is_dry_run=True, processed=2, imported=1, skipped_duplicates=4, ignored=5, warnings=[wrong(7)], version=9
    )
    assert ImportView.of(shown) == ImportView(
        id=ID,
        status="queued",
        format="cryptopulse",
        dry_run=True,
        lines=3,
        processed=2,
        imported=1,
        skipped_duplicates=4,
        ignored=5,
        warnings=[wrong(7)],
        errors=[],
        errors_total=0,
        created_at="2027-01-15T08:00:00.000Z",
        finished_at=None,
    )
    shown.finish(NOW + 1_500)
    assert ImportView.of(shown).finished_at == "2027-01-15T08:00:01.500Z"


def test_a_dry_run_shows_how_the_first_lines_were_understood() -> None:
    header = "time,type,asset,quantity,price,currency,fee,fee_asset,counter_asset,counter_quantity\n"
    lines = ["2025-01-02T03:00:00Z,buy,MINE,1.50,2,USD,0.1,,,\n", "2025-01-03,trade,BTC,1,,,,,ETH,20\n"]
    parsed = parse((header + "".join(lines) + "2025-01-04,deposit,SOL,1,,,,,,\n" * PREVIEWED).encode(), "auto", NOW)
    real, dry = job(), job(is_dry_run=True)
    for begun in (real, dry):
        begun.read(parsed)
    assert real.preview is None
    assert ImportView.of(real).preview is UNSET
    assert dry.preview is not None
    assert dry.preview.assets == ["BTC", "ETH", "MINE", "SOL"]
    assert len(dry.preview.transactions) == PREVIEWED
    bought, traded = dry.preview.transactions[:2]
    assert bought == Previewed(
        line=2,
        time="2025-01-02T03:00:00.000Z",
        type="buy",
        asset="MINE",
        quantity="1.50",
        price="2",
        currency="USD",
        fee="0.1",
        fee_asset=None,
        counter_asset=None,
        counter_quantity=None,
    )
    assert (traded.line, traded.counter_asset, traded.counter_quantity) == (3, "ETH", "20")


# --- what takes more than there is ---


def kept(place: int, kind: Kind, asset: str, quantity: str, **more: Any) -> Transaction:
    return Transaction(
        id=f"{place:032x}",
        type=kind,
        asset=asset,
        quantity=Decimal(quantity),
        time=AT + place,
        created_at=NOW,
        updated_at=NOW,
        **more,
    )


def test_shortages_are_what_each_disposal_and_its_fee_lack_and_nothing_is_owed_afterwards() -> None:
    bought = kept(1, "buy", "BTC", "1", price=Decimal(5), currency="USD")
    sold = kept(2, "sell", "BTC", "1.5", price=Decimal(5), currency="USD", fee=Decimal("0.25"), fee_asset="BTC")
    again = kept(3, "deposit", "BTC", "0.1")
    traded = kept(4, "trade", "BTC", "0.1", counter_asset="ETH", counter_quantity=Decimal(3))
    gone = kept(5, "withdrawal", "ETH", "3.000000000000000001")
    assert shortages([bought, sold, again, traded, gone]) == {
        (sold.id, "BTC"): Short(sold, "BTC", Decimal("0.75")),
        (gone.id, "ETH"): Short(gone, "ETH", Decimal("1E-18")),
    }


def test_shortages_are_exact() -> None:
    most = "999999999999999999.999999999999999999"
    more = [kept(n, "deposit", "BTC", most) for n in range(1, 4)]
    less = [kept(n, "withdrawal", "BTC", most) for n in range(4, 7)]
    last = kept(7, "fee", "BTC", "0.000000000000000001")
    assert shortages([*more, *less, last]) == {(last.id, "BTC"): Short(last, "BTC", Decimal("1E-18"))}
