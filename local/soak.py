"""Mixed load on the whole system while things go wrong: `make soak`. Afterwards all must be there, and exactly once.

The system runs on a home folder and ports of its own, with simulated exchanges. Users trade, import files and make
alerts as clients do, with Idempotency-Keys and retries; WebSocket clients listen. Beside the faults of `make chaos`,
the cloud's services are slow, throttled, fail or lose answers, functions are killed, and the disk of the state is full.
"""

import asyncio
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import product
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, NamedTuple, get_args

import httpx
import websockets
from rich.console import Console

from cryptopulse_client import Candle, CandleFrame, Candles, Client, CryptoPulseError, Disconnected, Dropped, Snapshot
from local.chaos import MINUTE_MS, PARAMETERS, SHOWN, TELL_EVERY_S, Audit, Chaos, await_repairs
from local.cloud_faults import CloudFault, Kind, Service
from local.endpoints import Endpoints
from local.processes import ProblemError
from local.run import Run
from local.trials import carry_out, options

SECONDS = (20, 3_600)
ASSETS = "BTC,ETH"
TRADERS = 4
PAUSE_S = (0.1, 0.6)
"""Between two requests of a user, at least and at most."""
TRIES = 6
"""Of a request, before its user gives up and never knows."""
BACKOFF_S = 0.5
PATIENCE_S = 35.0
"""For an answer: a function runs 30 s at most."""
IMPATIENCE_S = 0.05
HASTY = 0.1
"""Share of requests whose sender hangs up so soon and tries again at once."""
REFRESH_EVERY = 40
"""Actions of a user between two refreshes of his session."""
IMPORTED = (5, 60)
QUEUED = 1_050
"""Lines of a file that is not imported at once."""
MOST_ALERTS = 150
FAULT_S = 6.0
KILL_S = 1.0
"""So long after its process was killed a function is about to start anew."""
FULL = Path("/dev/full")
"""What is written to it does not fit."""
SAVED_S = 75.0
"""The emulator saves every minute."""
SETTLE_S = 120
"""So long after the last fault all imports must have ended, and all alerts fired."""

CLOUD_FAULTS = [
    CloudFault(service, kind, 0.4, FAULT_S)
    for service, kind in product(get_args(Service.__value__), get_args(Kind.__value__))
]
SERVING = ("Auth", "Users", "Portfolios", "Imports", "Reports", "Alerts", "Queries")
"""Functions that answer our requests."""
BEHIND = ("FanOut", "EvaluateAlerts", "Websocket", "ImportTransactions")
EXCUSES = ("dynamodb", "kms", "sqs", *(f"{name} killed" for name in SERVING))
"""What a fault begins with that may make the API answer 5xx while it lasts."""

type Outcome = Literal["accepted", "refused", "unknown"]


class Verdict(NamedTuple):
    """What became of what was sent."""

    lost: list[str]
    doubled: list[str]
    invented: list[str]


def judge(outcomes: Mapping[str, Outcome], stored: Mapping[str, int]) -> Verdict:
    """Holds what is there against what users were told.

    Args:
        outcomes: What was answered, by mark.
        stored: How often each mark is there.
    """
    return Verdict(
        lost=[mark for mark, outcome in outcomes.items() if outcome == "accepted" and not stored.get(mark)],
        doubled=[mark for mark, count in stored.items() if count > 1],
        invented=[mark for mark in stored if outcomes.get(mark, "refused") == "refused"],
    )


class Journal:
    """What went wrong when, and what was answered 5xx; told by many threads."""

    def __init__(self) -> None:
        self.requests = Counter[str]()
        """By outcome: a class of status, or no answer."""
        self.unexcused: list[str] = []
        self.excused = Counter[str]()
        """5xx by the fault that explains it."""
        self._faults: list[tuple[str, float, float]] = []
        self._errors: list[tuple[str, float, float]] = []
        self._lock = threading.Lock()

    def fault(self, name: str, began: float, seconds: float) -> None:
        """Something goes wrong for so long."""
        with self._lock:
            self._faults.append((name, began, began + seconds))

    def answered(self, what: str, status: int | None, sent: float, now: float) -> None:
        """A request had its answer, or none (None)."""
        with self._lock:
            self.requests["no answer" if status is None else f"{status // 100}xx"] += 1
            if status is not None and status >= 500:
                self._errors.append((f"{what}: {status}", sent, now))

    def sort(self) -> None:
        """Tells errors that a fault explains from others: one that lasted while the request was on its way."""
        for what, sent, now in self._errors:
            lasting = (name for name, began, end in self._faults if began < now and sent < end)
            reasons = [name for name in lasting if name.startswith(EXCUSES)]
            if reasons:
                self.excused[reasons[-1]] += 1
            else:
                self.unexcused.append(f"{what}, {now - sent:.1f} s")


