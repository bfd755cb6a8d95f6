"""Asks every venue, each minute, for its prices and closed candles, and puts them on the stream by lane."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from typing import Any, NamedTuple

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.lanes import SeriesState
from cryptopulse.domain.polling import Span, closed, records, spans
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Candles
from cryptopulse.domain.venues import Product, Session, VenueState, followed
from cryptopulse.feeds.feed import Feed
from cryptopulse.telemetry import entrypoint, logger

MARGIN = 12_000
"""Milliseconds before the time limit after which no venue is asked any more."""
PORTION = 20
"""Calls for older spans whose answers are published together."""
CATCH_UP = 100
"""Calls for older spans in one run: what is older still comes in the next minutes."""

type Known = dict[str, SeriesState]
"""What the lanes know of the series, by name."""


class Polled(NamedTuple):
    """What came of one venue: its products (None: unknown), and its state after."""

    products: list[Product] | None
    state: VenueState
    ticks: int
    failures: dict[str, int]


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Answers with the number of quotes and candles published per venue."""
    deadline = wiring.now() + context.get_remaining_time_in_millis() - MARGIN
    settings, market, feeds = wiring.settings(), wiring.market(), wiring.feeds()
    before = market.series()
    lanes = market.lanes(range(settings.LANES))
    known = {name: state for lane in lanes.values() for name, state in lane.series.items()}
    with ThreadPoolExecutor(len(feeds)) as threads:
        polls = list(threads.map(lambda feed: _poll(feed, before, known, deadline), feeds))
    polled = {feed.name: poll for feed, poll in zip(feeds, polls, strict=True)}
    listings = {venue: poll.products for venue, poll in polled.items()}
    series = followed(settings.assets, settings.quotes, listings, before)
    if series != before:
        market.save_series(series)
    for venue, poll in polled.items():
        _measure(venue, poll)
    wiring.doorbells().ring({})  # who is to be said good-bye to must not wait for news
    told = {venue: {"ticks": poll.ticks, **poll.state._asdict()} for venue, poll in polled.items()}
    log = logger.warning if any(poll.state.kind for poll in polls) else logger.info
    log("polled", series=len(series), venues=told)
    return {venue: poll.ticks for venue, poll in polled.items()}


def _poll(feed: Feed, before: list[Series], known: Known, deadline: int) -> Polled:
    venues, settings = wiring.venues(), wiring.settings()
    state = venues.state(feed.name, feed.url)
    leave_alone = state.until > wiring.now()
    session = feed.begin()
    session.is_over = leave_alone
    products = venues.products(feed.name, feed.url, wiring.now(), lambda: session.ask(feed.products))
    if leave_alone:
        return Polled(products, state, 0, {})
    names = {product.symbol: product for product in products or ()}
    mine = followed(settings.assets, settings.quotes, {feed.name: products}, before)
    asked = {series: names[series.symbol] for series in mine if series.symbol in names}
    quotes, candles = _ask_all(feed, session, asked, known, deadline)
    state = state.after(session, wiring.now(), priced=quotes > 0)
    venues.save(feed.name, state)
    return Polled(products, state, quotes + candles, dict(session.failures))


def _ask_all(
    feed: Feed, session: Session, products: dict[Series, Product], known: Known, deadline: int
) -> tuple[int, int]:
    """Asks for quotes, recent candles, then older ones, and publishes what comes; counts the quotes and candles."""
    now = session.ask(feed.time)
    if now is None:
        return 0, 0
    end = closed(now, MINUTE)
    stream, lanes = wiring.stream(), wiring.settings().LANES

    def ask[Answer](call: Callable[[], Answer]) -> Answer | None:
        return session.ask(call) if wiring.now() < deadline else None

    batches = batched(products.values(), feed.batch, strict=False)
    quotes = [quote for batch in batches for quote in ask(partial(feed.quotes, batch)) or ()]
    wanted = {}
    for series in products:
        state = known.get(str(series), SeriesState())
        wanted[series] = spans(end, state.known_to, state.repairs, feed.page)

    def candles(calls: Iterable[tuple[Series, Span]]) -> list[Candles]:
        told = (ask(partial(feed.candles, products[series], "1m", *span)) for series, span in calls)
        return [each for each in told if each is not None and each.start < each.end]

    fresh = candles((series, first) for series, (first, *_) in wanted.items())
    stream.publish(records(feed.name, lanes, [*quotes, *fresh], end))
    older = [(series, span) for series, (_, *rest) in wanted.items() for span in rest]
    older.sort(key=lambda call: -call[1].end)
    count = sum(len(each.bars) for each in fresh)
    for portion in batched(older[:CATCH_UP], PORTION, strict=False):
        found = candles(portion)
        stream.publish(records(feed.name, lanes, found, end))
        count += sum(len(each.bars) for each in found)
    return len(quotes), count


def _measure(venue: str, poll: Polled) -> None:
    with_venue = EphemeralMetrics()
    with_venue.add_dimension("venue", venue)
    with_venue.add_metric("Ticks", MetricUnit.Count, poll.ticks)
    with_venue.add_metric("Calls", MetricUnit.Count, poll.state.calls)
    for kind, count in poll.failures.items():
        with_venue.add_metric(f"Failures_{kind}", MetricUnit.Count, count)
    if poll.state.ok_at:
        with_venue.add_metric("PriceAge", MetricUnit.Seconds, (wiring.now() - poll.state.ok_at) / 1000)
    with_venue.flush_metrics()
