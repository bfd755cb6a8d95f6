"""Passwords: their form, their hashes, and the common ones."""

import re
import string
from importlib.resources import files
from random import Random

import msgspec
import pytest
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptopulse.domain import passwords
from cryptopulse.domain.passwords import (
    CommonPasswords,
    EnteredPassword,
    Password,
    hash_,
    is_common,
    is_outdated,
    is_right,
)

LIST = files("cryptopulse.domain").joinpath("common_passwords.txt").read_text("utf-8")
ENTRIES = LIST.splitlines()[1:]
COMMON = CommonPasswords(LIST)
GOOD = Password.parse("correct horse battery staple")


# --- their form ---


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("twelve chars", "twelve chars"),
        ("x" * 128, "x" * 128),
        ("😀" * 128, "😀" * 128),
        ("\0" * 12, "\0" * 12),
        ("e\u0301" * 12, "é" * 12),
        ("\u1112\u1161\u11ab" * 128, "한" * 128),
        ("a\u00a0wide\u3000space\u2009or three", "a wide space or three"),
    ],
)
def test_a_password_is_text_of_12_to_128_characters_in_one_form(text: str, password: str) -> None:
    parsed = Password.parse(text)
    assert (type(parsed), str(parsed)) == (Password, password)


@pytest.mark.parametrize("text", ["", "eleven char", "e\u0301" * 11, "x" * 129, "é" * 129, "x" * 10**6])
def test_a_password_too_short_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Expected 12 to 128 characters$"):
        Password.parse(text)


@pytest.mark.parametrize("kind", [Password, EnteredPassword])
def test_what_is_no_unicode_text_is_refused(kind: type[EnteredPassword]) -> None:
    with pytest.raises(ValueError, match=r"^Expected Unicode text, without lone surrogates$"):
        kind.parse("a lone \ud83d surrogate")


def test_what_is_entered_may_be_shorter_than_what_may_be_chosen() -> None:
    assert EnteredPassword.parse("e\u0301") == "é"
    assert EnteredPassword.parse("x" * 1024) == "x" * 1024
    for text in ("", "x" * 1025):
        with pytest.raises(ValueError, match=r"^Expected 1 to 1024 characters$"):
            EnteredPassword.parse(text)


@given(text=st.text(min_size=1, max_size=40))
def test_what_is_parsed_parses_the_same(text: str) -> None:
    assert EnteredPassword.parse(EnteredPassword.parse(text)) == EnteredPassword.parse(text)


def test_no_repr_shows_a_password() -> None:
    class Body(msgspec.Struct):
        current: EnteredPassword
        new: Password

    body = Body(EnteredPassword.parse("what it was"), GOOD)
    assert repr(body) == "Body(current=EnteredPassword(…), new=Password(…))"


def test_the_schema_says_what_is_taken() -> None:
    assert Password.SCHEMA == {"type": "string", "minLength": 12, "maxLength": 128, "format": "password"}
    assert EnteredPassword.SCHEMA == {"type": "string", "minLength": 1, "maxLength": 1024, "format": "password"}


# --- their hashes ---


def test_a_hash_tells_its_parameters_and_never_repeats() -> None:
    first, second = hash_(GOOD), hash_(GOOD)
    form = r"\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}"  # salt of 16 bytes, tag of 32
    assert re.fullmatch(form, first)
    assert re.fullmatch(form, second)
    assert first.split("$")[4] != second.split("$")[4]
    assert not is_outdated(first)


@pytest.mark.parametrize(
    ("entered", "right"),
    [
        ("motorcycle\0 näive", True),
        ("motorcycle\0 na\u0308ive", True),
        ("motorcycle\0\u00a0näive", True),
        ("Motorcycle\0 näive", False),
        ("motorcycle\0 naive", False),
        ("motorcycle", False),
        ("motorcycle\0 näive ", False),
    ],
)
def test_only_the_same_password_is_right(entered: str, right: bool) -> None:
    hashed = hash_(Password.parse("motorcycle\0 näive"))
    assert is_right(hashed, EnteredPassword.parse(entered)) is right


def test_without_an_account_no_password_is_right() -> None:
    assert not is_right(None, GOOD)


def test_the_decoy_costs_what_a_hash_costs_and_is_another_each_time() -> None:
    first, second = passwords._decoy(), passwords._decoy()
    assert [len(part) for part in first.split("$")] == [len(part) for part in hash_(GOOD).split("$")]
    assert not is_outdated(first)
    assert first != second


