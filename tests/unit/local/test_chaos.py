"""What the chaos run takes for wrong."""

from typing import Any

import pytest

from local.chaos import Watch, differences

ROW = [60_000, 1.0, 3.0, 0.5, 2.0, 10.0]
CANDLE = {"venue": "coinbase", "symbol": "BTC-USD", "time": 60_000, "close": 2.0, "closed": True, "complete": True}


def ticks(seq: int, *times: str) -> dict[str, Any]:
    told = [{"venue": "coinbase", "symbol": "BTC-USD", "price": 1.0, "time": time} for time in times]
    return {"type": "ticks", "seq": seq, "ticks": told}


def candles(seq: int, *told: dict[str, Any]) -> dict[str, Any]:
    return {"type": "candles", "seq": seq, "candles": list(told)}


@pytest.mark.parametrize(
    ("ours", "incomplete", "truth", "expected"),
    [
        pytest.param([ROW], [], [ROW], ({}, 0), id="equal"),
        pytest.param([ROW], [60_000], [ROW], ({60_000: "incomplete"}, 0), id="incomplete"),
        pytest.param([], [], [ROW], ({60_000: f"None, not {ROW}"}, 0), id="absent"),
        pytest.param([ROW], [], [], ({60_000: f"{ROW}, not None"}, 1), id="invented"),
        pytest.param([ROW], [], [[*ROW[:5], 9.0]], ({60_000: f"{ROW}, not {[*ROW[:5], 9.0]}"}, 1), id="too much"),
        pytest.param([ROW], [], [[*ROW[:5], 11.0]], ({60_000: f"{ROW}, not {[*ROW[:5], 11.0]}"}, 0), id="too little"),
    ],
)
def test_a_candle_must_be_the_exchanges_own(
    ours: list[list[float]], incomplete: list[int], truth: list[list[float]], expected: tuple[dict[int, str], int]
) -> None:
    assert differences(ours, incomplete, truth) == expected


@pytest.mark.parametrize(
    ("frames", "doubled"),
    [
        pytest.param([ticks(0, "10:00:01"), ticks(1, "10:00:01"), ticks(2, "10:00:02")], [], id="time goes on"),
        pytest.param(
            [ticks(0, "10:00:02"), ticks(1, "10:00:01")],
            ["coinbase:BTC-USD went back from 10:00:02 to 10:00:01"],
            id="time goes back",
        ),
        pytest.param([candles(0, CANDLE), candles(0, CANDLE)], [], id="a frame repeated"),
        pytest.param(
            [candles(0, CANDLE), candles(1, CANDLE)], [f"coinbase:BTC-USD closed twice: {CANDLE}"], id="closed twice"
        ),
        pytest.param([candles(0, CANDLE | {"complete": False}), candles(1, CANDLE)], [], id="repaired"),
        pytest.param([candles(0, CANDLE | {"closed": False}), candles(1, CANDLE | {"closed": False})], [], id="open"),
        pytest.param([{"type": "snapshot", "channel": "candles", "candles": [CANDLE]}, candles(0, CANDLE)], [], id="s"),
    ],
)
def test_a_watcher_must_not_see_anything_twice_or_the_wrong_way_round(
    frames: list[dict[str, Any]], doubled: list[str]
) -> None:
    watch = Watch()
    for frame in frames:
        watch.take(frame)
    assert watch.doubled == doubled
