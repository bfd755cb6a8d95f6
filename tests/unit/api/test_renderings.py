"""Answers on their way out: packed, tagged, not sent to who has them."""

import gzip
import json
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Struct
from msgspec.structs import replace

from cryptopulse.api import renderings
from cryptopulse.api.app import Answer, Api, public
from cryptopulse.api.deps import Accepts, Expected
from cryptopulse.api.renderings import Shown, entity_tag, preferred, takes_gzip
from cryptopulse.domain.renderings import Rendering
from cryptopulse.errors import InvalidError, StaleError

type Ask = Callable[..., dict[str, Any]]

LONG, SHORT = "é" * 512, "é" * 510
"""With its quotes the one is longer than 1 KB and the other not."""
SVG = b"<svg>" + b" " * 1024 + b"</svg>"
NOW = 1_795_329_063_057
RENDERING = Rendering.of(
    "application/json",
    json.dumps([*range(1_000)]).encode(),
    fresh_until=NOW,
    stays_until=NOW + 2_001,
    headers={"Next": "2"},
)


class Thing(Struct):
    text: str


API = Api()


@API.get("/things/<text>")
@public
def read(text: str) -> Answer[str]:
    return Answer({"long": LONG, "short": SHORT}[text], max_age=60)


@API.get("/own")
@public
def read_own() -> Answer[str]:
    return Answer(LONG, is_tagged=True)


@API.post("/own")
@public
def refuse() -> Answer[str]:
    raise InvalidError("field", "x" * 1024)


@API.get("/drawing")
@public
def draw() -> Response[bytes]:
    return Response(HTTPStatus.OK, "image/svg+xml", SVG, {"Vary": "Accept"})


@API.get("/workbook")
@public
def load() -> Response[bytes]:
    return Response(HTTPStatus.OK, "application/zip", SVG)


@API.get("/formats")
@public
def choose(accepts: Accepts) -> Answer[str]:
    return Answer(accepts)


@API.get("/shown")
@public
def show() -> Shown[list[int]]:
    return Shown(RENDERING, NOW)


@API.get("/slim")
@public
def show_packed() -> Shown[list[int]]:
    return Shown(replace(RENDERING, body=None), NOW)


@pytest.fixture
def ask(http_event: Callable[..., dict[str, Any]], context: LambdaContext) -> Ask:
    def ask(path: str, coding: str = "gzip", method: str = "GET", **headers: str) -> dict[str, Any]:
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return API.resolve(http_event(method, path, headers={"accept-encoding": coding, **told}), context)

    return ask


def body(answer: dict[str, Any]) -> bytes:
    """An answer's body as it was before it was packed."""
    raw = b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()
    return gzip.decompress(raw) if "Content-Encoding" in answer["headers"] else raw


def told(answer: dict[str, Any], *names: str) -> tuple[str | None, ...]:
    return tuple(answer["headers"].get(name) for name in names)


def test_long_text_is_packed_and_has_a_tag_of_its_own(ask: Ask) -> None:
    packed, plain = ask("/things/long"), ask("/things/long", "identity")
    assert body(packed) == body(plain) == json.dumps(LONG, ensure_ascii=False).encode()
    assert (packed["isBase64Encoded"], plain["isBase64Encoded"]) == (True, False)
    tag = sha256(body(plain)).hexdigest()[:32]
    names = ("ETag", "Content-Encoding", "Vary", "Content-Type", "Cache-Control")
    assert told(packed, *names) == (
        f'"{tag}-gzip"', "gzip", "Accept-Encoding", "application/json", "public, max-age=60",
    )  # fmt: skip
    assert told(plain, *names) == (f'"{tag}"', None, "Accept-Encoding", "application/json", "public, max-age=60")


def test_short_text_is_as_it_is(ask: Ask) -> None:
    answer = ask("/things/short")
    assert (body(answer), told(answer, "Content-Encoding", "Vary")) == (
        f'"{SHORT}"'.encode(),
        (None, "Accept-Encoding"),
    )


def test_own_tags_are_those_of_the_encoding(ask: Ask) -> None:
    (plain,), (packed,) = told(ask("/own", "identity"), "ETag"), told(ask("/own"), "ETag")
    assert packed == f'{str(plain)[:-1]}-gzip"'


def test_the_tag_of_either_encoding_names_a_thing() -> None:
    thing = Thing("x")
    plain = entity_tag(msgspec.json.encode(thing))
    packed = f'{plain[:-1]}-gzip"'
    for tags in (plain, packed, f'"x", {packed}'):
        Expected(tags).check(thing)
    for tags in (f"W/{packed}", f'{plain[:-1]}-br"', '"-gzip"'):
        with pytest.raises(StaleError):
            Expected(tags).check(thing)


