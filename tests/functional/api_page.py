"""docs/api.md as a session at a shell: its commands, and what it shows of their answers."""

import argparse
import json
import re
import shlex
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from local.template import ROOT

PAGE = (ROOT / "docs/api.md").read_text()
REST = "…"
ID = re.compile("[0-9a-f]{32}")

_CURL = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
_CURL.add_argument("url")
_CURL.add_argument("-s", action="store_true")
_CURL.add_argument("-i", action="store_true")
_CURL.add_argument("-X", dest="method")
_CURL.add_argument("-H", dest="headers", action="append", default=[])
_CURL.add_argument("-d", "--data-binary", dest="body")
_CURL.add_argument("--etag-save")
_CURL.add_argument("--etag-compare")


class Example(NamedTuple):
    """A command and the answer shown below it."""

    command: str
    shown: str


class Call(NamedTuple):
    """A request that curl sends."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str | None
    is_with_headers: bool
    """Whether status and headers are printed too."""
    tag_file: str | None
    """Where the answer's tag is put."""


class Command(NamedTuple):
    """What the page has one type: a request, a variable's value, or both."""

    call: Call | None
    variable: str | None = None
    value: str = ""
    """Of the variable, where nothing is asked."""
    field: str = ""
    """What of the answer the variable becomes."""


def blocks(language: str) -> list[str]:
    """What stands in the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def examples() -> list[Example]:
    """All of the page, in order."""
    found = []
    for entry in (each for block in blocks("console") for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]):
        lines = entry.splitlines()
        size = next(size for size in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:size])))
        found.append(Example("\n".join(lines[:size]), "\n".join(lines[size:]).strip()))
    return found


def _is_whole(text: str) -> bool:
    """Whether a command ends here: no quotation is open, and no backslash asks for another line."""
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


def read(command: str, variables: dict[str, str], tags: dict[str, str]) -> Command:
    """A command as the shell and curl read it.

    Args:
        command: `curl …`, `NAME=…` or `NAME=$(curl … | field name)`.
        variables: The shell's.
        tags: What `--etag-save` has put into files.
    """
    if taken := re.fullmatch(r"(\w+)=\$\((.*) \| field (\w+)\)", command, re.DOTALL):
        return Command(_call(words(taken[2], variables), tags), taken[1], field=taken[3])
    if given := re.fullmatch(r"(\w+)=(.*)", command):
        (value,) = words(given[2], variables)
        return Command(None, given[1], value)
    return Command(_call(words(command, variables), tags))


def words(text: str, variables: dict[str, str]) -> list[str]:
    """What the shell makes of a line: variables become their values, but in single quotes."""
    marked = re.sub(r"('[^']*')|\$(\w+)", lambda found: found[1] or f"\0{found[2]}\0", text.replace("\\\n", ""))
    return [re.sub("\0(.*?)\0", lambda found: variables[found[1]], word) for word in shlex.split(marked)]


def _call(command: list[str], tags: dict[str, str]) -> Call:
    assert command[0] == "curl"
    given = _CURL.parse_args(command[1:])
    url = urlsplit(given.url)
    headers = {name.lower(): value for name, value in (header.split(": ", 1) for header in given.headers)}
    if given.etag_compare:
        headers["if-none-match"] = tags[given.etag_compare]
    method = given.method or ("GET" if given.body is None else "POST")
    return Call(method, url.path, dict(parse_qsl(url.query)), headers, given.body, given.i, given.etag_save)


def abridged(text: str) -> Any:
    """An answer as it is shown: JSON in which `…` may end an object or a list."""
    return json.loads(re.sub(r"…(?=\s*\])", f'"{REST}"', re.sub(r"…(?=\s*\})", f'"{REST}": null', text)))


def differences(shown: Any, given: Any, ids: dict[str, str], at: str = "answer") -> list[str]:
    """Where an answer is not as it is shown.

    Args:
        shown: `…` stands for the rest of an object, a list or a text, of which there must be some.
        given: The answer.
        ids: Which id shown stands for which one given; those seen first are added.
        at: Where in the answer this is.
    """
    match shown, given:
        case dict(), dict():
            names = shown.keys() - {REST}
            if not (names < given.keys() if REST in shown else names == given.keys()):
                return [f"{at} has {', '.join(given)}"]
            return [line for name in names for line in differences(shown[name], given[name], ids, f"{at}.{name}")]
        case list(), list():
            items = shown[:-1] if shown[-1:] == [REST] else shown
            if not (len(items) < len(given) if REST in shown else len(items) == len(given)):
                return [f"{at} has {len(given)} items"]
            pairs = enumerate(zip(items, given, strict=False))
            return [line for number, (a, b) in pairs for line in differences(a, b, ids, f"{at}[{number}]")]
        case str(), str() if ID.fullmatch(shown) and ID.fullmatch(given):
            return [] if ids.setdefault(shown, given) == given else [f"{at} is another id than before"]
        case str(), str():
            is_like = re.fullmatch(re.escape(shown).replace(REST, ".+"), given)
            return [] if is_like else [f"{at} is {given!r}"]
    return [] if shown == given and type(shown) is type(given) else [f"{at} is {given!r}"]
