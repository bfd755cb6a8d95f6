import { describe, expect, it } from "vitest";
import { type Holding, repriced } from "./repriced";

const HELD: Holding = {
  asset: "BTC",
  quantity: "0.3",
  cost_basis: "20000.01",
  average_cost: "66666.7",
  price: "65000",
  price_time: "2026-11-22T12:00:00.000Z",
  value: "19500",
  unrealized: "-500.01",
  unrealized_pct: "-2.50004",
  allocation_pct: "40",
};

describe("a holding at a newer price", () => {
  it("is worth that, to the last digit", () => {
    expect(repriced(HELD, { price: 70000.7, time: "2026-11-22T12:00:01Z" })).toEqual({
      ...HELD,
      price: "70000.7",
      price_time: "2026-11-22T12:00:01Z",
      value: "21000.21",
      unrealized: "1000.2",
      unrealized_pct: "5.000997",
    });
  });

  it("stays as it is at an older one, or without", () => {
    expect(repriced(HELD, { price: 1, time: "2026-11-22T11:59:59.999Z" })).toBe(HELD);
    expect(repriced(HELD, undefined)).toBe(HELD);
  });

  it("has no per cent of a cost of nothing, and gets a first price", () => {
    const airdrop = {
      ...HELD,
      cost_basis: "0",
      price: null,
      price_time: null,
      value: null,
      unrealized: null,
    };
    expect(repriced(airdrop, { price: 1e-7, time: "2026-11-22T12:00:00Z" })).toMatchObject({
      price: "1e-7",
      value: "0.00000003",
      unrealized: "0.00000003",
      unrealized_pct: null,
    });
  });
});
