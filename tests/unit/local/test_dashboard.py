"""The dashboard's build: when it is made anew, and what is said where it cannot be, with a Node.js of a few lines."""

import json
import os
from pathlib import Path

import pytest

from local import dashboard
from local.dashboard import NodeError, build, cache_control, content_type, files, is_page, main, run
from local.processes import ProblemError

NODE = """#!/bin/sh
echo {version}
"""
NPM = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
  ci) mkdir -p node_modules ;;
  "run build")
    test -e broken && { echo "x is not defined"; exit 2; }
    rm -rf dist; mkdir dist; echo page > dist/index.html ;;
  "run --silent check") test ! -e broken ;;
esac
"""


class Tools:
    """A folder of sources, and an npm that keeps what it was asked."""

    def __init__(self, place: Path) -> None:
        self.web = place / "web"
        self.bin = place / "bin"
        self.log = place / "npm.log"
        self.told: list[str] = []

    @property
    def asked(self) -> list[str]:
        """What npm was asked since the last time."""
        said = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return said

    def build(self) -> Path:
        return build(self.told.append, self.web)

    def write(self, name: str, text: str) -> None:
        path = self.web / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    tools = Tools(tmp_path)
    tools.bin.mkdir()
    tools.program("node", NODE.format(version="v22.1.0"))
    tools.program("npm", NPM)
    tools.write("package.json", "{}")
    tools.write("package-lock.json", json.dumps({"lockfileVersion": 3}))
    tools.write("src/main.tsx", "1")
    monkeypatch.setenv("PATH", f"{tools.bin}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("LOG", str(tools.log))
    return tools


def test_it_is_built_once(tools: Tools) -> None:
    assert tools.build() == tools.web / "dist"
    assert (tools.asked, len(tools.told)) == (["ci", "run build"], 2)
    tools.build()
    assert (tools.asked, len(tools.told)) == ([], 2)


@pytest.mark.parametrize("name", ["src/main.tsx", "src/new.css", "vite.config.ts", "public/icon.svg"])
def test_it_is_built_again_when_a_source_changes(tools: Tools, name: str) -> None:
    tools.build()
    tools.write(name, "2")
    _ = tools.asked
    tools.build()
    assert tools.asked == ["run build"]


def test_a_source_that_is_gone_or_renamed_is_a_change(tools: Tools) -> None:
    tools.build()
    (tools.web / "src/main.tsx").rename(tools.web / "src/other.tsx")
    _ = tools.asked
    tools.build()
    assert tools.asked == ["run build"]


@pytest.mark.parametrize("name", ["dist/index.html", "node_modules/react/index.js", "src/api/schema.d.ts"])
def test_what_is_made_from_the_sources_is_none(tools: Tools, name: str) -> None:
    tools.build()
    tools.write(name, "generated")
    _ = tools.asked
    tools.build()
    assert tools.asked == []


def test_other_packages_are_installed_first(tools: Tools) -> None:
    tools.build()
    tools.write("package-lock.json", json.dumps({"lockfileVersion": 3, "packages": {}}))
    _ = tools.asked
    tools.build()
    assert tools.asked == ["ci", "run build"]


def test_a_build_that_fails_tells_why_and_is_tried_again(tools: Tools) -> None:
    tools.write("broken", "")
    for _ in range(2):
        with pytest.raises(ProblemError, match=r"(?s)`npm run build` failed.*x is not defined"):
            tools.build()
    (tools.web / "broken").unlink()
    _ = tools.asked
    tools.build()
    assert tools.asked == ["run build"]


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.9", "nonsense", ""])
def test_a_node_that_is_too_old_is_told_in_one_line(tools: Tools, version: str) -> None:
    tools.program("node", NODE.format(version=version))
    with pytest.raises(NodeError, match=r"^Node.js 20.19 or newer is needed, .*https://nodejs.org") as told:
        tools.build()
    assert "\n" not in str(told.value)
    assert tools.asked == []


@pytest.mark.parametrize("version", ["v20.19.0", "v24.0.1"])
def test_a_node_that_is_new_enough_builds(tools: Tools, version: str) -> None:
    tools.program("node", NODE.format(version=version))
    tools.build()
    assert tools.asked == ["ci", "run build"]


@pytest.mark.parametrize(("gone", "named"), [("node", "Node.js"), ("npm", "npm")])
def test_who_has_no_node_is_told_where_it_is(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, gone: str, named: str
) -> None:
    (tools.bin / gone).unlink()
    monkeypatch.setenv("PATH", str(tools.bin))
    with pytest.raises(NodeError, match=rf"^{named} is missing \(Node.js 20.19 or newer\)"):
        tools.build()


def test_a_script_runs_with_its_packages(tools: Tools) -> None:
    run("check", tools.told.append, tools.web)
    assert tools.asked == ["ci", "run --silent check"]
    tools.write("broken", "")
    with pytest.raises(ProblemError, match="`npm run check` failed"):
        run("check", tools.told.append, tools.web)


@pytest.mark.parametrize(("ci", "code"), [(None, 0), ("true", 1)])
def test_without_node_it_is_left_out_loudly_but_not_in_ci(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ci: str | None, code: int
) -> None:
    (tools.bin / "node").unlink()
    monkeypatch.setenv("PATH", str(tools.bin))
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", ci)
    assert main(["check"]) == code
    assert capsys.readouterr().err.startswith("!! the dashboard is left out: Node.js is missing")


def test_what_fails_is_told(tools: Tools, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object) -> None:
        raise ProblemError("`npm run check` failed")

    monkeypatch.setattr(dashboard, "run", fail)
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "✗ `npm run check` failed\n"


def test_what_is_served(tools: Tools) -> None:
    tools.build()
    tools.write("dist/assets/index-abc.js", "")
    assert files(tools.web / "dist") == ["assets/index-abc.js", "index.html"]


@pytest.mark.parametrize(
    ("path", "media", "kept"),
    [
        ("index.html", "text/html; charset=utf-8", "no-cache"),
        ("theme.js", "text/javascript; charset=utf-8", "no-cache"),
        ("icon.svg", "image/svg+xml", "no-cache"),
        ("manifest.webmanifest", "application/manifest+json", "no-cache"),
        ("assets/index-abc.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("assets/index-abc.css", "text/css; charset=utf-8", "public, max-age=31536000, immutable"),
        ("assets/font-abc.woff2", "font/woff2", "public, max-age=31536000, immutable"),
        ("LICENCE", "application/octet-stream", "no-cache"),
    ],
)
def test_each_file_has_its_type_and_time(path: str, media: str, kept: str) -> None:
    assert (content_type(path), cache_control(path)) == (media, kept)


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("", True),
        ("portfolios", True),
        ("market/BTC-USD", True),
        ("v1.2/portfolios", True),
        ("assets/a.js", False),
        ("favicon.ico", False),
    ],
)
def test_what_is_a_page(path: str, page: bool) -> None:
    assert is_page(path) is page
