import { describe, expect, it } from "vitest";
import { difference, percentage, product, sum } from "./decimal";

describe("decimal strings", () => {
  it("are multiplied without loss", () => {
    expect(product("0.1", "0.2")).toBe("0.02");
    expect(product("123456789012345678.123456789012345678", "3")).toBe(
      "370370367037037034.370370367037037034",
    );
    expect(product("0.000000000000000001", "0.000000000000000001")).toBe(
      "0.000000000000000000000000000000000001",
    );
    expect(product("-2.50", "4")).toBe("-10");
    expect(product("1200", "0")).toBe("0");
  });

  it("take what a number is written as", () => {
    expect(product("2", String(1e-7))).toBe("0.0000002");
    expect(product("2", String(1.5e21))).toBe("3000000000000000000000");
  });

  it("are added and subtracted without loss", () => {
    expect(sum(["0.1", "0.2", "-0.30"])).toBe("0");
    expect(sum([])).toBe("0");
    expect(sum(["999999999999999999", "0.000000000000000001"])).toBe("999999999999999999.000000000000000001");
    expect(difference("0.3", "0.1")).toBe("0.2");
    expect(difference("1", "1.05")).toBe("-0.05");
  });

  it("tell a part in per cent", () => {
    expect(percentage("1", "3")).toBe("33.333333");
    expect(percentage("-25.5", "100")).toBe("-25.5");
    expect(percentage("5", "0.00")).toBeNull();
  });

  it("refuse what is no number", () => {
    expect(() => product("1,5", "2")).toThrow(RangeError);
    expect(() => sum([""])).toThrow(RangeError);
  });
});
