"""What WebSocket clients cost a month, by how many there are and how often they hear: ours, and three other ways.

Counted: microseconds, units and bytes as `make bench NAME=fan_out` prints them. Prices are list
prices of us-east-1 without free tiers; a month is 30 days, and all clients are connected all the time, each with five
symbols of which one changes each second.
"""

from typing import Final, NamedTuple

SECONDS: Final = 2_592_000
FRAME: Final = 500
"""Bytes of a frame of five prices, with its headers."""
SEND_US: Final = 35
"""CPU of a post (`fan_out`), and of a client in a beat."""
BEAT_US: Final = 10
BOTO3_US: Final = 1_000
STATE: Final = 8.5
"""Bytes of a client in the shard's state."""
SHARD_CLIENTS: Final = 5_000
SHARE: Final = 512 / 1769
"""Of a core, that a function of 512 MB has."""
MILLION: Final = 1e6


class Prices(NamedTuple):
    """Dollars."""

    message: float = 1.00 / MILLION
    message_over: float = 0.80 / MILLION
    """Above a billion."""
    connection_minute: float = 0.25 / MILLION
    invocation: float = 0.20 / MILLION
    gb_second: float = 0.0000133334
    write: float = 0.625 / MILLION
    read: float = 0.125 / MILLION
    egress_gb: float = 0.09
    cdn_request: float = 1.00 / MILLION
    cdn_gb: float = 0.085
    container_hour: float = 0.5 * 0.03238 + 1 * 0.00356
    """Fargate, arm64, half a core and 1 GB."""
    balancer_hour: float = 0.0225
    capacity_unit_hour: float = 0.008
    """A load balancer's: 3,000 connections, or 1 GB an hour."""


PRICES: Final = Prices()


def messages(count: float) -> float:
    """Of API Gateway."""
    over = max(0.0, count - 1e9)
    return (count - over) * PRICES.message + over * PRICES.message_over


def pushed(clients: int, interval: float, frames: float, cpu_us: float) -> float:
    """Messages, connections, the function's time and egress, at so many frames an interval."""
    count = clients * frames * SECONDS / interval
    busy = count * cpu_us / MILLION / SHARE
    return (
        messages(count)
        + clients * SECONDS / 60 * PRICES.connection_minute
        + busy * 0.5 * PRICES.gb_second
        + count * FRAME / 1e9 * PRICES.egress_gb
    )


def ours(clients: int, interval: float) -> float:
    """A frame an interval with all that changed; the shards' states written in each beat, a second."""
    shards = -(-clients // SHARD_CLIENTS)
    units = shards * -(-STATE * min(clients, SHARD_CLIENTS) // 1024)
    beats = SECONDS * (PRICES.invocation + 0.02 * 0.5 * PRICES.gb_second)
    table = SECONDS * (units * PRICES.write + 2 * shards * PRICES.read)
    return pushed(clients, interval, 1, SEND_US + BEAT_US) + beats + table


def naive(clients: int, interval: float) -> float:
    """Each tick, five a second, to each client by boto3, and a Scan of the connections for each."""
    scans = 5 * SECONDS * -(-clients * 100 // 8192) * PRICES.read
    return pushed(clients, 1, 5, BOTO3_US) + scans


def polled(clients: int, interval: float) -> float:
    """`GET /prices` each interval, answered by CloudFront, which asks us once a second."""
    requests = clients * SECONDS / interval
    return requests * (PRICES.cdn_request + FRAME / 1e9 * PRICES.cdn_gb) + SECONDS * PRICES.cdn_request


def containers(clients: int, interval: float) -> float:
    """Two, one more for each 20,000 clients, holding the sockets behind a load balancer."""
    number = max(2, -(-clients // 20_000))
    gb = clients * SECONDS / interval * FRAME / 1e9
    units = max(clients / 3000, gb / (SECONDS / 3600))
    hours = SECONDS / 3600
    balancer = hours * (PRICES.balancer_hour + units * PRICES.capacity_unit_hour)
    return number * hours * PRICES.container_hour + balancer + gb * PRICES.egress_gb


def break_even(interval: float) -> int:
    """From how many clients on containers cost less than ours."""
    return next(clients for clients in range(1, 100_000) if containers(clients, interval) < ours(clients, interval))


def main() -> None:
    ways = {"ours": ours, "naive": naive, "cdn poll": polled, "containers": containers}
    print(f"{'clients':>8} {'every':>6}  " + "  ".join(f"{name:>12}" for name in ways))
    for clients in (10, 1_000, 100_000):
        for interval in (1, 5, 60):
            row = "  ".join(f"{way(clients, interval):12,.0f}" for way in ways.values())
            print(f"{clients:8,} {interval:4} s  {row}")
    for interval in (1, 5, 60):
        print(f"containers are cheaper from {break_even(interval):,} clients on, at a frame each {interval} s")
    print(f"figure fan_out_costs.break_even_at_1s {break_even(1)}")


if __name__ == "__main__":
    main()
