import type { ReactNode } from "react";
import { Field } from "../ui/Field";

interface Props {
  label: string;
  name: string;
  /** One to be chosen: its length is checked, and the browser may make one up. */
  isNew?: boolean;
  hint?: ReactNode;
  error: string | undefined;
}

export function PasswordField({ label, name, isNew = false, hint, error }: Props) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(input) => (
        <input
          {...input}
          name={name}
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
          required
          {...(isNew && { minLength: 12, maxLength: 128 })}
        />
      )}
    </Field>
  );
}
