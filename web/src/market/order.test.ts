import { describe, expect, test } from "vitest";
import type { Listing } from "./listings";
import { found, nextOrder, ordered, readOrder, writeOrder } from "./order";

function listing(asset: string, name: string, price: number | null, change: number | null): Listing {
  return {
    symbol: `${asset}-USD`,
    asset,
    quote: "USD",
    name,
    price: {
      symbol: `${asset}-USD`,
      venue: "coinbase",
      via: null,
      price,
      time: "2026-11-22T12:00:00.000Z",
      change_24h: null,
      change_pct_24h: change,
      high_24h: null,
      low_24h: null,
      volume_24h: null,
      stale: false,
    },
    sentiment: undefined,
  };
}

const BTC = listing("BTC", "Bitcoin", 65_000, -1.5);
const ETH = listing("ETH", "Ethereum", 2700, 3);
const NEW = listing("NEW", "Newcoin", null, null);
const ALL = [BTC, NEW, ETH];

describe("the order", () => {
  test("is read from an address and written back", () => {
    expect(readOrder("-change")).toEqual({ by: "change", descending: true });
    expect(readOrder("name")).toEqual({ by: "name", descending: false });
    expect(writeOrder({ by: "change", descending: true })).toBe("-change");
    expect(writeOrder({ by: "name", descending: false })).toBe("name");
  });

  test.each([null, "", "-", "nonsense", "toString", "--change"])(
    "is the server's where %j is asked",
    (text) => {
      expect(readOrder(text)).toBeUndefined();
    },
  );

  test("has what is not known last, both ways", () => {
    expect(ordered(ALL, { by: "change", descending: true })).toEqual([ETH, BTC, NEW]);
    expect(ordered(ALL, { by: "change", descending: false })).toEqual([BTC, ETH, NEW]);
    expect(ordered(ALL, { by: "price", descending: true })).toEqual([BTC, ETH, NEW]);
  });

  test("is the server's again after both ways of a column", () => {
    const first = nextOrder(undefined, "change");
    expect(first).toEqual({ by: "change", descending: true });
    const second = nextOrder(first, "change");
    expect(second).toEqual({ by: "change", descending: false });
    expect(nextOrder(second, "change")).toBeUndefined();
    expect(nextOrder(second, "name")).toEqual({ by: "name", descending: false });
    expect(ordered(ALL, undefined)).toEqual(ALL);
  });
});

test("a search looks in names and symbols", () => {
  expect(found(ALL, " coin ")).toEqual([BTC, NEW]);
  expect(found(ALL, "eth")).toEqual([ETH]);
  expect(found(ALL, "")).toEqual(ALL);
  expect(found(ALL, "nothing")).toEqual([]);
});
