import { sum } from "../format/decimal";

interface Allocated {
  asset: string;
  allocation_pct: string | null;
}

/** A part of the whole: where it lies from 0 to 1, for drawing, and its exact share. */
export interface Slice {
  name: string;
  percent: string;
  from: number;
  to: number;
  /** Of `--series-n`. */
  series: number;
}

/** As many as there are colours. */
const MOST = 8;

/** The largest assets by value, what is smaller together as others; without what has no price or is worth nothing. */
export function allocation(holdings: readonly Allocated[]): Slice[] {
  const parts = holdings.flatMap(({ asset, allocation_pct }) =>
    allocation_pct === null || Number(allocation_pct) === 0 ? [] : [{ name: asset, percent: allocation_pct }],
  );
  const shown = parts.length > MOST ? parts.slice(0, MOST - 1) : parts;
  const rest = parts.slice(shown.length);
  if (rest.length > 0) {
    shown.push({ name: `${rest.length} others`, percent: sum(rest.map(({ percent }) => percent)) });
  }
  const whole = shown.reduce((total, { percent }) => total + Number(percent), 0);
  let to = 0;
  return shown.map((part, index) => {
    const from = to;
    to = index === shown.length - 1 ? 1 : from + Number(part.percent) / whole;
    return { ...part, from, to, series: index + 1 };
  });
}

/** How many of them count in the value: what no market prices does not. */
export function countPriced(holdings: readonly { value: string | null }[]): number {
  return holdings.filter(({ value }) => value !== null).length;
}
