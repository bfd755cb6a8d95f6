/** Exact arithmetic of decimal strings, of any number of digits. */

interface Exact {
  digits: bigint;
  /** Digits after the point. */
  scale: number;
}

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/i;

/** Also what `String(number)` writes: "1e-7". */
function parse(text: string): Exact {
  const found = DECIMAL.exec(text);
  if (!found) throw new RangeError(`no decimal number: ${text}`);
  const [, minus = "", whole = "", part = "", exponent = "0"] = found;
  const scale = part.length - Number(exponent);
  const digits = BigInt(minus + whole + part);
  return scale < 0 ? { digits: digits * 10n ** BigInt(-scale), scale: 0 } : { digits, scale };
}

function written({ digits, scale }: Exact): string {
  const all = String(digits < 0n ? -digits : digits).padStart(scale + 1, "0");
  const point = all.length - scale;
  const part = all.slice(point).replace(/0+$/, "");
  return `${digits < 0n ? "-" : ""}${all.slice(0, point)}${part && `.${part}`}`;
}

function aligned(exact: Exact, scale: number): bigint {
  return exact.digits * 10n ** BigInt(scale - exact.scale);
}

export function sum(terms: readonly string[]): string {
  const exact = terms.map(parse);
  const scale = Math.max(0, ...exact.map((term) => term.scale));
  return written({ digits: exact.reduce((total, term) => total + aligned(term, scale), 0n), scale });
}

export function difference(from: string, less: string): string {
  const [a, b] = [parse(from), parse(less)];
  const scale = Math.max(a.scale, b.scale);
  return written({ digits: aligned(a, scale) - aligned(b, scale), scale });
}

export function product(one: string, other: string): string {
  const [a, b] = [parse(one), parse(other)];
  return written({ digits: a.digits * b.digits, scale: a.scale + b.scale });
}

/** The part in per cent of the whole, to six places, cut off; null of nothing. */
export function percentage(part: string, whole: string): string | null {
  const [a, b] = [parse(part), parse(whole)];
  if (b.digits === 0n) return null;
  const scale = Math.max(a.scale, b.scale);
  return written({ digits: (aligned(a, scale) * 100_000_000n) / aligned(b, scale), scale: 6 });
}
