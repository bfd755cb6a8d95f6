"""Passwords: what may be chosen, how they are kept, and which are too common."""

import os
import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import digits, punctuation
from typing import Any, ClassVar, Final, Self

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

# OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
_SPACES: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


class EnteredPassword(str):
    """A password to compare with an account's: 1 to 1,024 characters.

    Its Unicode form is that of RFC 8265's OpaqueString (every space U+0020, NFC), so that it is the same from every
    keyboard; unlike there, control characters are let through.
    """

    SHORTEST: ClassVar[int] = 1
    LONGEST: ClassVar[int] = 1_024
    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "minLength": SHORTEST,
        "maxLength": LONGEST,
        "format": "password",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """The password that a request holds.

        Raises:
            ValueError: It is too short, too long, or no Unicode text.
        """
        # Bounded before, too: normalising takes time that grows with the square of a run of combining marks.
        if len(text) <= EnteredPassword.LONGEST:
            text = unicodedata.normalize("NFC", _SPACES.sub(" ", text))
        if not cls.SHORTEST <= len(text) <= cls.LONGEST:
            raise ValueError(f"Expected {cls.SHORTEST} to {cls.LONGEST} characters")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("Expected Unicode text, without lone surrogates")
        return cls(text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Password(EnteredPassword):
    """A password that somebody chooses: 12 to 128 characters of any Unicode, counted once normalised."""

    SHORTEST = 12
    LONGEST = 128
    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "minLength": SHORTEST,
        "maxLength": LONGEST,
        "format": "password",
    }


def hash_(password: EnteredPassword) -> str:
    """What is stored of a password: argon2id with a new salt; it tells its own parameters."""
    return _HASHER.hash(password)


def is_right(hashed: str | None, password: EnteredPassword) -> bool:
    """Whether a password is the one that was hashed.

    Args:
        hashed: Of `hash_`; None where there is no account, which is never right and takes as long.
        password: What was entered.
    """
    try:
        return _HASHER.verify(_decoy() if hashed is None else hashed, password)
    except VerifyMismatchError:
        return False


def is_outdated(hashed: str) -> bool:
    """Whether a password was hashed with other parameters than are in force."""
    return _HASHER.check_needs_rehash(hashed)


def _decoy() -> str:
    """A hash in today's parameters that no password has: random bytes, which cost nothing to make."""
    salt, tag = (b64encode(os.urandom(size)).decode().rstrip("=") for size in (_HASHER.salt_len, _HASHER.hash_len))
    cost = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${tag}"


_SIGNS: Final = punctuation + "£€§¡¿"
_SEPARATORS: Final = re.compile(r"[\s._-]")
# Both ways of reading 1 and ! fall together with i and l.
_ALIKE: Final = str.maketrans("01l!|34@5$7+8", "oiiiieaassttb")


class CommonPasswords:
    """Passwords that are guessed first.

    What counts is a list of entries and the user's own names. A password is common when, whatever its case, it is

    - an entry, or an entry over and over (`passwordpassword`, the last one possibly cut off) in up to 32 characters,
    - with up to ten digits and signs round it (`!Password2026`; a number only with signs round it, for with digits it
      would be any number),
    - with digits or signs in place of letters (`p4$$w0rd`),
    - with spaces, dots, dashes and underscores anywhere, or nothing else.

    A longer text that merely contains an entry is not.

    Args:
        text: The list, an entry a line, of at least four characters; lines that begin with # and a space are comments.
    """

    PADDING: ClassVar[int] = 10
    SHORTEST: ClassVar[int] = 4
    REPEATED: ClassVar[int] = 32

    def __init__(self, text: str) -> None:
        self._entries = frozenset(_skeleton(line) for line in text.splitlines() if not line.startswith("# "))

    def holds(self, password: str, *own: str) -> bool:
        """Whether a password is common, or made in the same ways of something that is the user's `own`."""
        known = self._entries.union(map(_skeleton, own))
        plain = _plain(password)
        return not plain or any(_repeats(core, known) for core in _cores(plain))


def is_common(password: str, email: str) -> bool:
    """Whether a password is one of those that ship with this module, or tells its owner's e-mail."""
    return _shipped().holds(password, email, email.rpartition("@")[0])


@cache
def _shipped() -> CommonPasswords:
    return CommonPasswords(Path(__file__).with_name("common_passwords.txt").read_text("utf-8"))


def _plain(text: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text).casefold())


def _skeleton(text: str) -> str:
    """What all ways of writing an entry share."""
    return _plain(text).translate(_ALIKE)


def _cores(plain: str) -> Iterator[str]:
    """The skeletons of what may be left of a text without its padding."""
    padding = digits + _SIGNS
    leading = len(plain) - len(plain.lstrip(padding))
    trailing = len(plain) - len(plain.rstrip(padding))
    for start in range(min(leading, CommonPasswords.PADDING) + 1):
        for cut in range(min(trailing, CommonPasswords.PADDING - start) + 1):
            end = len(plain) - cut
            core = plain[start:end]
            is_number = not core.strip(padding)
            if not (is_number and any(map(str.isdigit, plain[:start] + plain[end:]))):
                yield core.translate(_ALIKE)


def _repeats(core: str, known: frozenset[str]) -> bool:
    """Whether it is a known one, over and over."""
    shortest = CommonPasswords.SHORTEST if len(core) <= CommonPasswords.REPEATED else len(core)
    sizes = range(shortest, len(core) + 1)
    return any(core.startswith(core[size:]) and core[:size] in known for size in sizes)
