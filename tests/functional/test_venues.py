"""What all processes share about a venue: its turns, its state, its list, how far its history has come."""

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from cryptopulse import wiring
from cryptopulse.aws.venues import LISTING_KEPT, Venues
from cryptopulse.domain.polling import Span
from cryptopulse.domain.series import Series
from cryptopulse.domain.venues import Product, VenueState

NOON = 1_795_348_800_000
URL = "http://venue.test"
BTC = Product("BTC-USD", "BTC-USD", trading=True)
ETH = Product("ETH-USD", "ETH-USD", trading=False)


@pytest.fixture
def venues(aws: boto3.Session) -> Venues:
    return wiring.venues()


def test_turns_are_taken_one_after_another(venues: Venues) -> None:
    assert venues.reserve("coinbase", 1000, NOON) == NOON
    assert venues.reserve("coinbase", 500, NOON + 100) == NOON + 1000
    assert venues.reserve("coinbase", 500, NOON + 1500) == NOON + 1500
    assert venues.reserve("coinbase", 500, NOON + 9000) == NOON + 9000
    assert venues.reserve("binance", 10, NOON) == NOON


def test_no_two_processes_get_the_same_turn(venues: Venues) -> None:
    with ThreadPoolExecutor(8) as threads:
        starts = list(threads.map(lambda _: venues.reserve("coinbase", 1000, NOON), range(24)))
    assert sorted(starts) == [NOON + 1000 * n for n in range(24)]


def test_a_venue_left_alone_has_no_turns(venues: Venues) -> None:
    state = venues.state("coinbase", URL)
    venues.save("coinbase", state._replace(kind="banned", error="no", until=NOON + 7_200_000))
    assert venues.reserve("coinbase", 1000, NOON) == NOON + 7_200_000
    assert venues.states() == {"coinbase": VenueState(URL, kind="banned", error="no", until=NOON + 7_200_000)}


def test_a_state_is_about_one_url(venues: Venues) -> None:
    assert venues.states() == {}
    banned = venues.state("coinbase", URL)._replace(kind="restricted", error="no", until=NOON + 300_000)
    venues.save("coinbase", banned)
    assert venues.state("coinbase", URL) == banned
    assert venues.state("coinbase", "http://elsewhere.test") == VenueState("http://elsewhere.test")
    assert venues.reserve("coinbase", 1000, NOON) == NOON


def test_turns_taken_before_its_state_is_known_say_nothing_of_a_venue(venues: Venues) -> None:
    venues.reserve("coinbase", 1000, NOON)
    assert venues.states() == {}
    assert venues.state("coinbase", URL) == VenueState(URL)
    assert venues.states() == {"coinbase": VenueState(URL)}
    assert venues.reserve("coinbase", 1000, NOON) == NOON + 1000


def test_a_list_is_asked_for_once_a_day_by_all_processes(venues: Venues) -> None:
    asked: list[int] = []

    def fetch() -> list[Product]:
        asked.append(1)
        return [BTC, ETH]

    other = Venues(venues._table)
    for each in (venues, venues, other):
        assert each.products("coinbase", URL, NOON, fetch) == [BTC, ETH]
    assert len(asked) == 1
    assert other.products("coinbase", URL, NOON + LISTING_KEPT, lambda: [BTC]) == [BTC]
    assert venues.products("coinbase", URL, NOON + LISTING_KEPT, fetch) == [BTC]
    assert len(asked) == 1


def test_an_old_list_is_better_than_none_but_not_another_hosts(venues: Venues) -> None:
    assert venues.products("coinbase", URL, NOON, lambda: None) is None
    assert venues.products("coinbase", URL, NOON, lambda: [BTC]) == [BTC]
    assert venues.products("coinbase", URL, NOON + 2 * LISTING_KEPT, lambda: None) == [BTC]
    assert venues.products("coinbase", "http://elsewhere.test", NOON, lambda: None) is None


def test_history_grows_per_series_and_interval(venues: Venues) -> None:
    btc, eth = Series("coinbase", "BTC-USD"), Series("binance", "ETH-USDT")
    assert venues.history() == {}
    venues.save_history(btc, "1m", Span(NOON, NOON + 60_000))
    venues.save_history(btc, "1d", Span(0, NOON))
    venues.save_history(eth, "1m", Span(1, 2))
    venues.save_history(btc, "1m", Span(NOON - 60_000, NOON + 60_000))
    assert venues.history() == {
        (btc, "1m"): Span(NOON - 60_000, NOON + 60_000),
        (btc, "1d"): Span(0, NOON),
        (eth, "1m"): Span(1, 2),
    }


def test_one_backfill_at_a_time_and_a_dead_one_is_followed(venues: Venues) -> None:
    assert venues.lease("a", NOON, NOON + 60_000)
    assert venues.lease("a", NOON + 1, NOON + 70_000)
    assert not venues.lease("b", NOON + 69_999, NOON + 130_000)
    assert venues.lease("b", NOON + 70_000, NOON + 130_000)
    venues.release("a")
    assert not venues.lease("a", NOON + 70_001, NOON + 140_000)
    venues.release("b")
    assert venues.lease("a", NOON + 70_001, NOON + 140_000)


def test_a_finished_plan_is_remembered(venues: Venues) -> None:
    assert venues.finished() == ("", 0)
    venues.finish("plan", 12)
    assert venues.finished() == ("plan", 12)
