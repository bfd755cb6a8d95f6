"""Holds the venues' WebSockets and sends on what they tell: reconnects, changes over, and waits for a full stream."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import batched
from typing import Final, NamedTuple

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from cryptopulse.domain.candles import MINUTE, floor
from cryptopulse.domain.gathering import Gathering
from cryptopulse.domain.streaming import StreamState
from cryptopulse.domain.ticks import Record, Trades
from cryptopulse.domain.venues import Product
from cryptopulse.errors import FeedDownError, ServiceError
from cryptopulse.feeds.budget import unix_ms
from cryptopulse.feeds.live_feed import LiveFeed, Reader, Unreadable
from cryptopulse.telemetry import logger

FLUSH: Final = 0.2
FULL: Final = 300
"""Ticks are gathered for so many seconds, or until a venue has so many trades."""
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
"""Before a connection is opened again: up to so many seconds, doubled each time until real data come, and at most."""
REFUSED_DELAY: Final = 60.0
"""Seconds to stay away from a venue that refuses the handshake: too many of them, or our location."""
SPACING: Final = 1.0
"""Seconds from one connection of a venue to its next: Binance bans who opens more than 300 in 5 minutes."""
MESSAGE_SPACING: Final = 0.25
"""Seconds from one message of ours to the next: Binance takes 5 a second."""
OVERLAP: Final = 5.0
"""Seconds that a connection goes on beside its successor, at most, until it has told what that one was too late for."""
HELD_BACK: Final = 10.0
"""A connection that is not sure of what came before it holds the venue's clock back for so many seconds."""
SETTLING: Final = 2.0
"""Seconds after which the stream has told what REST knew, and each product's heartbeat has come."""
ASKING_AGAIN: Final = 10.0
"""Seconds until REST is asked again what it did not tell."""
REST_LAG: Final = 1_000
"""What REST tells may be so old (ms)."""
CLOSING: Final = 1.0
"""Seconds for the closing handshake."""
LAST_FLUSH: Final = 5.0
"""Seconds for what is left at the end."""
FIRST_OFFER_DELAY: Final = 0.1
LONGEST_OFFER_DELAY: Final = 2.0
KEPT: Final = 20
"""Unreadable frames of a venue kept in a minute; more are counted only."""
MAX_SIZE: Final = 2**20
MAX_QUEUE: Final = 256
"""Bytes of a frame, and frames that wait until the socket is not read any more."""

type Offer = Callable[[list[Record]], list[Record]]
"""Puts records on the stream; returns those refused."""


class Counts(NamedTuple):
    """What came of one venue since they were counted last."""

    ticks: int
    reconnects: int
    conflated: int
    unreadable: int
    ignored: int
    """Frames of kinds that are not known, or of symbols not asked for."""
    lag: int
    """The longest time (ms) from what happened last at the venue until the stream had it, by both clocks."""


