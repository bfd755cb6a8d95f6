"""When a venue is left alone, when it is asked again, and which series are followed meanwhile."""

from functools import partial

import pytest

from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.series import Series
from cryptopulse.domain.venues import BACKOFF, RECHECK, Product, Session, VenueState, followed
from cryptopulse.errors import FeedDownError, RestrictedError, UnknownProductError

NOON = 1_795_348_800_000
"""2026-11-22T12:00:00Z."""
URL = "http://venue.test"


def failing(error: Exception) -> None:
    raise error


def session(*errors: FeedDownError) -> Session:
    session = Session()
    for error in errors:
        session.ask(partial(failing, error))
    return session


def test_three_failures_in_a_row_end_a_session() -> None:
    one = session(*(FeedDownError(f"no {n}") for n in range(3)))
    assert (one.is_over, str(one.error), dict(one.failures)) == (True, "no 2", {"down": 3})
    assert one.ask(lambda: 1) is None


def test_an_answer_between_failures_goes_on() -> None:
    one = session(FeedDownError("no"), FeedDownError("no"))
    assert one.ask(lambda: 1) == 1
    one.ask(lambda: failing(FeedDownError("no")))
    assert not one.is_over


def test_unknown_products_end_nothing() -> None:
    one = session(*(UnknownProductError(f"{n}") for n in range(9)))
    assert (one.is_over, dict(one.failures)) == (False, {"unknown_product": 9})


@pytest.mark.parametrize("kind", ["limited", "banned", "restricted", "spent"])
def test_a_refusal_ends_a_session_at_once(kind: str) -> None:
    assert session(FeedDownError("no", kind=kind)).is_over


def test_a_failure_that_the_feed_has_counted_is_not_counted_again() -> None:
    one, error = Session(), FeedDownError("no")

    def call() -> None:
        one.failed(error)
        raise error

    one.ask(call)
    assert dict(one.failures) == {"down": 1}


def test_what_is_no_feeds_failure_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Session().ask(lambda: 1 // 0)


def test_a_good_poll_clears_the_state() -> None:
    before = VenueState(URL, NOON - HOUR, "limited", "no", NOON - 1, 3, 4, 5)
    good = Session()
    good.calls = 7
    assert before.after(good, NOON, priced=True) == VenueState(URL, ok_at=NOON, calls=7)
    assert before.after(good, NOON, priced=False).ok_at == NOON - HOUR


def test_each_refusal_more_doubles_the_time_away_up_to_an_hour() -> None:
    state, away = VenueState(URL), []
    for _ in range(10):
        state = state.after(session(FeedDownError("no", kind="limited")), NOON, priced=False)
        away.append(state.until - NOON)
    assert away == [BACKOFF * 2**n for n in range(7)] + [HOUR] * 3
    assert state.after(Session(), NOON, priced=True).strikes == 0


def test_the_venues_own_word_holds_when_it_is_longer() -> None:
    told = FeedDownError("no", kind="banned", until=NOON + 3 * HOUR)
    state = VenueState(URL, ok_at=1).after(session(told), NOON, priced=False)
    assert state == VenueState(URL, 1, "banned", "no", NOON + 3 * HOUR, 1, 0, 1)


def test_a_passing_failure_keeps_nobody_away() -> None:
    state = VenueState(URL, until=NOON - 1, strikes=2).after(session(FeedDownError("no")), NOON, priced=True)
    assert state == VenueState(URL, NOON, "down", "no", 0, 0, 0, 1)
    waiting = FeedDownError("no", until=NOON + MINUTE)
    assert VenueState(URL).after(session(waiting), NOON, priced=False).until == NOON + MINUTE


def test_a_restricted_location_is_asked_about_now_and_then_only() -> None:
    state = VenueState(URL).after(session(RestrictedError("451")), NOON, priced=False)
    assert (state.kind, state.until, state.strikes) == ("restricted", NOON + RECHECK, 0)


BTC, ETH = Series("coinbase", "BTC-USD"), Series("coinbase", "ETH-USD")
QUOTES = [("coinbase", "USD"), ("binance", "USDT")]


def test_followed_is_what_venues_trade() -> None:
    listings = {
        "coinbase": [Product("ETH-USD", "ETH-USD", True), Product("BTC-USD", "BTC-USD", True)],
        "binance": [Product("BTC-USDT", "BTCUSDT", True), Product("ETH-USDT", "ETHUSDT", False)],
    }
    assert followed(["BTC", "ETH"], QUOTES, listings, []) == [BTC, Series("binance", "BTC-USDT"), ETH]


def test_a_halt_or_an_unknown_list_ends_no_series_but_a_delisting_does() -> None:
    listings = {"coinbase": [Product("BTC-USD", "BTC-USD", trading=False)], "binance": None}
    before = [BTC, ETH, Series("binance", "ETH-USDT")]
    assert followed(["BTC", "ETH"], QUOTES, listings, before) == [BTC, Series("binance", "ETH-USDT")]
    assert followed(["BTC", "ETH"], QUOTES, listings, []) == []


def test_our_own_spent_budget_says_nothing_of_the_venue() -> None:
    before = VenueState(URL, ok_at=7, kind="limited", error="HTTP 429", until=NOON + 5, strikes=2)
    after = before.after(session(FeedDownError("no turn", kind="spent", until=NOON + 9)), NOON, priced=False)
    assert after == before._replace(failures=1)
