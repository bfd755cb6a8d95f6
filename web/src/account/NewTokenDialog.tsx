import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import * as times from "../format/times";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Field, fieldMessage } from "../ui/Field";
import { submitted, text } from "../ui/forms";
import { Actions, Fields } from "../ui/layout";
import { SecretDialog } from "../ui/SecretDialog";
import { fieldErrors, ProblemNote } from "../ui/states";
import css from "./settings.module.css";

type Scope = Schema["NewApiToken"]["scopes"][number];

const SCOPES: readonly (readonly [Scope, string])[] = [
  ["read", "Read everything"],
  ["trade", "Change portfolios, transactions and alerts"],
  ["admin", "Change the account’s profile and preferences"],
];

export function NewTokenDialog({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const make = useMutation({
    mutationFn: (token: Schema["NewApiToken"]) => body(api.POST("/users/me/tokens", { body: token })),
    onSuccess: () => client.invalidateQueries({ queryKey: [PRIVATE, "tokens"] }),
  });
  if (make.data) {
    const { name, token } = make.data;
    return <SecretDialog title="Your new token" label={name} secret={token} onClose={onClose} />;
  }
  const errors = fieldErrors(make.error);
  return (
    <Dialog title="New API token" onClose={onClose} dismissible={!make.isPending}>
      <form
        onSubmit={submitted((form) => {
          const ends = text(form, "expires_at");
          make.mutate({
            name: text(form, "name"),
            scopes: SCOPES.map(([scope]) => scope).filter((scope) => form.has(scope)),
            expires_at: ends ? times.fromInput(ends) : null,
          });
        })}
      >
        <Fields>
          <Field label="Name" hint="What will use it." error={errors.name}>
            {(input) => <input {...input} name="name" required maxLength={100} />}
          </Field>
          <fieldset className={css.scopes}>
            <legend>What it may do</legend>
            {SCOPES.map(([scope, what]) => (
              <label key={scope}>
                <input type="checkbox" name={scope} defaultChecked={scope === "read"} />
                {what}
              </label>
            ))}
            {errors.scopes && <p className="down">{fieldMessage("What it may do", errors.scopes)}</p>}
          </fieldset>
          <Field label="Expires" optional error={errors.expires_at}>
            {(input) => <input {...input} name="expires_at" type="datetime-local" />}
          </Field>
          {Object.keys(errors).length === 0 && <ProblemNote error={make.error} />}
          <Actions>
            <Button disabled={make.isPending} onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" kind="primary" busy={make.isPending}>
              Make token
            </Button>
          </Actions>
        </Fields>
      </form>
    </Dialog>
  );
}
