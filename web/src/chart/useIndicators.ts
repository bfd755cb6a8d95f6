import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, body } from "../api/client";
import { store, stored } from "../api/storage";
import { type Bar, type Charted, intervalMs } from "./bars";
import { type Indicator, indicator, parsed } from "./indicators";

const KEPT = "cryptopulse.indicators";
const MOST_ROWS = 5000;
const AGAIN_MS = 2000;
const TRIES = 5;

/** The indicators that the user has chosen, kept in this browser for all charts. */
export function useChosen(): [readonly Indicator[], (chosen: readonly Indicator[]) => void] {
  const [chosen, setChosen] = useState(read);
  const keep = (next: readonly Indicator[]) => {
    setChosen(next);
    store(KEPT, next.map(({ name }) => name).join(","));
  };
  return [chosen, keep];
}

function read(): readonly Indicator[] {
  const kept = stored(KEPT);
  if (kept === null) return [indicator("sma")];
  return kept
    .split(",")
    .map(parsed)
    .filter((known) => known !== undefined);
}

/** Their values on the closed candles shown: asked for again when one closes. */
export function useIndicators(charted: Charted, chosen: readonly Indicator[], bars: readonly Bar[]) {
  const { symbol, venue, interval } = charted;
  const names = chosen.map(({ name }) => name);
  const last = bars.findLast(({ closed }) => closed)?.time;
  const closed = bars.reduce((count, bar) => count + Number(bar.closed), 0);
  const limit = Math.min(closed, MOST_ROWS);
  const end = (last ?? 0) + intervalMs(interval);
  return useQuery({
    queryKey: ["indicators", symbol, venue ?? null, interval, names, end, limit],
    queryFn: () => {
      const query = { interval, indicators: names.join(","), end, limit, ...(venue && { venue }) };
      return body(api.GET("/indicators/{symbol}", { params: { path: { symbol }, query } }));
    },
    enabled: names.length > 0 && limit > 0,
    placeholderData: keepPreviousData,
    // A candle that has just closed takes a moment to get into the answer.
    refetchInterval: ({ state: { data, dataUpdateCount } }) =>
      data && (data.time.at(-1) ?? 0) < (last ?? 0) && dataUpdateCount < TRIES && AGAIN_MS,
    staleTime: Number.POSITIVE_INFINITY,
  });
}
