"""Somebody who has something of everything, and the market that it is worth something on."""

from typing import Any

from cryptopulse import wiring
from cryptopulse.aws.market import LazyMinutes, Market
from cryptopulse.domain.candles import DAY, HOUR, MINUTE
from cryptopulse.domain.exports import HEADER
from cryptopulse.domain.folding import fold
from cryptopulse.domain.series import Series, lane_of
from cryptopulse.domain.ticks import Bar, Candles, Clock, Quote, Record
from cryptopulse.domain.tokens import RefreshToken
from cryptopulse.domain.users import email_key
from cryptopulse.domain.venues import VenueState
from tests.functional.web import Person, Web

BTC = Series("coinbase", "BTC-USD")


def fill(market: Market, now: int) -> None:
    """Gives the market one series, with an hour of candles and a fresh price."""
    lane, end = lane_of(BTC, wiring.settings().LANES), now // MINUTE * MINUTE
    market.save_series([BTC])
    wiring.venues().save(BTC.venue, VenueState("http://feed", ok_at=now))
    bars = [Bar(start, 6_300_000, 6_310_000, 6_290_000, 6_305_000, 100) for start in range(end - HOUR, end, MINUTE)]
    told = Candles(BTC.symbol, 2, 3, end - HOUR, end, end, bars)
    state, minutes = market.lane(lane), LazyMinutes(market, lane)
    version = state.version
    folded = fold(state, minutes, [Record(BTC.venue, lane, [told, Quote(BTC.symbol, 2, 6_305_500, now), Clock(end)])])
    market.write(state, version, [minutes[minute] for minute in folded.minutes])


class User:
    """Somebody with two sessions, an API token, portfolios and alerts; all that others may not get to know of him.

    His first portfolio holds all of his transactions, the other the end of a transfer; his first alert has fired.

    Args:
        web: Makes him, at a time when `fill` has filled the market.
        email: His e-mail.
        password: His password.
        name: The name he shows, which is in all of his words.
        amount: What he has of something.
    """

    def __init__(self, web: Web, email: str, password: str, name: str, amount: str) -> None:
        self.id: str = web.register(email, password, display_name=name).body["id"]
        self.sessions = [web.again(self.id, email, password) for _ in range(2)]
        self.session_ids = [_session_id(each) for each in self.sessions]

        def make(path: str, body: object, status: int = 201, **headers: str) -> Any:
            reply = web("POST", path, body, token=self.sessions[0].access, headers=headers)
            assert reply.status == status, reply.body
            return reply.body

        token = make("/users/me/tokens", {"name": name, "scopes": ["read", "trade", "admin"]})
        self.token_id: str = token["id"]
        self.token: str = token["token"]
        assert web("GET", "/users/me", token=self.token).status == 200  # notes its use, once in a minute
        self.portfolio_ids: list[str] = [make("/portfolios", {"name": f"{name} {n}"})["id"] for n in (1, 2)]
        entered, usual = (
            f"/portfolios/{self.portfolio_ids[0]}/transactions",
            {"asset": BTC.base, "time": wiring.now() - HOUR},
        )
        transactions = [
            {"type": "deposit", "quantity": amount, "note": f"{name} earned it"},
            {"type": "buy", "quantity": "2", "price": amount, "external_id": name.replace(" ", "-")},
            {"type": "transfer", "quantity": "1", "to_portfolio_id": self.portfolio_ids[1]},
        ]
        self.transaction_ids: list[str] = [
            each["id"] for each in make(entered, [usual | each for each in transactions])
        ]
        line = ",".join([str(wiring.now() - DAY), "airdrop", "ETH", amount, *[""] * (len(HEADER) - 5), f"{name} lucky"])
        file = "\n".join((",".join(HEADER), line))
        self.import_id: str = make(f"{entered}/import", file, 200, **{"content-type": "text/csv"})["id"]
        alert = {"symbol": BTC.symbol, "condition": "above", "note": f"{name} watches"}
        url = f"https://hooks.example/?{name.replace(' ', '-')}"
        alerts = [
            make("/alerts", alert | {"threshold": "1", "webhook_url": url}),
            make("/alerts", alert | {"threshold": amount + "1"}),
        ]
        assert [each["status"] for each in alerts] == ["fired", "armed"]
        self.alert_ids: list[str] = [each["id"] for each in alerts]
        (fired,) = web("GET", "/alerts/history", token=self.token).body["items"]
        self.fired_id: str = fired["id"]
        self.marks = [self.id, email_key(email)]
        """What is in the keys of his items."""
        self.words: list[str] = [name, name.replace(" ", "-"), amount, alerts[0]["webhook_secret"]]
        """What he wrote, and what was shown to him alone."""
        credentials = [text for each in self.sessions for text in (each.access, each.refresh)]
        ids = [*self.session_ids, self.token_id, *self.portfolio_ids, *self.transaction_ids, self.import_id]
        self.secrets = [
            self.id,
            email,
            password,
            *self.words,
            *credentials,
            *ids,
            *self.alert_ids,
            self.fired_id,
            self.token,
        ]


def _session_id(person: Person) -> str:
    token = RefreshToken.parse(person.refresh)
    assert token
    return token.id
