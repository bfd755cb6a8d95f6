import { useId, useState } from "react";
import css from "./IndicatorDialog.module.css";
import { fault, type Indicator, indicator, kindNameOf } from "./indicators";

interface Props {
  shown: Indicator;
  others: readonly Indicator[];
  onChange: (next: Indicator) => void;
}

/** The parameters of one indicator; taken when the field is left or Enter is pressed. */
export function IndicatorParameters({ shown, others, onChange }: Props) {
  const id = useId();
  const [texts, setTexts] = useState(shown.parameters.map(String));
  const [wrong, setWrong] = useState<string>();
  const take = () => {
    const parameters = texts.map((text) => (text.trim() === "" ? Number.NaN : Number(text)));
    const kindName = kindNameOf(shown);
    const next = kindName && indicator(kindName, parameters);
    const twice = others.some(({ name }) => name === next?.name);
    const problem = fault(shown.kind, parameters) ?? (twice ? `${next?.label} is there already.` : undefined);
    setWrong(problem);
    if (next && !problem && next.name !== shown.name) onChange(next);
  };
  return (
    <form
      className={css.parameters}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        take();
      }}
    >
      {shown.kind.parameters.map(({ name, min, max, fraction }, index) => (
        <label key={name} className={css.parameter}>
          {name}
          <input
            type="number"
            inputMode={fraction ? "decimal" : "numeric"}
            min={min}
            max={max}
            step={fraction ? "any" : 1}
            value={texts[index]}
            aria-invalid={wrong ? true : undefined}
            aria-describedby={wrong && id}
            onChange={(event) => setTexts(texts.with(index, event.target.value))}
            onBlur={take}
          />
        </label>
      ))}
      <button type="submit" className="visually-hidden" tabIndex={-1}>
        Apply
      </button>
      {wrong && (
        <p id={id} className={css.wrong} role="alert">
          {wrong}
        </p>
      )}
    </form>
  );
}
