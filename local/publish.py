"""Puts the dashboard onto AWS, after its stack: uploads what was built, and tells CloudFront. The end of `make deploy`.

Assets have their content's hash in their names and stay for a month after the last page that named them: a page that
somebody has open goes on working. `index.html` comes last, when all that it names is there.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from local import dashboard
from local.dashboard import ASSETS, PAGE
from local.processes import ProblemError
from local.template import ROOT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

KEPT = timedelta(days=30)
AT_ONCE = 1000
"""Objects that S3 deletes in one call, at most."""


def publish(session: boto3.Session, stack: str, dist: Path, now: datetime) -> str:
    """Uploads the files of a built dashboard to the stack's bucket.

    Returns:
        The dashboard's address.

    Raises:
        ProblemError: The stack has no dashboard.
    """
    outputs = _outputs(session, stack)
    try:
        bucket, distribution, url = outputs["WebBucket"], outputs["WebDistribution"], outputs["WebUrl"]
    except KeyError as missing:
        raise ProblemError(f"the stack {stack} has no output {missing}: deploy it first") from None
    s3 = session.client("s3")
    held = {each["Key"]: each for each in _objects(s3, bucket)}
    files = sorted(dashboard.files(dist), key=lambda path: path == PAGE)
    for path in files:
        if path in held and path.startswith(ASSETS) and now - held[path]["LastModified"] < KEPT / 2:
            continue
        s3.put_object(
            Bucket=bucket,
            Key=path,
            Body=(dist / path).read_bytes(),
            ContentType=dashboard.content_type(path),
            CacheControl=dashboard.cache_control(path),
        )
    _drop(s3, bucket, (each["Key"] for each in held.values() if _is_left(each, files, now)))
    session.client("cloudfront").create_invalidation(
        DistributionId=distribution,
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": now.isoformat()},
    )
    return url


def _outputs(session: boto3.Session, stack: str) -> dict[str, str]:
    try:
        (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            raise ProblemError(f"there is no stack {stack}: `make deploy` makes it") from None
        raise
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def _objects(s3: "S3Client", bucket: str) -> "Iterator[ObjectTypeDef]":
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from page.get("Contents", [])


def _is_left(found: "ObjectTypeDef", files: Iterable[str], now: datetime) -> bool:
    """Whether nobody's page can need an object any more."""
    return found["Key"] not in files and now - found["LastModified"] > KEPT


def _drop(s3: "S3Client", bucket: str, keys: Iterable[str]) -> None:
    waiting = list(keys)
    while waiting:
        some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True})


def main() -> int:
    """Builds and publishes it."""
    parser = argparse.ArgumentParser(prog="python -m local.publish", description=__doc__)
    parser.add_argument("--stage", default="default", help="whose stack and region samconfig.toml has")
    stage = parser.parse_args().stage
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())[stage]
    deployed = settings.get("global", {}).get("parameters", {}) | settings["deploy"]["parameters"]
    session = boto3.Session(region_name=deployed.get("region"))
    try:
        dist = dashboard.build(print)
        print("Uploading the dashboard")
        print(publish(session, deployed["stack_name"], dist, datetime.now(UTC)))
    except ProblemError as problem:
        print(f"✗ {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
