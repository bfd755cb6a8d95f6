import { describe, expect, it } from "vitest";
import type { Schema } from "../../api/client";
import { whyUnknown } from "./whyUnknown";

const KNOWN: Schema["PerformanceView"] = {
  start: "2025-02-11T10:15:00.000Z",
  end: "2026-11-22T23:59:11.387Z",
  base_currency: "USD",
  value_start: "0",
  value_end: "120",
  net_contributions: "100",
  gain: "20",
  twr: "0.2",
  twr_annualized: "0.1",
  mwr: "0.11",
  max_drawdown: { value: "0.3", peak: "2026-01-01", trough: "2026-02-01" },
  volatility: "0.6",
  sharpe: "0.9",
  sortino: "1.2",
  benchmark: { symbol: "BTC-USD", twr: "0.1" },
  days_without_price: 0,
  unpriced: [],
  assets: [],
};

describe("why a figure is not known", () => {
  it("says nothing of what is known", () => {
    expect(Object.values(whyUnknown(KNOWN)).filter(Boolean)).toEqual([]);
    expect(whyUnknown({ ...KNOWN, benchmark: null }).benchmark).toBeUndefined();
  });

  it("names the days that are too few", () => {
    const young = { ...KNOWN, twr_annualized: null, volatility: null, sharpe: null, sortino: null };
    expect(whyUnknown(young)).toMatchObject({
      twr: undefined,
      twr_annualized: "Needs 365 days",
      volatility: "Needs two days",
      sharpe: "Needs two days",
      sortino: "Needs two days",
    });
  });

  it("tells a calm portfolio from a young one", () => {
    expect(whyUnknown({ ...KNOWN, sharpe: null, sortino: null })).toMatchObject({
      volatility: undefined,
      sharpe: "All days are alike",
      sortino: "No losing day",
    });
  });

  it("says first that nothing was held", () => {
    const idle = { ...KNOWN, twr: null, twr_annualized: null, mwr: null, sharpe: null };
    expect(whyUnknown(idle)).toMatchObject({
      twr: "Nothing was held",
      twr_annualized: "Nothing was held",
      mwr: "Nothing was held",
      sharpe: "Nothing was held",
      volatility: undefined,
    });
  });
});
