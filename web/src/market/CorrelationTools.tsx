import { X } from "lucide-react";
import { Button } from "../ui/Button";
import { Explain } from "../ui/Explain";
import { Segmented } from "../ui/Segmented";
import css from "./CorrelationTools.module.css";
import { type Choice, MOST, short, WINDOWS } from "./correlation";

const INTERVALS = [
  ["1d", "Daily"],
  ["1h", "Hourly"],
] as const;

const METHODS = [
  ["pearson", "Pearson"],
  ["spearman", "Spearman"],
] as const;

interface Props {
  choice: Choice;
  tracked: readonly string[];
  /** Back to the watchlist, or the top ten. */
  onReset: () => void;
  onChange: (change: Partial<Choice>) => void;
}

/** What is compared, and how. */
export function CorrelationTools({ choice, tracked, onReset, onChange }: Props) {
  const { symbols, interval, window, method } = choice;
  const others = tracked.filter((symbol) => !symbols.includes(symbol));
  const windows = WINDOWS[interval];
  return (
    <div className={css.tools}>
      <ul className={css.chips} aria-label="Symbols compared">
        {symbols.map((symbol) => (
          <li key={symbol}>
            <button
              type="button"
              className={css.chip}
              aria-label={`${short(symbol)}: leave out`}
              onClick={() => onChange({ symbols: symbols.filter((other) => other !== symbol) })}
            >
              {short(symbol)}
              <X size={14} aria-hidden />
            </button>
          </li>
        ))}
        <li>
          <select
            className={css.add}
            aria-label="Add a symbol"
            value=""
            disabled={others.length === 0 || symbols.length >= MOST}
            onChange={({ target }) => onChange({ symbols: [...symbols, target.value] })}
          >
            <option value="">{symbols.length >= MOST ? `${MOST} at most` : "Add a symbol"}</option>
            {others.map((symbol) => (
              <option key={symbol}>{symbol}</option>
            ))}
          </select>
        </li>
        <li>
          <Button kind="quiet" small onClick={onReset}>
            Reset
          </Button>
        </li>
      </ul>
      <div className={css.settings}>
        <Segmented
          label="Returns"
          options={INTERVALS}
          value={interval}
          onChange={(next) => onChange({ interval: next })}
        />
        <select
          className={css.window}
          aria-label="Over the last"
          value={window}
          onChange={({ target }) => onChange({ window: Number(target.value) })}
        >
          {!windows.some(([known]) => known === window) && (
            <option value={window}>{`${window} ${interval === "1d" ? "days" : "hours"}`}</option>
          )}
          {windows.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
        <div className={css.method}>
          <Segmented
            label="Method"
            options={METHODS}
            value={method}
            onChange={(next) => onChange({ method: next })}
          />
          <Explain term="the method">
            Both tell how the returns of two prices go together: 1 is always the same way, 0 unrelated, −1
            always opposite. Pearson compares the returns themselves; Spearman their ranks, so that a few wild
            days weigh less.
          </Explain>
        </div>
      </div>
    </div>
  );
}
