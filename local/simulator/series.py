"""A market made top-down from a seed: every series' days, the hours inside them, their minutes, their trades."""

import math
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from local.simulator.assets import DAYS, GENESIS, Assets
from local.simulator.candles import Candles, apportion, fold, joined, split
from local.simulator.markets import ASSETS, DAY_MS, LISTINGS, Listing, Venue
from local.simulator.noise import Floats, Ints, stream, uniform

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
# each hour's share of trading: Asia's morning, Europe's, and most when Europe and America meet
_SEASON = np.array([10, 10, 9, 9, 8, 8, 8, 9, 10, 10, 10, 10, 11, 14, 16, 16, 15, 14, 12, 11, 11, 10, 9, 9]) / 10.0
_FEWEST = 12  # trades in an hour: enough for its open, high, low and close, however its minutes share them


class Trades(NamedTuple):
    """Trades in the order of their ids: time in Unix microseconds, price in ticks, size in lots."""

    id: Ints
    time: Ints
    price: Ints
    size: Ints


class Series:
    """One symbol at one venue: any level of any past moment, at once and always the same."""

    def __init__(self, assets: Assets, listing: Listing) -> None:
        self.listing = listing
        self._assets = assets
        base, quote = ASSETS[listing.base], ASSETS[listing.quote]
        shared = base.correlation * quote.correlation * base.volatility * quote.volatility
        self._volatility = math.sqrt(max(base.volatility**2 + quote.volatility**2 - 2 * shared, 1e-8))
        self._hours_of = lru_cache(maxsize=4)(lambda day: self.hours(day, day + 1))
        self.minutes = lru_cache(maxsize=8)(self._minutes)
        self.trades_of = lru_cache(maxsize=6)(self._trades_of)

    def _uniform(self, purpose: str, index: Ints) -> Floats:
        return uniform(stream(self._assets.seed, self.listing.venue, self.listing.symbol, purpose), index)

    def _reach(self, purpose: str, index: Ints) -> Floats:
        """How far a candle's high or low goes beyond its open and close, in deviations; venues share it."""
        return 0.9 * uniform(stream(self._assets.seed, self.listing.base, purpose), index) ** 2

    def _moves(self, unit: str, index: Ints) -> Floats:
        listing, assets = self.listing, self._assets
        return assets.moves(listing.base, unit, index) - assets.moves(listing.quote, unit, index)

    @cached_property
    def days(self) -> Candles:
        """Every day since the listing, those to come included."""
        listing, assets = self.listing, self._assets
        since = listing.listed_ms // DAY_MS
        days, stress = DAYS[since - GENESIS :], assets.stress[since - GENESIS :]
        value = (assets.values(listing.base) / assets.values(listing.quote))[since - GENESIS :]
        basis = 1 + min(0.0003, self._volatility / 20) * (2 * self._uniform("basis", days) - 1)
        close = np.maximum(np.rint(value * basis * float(10**listing.price_digits)), 2).astype(np.int64)
        open_ = np.concatenate((close[:1], close[:-1]))
        reach = open_ * stress * self._volatility * 0.8
        high = np.maximum(open_, close) + (reach * self._reach("day up", days)).astype(np.int64)
        low = np.minimum(open_, close) - (reach * self._reach("day down", days)).astype(np.int64)
        activity = stress * (0.7 + 0.6 * self._uniform("activity", days)) * np.where((days + 3) % 7 > 4, 0.7, 1)
        trades = 2 * 24 * _FEWEST + (listing.trades * activity).astype(np.int64)
        size = (
            listing.turnover / (value * ASSETS[listing.quote].value) / listing.trades * float(10**listing.size_digits)
        )
        volume = trades + (trades * size * (0.8 + 0.4 * self._uniform("volume", days))).astype(np.int64)
        first_id = np.cumsum(trades) - trades + 1
        return Candles(days * DAY_MS, open_, high, np.maximum(low, 1), close, volume, trades, first_id)

    def hours(self, first: int, last: int) -> Candles:
        """The hours of the days numbered (since 1970) from `first` up to, not including, `last`."""
        since = self.listing.listed_ms // DAY_MS
        parents = self.days.rows(slice(first - since, last - since))
        index = np.arange(first * 24, last * 24).reshape(-1, 24)
        weights = _SEASON * (0.4 + self._uniform("hour trades", index))
        trades = _FEWEST + apportion(parents.trades - 24 * _FEWEST, weights)
        lively = self._assets.stress[first - GENESIS : last - GENESIS, np.newaxis] * np.sqrt(_SEASON / 24)
        return self._within(parents, "hour", index, HOUR_MS, trades, lively)

    def _minutes(self, day: int) -> Candles:
        """The 1,440 minutes of a day numbered since 1970; those without trades repeat the close before them."""
        parents = self._hours_of(day)
        index = np.arange(day * 1440, (day + 1) * 1440).reshape(24, 60)
        trades = apportion(parents.trades, 0.1 + _cubed(self._uniform("minute trades", index)))
        lively = self._assets.stress[day - GENESIS] * np.sqrt(_SEASON[:, np.newaxis] / 1440)
        rows = self._within(parents, "minute", index, MINUTE_MS, trades, np.broadcast_to(lively, trades.shape))
        known = np.maximum.accumulate(np.where(rows.trades > 0, np.arange(1440), -1))
        flat = np.where(known < 0, parents.open[0], rows.close[known])
        open_, high, low, close = (np.where(rows.trades > 0, column, flat) for column in rows[1:5])
        return rows._replace(open=open_, high=high, low=low, close=close)

    def _within(self, parents: Candles, unit: str, index: Ints, size: int, trades: Ints, lively: Floats) -> Candles:
        """The parents' children, flat; `lively` is the deviation of each as a part of an ordinary day's."""
        extra = trades * (0.3 + self._uniform(f"{unit} volume", index) ** 2)
        volume = trades + apportion(parents.volume - parents.trades, extra)
        first_id = parents.first_id[:, np.newaxis] + np.cumsum(trades, axis=1) - trades
        unpriced = np.zeros_like(trades)
        shape = Candles(index * size, unpriced, unpriced, unpriced, unpriced, volume, trades, first_id)
        elapsed = np.broadcast_to(np.arange(1, index.shape[1] + 1) / index.shape[1], index.shape)
        reach = lively * self._volatility
        up, down = (reach * self._reach(f"{unit} {way}", index) for way in ("up", "down"))
        children = split(parents, shape, elapsed, lively * self._moves(unit, index), up, down)
        return Candles(*(column.ravel() for column in children))

    def _trades_of(self, hour: int) -> Trades:
        """The trades of an hour numbered since 1970, those to come included."""
        day, offset = divmod(hour, 24)
        minutes = self.minutes(day).rows(slice(offset * 60, offset * 60 + 60))
        minutes = minutes._replace(**{name: column[minutes.trades > 0] for name, column in minutes._asdict().items()})
        count = minutes.trades[:, np.newaxis]
        place = np.arange(count.max() + 1)
        index = minutes.first_id[:, np.newaxis] + place
        waited = np.cumsum(np.where(place <= count, 0.02 + self._uniform("gap", index), 0), axis=1)
        time = 1000 * (minutes.time[:, np.newaxis] + np.zeros_like(index))
        time += (1000 * MINUTE_MS * (waited / waited[:, -1:])).astype(np.int64)
        real = place < count
        volume = real + apportion(
            minutes.volume - minutes.trades, real * (0.02 + _cubed(self._uniform("size", index)) ** 2)
        )
        moves = real * (self._uniform("move", index) - 0.5) * self._volatility / np.sqrt(120 * count)
        shape = Candles(index, index, index, index, index, volume, real.astype(np.int64), index)
        none = np.zeros(real.shape)
        price = split(minutes, shape, np.minimum((place + 1) / count, 1), moves, none, none).close
        return Trades(index[real], time[real], price[real], volume[real])

    def rows(self, size: int, first: int, last: int, now: int) -> Candles:
        """The candles of `size` milliseconds that start from `first` up to, not including, `last`, as they are now.

        Args:
            size: the interval, a multiple of a minute that divides a day.
            first: Unix milliseconds, a multiple of `size`.
            last: the same.
            now: Unix microseconds; nothing later is seen, so the last row may still be open.
        """
        first = max(first, self.listing.listed_ms)
        last = min(last, now // 1000 + 1, self.listing.delisted_ms or last)
        if first >= last:
            return joined([])
        unit = DAY_MS if size % DAY_MS == 0 else HOUR_MS if size % HOUR_MS == 0 else MINUTE_MS
        last = -(-last // size) * size
        open_at = now // (1000 * unit) * unit
        parts = list(self._closed(unit, first, min(last, open_at)))
        if last > open_at:
            parts.append(self._open_minute(open_at, now) if unit == MINUTE_MS else self._open_row(unit, open_at, now))
        rows = joined(parts)
        return rows if size == unit else fold(rows, size)

    def _closed(self, unit: int, first: int, last: int) -> Iterator[Candles]:
        if first >= last:
            return
        begin, end = first // DAY_MS, -(-last // DAY_MS)
        origin = self.listing.listed_ms if unit == DAY_MS else begin * DAY_MS
        chosen = slice((first - origin) // unit, (last - origin) // unit)
        if unit == DAY_MS:
            yield self.days.rows(chosen)
        elif unit == HOUR_MS:
            yield self.hours(begin, end).rows(chosen)
        else:
            for day in range(begin, end):
                skipped = (day - begin) * 1440
                yield self.minutes(day).rows(slice(max(chosen.start - skipped, 0), chosen.stop - skipped))

    def _open_row(self, unit: int, start: int, now: int) -> Candles:
        inner = HOUR_MS if unit == DAY_MS else MINUTE_MS
        return fold(self.rows(inner, start, start + unit, now), unit)

    def _open_minute(self, start: int, now: int) -> Candles:
        row = self.minutes(start // DAY_MS).rows(slice(start % DAY_MS // MINUTE_MS, start % DAY_MS // MINUTE_MS + 1))
        first = int(row.first_id[0])
        done = self.trades(first, self.id_at(now + 1))
        figures: tuple[int, ...] = (*4 * (self.last_price(first),), 0, 0)
        if len(done.id):
            low, high = int(done.price.min()), int(done.price.max())
            figures = (int(done.price[0]), high, low, int(done.price[-1]), int(done.size.sum()), len(done.id))
        return Candles._make((row.time, *(np.array([figure], dtype=np.int64) for figure in figures), row.first_id))

    def id_at(self, time: int) -> int:
        """The id of the first trade at or after a time in Unix microseconds."""
        listing = self.listing
        time = min(time, 1000 * (listing.delisted_ms or time))
        if time < 1000 * listing.listed_ms:
            return 1
        hour = self.trades_of(time // (1000 * HOUR_MS))
        return int(hour.id[0]) + int(np.searchsorted(hour.time, time))

    def next_at(self, time: int) -> int:
        """When the first trade after a time happens (both Unix microseconds); the end of its hour if it has no more."""
        hour = time // (1000 * HOUR_MS)
        times = self.trades_of(hour).time
        at = int(np.searchsorted(times, time, side="right"))
        return int(times[at]) if at < len(times) else (hour + 1) * 1000 * HOUR_MS

    def trades(self, first: int, last: int) -> Trades:
        """The trades with ids from `first` up to, not including, `last`."""
        parts = [Trades(*(np.empty(0, dtype=np.int64) for _ in Trades._fields))]
        at = max(first, 1)
        while at < last:
            day = int(np.searchsorted(self.days.first_id, at, side="right")) - 1 + self.listing.listed_ms // DAY_MS
            hours = self._hours_of(day)
            hour = day * 24 + int(np.searchsorted(hours.first_id, at, side="right")) - 1
            block = self.trades_of(hour)
            begin = at - int(block.id[0])
            end = min(last - int(block.id[0]), len(block.id))
            parts.append(Trades(*(column[begin:end] for column in block)))
            at = int(block.id[0]) + end
        return Trades(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def last_price(self, before: int) -> int:
        """The price of the last trade below an id; before the first trade, what that one opens at."""
        return int(self.trades(before - 1, before).price[0]) if before > 1 else int(self.days.open[0])


def _cubed(values: Floats) -> Floats:
    return values * values * values  # numpy's own power is not the same on every platform


def market(seed: int) -> dict[tuple[Venue, str], Series]:
    """Every series of both venues, by venue and the venue's own symbol."""
    assets = Assets(seed)
    return {(listing.venue, listing.symbol): Series(assets, listing) for listing in LISTINGS}
