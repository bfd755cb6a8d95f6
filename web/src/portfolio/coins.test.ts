// @vitest-environment happy-dom
import { describe, expect, it } from "vitest";
import { benchmarks, pageOf, symbolIn } from "./coins";

function coin(asset: string, ...quotes: string[]) {
  return {
    asset,
    name: asset,
    symbols: quotes.map((quote) => ({ symbol: `${asset}-${quote}`, venue: "coinbase" as const })),
  };
}

const COINS = [
  coin("BTC", "USD", "USDT"),
  coin("ETH", "USD", "BTC"),
  coin("USDT", "EUR"),
  coin("PEPE", "USDT"),
];

describe("symbols of coins", () => {
  it("are those that are traded", () => {
    expect(symbolIn(COINS, "BTC", "USDT")).toBe("BTC-USDT");
    expect(symbolIn(COINS, "BTC", "EUR")).toBeUndefined();
    expect(symbolIn(COINS, "FOO", "USD")).toBeUndefined();
  });

  it("lead to a page in the currency, else in dollars, else any", () => {
    expect(pageOf(COINS, "ETH", "BTC")).toBe("ETH-BTC");
    expect(pageOf(COINS, "ETH", "EUR")).toBe("ETH-USD");
    expect(pageOf(COINS, "PEPE", "EUR")).toBe("PEPE-USDT");
    expect(pageOf(COINS, "FOO", "USD")).toBeUndefined();
  });
});

describe("benchmarks", () => {
  it("begin with Bitcoin in the currency, each once", () => {
    expect(benchmarks(COINS, "USD")).toEqual(["BTC-USD", "ETH-USD"]);
    expect(benchmarks(COINS, "USDT")).toEqual(["BTC-USDT", "PEPE-USDT", "BTC-USD", "ETH-USD"]);
  });

  it("compare Bitcoin with Ether, and fall back to dollars", () => {
    expect(benchmarks(COINS, "BTC")[0]).toBe("ETH-BTC");
    expect(benchmarks(COINS, "EUR")).toEqual(["BTC-USD", "USDT-EUR", "ETH-USD"]);
    expect(benchmarks([], "USD")).toEqual([]);
  });
});
