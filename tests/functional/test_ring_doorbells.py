"""Doorbells that ring when fan_out asked for it."""

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.ring_doorbells import app
from tests.conftest import read_event
from tests.functional.doorbells import rung


@pytest.mark.usefixtures("aws")
def test_the_shard_that_a_message_names_is_rung_each_time_it_comes(context: LambdaContext) -> None:
    for _ in range(2):
        app.handler(read_event("ring_doorbells"), context)
    assert rung() == [("fan#1", b"{}")] * 2
