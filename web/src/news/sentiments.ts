import { useQuery } from "@tanstack/react-query";
import { api, body, type Schema } from "../api/client";

export type Label = Schema["ArticleSentiment"]["label"];

/** What a request may name. */
const AT_ONCE = 100;

/** What the last day's news says of each asset, by asset. */
export function useSentiments(assets: readonly string[]) {
  const listed = assets.slice(0, AT_ONCE).join(",");
  return useQuery({
    queryKey: ["sentiment", listed],
    queryFn: () => body(api.GET("/sentiment", { params: { query: { assets: listed } } })),
    select: byAsset,
    enabled: listed !== "",
    staleTime: 60_000,
    refetchInterval: 5 * 60_000,
  });
}

function byAsset({ items }: { items: Schema["AssetSentiment"][] }) {
  return new Map(items.map((item) => [item.asset, item]));
}
