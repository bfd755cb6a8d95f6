import { expect, test } from "vitest";
import * as times from "./times";

const NOW = Date.parse("2026-11-22T12:00:00Z");

test.each([
  [0, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [3_599_000, "59m"],
  [7_200_000, "2h"],
  [5 * 86_400_000, "5d"],
  [-3000, "0s"],
])("%i ms ago is %s", (ms, shown) => {
  expect(times.age(NOW - ms, NOW)).toBe(shown);
});

test("in words", () => {
  expect(times.ago(NOW - 3 * 60_000, NOW)).toBe("3 min. ago");
  expect(times.ago("2026-11-21T12:00:00Z", NOW)).toBe("yesterday");
});

test("UTC for who hovers", () => {
  expect(times.utc("2026-11-22T14:30:05.250+02:00")).toBe("2026-11-22 12:30:05 UTC");
});

test("a day of the API stays that day in every time zone", () => {
  expect(times.day("2026-11-22")).toBe("Nov 22, 2026");
});

test("an input's local time comes back as the same moment", () => {
  expect(times.fromInput(times.toInput("2026-07-01T09:08:07Z"))).toBe("2026-07-01T09:08:07.000Z");
});
