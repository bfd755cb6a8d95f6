import {
  CandlestickSeries,
  createChartEx,
  type DeepPartial,
  HistogramSeries,
  type IChartApiBase,
  type ISeriesApi,
  type Time,
  type TimeChartOptions,
} from "lightweight-charts";
import type { Schema } from "../api/client";
import { compact, priceDigits } from "../format/numbers";
import { type Bar, changed, type Interval } from "./bars";
import { IndicatorPanes } from "./IndicatorPanes";
import type { Indicator } from "./indicators";
import { axisDecimals, decimals } from "./scale";
import { faded, type Palette, palette, themed } from "./theme";
import { markFormatter, milliseconds, seconds, startOf, timeScale } from "./time";

/** How the panes share the height, in rem where there is room. */
export const HEIGHTS = { candles: 24, volume: 5, indicator: 7 } as const;
const NEAR_OLDEST = 30;
/** Beyond so many changes at once all is set anew. */
const MANY = 40;

interface Told {
  onPoint: (time: number | undefined) => void;
  /** The oldest candles have come into sight. */
  onOldest: () => void;
}

/** Candles with volume below, and indicators over and below them: React tells it what to show, it draws. */
export class CandleChart {
  readonly #chart: IChartApiBase<Time>;
  readonly #candles: ISeriesApi<"Candlestick">;
  readonly #volume: ISeriesApi<"Histogram">;
  readonly #indicators: IndicatorPanes;
  #bars: readonly Bar[] = [];
  #colours: Palette = palette();

  constructor(frame: HTMLElement, interval: Interval, { onPoint, onOldest }: Told) {
    const options: DeepPartial<TimeChartOptions> = {
      autoSize: true,
      layout: { attributionLogo: false }, // from the first: it brings a style that our policy forbids
      timeScale: {
        timeVisible: interval !== "1d",
        rightOffset: 4,
        minBarSpacing: 1,
        tickMarkFormatter: markFormatter(interval),
      },
      localization: { timeFormatter: (time: Time) => startOf(milliseconds(time) ?? 0, interval) },
      // A finger that moves up or down scrolls the page.
      handleScroll: { vertTouchDrag: false },
    };
    this.#chart = createChartEx<Time, ReturnType<typeof timeScale>>(frame, timeScale(interval), options);
    this.#candles = this.#chart.addSeries(CandlestickSeries);
    this.#volume = this.#chart.addSeries(HistogramSeries, {}, 1);
    this.#indicators = new IndicatorPanes(this.#chart);
    this.#chart.subscribeCrosshairMove(({ time }) => onPoint(milliseconds(time)));
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && this.#bars.length > 0 && range.from < NEAR_OLDEST) onOldest();
    });
    this.paint();
  }

  /** Bars as they are now: what has not changed since the last time is the same object. */
  show(bars: readonly Bar[]): void {
    const news = changed(this.#bars, bars);
    this.#bars = bars;
    if (news === null || news.length > MANY) {
      this.#setData();
      return;
    }
    const last = bars.at(-1)?.time;
    for (const bar of news) {
      const past = bar.time !== last;
      this.#candles.update(this.#candle(bar), past);
      this.#volume.update(this.#volumeOf(bar), past);
    }
  }

  indicate(chosen: readonly Indicator[], answer: Schema["Indicators"] | undefined): void {
    this.#indicators.show(chosen, answer, this.#colours);
    this.#share();
  }

  /** Colours as the theme has them now. */
  paint(): void {
    this.#colours = palette();
    this.#chart.applyOptions(themed(this.#colours));
    this.#volume.applyOptions({
      priceFormat: { type: "custom", formatter: compact, minMove: 0.01 },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#volume.priceScale().applyOptions({ scaleMargins: { top: 0.1, bottom: 0 } });
    this.#setData();
    this.#indicators.paint(this.#colours);
    this.#share();
  }

  zoom(factor: number): void {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    const width = (range.to - range.from) * factor;
    scale.setVisibleLogicalRange({ from: range.to - width, to: range.to });
  }

  newest(): void {
    this.#chart.timeScale().scrollToRealTime();
  }

  remove(): void {
    this.#chart.remove();
  }

  #setData(): void {
    const digits = priceDigits(this.#bars.at(-1)?.close ?? 0);
    const { up, down } = this.#colours;
    this.#candles.applyOptions({
      priceFormat: {
        type: "custom",
        formatter: decimals(digits),
        tickmarksFormatter: axisDecimals(digits),
        minMove: 10 ** -digits,
      },
      upColor: up,
      borderUpColor: up,
      wickUpColor: up,
      downColor: down,
      borderDownColor: down,
      wickDownColor: down,
    });
    this.#candles.setData(this.#bars.map((bar) => this.#candle(bar)));
    this.#volume.setData(this.#bars.map((bar) => this.#volumeOf(bar)));
  }

  /** One with a known gap is paler. */
  #candle({ time, open, high, low, close, complete }: Bar) {
    const point = { time: seconds(time), open, high, low, close };
    if (complete) return point;
    const tone = close < open ? this.#colours.down : this.#colours.up;
    const pale = faded(tone, 0.35);
    return { ...point, color: pale, borderColor: faded(tone, 0.7), wickColor: faded(tone, 0.7) };
  }

  #volumeOf({ time, open, close, volume }: Bar) {
    const tone = close < open ? this.#colours.down : this.#colours.up;
    return { time: seconds(time), value: volume, color: faded(tone, 0.4) };
  }

  #share(): void {
    for (const [index, pane] of this.#chart.panes().entries()) {
      pane.setStretchFactor([HEIGHTS.candles, HEIGHTS.volume][index] ?? HEIGHTS.indicator);
    }
  }
}
