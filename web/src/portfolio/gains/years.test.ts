import { expect, it } from "vitest";
import { yearOf, yearsSince } from "./years";

const NOW = Date.parse("2026-01-01T00:00:00Z");

it("lists the years from the first transaction's, the newest first", () => {
  expect(yearsSince("2023-12-31", NOW)).toEqual([2026, 2025, 2024, 2023]);
  expect(yearsSince(undefined, NOW)).toEqual([2026]);
  expect(yearsSince("2025-06-01", NOW - 1)).toEqual([2025]);
});

it("takes only a year that there was from an address", () => {
  expect(yearOf("2024", NOW)).toBe(2024);
  for (const text of [null, "", "24", "2008", "2027", "2024x", "1e3"])
    expect(yearOf(text, NOW)).toBeUndefined();
});
