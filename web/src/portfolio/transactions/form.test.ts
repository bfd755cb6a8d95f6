import { describe, expect, it } from "vitest";
import { toInput } from "../../format/times";
import type { Portfolio } from "../portfolios";
import { changes, newValues, read, type Transaction, totalOf, type Values, valuesOf } from "./form";
import type { Kind } from "./kinds";

const NOW = Date.parse("2026-11-22T12:00:00Z");
const PORTFOLIO: Portfolio = {
  id: "p1",
  name: "Main",
  base_currency: "EUR",
  cost_basis: "fifo",
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
};
const STORED: Transaction = {
  id: "t1",
  portfolio_id: "p1",
  type: "buy",
  asset: "BTC",
  quantity: "0.5",
  price: "60000",
  currency: "USD",
  fee: "12",
  fee_asset: "USD",
  counter_asset: null,
  counter_quantity: null,
  to_portfolio_id: null,
  from_portfolio_id: null,
  external_id: "order-1",
  time: "2025-03-01T09:30:00.123Z",
  note: "First",
  created_at: "2025-03-01T09:30:00.123Z",
  updated_at: "2025-03-01T09:30:00.123Z",
  rates: [],
};

/** Every field filled in, as after going through the types. */
function filled(type: Kind, more: Partial<Values> = {}): Values {
  return {
    ...newValues(PORTFOLIO, NOW),
    type,
    asset: " btc ",
    quantity: "0,5",
    price: "60000.10",
    fee: "1",
    fee_asset: "bnb",
    counter_asset: "ETH",
    counter_quantity: "8",
    to_portfolio_id: "p2",
    note: "  ",
    ...more,
  };
}

function draft(values: Values) {
  const told = read(values, NOW);
  if ("errors" in told) throw new Error(JSON.stringify(told.errors));
  return told.draft;
}

function errors(values: Values) {
  const told = read(values, NOW);
  return "errors" in told ? told.errors : {};
}

describe("the body", () => {
  it("has exact strings, upper-case codes and the time in UTC", () => {
    expect(draft(filled("buy"))).toEqual({
      type: "buy",
      asset: "BTC",
      quantity: "0.5",
      price: "60000.10",
      currency: "EUR",
      fee: "1",
      fee_asset: "BNB",
      counter_asset: null,
      counter_quantity: null,
      to_portfolio_id: null,
      external_id: null,
      time: "2026-11-22T12:00:00.000Z",
      note: null,
    });
  });

  it.each<[Kind, string[]]>([
    ["buy", ["price", "currency", "fee", "fee_asset"]],
    ["sell", ["price", "currency", "fee", "fee_asset"]],
    ["trade", ["price", "currency", "fee", "fee_asset", "counter_asset", "counter_quantity"]],
    ["deposit", ["price", "currency", "fee", "fee_asset"]],
    ["withdrawal", ["price", "currency", "fee", "fee_asset"]],
    ["transfer", ["price", "currency", "fee", "fee_asset", "to_portfolio_id"]],
    ["reward", ["price", "currency", "fee", "fee_asset"]],
    ["airdrop", ["price", "currency", "fee", "fee_asset"]],
    ["fee", []],
  ])("of a %s holds no field of another type", (type, own) => {
    const given = Object.entries(draft(filled(type))).filter(([, value]) => value !== null);
    expect(given.map(([name]) => name).sort()).toEqual(["asset", "quantity", "time", "type", ...own].sort());
  });

  it("has no currency without a price, no fee asset without a fee", () => {
    const told = draft(filled("deposit", { price: "", fee: " " }));
    expect(told).toMatchObject({ price: null, currency: null, fee: null, fee_asset: null });
  });
});

describe("validation", () => {
  it("asks for what the type needs", () => {
    const empty = newValues(PORTFOLIO, NOW);
    expect(Object.keys(errors(empty)).sort()).toEqual(["asset", "price", "quantity"]);
    expect(Object.keys(errors({ ...empty, type: "trade" })).sort()).toEqual([
      "asset",
      "counter_asset",
      "counter_quantity",
      "quantity",
    ]);
    expect(Object.keys(errors({ ...empty, type: "transfer" })).sort()).toEqual([
      "asset",
      "quantity",
      "to_portfolio_id",
    ]);
  });

  it.each<[Partial<Values>, string]>([
    [{ asset: "BT C" }, "asset"],
    [{ asset: "A".repeat(21) }, "asset"],
    [{ quantity: "0,000" }, "quantity"],
    [{ quantity: "60,000" }, "quantity"],
    [{ price: "0.0" }, "price"],
    [{ fee: "x" }, "fee"],
    [{ fee_asset: "€" }, "fee_asset"],
    [{ time: "" }, "time"],
    [{ time: toInput("2009-01-02T23:00:00Z") }, "time"],
    [{ time: toInput(NOW + 5 * 60_000 + 1000) }, "time"],
  ])("refuses %j", (values, field) => {
    expect(Object.keys(errors(filled("buy", values)))).toEqual([field]);
  });

  it("takes a fee of 0 and a clock that is five minutes fast", () => {
    expect(errors(filled("buy", { fee: "0", time: toInput(NOW + 5 * 60_000) }))).toEqual({});
  });

  it("refuses to trade an asset for itself", () => {
    expect(errors(filled("trade", { counter_asset: "BTC" }))).toHaveProperty("counter_asset");
  });

  it("does not look at what the type has not", () => {
    expect(errors(filled("fee", { price: "x", fee: "x", counter_quantity: "x" }))).toEqual({});
  });
});

describe("an edit", () => {
  const values = valuesOf(STORED, "EUR");
  const before = draft(values);

  it("that changes nothing sends nothing, the milliseconds stay", () => {
    expect(changes(before, draft(values))).toEqual({});
  });

  it("sends what was changed alone", () => {
    expect(changes(before, draft({ ...values, quantity: "0.75", note: "" }))).toEqual({
      quantity: "0.75",
      note: null,
    });
  });

  it("removes what the other type has not", () => {
    expect(changes(before, draft({ ...values, type: "fee" }))).toEqual({
      type: "fee",
      price: null,
      currency: null,
      fee: null,
      fee_asset: null,
    });
  });
});

describe("the total", () => {
  it("is exact", () => {
    const values = filled("buy", { quantity: "0.1", price: "0.2", fee: "" });
    expect(totalOf(values)).toEqual({ label: "Total cost", amount: "0.02", currency: "EUR", fee: null });
    const large = filled("sell", { quantity: "123456789012345678.123456789012345678", price: "3", fee: "" });
    expect(totalOf(large)?.amount).toBe("370370367037037034.370370367037037034");
  });

  it("holds a fee in the same money, and names one in a coin", () => {
    const money = { quantity: "2", price: "100", fee: "1.5", fee_asset: "" };
    expect(totalOf(filled("buy", money))).toMatchObject({ amount: "201.5", fee: null });
    expect(totalOf(filled("sell", money))).toMatchObject({ amount: "198.5", fee: null });
    expect(totalOf(filled("sell", { ...money, fee_asset: "bnb" }))).toMatchObject({
      amount: "200",
      fee: { amount: "1.5", asset: "BNB" },
    });
  });

  it("is not known while quantity or price is not", () => {
    expect(totalOf(filled("buy", { price: "" }))).toBeNull();
    expect(totalOf(filled("buy", { quantity: "60,000" }))).toBeNull();
    expect(totalOf(filled("fee"))).toBeNull();
  });
});
