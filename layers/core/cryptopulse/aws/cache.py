"""What was computed is kept: in process, and where it is shared also in the Market table, for all processes.

| pk             | sk      | holds                                                                                  |
| -------------- | ------- | -------------------------------------------------------------------------------------- |
| `CACHE#<hash>` | `VALUE` | an answer, packed, and who made it (`holder`); without `data` it is too long for an item |
| `CACHE#<hash>` | `LEASE` | who makes it (`holder`), until when at most (`until`, Unix ms)                          |

The hash is of the deployment, the method and its arguments, so that a deployment never reads the shapes of another. Of
all who miss an answer one takes the lease and makes it; the others serve the one before, or wait. A lease is over when
its holder's answer is there, so nobody has to give it back, and no clock is compared but for a holder that died.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from hashlib import sha256
from secrets import token_hex
from threading import Lock
from typing import Any, Final, Literal, NamedTuple, Protocol, get_type_hints

import msgspec
from aws_lambda_powertools.metrics import MetricUnit
from msgspec import Struct

from cryptopulse.aws.asked import Asked, Note
from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.aws.recent import Recent
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.renderings import Rendering
from cryptopulse.errors import ConditionError, InvalidError, NotFoundError, ServiceError
from cryptopulse.telemetry import logger, metrics, outcome

SIZE: Final = 32_000_000
"""Bytes of answers that a process keeps."""
MOST_KEPT: Final = 16
"""One answer takes at most this part of them."""
ENTRY: Final = 500
"""Bytes that keeping one takes beside its body."""
LARGEST: Final = 50_000
"""Bytes of an answer in the table: each KB costs a write, which is more than making what is longer."""
MISSING_KEPT: Final = MINUTE
LEASE: Final = 10_000
"""After so many ms a holder is taken for dead."""
PATIENCE: Final = 2 * LEASE
"""After so many ms whoever waits makes the answer himself."""
PAUSE: Final = 100
"""Milliseconds between two looks for what another makes."""
STALE: Final = 10_000
"""For so many ms after its end an answer is served while another makes the next."""

type Outcome = Literal["hit", "shared", "stale", "miss"]
"""Where an answer came from: the process, the table, the table past its end, or it was made."""
type Make = Callable[[int], Rendering]
"""Makes an answer as of a time (Unix ms)."""
type Check = Callable[[int], object]
"""Raises where there is none, as of a time (Unix ms), and costs little."""


class _Slot(NamedTuple):
    """What the table has of an answer: itself, who made it, and the lease (Unix ms)."""

    value: Rendering | None
    is_too_long: bool
    maker: str | None
    holder: str | None
    until: int

    @classmethod
    def of(cls, value: Item | None, lease: Item | None, now: int) -> "_Slot":
        data = value.get("data") if value else None
        return cls(
            msgspec.msgpack.decode(data, type=Rendering) if data else None,
            value is not None and data is None and value["until"] > now,
            value["holder"] if value else None,
            lease["holder"] if lease else None,
            lease["until"] if lease else 0,
        )

    def lasts(self, until: int) -> Rendering | None:
        """The answer, if it is fresh beyond then (Unix ms)."""
        return self.value if self.value is not None and self.value.fresh_until > until else None

    def is_best(self, now: int) -> bool:
        """Whether the answer is fresh, and made now would end when it does: with what it tells, not sooner."""
        return self.value is not None and now < self.value.fresh_until == self.value.stays_until

    def is_free(self, now: int) -> bool:
        return self.until <= now or self.holder == self.maker


class Cache:
    """Keeps answers; makes each once.

    Args:
        table: The Market table, best by a client of little patience: requests wait for this.
        asked: Where to note what is asked for.
        version: The deployment's.
        size: Bytes of answers to keep in process.
        sleep: Waits (seconds); replaced in tests.
    """

    def __init__(
        self, table: Table, asked: Asked, version: str, *, size: int = SIZE, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._table = table
        self._asked = asked
        self._version = version
        self._sleep = sleep
        self._memory = _Memory(size)
        self._flights: dict[str, Future[Rendering]] = {}
        self._mutex = Lock()
        self._hits = 0
        self._told_at = 0

    def key(self, method: str, arguments: bytes) -> str:
        """What an answer is known by."""
        return sha256(msgspec.msgpack.encode((self._version, method, arguments))).hexdigest()

    def read(self, key: str, check: Check, make: Make, now: int, note: Note | None) -> Rendering:
        """The answer, made where none is kept that is fresh; with a `note` it is shared, and asking for it is noted.

        Raises:
            NotFoundError: `check` or `make` raised it within the last minute.
            Exception: Anything else that they raise.
        """
        answer = self._read(key, check, make, now, is_shared=note is not None)
        if note is not None:
            self._asked.note(key, note, now)
        return answer

    def renew(self, key: str, make: Make, now: int, until: int) -> bool:
        """Makes a shared answer anew that is not fresh up to a time (Unix ms), unless that is of no use yet or somebody
        is at it.

        Raises:
            ServiceError: The table does not answer.
            Exception: Whatever `make` raises.

        Returns:
            Whether it was made.
        """
        with self._mutex:
            if self._memory.find(key, until) is not None:
                return False
        slot, holder = self._slot(key, now), token_hex(8)
        answer = slot.value if slot.is_best(now) else slot.lasts(until)
        if is_missing := answer is None:
            if slot.is_too_long or not self._lease(key, holder, slot, now):
                return False
            answer = self._make(key, holder, make, now)
        with self._mutex:
            self._memory.put(key, answer, answer.fresh_until)
        return is_missing

    def _read(self, key: str, check: Check, make: Make, now: int, *, is_shared: bool) -> Rendering:
        with self._mutex:
            kept = self._memory.find(key, now)
            if kept is None:
                is_first = key not in self._flights
                flight = self._flights.setdefault(key, Future())
        if isinstance(kept, str):
            raise NotFoundError(kept)
        if kept is not None:
            self._tell("hit", now)
            return kept
        if not is_first:
            answer = flight.result()
            self._tell("hit", now)
            return answer
        try:
            check(now)
            answer, how = self._shared(key, make, now) if is_shared else (make(now), "miss")
        except BaseException as error:
            with self._mutex:
                if isinstance(error, NotFoundError):
                    self._memory.put(key, str(error), now + MISSING_KEPT)
                del self._flights[key]
            flight.set_exception(error)
            if not isinstance(error, (InvalidError, NotFoundError)):  # a refusal is no miss
                self._tell("miss", now)
            raise
        with self._mutex:
            self._memory.put(key, answer, answer.fresh_until)
            del self._flights[key]
        flight.set_result(answer)
        self._tell(how, now)
        return answer

    # --- in the table ---

    def _shared(self, key: str, make: Make, now: int) -> tuple[Rendering, Outcome]:
        holder = token_hex(8)
        try:
            for moment in range(now, now + PATIENCE, PAUSE):
                slot = self._slot(key, moment)
                if answer := slot.lasts(moment):
                    return answer, "shared"
                if slot.is_too_long or self._lease(key, holder, slot, moment):
                    break
                if answer := slot.lasts(moment - STALE):
                    return answer, "stale"
                self._sleep(PAUSE / 1000)
        except ServiceError:
            logger.exception("not shared")
            return make(now), "miss"
        return self._make(key, holder, make, moment), "miss"

    def _make(self, key: str, holder: str, make: Make, now: int) -> Rendering:
        is_kept = False
        try:
            answer = make(now)
            is_kept = self._keep(key, holder, answer)
        finally:
            if not is_kept:
                self._give_back(key)
        return answer

    def _slot(self, key: str, now: int) -> _Slot:
        items = {item["sk"]: item for item in self._table.query(f"CACHE#{key}")}
        return _Slot.of(items.get("VALUE"), items.get("LEASE"), now)

    def _lease(self, key: str, holder: str, slot: _Slot, now: int) -> bool:
        """Takes the lease if it is free, and still as it was seen."""
        if not slot.is_free(now):
            return False
        until = now + LEASE
        lease = {"holder": holder, "until": until, "expires_at": _seconds(until)}
        try:
            if slot.holder is None:
                self._table.update(f"CACHE#{key}", "LEASE", set=lease, condition="attribute_not_exists(#holder)")
            else:
                seen = {"seen": slot.holder}
                self._table.update(f"CACHE#{key}", "LEASE", set=lease, condition="#holder = :seen", values=seen)
        except ConditionError:
            return False
        return True

    def _keep(self, key: str, holder: str, answer: Rendering) -> bool:
        """Puts an answer into the table; False if that failed."""
        until = answer.fresh_until
        item: Item = {"pk": f"CACHE#{key}", "sk": "VALUE", "holder": holder, "until": until}
        slim = answer if answer.packed is None else msgspec.structs.replace(answer, body=None)
        data = msgspec.msgpack.encode(slim)
        if len(data) <= LARGEST:
            item["data"] = data
        try:
            self._table.put({**item, "expires_at": _seconds(until + STALE)})
        except ServiceError:
            logger.exception("not kept")
            return False
        return True

    def _give_back(self, key: str) -> None:
        """Ends the lease of an answer that does not come; were it another's by now, two would make it at once."""
        try:
            self._table.delete(f"CACHE#{key}", "LEASE")
        except ServiceError:
            logger.exception("not given back")

    def _tell(self, how: Outcome, now: int) -> None:
        """Says how an answer came; hits are counted once a minute, or with a miss: telling each would cost more."""
        outcome.set(how)
        self._hits += how != "miss"
        if how == "miss":
            metrics.add_metric("CacheMisses", MetricUnit.Count, 1)
        if self._hits and (how == "miss" or now - self._told_at >= MINUTE):
            metrics.add_metric("CacheHits", MetricUnit.Count, self._hits)
            self._hits, self._told_at = 0, now


