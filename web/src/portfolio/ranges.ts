/** How far back the chart and the returns of a portfolio look. */
export type Range = "1m" | "3m" | "1y" | "all";

export const RANGES: readonly (readonly [Range, string])[] = [
  ["1m", "1M"],
  ["3m", "3M"],
  ["1y", "1Y"],
  ["all", "All"],
];

const DAYS: Readonly<Record<Exclude<Range, "all">, number>> = { "1m": 30, "3m": 91, "1y": 365 };
const DAY_MS = 86_400_000;

export function rangeOf(text: string | null): Range {
  return RANGES.find(([range]) => range === text)?.[0] ?? "all";
}

/** The day of UTC that it begins on; of all there is none. */
export function rangeStart(range: Range, now = Date.now()): string | undefined {
  return range === "all" ? undefined : daysAgo(DAYS[range], now);
}

export function daysAgo(days: number, now = Date.now()): string {
  return new Date(now - days * DAY_MS).toISOString().slice(0, 10);
}
