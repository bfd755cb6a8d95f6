"""The local cloud: the emulator and the deployment of template.yaml to it."""

import compileall
import hashlib
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import boto3
import httpx
import msgspec
from botocore.config import Config
from botocore.exceptions import ClientError

from local import cloud_faults, template
from local.cloud_faults import CloudFault
from local.processes import ProblemError, Processes, require_free_port
from local.state import empty_streams
from local.template import ROOT

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

STACK = "cryptopulse"
BUCKET = "cryptopulse-artifacts"
SERVICES = "apigateway,cloudformation,dynamodb,iam,kinesis,kms,lambda,logs,monitoring,s3,scheduler,sqs,sts"
READY_S = 60
PATIENCE_S = 120
MAX_WORKERS = 20
"""Lambda processes at once: each takes some 50 MB."""

type Parameters = Mapping[str, str]


class Access(TypedDict):
    """What a client of the emulator is made with."""

    endpoint_url: str
    region_name: str
    aws_access_key_id: str
    aws_secret_access_key: str
    config: Config


def access(origin: str, patience_s: float) -> Access:
    """How to reach an emulator, whose answers may take so long."""
    return Access(
        endpoint_url=origin,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 (the emulator asks for some)
        config=Config(read_timeout=patience_s, retries={"total_max_attempts": 1}),
    )