@pytest.mark.parametrize(
    "older",
    [
        PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1, hash_len=32, salt_len=16),
        PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=16, salt_len=16),
        PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.I),
    ],
)
def test_a_hash_with_other_parameters_is_right_and_outdated(older: PasswordHasher) -> None:
    hashed = older.hash(GOOD)
    assert is_outdated(hashed)
    assert is_right(hashed, GOOD)
    assert not is_right(hashed, EnteredPassword.parse("another"))


def test_a_hash_that_is_none_is_an_error_not_a_wrong_password() -> None:
    with pytest.raises(InvalidHashError):
        is_right("$2b$12$KIXQ4Y", GOOD)


# --- the common ones ---


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "Passwordpassw",
        "Password2026!!",
        "!!!PASSWORD!!!",
        "2026password2026",
        "password1234567890",
        "p4$$w0rd1234",
        "Adm1n@123456",
        "qwertyuiop123",
        "1q2w3e4r5t6y!",
        "qwerty123456",
        "anna123456789",
        "Summer01/07/2026",
        "hunter2hunter2",
        "i love you 1234",
        "I-Love-You-2026",
        "cryptopulse2026",
        "abcdefghijkl",
        "123456789012",
        "1234567890!!",
        "111111111111",
        "aaaaaaaaaaaa",
        "!!!!!!!!!!!!",
        " " * 12,
        "._- " * 3,
        "Contraseña123",
        "пароль123456",
        "ｐａｓｓｗｏｒｄ１２３４",
        "robin.o'hara@example.com",
        "Robin.O'Hara@Example.com!",
        "robin.o'hara2026",
        "R0bin-0'hara!",
    ],
)
def test_a_common_password_is_found_in_all_its_guises(password: str) -> None:
    assert is_common(password, "robin.o'hara@example.com")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "my password is no word at all",
        "passwordqwerty!",
        "a monkey on a bicycle",
        "not a password",
        "robin.o'hara and a dog",
        "dog and robin.o'hara",
        "monkey 583920174821",
        "😀" * 128,
        "\0" * 12,
        "839201748302",
        "8392-0174-8302",
        "551234569988",
        "кот на крыше в полночь",
        "xK9#mP2$vL5q",
        "Tr0ub4dor&3 again",
    ],
)
def test_a_text_that_merely_contains_a_common_one_is_fine(password: str) -> None:
    assert not is_common(password, "robin.o'hara@example.com")


def test_what_is_ones_own_is_fine_for_others() -> None:
    assert COMMON.holds("zyxomma-2026-07", "zyxomma")
    assert not COMMON.holds("zyxomma-2026-07", "zebra")
    assert not COMMON.holds("abz 93 75 28 6", "abz")  # too short to tell a person by


@pytest.mark.parametrize("alphabet", [string.printable[:95], string.ascii_letters, string.digits, "אבגדהו😀🦊🌵ßçñ"])
@given(seed=st.integers(0, 2**64), size=st.integers(12, 128))
def test_a_random_password_is_never_common(alphabet: str, seed: int, size: int) -> None:
    password = "".join(Random(seed).choices(alphabet, k=size))
    assert not is_common(password, "robin.o'hara@example.com")


@settings(max_examples=300)
@given(
    entry=st.sampled_from(ENTRIES),
    before=st.text("!#*0123456789", max_size=5),
    after=st.text("!#*0123456789", max_size=5),
    times=st.integers(1, 4),
)
def test_every_entry_is_found_repeated_padded_and_in_capitals(entry: str, before: str, after: str, times: int) -> None:
    times = min(times, CommonPasswords.REPEATED // len(entry)) or 1
    assert COMMON.holds(entry * times)
    assert COMMON.holds(entry.upper())
    if any(map(str.isalpha, entry)):
        assert COMMON.holds(f"{before}{entry * times}{after}")


def test_the_longest_passwords_may_be_of_one_character() -> None:
    assert COMMON.holds("x" * 12)
    assert not COMMON.holds("x" * 128)


def test_the_list_is_modest_sorted_and_without_repetition() -> None:
    assert LIST.startswith("# ")
    assert sorted(set(ENTRIES)) == ENTRIES
    assert all(entry == entry.casefold() and len(entry) >= CommonPasswords.SHORTEST for entry in ENTRIES)
    assert 2_000 < len(ENTRIES) < 8_000
    assert len(LIST.encode()) < 60_000
