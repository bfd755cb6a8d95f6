"""How the stack comes to an account and is replaced there: parameters, versions, what is kept; and TLS everywhere."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local import template

type Resources = dict[str, dict[str, Any]]

OF_APIS = {"Auth", "Users", "Portfolios", "Imports", "Reports", "Statements", "Alerts", "Queries", "Websocket"}
OF_STREAM = {"EvaluateAlerts", "ProcessTicks", "FanOut"}
FUNCTIONS = template.resources("AWS::Serverless::Function")
PARAMETERS = template.load()["Parameters"]
CODE = [path for folder in ("functions", "layers/core") for path in sorted((template.ROOT / folder).rglob("*.py"))]
CHANCE = {"choice", "client", "default_rng", "randbits", "resource", "sample", "token_bytes", "token_hex"}
CHANCE |= {"token_urlsafe", "uniform", "urandom", "uuid1", "uuid4"}
"""Calls whose result must not be the same in all that begin from one snapshot: random values, and connections."""


def expand(**parameters: str) -> Resources:
    """The resources after SAM's expansion, with these parameters and the defaults of the others."""
    document = template.load()
    for resource in document["Resources"].values():
        if resource["Type"] in ("AWS::Serverless::Function", "AWS::Serverless::LayerVersion"):
            place = "CodeUri" if resource["Type"].endswith("Function") else "ContentUri"
            resource["Properties"][place] = "s3://bucket/key"
    given = {name: parameter["Default"] for name, parameter in document["Parameters"].items()} | parameters
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        resources: Resources = Translator({}, Parser()).translate(document, given)["Resources"]
    return resources


def of_type(resources: Resources, kind: str) -> Resources:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


@pytest.fixture(scope="module")
def at_once() -> Resources:
    return expand()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_has_a_default_a_description_and_bounds(name: str) -> None:
    parameter = PARAMETERS[name]
    assert parameter["Default"] not in (None, "")
    assert parameter["Description"]
    if "AllowedPattern" in parameter:
        assert parameter["ConstraintDescription"]
    else:
        assert "AllowedValues" in parameter or "MinValue" in parameter


def test_what_answers_and_what_reads_the_stream_is_called_by_its_alias(at_once: Resources) -> None:
    aliases = of_type(at_once, "AWS::Lambda::Alias")
    assert {alias["FunctionName"]["Ref"] for alias in aliases.values()} == OF_APIS | OF_STREAM
    called = {each["FunctionName"]["Ref"] for each in of_type(at_once, "AWS::Lambda::Permission").values()}
    assert called == {f"{name}Aliaslive" for name in OF_APIS}
    for integration in of_type(at_once, "AWS::ApiGatewayV2::Integration").values():
        assert "Aliaslive" in str(integration["IntegrationUri"])
    streamed = {
        str(mapping["FunctionName"]["Ref"])
        for mapping in of_type(at_once, "AWS::Lambda::EventSourceMapping").values()
        if mapping["EventSourceArn"] == {"Fn::GetAtt": ["Stream", "Arn"]}
    }
    assert streamed == {f"{name}Aliaslive" for name in OF_STREAM}


def test_another_release_publishes_every_function_that_has_an_alias(at_once: Resources) -> None:
    before, after = (set(of_type(each, "AWS::Lambda::Version")) for each in (at_once, expand(Release="1795398000")))
    assert len(before) == len(after) == len(OF_APIS | OF_STREAM)
    assert not before & after
    assert "Release=" in (template.ROOT / "Makefile").read_text()


def test_another_release_changes_what_is_published(at_once: Resources) -> None:
    """Lambda refuses a version that is as the one before, and CloudFormation then fails."""
    for name in OF_APIS | OF_STREAM:
        assert at_once[name]["Properties"]["Environment"]["Variables"]["RELEASE"] == {"Ref": "Release"}


def test_a_rollout_is_at_once_unless_asked(at_once: Resources) -> None:
    assert PARAMETERS["Rollout"]["Default"] == "AllAtOnce"
    assert not [name for name, each in at_once.items() if each["Type"].startswith("AWS::CodeDeploy::")]
    assert not [name for name, each in at_once.items() if "UpdatePolicy" in each]


@pytest.mark.parametrize("rollout", sorted({*PARAMETERS["Rollout"]["AllowedValues"]} - {"AllAtOnce"}))
def test_a_gradual_rollout_is_taken_back_by_its_alarms(rollout: str) -> None:
    resources = expand(Rollout=rollout)
    groups = of_type(resources, "AWS::CodeDeploy::DeploymentGroup")
    for name in OF_APIS | OF_STREAM:
        group = groups.pop(f"{name}DeploymentGroup")
        assert group["DeploymentConfigName"]["Fn::Sub"][1] == {"ConfigName": rollout}
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        alarms = [resources[alarm["Name"]["Ref"]]["Properties"] for alarm in group["AlarmConfiguration"]["Alarms"]]
        assert f"'Value': {{'Ref': '{name}'}}" in str(alarms)
        assert ("'5xx'" in str(alarms)) is (name in OF_APIS)
        assert "CodeDeployLambdaAliasUpdate" in resources[f"{name}Aliaslive"]["UpdatePolicy"]
    assert not groups


