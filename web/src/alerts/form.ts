import type { Schema } from "../api/client";
import { typedDecimal } from "../format/typedDecimal";
import { text } from "../ui/forms";

export type NewAlert = Schema["NewAlert"];
export type AlertChange = Schema["AlertChange"];
export type Condition = NewAlert["condition"];

/** What a form holds, or what is wrong with its threshold. */
export type Asked<T> = { asked: T } | { fault: string };

/** What the form of a new alert asks for; the direction of a change is its sign. */
export function newAlert(form: FormData, condition: Condition): Asked<NewAlert> {
  const isChange = condition === "change_pct";
  return withThreshold(form, isChange, (threshold) => ({
    symbol: text(form, "symbol").toUpperCase(),
    venue: text(form, "venue") || null,
    condition,
    threshold,
    window: isChange ? text(form, "window") : null,
    repeat: form.has("repeat"),
    webhook_url: text(form, "webhook_url") || null,
    note: text(form, "note") || null,
  }));
}

/** What the form of an alert that is there changes. */
export function alertChange(form: FormData, condition: Condition): Asked<AlertChange> {
  const isChange = condition === "change_pct";
  return withThreshold(form, isChange, (threshold) => ({
    threshold,
    ...(isChange && { window: text(form, "window") }),
    repeat: form.has("repeat"),
    webhook_url: text(form, "webhook_url") || null,
    note: text(form, "note") || null,
  }));
}

function withThreshold<T>(form: FormData, isChange: boolean, make: (threshold: string) => T): Asked<T> {
  const typed = typedDecimal(text(form, "threshold"));
  if ("fault" in typed) return typed;
  const falls = isChange && text(form, "direction") === "down";
  return { asked: make(falls ? `-${typed.decimal}` : typed.decimal) };
}
