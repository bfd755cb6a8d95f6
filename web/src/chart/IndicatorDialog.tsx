import { Plus, X } from "lucide-react";
import { IconButton } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import css from "./IndicatorDialog.module.css";
import { IndicatorParameters } from "./IndicatorParameters";
import { type Indicator, indicator, KIND_NAMES, kindOf, MOST, MOST_BELOW, seriesColour } from "./indicators";
import type { KindName } from "./kinds";

interface Props {
  chosen: readonly Indicator[];
  onChange: (chosen: readonly Indicator[]) => void;
  onClose: () => void;
}

/** Which indicators the chart shows, and with which parameters; what is changed is seen at once. */
export function IndicatorDialog({ chosen, onChange, onClose }: Props) {
  return (
    <Dialog title="Indicators" onClose={onClose} wide>
      <section className={css.section} aria-label="On the chart">
        <h3>On the chart</h3>
        {chosen.length === 0 && <p className="muted">None. Add some below.</p>}
        <ul className={css.chosen}>
          {chosen.map((shown, index) => (
            <li key={shown.name} className={css.shown}>
              <span className={css.swatch} style={{ background: seriesColour(index) }} />
              <span className={css.name}>{shown.kind.name}</span>
              <IndicatorParameters
                shown={shown}
                others={chosen.filter((other) => other !== shown)}
                onChange={(next) => onChange(chosen.with(index, next))}
              />
              <IconButton
                label={`Remove ${shown.label}`}
                onClick={() => onChange(chosen.filter((other) => other !== shown))}
              >
                <X size={16} aria-hidden />
              </IconButton>
            </li>
          ))}
        </ul>
      </section>
      <Choices title="Over the candles" place="over" chosen={chosen} onChange={onChange} />
      <Choices title="In a pane below" place="below" chosen={chosen} onChange={onChange} />
    </Dialog>
  );
}

interface ChoicesProps extends Pick<Props, "chosen" | "onChange"> {
  title: string;
  place: "over" | "below";
}

function Choices({ title, place, chosen, onChange }: ChoicesProps) {
  const below = chosen.filter(({ kind }) => kind.place === "below").length;
  const full = chosen.length >= MOST || (place === "below" && below >= MOST_BELOW);
  return (
    <section className={css.section} aria-label={title}>
      <h3>{title}</h3>
      {full && (
        <p className="muted">
          {chosen.length >= MOST ? `${MOST} indicators` : `${MOST_BELOW} panes`} are the most. Remove one to
          add another.
        </p>
      )}
      <ul className={css.choices}>
        {KIND_NAMES.filter((name) => kindOf(name).place === place).map((name) => (
          <li key={name}>
            <button
              type="button"
              className={css.choice}
              disabled={full || !fresh(name, chosen)}
              onClick={() => {
                const next = fresh(name, chosen);
                if (next) onChange([...chosen, next]);
              }}
            >
              <Plus size={16} aria-hidden />
              <span>
                {kindOf(name).name}
                <span className={css.explanation}>{kindOf(name).explanation}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** One that is not yet there: with the API's parameters, else with the next longer period that is free. */
function fresh(name: KindName, chosen: readonly Indicator[]): Indicator | undefined {
  const taken = new Set(chosen.map(({ name }) => name));
  const fallback = indicator(name);
  const [first, ...rest] = fallback.parameters;
  if (first === undefined) return taken.has(fallback.name) ? undefined : fallback;
  const others = [50, 100, 200]
    .filter((period) => period > first)
    .map((period) => indicator(name, [period, ...rest]));
  return [fallback, ...(fallback.parameters.length === 1 ? others : [])].find(
    (next) => !taken.has(next.name),
  );
}
