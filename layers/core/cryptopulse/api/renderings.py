"""Answers on their way out: packed where that pays, known by a tag in each encoding, and not sent to who has them."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from cryptopulse.domain.renderings import PACKED_FROM, Rendering, pack
from cryptopulse.errors import TooLargeError

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a text as it is sent: Lambda's own limit is 6 MB, a third of which base64 adds."""
LONGEST_KEPT: Final = 86_400
"""Seconds that an answer may be kept at most, however long it stays."""
CSV: Final = "text/csv"
NO_STORE: Final = "no-store"
_TEXTS: Final = ("text/", "application/json", "application/problem+json", "image/svg+xml")
_TAGS: Final = re.compile(r'"[^"]*"')
_WEIGHT: Final = re.compile(r"q=([01](?:\.[0-9]{0,3})?)")


class Rendered[Body](Response[str]):
    """An answer that was rendered before.

    Args:
        rendering: The answer.
        max_age: Seconds for which anybody may keep it.
    """

    def __init__(self, rendering: Rendering, max_age: int) -> None:
        headers = {"Cache-Control": cache_control(max_age), **rendering.headers}
        super().__init__(HTTPStatus.OK, rendering.media_type, None, headers)
        self.rendering = rendering


class Shown[Body](Rendered[Body]):
    """A rendering whose `Body` changes with time.

    Args:
        rendering: The answer.
        now: Unix ms.
    """

    def __init__(self, rendering: Rendering, now: int) -> None:
        super().__init__(rendering, min(max(1, -((now - rendering.stays_until) // 1000)), LONGEST_KEPT))


def cache_control(max_age: int) -> str:
    """The header's value."""
    return f"public, max-age={max_age}" if max_age else NO_STORE


def sent(response: Response[Any], codings: str, known: str | None, vary: Sequence[str] = ()) -> dict[str, Any]:
    """What API Gateway is told to send.

    What may be kept gets its strong ETag; that of a packed body ends with `-gzip`.

    Args:
        response: The answer; text in `str` or `bytes`, a rendering, or bytes of anything.
        codings: The request's Accept-Encoding.
        known: Its If-None-Match, where that counts.
        vary: Headers beside Accept-Encoding by which the answer was chosen.

    Raises:
        TooLargeError: Text is longer than 4 MB as it would be sent.
    """
    headers, rendering = response.headers, response.rendering if isinstance(response, Rendered) else None
    raw = b"" if rendering else _raw(response.body)
    is_text = str(headers.get("Content-Type", "")).startswith(_TEXTS)
    if is_text:
        headers["Vary"] = ", ".join(filter(None, (str(headers.get("Vary", "")), *vary, "Accept-Encoding")))
    pays = rendering.packed is not None if rendering else is_text and len(raw) >= PACKED_FROM
    is_packed = pays and takes_gzip(codings)
    if tag := _tag(response, raw, rendering):
        headers["ETag"] = tag = packed_tag(tag) if is_packed else tag
        if known is not None and response.status_code == HTTPStatus.OK and _matches(known, tag):
            headers.pop("Content-Type", None)
            return _event(response, HTTPStatus.NOT_MODIFIED, "")
    if is_packed:
        headers["Content-Encoding"] = "gzip"
        raw = rendering.packed or b"" if rendering else pack(raw)
    elif rendering:
        raw = rendering.plain
    if is_text and len(raw) > LARGEST:
        advice = "ask for less of it." if is_packed else "ask with Accept-Encoding: gzip, or for less of it."
        raise TooLargeError(f"The answer is longer than 4 MB: {advice}")
    if is_packed or isinstance(response.body, bytes):
        return _event(response, response.status_code, b64encode(raw).decode(), is_base64=True)
    return _event(response, response.status_code, response.body or raw.decode())


def entity_tag(text: bytes) -> str:
    """The strong ETag of a body as it is."""
    return f'"{sha256(text).hexdigest()[:32]}"'


def packed_tag(tag: str) -> str:
    """The ETag of the packed body where that of the body as it is is this one."""
    return f'{tag[:-1]}-gzip"'


@lru_cache(64)
def takes_gzip(codings: str) -> bool:
    """Whether an Accept-Encoding takes it."""
    ranges = _ranges(codings)
    weight, _ = ranges.get("gzip") or ranges.get("*") or (0.0, 0)
    return weight > 0


def quality(accept: str, kind: str) -> float:
    """How welcome a media type is, 0 to 1: the most specific range that holds it counts (RFC 9110, 12.5.1)."""
    return _welcome(accept, kind)[0]


def preferred(accept: str, kinds: Sequence[str]) -> str:
    """The most welcome of some media types; of equals what is named itself, what is named first, the first of all."""
    return max(kinds, key=lambda kind: _welcome(accept, kind))


def _welcome(accept: str, kind: str) -> tuple[float, int, int]:
    """A type's weight, how closely it is named, and its range's place, later ones below."""
    ranges, kind = _ranges(accept), kind.partition(";")[0]
    for closeness, name in ((2, kind), (1, f"{kind.partition('/')[0]}/*"), (0, "*/*")):
        if name in ranges:
            weight, place = ranges[name]
            return (weight, closeness, -place) if weight else (0.0, 0, 0)
    return 0.0, 0, 0


def _ranges(accepted: str) -> dict[str, tuple[float, int]]:
    """Weight and place of what a header of the Accept family names."""
    ranges = {}
    for place, each in enumerate(accepted.lower().split(",")):
        name, *given = (part.strip() for part in each.split(";"))
        weight = next((match[1] for part in given if (match := _WEIGHT.fullmatch(part))), "1")
        ranges[name] = float(weight), place
    return ranges


def _raw(body: str | bytes | None) -> bytes:
    return body.encode() if isinstance(body, str) else body or b""


def _tag(response: Response[Any], raw: bytes, rendering: Rendering | None) -> str:
    """The ETag of the body as it is: its own, or where anybody may keep it one that is made; else none."""
    own = str(response.headers.get("ETag", ""))
    if own or response.status_code != HTTPStatus.OK or response.headers.get("Cache-Control", NO_STORE) == NO_STORE:
        return own
    return f'"{rendering.tag}"' if rendering else entity_tag(raw)


def _matches(known: str, tag: str) -> bool:
    """Whether If-None-Match names the tag, weakly compared as RFC 9110 asks."""
    return known.strip() == "*" or tag in _TAGS.findall(known)


def _event(response: Response[Any], status: int, body: str, *, is_base64: bool = False) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": response.headers,
        "cookies": [str(cookie) for cookie in response.cookies],
        "body": body,
        "isBase64Encoded": is_base64,
    }
