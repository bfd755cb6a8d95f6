"""A deployed stack as an operator's tool sees it: on AWS with the shell's credentials, or what `make run` runs."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cryptopulse import wiring
from local.cloud import STACK, forget_aws_account
from local.endpoints import read
from local.processes import ProblemError


class Stack:
    """A stack.

    Args:
        name: The stack's.
        session: Whose credentials to use.
        endpoint: The local cloud's address; None is AWS.
    """

    def __init__(self, name: str, session: boto3.Session, endpoint: str | None) -> None:
        self.name = name
        self._session = session
        self._endpoint = endpoint

    def enter(self, function: str) -> None:
        """Makes a function's environment, with credentials as of now, this process's own.

        Args:
            function: Its logical id.

        Raises:
            ProblemError: There is no such function.
        """
        try:
            os.environ |= self._environment(function) | self._credentials()
        except (BotoCoreError, ClientError) as error:
            raise ProblemError(f"the stack {self.name} cannot be looked at: {error}") from error
        wiring.clear()

    def client(self, service: str, **more: Any) -> Any:
        """A client of one of AWS's services."""
        return self._session.client(service, endpoint_url=self._endpoint, **more)  # type: ignore[call-overload] # its stubs know the names of services only

    @cached_property
    def resources(self) -> Mapping[str, str]:
        """The physical ids of all that it holds, by logical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        listed = (each for page in pages for each in page["StackResourceSummaries"])
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"] for each in listed if "PhysicalResourceId" in each
        }

    def invoke(self, function: str, payload: bytes) -> None:
        """Calls a function, and waits for its end.

        Args:
            function: Its name or ARN.
            payload: The event, as JSON.

        Raises:
            ProblemError: It failed.
        """
        patient = Config(read_timeout=120, retries={"total_max_attempts": 1})
        answer = self.client("lambda", config=patient).invoke(FunctionName=function, Payload=payload)
        if "FunctionError" in answer:
            raise ProblemError(f"it failed again: {answer['Payload'].read().decode()[:500]}")

    def begin(self, function: str, payload: bytes) -> None:
        """Calls a function, and does not wait for its end; what fails then comes into `Failures`."""
        self.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)

    def _environment(self, logical_id: str) -> dict[str, str]:
        resource = self.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        function = self.client("lambda").get_function_configuration(
            FunctionName=resource["StackResourceDetail"]["PhysicalResourceId"]
        )
        variables = function["Environment"]["Variables"]
        return {name: value for name, value in variables.items() if value}  # boto3 would take an empty address for one

    def _credentials(self) -> dict[str, str]:
        credentials = self._session.get_credentials()
        if credentials is None:
            raise ProblemError("there are no AWS credentials here")
        keys = credentials.get_frozen_credentials()
        return {
            "AWS_REGION": self._session.region_name,
            "AWS_ACCESS_KEY_ID": keys.access_key or "",
            "AWS_SECRET_ACCESS_KEY": keys.secret_key or "",
            "AWS_SESSION_TOKEN": keys.token or "",
        }


def find(name: str, home: Path) -> Stack:
    """A stack on AWS, or without a name the one that `make run` runs.

    Raises:
        ProblemError: Nothing runs here.
    """
    if name:
        return Stack(name, boto3.Session(), None)
    forget_aws_account()
    origin = read(home).http.partition("/_aws/")[0]
    return Stack(STACK, boto3.Session("test", "test", region_name="us-east-1"), origin)
