import { Minus, MoveDown, MoveUp } from "lucide-react";
import * as numbers from "../format/numbers";
import * as times from "../format/times";
import { useNow } from "../format/useNow";
import css from "./figures.module.css";

type Value = number | string | null | undefined;

const SHOWN = { dateTime: times.dateTime, date: times.date, clock: times.clock } as const;
const DIRECTION = { "-1": "down", "0": "muted", "1": "up" } as const;

/** What is not known. */
export function Unknown() {
  return (
    <span className="muted">
      <span aria-hidden>–</span>
      <span className="visually-hidden">not known</span>
    </span>
  );
}

/** A market price. */
export function Price({ value, currency }: { value: Value; currency: string }) {
  if (value == null) return <Unknown />;
  return <span className="number">{numbers.price(value, currency)}</span>;
}

/** An amount of the user's, exact. */
export function Money({ value, currency }: { value: Value; currency: string }) {
  if (value == null) return <Unknown />;
  return (
    <span className="number" title={`${value} ${currency}`}>
      {numbers.money(value, currency)}
    </span>
  );
}

/** What was gained or lost: its sign, and the colour of it. */
export function Gain({ value, currency }: { value: Value; currency: string }) {
  if (value == null) return <Unknown />;
  return (
    <span className={`number ${DIRECTION[numbers.sign(value)]}`} title={`${value} ${currency}`}>
      {numbers.signedMoney(value, currency)}
    </span>
  );
}

/** A change in per cent: an arrow, the sign and a colour. */
export function Change({ value, arrow = true }: { value: Value; arrow?: boolean }) {
  if (value == null) return <Unknown />;
  const direction = numbers.sign(value);
  const Arrow = { "-1": MoveDown, "0": Minus, "1": MoveUp }[`${direction}`];
  return (
    <span className={`number ${css.change} ${DIRECTION[direction]}`}>
      {arrow && <Arrow size={12} strokeWidth={2.75} aria-hidden />}
      {numbers.percent(value)}
    </span>
  );
}

export function Quantity({ value, asset }: { value: Value; asset?: string }) {
  if (value == null) return <Unknown />;
  return (
    <span className="number">
      {numbers.quantity(value)}
      {asset && <span className="muted"> {asset}</span>}
    </span>
  );
}

/** A moment in local time, in UTC on hover. */
export function Time({ value, style = "dateTime" }: { value: string | number; style?: keyof typeof SHOWN }) {
  const moment = new Date(value);
  return (
    <time dateTime={moment.toISOString()} title={times.utc(value)} className="number">
      {SHOWN[style](value)}
    </time>
  );
}

/** How long ago, kept true. */
export function Ago({ value }: { value: string | number }) {
  const now = useNow(10_000);
  return (
    <time dateTime={new Date(value).toISOString()} title={times.utc(value)} className="number">
      {times.ago(value, now)}
    </time>
  );
}
