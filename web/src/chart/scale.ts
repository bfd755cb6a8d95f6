import { compact, fraction, plain, priceDigits } from "../format/numbers";
import type { Kind } from "./kinds";

export function decimals(digits: number): (value: number) => string {
  const format = new Intl.NumberFormat(undefined, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return (value) => format.format(value);
}

/** Of an axis: no digits where they are all zero. */
export function axisDecimals(digits: number): (values: readonly number[]) => string[] {
  return (values) => values.map(decimals(values.every(Number.isInteger) ? 0 : digits));
}

/** An indicator's value as it is read: a price has as many digits as the market's. */
export function indicatorValue({ unit, inverted }: Kind, value: number, close: number): string {
  if (unit === "price") return decimals(priceDigits(close))(value);
  if (unit === "volume") return compact(value);
  if (unit === "fraction") return fraction(inverted ? -value : value);
  return plain(value, 1);
}
