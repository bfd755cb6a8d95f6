import { defaultHorzScaleBehavior, TickMarkType, type Time, type UTCTimestamp } from "lightweight-charts";
import { dateTime, day } from "../format/times";
import type { Interval } from "./bars";

/** Unix ms as the library counts; `UTCTimestamp` is its name for a number of seconds. */
export function seconds(ms: number): UTCTimestamp {
  return (ms / 1000) as UTCTimestamp;
}

export function milliseconds(time: unknown): number | undefined {
  return typeof time === "number" ? time * 1000 : undefined;
}

const UtcScale = defaultHorzScaleBehavior();

/** A time axis whose days, months and hours begin where they do in the browser's time zone; the library knows only UTC. */
export class LocalScale extends UtcScale {
  override fillWeightsForPoints(
    points: Parameters<InstanceType<typeof UtcScale>["fillWeightsForPoints"]>[0],
    startIndex: number,
  ): void {
    const from = Math.max(startIndex - 1, 0);
    const shown = points.slice(from).map((point) => ({
      ...point,
      time: this.convertHorzItemToInternal(wallClock(point.originalTime)),
    }));
    super.fillWeightsForPoints(shown, startIndex - from);
    for (const [index, { timeWeight }] of shown.entries()) {
      const point = points[from + index];
      if (point) point.timeWeight = timeWeight;
    }
  }
}

/** The time of UTC at which clocks there show what they show here now. */
function wallClock(time: unknown): UTCTimestamp {
  const ms = milliseconds(time) ?? 0;
  return seconds(ms - new Date(ms).getTimezoneOffset() * 60_000);
}

/** Days are of UTC, as the API has them; all shorter candles have local times. */
export function timeScale(interval: Interval): InstanceType<typeof UtcScale> {
  return interval === "1d" ? new UtcScale() : new LocalScale();
}

const MARKS: Record<TickMarkType, Intl.DateTimeFormatOptions> = {
  [TickMarkType.Year]: { year: "numeric" },
  [TickMarkType.Month]: { month: "short" },
  [TickMarkType.DayOfMonth]: { day: "numeric" },
  [TickMarkType.Time]: { hour: "numeric", minute: "2-digit" },
  [TickMarkType.TimeWithSeconds]: { hour: "numeric", minute: "2-digit", second: "2-digit" },
};

/** What stands below the axis. */
export function markFormatter(interval: Interval): (time: Time, type: TickMarkType) => string {
  const zone = interval === "1d" ? { timeZone: "UTC" } : {};
  const formats = new Map<TickMarkType, Intl.DateTimeFormat>();
  return (time, type) => {
    const format = formats.get(type) ?? new Intl.DateTimeFormat(undefined, { ...MARKS[type], ...zone });
    formats.set(type, format);
    return format.format(milliseconds(time));
  };
}

/** A candle's start, as it is told beside its values. */
export function startOf(ms: number, interval: Interval): string {
  return interval === "1d" ? day(new Date(ms).toISOString().slice(0, 10)) : dateTime(ms);
}
