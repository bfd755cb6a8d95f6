"""What was computed is kept, and computed once."""

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar

import boto3
import pytest
from msgspec import UNSET, Struct, UnsetType

from cryptopulse import wiring
from cryptopulse.aws import asked, cache
from cryptopulse.aws.asked import Asked, Note
from cryptopulse.aws.cache import LEASE, MISSING_KEPT, STALE, Cache, cached
from cryptopulse.aws.client import Client
from cryptopulse.aws.dynamodb import Table
from cryptopulse.domain.candles import MINUTE
from cryptopulse.domain.renderings import Rendering
from cryptopulse.domain.times import Time
from cryptopulse.errors import NotFoundError, ThrottledError
from cryptopulse.telemetry import metrics, outcome

NOW = 1_795_329_063_057
FRESH = 30_000


class Window(Struct, frozen=True):
    """What is asked for; strangers ask in vain for `start` 404, and what is `closing` changes when its answer ends."""

    name: str
    size: int | str = 20
    start: Time | UnsetType = UNSET


class Views:
    """Makes long answers, and tells which.

    Args:
        cache: Keeps them.
        meanwhile: What happens while one is made.
    """

    def __init__(self, cache: Cache, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.cache = cache
        self.made: list[Window] = []
        self.meanwhile = meanwhile

    @cached(is_shared=lambda asked: asked.name != "own")
    def show(self, asked: Window, *, now: int) -> Rendering:
        """What was asked, and when it was made."""
        self.made.append(asked)
        self.meanwhile()
        if asked.start == 404:
            raise NotFoundError("There is none.")
        body = json.dumps([asked.name, asked.size, now, "x" * 2000]).encode()
        stays = FRESH if asked.name == "closing" else MINUTE
        return Rendering.of("application/json", body, fresh_until=now + FRESH, stays_until=now + stays)

    @cached()
    def whole(self, asked: Window, *, now: int) -> Rendering:
        """Noise."""
        self.made.append(asked)
        noise = random.Random(int(asked.size)).randbytes(int(asked.size))
        return Rendering.of("text/plain", noise, fresh_until=now + FRESH, stays_until=now + FRESH)

    @cached(is_shared=lambda _: True)
    def noise(self, asked: Window, *, now: int) -> Rendering:
        """The same, for all processes."""
        return self.whole(asked, now=now)


class Calls(Client):
    """Does one call at a time, as DynamoDB does the writes of an item (moto does not), and counts them by kind."""

    lock: ClassVar = threading.Lock()

    def __init__(self) -> None:
        super().__init__("dynamodb", wiring.account())
        self.counts: dict[str, int] = {}
        self.refused: set[str] = set()
        """Operations that the table is too busy for."""

    def call(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        self.counts[operation] = self.counts.get(operation, 0) + 1
        if operation in self.refused:
            raise ThrottledError("ThrottlingException", operation)
        with self.lock:
            return super().call(operation, body)


class Process:
    """A process with a cache of its own; its pauses take no time.

    Args:
        meanwhile: What happens while it makes an answer.
        version: The deployment's.
        size: Bytes that it keeps.
        during: What happens in each of its pauses, after so many ms.
    """

    def __init__(
        self,
        meanwhile: Callable[[], None] = lambda: None,
        *,
        version: str = "1",
        size: int = 10_000_000,
        during: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.calls = Calls()
        self.waited = 0
        self._during = during
        table = Table(self.calls, "Market")
        self.views = Views(Cache(table, Asked(table), version, size=size, sleep=self._sleep), meanwhile)

    def _sleep(self, seconds: float) -> None:
        self.waited += round(seconds * 1000)
        self._during(self.waited)

    def show(self, asked: Window, now: int) -> tuple[int, str | None]:
        """When the answer was made, relative to NOW, and how it came."""
        outcome.set(None)
        name, size, made, _ = json.loads(self.views.show(asked, now=now).plain)
        assert (name, size) == (asked.name, asked.size)
        return made - NOW, outcome.get()


A = Window("a")
ARGUMENTS = b"\x82\xa4name\xa1a\xa4size\x14"
"""A, as it is noted."""


@pytest.fixture(autouse=True)
def table(aws: boto3.Session) -> Iterator[Table]:
    yield Table(Client("dynamodb", wiring.account()), "Market")
    metrics.clear_metrics()
    outcome.set(None)


def test_an_answer_is_kept_while_it_is_fresh_here_and_in_the_table() -> None:
    here, there = Process(), Process()
    assert here.show(A, NOW) == (0, "miss")
    assert here.show(A, NOW + FRESH - 1) == (0, "hit")
    assert there.show(A, NOW + FRESH - 1) == (0, "shared")
    assert there.show(A, NOW + FRESH - 1) == (0, "hit")
    assert there.show(A, NOW + FRESH) == (FRESH, "miss")
    assert here.show(A, NOW + FRESH) == (FRESH, "shared")
    assert [len(each.views.made) for each in (here, there)] == [1, 1]
    assert here.calls.counts == {"Query": 2, "UpdateItem": 2, "PutItem": 1}  # the lease, the note; the answer


def test_an_answer_from_the_table_is_the_same_packed_and_plain() -> None:
    made = Process().views.show(A, now=NOW)
    found = Process().views.show(A, now=NOW)
    assert (found.tag, found.packed, found.plain) == (made.tag, made.packed, made.plain)
    assert found.body is None  # unpacked only for those who want it so


def test_what_is_not_shared_stays_out_of_the_table() -> None:
    here, there = Process(), Process()
    own = Window("own")
    assert [each.show(own, NOW) for each in (here, there, here)] == [(0, "miss"), (0, "miss"), (0, "hit")]
    assert here.calls.counts == there.calls.counts == {}


def test_keys_are_typed_and_defaults_are_as_if_said() -> None:
    here = Process()
    asked = [Window("a", 1), Window("a", "1"), Window("a", 1, Time(1)), Window("b", 1), Window("a"), Window("a", 20)]
    assert [here.show(each, NOW)[1] for each in asked] == ["miss"] * 5 + ["hit"]
    assert Process().show(Window("a", 1, Time(1)), NOW) == (0, "shared")


def test_another_method_has_answers_of_its_own() -> None:
    views = Process().views
    assert len({views.noise(Window("a", 5), now=NOW).tag, views.show(Window("a", 5), now=NOW).tag}) == 2


def test_another_deployment_never_reads_them() -> None:
    assert Process().show(A, NOW) == (0, "miss")
    assert Process(version="2").show(A, NOW + 1) == (1, "miss")
    assert Process().show(A, NOW + 2) == (0, "shared")


def test_hits_are_counted_with_a_miss_or_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    def told() -> tuple[list[float] | None, list[float] | None]:
        if metrics.metric_set:
            metrics.flush_metrics()
        written = json.loads(capsys.readouterr().out or "{}")
        return written.get("CacheHits"), written.get("CacheMisses")

    here = Process()
    for now in (NOW, NOW, NOW, NOW + 1, NOW + FRESH, NOW + FRESH):
        here.show(Window("own"), now)
    assert told() == ([1, 2], [1, 1])
    here.show(Window("own"), NOW + FRESH + 1)
    assert told() == (None, None)
    here.show(Window("own", 1), NOW + MINUTE)
    assert told() == ([2], [1])


@pytest.mark.parametrize("processes", [20, 1])
def test_twenty_who_miss_it_at_once_make_it_once(processes: int) -> None:
    barrier, is_over = threading.Barrier(20), threading.Event()

    def making() -> None:
        is_over.wait(0.2)

    caches = [Process(making, during=lambda _: is_over.wait(0.05)) for _ in range(processes)]

    def ask(number: int) -> bytes:
        barrier.wait(20)
        return caches[number % processes].views.show(A, now=NOW).plain

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(ask, range(20)))
    assert len(set(answers)) == 1
    assert sum(len(each.views.made) for each in caches) == 1


def test_while_one_makes_it_the_others_serve_the_one_before_for_a_while() -> None:
    told: list[tuple[int, str | None]] = []
    last = NOW + FRESH + STALE - 1
    maker = Process(lambda: told.extend(Process().show(A, now) for now in (last, last + 1)))
    Process().show(A, NOW)
    maker.show(A, last)
    assert told == [(0, "stale"), (last + 1 + LEASE - NOW, "miss")]


def test_who_finds_none_before_waits_for_it() -> None:
    has_waited, is_made = threading.Event(), threading.Event()

    def wait(waited: int) -> None:
        if waited == 300:
            has_waited.set()
            is_made.wait(10)

    def find() -> None:
        waiting.append(threads.submit(Process(during=wait).show, A, NOW + 1))
        has_waited.wait(10)

    waiting: list[Future[tuple[int, str | None]]] = []
    with ThreadPoolExecutor(1) as threads:
        assert Process(find).show(A, NOW) == (0, "miss")
        is_made.set()
        assert waiting[0].result() == (0, "shared")


def test_where_one_dies_another_makes_it_when_the_lease_is_over() -> None:
    other = Process()
    told: list[tuple[int, str | None]] = []
    maker = Process(lambda: told.append(other.show(A, NOW)))  # from where the maker stands it never ends
    maker.show(A, NOW)
    assert told == [(LEASE, "miss")]
    assert other.waited == LEASE


def test_nobody_waits_for_ever(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "PATIENCE", 500)

    def hold(waited: int) -> None:
        table.update(pk, "LEASE", set={"holder": f"{waited}", "until": NOW + waited + LEASE})

    impatient = Process(during=hold)
    key = impatient.views.cache.key("Views.show", ARGUMENTS)
    pk = f"CACHE#{key}"
    hold(0)
    assert impatient.show(A, NOW) == (400, "miss")
    assert impatient.waited == 500


def test_what_fails_is_left_to_the_next_at_once() -> None:
    def fail() -> None:
        raise ThrottledError("ThrottlingException", "candles")

    failing, other = Process(fail), Process()
    with pytest.raises(ThrottledError):
        failing.show(A, NOW)
    assert other.show(A, NOW) == (0, "miss")
    assert other.waited == 0


@pytest.mark.parametrize(
    "refused",
    [{"Query"}, {"UpdateItem"}, {"PutItem"}, {"PutItem", "DeleteItem"}],
    ids=["read", "lease", "keep", "give_back"],
)
def test_a_table_that_is_too_busy_costs_no_answer(refused: set[str]) -> None:
    here = Process()
    here.calls.refused = refused
    assert here.show(A, NOW) == (0, "miss")
    assert here.show(A, NOW) == (0, "hit")
    here.calls.refused = set()
    other = Process()
    assert other.show(A, NOW) == (LEASE if "DeleteItem" in refused else 0, "miss")


def test_that_there_is_none_is_known_for_a_minute_here_only(table: Table) -> None:
    here, none = Process(), Window("a", start=Time(404))
    for now in (NOW, NOW + MISSING_KEPT - 1, NOW + MISSING_KEPT):
        with pytest.raises(NotFoundError, match=r"^There is none\.$"):
            here.show(none, now)
    assert len(here.views.made) == 2
    assert asked.Asked(table).lately(NOW) == []
    with pytest.raises(NotFoundError):
        Process().show(none, NOW)


def test_a_process_keeps_so_many_bytes_of_those_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_KEPT", 2)
    here = Process(size=18_000)
    first, second, third, large = (Window("own", size) for size in (4_000, 4_001, 1_200, 20_000))
    for each in (first, second, first, third, first, second, large, first, large):
        here.views.whole(each, now=NOW)
    assert [each.size for each in here.views.made] == [4_000, 4_001, 1_200, 4_001, 20_000, 20_000]


def test_what_is_too_long_for_an_item_everybody_makes_alone() -> None:
    here, there = Process(), Process()
    long = Window("a", cache.LARGEST + 1)
    for each in (here, there, here):
        each.views.noise(long, now=NOW)
    assert [len(each.views.made) for each in (here, there)] == [1, 1]
    assert there.waited == 0


def test_what_is_asked_for_is_noted_once_in_a_quarter_of_an_hour(table: Table) -> None:
    here, there = Process(), Process()
    quarter = NOW // asked.QUARTER * asked.QUARTER
    for now in (NOW, NOW + 1, quarter + asked.QUARTER):
        here.show(A, now)
    there.show(Window("b", 7, Time(5)), NOW)
    notes = [
        Note("show", ARGUMENTS),
        Note("show", b"\x83\xa4name\xa1b\xa4size\x07\xa5start\x05"),
    ]
    assert sorted(asked.Asked(table).lately(NOW)) == notes
    assert set(asked.Asked(table).lately(quarter + asked.QUARTER)) == set(notes)
    assert asked.Asked(table).lately(quarter + 2 * asked.QUARTER) == notes[:1]
    assert here.calls.counts["UpdateItem"] == 2 + 2  # leases, notes


def test_what_most_processes_were_asked_comes_first(table: Table) -> None:
    rare, common = Window("a", 1), Window("z", 9)
    for process in (Process(), Process(), Process()):
        process.show(common, NOW)
    Process().show(rare, NOW)
    first, second = asked.Asked(table).lately(NOW)
    assert (b"z" in first.arguments, b"a" in second.arguments) == (True, True)
    for process in (Process(), Process(), Process()):
        process.show(rare, NOW)
    assert asked.Asked(table).lately(NOW) == [second, first]


def test_a_process_notes_no_more_than_a_few(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "MOST", 2)
    here = Process()
    for size in range(4):
        here.show(Window("a", size), NOW)
    assert len(asked.Asked(table).lately(NOW)) == 2


def test_an_answer_is_renewed_before_it_ends(table: Table) -> None:
    asking, renewing = Process(), Process()
    asking.show(A, NOW)
    method = renewing.views.show
    assert not method.renew(ARGUMENTS, now=NOW, until=NOW + FRESH - 1)
    assert method.renew(ARGUMENTS, now=NOW + 9, until=NOW + FRESH)
    assert not method.renew(ARGUMENTS, now=NOW + 10, until=NOW + FRESH)  # known here
    assert Process().show(A, NOW + 10) == (9, "shared")
    assert asked.Asked(table).lately(NOW + asked.QUARTER) == [Note("show", ARGUMENTS)]  # and none of the renewal


def test_an_answer_that_would_end_no_later_is_renewed_when_it_has_ended() -> None:
    closing = Window("closing")
    Process().show(closing, NOW)
    arguments = ARGUMENTS.replace(b"\xa1a", b"\xa7closing")
    renewed = [
        Process().views.show.renew(arguments, now=now, until=now + MINUTE) for now in (NOW + FRESH - 1, NOW + FRESH)
    ]
    assert renewed == [False, True]


def test_what_somebody_makes_is_not_renewed_beside_him(table: Table) -> None:
    renewed: list[bool] = []
    beside = Process()
    Process(lambda: renewed.append(beside.views.show.renew(ARGUMENTS, now=NOW, until=NOW + MINUTE))).show(A, NOW)
    assert (renewed, beside.views.made) == ([False], [])