def test_settings_of_capacity_are_options_that_a_new_account_does_without(at_once: Resources) -> None:
    assert [PARAMETERS[name]["Default"] for name in ("ProvisionedConcurrency", "ReservedConcurrency")] == [0, 0]
    assert PARAMETERS["SnapStart"]["Default"] == "None"
    for name, function in of_type(at_once, "AWS::Lambda::Function").items():
        reserved = {"Fn::If": ["HasReservedConcurrency", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
        assert function.get("ReservedConcurrentExecutions") == (reserved if name in OF_APIS else None)
        assert function.get("SnapStart") == ({"ApplyOn": {"Ref": "SnapStart"}} if name in OF_APIS else None)
    provisioned = {
        alias["FunctionName"]["Ref"]
        for alias in of_type(at_once, "AWS::Lambda::Alias").values()
        if alias.get("ProvisionedConcurrencyConfig", {}).get("Fn::If", [None])[0] == "HasProvisionedConcurrency"
    }
    assert provisioned == OF_APIS


def test_all_code_is_signed_where_a_profile_is_given(at_once: Resources) -> None:
    signing = at_once["CodeSigning"]
    assert signing["Condition"] == "HasSigningProfile"
    assert signing["Properties"]["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    wanted = {"Fn::If": ["HasSigningProfile", {"Ref": "CodeSigning"}, {"Ref": "AWS::NoValue"}]}
    assert all(each["CodeSigningConfigArn"] == wanted for each in of_type(at_once, "AWS::Lambda::Function").values())


def immediate(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls that happen at import: not those in the bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call):
            yield node
        yield from immediate(node)


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(template.ROOT)))
def test_what_a_snapshot_holds_is_nothing_random_and_no_connection(path: Path) -> None:
    assert not {called(call) for call in immediate(ast.parse(path.read_text()))} & CHANCE


def test_a_random_value_at_import_is_seen() -> None:
    source = "KEY = secrets.token_hex(8)\ndef later(): return token_bytes(8)\n"
    assert [called(call) for call in immediate(ast.parse(source))] == ["token_hex"]


def test_what_cannot_be_made_again_is_kept() -> None:
    resources = template.load()["Resources"]
    kept = {name for name, each in resources.items() if each.get("DeletionPolicy") == "Retain"}
    assert kept == {"Accounts", "SigningKey", "WebBucket"}
    replaced = {name for name, each in resources.items() if each.get("UpdateReplacePolicy") == "Retain"}
    assert replaced == kept | {"Market"}


def test_tables_that_hold_more_than_hours_can_go_back_in_time(at_once: Resources) -> None:
    recovered = {
        name
        for name, table in of_type(at_once, "AWS::DynamoDB::Table").items()
        if table.get("PointInTimeRecoverySpecification") == {"PointInTimeRecoveryEnabled": True}
    }
    assert recovered == {"Accounts", "Market"}


def test_every_asynchronous_source_is_of_a_kind_whose_failures_are_kept() -> None:
    for name, function in FUNCTIONS.items():
        for event in function.get("Events", {}).values():
            match event["Type"]:
                case "Kinesis":
                    kept = event["Properties"]["DestinationConfig"]["OnFailure"]["Destination"]
                case "ScheduleV2":
                    kept = function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]
                case "SQS":
                    queue = event["Properties"]["Queue"]["Fn::GetAtt"][0]
                    kept = template.resources("AWS::SQS::Queue")[queue]["RedrivePolicy"]["deadLetterTargetArn"]
                case other:
                    raise AssertionError(f"{name} has an event of the kind {other}, of which no rule knows")
            assert kept == {"Fn::GetAtt": ["Failures", "Arn"]}, name


def test_buckets_are_encrypted_private_and_read_by_tls_alone(at_once: Resources) -> None:
    policies = of_type(at_once, "AWS::S3::BucketPolicy").values()
    for name, bucket in of_type(at_once, "AWS::S3::Bucket").items():
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert [
            statement
            for policy in policies
            if policy["Bucket"] == {"Ref": name}
            for statement in policy["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        ]


def test_the_distribution_speaks_tls_to_both_sides(at_once: Resources) -> None:
    config = at_once["Web"]["Properties"]["DistributionConfig"]
    behaviors = [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]
    assert {each["ViewerProtocolPolicy"] for each in behaviors} <= {"https-only", "redirect-to-https"}
    own = [origin["CustomOriginConfig"] for origin in config["Origins"] if "CustomOriginConfig" in origin]
    assert own == [{"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}] * 2
    assert config["ViewerCertificate"]["Fn::If"][1]["MinimumProtocolVersion"] == "TLSv1.2_2021"


def test_whom_we_ask_is_asked_by_tls() -> None:
    asked = [PARAMETERS[name]["Default"] for name in PARAMETERS if name.endswith("Url")]
    asked += [feed.partition("=")[2] for feed in PARAMETERS["NewsFeeds"]["Default"].split(",")]
    assert len(asked) == 11
    assert {address.partition("://")[0] for address in asked} == {"https", "wss"}


def test_every_address_is_told() -> None:
    outputs = template.load()["Outputs"]
    assert {"HttpUrl", "WebSocketUrl", "WebUrl", "Failures", "AlarmTopic"} <= set(outputs)
    assert all(output["Description"] for output in outputs.values())
