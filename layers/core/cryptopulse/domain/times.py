"""Moments as requests and answers write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar

from msgspec import Meta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_END = 253_402_300_800_000
"""The year 10000."""
_UNIX = re.compile(r"[0-9]{1,15}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(_DAY.pattern + r"[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")

type Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
"""A moment as answers write it."""


class Time(int):
    """A moment that a request names, in Unix milliseconds."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": ["string", "integer"],
        "minimum": 0,
        "exclusiveMaximum": _END,
        "examples": ["2026-11-22T06:31:00Z", "2026-11-22", 1795329060000],
    }

    @classmethod
    def parse(cls, text: str) -> "Time":
        """The moment in RFC 3339 with any offset, as a day (its 00:00 UTC), or in Unix milliseconds.

        Raises:
            ValueError: It is none, or not in the years 1970 to 9999.
        """
        # An offset's + that a client forgot to escape arrives as a space.
        return cls.of(_read(re.sub(r" (?=[0-9]{2}:[0-9]{2}$)", "+", text)))

    @classmethod
    def of(cls, time: int | None) -> "Time":
        """The moment in Unix milliseconds.

        Raises:
            ValueError: It is none, or not in the years 1970 to 9999.
        """
        if time is None or not 0 <= time < _END:
            raise ValueError("Expected a time from 1970 on: RFC 3339, a date, or Unix milliseconds")
        return cls(time)


def _read(text: str) -> int | None:
    if _UNIX.fullmatch(text):
        return int(text)
    if not (_DAY.fullmatch(text) or _MOMENT.fullmatch(text)):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MILLISECOND


def month_of(time: int) -> int:
    """The month, UTC, that holds a time (Unix ms): 0 is January 1970."""
    moment = datetime.fromtimestamp(time // 1000, UTC)
    return 12 * (moment.year - _EPOCH.year) + moment.month - 1


def month_start(month: int) -> int:
    """When a month, as of `month_of`, begins (Unix ms)."""
    return (datetime(_EPOCH.year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND


def rfc3339(time: int) -> str:
    """Unix milliseconds as `2026-11-22T06:31:00.000Z`."""
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{time % 1000:03}Z"
