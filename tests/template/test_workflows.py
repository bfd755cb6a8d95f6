"""GitHub's workflows and the stages: pinned, with no more rights than needed, and nothing waits for ever."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from local import template

WORKFLOWS = {path.stem: path for path in (template.ROOT / ".github/workflows").glob("*.yml")}
USES = re.compile(r"^[\s-]*uses: *(.*)$", re.MULTILINE)
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
STAGES: dict[str, Any] = tomllib.loads((template.ROOT / "samconfig.toml").read_text())


def read(name: str) -> dict[str, Any]:
    """A workflow; its key `on` keeps its name."""
    document: dict[str, Any] = yaml.load(WORKFLOWS[name].read_text(), yaml.BaseLoader)  # noqa: S506 (BaseLoader makes strings only)
    return document


def actions(name: str) -> list[str]:
    """What a workflow uses, but for our own workflows, as it is written."""
    return [each for each in USES.findall(WORKFLOWS[name].read_text()) if not each.startswith("./.github/workflows/")]


def test_there_are_workflows_with_actions() -> None:
    assert {*WORKFLOWS} >= {"test", "stage", "deploy"}
    assert sum(len(actions(name)) for name in WORKFLOWS) > 5


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_action_is_pinned_by_a_commit_and_tells_its_version(name: str) -> None:
    assert [each for each in actions(name) if not PINNED.fullmatch(each)] == []


def test_an_action_has_one_version() -> None:
    used = {each for name in WORKFLOWS for each in actions(name)}
    assert len(used) == len({each.partition("@")[0] for each in used})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_job_names_its_rights_and_its_time(name: str) -> None:
    for job in read(name)["jobs"].values():
        assert job["permissions"]
        assert "uses" in job or 0 < int(job["timeout-minutes"]) <= 60  # a called workflow's jobs have their own


@pytest.mark.parametrize("name", WORKFLOWS)
def test_only_deployments_may_ask_for_an_identity(name: str) -> None:
    asking = {key for key, job in read(name)["jobs"].items() if "id-token" in job["permissions"]}
    assert asking == {"deploy": {"dev", "prod"}, "stage": {"deploy"}}.get(name, set())
    written = [right for job in read(name)["jobs"].values() for right in job["permissions"].items()]
    assert {*written} <= {("contents", "read"), ("id-token", "write")}


def test_a_pull_request_gets_no_secret_and_no_rights() -> None:
    test = read("test")
    assert {*test["on"]} == {"pull_request", "workflow_call"}
    assert "secrets." not in "".join(path.read_text() for path in WORKFLOWS.values())
    assert "pull_request_target" not in "".join(path.read_text() for path in WORKFLOWS.values())


def test_main_is_tested_then_deployed_to_dev_then_to_prod_where_it_is_approved() -> None:
    deploy = read("deploy")
    assert deploy["on"] == {"push": {"branches": ["main"]}}
    needed = {key: job.get("needs") for key, job in deploy["jobs"].items()}
    assert needed == {"test": None, "dev": "test", "prod": "dev"}
    assert [deploy["jobs"][stage]["with"]["stage"] for stage in ("dev", "prod")] == ["dev", "prod"]
    assert read("stage")["jobs"]["deploy"]["environment"] == "${{ inputs.stage }}"


def test_what_takes_long_is_run_each_week() -> None:
    weekly = read("weekly")
    assert {*weekly["on"]} == {"schedule", "workflow_dispatch"}
    assert weekly["jobs"]["long"]["strategy"]["matrix"]["target"] == ["bench", "chaos", "fuzz", "scan", "soak"]
    assert weekly["jobs"]["long"]["steps"][-1] == {"run": "make ${{ matrix.target }}"}


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_stage_is_a_stack_of_its_own_with_tags_and_parameters_that_exist(stage: str) -> None:
    own, usual = (STAGES[name]["deploy"]["parameters"] for name in (stage, "default"))
    differing = {"stack_name", "tags", "parameter_overrides"}
    assert own.keys() == usual.keys() | {"parameter_overrides"}
    assert {name: own[name] for name in own.keys() - differing} == {
        name: usual[name] for name in usual.keys() - differing
    }
    assert own["stack_name"] == f"{usual['stack_name']}-{stage}"
    assert own["tags"] == f"{usual['tags']} stage={stage}"
    declared = template.load()["Parameters"]
    for override in own["parameter_overrides"].split():
        name, _, value = override.partition("=")
        assert value in declared[name].get("AllowedValues", [value])
        assert re.fullmatch(declared[name].get("AllowedPattern", ".*"), value)


def test_dependabot_looks_wherever_versions_are_pinned() -> None:
    updates = yaml.safe_load((template.ROOT / ".github/dependabot.yml").read_text())["updates"]
    looked = {each["package-ecosystem"]: each.get("directories") or [each["directory"]] for each in updates}
    pinned = [*template.ROOT.glob("layers/*/requirements.in"), *template.ROOT.glob("functions/*/requirements.in")]
    folders = {f"/{path.parent.relative_to(template.ROOT)}" for path in pinned} | {"/requirements"}
    assert (set(looked["pip"]), looked["npm"], looked["github-actions"]) == (folders, ["/web"], ["/"])
