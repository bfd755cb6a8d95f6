import type { Article, Candle, FiredAlert } from "./frames";
import type { Once } from "./series";
import { keyOf, OVERLAP, type Want } from "./wants";

/** What a component wants. */
export type Interest =
  | { channel: "ticks"; symbols: readonly string[]; venue: string | undefined; intervalMs: number }
  | {
      channel: "candles";
      symbol: string;
      venue: string | undefined;
      interval: string;
      tell: (candles: Candle[]) => void;
    }
  | { channel: "news"; assets: readonly string[] | null; tell: (articles: Article[]) => void }
  | { channel: "alerts"; tell: (alerts: FiredAlert[]) => void }
  | { channel: "portfolio"; id: string };

export interface Watch {
  interest: Interest;
  /** By this browser's clock (Unix ms). */
  begunAt: number;
  /** The articles and alerts that it was told. */
  told: Once;
}

/** The server takes no more by name. */
const MOST_ASSETS = 100;

/** What all these want together, the later ones before the earlier where both cannot be had. */
export function union(watches: readonly Watch[], isSignedIn: boolean): Want[] {
  const wants = new Map<string, Want>();
  const add = (want: Want) => wants.set(keyOf(want), want);
  const paces = watches.flatMap(({ interest }) => (interest.channel === "ticks" ? interest.intervalMs : []));
  const intervalMs = Math.min(...paces); // a channel has one
  for (const { interest, begunAt } of watches) {
    switch (interest.channel) {
      case "ticks":
        for (const symbol of interest.symbols) {
          add({ channel: "ticks", symbol, venue: interest.venue, intervalMs });
        }
        break;
      case "candles": {
        const { channel, symbol, venue, interval } = interest;
        add({ channel, symbol, venue, interval, since: begunAt - OVERLAP.candles(interval) });
        break;
      }
      case "news":
        add(joinedNews(wants.get("news"), interest.assets, begunAt - OVERLAP.news));
        break;
      case "alerts":
        if (isSignedIn) add({ channel: "alerts" });
        break;
      case "portfolio":
        if (isSignedIn) add(interest);
        break;
    }
  }
  return [...wants.values()];
}

function joinedNews(others: Want | undefined, assets: readonly string[] | null, since: number): Want {
  if (others?.channel !== "news") return { channel: "news", assets: assets && [...assets].sort(), since };
  const all = others.assets && assets && [...new Set([...others.assets, ...assets])].sort();
  return {
    channel: "news",
    assets: all && all.length <= MOST_ASSETS ? all : null,
    since: Math.max(others.since, since),
  };
}
