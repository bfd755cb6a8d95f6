import { useId } from "react";
import css from "./Segmented.module.css";

interface Props<T extends string> {
  label: string;
  options: readonly (readonly [value: T, text: string])[];
  value: T;
  onChange: (value: T) => void;
  disabled?: boolean;
}

/** One of a few, all of them in sight: a group of radio buttons. */
export function Segmented<T extends string>({ label, options, value, onChange, disabled = false }: Props<T>) {
  const name = useId();
  return (
    <fieldset className={css.group} disabled={disabled}>
      <legend className="visually-hidden">{label}</legend>
      {options.map(([option, text]) => (
        <label key={option} className={css.option}>
          <input
            type="radio"
            className="visually-hidden"
            name={name}
            checked={option === value}
            onChange={() => onChange(option)}
          />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
