"""The users' journeys against a running system: `make smoke`, and the end-to-end tests."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from rich.console import Console
from websockets.exceptions import WebSocketException

from local.endpoints import HOME, Endpoints, read
from local.journeys import accounts, analytics, market, news, portfolios
from local.journeys.answers import WrongError
from local.processes import ProblemError


def journey(endpoints: Endpoints, slack: float = 1) -> Iterator[str]:
    """Does what users do: one who only looks, one who computes, one who reads, one with an account, one who invests.

    Args:
        endpoints: Of what runs.
        slack: Live prices may take so many times as long as is promised.

    Yields:
        What was seen, a line a step.

    Raises:
        WrongError: An answer is not what the contract says.
    """
    with httpx.Client(base_url=endpoints.http, trust_env=False, timeout=30) as client:
        yield from market.walk(client, endpoints, slack)
        yield from analytics.walk(client)
        yield from news.walk(client)
        yield from accounts.walk(client, endpoints)
        yield from portfolios.walk(client, endpoints)


def main() -> int:
    """Runs `make smoke`."""
    parser = argparse.ArgumentParser(prog="make smoke", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    seen = 0
    try:
        for line in journey(read(parser.parse_args().home)):
            console.print(f"✓ {line}")
            seen += 1
    except (ProblemError, WrongError) as error:
        console.print(f"✗ {error}")
        return 1
    except (httpx.HTTPError, WebSocketException, LookupError, OSError, ValueError) as error:
        console.print(f"✗ after that: {error!r}")
        return 1
    finally:
        console.print(f"figure smoke.steps {seen}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