class Trader(threading.Thread):
    """A user who enters transactions, imports files, makes alerts and looks.

    Args:
        url: The HTTP API's.
        number: Which one.
        chance: Decides what he does.
        journal: Where his answers are noted.
    """

    def __init__(self, url: str, number: int, chance: random.Random, journal: Journal) -> None:
        super().__init__(daemon=True)
        self.outcomes: dict[str, Outcome] = {}
        """By the mark that he put on a transaction, its note."""
        self.alerts: dict[str, dict[str, Any]] = {}
        """Made, by their ids."""
        self.sessions_lost = 0
        self.error: Exception | None = None
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S)
        self._name, self._chance, self._journal = f"soak-{number}", chance, journal
        self._body = {"email": f"{self._name}.{token_hex(8)}@example.com", "password": token_hex(16)}
        self._pair: dict[str, str] = {}
        self._path = ""
        self._jobs: list[tuple[str, list[str]]] = []
        self._marks = 0
        self._stopping = threading.Event()

    def enter(self) -> None:
        """Comes, while nothing goes wrong yet."""
        self._must("POST", "/auth/register", json=self._body)
        self._sign_in()
        self._path = f"/portfolios/{self._must('POST', '/portfolios', json={'name': 'Soak'}).json()['id']}"

    def run(self) -> None:
        """Does one thing after another, until stopped."""
        often = [self._buy, self._look] * 6
        todo = [*often, *[self._buy_many, self._watch] * 2, self._err, self._import]
        try:
            while not self._stopping.is_set():
                self._chance.choice(todo)()
                if self._chance.random() < 1 / REFRESH_EVERY:
                    self._refresh()
                time.sleep(self._chance.uniform(*PAUSE_S))
        except (KeyError, ValueError, ProblemError) as error:  # an answer of another shape than promised
            self.error = error

    def stop(self) -> None:
        """Ends it."""
        self._stopping.set()
        self.join()

    # --- what he does ---

    def _buy(self) -> None:
        (mark,) = self._new_marks(1)
        self._note([mark], self._send("POST", f"{self._path}/transactions", json=_purchase(mark)))

    def _buy_many(self) -> None:
        marks = self._new_marks(self._chance.randint(2, 20))
        answer = self._send("POST", f"{self._path}/transactions", json=[_purchase(mark) for mark in marks])
        self._note(marks, answer)

    def _err(self) -> None:
        """Enters what cannot be: it must be refused whole."""
        marks = self._new_marks(2)
        bad = [_purchase(marks[0]), _purchase(marks[1]) | {"quantity": "-1"}]
        self._note(marks, self._send("POST", f"{self._path}/transactions", json=bad))

    def _import(self) -> None:
        marks = self._new_marks(QUEUED if self._chance.random() < 0.1 else self._chance.randint(*IMPORTED))
        last = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=self._marks)
        times = [last - timedelta(minutes=place) for place in range(len(marks))]  # equal lines would be one transaction
        lines = [f"{at:%Y-%m-%dT%H:%M:%SZ},buy,ETH,0.01,2000,{mark}" for at, mark in zip(times, marks, strict=True)]
        content = "\n".join(["time,type,asset,quantity,price,note", *lines]).encode()
        answer = self._send("POST", f"{self._path}/transactions/import", content=content, kind="text/csv")
        if answer is None or answer.is_error:
            self._note(marks, answer)
        else:
            self._jobs.append((answer.json()["id"], marks))

    def _watch(self) -> None:
        if len(self.alerts) >= MOST_ALERTS:
            return
        symbol = self._chance.choice(("BTC-USD", "ETH-USD"))
        prices = self._send("GET", f"/prices/{symbol}")
        if prices is None or prices.is_error or prices.json()["price"] is None:
            return
        condition = self._chance.choice(("above", "below"))
        threshold = Decimal(str(prices.json()["price"])) * Decimal(self._chance.uniform(0.999, 1.001))
        alert = {"symbol": symbol, "condition": condition, "threshold": f"{threshold:.2f}"}
        answer = self._send("POST", "/alerts", json=alert)
        if answer is not None and answer.is_success:
            self.alerts[answer.json()["id"]] = answer.json()

    def _look(self) -> None:
        path = self._path
        paths = (
            *("/prices", "/candles/BTC-USD?interval=1m", "/indicators/BTC-USD?indicators=sma", "/users/me"),
            *(f"{path}/holdings", f"{path}/transactions", f"{path}/performance", "/alerts", "/alerts/history"),
        )
        self._send("GET", self._chance.choice(paths))

    def _refresh(self) -> None:
        answer = self._ask("POST", "/auth/refresh", json={"refresh_token": self._pair["refresh_token"]})
        if answer is not None and answer.is_success:
            self._pair = answer.json()
        elif answer is not None and answer.status_code == 401:
            self.sessions_lost += 1
            self._sign_in()

    def _sign_in(self) -> None:
        self._pair = self._must("POST", "/auth/login", json=self._body).json()

    # --- what he was told, and what is there ---

    def settle(self) -> bool:
        """Asks after his imports; whether all have ended."""
        left = []
        for job, marks in self._jobs:
            answer = self._send("GET", f"{self._path}/imports/{job}")
            status = answer.json()["status"] if answer is not None and answer.is_success else "running"
            if status in ("queued", "running"):
                left.append((job, marks))
            else:
                self.outcomes |= dict.fromkeys(marks, "accepted" if status == "done" else "refused")
        self._jobs = left
        return not left

    def give_up(self) -> list[str]:
        """Imports that do not end."""
        return [job for job, _ in self._jobs]

    def stored(self) -> Counter[str]:
        """How often each mark is there."""
        return Counter(each["note"] for each in self._pages(f"{self._path}/transactions"))

    def fired(self) -> Counter[str]:
        """How often each alert has fired."""
        return Counter(each["alert_id"] for each in self._pages("/alerts/history"))

    def price(self, symbol: str, venue: str) -> Decimal:
        """The last price."""
        return Decimal(str(self._must("GET", f"/prices/{symbol}?venue={venue}").json()["price"]))

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        query: dict[str, str | int] = {"limit": 500}
        while True:
            page = self._must("GET", path, params=query).json()
            yield from page["items"]
            if not page["next_cursor"]:
                return
            query["cursor"] = page["next_cursor"]

    def _new_marks(self, count: int) -> list[str]:
        self._marks += count
        marks = [f"{self._name}-{number}" for number in range(self._marks - count, self._marks)]
        self.outcomes |= dict.fromkeys(marks, "unknown")
        return marks

    def _note(self, marks: list[str], answer: httpx.Response | None) -> None:
        if answer is not None and answer.status_code < 500:
            self.outcomes |= dict.fromkeys(marks, "accepted" if answer.is_success else "refused")

    def _must(self, method: str, path: str, **what: Any) -> httpx.Response:
        answer = self._send(method, path, **what)
        if answer is None or answer.is_error:
            raise ProblemError(f"{method} {path}: {'no answer' if answer is None else answer.text}")
        return answer

    def _send(self, method: str, path: str, *, kind: str = "application/json", **what: Any) -> httpx.Response | None:
        """The answer in the end, of a request that is made again as long as it may go better; None: there was none."""
        headers = {"Content-Type": kind} if method == "POST" else {}
        headers |= {"Idempotency-Key": token_hex(16)} if method == "POST" and path != "/auth/login" else {}
        for attempt in range(TRIES):
            hasty = attempt == 0 and self._chance.random() < HASTY
            answer = self._ask(method, path, headers=headers, timeout=IMPATIENCE_S if hasty else PATIENCE_S, **what)
            if answer is not None and answer.status_code == 401 and not path.startswith("/auth"):
                self.sessions_lost += 1
                self._sign_in()
            elif answer is not None and answer.status_code < 500 and answer.status_code not in (409, 429):
                return answer
            time.sleep(0 if hasty else self._chance.uniform(0, BACKOFF_S * 2**attempt))
        return None

    def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **what: Any
    ) -> httpx.Response | None:
        own = {"Authorization": f"Bearer {self._pair['access_token']}"} if self._pair else {}
        sent, status = time.monotonic(), None
        try:
            answer = self._client.request(method, path, headers={**own, **(headers or {})}, **what)
            status = answer.status_code
            return answer
        except httpx.TransportError:
            return None
        finally:
            self._journal.answered(f"{method} {path.partition('?')[0]}", status, sent, time.monotonic())


