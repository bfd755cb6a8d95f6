"""Asks every source of news, scores what it tells, keeps each article once, and rings for those that are new."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.news import LIFETIME, SCORED, Kept
from cryptopulse.domain.coins import NAMES
from cryptopulse.domain.news import Item, article, distinct
from cryptopulse.domain.news_sources import Source
from cryptopulse.errors import FeedDownError, ServiceError
from cryptopulse.feeds.news_feed import NewsFeed
from cryptopulse.telemetry import entrypoint, logger, metrics, noted

NEWSAPI = "newsapi"
"""The source that tells of all the world; newsrooms' own feeds are of crypto alone."""
AT_ONCE = 16
"""Sources that are asked at once."""


class Told(NamedTuple):
    """What came of one source: its articles, and what is known of it since."""

    articles: list[Kept]
    source: Source


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Answers `{"told", "new"}`: the articles that the sources told, and those of them that were not known.

    Raises:
        ExceptionGroup: Some sources told what we cannot cope with; what the others told is kept.
    """
    news, assets, sources = wiring.news(), _assets(), _sources()
    wiring.analyzer()  # made once, not by each thread
    with ThreadPoolExecutor(AT_ONCE) as threads:
        asked = {name: threads.submit(_ask, name, source, assets) for name, source in sources.items()}
    failures = [failure for each in asked.values() if (failure := each.exception())]
    told = {name: each.result() for name, each in asked.items() if not each.exception()}
    articles, now = [kept for each in told.values() for kept in each.articles], wiring.now()
    unknown = _new(articles)
    brought = {name: len(news.keep(own)) for name, own in _admitted(unknown, told, len(sources), now).items()}
    for name, each in told.items():  # only now: what a crash leaves out is told again
        source = each.source.brought(brought[name], now)
        if source != sources[name]:
            news.save(name, source)
    if new := sum(brought.values()):
        wiring.doorbells().ring({}, news=new)
    _report(told, new, left_out=len(unknown) - new)
    if failures:
        raise BaseExceptionGroup("sources that we cannot cope with", failures)
    return {"told": len(articles), "new": new}


def _assets() -> dict[str, str]:
    """The assets that articles may be about, by code."""
    codes = [*wiring.settings().assets, *(series.base for series in wiring.market().series())]
    return {code: NAMES.get(code, code) for code in codes}


def _sources() -> dict[str, Source]:
    """What is known of the sources to ask; what was known of another URL is forgotten."""
    known = wiring.news().sources()
    urls = wiring.settings().news_sources
    return {
        name: known[name] if name in known and known[name].url == url else Source(url) for name, url in urls.items()
    }


def _ask(name: str, source: Source, assets: Mapping[str, str]) -> Told:
    """Asks a source; one that fails is not raised but told: none silences the others."""
    try:
        fetched = _feed(name).latest(source.state)
    except FeedDownError as error:
        return Told([], source.failed(error))
    except ServiceError as error:
        failure = FeedDownError(f"its key cannot be had: {error}", kind="refused", until=source.state.until)
        return Told([], source.failed(failure))
    now = wiring.now()
    articles = _scored(fetched.items, now, assets, is_crypto=name != NEWSAPI)
    return Told(list(articles), source.answered(fetched.state, now))


def _feed(name: str) -> NewsFeed:
    return wiring.newsapi() if name == NEWSAPI else wiring.news_feeds()[name]


def _scored(items: Iterable[Item], now: int, assets: Mapping[str, str], *, is_crypto: bool) -> Iterable[Kept]:
    for item in items:
        found = article(item, now, assets, is_crypto=is_crypto)
        if found is None or found.published_at <= now - LIFETIME:
            continue
        if found.language in SCORED:
            yield Kept(found, *wiring.analyzer().score(found.title, found.description))
        else:
            yield Kept(found, 0.0, "neutral", [])


def _new(articles: Iterable[Kept]) -> list[Kept]:
    """One of each that is not known, the oldest first."""
    unknown = {kept.article: kept for kept in wiring.news().unknown(articles)}
    known = wiring.news().near(each.published_at for each in unknown)
    return [unknown[each] for each in distinct(unknown, known)]


def _admitted(unknown: Iterable[Kept], told: Mapping[str, Told], sources: int, now: int) -> dict[str, list[Kept]]:
    """The newest of what each source was the first to tell, as many as it may bring today."""
    owners: dict[str, str] = {}
    for name, each in told.items():
        owners = {kept.article.id: name for kept in each.articles} | owners
    own: dict[str, list[Kept]] = {name: [] for name in told}
    for kept in unknown:
        own[owners[kept.article.id]].append(kept)
    rooms = {name: each.source.room(sources, now) for name, each in told.items()}
    return {name: some[max(0, len(some) - rooms[name]) :] for name, some in own.items()}


def _report(told: Mapping[str, Told], new: int, left_out: int) -> None:
    failing = {name: each.source.error for name, each in told.items() if each.source.kind}
    metrics.add_metric("Articles", MetricUnit.Count, new)
    metrics.add_metric("NewsFailures", MetricUnit.Count, len(failing))
    metrics.add_metric("NewsAnswers", MetricUnit.Count, len(told) - len(failing))
    log = logger.warning if failing else logger.info
    log(
        "read the news",
        new=new,
        left_out=left_out,
        told={name: len(each.articles) for name, each in told.items()},
        failing=failing,
        **noted(),
    )
