import { describe, expect, it } from "vitest";
import { gainBars } from "./gainBars";

function gained(asset: string, gain: string, contribution: string | null = "0.01") {
  return { asset, gain, contribution };
}

describe("bars of gains", () => {
  it("go from the best to the worst, by the largest of either sign", () => {
    const bars = gainBars([
      gained("ETH", "50"),
      gained("BTC", "-200"),
      gained("SOL", "100"),
      gained("FOO", "0"),
    ]);
    expect(bars.map(({ name, size }) => [name, size])).toEqual([
      ["SOL", 0.5],
      ["ETH", 0.25],
      ["BTC", -1],
    ]);
  });

  it("put together what moved least, exactly", () => {
    const many = Array.from({ length: 10 }, (_, at) => gained(`A${at}`, at < 7 ? `${100 + at}` : "0.1"));
    const bars = gainBars(many);
    expect(bars).toHaveLength(8);
    expect(bars[0]?.name).toBe("A6");
    expect(bars.at(-1)).toMatchObject({ name: "3 others", gain: "0.3", contribution: "0.03" });
  });

  it("know no contribution of the others where one's is not known", () => {
    const many = Array.from({ length: 9 }, (_, at) =>
      gained(`A${at}`, `${100 - at}`, at < 8 ? "0.01" : null),
    );
    expect(gainBars(many).at(-1)).toMatchObject({ name: "2 others", contribution: null });
  });

  it("are none where nothing moved", () => {
    expect(gainBars([gained("BTC", "0")])).toEqual([]);
  });
});
