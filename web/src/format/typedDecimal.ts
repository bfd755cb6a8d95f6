/** What somebody typed as a number: its exact decimal string, or why it is none. */
export type Typed = { decimal: string } | { fault: string };

const FORM = /^(\d*)(?:\.(\d*))?$/;
const MOST_DIGITS = 18;
/** Spaces, also the narrow ones of some languages, and the apostrophe of Swiss figures. */
const SEPARATORS = /[\s\u00a0\u202f'’_]/g;

/**
 * Reads "0.5", "0,5", ".5", "1 234.5", "1,234.50" and "1.234,50". A single comma before three digits may stand for
 * thousands or for the point; a guess would be wrong by a factor of 1,000, so it is asked for.
 */
export function typedDecimal(typed: string): Typed {
  const text = typed.replace(SEPARATORS, "");
  if (/^[1-9]\d{0,2},\d{3}$/.test(text)) {
    const [whole = "", part = ""] = text.split(",");
    return { fault: `Write ${whole}${part} for thousands, or ${whole}.${part} for a fraction.` };
  }
  const found = FORM.exec(pointed(text));
  const [, whole = "", part = ""] = found ?? [];
  if (!found || whole + part === "") return { fault: "Enter a number, such as 0.25." };
  const digits = whole.replace(/^0+(?=\d)/, "") || "0";
  if (digits.length > MOST_DIGITS || part.length > MOST_DIGITS) {
    return { fault: "Enter at most 18 digits before and 18 after the point." };
  }
  return { decimal: part === "" ? digits : `${digits}.${part}` };
}

/** With a point as the decimal sign and nothing between thousands. */
function pointed(text: string): string {
  if (/^\d{1,3}(,\d{3})+\.\d*$/.test(text) || /^\d{1,3}(,\d{3}){2,}$/.test(text)) {
    return text.replaceAll(",", "");
  }
  if (/^\d{1,3}(\.\d{3})+,\d*$/.test(text) || /^\d{1,3}(\.\d{3}){2,}$/.test(text)) {
    return text.replaceAll(".", "").replace(",", ".");
  }
  return text.includes(".") ? text : text.replace(",", ".");
}
