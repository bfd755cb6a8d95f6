import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, body, type Schema } from "../api/client";
import { useCoins } from "../api/coins";
import { useLiveStatus, useTickFeed } from "../live/hooks";
import { useSentiments } from "../news/sentiments";

/** An asset as the market shows it. */
export interface Listing {
  symbol: string;
  asset: string;
  quote: string;
  name: string;
  price: Schema["Price"];
  sentiment: Schema["AssetSentiment"] | undefined;
}

const LIVE_MS = 60_000;
const POLLED_MS = 10_000;

/** All that is tracked in dollars, live; asked for more often while the WebSocket is not there. */
export function useListings() {
  const isLive = useLiveStatus() === "live";
  const prices = useQuery({
    queryKey: ["prices", "tracked"],
    queryFn: () => body(api.GET("/prices", { params: { query: { sparkline: true } } })),
    refetchInterval: isLive ? LIVE_MS : POLLED_MS,
  });
  const items = prices.data?.items;
  const coins = useCoins().data?.items;
  const sentiments = useSentiments(items?.map(({ symbol }) => assetOf(symbol)) ?? []).data;
  useTickFeed(items?.flatMap(({ symbol, via }) => (via === null ? [symbol] : [])) ?? []);
  const listings = useMemo(
    () =>
      items?.map((price): Listing => {
        const [asset = "", quote = ""] = price.symbol.split("-");
        const name = coins?.find((coin) => coin.asset === asset)?.name ?? asset;
        return { symbol: price.symbol, asset, quote, name, price, sentiment: sentiments?.get(asset) };
      }),
    [items, coins, sentiments],
  );
  return { ...prices, data: listings };
}

function assetOf(symbol: string): string {
  return symbol.slice(0, symbol.indexOf("-"));
}
