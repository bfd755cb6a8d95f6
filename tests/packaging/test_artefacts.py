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
SHIPPED = ("layers/dependencies/requirements.txt", "functions/statements/requirements.txt")
UNZIPPED_MB = 250
"""Lambda's limit of a function with its layers."""
HEAVY = {"aws_xray_sdk", "boto3", "pandas", "polars", "scipy", "talib"}
CREDENTIALS = {"argon2", "cryptography", "email_validator", "jwt"}
"""What only the functions that keep accounts are to wait for."""
KEEP_ACCOUNTS = {"Auth", "Users", "Portfolios", "Imports", "Reports", "Statements", "Alerts"}

OWN = {"Statements": {"pandas"}}
"""What a function brings along in its own artefact, and no other."""

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


def imported(artefacts: Path, function: str) -> dict[str, list[str]]:
    """What importing a handler loads, and what it has to compile, as Lambda would: `-I` and no site-packages."""
    places = [str(artefacts / function), str(artefacts / "Dependencies/python"), str(artefacts / "Core/python")]
    program = f"import sys; sys.path[:0] = {places}\n{IMPORT}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program], env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[str]] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_imports_alone_compiled_and_lean(artefacts: Path, function: str) -> None:
    seen = imported(artefacts, function)
    assert seen["compiled"] == []
    refused = HEAVY if function in KEEP_ACCOUNTS else HEAVY | CREDENTIALS
    refused -= OWN.get(function, set())
    assert refused.isdisjoint(module.partition(".")[0] for module in seen["modules"])


def test_all_byte_code_is_valid_whatever_the_date_of_its_source(artefacts: Path) -> None:
    sources = list(artefacts.rglob("*.py"))
    assert sources
    for source in sources:
        (code,) = source.parent.glob(f"__pycache__/{source.stem}.cpython-313.pyc")
        assert code.read_bytes()[4:8] == b"\x01\x00\x00\x00", code  # hash-based, unchecked


def test_the_layers_leave_room_below_lambdas_limit(artefacts: Path) -> None:
    size = sum(
        path.stat().st_size
        for layer in ("Dependencies", "Core")
        for path in (artefacts / layer).rglob("*")
        if path.is_file()
    )
    assert 1 < size / 1e6 <= LAYERS_MB


def test_the_dependencies_are_wheels_of_the_pinned_versions(artefacts: Path) -> None:
    built = {tuple(path.stem.rsplit("-", 1)) for path in (artefacts / "Dependencies/python").glob("*.dist-info")}
    assert {(name.lower().replace("_", "-"), version) for name, version in built} == pins(
        "layers/dependencies/requirements.txt"
    )


@pytest.mark.parametrize("file", SHIPPED)
def test_the_environment_has_the_artefacts_own_versions(file: str) -> None:
    assert pins(file) <= pins("requirements/dev.txt")


def test_statements_fit_with_the_layers(artefacts: Path) -> None:
    size = sum(
        path.stat().st_size
        for part in ("Statements", "Dependencies", "Core")
        for path in (artefacts / part).rglob("*")
        if path.is_file()
    )
    assert size / 1e6 <= UNZIPPED_MB


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
