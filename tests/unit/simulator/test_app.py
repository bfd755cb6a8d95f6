"""What the server says of itself, and the truth it tells."""

import pytest

from tests.unit.simulator.conftest import Ask

TRUTH = "/admin/candles?venue={}&symbol={}&interval={}"


def test_it_says_what_it_is_and_that_it_is_well(ask: Ask) -> None:
    about = ask("/").json()
    assert about["about"] == "Simulated crypto exchanges: seeded prices, real protocols."
    assert {"/admin/faults", "/binance/api/v3/klines", "/coinbase/products/{product_id}/candles"} <= set(about["paths"])
    assert ask("/admin/health").json() == {"status": "ok"}


def test_the_truth_is_what_the_venue_says_without_faults(ask: Ask) -> None:
    start, end = 1_795_336_080_000, 1_795_336_380_000
    rows = ask(f"/binance/api/v3/klines?symbol=ETHBTC&interval=1m&startTime={start}&endTime={end - 1}").json()
    ask("/admin/faults", "PUT", json=[{"venue": "binance", "kind": "restricted", "rate": 1, "seconds": 60}])
    truth = ask(TRUTH.format("binance", "ETH-BTC", "1m") + f"&start={start}&end={end}").json()["candles"]
    assert truth == [[row[0], *(text[:-3] for text in row[1:5]), row[5][:-4], row[8]] for row in rows]
    named = ask(
        TRUTH.format("binance", "ETH-BTC", "1m") + "&start=2026-11-22T08:28:00Z&end=2026-11-22T09:33:00%2B01:00"
    )
    assert named.json()["candles"] == truth


def test_minutes_without_trades_are_not_candles(ask: Ask) -> None:
    truth = ask(TRUTH.format("coinbase", "ADA-GBP", "1m")).json()["candles"]
    assert 100 < len(truth) < 500
    assert all(row[6] > 0 for row in truth)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (TRUTH.format("kraken", "BTC-USD", "1m"), 404),
        (TRUTH.format("coinbase", "BTCUSD", "1m"), 404),
        (TRUTH.format("coinbase", "BTC-USD", "7m"), 422),
        (TRUTH.format("coinbase", "BTC-USD", "1m") + "&start=soon", 422),
        (TRUTH.format("coinbase", "BTC-USD", "1m") + "&start=2024-01-01", 422),
    ],
)
def test_a_question_that_has_no_answer_is_refused(ask: Ask, path: str, status: int) -> None:
    answer = ask(path)
    assert answer.status_code == status
    assert answer.json().keys() == {"message"}
