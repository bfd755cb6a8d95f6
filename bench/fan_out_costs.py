"""What WebSocket clients cost a month, by how many there are and how often they hear: ours, and three other ways.

Counted: microseconds, units and bytes as `make bench NAME=fan_out` prints them (`local/costs.py` names them). Prices
are those of `local/prices.py` without free tiers; a month is 30 days, and all clients are connected all the time, each
with five symbols of which one changes each second.
"""

from math import ceil
from typing import Final

from local import prices
from local.costs import COUNTS, GB, HALF, HOURS, SECONDS, SHARE
from local.prices import MILLION

FRAME: Final = COUNTS.frame_bytes
BEAT_GB_S: Final = COUNTS.beat_s * HALF
CONTAINER_HOUR: Final = 0.5 * prices.CORE_HOUR.each + prices.MEMORY_HOUR.each
"""Half a core and 1 GB."""


def pushed(clients: int, interval: float, frames: float, cpu_us: float) -> float:
    """Messages, connections, the function's time and egress, at so many frames an interval."""
    count = clients * frames * SECONDS / interval
    busy = count * cpu_us / MILLION / SHARE
    return (
        prices.MESSAGE.of(count)
        + prices.CONNECTION_MINUTE.of(clients * SECONDS / 60)
        + prices.GB_SECOND.of(busy * HALF)
        + prices.EGRESS_GB.of(count * FRAME / GB)
    )


def ours(clients: int, interval: float) -> float:
    """A frame an interval with all that changed; the shards' states written in each beat, a second."""
    shards = ceil(clients / COUNTS.shard_clients)
    units = shards * ceil(COUNTS.state_bytes * min(clients, COUNTS.shard_clients) / 1024)
    beats = prices.INVOCATION.of(SECONDS) + prices.GB_SECOND.of(SECONDS * BEAT_GB_S)
    table = prices.WRITE.of(SECONDS * units) + prices.READ.of(SECONDS * 2 * shards)
    return pushed(clients, interval, 1, COUNTS.post_us + COUNTS.beat_us) + beats + table


def naive(clients: int, interval: float) -> float:
    """Each tick, five a second, to each client by boto3, and a Scan of the connections for each."""
    scans = prices.READ.of(COUNTS.symbols * SECONDS * ceil(clients * COUNTS.naive_connection_bytes / 8192))
    return pushed(clients, 1, COUNTS.symbols, COUNTS.boto3_post_us) + scans


def polled(clients: int, interval: float) -> float:
    """`GET /prices` each interval, answered by CloudFront, which asks us once a second."""
    requests = clients * SECONDS / interval
    return prices.CDN_REQUEST.of(requests + SECONDS) + prices.CDN_GB.of(requests * FRAME / GB)


def containers(clients: int, interval: float) -> float:
    """Two, one more for each 20,000 clients, holding the sockets behind a load balancer."""
    number = max(2, ceil(clients / COUNTS.container_clients))
    gb = clients * SECONDS / interval * FRAME / GB
    units = max(clients / 3000, gb / HOURS)
    balancer = prices.BALANCER_HOUR.of(HOURS) + prices.CAPACITY_UNIT_HOUR.of(units * HOURS)
    return number * HOURS * CONTAINER_HOUR + balancer + prices.EGRESS_GB.of(gb)


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
