// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import type { Transaction } from "./form";
import { signedQuantityOf, worthOf } from "./transactions";

const BUY: Transaction = {
  id: "t1",
  portfolio_id: "p1",
  type: "buy",
  asset: "BTC",
  quantity: "0.3",
  price: "0.1",
  currency: "EUR",
  fee: null,
  fee_asset: null,
  counter_asset: null,
  counter_quantity: null,
  to_portfolio_id: null,
  from_portfolio_id: null,
  external_id: null,
  time: "2026-01-01T00:00:00Z",
  note: null,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
  rates: [{ asset: "BTC", currency: "USD", price: "0.2", time: "2026-01-01T00:00:00Z" }],
};

describe("what a transaction was worth", () => {
  it("goes by the price entered where that is paid, by the market's where it is not", () => {
    expect(worthOf(BUY, "USD")).toEqual({ price: "0.1", value: "0.03", currency: "EUR", isMarket: false });
    expect(worthOf({ ...BUY, type: "withdrawal" }, "USD")).toEqual({
      price: "0.2",
      value: "0.06",
      currency: "USD",
      isMarket: true,
    });
  });

  it("falls back to the other of both", () => {
    const reward = { ...BUY, type: "reward" as const, price: null, currency: null };
    expect(worthOf(reward, "USD")).toMatchObject({ price: "0.2", isMarket: true });
    expect(worthOf({ ...BUY, type: "trade", rates: [] }, "USD")).toMatchObject({
      price: "0.1",
      isMarket: false,
    });
    expect(worthOf({ ...reward, rates: [] }, "USD")).toBeNull();
  });
});

describe("the sign of a quantity", () => {
  it("is that of what it did to the portfolio", () => {
    expect(signedQuantityOf(BUY)).toBe("0.3");
    expect(signedQuantityOf({ ...BUY, type: "fee" })).toBe("-0.3");
    const transfer = { ...BUY, type: "transfer" as const, to_portfolio_id: "p2" };
    expect(signedQuantityOf(transfer)).toBe("-0.3");
    expect(signedQuantityOf({ ...transfer, from_portfolio_id: "p0" })).toBe("0.3");
  });
});
