import { describe, expect, it } from "vitest";
import { fault, indicator, KIND_NAMES, kindNameOf, kindOf, linesOf, parsed } from "./indicators";

describe("names", () => {
  it.each([
    ["sma", "sma:20", "SMA 20"],
    ["macd", "macd:12:26:9", "MACD 12 26 9"],
    ["vwap", "vwap", "VWAP day"],
    ["vwap:n", "vwap:20", "VWAP 20"],
    ["obv", "obv", "OBV"],
  ] as const)("%s is %s by default", (kind, name, label) => {
    expect(indicator(kind)).toMatchObject({ name, label });
  });
  it("reads back every one that it writes", () => {
    for (const kind of KIND_NAMES) {
      const written = indicator(kind);
      const read = parsed(written.name);
      expect(read).toEqual(written);
      expect(read && kindNameOf(read)).toBe(kind);
    }
  });
  it.each([
    "",
    "sma",
    "sma:20:3",
    "sma:0",
    "sma:x",
    "sma:1.5",
    "toString",
    "macd:26:12:9",
    "bb:20:11",
    "rsi:1",
  ])("takes %j for none", (name) => expect(parsed(name)).toBeUndefined());
  it("takes a fraction of deviations", () => {
    expect(parsed("bb:20:2.5")?.parameters).toEqual([20, 2.5]);
  });
});

describe("fault", () => {
  it("names the parameter and its range", () => {
    expect(fault(kindOf("rsi"), [501])).toBe("Period: a whole number from 2 to 500.");
    expect(fault(kindOf("macd"), [26, 26, 9])).toBe("Fast must be less than slow.");
    expect(fault(kindOf("stoch"), [14, 14, 3])).toBeUndefined();
  });
});

describe("linesOf", () => {
  const answer = {
    symbol: "BTC-USD",
    venue: "coinbase",
    interval: "1h",
    time: [1, 2],
    series: {
      "sma:20": [null, 5],
      "bb:20:2": { upper: [3, 4], middle: [2, 3], lower: [1, 2] },
    },
    complete: true,
    next_cursor: null,
  };
  it("finds one line, or several in the order to draw them", () => {
    expect(linesOf(indicator("sma"), answer)).toEqual([
      { line: undefined, style: "line", values: [null, 5] },
    ]);
    expect(linesOf(indicator("bb"), answer).map(({ line, values }) => [line, values[1]])).toEqual([
      ["upper", 4],
      ["middle", 3],
      ["lower", 2],
    ]);
  });
  it("has the lines without values where the answer does not hold them", () => {
    expect(linesOf(indicator("rsi"), answer)).toEqual([{ line: undefined, style: "line", values: [] }]);
    expect(linesOf(indicator("macd"), undefined).map(({ values }) => values.length)).toEqual([0, 0, 0]);
  });
});
