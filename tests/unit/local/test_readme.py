"""The README's commands, typed in their order, have the files that they read."""

import re

from local.template import ROOT


def test_a_command_reads_only_what_one_before_it_has_written() -> None:
    written: set[str] = set()
    read: set[str] = set()
    for command in re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(), re.MULTILINE):
        named = set(re.findall(r"@([\w.-]+\.\w+)$", command))
        assert named <= written
        read |= named
        written |= set(re.findall(r" > ([\w.-]+)$", command))
    assert read
