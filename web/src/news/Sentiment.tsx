import * as numbers from "../format/numbers";
import { Badge } from "../ui/Badge";
import css from "./Sentiment.module.css";
import type { Label } from "./sentiments";

const WORD = { negative: "Negative", neutral: "Neutral", positive: "Positive" } as const;
const TONE = { negative: "down", neutral: "neutral", positive: "up" } as const;
const COLOUR = { negative: "down", neutral: "muted", positive: "up" } as const;

interface Props {
  score: number;
  label: Label;
}

/** Without a score where that stands beside. */
export function SentimentBadge({ score, label }: { score?: number; label: Label }) {
  return (
    <Badge tone={TONE[label]}>
      {WORD[label]}
      {score !== undefined && <span className="number">{numbers.signed(score)}</span>}
    </Badge>
  );
}

/** The same as plain text, where a badge is too loud. */
export function SentimentWords({ score, label }: Props) {
  return (
    <span className={COLOUR[label]}>
      {WORD[label]} <span className="number">{numbers.signed(score)}</span>
    </span>
  );
}

/** How far from neutral, to the bad side or the good: beside its words. */
export function SentimentMeter({ score, label }: Props) {
  const share = Math.abs(score) * 50;
  return (
    <span className={css.meter} aria-hidden>
      <span
        className={`${css.share} ${css[label]}`}
        style={{ left: `${score < 0 ? 50 - share : 50}%`, width: `${share}%` }}
      />
    </span>
  );
}
