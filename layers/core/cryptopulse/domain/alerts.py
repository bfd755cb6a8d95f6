"""Alerts: what users want to be told of, what became of it, and how both are shown."""

import re
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from cryptopulse.domain.candles import HOUR, MINUTE
from cryptopulse.domain.lots import EXACT
from cryptopulse.domain.portfolios import Note
from cryptopulse.domain.rules import Rule, Side
from cryptopulse.domain.series import Series
from cryptopulse.domain.sightings import Reached
from cryptopulse.domain.times import Moment, rfc3339
from cryptopulse.domain.webhooks import WebhookUrl
from cryptopulse.errors import InvalidError

type Condition = Literal["above", "below", "change_pct"]
type Status = Literal["armed", "fired", "paused"]
type Delivery = Literal["none", "pending", "delivered", "failed"]

ALERTS: Final = 200
"""Alerts a user may have."""
_PLACES: Final = 18
"""Digits of a threshold after the point."""
_THRESHOLD: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_WINDOW: Final = re.compile(r"([0-9]{1,4})([mh])")


# --- what clients send ---


class Threshold(Decimal):
    """A price, or per cent with a sign: at most 18 digits before and 18 after the point, no exponent."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$",
        "examples": ["70000", "-2.5"],
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """The number that a decimal string says.

        Raises:
            ValueError: It says none, or one with more digits.
        """
        if not _THRESHOLD.fullmatch(text):
            raise ValueError("Expected a decimal number, at most 18 digits before and 18 after the point, no exponent")
        return cls(text)


class Window(str):
    """A span of time in minutes or hours: `5m` to `24h`."""

    SCHEMA: ClassVar[dict[str, Any]] = {"type": "string", "pattern": "^[0-9]{1,4}[mh]$", "examples": ["1h"]}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The span.

        Raises:
            ValueError: It is none, or too short or long.
        """
        if not _WINDOW.fullmatch(text) or not 5 * MINUTE <= cls(text).ms <= 24 * HOUR:
            raise ValueError("Expected 5m to 24h, in whole minutes or hours")
        return cls(text)

    @property
    def ms(self) -> int:
        """Milliseconds."""
        return int(self[:-1]) * (MINUTE if self[-1] == "m" else HOUR)


def _check(condition: Condition, threshold: Decimal) -> None:
    """Refuses a threshold that the condition could not have.

    Raises:
        InvalidError: It could not.
    """
    if condition != "change_pct" and threshold <= 0:
        raise InvalidError("threshold", "Expected a price above 0")
    if condition == "change_pct" and (threshold == 0 or threshold <= -100):
        raise InvalidError("threshold", "Expected per cent above -100, and not 0")


