from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse.domain.tokens import SCOPES, ApiToken, Caller, RefreshToken

USER, ID = "0123456789abcdef" * 2, "fedcba9876543210" * 2
FRESH = bytes(range(RefreshToken.FRESH))
FAMILY = b"f" * RefreshToken.FAMILY


def refresh(fresh: bytes = FRESH) -> RefreshToken:
    return RefreshToken.make(USER, ID, FAMILY + fresh)


def test_a_token_reads_as_it_was_written() -> None:
    token = RefreshToken.parse(refresh().text)
    assert token is not None
    assert (token.user, token.id, token.secret) == (USER, ID, FAMILY + FRESH)
    assert token.digest == sha256(token.text.encode()).digest()
    assert token.family == sha256(FAMILY).digest()


def test_the_next_one_is_of_the_same_family_and_session_and_else_new() -> None:
    token = refresh()
    following = token.next(bytes(RefreshToken.FRESH))
    assert (following.user, following.id, following.family) == (token.user, token.id, token.family)
    assert following.digest != token.digest
    assert RefreshToken.FRESH * 8 >= 256


def test_the_kinds_are_told_apart() -> None:
    api = ApiToken.make(USER, ID, bytes(ApiToken.FRESH))
    assert api.text.startswith("cp_")
    assert ApiToken.FRESH * 8 >= 256
    assert RefreshToken.parse(api.text) is None
    assert ApiToken.parse(refresh().text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cr_",
        "cr_" + "A" * 107,
        "cr_" + "A" * 109,
        "cr_" + "+" * 108,
        "cr_" + "A" * 107 + "=",
        "cr_" + "A" * 107 + "é",
        refresh().text + "\n",
        " " + refresh().text,
        refresh().text.upper(),
        refresh().text[3:],
        "cr_" + refresh().text,
    ],
)
def test_what_is_no_token_is_none(text: str) -> None:
    assert RefreshToken.parse(text) is None


@given(st.text(max_size=150))
def test_any_text_can_be_tried(text: str) -> None:
    assert RefreshToken.parse(text) is None
    assert ApiToken.parse(text) is None


@given(st.binary(min_size=ApiToken.SIZE, max_size=ApiToken.SIZE))
def test_there_is_one_way_to_write_a_token(raw: bytes) -> None:
    token = ApiToken(raw)
    parsed = ApiToken.parse(token.text)
    assert parsed is not None
    assert parsed.text == token.text
    assert bytes.fromhex(parsed.user + parsed.id) + parsed.secret == raw


def test_a_session_may_all_and_a_token_what_its_scopes_say() -> None:
    session = Caller(USER, ID, "session", SCOPES)
    program = Caller(USER, ID, "token", frozenset({"read", "admin"}))
    assert [session.may(scope) for scope in ("read", "trade", "admin", "session")] == [True] * 4
    assert [program.may(scope) for scope in ("read", "trade", "admin", "session")] == [True, False, True, False]


def test_a_token_does_not_show_itself_by_accident() -> None:
    token = refresh()
    assert token.text not in repr(token)
    assert token.text not in str(token)
