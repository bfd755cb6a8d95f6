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
TABLES = {
    "Auth": {"Accounts", "Connections"},
    "Users": {"Accounts", "Connections"},
    "WipeAccounts": {"Accounts", "Connections"},
    "Queries": {"Market", "Connections"},
    "WarmCache": {"Market"},
    "Portfolios": {"Accounts", "Market", "Connections"},
    "Imports": {"Accounts", "Market", "Connections"},
    "ImportTransactions": {"Accounts", "Market", "Connections"},
    "Reports": {"Accounts", "Market", "Connections"},
    "Statements": {"Accounts", "Market", "Connections"},
    "Alerts": {"Accounts", "Market", "Connections"},
    "EvaluateAlerts": {"Accounts", "Market", "Connections"},
    "DeliverWebhooks": {"Accounts"},
    "Websocket": {"Market", "Connections", "Accounts"},
    "IngestPrices": {"Market", "Connections"},
    "StreamPrices": {"Market"},
    "IngestNews": {"Market", "Connections"},
    "ProcessTicks": {"Market", "Connections"},
    "FanOut": {"Market", "Connections", "Accounts"},
    "RingDoorbells": set(),
    "Backfill": {"Market"},
}
"""What each function may touch: nothing that ingests prices knows of users; fan_out reads what it shows of theirs."""
OLD, NEW = (f"arn:aws:kms:us-east-1:123456789012:key/{name}" for name in ("old", "new"))
KEYS = {"own": ["SigningKey.Arn"], f"{NEW},{OLD}": [NEW, OLD]}
"""The keys in force, newest first, by the parameter SigningKeys."""


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
        (name, statement.get("Fn::If", [None, statement])[1])
        for name, function in FUNCTIONS.items()
        for policy in function["Policies"]
        for statement in policy["Statement"]
    ]


def actions(statement: Resource) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


def evaluated(value: Any, signing_keys: str) -> Any:
    """A value where the parameter SigningKeys is this one; other resources' attributes as `Name.Attribute`."""

    def inner(value: Any) -> Any:
        match value:
            case {"Fn::If": ["HasOwnKey", own, listed]}:
                return inner(own if signing_keys == "own" else listed)
            case {"Fn::Split": [separator, text]}:
                return inner(text).split(separator)
            case {"Fn::Select": [index, listed]}:
                return inner(listed)[index]
            case {"Fn::GetAtt": [name, attribute]}:
                return f"{name}.{attribute}"
            case {"Ref": "SigningKeys"}:
                return signing_keys
            case {"Fn::Sub": str(text)}:
                return text
            case {"Ref": "NewsApiSecret"}:
                return "NewsApiSecret"
        raise AssertionError(f"{value} is of no form known here")

    return inner(value)


def keys_for(action: str, signing_keys: str) -> dict[str, list[str]]:
    """Per function the keys on which it may do this."""
    allowed: dict[str, list[str]] = {}
    for name, statement in statements():
        if action in actions(statement):
            keys = evaluated(statement["Resource"], signing_keys)
            allowed.setdefault(name, []).extend([keys] if isinstance(keys, str) else keys)
    return allowed


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
    assert all(group["RetentionInDays"] == {"Ref": "LogRetention"} for group in groups.values())


def of_stream(resources: dict[str, Resource]) -> dict[str, Resource]:
    """The mappings of the stream's consumers."""
    return {
        name: mapping
        for name, mapping in of_type(resources, "AWS::Lambda::EventSourceMapping").items()
        if mapping["EventSourceArn"] == {"Fn::GetAtt": ["Stream", "Arn"]}
    }


def test_what_a_stream_consumer_gives_up_on_is_kept(expanded: dict[str, Resource]) -> None:
    for mapping in of_stream(expanded).values():
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["Failures", "Arn"]}
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["MaximumRetryAttempts"] >= 0
        assert mapping["MaximumRecordAgeInSeconds"] > 0
        assert mapping["StartingPosition"] == "TRIM_HORIZON"