def _purchase(mark: str) -> dict[str, str]:
    return {"type": "buy", "asset": "BTC", "quantity": "0.001", "price": "50000", "time": "2026-01-01", "note": mark}


class Listener(threading.Thread):
    """A WebSocket client of a venue's candles, by our own library, which must miss none that has closed.

    Args:
        url: The WebSocket API's.
        venue: Which one.
        symbols: Its symbols.
    """

    def __init__(self, url: str, venue: str, symbols: list[str]) -> None:
        super().__init__(daemon=True)
        self.closed: dict[tuple[str, str, int], Candle] = {}
        """By venue, symbol and time, as it was told last."""
        self.frames = self.disconnects = self.restarts = 0
        self.wrong: list[str] = []
        # What the API names is a venue.
        self._url, self._asked = url, Candles(symbols=symbols, venue=venue, interval="1m")  # type: ignore[arg-type]
        self._stopping = asyncio.Event()
        self._loop = asyncio.new_event_loop()

    def run(self) -> None:
        """Listens until it is stopped."""
        self._loop.run_until_complete(self._listen())
        self._loop.close()

    def stop(self) -> None:
        """Ends it."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()

    async def _listen(self) -> None:
        work, stopping = asyncio.create_task(self._hold()), asyncio.create_task(self._stopping.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work

    async def _hold(self) -> None:
        began = datetime.now(UTC)
        while True:
            try:
                async with Client(self._url) as client:
                    await client.subscribe(self._asked.resumed(began))
                    async for event in client:
                        self._hear(event)
            except (OSError, CryptoPulseError, websockets.WebSocketException):
                self.restarts += 1
                await asyncio.sleep(1)

    def _hear(self, event: object) -> None:
        match event:
            case CandleFrame(candles=candles) | Snapshot(candles=candles):
                self.frames += 1
                self.closed |= {(each.venue, each.symbol, each.time): each for each in candles if each.closed}
            case Disconnected():
                self.disconnects += 1
            case Dropped():
                self.wrong.append(f"dropped: {event.error}")


class Troubles(Chaos):
    """Chaos, and trouble with the cloud besides.

    Args:
        run: The system.
        simulator: Its exchanges.
        chance: Decides what comes next.
        journal: Where it is told when what goes wrong.
        state: Folder of the emulator's.
    """

    def __init__(self, run: Run, simulator: str, chance: random.Random, journal: Journal, state: Path) -> None:
        super().__init__(run, simulator, chance)
        self._state = state
        self._journal = journal

    def fill_disk(self) -> list[Path]:
        """Leaves no room for the emulator's state when it is saved next; the drafts that will not fit."""
        drafts = [path.with_name(f"{path.name}.tmp") for path in self._state.glob("*.json")]
        for draft in drafts:
            with suppress(FileExistsError):  # it is being saved
                draft.symlink_to(FULL)
        self.done["full disk"] += 1
        return drafts

    def end(self) -> None:
        """Nothing goes wrong any more."""
        super().end()
        self._cloud.disturb()

    def _all(self) -> list[Callable[[], str]]:
        in_cloud = [partial(self._disturb, fault) for fault in CLOUD_FAULTS]
        return [*super()._all(), *in_cloud, *(partial(self._kill_one, name) for name in (*SERVING, *BEHIND))]

    def _disturb(self, fault: CloudFault) -> str:
        name = f"{fault.service} {fault.kind}"
        self._journal.fault(name, time.monotonic(), fault.seconds)
        self._cloud.disturb(fault)
        return name

    def _kill_one(self, function: str) -> str:
        self._journal.fault(f"{function} killed", time.monotonic(), KILL_S)
        return self._kill(function) or f"{function} idle"


