import { useCallback, useMemo } from "react";
import { usePreferences } from "../app/preferences";

interface Watchlist {
  watched: ReadonlySet<string>;
  /** Not there until it is known what is followed. */
  toggle: ((symbol: string) => void) | undefined;
}

const NONE: string[] = [];

/** The symbols that the user follows. */
export function useWatchlist(): Watchlist {
  const { preferences, change } = usePreferences();
  const { watchlist = NONE } = preferences;
  const watched = useMemo(() => new Set(watchlist), [watchlist]);
  const toggle = useCallback(
    (symbol: string) =>
      change?.({
        watchlist: watchlist.includes(symbol)
          ? watchlist.filter((other) => other !== symbol)
          : [...watchlist, symbol],
      }),
    [watchlist, change],
  );
  return { watched, toggle: change && toggle };
}
