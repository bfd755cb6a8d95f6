/** How times are shown: in the browser's language and time zone, in UTC where somebody looks closer. */

type Moment = string | number | Date;

const DATE_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

const UNITS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

export function dateTime(moment: Moment): string {
  return DATE_TIME.format(new Date(moment));
}

export function date(moment: Moment): string {
  return DATE.format(new Date(moment));
}

/** A day of the API, which is one of UTC: "2026-11-22". */
export function day(text: string): string {
  return DAY.format(new Date(`${text}T00:00:00Z`));
}

export function clock(moment: Moment): string {
  return CLOCK.format(new Date(moment));
}

/** For who hovers: 2026-11-22 12:00:00 UTC. */
export function utc(moment: Moment): string {
  return `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** How long ago: "3 min. ago". */
export function ago(moment: Moment, now: number): string {
  const seconds = Math.max(0, Math.round((now - new Date(moment).getTime()) / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["second", 1];
  return RELATIVE.format(-Math.floor(seconds / size), unit);
}

/** How old in few characters: 4s, 3m, 2h, 5d. */
export function age(moment: Moment, now: number): string {
  const seconds = Math.max(0, Math.floor((now - new Date(moment).getTime()) / 1000));
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["second", 1];
  return `${Math.floor(seconds / size)}${unit.charAt(0)}`;
}

/** What an `<input type="datetime-local">` holds for a moment, and back as RFC 3339 in UTC. */
export function toInput(moment: Moment): string {
  const local = new Date(moment);
  return new Date(local.getTime() - local.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

export function fromInput(text: string): string {
  return new Date(text).toISOString();
}
