"""What the load run takes for wrong, and its percentiles."""

import json
from typing import Any

import pytest

from cryptopulse_client.frames import Snapshot, TickFrame, read
from local.load import Audit, percentile


def ticks(*seconds: int, symbol: str = "BTC-USD") -> list[dict[str, Any]]:
    return [
        {"venue": "coinbase", "symbol": symbol, "price": 1.0, "time": f"2026-11-22T12:00:{second:02}Z"}
        for second in seconds
    ]


def snapshot(*told: dict[str, Any]) -> dict[str, Any]:
    return {"type": "snapshot", "channel": "ticks", "ticks": told}


def frame(seq: int, *told: dict[str, Any]) -> dict[str, Any]:
    return {"type": "ticks", "seq": seq, "time": "2026-11-22T12:00:09Z", "ticks": told}


def taken(*frames: dict[str, Any]) -> Audit:
    audit = Audit(["BTC-USD", "ETH-USD"])
    for each in frames:
        found = read(json.dumps(each))
        assert isinstance(found, Snapshot | TickFrame)
        audit.take(found)
    return audit


SHOWN = snapshot(*ticks(2))


@pytest.mark.parametrize(
    ("frames", "lost", "faults"),
    [
        pytest.param([SHOWN, frame(1, *ticks(2)), frame(2, *ticks(3))], 0, [], id="as promised"),
        pytest.param([SHOWN, frame(1, *ticks(3)), frame(1, *ticks(2))], 0, [], id="repeated"),
        pytest.param([SHOWN, frame(1, *ticks(3)), frame(4, *ticks(4))], 2, [], id="jump"),
        pytest.param([SHOWN, frame(2, *ticks(3))], 1, [], id="first frame lost"),
        pytest.param(
            [frame(1, *ticks(1)), SHOWN, frame(2, *ticks(3))],
            0,
            ["frame 1 came before the snapshot"],
            id="frame before the snapshot",
        ),
        pytest.param(
            [SHOWN, frame(1, *ticks(1)), frame(2, *ticks(3))],
            0,
            ["BTC-USD went back from 2026-11-22 12:00:02+00:00 to 2026-11-22 12:00:01+00:00"],
            id="time went back",
        ),
        pytest.param(
            [SHOWN, frame(1, *ticks(3, symbol="SOL-USD"))], 0, ["SOL-USD was not asked for"], id="not asked for"
        ),
        pytest.param([], 0, ["no snapshot came"], id="no snapshot"),
        pytest.param([SHOWN], 0, ["no frame came"], id="no frame"),
    ],
)
def test_each_client_must_get_all_that_it_asked_for_in_order(
    frames: list[dict[str, Any]], lost: int, faults: list[str]
) -> None:
    audit = taken(*frames)
    assert (audit.lost, audit.faults()) == (lost, faults)


def test_a_new_connection_counts_from_one_and_begins_with_a_snapshot() -> None:
    audit = taken(SHOWN, frame(1, *ticks(5)), frame(2, *ticks(6)))
    audit.connected()
    for each in (SHOWN, frame(1, *ticks(3))):
        audit.take(read(json.dumps(each)))
    assert (audit.lost, audit.faults()) == (0, [])


@pytest.mark.parametrize(
    ("delays", "share", "expected"),
    [
        pytest.param({}, 0.99, 0, id="none"),
        pytest.param({7: 1}, 0.5, 7, id="one"),
        pytest.param({30: 1, 10: 98, 20: 1}, 0.99, 20, id="p99"),
        pytest.param({30: 1, 10: 98, 20: 1}, 0.5, 10, id="p50"),
    ],
)
def test_percentile(delays: dict[int, int], share: float, expected: int) -> None:
    assert percentile(delays, share) == expected
