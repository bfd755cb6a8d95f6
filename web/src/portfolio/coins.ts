import type { Schema } from "../api/client";
import { useCoins as useCoinsQuery } from "../api/coins";

export type Coins = readonly Schema["Coin"][];

const NONE: Coins = [];

/** What is tracked, with the symbols that each is traded by; none until it is known. */
export function useCoins(): { coins: Coins; isPending: boolean } {
  const { data, isPending } = useCoinsQuery();
  return { coins: data?.items ?? NONE, isPending };
}

/** The symbol that tells an asset's price in a currency; undefined where nobody trades it so. */
export function symbolIn(coins: Coins, asset: string, currency: string): string | undefined {
  const symbol = `${asset}-${currency}`;
  return symbolsOf(coins, asset).includes(symbol) ? symbol : undefined;
}

/** The symbol whose page shows an asset: in the currency, else in dollars, else any. */
export function pageOf(coins: Coins, asset: string, currency: string): string | undefined {
  return symbolIn(coins, asset, currency) ?? symbolIn(coins, asset, "USD") ?? symbolsOf(coins, asset)[0];
}

/** What a portfolio in a currency can be compared with, the usual one first: in its currency, else in dollars. */
export function benchmarks(coins: Coins, currency: string): string[] {
  const inIts = coins.flatMap(({ asset }) => symbolIn(coins, asset, currency) ?? []);
  const inDollars = coins.flatMap(({ asset }) => symbolIn(coins, asset, "USD") ?? []);
  const all = new Set([...inIts, ...inDollars]);
  const usual = [`BTC-${currency}`, `ETH-${currency}`, "BTC-USD"].filter((symbol) => all.has(symbol));
  return [...new Set([...usual.slice(0, 1), ...all])];
}

function symbolsOf(coins: Coins, asset: string): string[] {
  return coins.find((coin) => coin.asset === asset)?.symbols.map(({ symbol }) => symbol) ?? [];
}
