import { describe, expect, test } from "vitest";
import { conditionWords, firedWords } from "./words";

describe("what an alert waits for", () => {
  test.each([
    [{ symbol: "BTC-USD", condition: "above", threshold: "70000" }, "above $70,000.00"],
    [{ symbol: "ETH-BTC", condition: "below", threshold: "0.0312" }, "below 0.0312 BTC"],
    [{ symbol: "BTC-USD", condition: "change_pct", threshold: "-2.5", window: "1h" }, "down 2.50% within 1h"],
    [{ symbol: "BTC-USD", condition: "change_pct", threshold: "5", window: "24h" }, "up 5.00% within 24h"],
  ] as const)("%o", (alert, words) => {
    expect(conditionWords(alert)).toBe(words);
  });
});

test("what has fired tells the price that did it", () => {
  const fired = {
    id: "f",
    alert_id: "a",
    symbol: "BTC-USD",
    venue: "coinbase",
    condition: "above",
    threshold: "70000",
    price: "70001.25",
    time: "2026-11-22T12:00:00Z",
    webhook: "none",
  } as const;
  expect(firedWords(fired)).toBe("BTC-USD is above $70,000.00: $70,001.25");
});
