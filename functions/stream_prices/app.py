"""Holds the venues' live streams under a lease, and hands over to the next minute's invocation before its own end."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from secrets import token_hex
from typing import Any, Final

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from cryptopulse import wiring
from cryptopulse.aws.leases import Lease
from cryptopulse.domain.venues import Product
from cryptopulse.errors import ConditionError, ThrottledError
from cryptopulse.feeds.collector import Collector, Counts
from cryptopulse.feeds.live_feed import Unreadable
from cryptopulse.telemetry import entrypoint, logger

MARGIN: Final = 10.0
"""Seconds before the time limit at which it ends by itself: for the last flush, and a lease given back."""
HANDOVER: Final = 75_000
"""A lease is taken over so long (ms) before its holder's end: one of the minutely invocations comes then."""
OVERDUE: Final = 8_000
"""A lease that lasts no longer than this (ms) has missed a renewal: whoever had it is gone, or as good as."""
RENEWAL: Final = 5.0
RETRY: Final = 1.0
"""Seconds from one renewal to the next, and after one that got no answer."""
FIRST_DATA: Final = 20.0
"""Seconds to wait for the first data of every venue before the lease is taken over; of any where nobody has it."""
REPORT: Final = 60.0
"""Seconds from one report, and look at what is to be streamed, to the next."""


