"""Putting the dashboard onto AWS: what is uploaded, as what, and what goes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from local.processes import ProblemError
from local.publish import publish

STACK = "cryptopulse"
NOW = datetime.now(UTC)


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    """An account with a stack that has a dashboard."""
    with mock_aws():
        session = boto3.Session("testing", "testing", region_name="us-east-1")
        values = {"WebUrl": "https://d1.cloudfront.net", "WebDistribution": distribution(session)}
        template = {
            "Resources": {"WebBucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "files"}}},
            "Outputs": {name: {"Value": value} for name, value in {**values, "WebBucket": "files"}.items()},
        }
        session.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(template))
        yield session


def distribution(session: boto3.Session) -> str:
    made = session.client("cloudfront").create_distribution(
        DistributionConfig={
            "CallerReference": "1",
            "Comment": "",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [{"Id": "files", "DomainName": "files.s3.amazonaws.com"}]},
            "DefaultCacheBehavior": {"TargetOriginId": "files", "ViewerProtocolPolicy": "https-only"},
        }
    )
    identity: str = made["Distribution"]["Id"]
    return identity


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    for name in ("assets/index-1.js", "icon.svg", "index.html", ".built-from"):
        (tmp_path / name).write_text(name)
    return tmp_path


def held(session: boto3.Session) -> dict[str, tuple[str, str]]:
    s3 = session.client("s3")
    heads = {
        each["Key"]: s3.head_object(Bucket="files", Key=each["Key"])
        for each in s3.list_objects_v2(Bucket="files").get("Contents", [])
    }
    return {key: (head["ContentType"], head["CacheControl"]) for key, head in heads.items()}


def test_files_go_up_with_their_types_and_lives_and_the_caches_are_told(session: boto3.Session, dist: Path) -> None:
    assert publish(session, STACK, dist, NOW) == "https://d1.cloudfront.net"
    assert held(session) == {
        "assets/index-1.js": ("text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        "icon.svg": ("image/svg+xml", "no-cache"),
        "index.html": ("text/html; charset=utf-8", "no-cache"),
    }
    cloudfront = session.client("cloudfront")
    (one,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    listed = cloudfront.list_invalidations(DistributionId=one["Id"])["InvalidationList"]
    assert listed["Quantity"] == 1


def test_assets_of_the_page_before_stay_for_a_month(session: boto3.Session, dist: Path) -> None:
    publish(session, STACK, dist, NOW)
    (dist / "assets" / "index-1.js").rename(dist / "assets" / "index-2.js")
    publish(session, STACK, dist, NOW + timedelta(days=29))
    assert {"assets/index-1.js", "assets/index-2.js"} <= set(held(session))
    publish(session, STACK, dist, NOW + timedelta(days=31))
    assert set(held(session)) == {"assets/index-2.js", "icon.svg", "index.html"}


def test_an_asset_that_is_there_is_not_sent_again_until_it_gets_old(session: boto3.Session, dist: Path) -> None:
    publish(session, STACK, dist, NOW)
    asset = dist / "assets" / "index-1.js"
    asset.write_text("another content has another name, so this is not looked at")
    s3 = session.client("s3")
    publish(session, STACK, dist, NOW + timedelta(days=1))
    assert s3.get_object(Bucket="files", Key="assets/index-1.js")["Body"].read() == b"assets/index-1.js"
    publish(session, STACK, dist, NOW + timedelta(days=16))
    assert s3.get_object(Bucket="files", Key="assets/index-1.js")["Body"].read() == asset.read_bytes()


def test_no_stack_is_told(session: boto3.Session, dist: Path) -> None:
    with pytest.raises(ProblemError, match="there is no stack absent: `make deploy` makes it"):
        publish(session, "absent", dist, NOW)


def test_a_stack_without_a_dashboard_is_told(session: boto3.Session, dist: Path) -> None:
    session.client("cloudformation").create_stack(
        StackName="old", TemplateBody=json.dumps({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}})
    )
    with pytest.raises(ProblemError, match="the stack old has no output 'WebBucket': deploy it first"):
        publish(session, "old", dist, NOW)
