/** How numbers are shown, in the browser's language. Decimal strings stay exact: Intl reads them digit by digit. */

type Decimal = number | string;

const FIAT = new Set(["USD", "EUR", "GBP"]);
export function isFiat(currency: string): boolean {
  return FIAT.has(currency);
}

const formats = new Map<string, Intl.NumberFormat>();

function format(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = JSON.stringify(options);
  let kept = formats.get(key);
  if (!kept) {
    kept = new Intl.NumberFormat(undefined, options);
    formats.set(key, kept);
  }
  return kept;
}

function show(value: Decimal, options: Intl.NumberFormatOptions): string {
  return format(options).format(value as Intl.StringNumericLiteral);
}

/** The digits of a market price: two for what costs more than 10, more below. */
export function priceDigits(value: Decimal): number {
  const size = Math.abs(Number(value));
  return size >= 10 || size === 0 ? 2 : size >= 1 ? 4 : size >= 0.01 ? 5 : 8;
}

/** A market price: always as many digits as its size asks for, so that it keeps its width as it moves. */
export function price(value: Decimal, currency: string): string {
  const digits = priceDigits(value);
  const shown: Intl.NumberFormatOptions = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (!FIAT.has(currency)) return `${show(value, shown)} ${currency}`;
  return show(value, { ...shown, style: "currency", currency, currencyDisplay: "narrowSymbol" });
}

/** An amount: cents of a currency, eight digits at most of a coin. */
export function money(value: Decimal, currency: string, digits = FIAT.has(currency) ? 2 : 8): string {
  if (FIAT.has(currency)) {
    return show(value, {
      style: "currency",
      currency,
      currencyDisplay: "narrowSymbol",
      minimumFractionDigits: Math.min(digits, 2),
      maximumFractionDigits: digits,
    });
  }
  return `${show(value, { maximumFractionDigits: digits })} ${currency}`;
}

/** An amount with its sign: what was gained or lost. */
export function signedMoney(value: Decimal, currency: string, digits = FIAT.has(currency) ? 2 : 8): string {
  if (FIAT.has(currency)) {
    return show(value, {
      style: "currency",
      currency,
      currencyDisplay: "narrowSymbol",
      maximumFractionDigits: digits,
      signDisplay: "exceptZero",
    });
  }
  return `${show(value, { maximumFractionDigits: digits, signDisplay: "exceptZero" })} ${currency}`;
}

/** An amount in few characters: 12.4M. */
export function compactMoney(value: Decimal, currency: string): string {
  if (FIAT.has(currency)) {
    return show(value, {
      style: "currency",
      currency,
      currencyDisplay: "narrowSymbol",
      notation: "compact",
      maximumFractionDigits: 1,
    });
  }
  return `${show(value, { notation: "compact", maximumFractionDigits: 1 })} ${currency}`;
}

/** How much of a coin there is: all of its digits. */
export function quantity(value: Decimal): string {
  return show(value, { maximumFractionDigits: 18 });
}

/** What came in or went out of a coin: all of its digits, with the sign. */
export function signedQuantity(value: Decimal): string {
  return show(value, { maximumFractionDigits: 18, signDisplay: "exceptZero" });
}

export function compact(value: Decimal): string {
  return show(value, { notation: "compact", maximumFractionDigits: 1 });
}

/** A figure without a unit, as of an indicator. */
export function plain(value: Decimal, digits = 2): string {
  return show(value, { maximumFractionDigits: digits });
}

/** Always as many digits: figures below each other. */
export function fixed(value: Decimal, digits = 2): string {
  return show(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The same with a sign: a score or a correlation, from -1 to 1. */
export function signed(value: Decimal, digits = 2): string {
  return show(value, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: "exceptZero",
  });
}

/** `1.5` (per cent) as `+1.50 %`. */
export function percent(value: Decimal, digits = 2): string {
  return percentOf(value, digits, "exceptZero");
}

/** `1.5` (per cent) as `1.50 %`: a share, not a change. */
export function share(value: Decimal, digits = 1): string {
  return percentOf(value, digits, "auto");
}

/** `0.015` (a fraction) as `+1.50 %`. */
export function fraction(value: Decimal, digits = 2): string {
  return show(value, {
    style: "percent",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay: "exceptZero",
  });
}

/** `0.65` (a fraction) as `65.0 %`. */
export function unsignedFraction(value: Decimal, digits = 1): string {
  return show(value, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function percentOf(value: Decimal, digits: number, signDisplay: "exceptZero" | "auto"): string {
  return show(value, {
    style: "unit",
    unit: "percent",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    signDisplay,
  });
}

/** -1, 0 or 1, of the exact value. */
export function sign(value: Decimal): -1 | 0 | 1 {
  const text = String(value).trim();
  if (!/[1-9]/.test(text.replace(/e.*$/i, ""))) return 0;
  return text.startsWith("-") ? -1 : 1;
}
