import { describe, expect, it } from "vitest";
import { allocation } from "./allocation";

function holding(asset: string, allocation_pct: string | null) {
  return { asset, allocation_pct };
}

describe("allocation", () => {
  it("lays the parts side by side over the whole", () => {
    const slices = allocation([holding("BTC", "50"), holding("ETH", "30"), holding("SOL", "20")]);
    expect(slices.map(({ name, percent, series }) => [name, percent, series])).toEqual([
      ["BTC", "50", 1],
      ["ETH", "30", 2],
      ["SOL", "20", 3],
    ]);
    expect(slices[0]?.from).toBe(0);
    expect(slices[1]?.from).toBe(slices[0]?.to);
    expect(slices.at(-1)?.to).toBe(1);
  });

  it("leaves out what has no price or no value", () => {
    expect(allocation([holding("BTC", "100"), holding("DUST", "0"), holding("FOO", null)])).toHaveLength(1);
    expect(allocation([holding("FOO", null)])).toEqual([]);
  });

  it("puts together what there is no colour for, exactly", () => {
    const nine = Array.from({ length: 9 }, (_, at) => holding(`A${at}`, at === 0 ? "99.2" : "0.1"));
    const slices = allocation(nine);
    expect(slices).toHaveLength(8);
    expect(slices.at(-1)).toMatchObject({ name: "2 others", percent: "0.2", series: 8, to: 1 });
    expect(allocation(nine.slice(0, 8)).at(-1)?.name).toBe("A7");
  });

  it("covers the whole also where the shares are of a part of the list", () => {
    expect(allocation([holding("BTC", "30"), holding("ETH", "10")])[0]?.to).toBe(0.75);
  });
});
