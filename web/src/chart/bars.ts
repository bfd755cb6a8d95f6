import type { Schema } from "../api/client";

export type Interval = "1m" | "5m" | "15m" | "1h" | "4h" | "1d";

export const INTERVALS: readonly (readonly [Interval, name: string, ms: number])[] = [
  ["1m", "1 minute", 60_000],
  ["5m", "5 minutes", 300_000],
  ["15m", "15 minutes", 900_000],
  ["1h", "1 hour", 3_600_000],
  ["4h", "4 hours", 14_400_000],
  ["1d", "1 day", 86_400_000],
];

export function isInterval(text: string | null): text is Interval {
  return INTERVALS.some(([interval]) => interval === text);
}

export function intervalName(interval: Interval): string {
  return INTERVALS.find(([known]) => known === interval)?.[1] ?? interval;
}

export function intervalMs(interval: Interval): number {
  return INTERVALS.find(([known]) => known === interval)?.[2] ?? 0;
}

/** What a chart shows: a series, in candles of one length. */
export interface Charted {
  symbol: string;
  venue: string | undefined;
  interval: Interval;
}

/** A candle; its time is its start in Unix ms. */
export interface Bar {
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  closed: boolean;
  /** Without a known gap. */
  complete: boolean;
}

/** Oldest first; `more`: there are older ones. */
export interface History {
  bars: readonly Bar[];
  more: boolean;
}

export function history(answer: Schema["Candles"]): History {
  const incomplete = new Set(answer.incomplete);
  const last = answer.last_open ? answer.candles.length - 1 : -1;
  const bars = answer.candles.map(
    ([time = 0, open = 0, high = 0, low = 0, close = 0, volume = 0], index) => ({
      time,
      open,
      high,
      low,
      close,
      volume,
      closed: index !== last,
      complete: !incomplete.has(time),
    }),
  );
  return { bars, more: answer.next_cursor !== null };
}

/** The newest page over what is known. Where they do not touch, something may be missing between them: the page alone counts. */
export function renewed(known: History | undefined, page: History): History {
  const last = known?.bars.at(-1);
  const first = page.bars[0];
  if (!known || !last || !first || first.time > last.time) return page;
  return { bars: merged(known.bars, page.bars), more: known.more };
}

/**
 * Bars with what has come, by the rules of docs/websocket.md: a closed one counts always, an open one neither replaces a closed
 * one nor what began later; of two open ones that with more volume is the newer. What has not changed stays the same object.
 */
export function merged(known: readonly Bar[], come: readonly Bar[]): readonly Bar[] {
  const byTime = new Map(known.map((bar) => [bar.time, bar]));
  let newest = known.at(-1)?.time ?? 0;
  for (const bar of come) {
    const before = byTime.get(bar.time);
    if (!bar.closed && (bar.time < newest || before?.closed || (before && before.volume > bar.volume)))
      continue;
    newest = Math.max(newest, bar.time);
    if (!before || !same(before, bar)) byTime.set(bar.time, bar);
  }
  return [...byTime.values()].sort((a, b) => a.time - b.time);
}

function same(a: Bar, b: Bar): boolean {
  return (
    a.open === b.open &&
    a.high === b.high &&
    a.low === b.low &&
    a.close === b.close &&
    a.volume === b.volume &&
    a.closed === b.closed &&
    a.complete === b.complete
  );
}

/** The bars that differ, oldest first; null where more than values have changed: other times are between them or before. */
export function changed(before: readonly Bar[], now: readonly Bar[]): readonly Bar[] | null {
  if (before.length === 0 || before.some(({ time }, index) => now[index]?.time !== time)) return null;
  return now.filter((bar, index) => bar !== before[index]);
}
