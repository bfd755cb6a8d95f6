// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { newest } from "./worth";

const HELD = {
  asset: "BTC",
  quantity: "1",
  cost_basis: "80",
  average_cost: "80",
  price: "100",
  price_time: "2026-11-22T12:00:00.500Z",
  value: "100",
  unrealized: "20",
  unrealized_pct: "25",
  allocation_pct: "100",
};
const OLDER = { ...HELD, asset: "ETH", price_time: "2026-11-22T11:00:00.000Z" };
const UNPRICED = { ...HELD, asset: "FOO", price: null, price_time: null };
const READ = {
  items: [OLDER, HELD, UNPRICED],
  totals: { value: "200", cost_basis: "160", unrealized: "40", realized: "0" },
};

function told(time: string) {
  return { id: "p", time, value: "210", cost_basis: "160", unrealized: "50" };
}

describe("what a portfolio is worth", () => {
  it("is as the WebSocket tells, from the newest price read on", () => {
    expect(newest(told("2026-11-22T12:00:00.501Z"), READ)?.value).toBe("210");
    expect(newest(told("2026-11-22T12:00:00.5Z"), READ)?.value).toBe("210");
    expect(newest(told("2026-11-22T11:30:00Z"), undefined)?.value).toBe("210");
  });

  it("is as it was read where that knows newer prices, or the WebSocket told nothing", () => {
    expect(newest(told("2026-11-22T11:30:00Z"), READ)?.value).toBe("200");
    expect(newest(undefined, READ)?.value).toBe("200");
  });

  it("is not known before either", () => {
    expect(newest(undefined, undefined)).toBeUndefined();
  });
});
