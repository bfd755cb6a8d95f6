"""docs/architecture.md names the functions, triggers, tables and queues of template.yaml, and no others."""

import re
from typing import Any

import pytest

from local.template import ROOT, resources

PAGE = (ROOT / "docs/architecture.md").read_text()
DIAGRAM = PAGE.partition("```mermaid\n")[2].partition("\n```")[0]
BY_ID = resources("AWS::Serverless::Function")
FUNCTIONS = {function["CodeUri"].removeprefix("functions/"): function for function in BY_ID.values()}
GROUPS = {
    "by the clock": {"ScheduleV2"},
    "by records of Stream": {"Kinesis"},
    "by messages of a queue": {"SQS"},
    "by requests to Api": set(),
    "by frames to WebSocketApi": set(),
}
"""The types of the events that start the functions of a group."""
SPOKEN = {
    '"rate(1 minute)"': "every minute",
    '"rate(15 minutes)"': "every 15 minutes",
    '"lane#': "the stream, `lane#…`",
    '"fan#': "the stream, `fan#…`",
    "Queue": "SQS",
}
"""How the table begins to tell of an event that mentions this."""
KEPT = {"Accounts", "Market", "Connections", "Stream"}
READS = {"dynamodb:GetItem", "dynamodb:Query"}
WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "kinesis:PutRecords"}


def nodes(opening: str, closing: str, text: str = DIAGRAM) -> dict[str, str]:
    """The labels of the nodes of a shape, by their ids."""
    return dict(re.findall(rf'^ *(\w+){re.escape(opening)}"(.+)"{re.escape(closing)}$', text, re.MULTILINE))


def boxes(text: str = DIAGRAM) -> dict[str, list[str]]:
    """The functions of each box."""
    return {id_: re.findall(r"(?<!<)\b[a-z_]+\b(?!>)", label) for id_, label in nodes("[", "]", text).items()}


def within(group: str) -> dict[str, list[str]]:
    """The boxes of a group."""
    return boxes(DIAGRAM.partition(f'["{group}"]\n')[2].partition("  end\n")[0])


def ends(sign: str) -> set[tuple[str, str]]:
    """What arrows (`-->`) or lines (`---`) join."""
    halves = [line.split(f" {sign} ") for line in DIAGRAM.splitlines() if f" {sign} " in line]
    return {(a.strip(), b.strip()) for left, right in halves for a in left.split("&") for b in right.split("&")}


def events(name: str) -> list[dict[str, Any]]:
    return list(FUNCTIONS[name].get("Events", {}).values())


def served() -> set[str]:
    """The functions behind the HTTP API."""
    ids = [name.removesuffix("Integration") for name in resources("AWS::ApiGatewayV2::Integration")]
    return {name for name, function in FUNCTIONS.items() if any(function is BY_ID[id_] for id_ in ids)}


def allowed(name: str, resource: str) -> set[str]:
    """What a function may do to a resource."""
    statements = [each for policy in FUNCTIONS[name]["Policies"] for each in policy["Statement"]]
    actions = [each["Action"] for each in statements if each.get("Resource") == {"Fn::GetAtt": [resource, "Arn"]}]
    return {action for each in actions for action in ([each] if isinstance(each, str) else each)}


def test_every_function_stands_once_in_the_diagram_and_in_the_table() -> None:
    assert sorted(name for box in boxes().values() for name in box) == sorted(FUNCTIONS)
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE.partition("\n## ")[0], re.MULTILINE)) == sorted(FUNCTIONS)


def test_a_function_stands_in_the_group_of_what_starts_it() -> None:
    assert set(re.findall(r'subgraph \w+\["(.*)"\]', DIAGRAM)) == GROUPS.keys()
    for group, kinds in GROUPS.items():
        for name in (name for box in within(group).values() for name in box):
            assert {event["Type"] for event in events(name)} == kinds, name
    assert {name for box in within("by requests to Api").values() for name in box} == served()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_table_tells_what_starts_a_function(name: str) -> None:
    (told,) = re.findall(rf"^\| `{name}` \| (.*?) \|", PAGE, re.MULTILINE)
    spoken = [words for event in events(name) for mark, words in SPOKEN.items() if mark in str(event).replace("'", '"')]
    (trigger,) = spoken or ["HTTP API" if name in served() else "WebSocket API"]
    assert told.startswith(trigger)


def test_tables_stream_and_queues_are_those_of_the_template() -> None:
    assert set(nodes("[(", ")]").values()) == set(resources("AWS::DynamoDB::Table"))
    assert set(nodes("[[", "]]").values()) == set(resources("AWS::Kinesis::Stream"))
    queues: dict[str, str] = dict(re.findall(r'"(\w+)<br><i>(\w+)</i>"', DIAGRAM))
    assert {*queues.values(), "Failures"} == set(resources("AWS::SQS::Queue"))
    for name, queue in queues.items():
        assert [event["Properties"]["Queue"] for event in events(name)] == [{"Fn::GetAtt": [queue, "Arn"]}]


def test_arrows_and_lines_are_ways_that_policies_allow() -> None:
    """To a table or the stream: who stands at an arrow's tail may write there, at a line's end read; so with queues."""
    queues: dict[str, str] = dict(re.findall(r"(\w+)\[.*<i>(\w+)</i>", DIAGRAM))
    ways = [(box, head, WRITES) for box, head in ends("-->") if head in KEPT]
    ways += [(box, queues[head], {"sqs:SendMessage"}) for box, head in ends("-->") if head in queues]
    ways += [(box, tail, READS) for tail, box in ends("---") if tail in KEPT]
    for box, resource, needed in ways:
        assert any(allowed(name, resource) & needed for name in boxes()[box]), (box, resource)


def test_nothing_stands_alone_or_nowhere() -> None:
    joined = ends("-->") | ends("---")
    assert {end for both in joined for end in both} == boxes().keys() | KEPT | nodes("{{", "}}").keys()
    assert {head for tail, head in joined if tail == "Stream"} == within("by records of Stream").keys()