def test_consumers_of_one_stream_share_its_records_out(expanded: dict[str, Resource]) -> None:
    patterns = {
        name: json.loads(filtered["Pattern"])["partitionKey"][0]["prefix"]
        for name, mapping in of_stream(expanded).items()
        for filtered in mapping["FilterCriteria"]["Filters"]
    }
    assert patterns == {"ProcessTicksLanes": "lane#", "EvaluateAlertsLanes": "lane#", "FanOutDoorbells": "fan#"}


def test_a_message_is_not_shown_to_two_nor_lost(expanded: dict[str, Resource]) -> None:
    queues, functions = of_type(expanded, "AWS::SQS::Queue"), of_type(expanded, "AWS::Lambda::Function")
    mappings = of_type(expanded, "AWS::Lambda::EventSourceMapping")
    consumers = [mapping for name, mapping in mappings.items() if name not in of_stream(expanded)]
    assert len(consumers) == len(queues) - 1  # nobody consumes the failures
    for mapping in consumers:
        queue = queues[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        assert mapping["BatchSize"] == 1
        assert queue["VisibilityTimeout"] > 1.1 * functions[mapping["FunctionName"]["Ref"]]["Timeout"]
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["Failures", "Arn"]}


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


@pytest.mark.parametrize("signing_keys", KEYS)
@pytest.mark.parametrize(("name", "statement"), statements())
def test_a_policy_names_actions_and_resources(name: str, statement: Resource, signing_keys: str) -> None:
    assert statement["Effect"] == "Allow"
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action) for action in actions(statement)), name
    assert "dynamodb:Scan" not in actions(statement)
    named = evaluated(statement["Resource"], signing_keys)
    for resource in [named] if isinstance(named, str) else named:
        if actions(statement) == ["execute-api:ManageConnections"]:
            assert resource.endswith("${WebSocketApi}/ws/*"), name  # connections have no ids beforehand
        elif resource == "NewsApiSecret":
            assert (name, actions(statement)) == ("IngestNews", ["secretsmanager:GetSecretValue"])
        else:
            assert re.fullmatch(r"[A-Za-z]+\.Arn|arn:aws:kms:[^*?]+", resource), name


def test_a_function_touches_its_own_tables_only() -> None:
    tables = set(template.resources("AWS::DynamoDB::Table"))
    touched: dict[str, set[str]] = {name: set() for name in FUNCTIONS}
    for name, statement in statements():
        if any(action.startswith("dynamodb:") for action in actions(statement)):
            touched[name].add(statement["Resource"]["Fn::GetAtt"][0])
    assert touched == TABLES
    assert set().union(*touched.values()) == tables


@pytest.mark.parametrize("signing_keys", KEYS)
def test_only_auth_signs_and_with_the_newest_key_alone(signing_keys: str) -> None:
    assert keys_for("kms:Sign", signing_keys) == {"Auth": KEYS[signing_keys][:1]}


@pytest.mark.parametrize("signing_keys", KEYS)
def test_who_verifies_may_read_exactly_the_public_keys_in_force(signing_keys: str) -> None:
    verifying = ("Auth", "Users", "Portfolios", "Imports", "Reports", "Statements", "Alerts")
    assert keys_for("kms:GetPublicKey", signing_keys) == dict.fromkeys(verifying, KEYS[signing_keys])
    variables = template.load()["Globals"]["Function"]["Environment"]["Variables"]
    assert evaluated(variables["SIGNING_KEYS"], signing_keys).split(",") == KEYS[signing_keys]


def test_nothing_else_of_kms_is_allowed() -> None:
    allowed = {action for _, statement in statements() for action in actions(statement)}
    assert {action for action in allowed if action.startswith("kms:")} == {"kms:Sign", "kms:GetPublicKey"}


@pytest.mark.parametrize(
    ("listed", "is_allowed"),
    [*((value, True) for value in KEYS), (f"own,{OLD}", False), (f"{OLD},own", False), ("", False), (f"{OLD},", False)],
)
def test_the_signing_keys_are_the_stacks_own_or_listed(listed: str, is_allowed: bool) -> None:
    pattern = template.load()["Parameters"]["SigningKeys"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, listed)) is is_allowed


