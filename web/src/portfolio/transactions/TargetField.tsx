import type { SelectHTMLAttributes } from "react";
import { Field, type InputProps } from "../../ui/Field";
import { usePortfolios } from "../portfolios";

interface Props {
  /** The portfolio that the transfer comes from. */
  source: string;
  error: string | undefined;
  bind: (input: InputProps) => SelectHTMLAttributes<HTMLSelectElement>;
}

/** Where a transfer goes: one of the user's other portfolios. */
export function TargetField({ source, error, bind }: Props) {
  const { data } = usePortfolios();
  const others = data?.filter(({ id }) => id !== source) ?? [];
  return (
    <Field
      label="To portfolio"
      error={error}
      hint={data && others.length === 0 && "This is your only portfolio. Make another one first."}
    >
      {(input) => {
        const bound = bind(input);
        const isGone = data && bound.value && !others.some(({ id }) => id === bound.value);
        return (
          <select {...bound}>
            <option value="">Choose</option>
            {isGone && <option value={String(bound.value)}>A portfolio that is gone</option>}
            {others.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        );
      }}
    </Field>
  );
}
