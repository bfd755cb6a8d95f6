import type { Schema } from "../api/client";

/** What a quote is at this moment. */
export interface Quote {
  price: number | null;
  time: string | null;
  change: number | null;
  changePct: number | null;
  high: number | null;
  low: number | null;
}

/** The API's price with the newest tick over it: what the change is measured against stays until the API is asked again. */
export function liveQuote(known: Schema["Price"], tick: { price: number; time: string } | undefined): Quote {
  const { price, time, change_24h, change_pct_24h, high_24h, low_24h } = known;
  if (!tick || (time !== null && Date.parse(tick.time) <= Date.parse(time))) {
    return { price, time, change: change_24h, changePct: change_pct_24h, high: high_24h, low: low_24h };
  }
  const base = price === null || change_24h === null ? null : price - change_24h;
  const change = base === null ? null : tick.price - base;
  return {
    price: tick.price,
    time: tick.time,
    change,
    changePct: base ? ((change ?? 0) / base) * 100 : null,
    high: high_24h === null ? null : Math.max(high_24h, tick.price),
    low: low_24h === null ? null : Math.min(low_24h, tick.price),
  };
}
