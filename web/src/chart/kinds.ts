interface Parameter {
  name: string;
  fallback: number;
  min: number;
  max: number;
  /** Whether it may be a fraction. */
  fraction?: true;
}

type Unit = "price" | "plain" | "fraction" | "volume";
export type Style = "line" | "faint" | "bars";

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
export const KINDS = {
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
