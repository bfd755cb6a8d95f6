import { expect, test } from "vitest";
import { alertChange, newAlert } from "./form";

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
    asked: {
      symbol: "BTC-USD",
      venue: null,
      condition: "above",
      threshold: "70000",
      window: null,
      repeat: false,
      webhook_url: null,
      note: null,
    },
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
    asked: {
      symbol: "ETH-USD",
      venue: "coinbase",
      condition: "change_pct",
      threshold: "-2.5",
      window: "4h",
      repeat: true,
      webhook_url: null,
      note: "dip",
    },
  });
});

test("a threshold that may mean two things is asked about, not guessed", () => {
  expect(newAlert(form({ symbol: "BTC-USD", threshold: "60,000" }), "above")).toEqual({
    fault: "Write 60000 for thousands, or 60.000 for a fraction.",
  });
});

test("a change says only what may change", () => {
  expect(
    alertChange(form({ threshold: "3", direction: "down", window: "1h", note: "" }), "change_pct"),
  ).toEqual({
    asked: { threshold: "-3", window: "1h", repeat: false, webhook_url: null, note: null },
  });
  expect(alertChange(form({ threshold: "61000.5" }), "below")).toEqual({
    asked: { threshold: "61000.5", repeat: false, webhook_url: null, note: null },
  });
});
