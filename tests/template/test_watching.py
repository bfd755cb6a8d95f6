"""What watches the system on AWS: every function has an alarm, every alarm a runbook, and all metrics are told."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from local import template

type Resource = dict[str, Any]

DOCUMENT = template.load()
RESOURCES: dict[str, Resource] = DOCUMENT["Resources"]
ALARMS = {name: each for name, each in RESOURCES.items() if each["Type"] == "AWS::CloudWatch::Alarm"}
FUNCTIONS = template.resources("AWS::Serverless::Function")
SERVING = ("Auth", "Users", "Portfolios", "Imports", "Reports", "Statements", "Alerts", "Queries")
OPERATIONS = (template.ROOT / "docs" / "operations.md").read_text()
SOURCES = "".join(
    path.read_text() for folder in ("functions", "layers/core") for path in (template.ROOT / folder).rglob("*.py")
)
SILENT = {"FeedsDown", "StreamsDown", "NewsDown"}
"""Alarms that ring when their metric is not told: whoever tells it does not run."""


def watched(alarm: Resource) -> list[Resource]:
    """The metrics that an alarm looks at."""
    properties = alarm["Properties"]
    if "Metrics" not in properties:
        return [properties]
    return [each["MetricStat"]["Metric"] for each in properties["Metrics"] if "MetricStat" in each]


def dimensions(metric: Resource) -> dict[str, Any]:
    return {each["Name"]: each["Value"] for each in metric.get("Dimensions", [])}


@pytest.fixture(scope="module")
def dashboard() -> list[Resource]:
    """The dashboard's widgets, with the resources' names where their values go."""
    body = RESOURCES["Watch"]["Properties"]["DashboardBody"]["Fn::Sub"]
    literal = body.replace("${!", "$!{")
    named = re.sub(r"\$\{([A-Za-z:.]+)\}", r"\1", literal)
    widgets: list[Resource] = json.loads(named.replace("$!{", "${"))["widgets"]
    return widgets


def graphed(dashboard: list[Resource]) -> list[list[Any]]:
    """All rows of metrics."""
    return [row for widget in dashboard for row in widget["properties"].get("metrics", [])]


def test_every_function_has_an_alarm_for_its_errors() -> None:
    functions = Counter(
        dimensions(metric)["FunctionName"]["Ref"]
        for alarm in ALARMS.values()
        for metric in watched(alarm)
        if metric["MetricName"] == "Errors"
    )
    assert functions == Counter(list(FUNCTIONS))


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_the_topic_on_aws_alone(name: str) -> None:
    alarm = ALARMS[name]["Properties"]
    assert ALARMS[name]["Condition"] in ("IsAws", "IsAwsStream", "IsAwsNews")
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "Alarms"}]
    assert alarm["TreatMissingData"] in (("breaching",) if name in SILENT else ("notBreaching", "ignore"))
    assert 1 <= alarm["DatapointsToAlarm"] <= alarm["EvaluationPeriods"]
    assert alarm["AlarmDescription"]


@pytest.mark.parametrize("name", [name for name, each in ALARMS.items() if "Metrics" in each["Properties"]])
def test_an_alarm_of_many_metrics_has_one_answer(name: str) -> None:
    metrics = ALARMS[name]["Properties"]["Metrics"]
    ids = [each["Id"] for each in metrics]
    assert len(set(ids)) == len(ids) <= 10  # CloudWatch takes no more
    assert [each["Id"] for each in metrics if each.get("ReturnData", True)] == [ids[0]]
    named = set(re.findall(r"\b[a-z]+\b", metrics[0]["Expression"]))
    assert "METRICS()" in metrics[0]["Expression"] or named == set(ids[1:])


def test_conditions_of_alarms_are_of_aws() -> None:
    for condition in ("IsAwsStream", "IsAwsNews"):
        assert {"Condition": "IsAws"} in DOCUMENT["Conditions"][condition]["Fn::And"]


def test_each_alarm_has_its_runbook_and_each_runbook_its_alarm() -> None:
    runbooks = OPERATIONS.partition("## When an alarm rings")[2].partition("\n## ")[0]
    headings = re.findall(r"^### ([A-Za-z]+)$", runbooks, re.MULTILINE)
    assert sorted(headings) == sorted(ALARMS)
    for part in re.split(r"^### [A-Za-z]+$", runbooks, flags=re.MULTILINE)[1:]:
        assert re.findall(r"^- \*\*(\w+)\.\*\*", part, re.MULTILINE) == ["Means", "Look", "Do"]


def test_metrics_of_our_own_are_told_by_the_code_with_the_stacks_name(dashboard: list[Resource]) -> None:
    own = [metric for alarm in ALARMS.values() for metric in watched(alarm) if metric["Namespace"] == "CryptoPulse"]
    assert all(dimensions(metric) == {"service": {"Ref": "AWS::StackName"}} for metric in own)
    rows = [row for row in graphed(dashboard) if row[0] == "CryptoPulse"]
    assert {tuple(row[2:4]) for row in rows} == {("service", "AWS::StackName")}
    searched = re.findall(r'MetricName=\\"(\w+)', json.dumps(dashboard))
    names = {metric["MetricName"] for metric in own} | {row[1] for row in rows} | set(searched)
    assert len(names) > len({metric["MetricName"] for metric in own})
    assert [name for name in sorted(names) if f'"{name}"' not in SOURCES] == []
    variables = DOCUMENT["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "CryptoPulse"


def test_the_dashboard_names_what_is_there() -> None:
    body = RESOURCES["Watch"]["Properties"]["DashboardBody"]["Fn::Sub"]
    named = {each.partition(".")[0] for each in re.findall(r"\$\{([A-Za-z:.]+)\}", body)}
    assert named - {"AWS::Region", "AWS::StackName"} <= set(RESOURCES)
    conditions = {RESOURCES[each].get("Condition", "IsAws") for each in named & set(RESOURCES)}
    assert conditions == {"IsAws"}


def test_the_dashboard_shows_all_alarms_and_functions(dashboard: list[Resource]) -> None:
    (shown,) = (widget["properties"]["alarms"] for widget in dashboard if widget["type"] == "alarm")
    assert sorted(shown) == sorted(f"{name}.Arn" for name, each in ALARMS.items() if each["Condition"] == "IsAws")
    asked = [widget["properties"]["query"] for widget in dashboard if widget["type"] == "log"]
    routes, errors, billed = (sorted(re.findall(r"SOURCE '(\w+)Logs'", query)) for query in asked)
    assert routes == sorted(SERVING)
    assert errors == billed == sorted(FUNCTIONS)


def test_the_dashboard_is_one_of_those_that_are_free(dashboard: list[Resource]) -> None:
    venues = 2
    searches = sum("SEARCH(" in str(row) for row in graphed(dashboard))
    metrics = {tuple(str(part) for part in row if isinstance(part, str)) for row in graphed(dashboard)} - {()}
    assert len(metrics) + searches * venues <= 50


def test_all_functions_are_traced_but_those_that_run_each_second() -> None:
    assert DOCUMENT["Globals"]["Function"]["Tracing"] == "Active"
    sparing = {"Fn::If": ["IsStream", "PassThrough", "Active"]}
    own = {name: each["Tracing"] for name, each in FUNCTIONS.items() if "Tracing" in each}
    assert own == dict.fromkeys(("EvaluateAlerts", "ProcessTicks", "FanOut"), sparing)
    assert not [name for name, each in RESOURCES.items() if "Tracing" in each.get("IgnoreGlobals", [])]
