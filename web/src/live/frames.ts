import type { components } from "../api/schema";

export type Article = components["schemas"]["NewsArticle"];
export type FiredAlert = components["schemas"]["FiredView"];

/** A last price; `time` is RFC 3339. */
export interface Tick {
  symbol: string;
  venue: string;
  price: number;
  time: string;
}

/** `time` is its start (Unix ms); `complete`: no trade of it is known to be missing. */
export interface Candle {
  symbol: string;
  venue: string;
  interval: string;
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  closed: boolean;
  complete: boolean;
}

/** What a portfolio is worth, in its own currency: decimal strings. */
export interface Worth {
  id: string;
  time: string;
  value: string;
  cost_basis: string;
  unrealized: string;
}

/** The values of a channel that a frame tells. */
export type Values =
  | { channel: "ticks"; values: Tick[] }
  | { channel: "candles"; values: Candle[] }
  | { channel: "news"; values: Article[] }
  | { channel: "alerts"; values: FiredAlert[] }
  | { channel: "portfolio"; values: Worth[] };

export type Channel = Values["channel"];

export type ServerFrame =
  | { type: "values"; seq: number; told: Values }
  | { type: "snapshot"; told: Values }
  | { type: "subscribed" | "unsubscribed" | "resynced"; id: number }
  | { type: "pong"; id: number; time: number }
  | { type: "error"; id: number; code: string; message: string; symbols: string[] }
  | { type: "bye"; reason: string };

export type ClientFrame =
  | { action: "subscribe"; channel: "ticks"; symbols: string[]; venue?: string; interval_ms: number }
  | {
      action: "subscribe";
      channel: "candles";
      symbols: string[];
      interval: string;
      venue?: string;
      since?: number;
    }
  | { action: "subscribe"; channel: "news"; assets?: readonly string[]; since?: number }
  | { action: "subscribe"; channel: "alerts"; since?: number }
  | { action: "subscribe"; channel: "portfolio"; portfolio_id: string }
  | { action: "unsubscribe"; channel: "ticks" | "candles"; symbols: string[] }
  | { action: "unsubscribe"; channel: "news" | "alerts" }
  | { action: "unsubscribe"; channel: "portfolio"; portfolio_id: string }
  | { action: "resync" }
  | { action: "ping" };

/** A server's frame; undefined where it is none that is known (rule 5). Values that cannot be read are left out. */
export function read(text: string): ServerFrame | undefined {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(frame)) return undefined;
  const { type, id, seq } = frame;
  if (type === "snapshot") {
    const told = values(frame.channel, frame);
    return told && { type, told };
  }
  if (isNumber(seq)) {
    const told = values(type, frame);
    return told && { type: "values", seq, told };
  }
  if (type === "bye") return { type, reason: isString(frame.reason) ? frame.reason : "" };
  if (!isNumber(id)) return undefined; // no answer to us: we number what we ask
  switch (type) {
    case "subscribed":
    case "unsubscribed":
    case "resynced":
      return { type, id };
    case "pong":
      return isString(frame.time) ? { type, id, time: Date.parse(frame.time) } : undefined;
    case "error": {
      const { code, message } = frame;
      if (!isString(code) || !isString(message)) return undefined;
      return { type, id, code, message, symbols: list(frame.symbols, isString) };
    }
    default:
      return undefined;
  }
}

function values(channel: unknown, frame: Record<string, unknown>): Values | undefined {
  switch (channel) {
    case "ticks":
      return { channel, values: list(frame.ticks, isTick) };
    case "candles":
      return { channel, values: list(frame.candles, isCandle) };
    case "news":
      return { channel, values: list(frame.articles, isArticle) };
    case "alerts":
      return { channel, values: list(frame.alerts, isFiredAlert) };
    case "portfolio":
      return { channel, values: list(frame.portfolios, isWorth) };
    default:
      return undefined;
  }
}

// --- guards ---

type Guard<T> = (value: unknown) => value is T;

const isString = (value: unknown): value is string => typeof value === "string";
const isNumber = (value: unknown): value is number => typeof value === "number";
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
const isStrings = (value: unknown): value is string[] => Array.isArray(value) && value.every(isString);

function oneOf<T extends string>(...choices: T[]): Guard<T> {
  return (value): value is T => choices.some((choice) => choice === value);
}

/** Checks the fields named; others are passed over. */
function shape<T>(fields: { [Name in keyof T]: Guard<T[Name]> }): Guard<T> {
  const checks: [string, Guard<unknown>][] = Object.entries(fields);
  return (value): value is T => isRecord(value) && checks.every(([name, check]) => check(value[name]));
}

function list<T>(value: unknown, check: Guard<T>): T[] {
  return Array.isArray(value) ? value.filter(check) : [];
}

const isTick = shape<Tick>({ symbol: isString, venue: isString, price: isNumber, time: isString });

const isCandle = shape<Candle>({
  symbol: isString,
  venue: isString,
  interval: isString,
  time: isNumber,
  open: isNumber,
  high: isNumber,
  low: isNumber,
  close: isNumber,
  volume: isNumber,
  closed: isBoolean,
  complete: isBoolean,
});

const isWorth = shape<Worth>({
  id: isString,
  time: isString,
  value: isString,
  cost_basis: isString,
  unrealized: isString,
});

const isArticle = shape<Article>({
  id: isString,
  title: isString,
  source: isString,
  url: isString,
  published_at: isString,
  assets: isStrings,
  sentiment: shape<Article["sentiment"]>({
    score: isNumber,
    label: oneOf("negative", "neutral", "positive"),
  }),
});

const isFiredAlert = shape<FiredAlert>({
  id: isString,
  alert_id: isString,
  symbol: isString,
  venue: isString,
  condition: oneOf("above", "below", "change_pct"),
  threshold: isString,
  price: isString,
  time: isString,
  webhook: oneOf("delivered", "failed", "none", "pending"),
});
