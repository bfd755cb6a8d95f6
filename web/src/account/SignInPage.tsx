import { Link, useSearch } from "wouter";
import { session } from "../api/session";
import { Field } from "../ui/Field";
import { raw, text } from "../ui/forms";
import { EntryForm } from "./EntryForm";

export default function SignInPage() {
  const search = useSearch();
  return (
    <EntryForm
      title="Sign in"
      action="Sign in"
      enter={(form) => session.signIn(text(form, "email"), raw(form, "password"))}
      fields={(errors) => (
        <>
          <Field label="E-mail" error={errors.email}>
            {(input) => <input {...input} name="email" type="email" autoComplete="username" required />}
          </Field>
          <Field label="Password" error={errors.password}>
            {(input) => (
              <input {...input} name="password" type="password" autoComplete="current-password" required />
            )}
          </Field>
        </>
      )}
    >
      New here? <Link href={`/register${search && `?${search}`}`}>Create an account</Link>
    </EntryForm>
  );
}
