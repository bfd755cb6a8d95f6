import * as numbers from "../format/numbers";
import * as times from "../format/times";
import css from "./SentimentSeries.module.css";

/** openapi-fetch takes a bucket, a tuple, for an array: its start (Unix ms), mean score and articles. */
type Bucket = readonly (number | null)[];

interface Bar {
  index: number;
  start: number;
  score: number;
  articles: number;
}

const DAY_MS = 86_400_000;
/** In units of the picture: its height is from a score of 1 to one of -1. */
const HALF = 50;
const THINNEST = 1.5;

interface Props {
  asset: string;
  series: readonly Bucket[];
}

/** A bar for each time that has articles, above or below the line of neutral. */
export function SentimentSeries({ asset, series }: Props) {
  const from = series[0]?.[0];
  const second = series[1]?.[0];
  if (from == null || second == null) return null;
  const moment = second - from >= DAY_MS ? times.date : times.dateTime;
  const bars = barsOf(series);
  const told = ({ start, score, articles }: Bar) =>
    `${moment(start)}: ${numbers.signed(score)}, ${articles === 1 ? "1 article" : `${articles} articles`}`;
  return (
    <figure className={css.chart} aria-label={`Sentiment of ${asset}. ${bars.map(told).join("; ")}`}>
      <div className={css.scale} aria-hidden>
        <span>+1</span>
        <span>0</span>
        <span>−1</span>
      </div>
      <svg
        className={css.plot}
        viewBox={`0 0 ${series.length} ${2 * HALF}`}
        preserveAspectRatio="none"
        aria-hidden
      >
        <line
          x1="0"
          x2={series.length}
          y1={HALF}
          y2={HALF}
          className={css.zero}
          vectorEffect="non-scaling-stroke"
        />
        {bars.map((bar) => (
          <g key={bar.index} className={css.bar}>
            <title>{told(bar)}</title>
            <rect className={css.reach} x={bar.index} y={0} width={1} height={2 * HALF} />
            <rect className={css[tone(bar.score)]} x={bar.index + 0.15} width={0.7} {...extent(bar.score)} />
          </g>
        ))}
      </svg>
      <div className={css.times} aria-hidden>
        <span>{moment(from)}</span>
        <span>Now</span>
      </div>
    </figure>
  );
}

function barsOf(series: readonly Bucket[]): Bar[] {
  return series.flatMap(([start, score, articles], index) =>
    start == null || score == null || articles == null ? [] : [{ index, start, score, articles }],
  );
}

function extent(score: number): { y: number; height: number } {
  const height = Math.max(Math.abs(score) * HALF, THINNEST);
  return { y: score < 0 ? HALF : HALF - height, height };
}

/** As the API labels them. */
function tone(score: number): "positive" | "neutral" | "negative" {
  return score >= 0.05 ? "positive" : score <= -0.05 ? "negative" : "neutral";
}
