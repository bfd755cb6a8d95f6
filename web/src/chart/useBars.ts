import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useRef } from "react";
import { api, body } from "../api/client";
import { useCandleFeed } from "../live/hooks";
import { type Charted, type History, history, merged, renewed } from "./bars";

const PAGE = 500;

async function page({ symbol, venue, interval }: Charted, end?: number): Promise<History> {
  const query = { interval, limit: PAGE, ...(venue && { venue }), ...(end && { end }) };
  return history(await body(api.GET("/candles/{symbol}", { params: { path: { symbol }, query } })));
}

/** A series' newest candles, kept true by the feed, and older ones as they are asked for. */
export function useBars(charted: Charted) {
  const { symbol, venue, interval } = charted;
  const client = useQueryClient();
  const queryKey = ["candles", symbol, venue ?? null, interval];
  const query = useQuery({
    queryKey,
    queryFn: async () => {
      const newest = await page(charted);
      return renewed(client.getQueryData<History>(queryKey), newest);
    },
  });
  const put = (change: (known: History) => History) =>
    client.setQueryData<History>(queryKey, (known) => known && change(known));

  useCandleFeed(symbol, interval, venue, (candles) => {
    const known = put((known) => ({ ...known, bars: merged(known.bars, candles) }));
    // The next one begins a moment before the last has closed; one before that whose close never came is read anew.
    if (known?.bars.slice(-5, -2).some(({ closed }) => !closed)) void query.refetch({ cancelRefetch: false });
  });

  const asked = useRef<number>(undefined);
  const older = useMutation({
    mutationFn: (end: number) => page(charted, end),
    onSuccess: ({ bars, more }) => put((known) => ({ bars: merged(known.bars, bars), more })),
  });
  const first = query.data?.more ? query.data.bars[0]?.time : undefined;
  const { mutate } = older;
  const askOlder = useCallback(() => {
    if (first === undefined || asked.current === first) return;
    asked.current = first;
    mutate(first);
  }, [first, mutate]);
  return { query, askOlder, older };
}
