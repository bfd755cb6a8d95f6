import { QueryClient } from "@tanstack/react-query";
import { Problem } from "./problem";

const TRIES = 3;

/** Worth another try: the server's own trouble, or none reached. */
export function isPassing(error: Error): boolean {
  return error instanceof Problem && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/**
 * The cache of what the API answered. Keys of what belongs to the user begin with `PRIVATE`, so that signing out drops all of it:
 * `[PRIVATE, "portfolios", id, "holdings"]`.
 */
export const PRIVATE = "private";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (failures, error) => failures < TRIES && isPassing(error),
      retryDelay: (attempt, error) =>
        error instanceof Problem && error.retryAfter !== undefined
          ? error.retryAfter * 1000
          : Math.random() * Math.min(1000 * 2 ** attempt, 15_000),
    },
  },
});

export function forgetUser(): void {
  queries.removeQueries({ queryKey: [PRIVATE] });
  queries.getMutationCache().clear();
}
