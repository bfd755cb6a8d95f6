import type { ClientFrame } from "./frames";

/** What is wanted of the server: a symbol, a portfolio, or a channel. `since` (Unix ms): and what came from then on. */
export type Want =
  | { channel: "ticks"; symbol: string; venue: string | undefined; intervalMs: number }
  | { channel: "candles"; symbol: string; venue: string | undefined; interval: string; since: number }
  | { channel: "news"; assets: readonly string[] | null; since: number }
  | { channel: "alerts" }
  | { channel: "portfolio"; id: string };

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const INTERVALS: Readonly<Record<string, number>> = {
  "1m": MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "1h": HOUR,
  "4h": 4 * HOUR,
  "1d": 24 * HOUR,
};

/** How much later than in its turn a value may come (rule 12). */
export const OVERLAP = {
  candles: (interval: string) => 5 * (INTERVALS[interval] ?? HOUR),
  news: HOUR,
  alerts: 2 * MINUTE,
} as const;

/** A channel and what of it: a later subscription to the same takes the place of an earlier one (rule 13). */
export function keyOf(want: Want): string {
  switch (want.channel) {
    case "ticks":
    case "candles":
      return `${want.channel} ${want.symbol}`;
    case "portfolio":
      return `${want.channel} ${want.id}`;
    default:
      return want.channel;
  }
}

/** Whether the server tells the same for both from now on. */
export function isSame(one: Want, other: Want): boolean {
  return JSON.stringify(subscribing([one])) === JSON.stringify(subscribing([other]));
}

/** From when on to ask again, where all has come up to then (server's time); prices and worths have no past. */
export function resumedSince(want: Want, toldAt: number): number | undefined {
  switch (want.channel) {
    case "candles":
      return toldAt - OVERLAP.candles(want.interval);
    case "news":
      return toldAt - OVERLAP.news;
    case "alerts":
      return toldAt - OVERLAP.alerts;
    default:
      return undefined;
  }
}

/** What can be asked for in one frame has the same group. */
export function groupOf(want: Want): string {
  switch (want.channel) {
    case "ticks":
      return `ticks ${want.venue} ${want.intervalMs}`;
    case "candles":
      return `candles ${want.venue} ${want.interval}`;
    default:
      return keyOf(want);
  }
}

/** Asks for all wants of one group. */
export function subscribing(group: readonly [Want, ...Want[]], since?: number): ClientFrame {
  const [want] = group;
  const action = "subscribe";
  const past = since === undefined ? {} : { since };
  switch (want.channel) {
    case "ticks": {
      const { channel, venue, intervalMs } = want;
      return { action, channel, symbols: symbolsOf(group), ...(venue && { venue }), interval_ms: intervalMs };
    }
    case "candles": {
      const { channel, venue, interval } = want;
      return { action, channel, symbols: symbolsOf(group), interval, ...(venue && { venue }), ...past };
    }
    case "news":
      return { action, channel: want.channel, ...(want.assets && { assets: want.assets }), ...past };
    case "alerts":
      return { action, channel: want.channel, ...past };
    case "portfolio":
      return { action, channel: want.channel, portfolio_id: want.id };
  }
}

/** Ends all wants of one channel, or one portfolio. */
export function unsubscribing(group: readonly [Want, ...Want[]]): ClientFrame {
  const [want] = group;
  const action = "unsubscribe";
  switch (want.channel) {
    case "ticks":
    case "candles":
      return { action, channel: want.channel, symbols: symbolsOf(group) };
    case "portfolio":
      return { action, channel: want.channel, portfolio_id: want.id };
    default:
      return { action, channel: want.channel };
  }
}

function symbolsOf(group: readonly Want[]): string[] {
  return group.flatMap((want) => ("symbol" in want ? [want.symbol] : []));
}
