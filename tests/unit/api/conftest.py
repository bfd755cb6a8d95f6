"""What the tests of the API share: a minute with scripted limits."""

from dataclasses import dataclass, field

import msgspec
import pytest

from cryptopulse import wiring
from cryptopulse.domain.limits import Standing
from cryptopulse.errors import CryptoPulseError
from cryptopulse.settings import Settings

NOW = 1_795_329_063_057
LIMIT, RESET = 600, 57
EDGE_SECRET = "what only the edge knows: ü"


@dataclass
class Minute:
    """What was counted for whom, and who has no request left."""

    counted: list[str] = field(default_factory=list)
    spent: set[str] = field(default_factory=set)
    error: CryptoPulseError | None = None
    now: int = NOW

    def take(self, key: str, now: int) -> Standing:
        """Counts one, as `Limits` does."""
        if self.error is not None:
            raise self.error
        self.counted.append(key)
        return self._standing(now, is_allowed=key not in self.spent)

    def _standing(self, now: int, *, is_allowed: bool) -> Standing:
        assert now == self.now
        return Standing(LIMIT, LIMIT - 1 if is_allowed else 0, RESET, is_allowed)


@pytest.fixture(autouse=True)
def minute(monkeypatch: pytest.MonkeyPatch) -> Minute:
    """The limits in force."""
    minute = Minute()
    required = {each.encode_name: "1" for each in msgspec.structs.fields(Settings) if each.required}
    settings = msgspec.convert(
        {**required, "FEEDS": "simulated", "EDGE_SECRET": EDGE_SECRET, "REQUESTS_PER_MINUTE": LIMIT},
        Settings,
        strict=False,
    )
    monkeypatch.setattr(wiring, "limits", lambda: minute)
    monkeypatch.setattr(wiring, "settings", lambda: settings)
    monkeypatch.setattr(wiring, "now", lambda: minute.now)
    return minute
