"""Names that users give: to themselves and to what is theirs."""

import unicodedata
from typing import Any, ClassVar, Final, Self

_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what stands around them."""


class DisplayName(str):
    """A name to show: 1 to 100 characters, without control characters."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 100}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The name without spaces around it.

        Raises:
            ValueError: It breaks a rule.
        """
        name = unicodedata.normalize("NFC", text).strip() if len(text) <= 1_000 else ""  # it takes time for long ones
        if not 1 <= len(name) <= 100:
            raise ValueError("Expected 1 to 100 characters")
        if any(
            unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") or character in _TURNING for character in name
        ):
            raise ValueError("Expected no control characters")
        if not any(unicodedata.category(character)[0] in "LNPS" for character in name):
            raise ValueError("Expected something to be seen")
        return cls(name)
