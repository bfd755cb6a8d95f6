import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.accounts import Preferences
from cryptopulse.domain.names import DisplayName
from cryptopulse.domain.users import Email, email_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.com", "ann@example.COM"),
        ("straße@example.com", "STRASSE@example.com"),
        ("ann@bücher.example", "ann@BÜCHER.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jose\u0301@example.com", "josé@example.com"),
        ("ａｎｎ@example.com", "ann@example.com"),
        ("ﬁ@example.com", "fi@example.com"),
        ("ΣΑΣ@example.com", "σας@example.com"),
    ],
)
def test_ways_to_write_one_address_share_a_key(one: str, other: str) -> None:
    assert Email.parse(one).key == email_key(other) == Email.parse(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@example.com", "аnn@example.com"),  # a Cyrillic а
        ("ann@example.com", "ann@example.org"),
        ("ann@example.com", "a.nn@example.com"),
        ("ann@faß.example", "ann@fass.example"),
        ("ann@example.com", "ann+1@example.com"),
    ],
)
def test_lookalikes_are_others(one: str, other: str) -> None:
    assert Email.parse(one).key != Email.parse(other).key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@@example.com",
        "ann@exa mple.com",
        " ann@example.com",
        "ann@example.com\n",
        "ann\x00@example.com",
        "ann@example.com\x00",
        "Ann <ann@example.com>",
        "ann@[127.0.0.1]",
        "a@" + "b" * 250 + ".com",
        "ann@example..com",
        "\u202eann@example.com",
        "ann\u200b@example.com",
        '"ann"@example.com',
        "ann@localhost",
        "ann\r\nBcc: x@example.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected an e-mail address"):
        Email.parse(text)


@given(st.text(max_size=300))
def test_any_text_has_a_key_and_a_hash_for_one(text: str) -> None:
    assert len(email_key(text)) == 64


@given(st.emails())
def test_an_address_keeps_its_key_once_normalised(text: str) -> None:
    try:
        email = Email.parse(text)
    except ValueError:
        return  # reserved, or too long
    assert email.key == email_key(text) == Email.parse(email).key


@pytest.mark.parametrize("text", ["Ann", "  Ann  ", "Анна", "李", "👩‍🚀", "O'Hara <b>", "a" * 100])
def test_names_are_whatever_can_be_shown(text: str) -> None:
    assert DisplayName.parse(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a" * 101,
        "Ann" + " " * 997 + "Smith",
        "a\x00b",
        "a\nb",
        "\x1b[31m",
        "\ue000",
        "\u0378",
        "\u200b\ufeff",
        "ann\u202enna",
    ],
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expected"):
        DisplayName.parse(text)


def test_preferences_have_defaults_of_their_own() -> None:
    first, second = Preferences(), Preferences()
    assert msgspec.to_builtins(first) == {
        "base_currency": "USD",
        "cost_basis": "fifo",
        "watchlist": ["BTC-USD"],
        "theme": "system",
    }
    first.watchlist.append("ETH-USD")
    assert second.watchlist == ["BTC-USD"]
