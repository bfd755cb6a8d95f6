import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LocalScale, markFormatter, seconds, startOf } from "./time";

const HOUR = 3_600_000;
const DAY_WEIGHT = 50; // the library's: a day begins at this point

describe("a time axis in New York", () => {
  const zone = process.env.TZ;
  beforeAll(() => {
    process.env.TZ = "America/New_York";
  });
  afterAll(() => {
    process.env.TZ = zone;
  });

  function daysBegin(first: string, hours: number, from = 0): string[] {
    const scale = new LocalScale();
    const starts = Array.from({ length: hours }, (_, hour) => Date.parse(first) + hour * HOUR);
    type Points = Parameters<typeof scale.fillWeightsForPoints>[0];
    const points = starts.map((start): Points[number] =>
      Object.assign(Object.create(null), {
        time: scale.convertHorzItemToInternal(seconds(start)),
        originalTime: seconds(start),
        timeWeight: 0,
      }),
    );
    scale.fillWeightsForPoints(points, from);
    return starts
      .filter((_, index) => (points[index]?.timeWeight ?? 0) >= DAY_WEIGHT)
      .map((start) => new Date(start).toISOString());
  }

  it("begins days at local midnight", () => {
    expect(daysBegin("2026-07-10T22:00:00Z", 30)).toEqual(["2026-07-11T04:00:00.000Z"]);
  });
  it("does so too when summer time ends, and for what comes later", () => {
    const begin = ["2026-11-01T04:00:00.000Z", "2026-11-02T05:00:00.000Z"];
    expect(daysBegin("2026-10-31T22:00:00Z", 36)).toEqual(begin);
    expect(daysBegin("2026-10-31T22:00:00Z", 36, 20)).toEqual(begin.slice(1));
  });
  it("marks local days, but where a candle is a day the days of UTC", () => {
    const moment = Date.parse("2026-07-11T00:00:00Z");
    expect(startOf(moment, "1d")).toContain("11");
    expect(markFormatter("1h")(seconds(moment), 2)).toBe("10");
    expect(markFormatter("1d")(seconds(moment), 2)).toBe("11");
  });
});