class Cloud:
    """An emulated AWS account with one stack.

    Args:
        home: Folder of its state, artefacts and logs.
        origin: Where it listens, on loopback: `http://127.0.0.1:4566`.
        processes: What starts and stops it.
    """

    def __init__(self, home: Path, origin: str, processes: Processes) -> None:
        self._home = home
        self._scratch = home / "tmp"
        self._processes = processes
        self.origin = origin
        self._access = access(origin, PATIENCE_S)

    def start(self) -> None:
        """Starts the emulator on its saved state.

        Raises:
            ProblemError: Its port is in use, or it does not come up.
        """
        port = int(self.origin.rpartition(":")[2])
        require_free_port(port, "local cloud")
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        empty_streams(self._home / "state")
        self._processes.start(
            "emulator",
            ["-m", "local.emulator", str(self._home)],
            sys.executable,
            host_environment()
            | {
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "IOT_MTLS_ENABLED": "0",
                "LAMBDA_ACCOUNT_CONCURRENCY": str(MAX_WORKERS),
                "LOG_LEVEL": "WARNING",
                "PERSIST_STATE": "1",
                "S3_DATA_DIR": str(self._home / "s3"),
                "S3_PERSIST": "1",
                "SERVICES": SERVICES,
                "SFTP_ENABLED": "0",
                "STATE_DIR": str(self._home / "state"),
                "TMPDIR": str(self._scratch),
            },
        )
        deadline = time.monotonic() + READY_S
        while not self._is_ready():
            self._processes.check()
            if time.monotonic() > deadline:
                raise ProblemError(f"the emulator did not come up in {READY_S} s: {self._processes.log('emulator')}")
            time.sleep(0.1)

    def is_deployed(self, parameters: Parameters) -> bool:
        """Whether the stack stands as this code and these parameters would make it."""
        stack = self._stack()
        if stack is None or stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return False
        secret = {name for name, parameter in template.load()["Parameters"].items() if parameter.get("NoEcho")}
        in_force = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}
        wanted = {name: value for name, value in self._complete(parameters).items() if name not in secret}
        return wanted.items() <= in_force.items()

    def build(self) -> None:
        """Runs `sam build`, and compiles the artefacts as `make build` does.

        Raises:
            ProblemError: SAM failed.
        """
        artefacts = self._home / "build"
        self._sam("build", "--build-dir", str(artefacts), "--cached", "--cache-dir", str(self._home / "cache"))
        compileall.compile_dir(artefacts, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)

    def deploy(self, parameters: Parameters) -> None:
        """Runs `sam deploy`, then puts back what the emulator's CloudFormation leaves out.

        Args:
            parameters: The template's, without those that follow from this machine.

        Raises:
            ProblemError: SAM failed, or the emulator does not keep a setting.
        """
        boto3.client("s3", **self._access).create_bucket(Bucket=BUCKET)
        stack = self._stack()
        if stack is not None and stack["StackStatus"] == "ROLLBACK_COMPLETE":  # a failed first deployment
            cloudformation = boto3.client("cloudformation", **self._access)
            cloudformation.delete_stack(StackName=STACK)
            cloudformation.get_waiter("stack_delete_complete").wait(StackName=STACK)
        overrides = [f"{name}={value}" for name, value in self._complete(parameters).items()]
        self._sam(
            "deploy", "--config-env", "local", "--config-file", str(ROOT / "samconfig.toml"),
            "--template-file", str(self._home / "build" / "template.yaml"), "--parameter-overrides", *overrides,
        )  # fmt: skip
        self._expire_items()

    def outputs(self) -> dict[str, str]:
        """The stack's outputs.

        Raises:
            ProblemError: There is no stack.
        """
        stack = self._stack()
        if stack is None:
            raise ProblemError("nothing is deployed to the local cloud")
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def settle(self) -> None:
        """Waits for a deployment under way: what a stop saves must not be half a stack."""
        deadline = time.monotonic() + READY_S
        while self._processes.runs("emulator") and self._is_ready() and time.monotonic() < deadline:
            stack = self._stack()
            if stack is None or not stack["StackStatus"].endswith("IN_PROGRESS"):
                return
            time.sleep(0.2)

    def invoke(self, function: str, payload: bytes = b"{}") -> bytes:
        """Calls a function and waits for its answer.

        Args:
            function: Its logical id.
            payload: The event, as JSON.

        Raises:
            ProblemError: It failed.
        """
        name = self._physical_id(function)
        answer = boto3.client("lambda", **self._access).invoke(FunctionName=name, Payload=payload)
        body = answer["Payload"].read()
        if "FunctionError" in answer:
            raise ProblemError(f"{function} failed: {body.decode()}")
        return body

    def begin(self, function: str) -> None:
        """Calls a function, and does not wait for its end."""
        name = self._physical_id(function)
        boto3.client("lambda", **self._access).invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")

    def disturb(self, *faults: CloudFault) -> None:
        """Puts these faults of its services in force, and no others."""
        url = f"{self.origin}{cloud_faults.PATH}"
        httpx.put(url, content=msgspec.json.encode(faults), trust_env=False).raise_for_status()

    def workers(self, function: str) -> list[int]:
        """The ids of a function's processes."""
        mark = str(self._scratch / f"ministack-lambda-{self._physical_id(function)}-")
        listed = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
        return [int(line.split()[0]) for line in listed.stdout.splitlines() if mark in line]

    def drop_lease(self) -> None:
        """Drops the lease of the live streams: who held it ended with the cloud, and the next is not to wait for it."""
        stack = self._stack()
        for output in stack.get("Outputs", []) if stack else []:
            if output["OutputKey"] == "MarketTable":
                key = {"pk": {"S": "STREAM"}, "sk": {"S": "LEASE"}}
                boto3.client("dynamodb", **self._access).delete_item(TableName=output["OutputValue"], Key=key)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.origin}/_ministack/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _stack(self) -> "StackTypeDef | None":
        try:
            return boto3.client("cloudformation", **self._access).describe_stacks(StackName=STACK)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def _physical_id(self, logical_id: str) -> str:
        cloudformation = boto3.client("cloudformation", **self._access)
        resource = cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
        return resource["StackResourceDetail"]["PhysicalResourceId"]

    def _complete(self, parameters: Parameters) -> dict[str, str]:
        # All of them, the defaults too: a parameter left out would keep the value of the last deployment.
        defaults = {name: str(parameter["Default"]) for name, parameter in template.load()["Parameters"].items()}
        architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
        own = {
            "Cloud": "local",
            "Architecture": architecture,
            "Version": f"local-{_fingerprint()}",
            "Origin": self.origin,
        }
        complete = defaults | own | dict(parameters)
        # What functions are published as: another one whenever a parameter or the code is.
        return complete | {"Release": hashlib.sha256(repr(sorted(complete.items())).encode()).hexdigest()[:10]}

    def _sam(self, *arguments: str) -> None:
        env = host_environment() | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.origin,
            "AWS_SECRET_ACCESS_KEY": "test",
            "PLATFORM": "none",
            "SAM_CLI_TELEMETRY": "0",
        }
        program = Path(sys.executable).with_name("sam")
        log = self._processes.log("sam")
        with log.open("ab") as output:
            done = subprocess.run(
                [program, *arguments], env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, check=False,
            )  # fmt: skip
        if done.returncode:
            tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-15:])
            raise ProblemError(f"sam {arguments[0]} failed; all it said is in {log}\n{tail}")

    def _expire_items(self) -> None:
        """Switches on the tables' TTL, which the emulator's CloudFormation leaves out, and looks whether it took."""
        tables = boto3.client("dynamodb", **self._access)
        for name, properties in template.resources("AWS::DynamoDB::Table").items():
            table = self._physical_id(name)
            if tables.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"] != "ENABLED":
                tables.update_time_to_live(
                    TableName=table, TimeToLiveSpecification=properties["TimeToLiveSpecification"]
                )
            status = tables.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"]
            if status not in ("ENABLING", "ENABLED"):
                raise ProblemError(f"the emulator does not expire the items of {name}: TTL is {status}")


def forget_aws_account() -> None:
    """Drops the shell's AWS settings: nothing here may touch a real account, or fail for a missing profile."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


def host_environment() -> dict[str, str]:
    """What a child process needs of this one's environment; functions in the emulator see all of it."""
    proxies = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    kept = {"HOME", "LANG", "LC_ALL", "PYTHONPYCACHEPREFIX"} | proxies | {name.lower() for name in proxies}
    return {name: value for name, value in os.environ.items() if name in kept} | {
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
    }


def _fingerprint() -> str:
    """Changes whenever what would be deployed does."""
    files = [template.TEMPLATE, ROOT / "requirements" / "dev.txt"]
    for folder in ("functions", "layers"):
        files += sorted(path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = hashlib.sha256(sys.version.encode())
    for path in files:
        digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:12]
