import { Link, useSearch } from "wouter";
import { api } from "../api/client";
import { session } from "../api/session";
import { Field } from "../ui/Field";
import { raw, text } from "../ui/forms";
import { EntryForm } from "./EntryForm";
import { PasswordField } from "./PasswordField";

async function register(form: FormData): Promise<void> {
  const email = text(form, "email");
  const password = raw(form, "password");
  await api.POST("/auth/register", {
    body: { email, password, display_name: text(form, "display_name") || null },
  });
  await session.signIn(email, password);
}

export default function RegisterPage() {
  const search = useSearch();
  return (
    <EntryForm
      title="Create an account"
      action="Create account"
      enter={register}
      fields={(errors) => (
        <>
          <Field label="E-mail" error={errors.email}>
            {(input) => (
              <input {...input} name="email" type="email" autoComplete="username" required maxLength={254} />
            )}
          </Field>
          <Field label="Name" optional error={errors.display_name}>
            {(input) => <input {...input} name="display_name" autoComplete="name" maxLength={100} />}
          </Field>
          <PasswordField
            label="Password"
            name="password"
            isNew
            hint="At least 12 characters; a few words do well."
            error={errors.password}
          />
        </>
      )}
    >
      You have one? <Link href={`/sign-in${search && `?${search}`}`}>Sign in</Link>
    </EntryForm>
  );
}
