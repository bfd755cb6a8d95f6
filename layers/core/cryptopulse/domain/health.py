"""How well the system does, judged by ages."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.folding import KEPT_MINUTES
from cryptopulse.domain.lanes import Lane
from cryptopulse.domain.news_sources import Source
from cryptopulse.domain.prices import STALE
from cryptopulse.domain.series import Series
from cryptopulse.domain.streaming import REMEMBERED, StreamState
from cryptopulse.domain.times import rfc3339
from cryptopulse.domain.venues import VenueState

LATE: Final = {"poll": 3 * MINUTE, "stream": MINUTE}
"""A feed is late when its newest price is older than this (ms): a polled price is about a minute old."""
NEWS_LATE: Final = HOUR
"""A source of news is late when it last answered so long ago (ms): it is asked every 15 minutes."""

type Status = Literal["ok", "degraded", "down"]
type Mode = Literal["poll", "stream"]


class Store(Struct):
    """Whether the tables answer."""

    status: Annotated[Literal["ok", "down"], Meta(description="`down`: it does not answer")]


class VenueHealth(Struct, kw_only=True):
    """How a venue's prices come in."""

    status: Annotated[
        Status,
        Meta(
            description="`degraded`: late (polled 3 minutes, streamed 1), failing, polled for want of a stream, or with"
            " gaps; `down`: no price younger than 5 minutes"
        ),
    ]
    mode: Annotated[Mode, Meta(description="How its prices come now: `poll` also while its stream is dead")]
    age_seconds: Annotated[float | None, Meta(description="Of its newest price, in seconds; null where there is none")]
    gaps: Annotated[int, Meta(description="Series with trades or candles missing that are still asked for")]
    gaps_repaired: Annotated[int, Meta(description="How many gaps in the trades were repaired since the beginning")]
    reconnects: Annotated[int, Meta(description="How many connections of its stream were lost in the last 60 minutes")]
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
        Mode, Meta(description="How they are to come: asked for each minute, or as they change; each venue has its own")
    ]
    checks: Checks


class Figures(NamedTuple):
    """What the lanes know of a venue's prices.

    Attributes:
        newest: When (Unix ms) its newest price was made; 0 where there is none.
        gaps: Series with trades or candles missing that are still asked for.
        repaired: Gaps in the trades repaired since the beginning.
    """

    newest: int = 0
    gaps: int = 0
    repaired: int = 0

    def age(self, now: int) -> float | None:
        """Seconds since then."""
        return round(max(0, now - self.newest) / 1000, 1) if self.newest else None


def figures(venues: Iterable[str], series: Iterable[Series], lanes: Mapping[int, Lane], now: int) -> dict[str, Figures]:
    """What the lanes know of each venue.

    Args:
        venues: Those that should tell prices.
        series: The series followed.
        lanes: Their lanes, by number.
        now: Unix ms.
    """
    followed = {str(each) for each in series}
    newest = dict.fromkeys(venues, 0)
    gaps = dict.fromkeys(newest, 0)
    repaired = dict.fromkeys(newest, 0)
    oldest = now - KEPT_MINUTES
    for lane in lanes.values():
        for venue, (_, count) in lane.gaps.items():
            if venue in newest:
                repaired[venue] += count
        for name, state in lane.series.items():
            venue = Series.parse(name).venue
            if name in followed and venue in newest:
                newest[venue] = max(newest[venue], state.time)
                gaps[venue] += bool(state.repairs) or any(gap.to_minute >= oldest for gap in state.missing)
    return {venue: Figures(newest[venue], gaps[venue], repaired[venue]) for venue in newest}


def check(
    venues: Iterable[str],
    series: Iterable[Series],
    lanes: Mapping[int, Lane],
    states: Mapping[str, VenueState],
    streams: Mapping[str, StreamState] | None,
    sources: Mapping[str, Source],
    now: int,
) -> Checks:
    """The checks of a system whose store answers.

    Args:
        venues: Those that should tell prices.
        series: The series followed.
        lanes: Their lanes, by number.
        states: How each venue has been answering, as far as it was ever asked.
        streams: How each venue's stream does, as far as there is one; None where prices are polled on purpose.
        sources: How the sources of news have been answering.
        now: Unix ms.
    """
    prices = {}
    for venue, known in figures(venues, series, lanes, now).items():
        answering = states.get(venue, VenueState(""))
        stream = None if streams is None else streams.get(venue, StreamState())
        prices[venue] = _venue(known, answering, stream, now)
    return Checks(Store("ok"), prices, {name: _source(source, now) for name, source in sources.items()})


def _venue(known: Figures, state: VenueState, stream: StreamState | None, now: int) -> VenueHealth:
    age = max(0, now - known.newest)
    mode: Mode = "stream" if stream is not None and stream.is_alive(now) else "poll"
    is_fallback = stream is not None and mode == "poll"
    status: Status = "ok"
    if not known.newest or age > STALE:
        status = "down"
    elif age > LATE[mode] or known.gaps or state.kind or is_fallback:
        status = "degraded"
    return VenueHealth(
        status=status,
        mode=mode,
        age_seconds=known.age(now),
        gaps=known.gaps,
        gaps_repaired=known.repaired,
        reconnects=sum(now - at < REMEMBERED for at in stream.reconnects) if stream is not None else 0,
        error=state.kind or None,
        retry_at=rfc3339(state.until) if state.until > now else None,
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
