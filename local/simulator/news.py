"""The news: what happens to the assets hour by hour, in step with their prices, and who writes about it."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from local.simulator.assets import GENESIS
from local.simulator.faults import Newsroom
from local.simulator.headlines import (
    ABROAD,
    AUTHORS,
    ELSEWHERE,
    EVENTS,
    MOVES,
    WORDS,
    Chance,
    Pattern,
    Tone,
    filled,
    in_capitals,
    said_again,
)
from local.simulator.markets import ASSETS, DAY_MS
from local.simulator.noise import stream, uniform
from local.simulator.series import HOUR_MS, MINUTE_MS, Series

FEWEST, MOST = 8, 20
"""Stories in an hour."""

_DRAWS = 96  # for a story: more than any needs
_LATEST_AGAIN_MS = 45 * MINUTE_MS
_STABLE = 0.01  # the volatility of what makes no news
_CALM, _STORM = 0.2, 1.2  # a move's size, in its usual deviation, up to which it is none, and beyond which it is large


@dataclass(frozen=True, slots=True)
class Desk:
    """A newsroom: its name, the host of its pages, and what NewsAPI calls it, if it does."""

    name: str
    host: str
    newsapi_id: str | None = None


DESKS: dict[Newsroom, Desk] = {
    "block-courier": Desk("Block Courier", "www.block-courier.example", "block-courier"),
    "coin-gazette": Desk("Coin Gazette", "coin-gazette.example"),
    "chain-observer": Desk("The Chain Observer", "chain-observer.example"),
}


class Story(NamedTuple):
    """What happened: when (Unix ms), how good it is for the assets it names, and the move of the first one's price.

    `move` is that of the hour so far: the last full minute's close against the hour's open, less one.
    """

    number: int
    time: int
    kind: str
    tone: Tone
    language: str
    assets: tuple[str, ...]
    move: float


class Article(NamedTuple):
    """A newsroom's page about a story; `time` in Unix milliseconds, whole seconds."""

    story: Story
    newsroom: Newsroom
    time: int
    title: str
    description: str
    author: str | None

    @property
    def url(self) -> str:
        """Its own address, without what a feed adds."""
        words = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")[:70]
        return f"https://{DESKS[self.newsroom].host}/{self.story.kind}/{words}-{self.story.number}"