def test_the_signing_key_signs_only_and_leaves_its_use_to_iam() -> None:
    assert template.resources("AWS::KMS::Key") == {
        "SigningKey": {
            "Description": "Signs CryptoPulse's access tokens",
            "KeySpec": "ECC_NIST_P256",
            "KeyUsage": "SIGN_VERIFY",
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}},
                        "Action": "kms:*",
                        "Resource": "*",
                    }
                ],
            },
        }
    }


def test_newsapis_key_may_be_read_where_there_is_one() -> None:
    document = template.load()
    (left_out,) = (
        statement
        for policy in FUNCTIONS["IngestNews"]["Policies"]
        for statement in policy["Statement"]
        if "Fn::If" in statement
    )
    assert left_out["Fn::If"][0] == "HasNewsApi"
    assert left_out["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    assert document["Parameters"]["NewsApiSecret"]["Default"] == "none"
    assert document["Conditions"]["HasNewsApi"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "NewsApiSecret"}, "none"]}]}


@pytest.mark.parametrize(
    ("listed", "is_allowed"),
    [
        ("none", True),
        ("https://a.example/rss", True),
        ("The_Block=https://a.example/rss?x=1,b=http://127.0.0.1:4567/rss/b", True),
        ("", False),
        ("a.example/rss", False),
        ("https://a.example/rss,", False),
        ("https://a.example/a b", False),
    ],
)
def test_news_feeds_are_listed_by_urls(listed: str, is_allowed: bool) -> None:
    parameter = template.load()["Parameters"]["NewsFeeds"]
    assert bool(re.fullmatch(parameter["AllowedPattern"], listed)) is is_allowed
    assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"])


@pytest.mark.parametrize("name", ["Accounts", "SigningKey"])
def test_what_nobody_could_give_back_outlives_its_stack(name: str) -> None:
    resource = template.load()["Resources"][name]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_accounts_are_backed_up_and_protected(expanded: dict[str, Resource]) -> None:
    accounts = of_type(expanded, "AWS::DynamoDB::Table")["Accounts"]
    assert accounts["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert accounts["DeletionProtectionEnabled"] is True


def test_sign_in_is_throttled_lower_than_the_rest() -> None:
    resources = template.load()["Resources"]
    stage, route = resources["ApiStage"], resources["AuthRoute"]["Properties"]["RouteKey"]
    assert stage["DependsOn"] == "AuthRoute"
    assert set(stage["Properties"]["RouteSettings"]) == {route}
    own, usual = stage["Properties"]["RouteSettings"][route], stage["Properties"]["DefaultRouteSettings"]
    assert set(own) == set(usual) == {"ThrottlingBurstLimit", "ThrottlingRateLimit"}
    assert all(0 < own[name] < usual[name] for name in usual)


def test_no_parameter_shows_a_secret() -> None:
    parameters = template.load()["Parameters"]
    assert {name for name, each in parameters.items() if each.get("NoEcho")} == {"EdgeSecret"}
    assert not re.fullmatch(parameters["EdgeSecret"]["AllowedPattern"], "x" * 31)
    assert re.fullmatch(parameters["EdgeSecret"]["AllowedPattern"], "x" * 32)
    assert parameters["EdgeSecret"]["Default"] == "own"


def test_no_policy_of_sams_own_macros() -> None:
    assert all(
        isinstance(policy, dict) and set(policy) == {"Statement"}
        for f in FUNCTIONS.values()
        for policy in f["Policies"]
    )


@pytest.mark.parametrize(
    ("function", "others"),
    [("Queries", [("Connections", ["dynamodb:GetItem", "dynamodb:UpdateItem"], None)]), ("WarmCache", [])],
)
def test_analytics_write_nothing_but_their_cache_and_rate_limits(function: str, others: list[Any]) -> None:
    allowed = [
        (statement["Resource"]["Fn::GetAtt"][0], actions(statement), statement.get("Condition"))
        for name, statement in statements()
        if name == function
    ]
    cache = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["CACHE#*", "ASKED#*"]}}
    assert allowed == [
        ("Market", ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"], None),
        ("Market", ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], cache),
        *others,
    ]


