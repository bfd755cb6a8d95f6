import { expect, it } from "vitest";
import { daysAgo, rangeOf, rangeStart } from "./ranges";

const NOW = Date.parse("2026-03-01T00:30:00Z");

it("begins on days of UTC, a year's 365 days back so that its return is one of a year", () => {
  expect(daysAgo(0, NOW)).toBe("2026-03-01");
  expect(daysAgo(1, NOW)).toBe("2026-02-28");
  expect(rangeStart("1y", NOW)).toBe("2025-03-01");
  expect(rangeStart("all", NOW)).toBeUndefined();
});

it("takes from an address only what it knows", () => {
  expect(rangeOf("3m")).toBe("3m");
  expect(rangeOf("5d")).toBe("all");
  expect(rangeOf(null)).toBe("all");
});
