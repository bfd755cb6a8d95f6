import { Link, useSearch } from "wouter";
import { session } from "../api/session";
import { Field } from "../ui/Field";
import { raw, text } from "../ui/forms";
import { EntryForm } from "./EntryForm";
import { PasswordField } from "./PasswordField";

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
          <PasswordField label="Password" name="password" error={errors.password} />
        </>
      )}
    >
      New here? <Link href={`/register${search && `?${search}`}`}>Create an account</Link>
    </EntryForm>
  );
}