def test_only_analytics_carry_their_layer(expanded: dict[str, Resource]) -> None:
    for name, function in of_type(expanded, "AWS::Lambda::Function").items():
        condition, local, aws = function["Layers"]["Fn::If"]
        carried = [re.sub("[0-9a-f]{10}$", "", layer["Ref"]) for layer in aws]  # SAM's versions of layers
        assert condition == "IsLocal"
        assert local == aws[-1:]
        assert carried[-2:] == ["Dependencies", "Core"]
        assert carried[:-2] == (["Analytics"] if name in {"Queries", "WarmCache"} else [])


def test_only_senders_know_the_management_url(expanded: dict[str, Resource]) -> None:
    functions = of_type(expanded, "AWS::Lambda::Function")
    knowing = {name for name, function in functions.items() if "MANAGEMENT_URL" in function["Environment"]["Variables"]}
    managing = {name for name, statement in statements() if statement["Action"] == "execute-api:ManageConnections"}
    assert knowing == managing == {"Websocket", "FanOut"}


def test_every_route_leads_to_a_function_that_may_be_called(expanded: dict[str, Resource]) -> None:
    routes = {route["RouteKey"] for route in of_type(expanded, "AWS::ApiGatewayV2::Route").values()}
    assert {"$default", "$connect", "$disconnect", "ANY /prices/{proxy+}", "ANY /auth/{proxy+}"} < routes
    allowed = {
        permission["FunctionName"]["Ref"].removesuffix("Aliaslive")
        for permission in of_type(expanded, "AWS::Lambda::Permission").values()
    }
    serving = {"Auth", "Users", "Portfolios", "Imports", "Reports", "Statements", "Alerts", "Queries", "Websocket"}
    assert allowed == serving


def test_every_trigger_has_an_event_to_try_it_with() -> None:
    events = {path.stem for path in (template.ROOT / "events").glob("*.json")}
    names = {Path(function["CodeUri"]).name for function in FUNCTIONS.values()}
    assert events == (names - {"websocket"}) | {"ws_connect", "ws_message", "ws_disconnect", "indicators"}


def test_an_alarm_rings_when_clients_get_nothing() -> None:
    resources = template.load()["Resources"]
    alarm = resources["FanOutErrors"]
    assert (alarm["Condition"], resources["Alarms"]["Condition"]) == ("IsAws", "IsAws")
    watched = alarm["Properties"]
    assert (watched["Namespace"], watched["MetricName"], watched["Statistic"]) == ("AWS/Lambda", "Errors", "Sum")
    assert watched["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "FanOut"}}]
    assert watched["TreatMissingData"] == "notBreaching"
    assert watched["AlarmActions"] == watched["OKActions"] == [{"Ref": "Alarms"}]
    # CloudWatch may not use the key that AWS manages for topics.
    assert "KmsMasterKeyId" not in resources["Alarms"].get("Properties", {})


def test_alarms_go_to_an_address_where_there_is_one() -> None:
    document = template.load()
    assert document["Resources"]["AlarmMail"] == {
        "Type": "AWS::SNS::Subscription",
        "Condition": "HasAlarmEmail",
        "Properties": {"TopicArn": {"Ref": "Alarms"}, "Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}},
    }
    assert document["Conditions"]["HasAlarmEmail"] == {
        "Fn::And": [{"Condition": "IsAws"}, {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmEmail"}, "none"]}]}]
    }
    parameter = document["Parameters"]["AlarmEmail"]
    assert parameter["Default"] == "none"
    told = {text: bool(re.fullmatch(parameter["AllowedPattern"], text)) for text in ("none", "a@b.c", "", "a", "a@b@c")}
    assert told == {"none": True, "a@b.c": True, "": False, "a": False, "a@b@c": False}
