"""How well the system does, judged by ages."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.news_sources import Source
from cryptopulse.domain.prices import STALE
from cryptopulse.domain.series import Series
from cryptopulse.domain.times import rfc3339
from cryptopulse.domain.venues import VenueState

LATE: Final = 3 * MINUTE
"""A feed is late when its newest price is older than this (ms): a polled price is about a minute old."""
NEWS_LATE: Final = HOUR
"""A source of news is late when it last answered so long ago (ms): it is asked every 15 minutes."""

type Status = Literal["ok", "degraded", "down"]


class Store(Struct):
    """Whether the tables answer."""

    status: Annotated[Literal["ok", "down"], Meta(description="`down`: it does not answer")]


class VenueHealth(Struct):
    """How a venue's prices come in."""

    status: Annotated[
        Status,
        Meta(
            description="`degraded`: late (3 minutes), failing, or with gaps; `down`: no price younger than 5 minutes"
        ),
    ]
    age_seconds: Annotated[float | None, Meta(description="Of its newest price, in seconds; null where there is none")]
    gaps: Annotated[int, Meta(description="Series with candles missing that are still asked for")]
    error: Annotated[
        str | None,
        Meta(
            description="Why it failed when last asked: `limited`, `banned`, `restricted`, `down`, `unknown_product`, …"
        ),
    ]
    retry_at: Annotated[
        str | None, Meta(description="It is left alone until then", extra_json_schema={"format": "date-time"})
    ]


class SourceHealth(Struct):
    """How a source of news answers."""

    status: Annotated[
        Literal["ok", "degraded"], Meta(description="`degraded`: failing, or without an answer for an hour")
    ]
    age_seconds: Annotated[float | None, Meta(description="Of its newest answer, in seconds; null: there was none")]
    error: Annotated[
        str | None, Meta(description="Why it failed when last asked: `limited`, `restricted`, `refused`, `down`")
    ]
    retry_at: Annotated[
        str | None, Meta(description="It is left alone until then", extra_json_schema={"format": "date-time"})
    ]


class Checks(Struct, omit_defaults=True):
    """The parts; without the store nothing is known of the others."""

    store: Store
    prices: Annotated[dict[str, VenueHealth], Meta(description="By venue")] = {}
    news: Annotated[dict[str, SourceHealth], Meta(description="By source; absent where there is none")] = {}


class Health(Struct):
    """The system's health."""

    status: Annotated[Status, Meta(description="`degraded`: a part is late, failing or has gaps; `down` is 503")]
    version: Annotated[str, Meta(description="Which deployment answers")]
    feeds: Annotated[Literal["live", "simulated"], Meta(description="Whether prices are the exchanges' own")]
    mode: Annotated[
        Literal["poll", "stream"], Meta(description="How they come: asked for each minute, or as they change")
    ]
    checks: Checks


def check(
    venues: Iterable[str],
    series: Iterable[Series],
    lanes: Mapping[int, Lane],
    states: Mapping[str, VenueState],
    sources: Mapping[str, Source],
    now: int,
) -> Checks:
    """The checks of a system whose store answers.

    Args:
        venues: Those that should tell prices.
        series: The series followed.
        lanes: Their lanes, by number.
        states: How each venue has been answering, as far as it was ever asked.
        sources: How the sources of news have been answering.
        now: Unix ms.
    """
    followed = {str(each) for each in series}
    newest = dict.fromkeys(venues, 0)
    gaps = dict.fromkeys(newest, 0)
    for lane in lanes.values():
        for name, state in lane.series.items():
            venue = Series.parse(name).venue
            if name in followed and venue in newest:
                newest[venue] = max(newest[venue], state.time)
                gaps[venue] += bool(state.repairs)
    prices = {venue: _venue(newest[venue], gaps[venue], states.get(venue, VenueState("")), now) for venue in newest}
    return Checks(Store("ok"), prices, {name: _source(source, now) for name, source in sources.items()})


def _venue(newest: int, gaps: int, state: VenueState, now: int) -> VenueHealth:
    age = max(0, now - newest)
    status: Status = "ok"
    if not newest or age > STALE:
        status = "down"
    elif age > LATE or gaps or state.kind:
        status = "degraded"
    return VenueHealth(
        status,
        round(age / 1000, 1) if newest else None,
        gaps,
        state.kind or None,
        rfc3339(state.until) if state.until > now else None,
    )


def _source(source: Source, now: int) -> SourceHealth:
    age = max(0, now - source.ok_at)
    return SourceHealth(
        "degraded" if source.kind or age > NEWS_LATE else "ok",
        round(age / 1000, 1) if source.ok_at else None,
        source.kind or None,
        rfc3339(source.state.until) if source.kind and source.state.until > now else None,
    )


def overall(checks: Checks) -> Status:
    """`down` if the store does not answer or no price is younger than 5 minutes; `degraded` if any part is not ok."""
    statuses = {venue.status for venue in checks.prices.values()}
    if checks.store.status == "down" or statuses <= {"down"}:
        return "down"
    return "ok" if statuses | {source.status for source in checks.news.values()} == {"ok"} else "degraded"
