import type { Schema } from "../api/client";

interface Parameter {
  name: string;
  fallback: number;
  min: number;
  max: number;
  /** Whether it may be a fraction. */
  fraction?: true;
}

type Unit = "price" | "plain" | "fraction" | "volume";
type Style = "line" | "faint" | "bars";

export interface Kind {
  label: string;
  name: string;
  explanation: string;
  /** Over the candles, or in a pane of its own below. */
  place: "over" | "below";
  unit: Unit;
  parameters: readonly Parameter[];
  /** The API's name of each line, undefined where there is only one, and how it is drawn. */
  lines: readonly (readonly [line: string | undefined, Style])[];
  /** Levels that traders look at. */
  levels?: readonly number[];
  /** More is worse: upside down. */
  inverted?: true;
}

function period(fallback: number, min: number): readonly Parameter[] {
  return [{ name: "Period", fallback, min, max: 500 }];
}

const ONE = [[undefined, "line"]] as const;

/** The API's indicators, by its names (docs/indicators.md). `vwap:n` is of n candles, `vwap` of a day. */
const KINDS = {
  sma: {
    label: "SMA",
    name: "Simple moving average",
    explanation: "The mean of the last closes.",
    place: "over",
    unit: "price",
    parameters: period(20, 1),
    lines: ONE,
  },
  ema: {
    label: "EMA",
    name: "Exponential moving average",
    explanation: "A mean of all closes that weighs the newest most.",
    place: "over",
    unit: "price",
    parameters: period(20, 1),
    lines: ONE,
  },
  wma: {
    label: "WMA",
    name: "Weighted moving average",
    explanation: "The mean of the last closes, each weighing one more than the one before.",
    place: "over",
    unit: "price",
    parameters: period(20, 1),
    lines: ONE,
  },
  bb: {
    label: "Bollinger",
    name: "Bollinger bands",
    explanation: "A moving average, and lines so many standard deviations above and below it.",
    place: "over",
    unit: "price",
    parameters: [
      { name: "Period", fallback: 20, min: 2, max: 500 },
      { name: "Deviations", fallback: 2, min: 0.1, max: 10, fraction: true },
    ],
    lines: [
      ["upper", "line"],
      ["middle", "faint"],
      ["lower", "line"],
    ],
  },
  vwap: {
    label: "VWAP day",
    name: "Volume-weighted average price of the day",
    explanation: "What was paid on average since 00:00 UTC.",
    place: "over",
    unit: "price",
    parameters: [],
    lines: ONE,
  },
  "vwap:n": {
    label: "VWAP",
    name: "Rolling volume-weighted average price",
    explanation: "What was paid on average over the last candles.",
    place: "over",
    unit: "price",
    parameters: period(20, 1),
    lines: ONE,
  },
  min: {
    label: "Lowest",
    name: "Lowest close",
    explanation: "The lowest of the last closes.",
    place: "over",
    unit: "price",
    parameters: period(20, 2),
    lines: ONE,
  },
  max: {
    label: "Highest",
    name: "Highest close",
    explanation: "The highest of the last closes.",
    place: "over",
    unit: "price",
    parameters: period(20, 2),
    lines: ONE,
  },
  rsi: {
    label: "RSI",
    name: "Relative strength index",
    explanation:
      "How much of the recent movement was upward, from 0 to 100. Above 70 many call it overbought.",
    place: "below",
    unit: "plain",
    parameters: period(14, 2),
    lines: ONE,
    levels: [30, 70],
  },
  macd: {
    label: "MACD",
    name: "Moving average convergence divergence",
    explanation: "A fast average less a slow one, its own average (signal), and what lies between them.",
    place: "below",
    unit: "price",
    parameters: [
      { name: "Fast", fallback: 12, min: 2, max: 500 },
      { name: "Slow", fallback: 26, min: 2, max: 500 },
      { name: "Signal", fallback: 9, min: 1, max: 500 },
    ],
    lines: [
      ["histogram", "bars"],
      ["macd", "line"],
      ["signal", "faint"],
    ],
  },
  stoch: {
    label: "Stochastic",
    name: "Stochastic oscillator",
    explanation: "Where the close lies between the recent low (0) and high (100), and the average of that.",
    place: "below",
    unit: "plain",
    parameters: [
      { name: "%K", fallback: 14, min: 1, max: 500 },
      { name: "Slowing", fallback: 3, min: 1, max: 500 },
      { name: "%D", fallback: 3, min: 1, max: 500 },
    ],
    lines: [
      ["k", "line"],
      ["d", "faint"],
    ],
    levels: [20, 80],
  },
  adx: {
    label: "ADX",
    name: "Average directional index",
    explanation: "How strong a trend is, up or down. Above 25 many speak of a trend.",
    place: "below",
    unit: "plain",
    parameters: period(14, 2),
    lines: ONE,
    levels: [25],
  },
  atr: {
    label: "ATR",
    name: "Average true range",
    explanation: "How far the price moves in a candle, on average.",
    place: "below",
    unit: "price",
    parameters: period(14, 1),
    lines: ONE,
  },
  obv: {
    label: "OBV",
    name: "On-balance volume",
    explanation:
      "Volume added up: of rising candles as plus, of falling ones as minus. It begins at the first candle shown.",
    place: "below",
    unit: "volume",
    parameters: [],
    lines: ONE,
  },
  returns: {
    label: "Returns",
    name: "Returns",
    explanation: "How much the close has changed since so many candles before.",
    place: "below",
    unit: "fraction",
    parameters: period(1, 1),
    lines: [[undefined, "bars"]],
  },
  drawdown: {
    label: "Drawdown",
    name: "Drawdown",
    explanation: "How far the close is below the highest one since the first candle shown.",
    place: "below",
    unit: "fraction",
    parameters: [],
    lines: ONE,
    inverted: true,
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;

/** An indicator of the API with its parameters; `name` is the API's: `macd:12:26:9`. */
export interface Indicator {
  name: string;
  kind: Kind;
  /** Its name with its parameters, to be read: "MACD 12 26 9". */
  label: string;
  parameters: readonly number[];
}

function isKindName(text: string): text is KindName {
  return Object.hasOwn(KINDS, text);
}

export const KIND_NAMES: readonly KindName[] = Object.keys(KINDS).filter(isKindName);

export function kindOf(name: KindName): Kind {
  return KINDS[name];
}

/** The indicator of that name, with the API's own parameters where none are given. */
export function indicator(kindName: KindName, parameters?: readonly number[]): Indicator {
  const kind = kindOf(kindName);
  const given = parameters ?? kind.parameters.map(({ fallback }) => fallback);
  return {
    name: [kindName === "vwap:n" ? "vwap" : kindName, ...given].join(":"),
    kind,
    label: [kind.label, ...given].join(" "),
    parameters: given,
  };
}

/** Reads an indicator's whole name; undefined where it is none, or its parameters are out of range. */
export function parsed(name: string): Indicator | undefined {
  const [head = "", ...texts] = name.split(":");
  const kindName = head === "vwap" && texts.length > 0 ? "vwap:n" : head;
  if (!isKindName(kindName) || texts.length !== kindOf(kindName).parameters.length) return undefined;
  const parameters = texts.map(Number);
  return fault(kindOf(kindName), parameters) ? undefined : indicator(kindName, parameters);
}

export function kindNameOf({ kind }: Indicator): KindName | undefined {
  return KIND_NAMES.find((name) => kindOf(name) === kind);
}

/** What is wrong with the parameters, to be read. */
export function fault(kind: Kind, parameters: readonly number[]): string | undefined {
  for (const [index, { name, min, max, fraction }] of kind.parameters.entries()) {
    const value = parameters[index];
    if (value === undefined || !(value >= min && value <= max) || !(fraction || Number.isInteger(value))) {
      return `${name}: ${fraction ? "a number" : "a whole number"} from ${min} to ${max}.`;
    }
  }
  const [fast = 0, slow = 0] = parameters;
  return kind === KINDS.macd && fast >= slow ? "Fast must be less than slow." : undefined;
}

/** The most at once, one colour each, and of those the most in panes of their own. */
export const MOST = 8;
export const MOST_BELOW = 3;

/** Its colour by its place among those chosen. */
export function seriesColour(index: number): string {
  return `var(--series-${(index % MOST) + 1})`;
}

export interface Line {
  line: string | undefined;
  style: Style;
  /** One for each time of the answer. */
  values: readonly (number | null)[];
}

/** An indicator's lines in an answer, in the order to draw them; none where the answer has it not (yet). */
export function linesOf(
  { name, kind }: Indicator,
  answer: Schema["Indicators"] | undefined,
): readonly Line[] {
  const series = answer?.series[name];
  return kind.lines.map(([line, style]) => {
    if (series === undefined) return { line, style, values: [] };
    if (Array.isArray(series)) return { line, style, values: line === undefined ? series : [] };
    return { line, style, values: (line !== undefined && series[line]) || [] };
  });
}
