"""A process of its own holds the live streams as stream_prices does, round after round."""

import asyncio
import os
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import NoRegionError

from cryptopulse import wiring
from cryptopulse.errors import ThrottledError
from functions.stream_prices.app import Holder
from local import collect
from local.processes import ProblemError
from local.stacks import Stack


@pytest.fixture(autouse=True)
def quick(aws: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "ROUND", 0.02)


def test_each_round_tries_to_hold_the_streams_and_only_the_first_insists(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[str, bool]] = []
    entered = 0
    stop = asyncio.Event()

    def enter() -> None:
        nonlocal entered
        entered += 1
        if entered == 3:
            raise ProblemError("no credentials")

    async def hold(self: Holder, own: asyncio.Event) -> int:
        held.append((self._name.partition("/")[0].rpartition("-")[2], self._insists))
        assert 0 < self._left() <= wiring.settings().STREAM_SECONDS
        if len(held) == 2:
            raise ThrottledError("NoAnswer", "none")
        if len(held) == 4:
            stop.set()
        await own.wait()
        return 1

    monkeypatch.setattr(wiring, "live_feeds", list)
    monkeypatch.setattr(Holder, "hold", hold)
    asyncio.run(collect.collect(enter, stop))
    assert held == [("1", True), ("2", False), ("3", False), ("4", False)]
    assert entered == 4


def test_a_stack_that_cannot_be_entered_ends_it_at_once() -> None:
    def enter() -> None:
        raise ProblemError("no such stack")

    with pytest.raises(ProblemError, match="no such stack"):
        asyncio.run(collect.collect(enter, asyncio.Event()))


class Account:
    """What a boto3 session shows of an account with one stack."""

    region_name = "eu-central-1"

    def __init__(self, variables: dict[str, str], *, has_credentials: bool = True) -> None:
        self.variables = variables
        self.has_credentials = has_credentials

    def get_credentials(self) -> Any:
        keys = SimpleNamespace(access_key="A", secret_key="S", token=None)
        return SimpleNamespace(get_frozen_credentials=lambda: keys) if self.has_credentials else None

    def client(self, service: str, *, endpoint_url: str | None) -> Any:
        return self

    def describe_stack_resource(self, **asked: str) -> Any:
        assert asked == {"StackName": "mine", "LogicalResourceId": "StreamPrices"}
        return {"StackResourceDetail": {"PhysicalResourceId": "mine-StreamPrices-1"}}

    def get_function_configuration(self, **asked: str) -> Any:
        assert asked == {"FunctionName": "mine-StreamPrices-1"}
        if not self.variables:
            raise NoRegionError
        return {"Environment": {"Variables": self.variables}}


def stack(variables: dict[str, str], *, has_credentials: bool = True) -> Stack:
    account = Account(variables, has_credentials=has_credentials)
    return Stack("mine", cast(boto3.Session, account), None)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment that a test may change."""
    mine = dict(os.environ)
    monkeypatch.setattr(os, "environ", mine)
    return mine


def test_a_stacks_environment_becomes_our_own(environment: dict[str, str]) -> None:
    del environment["AWS_ENDPOINT_URL"]
    collect.enter(stack({"PRICE_MODE": "stream", "LANES": "5", "AWS_ENDPOINT_URL": ""}))
    assert (wiring.settings().LANES, wiring.account().credentials[:3]) == (5, ("A", "S", ""))
    assert (environment["AWS_REGION"], "AWS_ENDPOINT_URL" in environment) == ("eu-central-1", False)


@pytest.mark.parametrize(
    ("variables", "has_credentials", "problem"),
    [
        ({"PRICE_MODE": "poll"}, True, "the stack mine polls: deploy it with PriceMode=stream"),
        ({"PRICE_MODE": "stream"}, False, "there are no AWS credentials here"),
        ({}, True, "the stack mine cannot be looked at: You must specify a region."),
    ],
)
def test_a_stack_that_cannot_be_worked_for_is_told(
    environment: dict[str, str], variables: dict[str, str], has_credentials: bool, problem: str
) -> None:
    with pytest.raises(ProblemError) as raised:
        collect.enter(stack(variables, has_credentials=has_credentials))
    assert str(raised.value) == problem
