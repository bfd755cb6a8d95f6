import {
  AreaSeries,
  createChart,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  LineStyle,
  LineType,
} from "lightweight-charts";
import { useEffect, useRef, useState } from "react";
import { compactMoney, money } from "../format/numbers";
import { day } from "../format/times";
import css from "./AreaChart.module.css";
import { AsTable } from "./AsTable";
import { faded, onPalette, palette, themed } from "./theme";

export interface AreaSeriesData {
  name: string;
  /** `accent` is what the chart is about, `muted` what it is held against. */
  tone: "accent" | "muted";
  /** By day of UTC, oldest first: ["2026-11-22", 1234.5]. */
  points: readonly (readonly [day: string, value: number])[];
}

interface Props {
  /** What it shows, to be read out. */
  label: string;
  /** Kept between renders (useMemo): another array is drawn anew. */
  series: readonly AreaSeriesData[];
  currency: string;
  height?: number;
}

const ROWS = 31;

/** One or two lines over days; the days under the pointer are told above. */
export function AreaChart({ label, series, currency, height = 260 }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [pointed, setPointed] = useState<string>();
  useEffect(() => {
    if (!frame.current) return;
    const { chart, paint } = draw(frame.current, series, currency);
    chart.subscribeCrosshairMove(({ time }) => setPointed(typeof time === "string" ? time : undefined));
    const stop = onPalette(paint);
    return () => {
      stop();
      chart.remove();
    };
  }, [series, currency]);
  const shown = pointed ?? series[0]?.points.at(-1)?.[0];
  return (
    <figure className={css.figure} aria-label={summary(label, series, currency)}>
      <ul className={css.legend} aria-hidden>
        {series.map(({ name, tone, points }) => (
          <li key={name}>
            <span className={css.swatch} data-tone={tone} />
            {name}
            <span className="number">{shownOn(points, shown, currency)}</span>
          </li>
        ))}
        {shown && <li className={css.day}>{day(shown)}</li>}
      </ul>
      <div ref={frame} style={{ height }} aria-hidden />
      <AsTable
        label={label}
        columns={["Day", ...series.map(({ name }) => name)]}
        rows={() =>
          newestDays(series).map((date) => ({
            key: date,
            cells: [day(date), ...series.map(({ points }) => shownOn(points, date, currency))],
          }))
        }
      />
    </figure>
  );
}

function newestDays([first]: Props["series"]): readonly string[] {
  return (first?.points ?? [])
    .slice(-ROWS)
    .map(([date]) => date)
    .reverse();
}

function shownOn(points: AreaSeriesData["points"], date: string | undefined, currency: string): string {
  const value = points.findLast(([day]) => day === date)?.[1];
  return value === undefined ? "–" : money(value, currency);
}

function summary(label: string, series: Props["series"], currency: string): string {
  const told = series.map(({ name, points }) => {
    const first = points[0];
    const last = points.at(-1);
    if (!first || !last) return `${name}: nothing yet`;
    const [from, to] = [money(first[1], currency), money(last[1], currency)];
    return `${name}: from ${from} on ${day(first[0])} to ${to} on ${day(last[0])}`;
  });
  return [label, ...told].join(". ");
}

/** In few characters, as long as that tells them apart. */
function axisLabels(values: readonly number[], currency: string): string[] {
  const short = values.map((value) => compactMoney(value, currency));
  return new Set(short).size === values.length ? short : values.map((value) => money(value, currency));
}

function draw(frame: HTMLElement, series: Props["series"], currency: string) {
  const chart = createChart(frame, {
    ...themed(palette()),
    autoSize: true,
    handleScroll: false,
    handleScale: false,
  });
  const drawn: [AreaSeriesData["tone"], ISeriesApi<"Area"> | ISeriesApi<"Line">][] = [];
  const below = series.toSorted((a, b) => Number(a.tone === "accent") - Number(b.tone === "accent"));
  for (const { tone, points } of below) {
    const data = points.map(([time, value]) => ({ time, value }));
    const made = tone === "accent" ? chart.addSeries(AreaSeries) : chart.addSeries(LineSeries);
    made.setData(data);
    drawn.push([tone, made]);
  }
  const paint = () => restyle(chart, drawn, currency);
  paint();
  chart.timeScale().fitContent();
  return { chart, paint };
}

function restyle(
  chart: IChartApi,
  drawn: readonly [AreaSeriesData["tone"], ISeriesApi<"Area"> | ISeriesApi<"Line">][],
  currency: string,
): void {
  const colours = palette();
  const base = themed(colours);
  chart.applyOptions({
    ...base,
    grid: { ...base.grid, vertLines: { visible: false } },
    crosshair: { ...base.crosshair, horzLine: { visible: false, labelVisible: false } },
    timeScale: { ...base.timeScale, fixLeftEdge: true, fixRightEdge: true },
    localization: {
      ...base.localization,
      tickmarksPriceFormatter: (values: readonly number[]) => axisLabels(values, currency),
      timeFormatter: (time: unknown) => (typeof time === "string" ? day(time) : ""),
    },
  });
  const common = { lineWidth: 2, lastValueVisible: false, priceLineVisible: false } as const;
  for (const [tone, series] of drawn) {
    if (tone === "accent") {
      series.applyOptions({
        ...common,
        lineColor: colours.accent,
        topColor: faded(colours.accent, 0.28),
        bottomColor: faded(colours.accent, 0.02),
      });
    } else {
      series.applyOptions({
        ...common,
        color: colours.muted,
        lineStyle: LineStyle.Dashed,
        lineType: LineType.WithSteps,
      });
    }
  }
}
