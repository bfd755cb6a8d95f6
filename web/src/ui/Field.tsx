import { type ReactNode, useId } from "react";
import css from "./Field.module.css";

/** What joins the input to its label, hint and error. */
export interface InputProps {
  id: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

interface Props {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  /** Said beside the label of what may stay empty. */
  optional?: boolean;
  children: (input: InputProps) => ReactNode;
}

/** A whole sentence: ours are; the API's words about a field follow its name. */
export function fieldMessage(label: string, error: string): string {
  if (/[.?]$/.test(error)) return error;
  return `${label}: ${error.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase())}.`;
}

/** A labelled input: `<Field label="Name" error={fields.name}>{(input) => <input {...input} name="name" />}</Field>`. */
export function Field({ label, hint, error, optional = false, children }: Props) {
  const id = useId();
  const notes = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div className={css.field}>
      <label htmlFor={id}>
        {label}
        {optional && <span className="muted"> (optional)</span>}
      </label>
      {children({
        id,
        ...(notes && { "aria-describedby": notes }),
        ...(error && { "aria-invalid": true as const }),
      })}
      {hint && (
        <p id={`${id}-hint`} className={css.hint}>
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className={css.error} role="alert">
          {fieldMessage(label, error)}
        </p>
      )}
    </div>
  );
}