def soak(run: Run, home: Path, seconds: float, seed: int, console: Console) -> dict[str, int]:
    """Starts the system, lets users use it while things go wrong, and tells what came of it.

    Returns:
        The figures, by name.

    Raises:
        ProblemError: The system did not come up, or ended, or answered otherwise than promised.
    """
    parameters = PARAMETERS | {"Assets": ASSETS, "RequestsPerMinute": "1000000", "ConnectionsPerAddress": "0"}
    there, _ = run.start("simulated", parameters)
    audit, journal = Audit(there), Journal()
    chaos = Troubles(run, there.simulator or "", random.Random(seed), journal, home / "state")
    traders = [Trader(there.http, number, random.Random(f"{seed} {number}"), journal) for number in range(TRADERS)]
    venues = sorted({venue for venue, _ in audit.series})
    listeners = [
        Listener(there.websocket, venue, sorted(symbol for of, symbol in audit.series if of == venue))
        for venue in venues
    ]
    for trader in traders:
        trader.enter()
    start = _now() // MINUTE_MS * MINUTE_MS + MINUTE_MS  # of the minute of the start the streams know a part only
    for thread in (*listeners, *traders):
        thread.start()
    console.print(f"\n{len(traders)} users, {len(listeners)} WebSocket clients, faults for {seconds:.0f} s")
    try:
        _strike(run, chaos, journal, seconds, console)
        for trader in traders:
            trader.stop()
        end = await_repairs(run, audit, start, console)
        _settle(traders)
        journal.sort()
        figures, stored = _count(there, audit, journal, traders, listeners, chaos, (start, end), console)
    finally:
        for listener in listeners:
            listener.stop()
    run.stop()
    run.start("simulated", parameters)
    changed = [trader.name for trader, before in zip(traders, stored, strict=True) if trader.stored() != before]
    console.print(f"started again with what was saved: {len(traders) - len(changed)} of {len(traders)} users have all")
    return figures | {"wrong": figures["wrong"] + len(changed)}


