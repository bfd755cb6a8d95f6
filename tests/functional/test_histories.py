"""Days of a hundred series from a real table, in few calls."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.client import Client
from cryptopulse.aws.market import LazyMinutes
from cryptopulse.domain.candles import DAY, HOUR, MINUTE, Block, Row, by_block, encode
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Record

NOW = 1_795_329_063_057
"""2026-11-22T06:31:03.057Z."""
TODAY = NOW // DAY * DAY
SIX = TODAY + 6 * HOUR
LANES = 2
SERIES = [Series("coinbase", f"C{number}-USD") for number in range(100)]


@pytest.fixture
def filled(aws: boto3.Session) -> None:
    blocks: dict[str, bytes] = {}
    for step, start, end in ((DAY, TODAY - 400 * DAY, TODAY), (HOUR, TODAY - 5 * DAY, SIX)):
        for key, part in by_block(step, [_row(at, at // step % 97) for at in range(start, end, step)]).items():
            blocks[key] = encode(Block.of(2, 3, part))
    wiring.market().table.put_many(
        {"pk": f"CANDLES#{series}", "sk": key, "version": 1, "data": data}
        for series in SERIES
        for key, data in blocks.items()
    )
    for number in range(LANES):
        lane, minutes = wiring.market().lane(number), LazyMinutes(wiring.market(), number)
        own = [each for each in SERIES if lane_of(each, LANES) == number]
        bars = [Bar(SIX, 5000, 5020, 4980, 5000, 100)]
        told = [Candles(each.symbol, 2, 3, SIX, NOW // MINUTE * MINUTE, NOW, bars) for each in own]
        folded = fold(lane, minutes, [Record("coinbase", number, [*told, Clock(NOW - 1000)])])
        wiring.market().write(lane, 0, [minutes[minute] for minute in folded.minutes])


def _row(start: int, price: int) -> Row:
    return Row(start, price + 1, price + 9, price, price + 2, 500, 2, start + DAY, True)


@pytest.fixture
def calls(filled: None, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Calls made of DynamoDB from now on, those for candle blocks apart."""
    made: Counter[str] = Counter()
    call = Client.call

    def counted(self: Client, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        keys = body["RequestItems"]["Market"]["Keys"] if operation == "BatchGetItem" else []
        made[f"{operation} of blocks" if "CANDLES" in str(keys[:1]) else operation] += 1
        return call(self, operation, body)

    monkeypatch.setattr(Client, "call", counted)
    return made


def test_a_year_of_days_of_100_series_takes_three_calls_for_blocks_and_the_next_none(calls: Counter[str]) -> None:
    histories, market = wiring.histories(), wiring.market()
    asked = SERIES, DAY, TODAY - 365 * DAY, TODAY + DAY
    found = histories.read(*asked, NOW)
    live = {"BatchGetItem": 1 + LANES, "Query": 1}  # the lanes, their minutes; the marks
    assert calls == {"BatchGetItem of blocks": 3, **live}
    calls.clear()
    assert histories.read(*asked, NOW + 999) == found
    assert calls == {}
    for series in SERIES[::33]:
        rows = found[series].rows()
        assert len(rows) == 366
        assert rows == market.candles(market.lane(lane_of(series, LANES)), series, *asked[1:], NOW).rows()
    repaired = Candles(SERIES[7].symbol, 2, 3, TODAY - DAY, TODAY, NOW, [Bar(TODAY - DAY, 7, 9, 5, 8, 1)])
    market.merge(SERIES[7], "1d", repaired)
    assert wiring.prices().rewritten(NOW + MINUTE) == {SERIES[7]: 1}
    assert histories.read(*asked, NOW + MINUTE)[SERIES[7]].rows()[-2][1:6] == (7, 9, 5, 8, 1)
