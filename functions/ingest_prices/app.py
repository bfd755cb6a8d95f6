"""Asks every venue, each minute, for prices and candles where they do not come by a stream, and for what is missing.

What comes goes on the stream by lane, as everything does.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched
from typing import Any, NamedTuple

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.health import figures
from cryptopulse.domain.lanes import SeriesState
from cryptopulse.domain.polling import Ids, Span, closed, plan, records
from cryptopulse.domain.series import Series
from cryptopulse.domain.streaming import StreamState
from cryptopulse.domain.ticks import Candles, Trades
from cryptopulse.domain.venues import Product, Session, VenueState, followed
from cryptopulse.feeds.feed import Feed
from cryptopulse.telemetry import entrypoint, logger, metrics, noted

MARGIN = 12_000
"""Milliseconds before the time limit after which no venue is asked any more."""
PORTION = 20
"""Calls for what is older whose answers are published together."""
CATCH_UP = 100
"""Calls for what is older in one run: the rest comes in the next minutes, the newest always first."""

type Known = dict[str, SeriesState]
"""What the lanes know of the series, by name."""
type Call = tuple[Series, Span | Ids]


class Polled(NamedTuple):
    """What came of one venue: its products (None: unknown), and its state after.

    `mode` tells how its prices come, `ticks` how many quotes, candles and trades were asked for and came.
    """

    mode: str
    products: list[Product] | None
    state: VenueState
    ticks: int
    failures: dict[str, int]


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Answers with the number of quotes, candles and trades published per venue."""
    deadline = wiring.now() + context.get_remaining_time_in_millis() - MARGIN
    settings, market, feeds = wiring.settings(), wiring.market(), wiring.feeds()
    before = market.series()
    lanes = market.lanes(range(settings.LANES))
    now = wiring.now()
    known = {name: state for lane in lanes.values() for name, state in lane.series.items()}
    streams = _living_streams()
    with ThreadPoolExecutor(len(feeds)) as threads:
        polls = list(threads.map(lambda feed: _poll(feed, before, known, streams.get(feed.name), deadline), feeds))
    polled = {feed.name: poll for feed, poll in zip(feeds, polls, strict=True)}
    listings = {venue: poll.products for venue, poll in polled.items()}
    series = followed(settings.assets, settings.quotes, listings, before)
    if series != before:
        market.save_series(series)
    for venue, known_of in figures(polled, before, lanes, now).items():
        _measure(venue, polled[venue], known_of.age(now), known_of.gaps)
    if settings.PRICE_MODE == "stream":
        metrics.add_metric("VenuesStreamed", MetricUnit.Count, sum(poll.mode == "stream" for poll in polls))
    wiring.doorbells().ring({})  # who is to be said good-bye to must not wait for news
    told = {venue: {"mode": poll.mode, "ticks": poll.ticks, **poll.state._asdict()} for venue, poll in polled.items()}
    is_well = all(poll.mode == settings.PRICE_MODE and not poll.state.kind for poll in polls)
    log = logger.info if is_well else logger.warning
    log("polled", mode=settings.PRICE_MODE, series=len(series), venues=told, **noted())
    return {venue: poll.ticks for venue, poll in polled.items()}


def _living_streams() -> Mapping[str, StreamState]:
    """The streams that bring prices now, by venue; a venue without one is polled."""
    lease = wiring.leases().read() if wiring.settings().PRICE_MODE == "stream" else None
    now = wiring.now()
    return {venue: state for venue, state in lease.states.items() if state.is_alive(now)} if lease else {}


