import { difference, percentage, product } from "../../format/decimal";
import type { Holdings } from "../portfolios";

export type Holding = Holdings["items"][number];

interface Tick {
  price: number;
  time: string;
}

/** A holding at a newer price, if that is one. */
export function repriced(holding: Holding, tick: Tick | undefined): Holding {
  if (!tick || (holding.price_time !== null && Date.parse(tick.time) <= Date.parse(holding.price_time))) {
    return holding;
  }
  const price = String(tick.price);
  const value = product(holding.quantity, price);
  const unrealized = difference(value, holding.cost_basis);
  return {
    ...holding,
    price,
    price_time: tick.time,
    value,
    unrealized,
    unrealized_pct: percentage(unrealized, holding.cost_basis),
  };
}
