const FIRST = 2009;

/** The years that gains can be asked for, the newest first: from that of the first transaction to this one, UTC. */
export function yearsSince(firstDay: string | undefined, now = Date.now()): number[] {
  const last = new Date(now).getUTCFullYear();
  const first = firstDay === undefined ? last : Number(firstDay.slice(0, 4));
  return Array.from({ length: last - first + 1 }, (_, back) => last - back);
}

/** The year that an address names; undefined where it names none. */
export function yearOf(text: string | null, now = Date.now()): number | undefined {
  if (text === null || !/^\d{4}$/.test(text)) return undefined;
  const year = Number(text);
  return year >= FIRST && year <= new Date(now).getUTCFullYear() ? year : undefined;
}
