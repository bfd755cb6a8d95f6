"""Prints live prices: `python -m cryptopulse_client wss://… BTC-USD ETH-USD`."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterable
from contextlib import suppress

from cryptopulse_client import Client, CryptoPulseError, Disconnected, Snapshot, TickFrame, Ticks


async def _watch(url: str, symbols: Iterable[str]) -> None:
    async with Client(url) as client:
        print(f"connected; a frame every {(await client.subscribe(Ticks(tuple(symbols)))).interval_ms} ms at most")
        async for event in client:
            match event:
                case Snapshot(ticks=ticks) | TickFrame(ticks=ticks):
                    for tick in ticks:
                        print(f"{tick.time:%H:%M:%S} {tick.symbol:<10} {tick.price:>16,} {tick.venue}", flush=True)
                case Disconnected(reason=reason):
                    print(f"disconnected: {reason}", flush=True)
                case _:
                    print(event, flush=True)


def main() -> None:
    """Runs until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m cryptopulse_client", description="Prints live prices.")
    parser.add_argument("url", help="the WebSocket's: locally, `ws` in .local/endpoints.json")
    parser.add_argument("symbols", nargs="+", help="such as BTC-USD")
    asked = parser.parse_args()
    logging.basicConfig(format="%(message)s")
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(asked.url, asked.symbols))
    except (CryptoPulseError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
