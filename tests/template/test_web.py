"""The dashboard on AWS: what CloudFront lets through, keeps and adds, and what its own functions do to a request."""

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from local import template

type Properties = dict[str, Any]

DOCUMENT = template.load()
BEHAVIOURS = {
    each["PathPattern"]: each
    for each in DOCUMENT["Resources"]["Web"]["Properties"]["DistributionConfig"]["CacheBehaviors"]
}
EVERYTHING_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
NOTHING_IS_KEPT = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"


def properties(name: str) -> Properties:
    found: Properties = DOCUMENT["Resources"][name]["Properties"]
    return found


def config() -> Properties:
    found: Properties = properties("Web")["DistributionConfig"]
    return found


def policy() -> Properties:
    found: Properties = properties("WebHeaders")["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    return found


def test_all_of_it_is_for_aws_alone() -> None:
    ours = [name for name in DOCUMENT["Resources"] if name == "Web" or (name.startswith("Web") and name[3:4].isupper())]
    ours.remove("WebSocketApi")
    assert {DOCUMENT["Resources"][name].get("Condition") for name in ours} == {"IsAws"}


def test_scripts_and_styles_come_from_nowhere_else() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy()["ContentSecurityPolicy"]["ContentSecurityPolicy"].split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    assert policy()["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    assert config()["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] == {"Ref": "WebHeaders"}


def test_nothing_goes_unencrypted() -> None:
    assert config()["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"
    assert {each["ViewerProtocolPolicy"] for each in BEHAVIOURS.values()} == {"https-only"}
    apis = [origin["CustomOriginConfig"] for origin in config()["Origins"] if "CustomOriginConfig" in origin]
    assert apis == [{"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}] * 2
    denied = properties("WebBucketPolicy")["PolicyDocument"]["Statement"][1]
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_bucket_is_read_by_the_distribution_alone() -> None:
    assert set(properties("WebBucket")["PublicAccessBlockConfiguration"].values()) == {True}
    allowed = [
        each for each in properties("WebBucketPolicy")["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"
    ]
    (reads,) = allowed
    assert reads["Action"] == "s3:GetObject"
    assert "${Web}" in reads["Condition"]["StringEquals"]["AWS:SourceArn"]["Fn::Sub"]


def test_answers_are_kept_as_long_as_the_api_says_and_never_for_another_user() -> None:
    cache = properties("WebApiCache")["CachePolicyConfig"]
    key = cache["ParametersInCacheKeyAndForwardedToOrigin"]
    assert (cache["MinTTL"], cache["DefaultTTL"]) == (0, 0)
    assert {"Authorization", "Accept"} <= set(key["HeadersConfig"]["Headers"])
    assert key["QueryStringsConfig"] == {"QueryStringBehavior": "all"}
    assert BEHAVIOURS["/api/*"]["CachePolicyId"] == {"Ref": "WebApiCache"}
    assert BEHAVIOURS["/ws"]["CachePolicyId"] == NOTHING_IS_KEPT
    errors = {each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in config()["CustomErrorResponses"]}
    assert errors == dict.fromkeys((403, 404, 405, 414, 500, 501, 502, 503, 504), 0)


def test_both_apis_get_all_but_the_host_and_the_secret_that_makes_the_address_believed() -> None:
    assert {each["OriginRequestPolicyId"] for each in BEHAVIOURS.values()} == {EVERYTHING_BUT_HOST}
    secrets = [origin["OriginCustomHeaders"] for origin in config()["Origins"] if "CustomOriginConfig" in origin]
    assert [each["HeaderName"] for (each,) in secrets] == ["X-Origin-Secret"] * 2
    variables = DOCUMENT["Globals"]["Function"]["Environment"]["Variables"]
    assert [each["HeaderValue"] for (each,) in secrets] == [variables["EDGE_SECRET"]["Fn::If"][2]] * 2


def test_the_websockets_path_is_its_stage() -> None:
    assert properties("WebSocketApi")["StageName"] == "ws"
    assert "/ws" in BEHAVIOURS


def test_its_own_origin_is_the_dashboards() -> None:
    origins = DOCUMENT["Globals"]["Function"]["Environment"]["Variables"]["WEB_ORIGINS"]["Fn::If"]
    assert origins[0] == "IsLocal"
    assert {"Fn::Sub": "https://${Web.DomainName}"} in origins[2]["Fn::Join"][1]


@pytest.mark.parametrize(
    ("function", "uri", "expected"),
    [
        ("WebPages", "/", "/index.html"),
        ("WebPages", "/market/BTC-USD", "/index.html"),
        ("WebPages", "/portfolios/1.5/gains", "/index.html"),
        ("WebPages", "/assets/index-Bx1.js", "/assets/index-Bx1.js"),
        ("WebPages", "/icon.svg", "/icon.svg"),
        ("WebApi", "/api/prices", "/prices"),
        ("WebApi", "/api/api/x", "/api/x"),
        ("WebApi", "/apiary", "/apiary"),
        ("WebApi", "/ws", "/ws"),
    ],
)
def test_what_the_distributions_functions_make_of_a_path(function: str, uri: str, expected: str) -> None:
    assert run(function, uri)["uri"] == expected


def test_the_address_is_the_viewers_whatever_he_says() -> None:
    assert run("WebApi", "/api/time")["headers"]["x-viewer-address"] == {"value": "203.0.113.9"}


def run(function: str, uri: str) -> Properties:
    """What a CloudFront function makes of a request that says who it is from."""
    node = shutil.which("node")
    if node is None:
        assert "CI" not in os.environ
        pytest.skip("no Node.js: CloudFront's functions are NOT tested")
    forged = {"x-viewer-address": {"value": "198.51.100.1"}}
    event = {"request": {"uri": uri, "headers": forged}, "viewer": {"ip": "203.0.113.9"}}
    code = properties(function)["FunctionCode"]
    assert re.match(r"function handler\(event\)", code)
    script = f"{code}\nconsole.log(JSON.stringify(handler({json.dumps(event)})))"
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    answer: Properties = json.loads(done.stdout)
    return answer
