import type { Schema } from "../api/client";

export type Correlation = Schema["Correlation"];
export type Interval = "1d" | "1h";
export type Method = Correlation["method"];

export const FEWEST = 2;
/** More cannot be read, though the API takes more. */
export const MOST = 25;
const TOP = 10;
const LONGEST = 1000;

export const WINDOWS: Readonly<Record<Interval, readonly (readonly [window: number, name: string])[]>> = {
  "1d": [
    [30, "30 days"],
    [90, "90 days"],
    [180, "180 days"],
    [365, "1 year"],
  ],
  "1h": [
    [24, "24 hours"],
    [168, "7 days"],
    [720, "30 days"],
  ],
};

const USUAL: Readonly<Record<Interval, number>> = { "1d": 90, "1h": 168 };

export interface Choice {
  symbols: readonly string[];
  interval: Interval;
  window: number;
  method: Method;
}

/** What an address asks for; what it leaves out, or has wrong, is what the user follows, and the usual. */
export function readChoice(
  search: URLSearchParams,
  tracked: readonly string[],
  watchlist: readonly string[],
): Choice {
  const interval = search.get("interval") === "1h" ? "1h" : "1d";
  const window = Number(search.get("window") ?? "");
  return {
    symbols: search.has("symbols") ? named(search.get("symbols") ?? "") : usualSymbols(tracked, watchlist),
    interval,
    window: Number.isInteger(window) && window >= 2 && window <= LONGEST ? window : USUAL[interval],
    method: search.get("method") === "spearman" ? "spearman" : "pearson",
  };
}

/** What the user follows, where it is enough to compare; else the first that are tracked. */
function usualSymbols(tracked: readonly string[], watchlist: readonly string[]): readonly string[] {
  return watchlist.length >= FEWEST ? watchlist.slice(0, MOST) : tracked.slice(0, TOP);
}

function named(text: string): string[] {
  const symbols = text
    .toUpperCase()
    .split(",")
    .filter((symbol) => symbol !== "");
  return [...new Set(symbols)].slice(0, MOST);
}

/** Without the quote, where that is the dollar as of nearly all. */
export function short(symbol: string): string {
  return symbol.replace(/-USD$/, "");
}

export interface Pair {
  one: string;
  other: string;
  value: number;
}

/** Each two of them once, the most alike first; what is not known is left out. */
export function pairs({ symbols, matrix }: Pick<Correlation, "symbols" | "matrix">): Pair[] {
  return symbols
    .flatMap((one, row) =>
      symbols.slice(row + 1).flatMap((other, after) => {
        const value = matrix[row]?.[row + 1 + after];
        return value == null ? [] : [{ one, other, value }];
      }),
    )
    .sort((a, b) => b.value - a.value);
}

/** What a correlation says of two prices. */
export function meaning(value: number): string {
  const size = Math.abs(value);
  if (size < 0.2) return "hardly related";
  const way = value > 0 ? "together" : "against each other";
  return `${size >= 0.8 ? "closely" : size >= 0.5 ? "mostly" : "somewhat"} ${way}`;
}

/** How strong a value's colour is, in per cent of the full one: text on it stays readable in both themes. */
export function tint(value: number): string {
  const [colour, most] = value < 0 ? ["--series-2", 45] : ["--series-1", 60];
  const share = Math.min(Math.abs(value), 1) * most;
  return `color-mix(in srgb, var(${colour}) ${share.toFixed(1)}%, var(--surface))`;
}

export interface Place {
  row: number;
  column: number;
}

/** Where a key leads from a place of the matrix; undefined for keys that lead nowhere. */
export function moved({ row, column }: Place, key: string, size: number): Place | undefined {
  const within = (index: number) => Math.min(Math.max(index, 0), size - 1);
  switch (key) {
    case "ArrowUp":
      return { row: within(row - 1), column };
    case "ArrowDown":
      return { row: within(row + 1), column };
    case "ArrowLeft":
      return { row, column: within(column - 1) };
    case "ArrowRight":
      return { row, column: within(column + 1) };
    case "Home":
      return { row, column: 0 };
    case "End":
      return { row, column: size - 1 };
    default:
      return undefined;
  }
}
