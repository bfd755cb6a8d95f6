import type { Schema } from "../api/client";
import { KINDS, type Kind, type KindName, type Style } from "./kinds";

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