def _poll(feed: Feed, before: list[Series], known: Known, stream: StreamState | None, deadline: int) -> Polled:
    venues, settings = wiring.venues(), wiring.settings()
    mode = "poll" if stream is None else "stream"
    state = venues.state(feed.name, feed.url)
    leave_alone = state.until > wiring.now()
    session = feed.begin()
    session.is_over = leave_alone
    products = venues.products(feed.name, feed.url, wiring.now(), lambda: session.ask(feed.products))
    if leave_alone:
        return Polled(mode, products, state, 0, {})
    names = {product.symbol: product for product in products or ()}
    mine = followed(settings.assets, settings.quotes, {feed.name: products}, before)
    asked = {series: names[series.symbol] for series in mine if series.symbol in names}
    quotes, others = _ask_all(feed, session, asked, known, stream, deadline)
    state = state.after(session, wiring.now(), priced=quotes > 0)
    if stream is not None:
        state = state._replace(ok_at=max(state.ok_at, stream.told_at))
    venues.save(feed.name, state)
    return Polled(mode, products, state, quotes + others, dict(session.failures))


def _ask_all(
    feed: Feed,
    session: Session,
    products: dict[Series, Product],
    known: Known,
    stream: StreamState | None,
    deadline: int,
) -> tuple[int, int]:
    """Asks for prices and newest candles of what is not streamed, then for what is missing, and publishes what comes.

    Returns:
        How many quotes came, and how many candles and trades.
    """
    states = {series: known.get(str(series), SeriesState()) for series in products}
    polled = {each: product for each, product in products.items() if stream is None or each.symbol in stream.refused}
    now = session.ask(feed.time)
    if now is None:
        return 0, 0
    # Where something is streamed, the stream alone knows up to when the venue has told all.
    clock = closed(now, MINUTE) if stream is None else None
    publish, lanes = wiring.stream().publish, wiring.settings().LANES

    def ask[Answer](call: Callable[[], Answer]) -> Answer | None:
        return session.ask(call) if wiring.now() < deadline else None

    def answers(calls: Iterable[Call]) -> list[Candles | Trades]:
        return [told for call in calls if (told := ask(partial(_answer, feed, products, *call))) is not None]

    batches = batched(polled.values(), feed.batch, strict=False)
    quotes = [quote for batch in batches for quote in ask(partial(feed.quotes, batch)) or ()]
    plans = {series: plan(states[series], now, feed.page, is_streamed=series not in polled) for series in products}
    fresh = answers((series, each.fresh) for series, each in plans.items() if each.fresh is not None)
    heard = {told.symbol for told in fresh if isinstance(told, Candles) and told.end == clock}
    unheard = [each.symbol for each in polled if each.symbol not in heard]
    publish(records(feed.name, lanes, [*quotes, *fresh], clock, unheard))
    older = [(series, call) for series, each in plans.items() for call in each.older]
    older.sort(key=lambda call: -call[1].end)
    count = sum(map(_ticks, fresh))
    for portion in batched(older[:CATCH_UP], PORTION, strict=False):
        found = answers(portion)
        publish(records(feed.name, lanes, found, clock, unheard))
        count += sum(map(_ticks, found))
    return len(quotes), count


def _answer(
    feed: Feed, products: Mapping[Series, Product], series: Series, wanted: Span | Ids
) -> Candles | Trades | None:
    """What the venue tells; None where it knows nothing."""
    if isinstance(wanted, Ids):
        return feed.trades(products[series], wanted.first, wanted.last)
    told = feed.candles(products[series], "1m", wanted.start, wanted.end)
    return told if told.start < told.end else None


def _ticks(told: Candles | Trades) -> int:
    return len(told.bars if isinstance(told, Candles) else told.trades)


def _measure(venue: str, poll: Polled, age: float | None, gaps: int) -> None:
    """Tells of a venue, and of all: `FeedAge` and `GapsOpen` as /health had them when the minute began."""
    with_venue = EphemeralMetrics()
    with_venue.add_dimension("venue", venue)
    with_venue.add_metric("Ticks", MetricUnit.Count, poll.ticks)
    with_venue.add_metric("Calls", MetricUnit.Count, poll.state.calls)
    for kind, count in poll.failures.items():
        with_venue.add_metric(f"Failures_{kind}", MetricUnit.Count, count)
    for told in (with_venue, metrics):
        told.add_metric("GapsOpen", MetricUnit.Count, gaps)
        if age is not None:
            told.add_metric("FeedAge", MetricUnit.Seconds, age)
    with_venue.flush_metrics()