class Collector:
    """Holds the streams of some venues.

    Args:
        feeds: The venues.
        lanes: How many lanes there are.
        offer: Called in a thread of its own, one call at a time.
        keep: Keeps a frame of a venue that nobody could read; called in a thread of its own.
        leads: Whether we may send now; what comes meanwhile is gathered.
        known: How the streams did before.
        clock: Unix ms.
    """

    def __init__(
        self,
        feeds: Iterable[LiveFeed],
        lanes: int,
        offer: Offer,
        keep: Callable[[str, Unreadable], None],
        *,
        leads: Callable[[], bool],
        known: Mapping[str, StreamState],
        clock: Callable[[], int] = unix_ms,
    ) -> None:
        self._offer = offer
        self._keep = keep
        self._leads = leads
        self._clock = clock
        self._full = asyncio.Event()
        self._unread = asyncio.Event()
        self._is_closing = False
        self._venues = {
            feed.name: _Venue(
                feed,
                Gathering(feed.name, lanes),
                list(known[feed.name].reconnects) if feed.name in known else [],
                clock,
                self._full.set,
                self._unread.set,
            )
            for feed in feeds
        }

    def update(self, products: Mapping[str, Sequence[Product]]) -> None:
        """Streams these products of each venue from now on."""
        for name, venue in self._venues.items():
            venue.update(products.get(name, ()))

    async def first_data(self, venues: Iterable[str]) -> None:
        """Waits until all connections of these venues are sure of what they tell."""
        for venue in venues:
            await self._venues[venue].first_data.wait()

    def states(self) -> dict[str, StreamState]:
        """How each venue's stream does."""
        return {name: venue.snapshot() for name, venue in self._venues.items()}

    def counts(self) -> dict[str, Counts]:
        """What came of each venue since this was asked last."""
        return {name: venue.count() for name, venue in self._venues.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Holds the streams until `stop`, then sends what was gathered.

        Raises:
            ExceptionGroup: Sending was refused for good, or something else failed that is not a venue's doing.
        """
        sender, keeper = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(sender))
                await self._hold(stop, keeper)
                self._is_closing = True
                self._full.set()
        finally:
            for threads in (sender, keeper, *(venue.asking for venue in self._venues.values())):
                threads.shutdown(wait=False, cancel_futures=True)

    async def _hold(self, stop: asyncio.Event, keeper: ThreadPoolExecutor) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_unreadable(keeper))
                for venue in self._venues.values():
                    tasks.create_task(venue.serve(tasks))
                await stop.wait()
                raise _StopError
        except* _StopError:
            pass

    # --- to the stream ---

    async def _send(self, sender: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        delay, last = FIRST_OFFER_DELAY, float("inf")
        while True:
            await self._until_due()
            if self._is_closing:
                last = min(last, loop.time() + LAST_FLUSH)
            if not self._leads():
                if self._is_closing:
                    return
                await asyncio.sleep(FLUSH)
                continue
            is_last = self._is_closing
            for venue in self._venues.values():
                venue.advance(loop.time())
            records = [record for venue in self._venues.values() for record in venue.gathering.take()]
            if not records and is_last:
                return
            refused = await loop.run_in_executor(sender, self._offer, records) if records else []
            for name, venue in self._venues.items():
                venue.sent([r for r in records if r.venue == name], [r for r in refused if r.venue == name])
            if not refused:
                delay = FIRST_OFFER_DELAY
                continue
            if loop.time() > last:
                logger.error("left unsent", trades={name: v.gathering.count for name, v in self._venues.items()})
                return
            await asyncio.sleep(random.uniform(0, delay))
            delay = min(2 * delay, LONGEST_OFFER_DELAY)

    async def _until_due(self) -> None:
        self._full.clear()
        if self._is_closing or any(venue.gathering.count >= FULL for venue in self._venues.values()):
            return
        try:
            async with asyncio.timeout(FLUSH):
                await self._full.wait()
        except TimeoutError:
            return

    # --- to quarantine ---

    async def _keep_unreadable(self, keeper: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._unread.wait()
            self._unread.clear()
            for name, venue in self._venues.items():
                while venue.unread:
                    frame = venue.unread.pop(0)
                    logger.error("unreadable frame", venue=name, reason=frame.reason)
                    try:
                        await loop.run_in_executor(keeper, self._keep, name, frame)
                    except ServiceError:
                        logger.exception("not kept", venue=name)  # a stream is worth more than a frame of it


class _StopError(Exception):
    """Ends the tasks of a group."""


class _Venue:
    """One venue's connections and what they have gathered."""

    def __init__(
        self,
        feed: LiveFeed,
        gathering: Gathering,
        reconnects: list[int],
        clock: Callable[[], int],
        full: Callable[[], None],
        unread: Callable[[], None],
    ) -> None:
        self.feed = feed
        self.gathering = gathering
        self.asking = ThreadPoolExecutor(1)
        self.unread: list[Unreadable] = []
        """Frames to be kept for a look."""
        self._state = StreamState(reconnects=reconnects)
        self.clock = clock
        self.full = full
        self.first_data = asyncio.Event()
        self._unread = unread
        self._kept = (0, 0)
        """The minute, and how many frames of it are kept."""
        self._products: list[Product] = []
        self._chunks: list[_Chunk] = []
        self._changed = asyncio.Event()
        self._next_turn = 0.0
        self._ticks = self._lag = self._losses = 0
        self._unreadable = self._ignored = 0
        self._counted = (0, 0, 0)

    # --- what is told of it ---

    def snapshot(self) -> StreamState:
        connections = [each for chunk in self._chunks for each in chunk.connections]
        return msgspec.structs.replace(
            self._state,
            reconnects=list(self._state.reconnects),
            refused=sorted({symbol for each in connections for symbol in each.reader.refused}),
        )

    def count(self) -> Counts:
        open_ = (each.reader.frames["ignored"] for chunk in self._chunks for each in chunk.connections)
        totals = self.gathering.conflated, self._unreadable, self._ignored + sum(open_)
        conflated, unreadable, ignored = (now - before for now, before in zip(totals, self._counted, strict=True))
        counts = Counts(self._ticks, self._losses, conflated, unreadable, ignored, self._lag)
        self._counted = totals
        self._ticks = self._losses = self._lag = 0
        return counts

    # --- what its connections tell ---

    def heard(self, received: int) -> None:
        """Market data have come."""
        self._state.told_at = received

    def lost(self, connection: "_Connection") -> None:
        """A connection has ended that nobody had ended."""
        if connection.reader.is_live:
            self._state.reconnected(self.clock())
            self._losses += 1
        logger.warning("stream lost", venue=self.feed.name, was_live=connection.reader.is_live, error=connection.error)

    def ended(self, reader: Reader) -> None:
        """Keeps what a reader has counted."""
        self._ignored += reader.frames["ignored"]

    def quarantine(self, frames: list[Unreadable]) -> None:
        """Takes frames that could not be read off their reader."""
        self._unreadable += len(frames)
        for frame in frames:
            minute = floor(frame.received, MINUTE)
            kept = self._kept[1] if self._kept[0] == minute else 0
            if kept < KEPT:
                self._kept = minute, kept + 1
                self.unread.append(frame)
        frames.clear()
        self._unread()

    def sent(self, records: list[Record], refused: list[Record]) -> None:
        """Counts what the stream took, and takes back what it did not."""
        self.gathering.put_back(refused)
        self._ticks += _trades(records) - _trades(refused)
        if len(refused) < len(records) and self.gathering.time:
            self._lag = max(self._lag, self.clock() - self.gathering.time)

    def advance(self, now: float) -> None:
        """Moves the clock to what all connections have told; one that is down or new holds it back for a while.

        A minute would close as complete else, though its last trades were lost with the connection before. After that
        while it is told which products nobody knows of.
        """
        times: list[int] = []
        heard: set[str] = set()
        for chunk in self._chunks:
            told = [each.reader.time for each in chunk.connections if each.is_sure]
            if not told and now < chunk.down_since + HELD_BACK:
                return
            times += told
            if told:
                heard |= {product.symbol for product in chunk.products}
        if times:
            all_ = {product.symbol for chunk in self._chunks for product in chunk.products}
            self.gathering.advance(min(times), all_ - heard)

    # --- its connections ---

    def update(self, products: Sequence[Product]) -> None:
        if list(products) != self._products:
            self._products = list(products)
            self._changed.set()

    async def serve(self, tasks: asyncio.TaskGroup) -> None:
        """Streams the products, as many to a connection as it takes; changed, they are streamed anew beforehand."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            old = self._chunks
            fresh = [_Chunk(self, list(each), tasks) for each in batched(self._products, self.feed.most, strict=False)]
            self._chunks = [*old, *fresh]
            if old:
                await self._first_data(fresh)
                await asyncio.sleep(OVERLAP)
            self._chunks = fresh
            for chunk in old:
                chunk.close()

    async def _first_data(self, chunks: list["_Chunk"]) -> None:
        try:
            async with asyncio.timeout(LONGEST_DELAY):
                for chunk in chunks:
                    await chunk.live.wait()
        except TimeoutError:
            logger.warning("no data of new products", venue=self.feed.name)

    async def keep_open(self, chunk: "_Chunk", tasks: asyncio.TaskGroup) -> None:
        """Keeps a connection open, and opens the next before one ends that is known to end."""
        old: _Connection | None = None
        delay = FIRST_DELAY
        while True:
            connection = _Connection(self, chunk, tasks)
            await connection.told.wait()
            if connection.reader.is_live:
                delay, since = FIRST_DELAY, connection.reader.time
                await connection.sure.wait()
                if not connection.is_over:
                    chunk.live.set()
                    if all(each.live.is_set() for each in self._chunks):
                        self.first_data.set()
                    if old is not None:
                        await old.retire(since)
                        old = None
                await connection.ending.wait()
            if not connection.is_over:
                old = connection
                continue
            self.lost(connection)
            is_refused = isinstance(connection.error, InvalidStatus) and connection.error.response.status_code < 500
            await asyncio.sleep(REFUSED_DELAY if is_refused else random.uniform(0, delay))
            delay = min(2 * delay, LONGEST_DELAY)

    async def turn(self) -> None:
        """Waits until a connection may be opened."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next_turn)
        self._next_turn = turn + SPACING
        await asyncio.sleep(turn - now)


class _Chunk:
    """Products of one connection."""

    def __init__(self, venue: _Venue, products: list[Product], tasks: asyncio.TaskGroup) -> None:
        self.products = products
        self.connections: list[_Connection] = []
        """Those open: two while one follows another."""
        self.live = asyncio.Event()
        """A connection has become sure."""
        self.down_since = asyncio.get_running_loop().time()
        self._task = tasks.create_task(venue.keep_open(self, tasks))

    def close(self) -> None:
        self._task.cancel()
        for each in self.connections:
            each.task.cancel()


class _Connection:
    """One WebSocket, from its opening to its end."""

    def __init__(self, venue: _Venue, chunk: _Chunk, tasks: asyncio.TaskGroup) -> None:
        self.reader = venue.feed.reader(chunk.products, venue.gathering)
        self.told = asyncio.Event()
        """The first market data have come; or it is over."""
        self.sure = asyncio.Event()
        """It is known which trades were the last before it, or that this cannot be known; or it is over."""
        self.ending = asyncio.Event()
        """It will end, and needs a successor; or it is over."""
        self.is_over = False
        self.error: Exception | None = None
        """What ended it."""
        self.task = tasks.create_task(self._run(tasks))
        chunk.connections.append(self)
        self._venue = venue
        self._chunk = chunk
        self._last: int | None = None
        """The time of the venue after which nobody needs it any more."""

    async def _run(self, tasks: asyncio.TaskGroup) -> None:
        """Reads until the end, whoever brings it about."""
        confirming = tasks.create_task(self._confirm())
        try:
            await self._venue.turn()
            await self._open()
        except (OSError, WebSocketException, FeedDownError) as error:
            self.error = error
        finally:
            confirming.cancel()
            self._chunk.connections.remove(self)
            self._venue.ended(self.reader)
            if self.is_sure:
                self._chunk.down_since = asyncio.get_running_loop().time()
            self.is_over = True
            self.told.set()
            self.sure.set()
            self.ending.set()

    @property
    def is_sure(self) -> bool:
        return self.sure.is_set()

    async def retire(self, time: int) -> None:
        """Ends it when it has told what happened up to a time of the venue (Unix ms), or takes too long."""
        self._last = time
        if self.reader.time <= time:
            await asyncio.wait([self.task], timeout=OVERLAP)
        self.task.cancel()

    async def _open(self) -> None:
        feed = self._venue.feed
        # No pings of ours: a frozen server answers them, Binance counts them, and the feeds' own silence is shorter.
        async with connect(
            feed.address(self._chunk.products),
            compression=None,
            max_size=MAX_SIZE,
            max_queue=MAX_QUEUE,
            ping_interval=None,
            close_timeout=CLOSING,
        ) as socket:
            lifetime = asyncio.get_running_loop().call_later(feed.lifetime, self.ending.set)
            try:
                await self._read(socket)
            except TimeoutError as error:
                socket.transport.abort()  # who is silent does not answer a farewell
                raise TimeoutError(f"nothing new for {feed.silence:g} s") from error
            finally:
                lifetime.cancel()

    async def _read(self, socket: ClientConnection) -> None:
        """Reads until nobody needs it any more, or the venue has told nothing new for too long."""
        reader, venue = self.reader, self._venue
        gathering, silence, now = venue.gathering, venue.feed.silence, asyncio.get_running_loop().time
        newest = 0
        async with asyncio.timeout(silence) as deadline:
            await self._say(socket)
            while self._last is None or newest <= self._last:
                frames = await _frames(socket)
                received = venue.clock()
                reader.read(frames, received)
                if reader.time > newest:
                    newest = reader.time
                    deadline.reschedule(now() + silence)
                    if reader.is_live:
                        venue.heard(received)
                        self.told.set()
                if gathering.count >= FULL:
                    gathering.bound()
                    venue.full()
                if reader.is_ending:
                    self.ending.set()
                if reader.unreadable:
                    venue.quarantine(reader.unreadable)
                if reader.outbox:
                    await self._say(socket)

    async def _say(self, socket: ClientConnection) -> None:
        outbox = self.reader.outbox
        while outbox:
            await socket.send(outbox.pop(0))
            if outbox:
                await asyncio.sleep(MESSAGE_SPACING)

    async def _confirm(self) -> None:
        """Asks by REST which trades were the last, where the stream does not tell it.

        What REST knew was so between the question and the answer, or shortly before: all of that is to lie in one
        minute of the venue, and the stream has to have told it meanwhile.
        """
        await self.told.wait()
        venue, loop = self._venue, asyncio.get_running_loop()
        patience = loop.call_later(HELD_BACK, self.sure.set)
        try:
            while True:
                before = self.reader.time
                try:
                    ids = await loop.run_in_executor(venue.asking, venue.feed.last_ids, self._chunk.products)
                except (FeedDownError, ServiceError):  # the venue, or the table of its turns
                    logger.exception("last ids unknown", venue=venue.feed.name)
                    await asyncio.sleep(ASKING_AGAIN)
                    continue
                await asyncio.sleep(SETTLING)
                time = self.reader.time
                if not ids or floor(before - REST_LAG, MINUTE) == floor(time, MINUTE):
                    break
        finally:
            patience.cancel()
        for symbol, id_ in ids.items():
            venue.gathering.confirm(symbol, id_, time)
        self.sure.set()


async def _frames(socket: ClientConnection) -> list[bytes]:
    """Waits for a frame; with it come those that are here already."""
    frames = [await socket.recv(decode=False)]
    with suppress(TimeoutError, ConnectionClosed):  # closed, it says so again
        async with asyncio.timeout(0):
            while len(frames) < FULL:
                frames.append(await socket.recv(decode=False))
    return frames


def _trades(records: Iterable[Record]) -> int:
    return sum(len(each.trades) for record in records for each in record.messages if isinstance(each, Trades))