def test_a_problem_is_packed_and_has_no_tag(ask: Ask) -> None:
    answer = ask("/own", method="POST", if_none_match="*")
    assert (answer["statusCode"], json.loads(body(answer))["errors"][0]["message"]) == (422, "x" * 1024)
    assert told(answer, "Content-Encoding", "ETag", "Vary") == ("gzip", None, "Accept-Encoding")


def test_bytes_are_packed_where_they_are_text(ask: Ask) -> None:
    drawing, workbook = ask("/drawing"), ask("/workbook")
    assert body(drawing) == body(workbook) == SVG
    assert told(drawing, "Content-Encoding", "Vary") == ("gzip", "Accept, Accept-Encoding")
    assert (workbook["isBase64Encoded"], told(workbook, "Content-Encoding", "Vary")) == (True, (None, None))


@pytest.mark.parametrize("path", ["/shown", "/slim"])
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_rendering_is_shown_as_it_is_kept(ask: Ask, path: str, coding: str) -> None:
    answer, tag = ask(path, coding), RENDERING.tag
    assert body(answer) == RENDERING.body
    if coding == "gzip":
        assert b64decode(answer["body"]) == RENDERING.packed
    assert told(answer, "ETag", "Cache-Control", "Next") == (
        f'"{tag}-gzip"' if coding == "gzip" else f'"{tag}"', "public, max-age=3", "2",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/shown", "/slim", "/things/long", "/own"])
def test_who_has_an_answer_in_this_encoding_is_spared_it(ask: Ask, path: str) -> None:
    for coding in ("gzip", "identity"):
        got = ask(path, coding)
        headers = {name: got["headers"][name] for name in got["headers"].keys() - {"Content-Type", "Content-Encoding"}}
        for method in ("GET", "HEAD"):
            known = ask(path, coding, method, if_none_match=f'W/"x", {headers["ETag"]}')
            assert (known["statusCode"], known["headers"], known["body"]) == (304, headers, "")
        (other,) = told(ask(path, "br" if coding == "gzip" else "gzip"), "ETag")
        assert ask(path, coding, if_none_match=str(other))["statusCode"] == 200


def test_a_rendering_that_is_known_is_neither_packed_nor_unpacked(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = RENDERING.tag
    monkeypatch.setattr(Rendering, "plain", property(lambda _: 1 / 0))
    monkeypatch.setattr(renderings, "pack", lambda _: 1 / 0)
    assert ask("/slim", "br", if_none_match=f'"{tag}"')["statusCode"] == 304
    assert b64decode(ask("/slim")["body"]) == RENDERING.packed


@pytest.mark.parametrize("path", ["/shown", "/things/long", "/drawing", "/workbook"])
def test_head_is_get_without_its_body_when_packed_too(ask: Ask, path: str) -> None:
    assert ask(path, method="HEAD") == ask(path) | {"body": "", "isBase64Encoded": False}


@pytest.mark.parametrize(("stays", "age"), [(-5_000, 1), (0, 1), (1, 1), (1_000, 1), (1_001, 2), (86_400_000, 86_400)])
def test_clients_may_keep_a_rendering_while_it_stays(stays: int, age: int) -> None:
    shown: Shown[Any] = Shown(replace(RENDERING, stays_until=NOW + stays), NOW)
    assert shown.headers["Cache-Control"] == f"public, max-age={age}"


def test_what_is_too_long_to_be_sent_is_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderings, "LARGEST", 1_000)
    monkeypatch.setattr(renderings, "pack", lambda body: bytes(1_001) if body == f'"{LONG}"'.encode() else body)
    for path, coding, advice in (
        ("/things/long", "br", "ask with Accept-Encoding: gzip, or for less of it."),
        ("/things/long", "gzip", "ask for less of it."),
        ("/shown", "br", "ask with Accept-Encoding: gzip, or for less of it."),
    ):
        answer = ask(path, coding)
        assert (answer["statusCode"], told(answer, "ETag", "Content-Encoding")) == (413, (None, None))
        assert json.loads(body(answer))["detail"] == f"The answer is longer than 4 MB: {advice}"


@pytest.mark.parametrize(
    ("codings", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("deflate, *;q=0.1", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("*;q=0", False),
        ("x-gzip", False),
    ],
)
def test_who_takes_gzip(codings: str, takes: bool) -> None:
    assert takes_gzip(codings) is takes


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html", "json"),
        ("text/csv;q=0", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("TEXT/CSV; charset=utf-8", "csv"),
        ("text/csv, */*", "csv"),
        ("text/csv;q=0.5, */*;q=0.9", "json"),
        ("text/csv;q=0.9, application/json;q=0.8", "csv"),
        ("text/csv, application/json", "csv"),
        ("application/json, text/csv", "json"),
    ],
)
def test_the_most_welcome_format(ask: Ask, accept: str, kind: str) -> None:
    answer = ask("/formats", accept=accept)
    assert (json.loads(answer["body"]), told(answer, "Vary")) == (kind, ("Accept, Accept-Encoding",))
    assert preferred(accept, ("application/json", "text/csv")).endswith(kind)
