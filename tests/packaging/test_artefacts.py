"""What `make build` makes for this machine: complete, small, compiled, and quick to import.

Each handler is imported by a fresh interpreter that has only its own folder, the layers and an empty environment.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local import template

FUNCTIONS = template.resources("AWS::Serverless::Function")
ARTEFACTS = template.ROOT / ".aws-sam" / "host"
LAYERS_MB = 120
LAYERS = {"Dependencies": "layers/dependencies", "Analytics": "layers/analytics"}
OWNERS = ("functions/statements", "functions/ingest_news")
SHIPPED = tuple(f"{folder}/requirements.txt" for folder in (*LAYERS.values(), *OWNERS))
UNZIPPED_MB = 250
"""Lambda's limit of a function with its layers."""
HEAVY = frozenset(("aws_xray_sdk", "boto3", "numpy", "pandas", "polars", "scipy", "talib"))
CREDENTIALS = frozenset(("argon2", "cryptography", "email_validator", "jwt"))
"""What only the functions that keep accounts are to wait for."""
KEEP_ACCOUNTS = {"Auth", "Users", "Portfolios", "Imports", "Reports", "Statements", "Alerts"}

OWN = {"Statements": {"numpy", "pandas"}}
"""What a function brings along in its own artefact, and no other."""
ANALYTICS = {"Queries", "WarmCache"}
"""What carries the layer of that name, but waits for it only when asked for analytics."""

IMPORT = """
import importlib.util, json, sys

compiled = []
original = importlib._bootstrap_external.SourceLoader.source_to_code
def source_to_code(self, data, path, **options):
    compiled.append(path)
    return original(self, data, path, **options)
importlib._bootstrap_external.SourceLoader.source_to_code = source_to_code

import app

assert callable(app.handler)
for name in later:
    importlib.import_module(name)
print(json.dumps({"modules": sorted(sys.modules), "compiled": compiled}))
"""


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """The host build, made anew."""
    done = subprocess.run(
        ["make", "--no-print-directory", "build-host"], cwd=template.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return ARTEFACTS


def parts(function: str) -> list[str]:
    """The folders of artefacts that Lambda puts together for a function."""
    return [function, *(["Analytics"] if function in ANALYTICS else []), "Dependencies", "Core"]


def imported(artefacts: Path, function: str, *later: str) -> dict[str, list[str]]:
    """What importing a handler, and then others of its modules, loads and has to compile.

    As Lambda would: `-I` and no site-packages.
    """
    own, *layers = parts(function)
    places = [str(artefacts / own), *(str(artefacts / layer / "python") for layer in layers)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", f"import sys; sys.path[:0] = {places}; later = {later}\n{IMPORT}"],
        env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[str]] = json.loads(done.stdout)
    return answer


def megabytes(artefacts: Path, folders: list[str]) -> float:
    return (
        sum(path.stat().st_size for each in folders for path in (artefacts / each).rglob("*") if path.is_file()) / 1e6
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_imports_alone_compiled_and_lean(artefacts: Path, function: str) -> None:
    seen = imported(artefacts, function)
    assert seen["compiled"] == []
    refused = (HEAVY if function in KEEP_ACCOUNTS else HEAVY | CREDENTIALS) - OWN.get(function, set())
    assert refused.isdisjoint(module.partition(".")[0] for module in seen["modules"])


@pytest.mark.parametrize("function", sorted(ANALYTICS))
def test_analytics_import_compiled_and_without_what_their_engine_looks_for(artefacts: Path, function: str) -> None:
    domain = "cryptopulse.domain"
    seen = imported(artefacts, function, f"{domain}.technical", f"{domain}.volatility", f"{domain}.correlation")
    assert seen["compiled"] == []
    assert {module.partition(".")[0] for module in seen["modules"]} & HEAVY == {"numpy", "talib"}


def test_news_are_read_and_scored_by_what_comes_along(artefacts: Path) -> None:
    sources = ("cryptopulse.feeds.rss", "cryptopulse.feeds.newsapi", "cryptopulse.domain.sentiment")
    seen = imported(artefacts, "IngestNews", *sources)
    assert seen["compiled"] == []
    assert HEAVY.isdisjoint(module.partition(".")[0] for module in seen["modules"])
    assert 1 < megabytes(artefacts, ["IngestNews"]) < 3


@pytest.mark.parametrize("function", ["FanOut", "Queries", "Websocket"])
def test_who_shows_news_needs_nothing_that_scores_them(artefacts: Path, function: str) -> None:
    seen = imported(artefacts, function, "cryptopulse.aws.news", "cryptopulse.domain.news_views")
    assert seen["compiled"] == []
    assert {"feedparser", "vaderSentiment"}.isdisjoint(seen["modules"])


def test_all_byte_code_is_valid_whatever_the_date_of_its_source(artefacts: Path) -> None:
    sources = list(artefacts.rglob("*.py"))
    assert sources
    for source in sources:
        (code,) = source.parent.glob(f"__pycache__/{source.stem}.cpython-313.pyc")
        assert code.read_bytes()[4:8] == b"\x01\x00\x00\x00", code  # hash-based, unchecked


def test_the_layers_leave_room_below_lambdas_limit(artefacts: Path) -> None:
    assert 1 < megabytes(artefacts, ["Dependencies", "Core"]) <= LAYERS_MB


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_fits_with_its_layers(artefacts: Path, function: str) -> None:
    assert 1 < megabytes(artefacts, parts(function)) <= (UNZIPPED_MB if function in OWN else LAYERS_MB)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_has_wheels_of_the_pinned_versions(artefacts: Path, layer: str) -> None:
    built = {tuple(path.stem.rsplit("-", 1)) for path in (artefacts / layer / "python").glob("*.dist-info")}
    assert {(name.lower().replace("_", "-"), version) for name, version in built} == pins(
        f"{LAYERS[layer]}/requirements.txt"
    )


@pytest.mark.parametrize("file", SHIPPED)
def test_the_environment_has_the_artefacts_own_versions(file: str) -> None:
    assert pins(file) <= pins("requirements/dev.txt")


@pytest.mark.parametrize("file", [*SHIPPED, "requirements/dev.txt"])
def test_requirements_are_hashed_and_name_no_place(file: str) -> None:
    text = (template.ROOT / file).read_text()
    assert "://" not in text
    blocks = [block for block in text.replace("\\\n", "").splitlines() if block and not block.startswith("#")]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


def pins(file: str) -> set[tuple[str, str]]:
    lines = (template.ROOT / file).read_text().splitlines()
    pinned = (line.split()[0].partition("==") for line in lines if "==" in line)
    return {(name, version) for name, _, version in pinned}
