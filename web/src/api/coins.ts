import { useQuery } from "@tanstack/react-query";
import { api, body } from "./client";

/** What is tracked, with the series of each: it changes with a deployment. */
export function useCoins() {
  return useQuery({
    queryKey: ["coins"],
    queryFn: () => body(api.GET("/coins", { params: { query: { limit: 500 } } })),
    staleTime: 60 * 60_000,
  });
}
