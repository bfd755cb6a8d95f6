import { useId } from "react";
import css from "./Sparkline.module.css";

interface Props {
  values: readonly number[];
  width?: number;
  height?: number;
  /** `neutral` where more is not better: one colour. */
  tone?: "trend" | "neutral";
  /** What it shows, to be read out. */
  label: string;
}

/** A line without axes; a trend is green when its end is above its beginning. */
export function Sparkline({ values, width = 112, height = 32, tone = "trend", label }: Props) {
  const fade = useId();
  const first = values[0];
  const last = values.at(-1);
  if (first === undefined || last === undefined || values.length < 2) {
    return <svg width={width} height={height} role="img" aria-label={`${label}: not known`} />;
  }
  const low = Math.min(...values);
  const range = Math.max(...values) - low || 1;
  const x = (index: number) => (index * width) / (values.length - 1);
  const y = (value: number) => 2 + (height - 4) * (1 - (value - low) / range);
  const line = values
    .map((value, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={label}
      className={tone === "neutral" ? css.neutral : last < first ? css.falling : css.rising}
    >
      <defs>
        <linearGradient id={fade} x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="currentColor" stopOpacity="0.18" />
          <stop offset="1" stopColor="currentColor" stopOpacity="0" />
        </linearGradient>
      </defs>
      <path d={`${line}V${height}H0Z`} fill={`url(#${fade})`} />
      <path d={line} fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" />
    </svg>
  );
}
