"""Times in requests and answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.times import Time, month_of, month_start, rfc3339

MOMENT = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z."""


@pytest.mark.parametrize(
    "text",
    [
        "1795329063057",
        "2026-11-22T06:31:03.057Z",
        "2026-11-22t06:31:03.0579z",
        "2026-11-22T08:31:03.057+02:00",
        "2026-11-22T08:31:03.057 02:00",
        "2026-11-21T22:01:03.057-08:30",
    ],
)
def test_a_time_is_read_in_every_form(text: str) -> None:
    assert Time.parse(text) == MOMENT


def test_a_day_is_its_midnight() -> None:
    assert Time.parse("2026-11-22") == MOMENT - 23_463_057


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-22T06:31:03",
        "2026-11-22T06:31Z",
        "2026-13-01",
        "2026-02-30",
        "2026-11-22T25:00:00Z",
        "2026-11-22 06:31:03Z",
        "1969-12-31T23:59:59Z",
        "-1",
        "253402300800000",
        "1e3",
        "١٢٣",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a time"):
        Time.parse(text)


@given(time=st.integers(0, 253_402_300_799_999))
def test_what_is_written_reads_the_same(time: int) -> None:
    assert Time.parse(rfc3339(time)) == time
    assert len(rfc3339(time)) == 24


@given(time=st.integers(0, 253_370_764_799_999))
def test_a_time_is_in_its_month(time: int) -> None:
    month = month_of(time)
    start, end = rfc3339(month_start(month)), rfc3339(month_start(month + 1))
    assert start == f"{rfc3339(time)[:7]}-01T00:00:00.000Z"
    assert month_start(month) <= time < month_start(month + 1)
    assert (start < end, end[8:]) == (True, "01T00:00:00.000Z")


def test_months_are_counted_from_1970() -> None:
    assert [month_of(0), month_of(MOMENT), month_start(0)] == [0, 56 * 12 + 10, 0]
