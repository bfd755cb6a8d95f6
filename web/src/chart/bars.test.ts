import { describe, expect, it } from "vitest";
import { type Bar, changed, history, merged, renewed } from "./bars";

function bar(time: number, patch: Partial<Bar> = {}): Bar {
  return { time, open: 1, high: 2, low: 1, close: 2, volume: 5, closed: true, complete: true, ...patch };
}

describe("history", () => {
  const answer = {
    symbol: "BTC-USD",
    venue: "coinbase",
    interval: "1h",
    candles: [
      [1, 10, 12, 9, 11, 3],
      [2, 11, 11, 10, 10, 1],
    ],
    last_open: true,
    incomplete: [1],
    next_cursor: null,
  };
  it("reads rows, the open one and those with a gap", () => {
    expect(history(answer)).toEqual({
      bars: [
        { time: 1, open: 10, high: 12, low: 9, close: 11, volume: 3, closed: true, complete: false },
        { time: 2, open: 11, high: 11, low: 10, close: 10, volume: 1, closed: false, complete: true },
      ],
      more: false,
    });
  });
  it("knows that the last row has closed", () => {
    expect(history({ ...answer, last_open: false }).bars.every(({ closed }) => closed)).toBe(true);
  });
});

describe("merged", () => {
  it("takes a later repair of a closed candle", () => {
    const repaired = bar(1, { volume: 9 });
    expect(merged([bar(1), bar(2)], [repaired])).toEqual([repaired, bar(2)]);
  });
  it("puts a candle that was missing in its place", () => {
    expect(merged([bar(1), bar(3)], [bar(2)]).map(({ time }) => time)).toEqual([1, 2, 3]);
  });
  it("lets no open candle replace a closed one, or what began later", () => {
    const known = [bar(1), bar(3, { closed: false })];
    expect(merged(known, [bar(1, { closed: false, volume: 99 }), bar(2, { closed: false })])).toEqual(known);
  });
  it("keeps the newer of two open ones", () => {
    const newer = bar(1, { closed: false, volume: 8 });
    expect(merged([newer], [bar(1, { closed: false, volume: 7 })])).toEqual([newer]);
    expect(merged([bar(1, { closed: false, volume: 7 })], [newer])).toEqual([newer]);
  });
  it("closes the open one and begins the next", () => {
    const come = [bar(1, { close: 3 }), bar(2, { closed: false })];
    expect(merged([bar(1, { closed: false })], come)).toEqual(come);
  });
  it("keeps the object of what has not changed", () => {
    const known = [bar(1), bar(2)];
    expect(merged(known, [bar(1), bar(2)]).map((bar, index) => bar === known[index])).toEqual([true, true]);
  });
});

describe("renewed", () => {
  it("keeps the older bars, and whether there are more", () => {
    const page = { bars: [bar(2), bar(3)], more: true };
    expect(renewed({ bars: [bar(1), bar(2)], more: false }, page)).toEqual({
      bars: [bar(1), bar(2), bar(3)],
      more: false,
    });
  });
  it("begins anew where the page does not reach what is known", () => {
    const page = { bars: [bar(8)], more: true };
    expect(renewed({ bars: [bar(1)], more: false }, page)).toBe(page);
  });
});

describe("changed", () => {
  it("names what differs and what is new", () => {
    const before = [bar(1), bar(2)];
    const now = merged(before, [bar(2, { volume: 6 }), bar(3)]);
    expect(changed(before, now)?.map(({ time }) => time)).toEqual([2, 3]);
  });
  it("knows older bars, and ones between", () => {
    expect(changed([bar(2)], [bar(1), bar(2)])).toBeNull();
    expect(changed([bar(1), bar(3)], [bar(1), bar(2), bar(3)])).toBeNull();
    expect(changed([], [bar(1)])).toBeNull();
  });
});
