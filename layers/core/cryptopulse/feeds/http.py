"""A venue's public HTTP interface: paced, and every way it can fail told as a FeedDownError."""

import re
import time
import weakref
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import httpx
import msgspec
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_random_exponential

from cryptopulse.domain.candles import DAY, MINUTE, floor
from cryptopulse.domain.venues import Session
from cryptopulse.errors import FeedDownError, RestrictedError, UnknownProductError
from cryptopulse.feeds.budget import Budget, unix_ms

AGENT: Final = "CryptoPulse/1"
TIMEOUT: Final = httpx.Timeout(4.0, connect=2.0)
ATTEMPTS: Final = 3
LONGEST: Final = 8.0
"""No further attempt is begun so many seconds after the first."""

LONGEST_WAIT: Final = 4 * DAY
"""No venue is left alone for longer, in ms, whatever it says: Binance's own bans end after three days."""

_BANNED_UNTIL: Final = re.compile(rb"banned until (\d{13})\b")


class Limit(NamedTuple):
    """The header in which a venue tells what we have used of this minute's limit, and how much is enough."""

    header: str
    enough: int


class Http:
    """GETs JSON from one venue.

    Args:
        venue: The venue's name, for messages.
        url: Base URL; a path is kept as a prefix.
        budget: Whose turns the requests take.
        is_unknown_product: Tells the venue's answer for a symbol it does not have.
        limit: Where the venue tells the limit's use, if it does.
        transport: Replaces the network in tests.
        clock: Unix milliseconds.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        venue: str,
        url: str,
        budget: Budget,
        is_unknown_product: Callable[[httpx.Response], bool],
        *,
        limit: Limit | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], int] = unix_ms,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.session = Session()
        self.budget = budget
        self._venue = venue
        self._url = url
        self._is_unknown_product = is_unknown_product
        self._limit = limit
        self._transport = transport
        self._clock = clock
        self._spent_until = 0
        self._offset: int | None = None
        self._client: httpx.Client | None = None
        self._retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(LONGEST),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception(_passes),
            sleep=sleep,
            reraise=True,
        )

    def get[Answer](
        self,
        path: str,
        answer: msgspec.json.Decoder[Answer],
        params: Mapping[str, str | int] | None = None,
        cost: int = 1,
    ) -> Answer:
        """The decoded answer; what may pass in a moment is tried again with full jitter.

        Args:
            path: Below the base URL.
            answer: Decodes the body, and rejects what has another shape.
            params: The query.
            cost: Units of the venue's limit.

        Raises:
            UnknownProductError: The venue does not have the symbol.
            RestrictedError: The venue refuses our location.
            FeedDownError: There is no usable answer; `until` where the venue wants to be left alone.
        """
        told: Answer = self._retrying(self._get, path, answer, params, cost)
        return told

    def begin(self) -> Session:
        """Starts a session: fresh counts, and the venue's clock to be asked again."""
        self.session = Session()
        self._offset = None
        return self.session

    def set_clock(self, ask: Callable[[], int]) -> int:
        """The venue's time in Unix ms, as `ask` fetches it; `now` goes on from there."""
        before = self._clock()
        theirs = ask()
        self._offset = theirs - (before + self._clock()) // 2
        return theirs

    def now(self, set_clock: Callable[[], int]) -> int:
        """The venue's time in Unix ms by our clock, which is set by its own once in a session."""
        return set_clock() if self._offset is None else self._clock() + self._offset

    def _get[Answer](
        self, path: str, answer: msgspec.json.Decoder[Answer], params: Mapping[str, str | int] | None, cost: int
    ) -> Answer:
        try:
            return self._attempt(path, answer, params, cost)
        except FeedDownError as error:
            self.session.failed(error)
            raise

    def _attempt[Answer](
        self, path: str, answer: msgspec.json.Decoder[Answer], params: Mapping[str, str | int] | None, cost: int
    ) -> Answer:
        if self._clock() < self._spent_until:
            raise FeedDownError(f"{self._venue}: this minute's limit is used", kind="spent", until=self._spent_until)
        self.budget.take(cost)
        if self._client is None:
            self._client = httpx.Client(
                base_url=self._url, headers={"User-Agent": AGENT}, timeout=TIMEOUT, transport=self._transport
            )
            weakref.finalize(self, self._client.close)
        self.session.calls += 1
        try:
            response = self._client.get(path, params=params)
        except httpx.HTTPError as error:
            raise FeedDownError(f"{self._venue} {path}: {error!r}") from error
        if self._limit is not None:
            used = response.headers.get(self._limit.header, "")
            if used[:9].isdecimal() and int(used[:9]) >= self._limit.enough:
                self._spent_until = self._next_minute()
        if not response.is_success:
            raise self._failure(path, response)
        try:
            return answer.decode(response.content)
        except msgspec.MsgspecError as error:
            raise FeedDownError(f"{self._venue} {path}: not the answer due: {error}") from error

    def _failure(self, path: str, response: httpx.Response) -> FeedDownError:
        status = response.status_code
        said = f"{self._venue} {path}: HTTP {status} {response.text[:200]}"
        if self._is_unknown_product(response):
            return UnknownProductError(said)
        if status == 451:
            return RestrictedError(said)
        retry_after = self._retry_after(response)
        if status in (403, 418, 429):
            kind = "banned" if status == 418 else "limited"
            ban = _BANNED_UNTIL.search(response.content)
            # Retry-After is absent or 0 often enough; the minute's limit is not used up for longer than the minute.
            banned_until = min(int(ban[1]), self._clock() + LONGEST_WAIT) if ban else 0
            return FeedDownError(said, kind=kind, until=max(retry_after, banned_until, self._next_minute()))
        if status >= 500:
            return FeedDownError(said, until=retry_after or None)
        return FeedDownError(said, kind="refused")

    def _retry_after(self, response: httpx.Response) -> int:
        """When the venue may be asked again, in Unix ms by our clock; 0 if it does not say."""
        text = response.headers.get("Retry-After", "")
        if text.isdecimal():
            return self._clock() + min(int(text[:9]) * 1000, LONGEST_WAIT)
        try:
            return min(int(parsedate_to_datetime(text).timestamp() * 1000), self._clock() + LONGEST_WAIT)
        except ValueError:
            return 0

    def _next_minute(self) -> int:
        return floor(self._clock(), MINUTE) + MINUTE


def _passes(error: BaseException) -> bool:
    return isinstance(error, FeedDownError) and error.kind == "down" and error.until is None
