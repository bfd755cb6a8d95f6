import { describe, expect, it } from "vitest";
import { liveQuote } from "./quote";

const known = {
  symbol: "BTC-USD",
  venue: "coinbase",
  via: null,
  price: 110,
  time: "2026-11-22T12:00:00.500Z",
  change_24h: 10,
  change_pct_24h: 10,
  high_24h: 115,
  low_24h: 95,
  volume_24h: 7,
  stale: false,
};
const later = "2026-11-22T12:00:01.000Z";

describe("liveQuote", () => {
  it("is the API's without a tick, and with an older one", () => {
    const said = { price: 110, time: known.time, change: 10, changePct: 10, high: 115, low: 95 };
    expect(liveQuote(known, undefined)).toEqual(said);
    expect(liveQuote(known, { price: 90, time: "2026-11-22T12:00:00.400Z" })).toEqual(said);
  });
  it("takes a tick of the same second for newer, however its time is written", () => {
    const whole = { ...known, time: "2026-11-22T12:00:00Z" };
    expect(liveQuote(whole, { price: 90, time: "2026-11-22T12:00:00.400Z" }).price).toBe(90);
  });
  it("measures a tick against the price of 24 hours ago", () => {
    expect(liveQuote(known, { price: 90, time: later })).toEqual({
      price: 90,
      time: later,
      change: -10,
      changePct: -10,
      high: 115,
      low: 90,
    });
  });
  it("knows no change where history is short", () => {
    const short = { ...known, change_24h: null, change_pct_24h: null, high_24h: null, low_24h: null };
    expect(liveQuote(short, { price: 90, time: later })).toMatchObject({
      change: null,
      changePct: null,
      high: null,
    });
  });
});
