import { useInfiniteQuery } from "@tanstack/react-query";
import { api, body, type Schema } from "../api/client";

type Told = Schema["NewsArticle"];

/** openapi-fetch takes a word and its share, a pair, for an array of both. */
export interface Article extends Omit<Told, "sentiment"> {
  sentiment: Omit<Told["sentiment"], "words"> & { words?: (string | number)[][] };
}

/** Articles, the newest first, with the words that moved their scores; nothing moves what is being read but the reader. */
export function useArticles(asset: string | undefined, size: number) {
  return useInfiniteQuery({
    queryKey: ["news", asset ?? "all", size],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/news", {
          params: {
            query: {
              limit: size,
              explain: true,
              ...(asset !== undefined && { asset }),
              ...(pageParam !== "" && { cursor: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: ({ next_cursor }) => next_cursor,
    select: ({ pages }) => pages.flatMap(({ items }) => items),
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}

/** Those that have come since the list was read; what is older than the part of it that is shown is none of them. */
export function unseen(arrived: readonly Article[], shown: readonly Article[], isWhole: boolean): Article[] {
  const known = new Set(shown.map(({ id }) => id));
  const oldest = isWhole ? "" : (shown.at(-1)?.published_at ?? "");
  return arrived.filter(({ id, published_at }) => {
    if (known.has(id) || published_at < oldest) return false;
    known.add(id);
    return true;
  });
}