def _strike(run: Run, chaos: Troubles, journal: Journal, seconds: float, console: Console) -> None:
    began = told = time.monotonic()
    full: list[Path] | None = None
    if not FULL.exists() or seconds < SAVED_S:
        console.print(f"✗ not tried: a full disk, which takes {FULL} and {SAVED_S:.0f} s")
        full = []
    while (now := time.monotonic()) < began + seconds:
        run.processes.check()
        if full is None and now > began + seconds - SAVED_S:
            full = chaos.fill_disk()
            console.print(f"{now - began:5.0f} s  full disk")
        console.print(f"{now - began:5.0f} s  {chaos.strike()}")
        if now - told > TELL_EVERY_S:
            told = now
            console.print(f"         requests {dict(journal.requests)}", style="dim")
        time.sleep(chaos.pause())
    chaos.end()
    if left := [draft.name for draft in full or () if draft.is_symlink()]:
        raise ProblemError(f"the emulator has not tried to save {', '.join(left)}")


def _settle(traders: list[Trader]) -> None:
    """Waits until what was begun has ended."""
    deadline = time.monotonic() + SETTLE_S
    while sum(not trader.settle() for trader in traders) and time.monotonic() < deadline:
        time.sleep(1)


def _count(
    there: Endpoints,
    audit: Audit,
    journal: Journal,
    traders: list[Trader],
    listeners: list[Listener],
    chaos: Troubles,
    span: tuple[int, int],
    console: Console,
) -> tuple[dict[str, int], list[Counter[str]]]:
    """The figures, and how often each user's marks are there."""
    lost, doubled, wrong = [], [], []
    told, kept, alerts, fired_alerts = Counter[str](), list[Counter[str]](), 0, 0
    for trader in traders:
        if trader.error:
            wrong.append(f"{trader.name}: {trader.error!r}")
        stored = trader.stored()
        verdict = judge(trader.outcomes, stored)
        lost += [f"transaction {mark} was accepted, and is not there" for mark in verdict.lost]
        lost += [f"import {job} does not end" for job in trader.give_up()]
        doubled += [f"transaction {mark} is there {stored[mark]} times" for mark in verdict.doubled]
        wrong += [f"transaction {mark} was refused, and is there" for mark in verdict.invented]
        told += Counter(trader.outcomes.values())
        kept.append(stored)
        fired = trader.fired()
        alerts, fired_alerts = alerts + len(trader.alerts), fired_alerts + len(fired)
        doubled += [f"alert {alert} fired {count} times" for alert, count in fired.items() if count > 1]
        lost += [f"alert {alert} did not fire" for alert in _due(trader) if alert not in fired]
    entered = sum(stored.total() for stored in kept)
    count, differing, more = audit.candles(*span)
    lost += [f"candle {line}" for line in differing]
    doubled += ["a candle has more volume than the exchange's"] * more
    heard, missed = _heard(there, audit, listeners, span)
    lost += [f"closed candle {line}" for line in missed]
    wrong += [line for listener in listeners for line in listener.wrong]
    for line in [*lost[:SHOWN], *doubled[:SHOWN], *wrong[:SHOWN], *journal.unexcused[:SHOWN]]:
        console.print(f"✗ {line}")
    console.print(f"requests: {dict(journal.requests)}; sessions lost: {sum(each.sessions_lost for each in traders)}")
    console.print(f"5xx during a fault that explains them: {dict(journal.excused)}")
    console.print(f"transactions: {dict(told)}, stored {entered}; alerts: {alerts} made, {fired_alerts} fired")
    frames, cuts = sum(each.frames for each in listeners), sum(each.disconnects for each in listeners)
    anew = sum(each.restarts for each in listeners)
    console.print(f"candles: {count} compared, clients heard of {heard} in {frames} frames; {cuts} cuts, {anew} anew")
    console.print(f"faults: {dict(chaos.done)}; the exchanges': {chaos.done_by_exchanges()}")
    figures = {
        "lost": len(lost),
        "doubled": len(doubled),
        "server_errors": len(journal.unexcused),
        "wrong": len(wrong),
        "requests": journal.requests.total(),
        "accepted": told["accepted"],
        "stored": entered,
        "alerts": fired_alerts,
        "candles": count,
        "ticks": _trades(there, audit, span),
        "faults": chaos.done.total(),
        "server_errors_in_faults": journal.excused.total(),
    }
    return figures, kept


