"""Which licences are allowed, and that what we have is."""

import json
from email.message import Message
from importlib.metadata import PackageMetadata
from pathlib import Path
from typing import cast

import pytest

from local import licences
from local.licences import SHIPPED, USED, Dependency


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("(MIT OR CC0-1.0)", True),
        ("MIT AND PSF-2.0", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only", False),
        ("LGPL", False),
        ("MPL-2.0", True),
        ("none", False),
    ],
)
def test_one_side_of_an_or_and_all_of_an_and_are_allowed(licence: str, allowed: bool) -> None:
    assert licences.is_allowed(licence, SHIPPED) is allowed


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "BSD-3-Clause"), ("License", "x")], "BSD-3-Clause"),
        (
            [
                ("Classifier", f"License :: OSI Approved :: {name}")
                for name in ("BSD License", "Apache Software License")
            ],
            "BSD OR Apache-2.0",
        ),
        ([("Classifier", "License :: OSI Approved"), ("License", "EPL-2.0 OR GPL-2.0")], "EPL-2.0 OR GPL-2.0"),
        ([("License", "MIT License")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: Some Licence")], "Some Licence"),
        ([], "none"),
    ],
)
def test_what_a_distribution_says(fields: list[tuple[str, str]], licence: str) -> None:
    about = Message()
    for name, value in fields:
        about[name] = value
    assert licences.spoken(cast(PackageMetadata, about)) == licence


def test_a_weak_copyleft_is_for_developers_only() -> None:
    found = [Dependency("a", "LGPL", False), Dependency("b", "LGPL", True), Dependency("c", "GPL-3.0", False)]
    assert licences.refused(iter(found)) == found[1:]
    assert SHIPPED < USED


def test_a_lock_files_own_package_is_none_of_its_dependencies(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    packages = {
        "": {"license": "MIT"},
        "node_modules/a": {"license": "ISC"},
        "node_modules/a/node_modules/@b/c": {"dev": True},
    }
    (tmp_path / "web/package-lock.json").write_text(json.dumps({"packages": packages}))
    told = [Dependency("a", "ISC", True), Dependency("@b/c", "none", False)]
    assert [*licences.npm_dependencies(tmp_path)] == told


def test_all_that_we_have_is_allowed() -> None:
    python, npm = [*licences.python_dependencies()], [*licences.npm_dependencies()]
    assert {each.name for each in python if each.is_shipped} >= {"msgspec", "pandas", "feedparser", "numpy"}
    assert len(python) > 100
    assert {each.name for each in npm if each.is_shipped} >= {"react"}
    assert licences.refused(iter(python + npm)) == []
