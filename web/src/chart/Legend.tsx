import { useSyncExternalStore } from "react";
import type { Schema } from "../api/client";
import { compact, percent, priceDigits } from "../format/numbers";
import { Badge } from "../ui/Badge";
import type { Bar, Interval } from "./bars";
import { type Indicator, linesOf, seriesColour } from "./indicators";
import css from "./Legend.module.css";
import type { Pointer } from "./Pointer";
import { decimals, indicatorValue } from "./scale";
import { startOf } from "./time";

interface Props {
  pointer: Pointer;
  bars: readonly Bar[];
  interval: Interval;
  chosen: readonly Indicator[];
  answer: Schema["Indicators"] | undefined;
}

/** The values of the candle under the pointer, or of the newest one; read out by the table, so hidden from readers here. */
export function Legend({ pointer, bars, interval, chosen, answer }: Props) {
  const pointed = useSyncExternalStore(pointer.subscribe, pointer.time);
  const bar = bars.findLast(({ time }) => time === pointed) ?? bars.at(-1);
  if (!bar) return null;
  const show = decimals(priceDigits(bar.close));
  const tone = bar.close < bar.open ? "down" : "up";
  const prices = [
    ["O", bar.open],
    ["H", bar.high],
    ["L", bar.low],
    ["C", bar.close],
  ] as const;
  const row = rowOf(answer?.time ?? [], bar.time);
  return (
    <div className={css.legend} aria-hidden>
      <p className={css.candle}>
        <span className={css.time}>{startOf(bar.time, interval)}</span>
        <span className={css.prices}>
          {prices.map(([name, value]) => (
            <span key={name}>
              <span className={css.name}>{name}</span> <span className={`number ${tone}`}>{show(value)}</span>
            </span>
          ))}
        </span>
        <span>
          <span className={css.name}>V</span> <span className="number">{compact(bar.volume)}</span>
        </span>
        <span className={`number ${tone}`}>{percent((bar.close / bar.open - 1) * 100)}</span>
        {!bar.complete && <Badge tone="warning">Trades missing</Badge>}
      </p>
      {chosen.length > 0 && (
        <ul className={css.indicators}>
          {chosen.map((indicator, index) => (
            <li key={indicator.name}>
              <span className={css.swatch} style={{ borderColor: seriesColour(index) }} />
              {indicator.label}
              {linesOf(indicator, answer).map(({ line, values }) => (
                <span key={line ?? ""}>
                  {line && <span className={css.name}>{line} </span>}
                  <span className={`number ${css.value}`}>{shown(indicator, values[row], bar.close)}</span>
                </span>
              ))}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The open candle has no values: those of the last closed one stand for it. */
function rowOf(times: readonly number[], time: number): number {
  const last = times.at(-1);
  return last !== undefined && time > last ? times.length - 1 : times.lastIndexOf(time);
}

function shown({ kind }: Indicator, value: number | null | undefined, close: number): string {
  return value == null ? "–" : indicatorValue(kind, value, close);
}
