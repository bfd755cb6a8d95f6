"""The licences of all dependencies against those allowed: offline, from what is installed and what npm has locked."""

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from typing import Final, NamedTuple

from local.template import ROOT

PERMISSIVE: Final = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"),
        *("OFL-1.1", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
    }
)
WEAK: Final = frozenset({"Artistic", "EPL-2.0", "LGPL", "MPL-2.0"})
"""Copyleft of their own files: unchanged, they may be used, and MPL's shipped too."""
SHIPPED: Final = PERMISSIVE | {"MPL-2.0"}
USED: Final = PERMISSIVE | WEAK
"""What only developers run; nobody gets it from us."""
NAMES: Final = {
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic",
    "BSD License": "BSD",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""SPDX's, by those of the package index."""
READ: Final = {"cookiecutter": "BSD-3-Clause", "ta-lib": "BSD-2-Clause"}
"""Of packages whose metadata name none: read in their licence files."""


class Dependency(NamedTuple):
    """A package, what it says of its licence as SPDX has it, and whether it is in what we give away."""

    name: str
    licence: str
    is_shipped: bool


def is_allowed(licence: str, allowed: frozenset[str]) -> bool:
    """Whether an SPDX expression, without inner brackets, is: one side of an OR, all sides of an AND."""
    sides = licence.strip("()").split(" OR ")
    return any(all(part in allowed for part in side.strip("()").split(" AND ")) for side in sides)


def spoken(about: PackageMetadata) -> str:
    """What a distribution says of its licence; of several classifiers one may be chosen."""
    if expression := about.get("License-Expression"):
        return expression
    classified = [
        each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if each.startswith("License :: OSI")
    ]
    named = [NAMES.get(each, each) for each in classified if each != "OSI Approved"]
    text = about.get("License") or "none"
    return " OR ".join(named) or NAMES.get(text, text)


def python_dependencies(root: Path = ROOT) -> Iterator[Dependency]:
    """Of all requirements files, as far as they are for this platform."""
    shipped = {name for path in (*root.glob("layers/*"), *root.glob("functions/*")) for name in _required(path)}
    for name in sorted(shipped | {*_required(root / "requirements", "dev.txt")}):
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue
        yield Dependency(name, READ.get(name) or spoken(about), name in shipped)


def _required(folder: Path, file: str = "requirements.txt") -> list[str]:
    path = folder / file
    pinned = re.findall(r"^([\w.-]+)(?:\[.*?\])?==", path.read_text(), re.MULTILINE) if path.exists() else []
    return [re.sub(r"[-_.]+", "-", name).lower() for name in pinned]


def npm_dependencies(root: Path = ROOT) -> Iterator[Dependency]:
    """Of the dashboard's lock file."""
    for path, about in json.loads((root / "web/package-lock.json").read_bytes())["packages"].items():
        if path:
            name = path.rpartition("node_modules/")[2]
            yield Dependency(name, about.get("license", "none"), not about.get("dev", False))


def refused(dependencies: Iterator[Dependency]) -> list[Dependency]:
    """Those whose licence is not allowed where they are used."""
    return [each for each in dependencies if not is_allowed(each.licence, SHIPPED if each.is_shipped else USED)]


def main() -> int:
    """Prints what is refused.

    Returns:
        How many are.
    """
    found = refused(python_dependencies()) + refused(npm_dependencies())
    for each in found:
        print(f"{each.name}: {each.licence!r} is not allowed ({'shipped' if each.is_shipped else 'for developers'})")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
