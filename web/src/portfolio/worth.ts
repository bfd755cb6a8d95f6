import { useWorth, type Worth } from "../live/hooks";
import { type Holdings, useHoldings } from "./portfolios";

export type Totals = Pick<Worth, "value" | "cost_basis" | "unrealized">;

/** What a portfolio is worth: as the WebSocket told last or as it was read last, by the newer prices. */
export function useTotals(id: string): Totals | undefined {
  return newest(useWorth(id), useHoldings(id).data);
}

/** Both are right as of their prices; where the WebSocket is away, what is read goes on. */
export function newest(
  told: Worth | undefined,
  read: Pick<Holdings, "items" | "totals"> | undefined,
): Totals | undefined {
  return told && (!read || Date.parse(told.time) >= pricedAt(read.items)) ? told : read?.totals;
}

function pricedAt(items: Holdings["items"]): number {
  return Math.max(0, ...items.map(({ price_time }) => (price_time === null ? 0 : Date.parse(price_time))));
}
