"""Whose address counts, and as what."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from hypothesis import given
from hypothesis import strategies as st

from cryptopulse import wiring
from cryptopulse.api.addresses import address, network
from tests.unit.api.conftest import EDGE_SECRET

type Make = Callable[..., dict[str, Any]]

PEER = "192.0.2.44"
EDGE = {"x-origin-secret": EDGE_SECRET}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, PEER),
        ({"x-forwarded-for": "203.0.113.9"}, PEER),
        ({"x-viewer-address": "203.0.113.9"}, PEER),
        ({"x-viewer-address": "203.0.113.9", "x-origin-secret": ""}, PEER),
        ({"x-viewer-address": "203.0.113.9", "x-origin-secret": EDGE_SECRET[:-1]}, PEER),
        ({"x-viewer-address": "203.0.113.9", "x-origin-secret": f"x, {EDGE_SECRET}"}, PEER),
        ({"x-viewer-address": "203.0.113.9", "x-origin-secret": "\ud800"}, PEER),
        (EDGE, PEER),
        ({"x-viewer-address": "203.0.113.9", **EDGE}, "203.0.113.9"),
        ({"X-Viewer-Address": "203.0.113.9", "X-Origin-Secret": EDGE_SECRET}, "203.0.113.9"),
        ({"x-viewer-address": "2001:db8::7334", **EDGE}, "2001:db8::7334"),
    ],
)
def test_only_our_own_distribution_may_tell_the_address(
    http_event: Make, headers: dict[str, str], expected: str
) -> None:
    assert address(APIGatewayProxyEventV2(http_event("GET", "/", headers=headers))) == expected


def test_without_a_distribution_nobody_may(http_event: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = msgspec.structs.replace(wiring.settings(), EDGE_SECRET="")
    monkeypatch.setattr(wiring, "settings", lambda: bare)
    headers = {"x-viewer-address": "203.0.113.9", "x-origin-secret": ""}
    assert address(APIGatewayProxyEventV2(http_event("GET", "/", headers=headers))) == PEER


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.44", "192.0.2.44"),
        ("::ffff:192.0.2.44", "192.0.2.44"),
        ("0:0:0:0:0:FFFF:C000:022C", "192.0.2.44"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ("2001:0DB8:0000:0001:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::", "2001:db8:0:2::/64"),
        ("::1", "::/64"),
        ("::192.0.2.44", "::/64"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("192.0.2.444", "192.0.2.444"),
        ("2001:db8::1::2", "2001:db8::1::2"),
        ("", ""),
        ("::1\x00", "::1\x00"),
        ("\ud800", "\ud800"),
        ("nowhere", "nowhere"),
    ],
)
def test_a_network(text: str, expected: str) -> None:
    assert network(text) == expected


@given(prefix=st.binary(min_size=8, max_size=8), hosts=st.tuples(*[st.ip_addresses(v=6)] * 2))
def test_all_hosts_of_a_64_are_one_client(prefix: bytes, hosts: tuple[Any, Any]) -> None:
    texts = [str(type(host)(prefix + host.packed[8:])) for host in hosts]
    if prefix != bytes(8):  # among those are IPv4 addresses
        assert network(texts[0]) == network(texts[1])


@given(text=st.text())
def test_a_network_is_its_own(text: str) -> None:
    assert network(network(text)) == network(text)
