import type { Currency, Method } from "./portfolios";

interface MethodText {
  value: Method;
  /** As tax forms abbreviate it. */
  short: string;
  name: string;
  /** What it does to a sale. */
  text: string;
}

/** Which lots a sale takes. */
export const METHODS: readonly MethodText[] = [
  { value: "fifo", short: "FIFO", name: "First in, first out", text: "A sale takes the oldest coins first." },
  { value: "lifo", short: "LIFO", name: "Last in, first out", text: "A sale takes the newest coins first." },
  {
    value: "hifo",
    short: "HIFO",
    name: "Highest in, first out",
    text: "A sale takes the coins that cost most first: the smallest gain now.",
  },
  {
    value: "acb",
    short: "Average",
    name: "Average cost",
    text: "A sale takes a share of all coins, at what they cost on average.",
  },
];

export const CURRENCIES: readonly (readonly [value: Currency, name: string])[] = [
  ["USD", "US dollar (USD)"],
  ["EUR", "Euro (EUR)"],
  ["GBP", "Pound sterling (GBP)"],
  ["USDT", "Tether (USDT)"],
  ["BTC", "Bitcoin (BTC)"],
];

export function methodName(method: Method): string {
  return METHODS.find(({ value }) => value === method)?.name ?? method;
}

export function methodOf(text: string | null): Method | undefined {
  return METHODS.find(({ value }) => value === text)?.value;
}

export function currencyOf(text: string | null): Currency | undefined {
  return CURRENCIES.find(([value]) => value === text)?.[0];
}
