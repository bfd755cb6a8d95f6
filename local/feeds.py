"""Whose prices, the exchanges' own or the simulator's, and how they come."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

import httpx

from local import template
from local.processes import ProblemError

TIMEOUT_S = 3
PINGS = {"BinanceUrl": "/api/v3/ping", "CoinbaseUrl": "/time"}

type Choice = Literal["auto", "live", "simulated"]
type Mode = Literal["stream", "poll"]


@dataclass(frozen=True)
class Feeds:
    """What was chosen, and what the user should know about it.

    Attributes:
        kind: As the template's parameter `Feeds`.
        note: For the banner; empty if all is as asked.
    """

    kind: Literal["live", "simulated"]
    note: str = ""


def parse(word: str) -> Choice:
    """Reads FEEDS; empty is `auto`.

    Raises:
        ProblemError: It is none of the three.
    """
    choices = get_args(Choice.__value__)
    if (word or "auto") not in choices:
        raise ProblemError(f"FEEDS={word} is none of {', '.join(choices)}")
    return cast(Choice, word or "auto")


def parse_mode(word: str) -> Mode:
    """Reads PRICES; empty is `stream`.

    Raises:
        ProblemError: It is neither.
    """
    modes = get_args(Mode.__value__)
    if (word or "stream") not in modes:
        raise ProblemError(f"PRICES={word} is none of {', '.join(modes)}")
    return cast(Mode, word or "stream")


def choose(choice: Choice) -> Feeds:
    """Asks the exchanges' public hosts once, unless the choice is already made."""
    if choice == "simulated":
        return Feeds("simulated")
    silent = [reason for parameter in PINGS if (reason := _refusal(parameter))]
    if choice == "auto" and len(silent) == len(PINGS):
        return Feeds("simulated", f"no exchange answers, so prices are SIMULATED ({'; '.join(silent)})")
    return Feeds("live", "; ".join(silent))


def _refusal(parameter: str) -> str:
    """Why a host cannot be used, or nothing."""
    url = template.load()["Parameters"][parameter]["Default"] + PINGS[parameter]
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S, headers={"User-Agent": "cryptopulse"})
    except httpx.TransportError as error:
        return f"{httpx.URL(url).host}: {error or type(error).__name__}"
    return "" if answer.is_success else f"{httpx.URL(url).host}: HTTP {answer.status_code}"
