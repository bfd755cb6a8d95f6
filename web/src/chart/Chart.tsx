import { ChevronsRight, ZoomIn, ZoomOut } from "lucide-react";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import type { Schema } from "../api/client";
import { compact, price, priceDigits } from "../format/numbers";
import { IconButton } from "../ui/Button";
import { AsTable } from "./AsTable";
import { type Bar, type Charted, intervalName } from "./bars";
import { CandleChart, HEIGHTS } from "./CandleChart";
import css from "./Chart.module.css";
import type { Indicator } from "./indicators";
import { Legend } from "./Legend";
import { Pointer } from "./Pointer";
import { decimals } from "./scale";
import { onPalette } from "./theme";
import { startOf } from "./time";

interface Props {
  charted: Charted;
  bars: readonly Bar[];
  chosen: readonly Indicator[];
  answer: Schema["Indicators"] | undefined;
  /** The oldest bars are in sight: older ones are wanted. */
  onOldest: () => void;
}

const ROWS = 30;
const ZOOM = 1.5;

/** Candles, volume and indicators. Another series or interval needs another `key`. */
export function Chart({ charted: { symbol, interval }, bars, chosen, answer, onOldest }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const chart = useRef<CandleChart>(null);
  const [pointer] = useState(() => new Pointer());
  const askOlder = useEffectEvent(onOldest);
  useEffect(() => {
    if (!frame.current) return;
    const made = new CandleChart(frame.current, interval, {
      onPoint: (time) => pointer.point(time),
      onOldest: () => askOlder(),
    });
    chart.current = made;
    const stop = onPalette(() => made.paint());
    return () => {
      stop();
      made.remove();
      chart.current = null;
    };
  }, [interval, pointer]);
  useEffect(() => chart.current?.show(bars), [bars]);
  useEffect(() => chart.current?.indicate(chosen, answer), [chosen, answer]);

  const last = bars.at(-1);
  const below = chosen.filter(({ kind }) => kind.place === "below").length;
  const told = last ? `, last close ${price(last.close, symbol.split("-")[1] ?? "")}` : "";
  return (
    <figure aria-label={`${symbol}, candles of ${intervalName(interval)}${told}`}>
      <Legend pointer={pointer} bars={bars} interval={interval} chosen={chosen} answer={answer} />
      <div ref={frame} style={{ height: chartHeight(below) }} aria-hidden />
      <div className={css.below}>
        <div className={css.tools}>
          <IconButton label="Zoom in" onClick={() => chart.current?.zoom(1 / ZOOM)}>
            <ZoomIn size={16} aria-hidden />
          </IconButton>
          <IconButton label="Zoom out" onClick={() => chart.current?.zoom(ZOOM)}>
            <ZoomOut size={16} aria-hidden />
          </IconButton>
          <IconButton label="To the newest candle" onClick={() => chart.current?.newest()}>
            <ChevronsRight size={16} aria-hidden />
          </IconButton>
        </div>
        <AsTable
          label={`Newest candles of ${symbol}`}
          columns={["Start", "Open", "High", "Low", "Close", "Volume"]}
          rows={() =>
            bars
              .slice(-ROWS)
              .reverse()
              .map((bar) => row(bar, interval))
          }
        />
      </div>
    </figure>
  );
}

/** What the chart needs with so many panes of indicators; its skeleton is as high. */
export function chartHeight(below: number): string {
  return `calc(clamp(${HEIGHTS.candles * 0.65}rem, 40vw, ${HEIGHTS.candles}rem) + ${HEIGHTS.volume + below * HEIGHTS.indicator}rem)`;
}

function row(bar: Bar, interval: Charted["interval"]) {
  const show = decimals(priceDigits(bar.close));
  const note = [!bar.closed && "open", !bar.complete && "trades missing"].filter(Boolean).join(", ");
  return {
    key: bar.time,
    cells: [
      `${startOf(bar.time, interval)}${note && ` (${note})`}`,
      show(bar.open),
      show(bar.high),
      show(bar.low),
      show(bar.close),
      compact(bar.volume),
    ],
  };
}