class NewAlert(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to tell of, and where.

    Raises:
        InvalidError: The fields do not go together; it names the one at fault.
    """

    symbol: Annotated[str, Meta(description="One that is followed, not converted", examples=["BTC-USD"])]
    venue: Annotated[str | None, Meta(description="`binance` or `coinbase`; without it the reference")] = None
    condition: Annotated[
        Condition,
        Meta(description="The price at or above, or at or below the threshold; or its change in the window"),
    ]
    threshold: Annotated[
        Threshold, Meta(description="A price above 0; for change_pct per cent, whose sign is the direction")
    ]
    window: Annotated[Window | None, Meta(description="Of change_pct only: `5m` to `24h`, by default `1h`")] = None
    repeat: Annotated[bool, Meta(description="Armed again when the price is 0.5 % back from the threshold")] = False
    webhook_url: WebhookUrl | None = None
    note: Note | None = None

    def __post_init__(self) -> None:
        _check(self.condition, self.threshold)
        if self.window is not None and self.condition != "change_pct":
            raise InvalidError("window", "Only change_pct has one")


class AlertChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change of an alert; `status` arms or pauses it, null takes a webhook or a note away."""

    threshold: Threshold | UnsetType = UNSET
    window: Annotated[Window, Meta(description="Of change_pct only: `5m` to `24h`")] | UnsetType = UNSET
    repeat: bool | UnsetType = UNSET
    status: (
        Annotated[Literal["armed", "paused"], Meta(description="`armed` arms it anew, also one that has fired")]
        | UnsetType
    ) = UNSET
    webhook_url: (
        Annotated[WebhookUrl | None, Meta(description="The secret stays; an alert that had no webhook gets one")]
        | UnsetType
    ) = UNSET
    note: Note | UnsetType | None = UNSET


# --- alerts ---


class Fired(Struct, kw_only=True, frozen=True):
    """An alert that has fired, as it was then; `time` is when we noticed, in Unix ms."""

    id: str
    user: str
    alert_id: str
    symbol: str
    venue: str
    condition: Condition
    threshold: Decimal
    price: Decimal
    time: int
    webhook: Delivery
    tries: int = 0
    """How often its webhook has been tried."""

    @property
    def view(self) -> "FiredView":
        """As its user sees it."""
        return FiredView(
            id=self.id,
            alert_id=self.alert_id,
            symbol=self.symbol,
            venue=self.venue,
            condition=self.condition,
            threshold=f"{self.threshold:f}",
            price=f"{self.price:f}",
            time=rfc3339(self.time),
            webhook=self.webhook,
        )


class Alert(Struct, kw_only=True):
    """An alert as it is stored. Times in Unix ms.

    While a repeated one that has fired waits for the price to go back it stays `armed`, and `is_waiting`.
    """

    id: str
    user: str
    symbol: str
    venue: str
    condition: Condition
    threshold: Decimal
    window: str | None
    repeat: bool
    webhook_url: str | None
    webhook_secret: str | None
    note: str | None
    created_at: int
    since: int
    """Prices from then on count."""
    status: Status = "armed"
    is_waiting: bool = False
    last_fired_at: int | None = None
    version: int = 0

    @classmethod
    def of(cls, new: NewAlert, series: Series, user: str, id_: str, secret: str, now: int) -> Self:
        """A new alert of a user on a series.

        Args:
            new: What the user sent.
            series: What it is about.
            user: Whose it is.
            id_: Its id.
            secret: Signs its webhook, if it has one.
            now: Unix ms.
        """
        return cls(
            id=id_,
            user=user,
            symbol=series.symbol,
            venue=series.venue,
            condition=new.condition,
            threshold=Decimal(new.threshold),
            window=str(new.window or "1h") if new.condition == "change_pct" else None,
            repeat=new.repeat,
            webhook_url=None if new.webhook_url is None else str(new.webhook_url),
            webhook_secret=None if new.webhook_url is None else secret,
            note=None if new.note is None else str(new.note),
            created_at=now,
            since=now,
        )

    @property
    def series(self) -> Series:
        """What it is about."""
        return Series(self.venue, self.symbol)

    @property
    def rule(self) -> Rule | None:
        """What it waits for; None unless it is armed."""
        if self.status != "armed":
            return None
        side, level, window = self._side, self.threshold, 0
        if self.condition == "change_pct":
            window = Window(self.window).ms
        elif self.is_waiting:
            units = int(level.scaleb(_PLACES, EXACT))
            units = units * 995 // 1000 if side == "fall" else -(-units * 1005 // 1000)  # not nearer than 0.5 %
            level = Decimal(units).scaleb(-_PLACES, EXACT)
        return Rule(self.series, side, level, window, self.user, self.id, self.since, self.is_waiting)

    @property
    def _side(self) -> Side:
        if self.condition == "change_pct":
            return "move"
        return "rise" if (self.condition == "above") != self.is_waiting else "fall"

    def arm(self, now: int) -> None:
        """Waits for the prices from now on (Unix ms), the one that holds now included."""
        self.status, self.is_waiting, self.since = "armed", False, now

    def apply(self, change: AlertChange, secret: str, now: int) -> None:
        """Changes what a user may change; a new threshold or window arms anew what is armed.

        Args:
            change: What the user sent.
            secret: Signs the webhook where there was none.
            now: Unix ms.

        Raises:
            InvalidError: The fields do not go together; it names the one at fault.
        """
        before = self.threshold, self.window
        if change.threshold is not UNSET:
            _check(self.condition, change.threshold)
            self.threshold = Decimal(change.threshold)
        if change.window is not UNSET:
            if self.condition != "change_pct":
                raise InvalidError("window", "Only change_pct has one")
            self.window = str(change.window)
        if change.repeat is not UNSET:
            self.repeat = change.repeat
        if change.webhook_url is not UNSET:
            self.webhook_url = None if change.webhook_url is None else str(change.webhook_url)
            self.webhook_secret = None if change.webhook_url is None else self.webhook_secret or secret
        if change.note is not UNSET:
            self.note = None if change.note is None else str(change.note)
        if change.status == "paused":
            self.status, self.is_waiting = "paused", False
        elif change.status == "armed" or (self.status == "armed" and before != (self.threshold, self.window)):
            self.arm(now)
        elif self.is_waiting and not self.repeat:
            self.status, self.is_waiting = "fired", False

    def reach(self, reached: Reached, entropy: str, now: int) -> Fired | None:
        """Takes what its rule waited for: fires, or if it was waiting is armed again, which tells nobody.

        Args:
            reached: The price that met its rule.
            entropy: 20 random hex digits, for the id of what it fires: of one moment the older price comes first.
            now: Unix ms.
        """
        self.since = reached.time + 1
        if self.is_waiting:
            self.is_waiting = False
            return None
        self.last_fired_at = now
        if self.repeat:
            self.is_waiting = True
        else:
            self.status = "fired"
        return Fired(
            id=f"{reached.time:012x}{entropy}",
            user=self.user,
            alert_id=self.id,
            symbol=self.symbol,
            venue=self.venue,
            condition=self.condition,
            threshold=self.threshold,
            price=reached.price,
            time=now,
            webhook="none" if self.webhook_url is None else "pending",
        )


# --- what clients get ---


class AlertView(Struct, kw_only=True):
    """An alert."""

    id: str
    symbol: str
    venue: str
    condition: Condition
    threshold: str
    window: Annotated[str | None, Meta(description="null unless it is of change_pct")]
    repeat: bool
    webhook_url: str | None
    note: str | None
    status: Annotated[Status, Meta(description="One that repeats stays armed")]
    created_at: Moment
    last_fired_at: Moment | None

    @classmethod
    def of(cls, alert: Alert) -> Self:
        """An alert as its user sees it."""
        return cls(
            id=alert.id,
            symbol=alert.symbol,
            venue=alert.venue,
            condition=alert.condition,
            threshold=f"{alert.threshold:f}",
            window=alert.window,
            repeat=alert.repeat,
            webhook_url=alert.webhook_url,
            note=alert.note,
            status=alert.status,
            created_at=rfc3339(alert.created_at),
            last_fired_at=None if alert.last_fired_at is None else rfc3339(alert.last_fired_at),
        )


class SecretAlertView(AlertView, kw_only=True):
    """An alert, and where it is new the secret that signs its webhook."""

    webhook_secret: Annotated[
        str | UnsetType, Meta(description="Shown this once; its text is the key of `CryptoPulse-Signature`")
    ] = UNSET


class FiredView(Struct, kw_only=True):
    """An alert that has fired, as it was then."""

    id: Annotated[str, Meta(description="Of this firing")]
    alert_id: str
    symbol: str
    venue: str
    condition: Condition
    threshold: str
    price: Annotated[str, Meta(description="The price that reached the threshold")]
    time: Moment
    webhook: Annotated[Delivery, Meta(description="How it went: `none`: it has none; `pending`: there are tries left")]