class _Memory:
    """Keeps answers, and of those that there are none the reason; up to so many bytes."""

    def __init__(self, size: int) -> None:
        self._kept: Recent[str, tuple[Rendering | str, int]] = Recent(size)

    def find(self, key: str, now: int) -> Rendering | str | None:
        """What is kept beyond that time (Unix ms)."""
        kept, until = self._kept.get(key) or (None, 0)
        return kept if now < until else None

    def put(self, key: str, kept: Rendering | str, until: int) -> None:
        """Keeps it until then (Unix ms); not what would push out many others."""
        if (size := _size(kept)) <= self._kept.room // MOST_KEPT:
            self._kept.put(key, (kept, until), size)


# --- the decorator ---


class Caching(Protocol):
    """What has methods that are cached."""

    cache: Cache


class Method[Owner, Asked](Protocol):
    """What can be cached: all that its answer depends on but for the time (Unix ms) is in one struct."""

    __name__: str
    __qualname__: str

    def __call__(self, owner: Owner, asked: Asked, /, *, now: int) -> Rendering: ...


class Bound[Owner: Caching, Asked: Struct]:
    """A cached method of an object."""

    def __init__(self, method: "CachedMethod[Owner, Asked]", owner: Owner) -> None:
        self._method = method
        self._owner = owner

    def __call__(self, asked: Asked, *, now: int) -> Rendering:
        """The answer, as `Cache.read` gives it."""
        method, cache, arguments = self._method, self._owner.cache, _encoded(asked)
        note = Note(method.name, arguments) if method.is_shared(asked) else None
        key = cache.key(method.path, arguments)
        return cache.read(key, lambda now: method.check(self._owner, asked, now), self._maker(asked), now, note)

    def renew(self, arguments: bytes, *, now: int, until: int) -> bool:
        """Makes the answer for noted arguments anew, as `Cache.renew` does.

        Raises:
            msgspec.ValidationError: The arguments are of another shape, as another deployment had them.
        """
        method, cache = self._method, self._owner.cache
        asked = msgspec.msgpack.decode(arguments, type=method.asked_type(), dec_hook=lambda kind, of: kind(of))
        return cache.renew(cache.key(method.path, _encoded(asked)), self._maker(asked), now, until)

    def _maker(self, asked: Asked) -> Make:
        return lambda now: self._method.make(self._owner, asked, now=now)