class News:
    """All newsrooms' articles: of any past moment, at once and always the same.

    A story of an asset tells good news where its price has risen since the hour began, bad news where it has fallen,
    and neither where it has not moved; one event in eight is told against the price.
    """

    def __init__(self, seed: int, series: Iterable[Series]) -> None:
        self._seed = seed
        self._series: dict[str, Series] = {}
        for one in series:
            listing, asset = one.listing, ASSETS[one.listing.base]
            is_dollars = listing.quote in ("USD", "USDT") and listing.delisted is None
            if is_dollars and asset.volatility > _STABLE and asset.name.isascii():
                self._series.setdefault(listing.base, one)
        weights = list(accumulate(math.sqrt(one.listing.turnover) for one in self._series.values()))
        self._reached = [weight / weights[-1] for weight in weights]
        self._hour = lru_cache(maxsize=1000)(self._written)

    def articles(self, since: int, until: int) -> list[Article]:
        """The articles from `since` to `until`, both included, in Unix milliseconds; newest first."""
        hours = range(max((since - _LATEST_AGAIN_MS) // HOUR_MS, GENESIS * 24), until // HOUR_MS + 1)
        found = [article for hour in hours for article in self._hour(hour) if since <= article.time <= until]
        return sorted(found, key=lambda article: (article.time, article.story.number, article.newsroom), reverse=True)

    def _written(self, hour: int) -> tuple[Article, ...]:
        """What is written of the stories of an hour numbered since 1970, those to come included."""
        drawn = uniform(stream(self._seed, "news", hour), np.arange((MOST + 1) * _DRAWS)).reshape(-1, _DRAWS).tolist()
        count = FEWEST + int(drawn[0][0] * (MOST - FEWEST + 1))
        chances = enumerate(map(Chance, drawn[1 : count + 1]))
        return tuple(article for at, chance in chances for article in self._told(hour, hour * 100 + at, chance))

    def _told(self, hour: int, number: int, chance: Chance) -> list[Article]:
        """A story as the newsroom that has it first writes it, and every third time one more after it."""
        time = hour * HOUR_MS + int(chance.share() * 3000) * 1000 + 10 * MINUTE_MS
        first, again, *_ = _shuffled(list(DESKS), chance)
        carried, later = chance.share() < 1 / 3, 2 * MINUTE_MS + int(chance.share() * 2500) * 1000
        author = chance.of((*AUTHORS, None))
        other_author = chance.of((*AUTHORS, None))
        story, title, description = self._happened(number, time, chance)
        told = [Article(story, first, time, _in_style(first, title, chance), description, author)]
        if carried:
            title = _in_style(again, said_again(title, chance), chance)
            told.append(Article(story, again, time + later, title, description, other_author))
        return told

    def _happened(self, number: int, time: int, chance: Chance) -> tuple[Story, str, str]:
        """A story, its headline and its description."""
        rubric, drawn = chance.share(), chance.share()
        if rubric < 0.03:
            pattern = chance.of(ELSEWHERE)
            title, description = (filled(text, {}, chance) for text in pattern[1:])
            return Story(number, time, pattern.kind, 0, "en", (), 0), title, description
        code = next(code for code, reached in zip(self._series, self._reached, strict=True) if drawn < reached)
        open_, price = self._prices(code, time)
        move = price / open_ - 1
        size = move / (ASSETS[code].volatility * math.sqrt((time % HOUR_MS) / DAY_MS))
        tone: Tone = 0 if abs(size) < _CALM else 1 if size > 0 else -1
        language = chance.of(tuple(ABROAD)) if rubric < 0.07 else "en"
        pattern, tone = _pattern(rubric, tone, language, chance)
        other = chance.of([one for one in ("BTC", "ETH", "SOL") if one != code])
        given = _given(code, price, move, abs(size) > _STORM, chance) | {"other": ASSETS[other].name}
        title = filled(pattern.title, given | {"name": _named(code, chance)}, chance)
        description = filled(pattern.description, given, chance)
        assets: tuple[str, ...] = (code,)
        if "{other}" in pattern.title:
            is_first = pattern.title.index("{other}") < pattern.title.index("{name}")
            assets = (other, code) if is_first else (code, other)
        return Story(number, time, pattern.kind, tone, language, assets, move), title, description

    def _prices(self, code: str, time: int) -> tuple[float, float]:
        """What the hour opened at, and the close of the last full minute before a time in the hour."""
        series = self._series[code]
        minutes = series.minutes(time // DAY_MS)
        at = time % DAY_MS // MINUTE_MS
        unit = 10.0**series.listing.price_digits
        return int(minutes.open[at // 60 * 60]) / unit, int(minutes.close[at - 1]) / unit


def _pattern(rubric: float, tone: Tone, language: str, chance: Chance) -> tuple[Pattern, Tone]:
    """What is told, and its tone, which is not the price's for some events."""
    if language != "en":
        return chance.of(ABROAD[language][tone]), tone
    if rubric < 0.5:
        return chance.of(MOVES[tone]), tone
    tones: tuple[Tone, ...] = (-1, 0, 1)
    if chance.share() < 1 / 8:
        tone = chance.of(tones)
    return chance.of(EVENTS[tone]), tone


def _shuffled(newsrooms: list[Newsroom], chance: Chance) -> list[Newsroom]:
    return [newsrooms.pop(int(chance.share() * len(newsrooms))) for _ in range(len(newsrooms))]


def _in_style(newsroom: Newsroom, title: str, chance: Chance) -> str:
    """The headline in a newsroom's own hand: one writes capitals, and now and then its name."""
    if newsroom != "coin-gazette":
        return title
    return in_capitals(title) + (f" - {DESKS[newsroom].name}" if chance.share() < 0.25 else "")


def _named(code: str, chance: Chance) -> str:
    """An asset as headlines name it: mostly by name."""
    name, way = ASSETS[code].name, chance.share()
    if name == code or way < 0.7:
        return name
    return f"{name} ({code})" if way < 0.9 else f"${code}"


def _given(code: str, price: float, move: float, is_large: bool, chance: Chance) -> dict[str, str]:
    step = 10.0 ** (math.floor(math.log10(price)) - 1)
    return {
        "name": ASSETS[code].name,
        "percent": f"{abs(move):.{1 if abs(move) >= 0.001 else 2}%}",
        "price": _dollars(price),
        "level": _dollars(math.floor(price / step) * step),
        "ceiling": _dollars(math.ceil(price / step) * step),
        "rises": chance.of(WORDS["soars" if is_large else "rises"]),
        "falls": chance.of(WORDS["plunges" if is_large else "falls"]),
    }


def _dollars(amount: float) -> str:
    """An amount as newspapers print it: whole dollars, cents, or four figures of what is less than one."""
    if amount >= 1000:
        return f"${amount:,.0f}"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.{3 - math.floor(math.log10(amount))}f}"
