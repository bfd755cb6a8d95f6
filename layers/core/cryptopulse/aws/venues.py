"""What the Market table knows of the venues: how they answer, what they list, how far their history has been fetched.

| pk         | sk                       | holds                                                          |
| ---------- | ------------------------ | -------------------------------------------------------------- |
| `VENUE`    | `binance`                | its state, and `slot`: up to when (Unix ms) its turns are taken |
| `PRODUCTS` | `binance`                | everything it lists, packed                                    |
| `BACKFILL` | `DONE#coinbase:BTC-USD`  | per interval the span of history fetched                       |
| `BACKFILL` | `FINISHED`               | the plan that was fetched whole                                |
| `BACKFILL` | `LEASE`                  | who is fetching, and until when at most                        |
"""

import zlib
from collections.abc import Callable
from typing import Final

import msgspec

from cryptopulse.aws.dynamodb import Item, Table
from cryptopulse.domain.candles import DAY
from cryptopulse.domain.polling import Span
from cryptopulse.domain.series import Series
from cryptopulse.domain.venues import Product, VenueState
from cryptopulse.errors import ConditionError, ThrottledError

LISTING_KEPT: Final = DAY
"""A list of products is asked for anew after so long (ms)."""
TRIES: Final = 6


class Listing(msgspec.Struct, array_like=True):
    """What a venue lists, as told at a base URL at a time (Unix ms)."""

    url: str
    at: int
    products: list[Product]


class Venues:
    """Reads and writes what is known of the venues."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._listings: dict[str, Listing] = {}

    # --- state, and the timeline of turns ---

    def states(self) -> dict[str, VenueState]:
        """How each venue ever asked has been answering."""
        return {item["sk"]: _state(item) for item in self._table.query("VENUE") if "url" in item}

    def state(self, name: str, url: str) -> VenueState:
        """How a venue has been answering at this base URL; what was known of another URL is forgotten."""
        item = self._table.get("VENUE", name)
        before = item.get("url") if item else None  # turns may have been taken before
        if item is not None and before == url:
            return _state(item)
        new = VenueState(url)
        self._table.update("VENUE", name, set=new._asdict() | ({"slot": 0} if before else {}))
        return new

    def save(self, name: str, state: VenueState) -> None:
        """Keeps a state; while the venue is to be left alone, all its turns are taken, for others at work too."""
        self._table.update("VENUE", name, set=state._asdict())
        if state.until:
            try:
                condition, values = "attribute_not_exists(#slot) OR #slot < :until", {"until": state.until}
                self._table.update("VENUE", name, set={"slot": state.until}, condition=condition, values=values)
            except ConditionError:
                return  # they are taken for longer

    def reserve(self, name: str, length: int, now: int) -> int:
        """Takes the next `length` ms of the venue's turns.

        Args:
            name: The venue.
            length: In ms.
            now: Unix ms: what lies before is gone.

        Returns:
            When they begin, Unix ms, not before `now`.

        Raises:
            ThrottledError: Too many others were faster.
        """
        for attempt in range(TRIES):
            try:
                if attempt % 2:
                    item = self._table.update(
                        "VENUE", name, add={"slot": length}, condition="#slot >= :now", values={"now": now}
                    )
                else:
                    item = self._table.update(
                        "VENUE",
                        name,
                        set={"slot": now + length},
                        condition="attribute_not_exists(#slot) OR #slot < :now",
                        values={"now": now},
                    )
            except ConditionError:
                continue
            start: int = item["slot"] - length
            return start
        raise ThrottledError("Reserve", f"no turn at {name} in {TRIES} tries")

    # --- lists of products ---

    def products(
        self, name: str, url: str, now: int, fetch: Callable[[], list[Product] | None]
    ) -> list[Product] | None:
        """What the venue lists, not older than a day; where it does not tell, the list known before.

        Args:
            name: The venue.
            url: Its base URL.
            now: Unix ms.
            fetch: Asks the venue; None if it does not tell.

        Returns:
            The products; None if there never was a list.
        """
        known = self._listings.get(name)
        if known is None or known.url != url or known.at + LISTING_KEPT <= now:
            item = self._table.get("PRODUCTS", name)
            known = msgspec.msgpack.decode(zlib.decompress(item["data"]), type=Listing) if item else None
        if known is not None and known.url != url:
            known = None
        if known is None or known.at + LISTING_KEPT <= now:
            fresh = fetch()
            if fresh is not None:
                known = Listing(url, now, fresh)
                data = zlib.compress(msgspec.msgpack.encode(known))
                self._table.put({"pk": "PRODUCTS", "sk": name, "data": data})
        if known is None:
            return None
        self._listings[name] = known
        return known.products

    # --- history ---

    def history(self) -> dict[tuple[Series, str], Span]:
        """What has been fetched of each series and interval."""
        return {
            (Series.parse(item["sk"].removeprefix("DONE#")), interval): Span(*span)
            for item in self._table.query("BACKFILL", "DONE#", "DONE#~", consistent=True)
            for interval, span in item.items()
            if interval not in ("pk", "sk")
        }

    def save_history(self, series: Series, interval: str, span: Span) -> None:
        """Keeps how far an interval of a series has been fetched."""
        self._table.update("BACKFILL", f"DONE#{series}", set={interval: list(span)})

    def finished(self) -> tuple[str, int]:
        """The plan that was fetched whole and how many pages it had; empty if there is none."""
        item = self._table.get("BACKFILL", "FINISHED")
        return (item["plan"], item["pages"]) if item else ("", 0)

    def finish(self, plan: str, pages: int) -> None:
        """Keeps that a plan of so many pages was fetched whole."""
        self._table.put({"pk": "BACKFILL", "sk": "FINISHED", "plan": plan, "pages": pages})

    def lease(self, holder: str, now: int, until: int) -> bool:
        """Takes the backfill for one holder until then at most (Unix ms); False if another has it."""
        try:
            self._table.update(
                "BACKFILL",
                "LEASE",
                set={"holder": holder, "held_to": until},
                condition="attribute_not_exists(#held_to) OR #held_to <= :now OR #holder = :holder",
                values={"now": now},
            )
        except ConditionError:
            return False
        return True

    def release(self, holder: str) -> None:
        """Gives the backfill back, unless another has taken it since."""
        try:
            self._table.update(
                "BACKFILL", "LEASE", set={"held_to": 0}, condition="#holder = :me", values={"me": holder}
            )
        except ConditionError:
            return


def _state(item: Item) -> VenueState:
    return VenueState(*(item[name] for name in VenueState._fields))
