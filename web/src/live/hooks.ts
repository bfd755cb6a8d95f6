import { useCallback, useEffect, useEffectEvent, useSyncExternalStore } from "react";
import type { Article, Candle, FiredAlert, Tick, Worth } from "./frames";
import { useLive } from "./LiveProvider";
import type { LiveStatus } from "./live";

export type { Worth } from "./frames";

/** The newest price, where some `useTickFeed` asks for it; without a venue, of the one that the server chooses. */
export function useTick(symbol: string, venue?: string): Tick | undefined {
  const live = useLive();
  const subscribe = useCallback((listener: () => void) => live.onTick(symbol, listener), [live, symbol]);
  return useSyncExternalStore(subscribe, () => live.tick(symbol, venue));
}

/** Asks for prices while mounted. Of one symbol there is one venue at a time: the last to ask has it. */
export function useTickFeed(symbols: readonly string[], intervalMs = 1000, venue?: string): void {
  const live = useLive();
  const listed = symbols.join(" ");
  useEffect(() => {
    if (listed === "") return;
    return live.watch({ channel: "ticks", symbols: listed.split(" "), venue, intervalMs });
  }, [live, listed, intervalMs, venue]);
}

/**
 * Asks for candles while mounted: the last five, the open one as it changes, repairs, and after a reconnection what
 * was missed. Of one symbol there is one interval and venue at a time: the last to ask has it.
 */
export function useCandleFeed(
  symbol: string,
  interval: string,
  venue: string | undefined,
  onCandles: (candles: Candle[]) => void,
): void {
  const live = useLive();
  const tell = useEffectEvent(onCandles);
  useEffect(
    () => live.watch({ channel: "candles", symbol, interval, venue, tell: (candles) => tell(candles) }),
    [live, symbol, interval, venue],
  );
}

/** Asks for news of some assets, or all, while mounted: first those of the last hour, each article once. */
export function useNewsFeed(
  assets: readonly string[] | null,
  onArticles: (articles: Article[]) => void,
): void {
  const live = useLive();
  const tell = useEffectEvent(onArticles);
  const listed = assets?.join(" ");
  useEffect(() => {
    if (listed === "") return;
    const assets = listed?.split(" ") ?? null;
    return live.watch({ channel: "news", assets, tell: (articles) => tell(articles) });
  }, [live, listed]);
}

/** Asks for alerts that fire from now on, each once; for none while nobody is signed in. */
export function useAlertFeed(onAlerts: (alerts: FiredAlert[]) => void): void {
  const live = useLive();
  const tell = useEffectEvent(onAlerts);
  useEffect(() => live.watch({ channel: "alerts", tell: (alerts) => tell(alerts) }), [live]);
}

/** What a portfolio is worth, asked for while mounted. */
export function useWorth(portfolioId: string): Worth | undefined {
  const live = useLive();
  useEffect(() => live.watch({ channel: "portfolio", id: portfolioId }), [live, portfolioId]);
  const subscribe = useCallback(
    (listener: () => void) => live.onWorth(portfolioId, listener),
    [live, portfolioId],
  );
  return useSyncExternalStore(subscribe, () => live.worth(portfolioId));
}

/** `idle`: nobody asks for anything. A connection that is back at once was never away. */
export function useLiveStatus(): LiveStatus {
  const live = useLive();
  const subscribe = useCallback((listener: () => void) => live.onStatus(listener), [live]);
  return useSyncExternalStore(subscribe, () => live.status);
}