class CachedMethod[Owner: Caching, Asked: Struct]:
    """A method whose answers are kept."""

    def __init__(
        self, make: Method[Owner, Asked], is_shared: Callable[[Any], bool], check: Callable[[Any, Any, int], object]
    ) -> None:
        self.make = make
        self.is_shared = is_shared
        self.check = check
        self.name = make.__name__
        self.path = make.__qualname__
        self.__doc__ = make.__doc__

    def __get__(self, owner: Owner, _: type[Owner]) -> Bound[Owner, Asked]:
        return Bound(self, owner)

    def asked_type(self) -> type[Asked]:
        """The struct that it takes."""
        kind: type[Asked] = next(iter(get_type_hints(self.make).values()))
        return kind


def cached[Owner: Caching, Asked: Struct](
    *,
    is_shared: Callable[[Any], bool] = lambda _: False,
    check: Callable[[Any, Any, int], object] = lambda _owner, _asked, _now: None,
) -> Callable[[Method[Owner, Asked]], CachedMethod[Owner, Asked]]:
    """Keeps the answers of a method in its object's `cache`.

    Args:
        is_shared: Whether the answer to what is asked is kept for all processes, and made again before it is asked.
        check: Given the object, what is asked and the time, refuses before the table is looked at what cannot be
            answered: strangers may ask for anything.
    """
    return lambda make: CachedMethod(make, is_shared, check)


def _encoded(asked: Struct) -> bytes:
    return msgspec.msgpack.encode(asked, enc_hook=_plain, order="deterministic")


def _plain(value: object) -> int:
    if isinstance(value, int):
        return int(value)  # a number of a type of ours, such as a Time
    raise TypeError(f"no argument can be a {type(value).__name__}")


def _seconds(time: int) -> int:
    return -(-time // 1000)


def _size(kept: Rendering | str) -> int:
    if isinstance(kept, str):
        return ENTRY + len(kept)
    return ENTRY + len(kept.body or b"") + len(kept.packed or b"")
