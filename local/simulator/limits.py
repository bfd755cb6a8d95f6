"""How much a client may ask of each venue."""

from dataclasses import dataclass

_MINUTE = 60_000_000


@dataclass(slots=True)
class _Spent:
    minute: int = 0
    weight: int = 0
    ignored: int = 0
    bans: int = 0
    banned_until: int = 0


class WeightLimit:
    """Binance's: a weight per client and clock minute; who goes on asking beyond it is banned, each time for longer."""

    PATIENCE = 10
    """Answers 429 in a minute after which the client is banned."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._clients: dict[str, _Spent] = {}

    def spend(self, client: str, weight: int, now: int) -> int:
        """The weight that the client has used in this minute (Unix microseconds), this request included."""
        spent = self._clients.setdefault(client, _Spent())
        if spent.minute != now // _MINUTE:
            spent.minute, spent.weight, spent.ignored = now // _MINUTE, 0, 0
        spent.weight += weight
        if spent.weight > self.limit and now >= spent.banned_until:
            spent.ignored += 1
            if spent.ignored > self.PATIENCE:
                spent.banned_until = now + 2 * _MINUTE * 2**spent.bans
                spent.bans += 1
        return spent.weight

    def banned_until(self, client: str) -> int:
        """The end of the client's last ban in Unix microseconds; 0 without one."""
        return self._clients[client].banned_until if client in self._clients else 0


class RateLimit:
    """Coinbase's: so many requests a second per client, with a burst above it."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        self._clients: dict[str, tuple[float, int]] = {}

    def admits(self, client: str, now: int) -> bool:
        """Whether one more request is allowed at this time (Unix microseconds); it counts if so."""
        tokens, since = self._clients.get(client, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) / 1e6 * self._per_second)
        admitted = tokens >= 1
        self._clients[client] = (tokens - admitted, now)
        return admitted