@entrypoint
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Answers with the generation of the lease that it held; 0 if it held none."""
    settings = wiring.settings()
    if settings.PRICE_MODE != "stream":
        logger.info("prices are polled")
        return {"generation": 0}
    began = time.monotonic()

    def left() -> float:
        limit = context.get_remaining_time_in_millis() / 1000 - MARGIN
        return min(limit, began + settings.STREAM_SECONDS - time.monotonic())

    holder = Holder(context.aws_request_id, left)
    return {"generation": asyncio.run(holder.hold(asyncio.Event()))}


class Holder:
    """One that holds the streams, or tries to.

    Args:
        name: Whose it is.
        left: Seconds left.
        insists: Takes the lease over also from one that is alive and well.
        handover: Takes it over from one that ends within so long (ms).
    """

    def __init__(
        self, name: str, left: Callable[[], float], *, insists: bool = False, handover: int = HANDOVER
    ) -> None:
        self._name = f"{name}/{token_hex(4)}"  # Lambda may run an event twice, with one request id
        self._left = left
        self._insists = insists
        self._handover = handover
        self._leases = wiring.own_lease()
        self._market = wiring.market()
        self._venues = wiring.venues()
        self._feeds = wiring.live_feeds()
        self._urls = {feed.name: feed.url for feed in wiring.feeds()}
        self._stream = wiring.live_stream()
        self._lanes = wiring.settings().LANES
        self._lease: Lease | None = None

    async def hold(self, stop: asyncio.Event) -> int:
        """Holds the streams until `stop`, the end of the time left, or a successor.

        Returns:
            The generation of the lease held; 0 if there was none to be had.

        Raises:
            ServiceError: The lease or the list of products could not be read.
            ExceptionGroup: Something failed on the way.
        """
        threads = ThreadPoolExecutor(2)  # one for the lease, whatever else may take its time
        try:
            return await self._hold(threads, stop)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    async def _hold(self, threads: ThreadPoolExecutor, stop: asyncio.Event) -> int:
        loop = asyncio.get_running_loop()
        lease = await loop.run_in_executor(threads, self._leases.read)
        if lease is not None and self._is_kept(lease):
            logger.info("somebody holds them", holder=lease.holder)
            return 0
        products = await loop.run_in_executor(threads, self._products)
        streamed = [venue for venue, listed in products.items() if listed]
        if not streamed:
            logger.info("nothing is listed yet")
            return 0
        collector = Collector(
            self._feeds,
            self._lanes,
            self._stream.offer,
            self._quarantine,
            leads=self._leads,
            known=lease.states if lease else {},
            clock=wiring.now,
        )
        collector.update(products)
        # While nobody holds them, one venue's data are better than none.
        is_held = lease is not None and lease.held_to > wiring.now()
        awaited = [streamed] if is_held else [[venue] for venue in streamed]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(collector.run(stop))
            waiting = [tasks.create_task(each) for each in (*map(collector.first_data, awaited), _until(stop))]
            await asyncio.wait(waiting, timeout=min(FIRST_DATA, self._left()), return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
            if not stop.is_set() and await self._take(threads, collector):
                reporting = tasks.create_task(self._report_regularly(threads, collector))
                await self._lead(threads, collector, stop)
                reporting.cancel()
            stop.set()
        if self._lease is None:
            return 0
        _report(collector.counts())
        with suppress(ConditionError, ThrottledError):  # its successor has it, or it lapses
            await loop.run_in_executor(threads, self._leases.release, self._lease)
        logger.info("held", generation=self._lease.generation)
        return self._lease.generation

    def _is_kept(self, lease: Lease) -> bool:
        """Whether somebody holds the streams well enough, and for long enough."""
        now = wiring.now()
        return not self._insists and lease.held_to > now + OVERDUE and lease.ends_at > now + self._handover

    def _leads(self) -> bool:
        return self._lease is not None and wiring.now() < self._lease.held_to

    async def _take(self, threads: ThreadPoolExecutor, collector: Collector) -> bool:
        states = collector.states()
        if not any(state.told_at for state in states.values()):
            logger.error("no venue tells anything", venues=list(states))
            return False
        loop = asyncio.get_running_loop()
        seen = await loop.run_in_executor(threads, self._leases.read)
        if seen is not None and self._is_kept(seen):  # it was overdue, and has recovered
            return False
        now = wiring.now()
        ends_at = now + int(self._left() * 1000)
        try:
            self._lease = await loop.run_in_executor(threads, self._leases.take, seen, self._name, now, ends_at, states)
        except ConditionError:
            logger.info("another was faster")
            return False
        logger.info("leads", generation=self._lease.generation, before=seen and seen.holder)
        return True

    async def _lead(self, threads: ThreadPoolExecutor, collector: Collector, stop: asyncio.Event) -> None:
        """Renews the lease until the end."""
        loop = asyncio.get_running_loop()
        pause = RENEWAL
        while self._lease is not None and self._left() > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(pause, self._left())):
                    await stop.wait()
                    return
            try:
                self._lease = await loop.run_in_executor(
                    threads, self._leases.renew, self._lease, wiring.now(), collector.states()
                )
                pause = RENEWAL
            except ConditionError:
                logger.info("has a successor")
                return
            except ThrottledError as error:
                logger.warning("not renewed", error=str(error))
                if not self._leads():
                    return
                pause = RETRY

    async def _report_regularly(self, threads: ThreadPoolExecutor, collector: Collector) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(REPORT)
            _report(collector.counts())
            try:
                collector.update(await loop.run_in_executor(threads, self._products))
            except ThrottledError:
                logger.exception("products unknown")

    def _products(self) -> dict[str, list[Product]]:
        """What is to be streamed of each venue, as ingest_prices keeps it."""
        series = self._market.series()
        products = {}
        for venue, url in self._urls.items():
            listed = self._venues.products(venue, url, wiring.now(), lambda: None)
            names = {product.symbol: product for product in listed or ()}
            products[venue] = [names[each.symbol] for each in series if each.venue == venue and each.symbol in names]
        return products

    def _quarantine(self, venue: str, unreadable: Unreadable) -> None:
        frame, received, reason = unreadable
        name = f"{venue}-{received}-{sha256(frame).hexdigest()[:16]}"
        self._market.quarantine(frame, name, venue, received, reason)


async def _until(event: asyncio.Event) -> None:
    await event.wait()


def _report(counts: Mapping[str, Counts]) -> None:
    logger.info("streamed", venues={venue: each._asdict() for venue, each in counts.items()})
    for venue, each in counts.items():
        with_venue = EphemeralMetrics()
        with_venue.add_dimension("venue", venue)
        with_venue.add_metric("StreamTicks", MetricUnit.Count, each.ticks)
        with_venue.add_metric("StreamReconnects", MetricUnit.Count, each.reconnects)
        with_venue.add_metric("StreamConflated", MetricUnit.Count, each.conflated)
        with_venue.add_metric("StreamUnreadable", MetricUnit.Count, each.unreadable)
        with_venue.add_metric("StreamIgnored", MetricUnit.Count, each.ignored)
        with_venue.add_metric("StreamLag", MetricUnit.Milliseconds, each.lag)
        with_venue.flush_metrics()
