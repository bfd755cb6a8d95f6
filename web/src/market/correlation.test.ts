import { describe, expect, test } from "vitest";
import { meaning, moved, pairs, readChoice, tint } from "./correlation";

const TRACKED = Array.from({ length: 30 }, (_, index) => `C${index}-USD`);

function choice(address: string, watchlist: string[] = []) {
  return readChoice(new URLSearchParams(address), TRACKED, watchlist);
}

describe("what is compared", () => {
  test("is the first ten, by the day, where nothing is asked", () => {
    expect(choice("")).toEqual({
      symbols: TRACKED.slice(0, 10),
      interval: "1d",
      window: 90,
      method: "pearson",
    });
  });

  test("is the watchlist, if there are two to compare", () => {
    expect(choice("", ["BTC-USD", "ETH-USD"]).symbols).toEqual(["BTC-USD", "ETH-USD"]);
    expect(choice("", ["BTC-USD"]).symbols).toEqual(TRACKED.slice(0, 10));
  });

  test("is what the address names, each once", () => {
    expect(choice("symbols=btc-usd,ETH-USD,,BTC-USD&interval=1h&window=24&method=spearman")).toEqual({
      symbols: ["BTC-USD", "ETH-USD"],
      interval: "1h",
      window: 24,
      method: "spearman",
    });
  });

  test("may be nothing, as the user left it", () => {
    expect(choice("symbols=", ["BTC-USD", "ETH-USD"]).symbols).toEqual([]);
  });

  test("is no more than can be read", () => {
    expect(choice(`symbols=${TRACKED.join(",")}`).symbols).toHaveLength(25);
  });

  test.each(["1", "0", "-5", "1001", "1.5", "x", ""])("has the usual window for %j", (window) => {
    expect(choice(`window=${window}`).window).toBe(90);
    expect(choice(`interval=1h&window=${window}`).window).toBe(168);
  });
});

test("pairs are each once, the most alike first, without what is not known", () => {
  const matrix = [
    [1, 0.2, null],
    [0.2, 1, 0.9],
    [null, 0.9, 1],
  ];
  expect(pairs({ symbols: ["A", "B", "C"], matrix })).toEqual([
    { one: "B", other: "C", value: 0.9 },
    { one: "A", other: "B", value: 0.2 },
  ]);
});

test.each([
  [0.85, "closely together"],
  [0.5, "mostly together"],
  [0.2, "somewhat together"],
  [0.19, "hardly related"],
  [-0.19, "hardly related"],
  [-0.6, "mostly against each other"],
])("%d means %s", (value, said) => {
  expect(meaning(value)).toBe(said);
});

test("the colour is of the sign, and stronger the further from 0", () => {
  expect(tint(1)).toContain("--series-1) 60.0%");
  expect(tint(0.5)).toContain("--series-1) 30.0%");
  expect(tint(-1)).toContain("--series-2) 45.0%");
  expect(tint(0)).toContain(" 0.0%");
});

test("keys lead through the matrix and not out of it", () => {
  expect(moved({ row: 0, column: 1 }, "ArrowDown", 3)).toEqual({ row: 1, column: 1 });
  expect(moved({ row: 0, column: 1 }, "ArrowUp", 3)).toEqual({ row: 0, column: 1 });
  expect(moved({ row: 2, column: 2 }, "ArrowRight", 3)).toEqual({ row: 2, column: 2 });
  expect(moved({ row: 2, column: 2 }, "Home", 3)).toEqual({ row: 2, column: 0 });
  expect(moved({ row: 2, column: 0 }, "End", 3)).toEqual({ row: 2, column: 2 });
  expect(moved({ row: 2, column: 0 }, "a", 3)).toBeUndefined();
});
