import type { Schema } from "../api/client";
import * as numbers from "../format/numbers";

type Condition = Pick<Schema["FiredView"], "symbol" | "condition" | "threshold">;

/** Digits after the point that a threshold may have. */
const FINEST = 18;

export function quoteOf(symbol: string): string {
  return symbol.slice(symbol.indexOf("-") + 1);
}

/** What an alert waits for, in words: "above $70,000.00", "down 2.50 % within 1h". */
export function conditionWords(alert: Condition & { window?: string | null }): string {
  if (alert.condition !== "change_pct") {
    return `${alert.condition} ${numbers.money(alert.threshold, quoteOf(alert.symbol), FINEST)}`;
  }
  const size = numbers.percent(alert.threshold.replace(/^-/, "")).replace(/^\+/, "");
  const way = alert.threshold.startsWith("-") ? "down" : "up";
  return alert.window ? `${way} ${size} within ${alert.window}` : `${way} ${size}`;
}

/** What an alert that fired tells. */
export function firedWords(alert: Schema["FiredView"]): string {
  return `${alert.symbol} is ${conditionWords(alert)}: ${numbers.price(alert.price, quoteOf(alert.symbol))}`;
}
