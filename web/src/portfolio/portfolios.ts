import { keepPreviousData, type UseQueryResult, useQuery } from "@tanstack/react-query";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";

export type Portfolio = Schema["PortfolioView"];
export type Holdings = Schema["Holdings"];
export type Method = Portfolio["cost_basis"];
export type Currency = Portfolio["base_currency"];

/** Of the list, exactly; all that belongs to a portfolio has a key that begins with its own. */
export const PORTFOLIOS = [PRIVATE, "portfolios"] as const;

export function portfolioKey(id: string) {
  return [...PORTFOLIOS, id] as const;
}

const MOST = 500;
const HOLDINGS_EVERY_MS = 30_000;

/** All of the user's, the oldest first. */
export function usePortfolios(): UseQueryResult<Portfolio[], Error> {
  return useQuery({
    queryKey: PORTFOLIOS,
    queryFn: async () => (await body(api.GET("/portfolios", { params: { query: { limit: MOST } } }))).items,
  });
}

export interface Versioned {
  portfolio: Portfolio;
  /** What a change names, so that it overwrites nobody else's. */
  etag: string | null;
}

export function usePortfolio(id: string): UseQueryResult<Versioned, Error> {
  return useQuery({
    queryKey: portfolioKey(id),
    queryFn: async () => {
      const answer = api.GET("/portfolios/{portfolio_id}", { params: { path: { portfolio_id: id } } });
      return { portfolio: await body(answer), etag: (await answer).response.headers.get("etag") };
    },
  });
}

/** The most valuable first; anew now and then, for the prices. */
export function useHoldings(id: string): UseQueryResult<Holdings, Error> {
  return useQuery({
    queryKey: [...portfolioKey(id), "holdings"],
    queryFn: () =>
      body(
        api.GET("/portfolios/{portfolio_id}/holdings", {
          params: { path: { portfolio_id: id }, query: { limit: MOST } },
        }),
      ),
    refetchInterval: HOLDINGS_EVERY_MS,
  });
}

/** Value and contributions of each day, from the first transaction or a later day on. */
export function useHistory(id: string, start?: string): UseQueryResult<Schema["History"], Error> {
  return useQuery({
    queryKey: [...portfolioKey(id), "history", start],
    queryFn: () =>
      body(
        api.GET("/portfolios/{portfolio_id}/history", {
          params: { path: { portfolio_id: id }, query: { ...(start && { start }) } },
        }),
      ),
    staleTime: 60_000,
  });
}

interface PerformanceQuery {
  /** A day; without it the first transaction's. */
  start?: string | undefined;
  benchmark?: string | undefined;
  /** Whether all of it is known yet. */
  isReady?: boolean;
}

export function usePerformance(
  id: string,
  { start, benchmark, isReady = true }: PerformanceQuery,
): UseQueryResult<Schema["PerformanceView"], Error> {
  return useQuery({
    queryKey: [...portfolioKey(id), "performance", start, benchmark],
    queryFn: () =>
      body(
        api.GET("/portfolios/{portfolio_id}/performance", {
          params: {
            path: { portfolio_id: id },
            query: { ...(start && { start }), ...(benchmark && { benchmark }) },
          },
        }),
      ),
    enabled: isReady,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    refetchInterval: 60_000,
  });
}
