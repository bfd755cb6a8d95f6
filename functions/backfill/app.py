"""Fetches history by REST, on a schedule until all is there, and on demand; resumable, and safe to run twice."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cryptopulse import wiring
from cryptopulse.domain.backfills import DEPTHS, Page, Stages, history_end, pages, progress, split, stages
from cryptopulse.domain.polling import Span, records
from cryptopulse.domain.series import Series
from cryptopulse.domain.ticks import Candles
from cryptopulse.domain.venues import Product, Session, followed
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


class Job(BaseModel):
    """What to fetch; `{}` is everything."""

    model_config = ConfigDict(extra="forbid")

    assets: list[str] | None = None
    days: int | None = Field(default=None, gt=0)
    max_seconds: int | None = Field(default=None, gt=0)
    quick: bool = False

    @property
    def is_everything(self) -> bool:
        return self.assets is None and self.days is None and not self.quick


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers `{"done", "total", "message"}`: pages fetched of pages needed; equal when there is nothing left to do.

    Raises:
        InvalidError: The event asks for what cannot be.
    """
    job = _job(event)
    market, venues = wiring.market(), wiring.venues()
    known = market.series()
    if job.is_everything and known and venues.finished_plan() == _plan_name(known):
        return {"done": 1, "total": 1, "message": "history is complete"}
    limit = min((job.max_seconds or SCHEDULED) * 1000, context.get_remaining_time_in_millis() - MARGIN)
    deadline = wiring.now() + limit
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
        return Job.model_validate(event)
    except ValidationError as error:
        raise InvalidError("event", str(error)) from error


def _plan_name(series: list[Series]) -> str:
    """What identifies a whole backfill: it is to be made again when one of these changes."""
    return f"{DEPTHS} {' '.join(map(str, series))}"


def _run(job: Job, known: list[Series], deadline: int) -> dict[str, Any]:
    settings, venues, feeds = wiring.settings(), wiring.venues(), wiring.feeds()
    sessions = {feed.name: _begin(feed) for feed in feeds}
    listings = {
        feed.name: venues.products(feed.name, feed.url, wiring.now(), partial(sessions[feed.name].ask, feed.products))
        for feed in feeds
    }
    series = followed(settings.assets, settings.quotes, listings, known)
    if series != known:
        wiring.market().save_series(series)
    wanted = _wanted(job, series)
    done = venues.history()
    with ThreadPoolExecutor(len(feeds)) as threads:
        futures = [
            threads.submit(
                _fetch,
                feed,
                sessions[feed.name],
                listings[feed.name] or [],
                _pages(job, [each for each in wanted if each.venue == feed.name], done),
                done,
                deadline,
            )
            for feed in feeds
        ]
        fetched = {feed.name: future.result() for feed, future in zip(feeds, futures, strict=True)}
    troubles = [str(session.error) for session in sessions.values() if session.error]
    answer = _answer(job, series, "; ".join(troubles))
    if job.is_everything and series and answer["done"] == answer["total"]:
        venues.finish(_plan_name(series))
    logger.info("backfilled", pages=fetched, **answer)
    return answer


def _begin(feed: Feed) -> Session:
    """A session, over before it begins while the venue is to be left alone."""
    state = wiring.venues().state(feed.name, feed.url)
    session = feed.begin()
    session.is_over = state.until > wiring.now()
    return session
