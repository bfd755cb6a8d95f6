import type { Schema } from "../api/client";
import { text } from "../ui/forms";

export type NewAlert = Schema["NewAlert"];
export type Condition = NewAlert["condition"];

/** A price or per cent as it was typed, as the API takes it: "70,000" and "2,5" are for who reads to decide, so a comma is a point. */
export function decimal(typed: string): string {
  return typed.replace(/\s/g, "").replace(",", ".").replace(/^\+/, "");
}

/** What the form asks for; the direction of a change is its sign. */
export function newAlert(form: FormData, condition: Condition): NewAlert {
  const isChange = condition === "change_pct";
  const size = decimal(text(form, "threshold"));
  return {
    symbol: text(form, "symbol").toUpperCase(),
    venue: text(form, "venue") || null,
    condition,
    threshold: isChange && text(form, "direction") === "down" ? `-${size.replace(/^-/, "")}` : size,
    window: isChange ? text(form, "window") : null,
    repeat: form.has("repeat"),
    webhook_url: text(form, "webhook_url") || null,
    note: text(form, "note") || null,
  };
}