def _due(trader: Trader) -> list[str]:
    """The alerts whose condition holds now: they must have fired."""
    prices: dict[tuple[str, str], Decimal] = {}
    due = []
    for id_, alert in trader.alerts.items():
        key = alert["symbol"], alert["venue"]
        price = prices.setdefault(key, trader.price(*key)) if key not in prices else prices[key]
        limit = Decimal(alert["threshold"])
        if price >= limit if alert["condition"] == "above" else price <= limit:
            due.append(id_)
    return due


def _heard(there: Endpoints, audit: Audit, listeners: list[Listener], span: tuple[int, int]) -> tuple[int, list[str]]:
    """How many of the closed candles clients heard of, and which they did not, or otherwise than they are."""
    closed = {key: candle for listener in listeners for key, candle in listener.closed.items()}
    heard, missed = 0, []
    with httpx.Client(base_url=there.http, trust_env=False, timeout=30) as api:
        for venue, symbol in audit.series:
            query: dict[str, str | int] = {"venue": venue, "interval": "1m", "open": "false", "limit": 5000}
            query |= {"start": span[0], "end": span[1]}
            for row in api.get(f"/candles/{symbol}", params=query).raise_for_status().json()["candles"]:
                candle = closed.get((venue, symbol, row[0]))
                told = candle and [candle.open, candle.high, candle.low, candle.close, candle.volume]
                heard += told is not None
                if told != row[1:6]:
                    missed.append(f"{venue}:{symbol} {row[0]}: a client was told {told}, not {row[1:6]}")
    return heard, missed


def _trades(there: Endpoints, audit: Audit, span: tuple[int, int]) -> int:
    """How many trades the exchanges had."""
    found: defaultdict[str, int] = defaultdict(int)
    for venue, symbol in audit.series:
        query: dict[str, str | int] = {"venue": venue, "symbol": symbol, "interval": "1m"}
        query |= {"start": span[0], "end": span[1]}
        answer = httpx.get(f"{there.simulator}/admin/candles", params=query, trust_env=False, timeout=30)
        found[venue] += sum(int(row[6]) for row in answer.raise_for_status().json()["candles"])
    return sum(found.values())


def _now() -> int:
    return time.time_ns() // 1_000_000


def main() -> int:
    """Runs `make soak`."""
    parser = options("soak", __doc__)
    arguments = parser.parse_args()
    least, longest = SECONDS
    if not least <= arguments.seconds <= longest:
        parser.error(f"SECONDS are {least} to {longest}")

    def trial(run: Run, home: Path, console: Console) -> dict[str, int]:
        return soak(run, home, arguments.seconds, arguments.seed, console)

    return carry_out("soak", arguments, trial, ("lost", "doubled", "server_errors", "wrong"))


if __name__ == "__main__":
    sys.exit(main())
