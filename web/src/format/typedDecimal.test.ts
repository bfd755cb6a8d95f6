import { describe, expect, it } from "vitest";
import { typedDecimal } from "./typedDecimal";

describe("typedDecimal", () => {
  it.each([
    ["0.5", "0.5"],
    ["0,5", "0.5"],
    ["1,25", "1.25"],
    ["0,125", "0.125"],
    ["1,1250", "1.1250"],
    [".5", "0.5"],
    [",5", "0.5"],
    ["5.", "5"],
    ["007", "7"],
    ["000", "0"],
    [" 1 234.5 ", "1234.5"],
    ["12\u202f345,6", "12345.6"],
    ["1’234.5", "1234.5"],
    ["1,234.50", "1234.50"],
    ["1.234,50", "1234.50"],
    ["1,234,567", "1234567"],
    ["1.234.567", "1234567"],
    ["60.000", "60.000"],
    ["999999999999999999.999999999999999999", "999999999999999999.999999999999999999"],
  ])("takes %j for %s", (typed, decimal) => {
    expect(typedDecimal(typed)).toEqual({ decimal });
  });

  it("asks what a comma before three digits means", () => {
    expect(typedDecimal("60,000")).toEqual({ fault: "Write 60000 for thousands, or 60.000 for a fraction." });
  });

  it.each(["", ".", "abc", "-1", "+1", "1e5", "1,2,3", "1.2.3", "1,23.4", "٣"])("refuses %j", (typed) => {
    expect(typedDecimal(typed)).toHaveProperty("fault");
  });

  it.each(["1234567890123456789", "0.1234567890123456789"])("refuses the digits of %s", (typed) => {
    expect(typedDecimal(typed)).toEqual({ fault: "Enter at most 18 digits before and 18 after the point." });
  });
});
