"""The Makefile: `make help` knows every target, and the docs know no other."""

import re
import subprocess

from local.template import ROOT

TARGETS = set(re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())


def test_help_names_every_target() -> None:
    help_ = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"[a-z]+(?:-[a-z]+)*", help_)) >= TARGETS


def test_the_docs_name_targets_that_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")]
    named = {
        name
        for page in pages
        for name in re.findall(r"(?:`|^ {4})make ([a-z]+(?:-[a-z]+)*)", page.read_text(), re.MULTILINE)
    }
    assert len(named) > 20
    assert named <= TARGETS
