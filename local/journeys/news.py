"""A reader's journey: news, why an article scores as it does, what an asset's articles say, and how prices moved."""

import time
from collections import Counter
from collections.abc import Iterator
from math import isclose
from typing import Any

import httpx

from local.journeys.answers import call, expect, get

PATIENCE_S = 90
"""News are fetched some time after the first start."""


def walk(client: httpx.Client) -> Iterator[str]:
    """Yields what was seen, a line a step.

    Raises:
        WrongError: An answer is not what the contract says.
    """
    items = _news(client)
    times = [item["published_at"] for item in items]
    expect("newest first", times == sorted(times, reverse=True), times)
    expect("once each", len({item["id"] for item in items}) == len(items), items)
    yield f"news: {len(items)} articles, the newest of {times[0]} by {items[0]['source']}"
    yield from _page(client)
    yield from _explain(client)
    ((asset, _),) = Counter(asset for item in items for asset in item["assets"]).most_common(1)
    yield from _weigh(client, asset)
    for path in (f"/sentiment/{asset}?window=31d", "/news?limit=501"):
        problem = call(client, "GET", path, 422).json()["errors"][0]
        yield f"{path}: 422 {problem['field']}: {problem['message'][:60]}"


def _news(client: httpx.Client) -> list[dict[str, Any]]:
    """The newest articles, once there are some that name an asset."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        items: list[dict[str, Any]] = get(client, "/news").json()["items"]
        if any(item["assets"] for item in items):
            return items
        expect("news", time.monotonic() < deadline, items)
        time.sleep(5)


def _page(client: httpx.Client) -> Iterator[str]:
    first = get(client, "/news?limit=3").json()
    expect("a next page", first["next_cursor"], first)
    second = get(client, f"/news?limit=3&cursor={first['next_cursor']}").json()
    places = [(item["published_at"], item["id"]) for item in first["items"] + second["items"]]
    expect("pages", places == sorted(set(places), reverse=True), places)
    yield f"news: {len(places)} articles in pages of 3"


def _explain(client: httpx.Client) -> Iterator[str]:
    told = [item["sentiment"] for item in get(client, "/news?explain=true&limit=500&fields=sentiment").json()["items"]]
    for each in told:
        whole = sum(share for _, share in each["words"])
        near = isclose(whole, each["score"], abs_tol=1e-4 * (1 + len(each["words"])))
        expect("words", near and -1 <= each["score"] <= 1, each)
    strongest = max(told, key=lambda each: abs(each["score"]))
    words = ", ".join(f"{word} {share:+.2f}" for word, share in strongest["words"])
    yield f"explained: {strongest['score']:+.2f} {strongest['label']} is {words}"


def _weigh(client: httpx.Client, asset: str) -> Iterator[str]:
    own = get(client, f"/sentiment/{asset}?window=30d&correlation=true").json()
    expect("articles", own["articles"] == sum(row[2] for row in own["series"]) > 0, own)
    told = f"{own['score']:+.2f} {own['label']}"
    yield f"sentiment of {asset}: {told} by {own['articles']} articles in 30 days, trend {own['trend']}"
    at_once = next(each for each in own["correlation"] if each["lag_hours"] == 0)
    expect("lags", len(own["correlation"]) == 25, own["correlation"])
    yield f"with returns of {own['symbol']}: {at_once['correlation']} in {at_once['observations']} hours"
    (listed,) = get(client, f"/sentiment?assets={asset}&window=7d").json()["items"]
    alone = get(client, f"/sentiment/{asset}?window=7d").json()
    expect("listed", alone.keys() - listed.keys() == {"series"} and listed.keys() < alone.keys(), (listed, alone))
    yield f"sentiment in a list: {listed['score']} of {listed['articles']} articles in 7 days"
