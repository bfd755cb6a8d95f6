"""The template's own rules, beside those of `sam validate --lint`: on the resources it expands to, as AWS gets them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local import template

type Resource = dict[str, Any]

FUNCTIONS = template.resources("AWS::Serverless::Function")


@pytest.fixture(scope="module")
def expanded() -> dict[str, Resource]:
    """All resources after SAM's expansion."""
    document = template.load()
    for resource in document["Resources"].values():
        if resource["Type"] in ("AWS::Serverless::Function", "AWS::Serverless::LayerVersion"):
            place = "CodeUri" if resource["Type"].endswith("Function") else "ContentUri"
            resource["Properties"][place] = "s3://bucket/key"
    parameters = {name: parameter["Default"] for name, parameter in document["Parameters"].items()}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        resources: dict[str, Resource] = Translator({}, Parser()).translate(document, parameters)["Resources"]
    return resources


def of_type(resources: dict[str, Resource], kind: str) -> dict[str, Resource]:
    found = {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}
    assert found, f"no {kind}: the rule looks at nothing"
    return found


def statements() -> list[tuple[str, Resource]]:
    """What is written in the template; what SAM adds (basic execution, reading a stream) is AWS's own."""
    return [
        (name, statement)
        for name, function in FUNCTIONS.items()
        for policy in function["Policies"]
        for statement in policy["Statement"]
    ]


def test_every_function_is_a_folder_with_a_handler_and_no_folder_is_left_out() -> None:
    assert {function["CodeUri"] for function in FUNCTIONS.values()} == {
        str(app.parent.relative_to(template.ROOT)) for app in template.ROOT.glob("functions/*/app.py")
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_called_like_its_folder(name: str) -> None:
    assert "".join(word.title() for word in Path(FUNCTIONS[name]["CodeUri"]).name.split("_")) == name
    assert "FunctionName" not in FUNCTIONS[name]


def test_every_function_logs_to_a_group_of_its_own_with_retention(expanded: dict[str, Resource]) -> None:
    groups = of_type(expanded, "AWS::Logs::LogGroup")
    used = [
        function["LoggingConfig"]["LogGroup"]["Ref"] for function in of_type(expanded, "AWS::Lambda::Function").values()
    ]
    assert sorted(used) == sorted(groups)
    assert {group["RetentionInDays"] for group in groups.values()} == {30}


def test_what_a_stream_consumer_gives_up_on_is_kept(expanded: dict[str, Resource]) -> None:
    for mapping in of_type(expanded, "AWS::Lambda::EventSourceMapping").values():
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["Failures", "Arn"]}
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["MaximumRetryAttempts"] >= 0
        assert mapping["MaximumRecordAgeInSeconds"] > 0
        assert mapping["StartingPosition"] == "TRIM_HORIZON"


def test_consumers_of_one_stream_share_its_records_out(expanded: dict[str, Resource]) -> None:
    patterns = {
        json.loads(filtered["Pattern"])["partitionKey"][0]["prefix"]: name
        for name, mapping in of_type(expanded, "AWS::Lambda::EventSourceMapping").items()
        for filtered in mapping["FilterCriteria"]["Filters"]
    }
    assert patterns == {"lane#": "ProcessTicksLanes", "fan#": "FanOutDoorbells"}


def test_what_a_scheduled_function_gives_up_on_is_kept(expanded: dict[str, Resource]) -> None:
    scheduled = {
        schedule["Target"]["Arn"]["Fn::GetAtt"][0]
        for schedule in of_type(expanded, "AWS::Scheduler::Schedule").values()
    }
    kept = {
        config["FunctionName"]["Ref"]
        for config in of_type(expanded, "AWS::Lambda::EventInvokeConfig").values()
        if config["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["Failures", "Arn"]}
    }
    assert scheduled == kept


def test_schedules_carry_the_stacks_name(expanded: dict[str, Resource]) -> None:
    for schedule in of_type(expanded, "AWS::Scheduler::Schedule").values():
        assert schedule["Name"]["Fn::Sub"].startswith("${AWS::StackName}-")


def test_all_data_is_encrypted_at_rest(expanded: dict[str, Resource]) -> None:
    assert all(table["SSESpecification"]["SSEEnabled"] for table in of_type(expanded, "AWS::DynamoDB::Table").values())
    assert all(queue["SqsManagedSseEnabled"] for queue in of_type(expanded, "AWS::SQS::Queue").values())
    for stream in of_type(expanded, "AWS::Kinesis::Stream").values():
        assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}


def test_tables_expire_items_and_bill_by_request(expanded: dict[str, Resource]) -> None:
    for table in of_type(expanded, "AWS::DynamoDB::Table").values():
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"


@pytest.mark.parametrize(("name", "statement"), statements())
def test_a_policy_names_actions_and_one_resource(name: str, statement: Resource) -> None:
    actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
    assert statement["Effect"] == "Allow"
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action) for action in actions), name
    assert "dynamodb:Scan" not in actions
    resource = statement["Resource"]
    if "Fn::Sub" in resource:
        assert resource["Fn::Sub"].endswith("${WebSocketApi}/ws/*"), name  # connections have no ids beforehand
    else:
        assert resource["Fn::GetAtt"][1] == "Arn", name


def test_no_policy_of_sams_own_macros() -> None:
    assert all(
        isinstance(policy, dict) and set(policy) == {"Statement"}
        for f in FUNCTIONS.values()
        for policy in f["Policies"]
    )


def test_the_queries_read_only() -> None:
    actions = {action for name, statement in statements() if name == "Queries" for action in statement["Action"]}
    assert actions == {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}


def test_only_senders_know_the_management_url(expanded: dict[str, Resource]) -> None:
    functions = of_type(expanded, "AWS::Lambda::Function")
    knowing = {name for name, function in functions.items() if "MANAGEMENT_URL" in function["Environment"]["Variables"]}
    managing = {name for name, statement in statements() if statement["Action"] == "execute-api:ManageConnections"}
    assert knowing == managing == {"Websocket", "FanOut"}


def test_every_route_leads_to_a_function_that_may_be_called(expanded: dict[str, Resource]) -> None:
    routes = {route["RouteKey"] for route in of_type(expanded, "AWS::ApiGatewayV2::Route").values()}
    assert {"$default", "$connect", "$disconnect", "ANY /prices/{proxy+}"} < routes
    allowed = {
        permission["FunctionName"].get("Ref") or permission["FunctionName"]["Fn::GetAtt"][0]
        for permission in of_type(expanded, "AWS::Lambda::Permission").values()
    }
    assert allowed == {"Queries", "Websocket"}


def test_every_trigger_has_an_event_to_try_it_with() -> None:
    events = {path.stem for path in (template.ROOT / "events").glob("*.json")}
    names = {Path(function["CodeUri"]).name for function in FUNCTIONS.values()}
    assert events == (names - {"websocket"}) | {"ws_connect", "ws_message", "ws_disconnect"}
