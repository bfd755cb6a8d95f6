"""Fetches history by REST, on a schedule until all is there, and on demand; resumable, and safe to run twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.domain.backfills import DEPTHS, Page, history_end, pages, progress, split, stages
from cryptopulse.domain.polling import Span, records
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Candles
from cryptopulse.domain.venues import Product, Session, VenueState, followed
from cryptopulse.errors import InvalidError
from cryptopulse.feeds.feed import Feed
from cryptopulse.telemetry import entrypoint, logger

SCHEDULED = 50
"""Seconds of work in a run that does not say how many."""
MARGIN = 15_000
"""Milliseconds before the time limit after which no page is begun."""
SHARE = 0.7
"""Of a venue's turns; the rest is for ingest_prices."""

type Done = dict[tuple[Series, str], Span]


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to fetch; `{}` is everything."""

    assets: list[str] | None = None
    days: Annotated[int, msgspec.Meta(gt=0)] | None = None
    max_seconds: Annotated[int, msgspec.Meta(gt=0)] | None = None
    quick: bool = False

    @property
    def is_everything(self) -> bool:
        return self.assets is None and self.days is None and not self.quick


class Venue:
    """A feed and how it has been answering, in one run."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.state: VenueState = wiring.venues().state(feed.name, feed.url)
        self.session: Session = feed.begin()
        self.is_left_alone = self.session.is_over = self.state.until > wiring.now()
        self.products: list[Product] | None = wiring.venues().products(
            feed.name, feed.url, wiring.now(), lambda: self.session.ask(feed.products)
        )

    @property
    def trouble(self) -> str:
        """What went wrong; empty if nothing did."""
        return self.state.error if self.is_left_alone else str(self.session.error or "")

    def close(self) -> None:
        """Tells the others if the venue is not to be asked any more."""
        error = self.session.error
        if self.session.is_over and not self.is_left_alone and not (error and error.kind == "spent"):
            wiring.venues().save(self.feed.name, self.state.after(self.session, wiring.now(), priced=False))


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers `{"done", "total", "message"}`: pages fetched of pages needed; equal when there is nothing left to do.

    Raises:
        InvalidError: The event asks for what cannot be.
    """
    job = _job(event)
    venues, known = wiring.venues(), wiring.market().series()
    plan, total = venues.finished()
    if job.is_everything and known and plan == _plan_name(known):
        return {"done": total, "total": total, "message": "history is complete"}
    seconds = job.max_seconds or SCHEDULED
    deadline = wiring.now() + min(seconds * 1000, context.get_remaining_time_in_millis() - MARGIN)
    holder = context.aws_request_id
    while not venues.lease(holder, wiring.now(), deadline + MARGIN):
        if job.max_seconds is None or wiring.now() + 1000 > deadline:
            return _answer(job, known, "another run is at it")
        time.sleep(1)
    try:
        return _run(job, known, deadline)
    finally:
        venues.release(holder)


def _job(event: dict[str, Any]) -> Job:
    if event.get("source") == "aws.scheduler":
        return Job()
    try:
        return msgspec.convert(event, Job)
    except msgspec.ValidationError as error:
        raise InvalidError("event", str(error)) from error


def _plan_name(series: list[Series]) -> str:
    """What identifies a whole backfill: when it changes, there is more to fetch."""
    return f"{DEPTHS} {' '.join(map(str, series))}"


def _run(job: Job, known: list[Series], deadline: int) -> dict[str, Any]:
    settings = wiring.settings()
    venues = [Venue(feed) for feed in wiring.feeds()]
    listings = {venue.feed.name: venue.products for venue in venues}
    series = followed(settings.assets, settings.quotes, listings, known)
    if series != known:
        wiring.market().save_series(series)
    done = wiring.venues().history()
    todo = _pages(job, series, done)
    with ThreadPoolExecutor(len(venues)) as threads:
        counts = list(threads.map(lambda venue: _fetch(venue, todo, done, deadline), venues))
    answer = _answer(job, series, "; ".join(venue.trouble for venue in venues if venue.trouble))
    if job.is_everything and series and answer["done"] == answer["total"]:
        wiring.venues().finish(_plan_name(series), answer["total"])
    logger.info("backfilled", pages=dict(zip(listings, counts, strict=True)), answer=answer)
    return answer


def _rows() -> dict[str, int]:
    return {feed.name: feed.page for feed in wiring.feeds()}


def _wanted(job: Job, series: list[Series]) -> list[Series]:
    if job.assets is None:
        return series
    if strange := set(job.assets) - {each.base for each in series} - set(wiring.settings().assets):
        raise InvalidError("assets", f"not followed: {', '.join(sorted(strange))}")
    return [each for each in series if each.base in job.assets]


def _pages(job: Job, series: list[Series], done: Done) -> list[Page]:
    return pages(_wanted(job, series), done, wiring.now(), _rows(), stages(days=job.days, quick=job.quick))


def _answer(job: Job, series: list[Series], message: str) -> dict[str, Any]:
    if not series:
        return {"done": 0, "total": 1, "message": message or "no venue has told yet what it trades"}
    plan = stages(days=job.days, quick=job.quick)
    done, total = progress(_wanted(job, series), wiring.venues().history(), wiring.now(), _rows(), plan)
    return {"done": done, "total": total, "message": message or ("history is complete" if done == total else "")}


def _fetch(venue: Venue, todo: list[Page], done: Done, deadline: int) -> int:
    """Fetches a venue's pages in order, and returns how many; a series that fails has to wait for the next run."""
    feed = venue.feed
    products = {product.symbol: product for product in venue.products or ()}
    waiting: set[tuple[Series, str]] = set()
    count = 0
    for series, interval, start, end in todo:
        key = series, interval
        if series.venue != feed.name or series.symbol not in products or key in waiting:
            continue
        if venue.session.is_over or wiring.now() >= deadline:
            break
        candles = venue.session.ask(partial(feed.candles, products[series.symbol], interval, start, end))
        if candles is None or candles.start == candles.end or (key in done and candles.end < end):
            waiting.add(key)
            continue
        young_from = done[series, "1h"].end if (series, "1h") in done else history_end("1h", wiring.now())
        _store(series, interval, candles, young_from)
        done[key] = Span(candles.start, done[key].end if key in done else candles.end)
        wiring.venues().save_history(series, interval, done[key])
        if candles.start > start:
            waiting.add(key)
        count += 1
        time.sleep(feed.page_time / 1000 * (1 / SHARE - 1))
    venue.close()
    return count


def _store(series: Series, interval: str, candles: Candles, young_from: int) -> None:
    """Writes history; minutes of hours that the lanes still fold go to the stream like everything new."""
    old, young = split(candles, young_from) if interval == "1m" else (candles, None)
    if old:
        wiring.market().merge(series, interval, old)
    if young:
        wiring.stream().publish(records(series.venue, wiring.settings().LANES, [young]))
