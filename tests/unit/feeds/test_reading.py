"""Numbers read many at once are exactly what each of them says."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.feeds.reading import integers

USUAL = st.decimals("0.00000001", "9999999.99999999", places=8).map("{:f}".format)
ODD = [
    "5",
    "0.5",
    " 1.5",
    "1.",
    ".5",
    "01.5",
    "1,2",
    "1e0,2",
    '"5',
    '"5",3',
    "1e-7",
    "1e7",
    "-1.00000000",
    "0.00000000",
]
ODD += ["", "[]", "null", "NaN", "\ud800", "1.000000000000001", "1.0000000000000000001", "1.000000005"]
ODD += ["90071992.54740993", "99999999.99999999", "100000000.00000000", "9999999999999999", "123456789012.5"]


@given(st.lists(st.one_of(USUAL, st.sampled_from(ODD)), max_size=40))
def test_each_number_is_exact_or_left_to_others(texts: list[str]) -> None:
    found = integers(texts)
    assert len(found) == len(texts)
    for text, value in zip(texts, found, strict=True):
        assert not value or Decimal(text).scaleb(8) == value


@given(st.lists(USUAL, max_size=40))
def test_all_usual_numbers_are_read(texts: list[str]) -> None:
    values = [int(Decimal(text).scaleb(8)) for text in texts]
    assert integers([*texts, "priceless", *texts]) == [*values, 0, *values]
