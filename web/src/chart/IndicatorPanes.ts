import {
  createTextWatermark,
  HistogramSeries,
  type IChartApiBase,
  type ISeriesApi,
  LineSeries,
  LineStyle,
  type Time,
} from "lightweight-charts";
import type { Schema } from "../api/client";
import { type Indicator, type Line, linesOf } from "./indicators";
import { indicatorValue } from "./scale";
import { faded, type Palette } from "./theme";
import { seconds } from "./time";

const FIRST_PANE = 2; // after candles and volume

type Drawn = { line: Line; series: ISeriesApi<"Line"> | ISeriesApi<"Histogram"> };

/** The indicators' lines: over the candles, or each in a pane of its own. */
export class IndicatorPanes {
  readonly #chart: IChartApiBase<Time>;
  #drawn: Drawn[] = [];
  #shown: { chosen: readonly Indicator[]; answer: Schema["Indicators"] | undefined } = {
    chosen: [],
    answer: undefined,
  };

  constructor(chart: IChartApiBase<Time>) {
    this.#chart = chart;
  }

  show(chosen: readonly Indicator[], answer: Schema["Indicators"] | undefined, colours: Palette): void {
    const before = this.#shown;
    this.#shown = { chosen, answer };
    if (chosen !== before.chosen) this.#build(colours);
    else if (answer !== before.answer) this.#fill(colours);
  }

  paint(colours: Palette): void {
    this.#build(colours);
  }

  #build(colours: Palette): void {
    // A pane goes with its last series: from the last one, so that the others keep their places.
    for (const { series } of this.#drawn.toReversed()) this.#chart.removeSeries(series);
    this.#drawn = [];
    let below = FIRST_PANE;
    for (const [index, indicator] of this.#shown.chosen.entries()) {
      const pane = indicator.kind.place === "over" ? 0 : below++;
      this.#add(indicator, pane, colours.series[index % colours.series.length] ?? colours.accent, colours);
    }
    this.#fill(colours);
  }

  #add(indicator: Indicator, pane: number, tone: string, colours: Palette): void {
    const { kind } = indicator;
    const options = {
      lastValueVisible: false,
      priceLineVisible: false,
      // Over the candles the scale is theirs.
      ...(pane > 0 && {
        priceFormat: {
          type: "custom" as const,
          minMove: kind.unit === "fraction" ? 0.0001 : 0.01,
          formatter: (value: number) => indicatorValue(kind, value, value),
        },
      }),
    };
    for (const line of linesOf(indicator, undefined)) {
      const series =
        line.style === "bars"
          ? this.#chart.addSeries(HistogramSeries, { ...options, base: 0 }, pane)
          : this.#chart.addSeries(
              LineSeries,
              {
                ...options,
                color: line.style === "faint" ? colours.muted : tone,
                lineWidth: line.style === "faint" ? 1 : 2,
                lineStyle: line.style === "faint" ? LineStyle.Dashed : LineStyle.Solid,
                crosshairMarkerVisible: false,
              },
              pane,
            );
      this.#drawn.push({ line, series });
    }
    const first = this.#drawn.at(-kind.lines.length)?.series;
    if (pane === 0 || !first) return;
    first
      .priceScale()
      .applyOptions({ invertScale: kind.inverted ?? false, scaleMargins: { top: 0.25, bottom: 0.08 } });
    for (const level of kind.levels ?? []) {
      first.createPriceLine({
        price: level,
        color: colours.lineStrong,
        lineWidth: 1,
        lineStyle: LineStyle.Dashed,
        axisLabelVisible: false,
        title: "",
      });
    }
    const [shownIn] = this.#chart.panes().slice(pane, pane + 1);
    if (shownIn) {
      createTextWatermark(shownIn, {
        horzAlign: "left",
        vertAlign: "top",
        lines: [
          { text: ` ${indicator.label}`, color: colours.muted, fontSize: 11, fontFamily: colours.font },
        ],
      });
    }
  }

  #fill(colours: Palette): void {
    const { chosen, answer } = this.#shown;
    const times = (answer?.time ?? []).map(seconds);
    const lines = chosen.flatMap((indicator) => linesOf(indicator, answer));
    for (const [
      index,
      {
        series,
        line: { style },
      },
    ] of this.#drawn.entries()) {
      const values = lines[index]?.values ?? [];
      const bars = style === "bars";
      series.setData(
        times.map((time, row) => {
          const value = values[row];
          if (value == null) return { time };
          return bars
            ? { time, value, color: faded(value < 0 ? colours.down : colours.up, 0.6) }
            : { time, value };
        }),
      );
    }
  }
}
