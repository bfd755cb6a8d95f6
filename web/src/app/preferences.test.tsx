// @vitest-environment happy-dom
import { QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type { ReactNode } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { forgetUser, queries } from "../api/query";
import { session } from "../api/session";
import { store, stored } from "../api/storage";
import { useBroughtWatchlist, usePreferences } from "./preferences";

const PATIENCE = { timeout: 10_000 };
const KEPT = "cryptopulse.preferences";
const ACCOUNT = { base_currency: "USD", cost_basis: "fifo", watchlist: ["BTC-USD"], theme: "system" };

let put: unknown[];
let answer: () => Promise<Response>;

beforeEach(() => {
  put = [];
  answer = async () => Response.json(ACCOUNT);
  vi.spyOn(session, "status", "get").mockReturnValue("signed-in");
  vi.spyOn(session, "accessToken").mockResolvedValue("a.b.c");
  vi.stubGlobal("fetch", async (request: Request) => {
    if (request.method !== "PUT") return answer();
    put.push(await request.json());
    return Response.json(put.at(-1));
  });
});

afterEach(() => {
  cleanup();
  forgetUser();
  store(KEPT, null);
});

const shown = <T,>(hook: () => T) =>
  renderHook(hook, {
    wrapper: ({ children }: { children: ReactNode }) => (
      <QueryClientProvider client={queries}>{children}</QueryClientProvider>
    ),
  });

it("takes what a visitor watched into the account, once", async () => {
  store(KEPT, JSON.stringify({ watchlist: ["ETH-USD", "BTC-USD"] }));
  const { rerender } = shown(useBroughtWatchlist);
  await waitFor(() => expect(put).toEqual([{ ...ACCOUNT, watchlist: ["BTC-USD", "ETH-USD"] }]), PATIENCE);
  await waitFor(() => expect(JSON.parse(stored(KEPT) ?? "")).toMatchObject({ watchlist: [] }), PATIENCE);
  await act(async () => rerender());
  expect(put).toHaveLength(1);
});

it("changes nothing before it is known what it would change", async () => {
  let tell = (_: Response): void => undefined;
  const told = new Promise<Response>((resolve) => {
    tell = resolve;
  });
  answer = () => told;
  const { result } = shown(usePreferences);
  expect(result.current.change).toBeUndefined();
  await act(async () => tell(Response.json(ACCOUNT)));
  await waitFor(() => expect(result.current.change).toBeDefined(), PATIENCE);
});
