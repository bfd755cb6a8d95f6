"""Cursors are good for their own list only, and void once tampered with."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.api.cursors import Cursors
from cryptopulse.domain.charts import ChartQuery
from cryptopulse.domain.times import Time
from cryptopulse.errors import InvalidError

QUERY = ChartQuery(interval="5m", start=Time(7))
OURS = Cursors("key", "/candles/BTC-USD", QUERY)

positions = st.integers(0, 2**64 - 1)


@given(position=positions)
def test_a_cursor_tells_its_position(position: int) -> None:
    assert OURS.position(OURS.issue(position)) == position
    assert len(OURS.issue(position)) == 32


@given(place=st.binary(max_size=40))
def test_a_cursor_tells_any_bytes(place: bytes) -> None:
    cursor = OURS.seal(place)
    assert OURS.open(cursor) == place
    for other in (cursor.rstrip("="), cursor + "=", cursor[:-1] + "=", cursor.swapcase()):
        if other != cursor:
            with pytest.raises(InvalidError):
                OURS.open(other)


def test_a_cursor_is_good_whatever_cursor_the_query_had() -> None:
    later = Cursors("key", "/candles/BTC-USD", ChartQuery(interval="5m", start=Time(7), cursor=OURS.issue(1)))
    assert later.position(OURS.issue(2)) == 2


@given(position=positions, at=st.integers(0, 31), letter=st.characters(max_codepoint=0x2FF, codec="utf-8"))
def test_a_changed_letter_voids_it(position: int, at: int, letter: str) -> None:
    cursor = OURS.issue(position)
    changed = cursor[:at] + letter + cursor[at + 1 :]
    if changed == cursor:
        return
    with pytest.raises(InvalidError) as error:
        OURS.position(changed)
    assert error.value.field == "cursor"


@given(text=st.text(max_size=40))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(InvalidError):
        OURS.position(text)


@pytest.mark.parametrize("change", [lambda c: c + "=", lambda c: c + "AAAA", lambda c: c[:-4], lambda c: " " + c])
def test_a_longer_or_shorter_one_is_void(change: Callable[[str], str]) -> None:
    with pytest.raises(InvalidError):
        OURS.position(change(OURS.issue(1)))


@pytest.mark.parametrize(
    "other",
    [
        Cursors("another key", "/candles/BTC-USD", QUERY),
        Cursors("key", "/candles/ETH-USD", QUERY),
        Cursors("key", "/candles/BTC-USD", ChartQuery(interval="15m", start=Time(7))),
        Cursors("key", "/candles/BTC-USD", ChartQuery(interval="5m", start=Time(8))),
        Cursors("key", "/candles/BTC-USD", ChartQuery(interval="5m")),
        Cursors("key", "/candles/BTC-USD", ChartQuery(interval="5m", start=Time(7), limit=501)),
    ],
)
def test_it_is_void_for_any_other_list(other: Cursors) -> None:
    with pytest.raises(InvalidError):
        other.position(OURS.issue(1))


def test_no_second_text_says_the_same() -> None:
    for position in range(200):
        cursor = OURS.issue(position)
        usual = cursor.replace("-", "+").replace("_", "/")
        if usual != cursor:
            with pytest.raises(InvalidError):
                OURS.position(usual)
