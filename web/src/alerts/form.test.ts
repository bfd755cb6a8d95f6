import { expect, test } from "vitest";
import { decimal, newAlert } from "./form";

function form(fields: Record<string, string>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
}

test("a price alert", () => {
  expect(
    newAlert(
      form({ symbol: " btc-usd ", venue: "", threshold: "70000", note: "", webhook_url: "" }),
      "above",
    ),
  ).toEqual({
    symbol: "BTC-USD",
    venue: null,
    condition: "above",
    threshold: "70000",
    window: null,
    repeat: false,
    webhook_url: null,
    note: null,
  });
});

test("a fall is a change below zero", () => {
  const fields = {
    symbol: "ETH-USD",
    venue: "coinbase",
    threshold: "2,5",
    direction: "down",
    window: "4h",
    repeat: "on",
    note: "dip",
  };
  expect(newAlert(form(fields), "change_pct")).toEqual({
    symbol: "ETH-USD",
    venue: "coinbase",
    condition: "change_pct",
    threshold: "-2.5",
    window: "4h",
    repeat: true,
    webhook_url: null,
    note: "dip",
  });
});

test.each([
  ["2,5", "2.5"],
  [" 70 000 ", "70000"],
  ["+5", "5"],
  ["1,000.5", "1.000.5"],
])("%s is sent as %s", (typed, sent) => {
  expect(decimal(typed)).toBe(sent);
});
