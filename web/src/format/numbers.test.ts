import { describe, expect, test } from "vitest";
import * as numbers from "./numbers";

describe("decimal strings stay exact", () => {
  test("beyond what a float holds", () => {
    expect(numbers.money("123456789012345678.99", "USD")).toBe("$123,456,789,012,345,678.99");
    expect(numbers.quantity("0.123456789012345678")).toBe("0.123456789012345678");
    expect(numbers.money("999999999999999999.12345678", "BTC")).toBe("999,999,999,999,999,999.12345678 BTC");
  });

  test("signs are of the exact value", () => {
    expect(numbers.sign("-0.000000000000000001")).toBe(-1);
    expect(numbers.sign("0.000000000000000001")).toBe(1);
    expect(numbers.sign("-0.000")).toBe(0);
    expect(numbers.sign(-1e-9)).toBe(-1);
    expect(numbers.sign(0)).toBe(0);
  });
});

test.each([
  [65_302.5, "$65,302.50"],
  [2.5, "$2.5000"],
  [1.63856, "$1.6386"],
  [0.23237, "$0.23237"],
  [0.00001234, "$0.00001234"],
  [0, "$0.00"],
])("a price of %s is %s", (value, shown) => {
  expect(numbers.price(value, "USD")).toBe(shown);
});

test("a price in a coin has its code", () => {
  expect(numbers.price(0.03125, "BTC")).toBe("0.03125 BTC");
});

test("gains have a sign, nothing has none", () => {
  expect(numbers.signedMoney("12.5", "USD")).toBe("+$12.50");
  expect(numbers.signedMoney("-12.5", "EUR")).toBe("-€12.50");
  expect(numbers.signedMoney("0", "USD")).toBe("$0.00");
  expect(numbers.signedMoney("-0.5", "BTC")).toBe("-0.5 BTC");
});

test("per cent and fractions", () => {
  expect(numbers.percent(-1.6964)).toBe("-1.70%");
  expect(numbers.percent("1.5")).toBe("+1.50%");
  expect(numbers.share("33.333")).toBe("33.3%");
  expect(numbers.fraction("0.015")).toBe("+1.50%");
  expect(numbers.unsignedFraction(0.65)).toBe("65.0%");
});

test("scores have a sign and always as many digits", () => {
  expect(numbers.signed(0.4)).toBe("+0.40");
  expect(numbers.signed(-0.374)).toBe("-0.37");
  expect(numbers.signed(-0.001)).toBe("0.00");
  expect(numbers.fixed(0.7)).toBe("0.70");
});

test("few characters", () => {
  expect(numbers.compactMoney(12_400_000, "USD")).toBe("$12.4M");
  expect(numbers.compact(2649.33)).toBe("2.6K");
});
