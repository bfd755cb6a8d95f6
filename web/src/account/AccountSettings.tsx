import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { api, body, download, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import { session } from "../api/session";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { raw, submitted, text } from "../ui/forms";
import { Actions, Card, Fields } from "../ui/layout";
import { fieldErrors, Loaded, ProblemNote, Skeleton } from "../ui/states";
import { toast } from "../ui/toasts";
import { PasswordField } from "./PasswordField";

const PROFILE = [PRIVATE, "profile"];

export function AccountSettings() {
  const profile = useQuery({ queryKey: PROFILE, queryFn: () => body(api.GET("/users/me")) });
  return (
    <>
      <Card title="Profile">
        <Loaded query={profile} skeleton={<ProfileSkeleton />}>
          {(data) => <ProfileForm profile={data} />}
        </Loaded>
      </Card>
      <Card title="Password">
        <PasswordForm />
      </Card>
      <DataCard />
    </>
  );
}

function ProfileForm({ profile }: { profile: Schema["Profile"] }) {
  const client = useQueryClient();
  const [email, setEmail] = useState(profile.email);
  const changesEmail = email.trim() !== profile.email;
  const change = useMutation({
    mutationFn: (next: Schema["ProfileChange"]) => body(api.PATCH("/users/me", { body: next })),
    onSuccess: (next) => {
      client.setQueryData(PROFILE, next);
      toast("Your profile is saved.", "up");
    },
  });
  const errors = fieldErrors(change.error);
  return (
    <form
      onSubmit={submitted((form) =>
        change.mutate({
          display_name: text(form, "display_name") || null,
          ...(changesEmail && { email: email.trim(), current_password: raw(form, "current_password") }),
        }),
      )}
    >
      <Fields>
        <Fields columns>
          <Field label="Name" optional error={errors.display_name}>
            {(input) => (
              <input
                {...input}
                name="display_name"
                autoComplete="name"
                maxLength={100}
                defaultValue={profile.display_name ?? ""}
              />
            )}
          </Field>
          <Field label="E-mail" error={errors.email}>
            {(input) => (
              <input
                {...input}
                name="email"
                type="email"
                autoComplete="username"
                required
                maxLength={254}
                value={email}
                onChange={(event) => setEmail(event.target.value)}
              />
            )}
          </Field>
          {changesEmail && (
            <PasswordField
              label="Password"
              name="current_password"
              hint="Needed to change the e-mail."
              error={errors.current_password}
            />
          )}
        </Fields>
        {Object.keys(errors).length === 0 && <ProblemNote error={change.error} />}
        <Actions>
          <Button type="submit" kind="primary" busy={change.isPending}>
            Save profile
          </Button>
        </Actions>
      </Fields>
    </form>
  );
}

function ProfileSkeleton() {
  return (
    <div role="status" aria-label="Loading">
      <Fields>
        <Fields columns>
          <Skeleton height="4rem" />
          <Skeleton height="4rem" />
        </Fields>
        <Skeleton height="2.5rem" />
      </Fields>
    </div>
  );
}

export function PasswordForm() {
  const [isSame, setSame] = useState(false);
  const change = useMutation({
    mutationFn: ({ next }: { next: Schema["PasswordChange"]; form: HTMLFormElement }) =>
      body(api.POST("/users/me/password", { body: next })),
    onSuccess: (_, { form }) => {
      form.reset();
      toast("Your password is changed; all other sessions have ended.", "up");
    },
  });
  const errors = fieldErrors(change.error);
  return (
    <form
      onSubmit={submitted((form, element) => {
        const next = {
          current_password: raw(form, "current_password"),
          new_password: raw(form, "new_password"),
        };
        const isSame = next.new_password === next.current_password;
        setSame(isSame);
        if (!isSame) change.mutate({ next, form: element });
      })}
    >
      <Fields>
        <Fields columns>
          <PasswordField label="Current password" name="current_password" error={errors.current_password} />
          <PasswordField
            label="New password"
            name="new_password"
            isNew
            hint="At least 12 characters."
            error={isSame ? "Choose another password than the current one." : errors.new_password}
          />
        </Fields>
        {Object.keys(errors).length === 0 && <ProblemNote error={change.error} />}
        <Actions>
          <Button type="submit" kind="primary" busy={change.isPending}>
            Change password
          </Button>
        </Actions>
      </Fields>
    </form>
  );
}

function DataCard() {
  const [isEnding, setEnding] = useState(false);
  const take = useMutation({
    mutationFn: () => download("/users/me/export", "application/json", "cryptopulse.json"),
  });
  return (
    <Card title="Your data">
      <Fields>
        <p className="muted">
          One JSON document holds all that is kept of you. Deleting the account ends every session at once;
          your data is wiped within the hour.
        </p>
        <ProblemNote error={take.error} />
        <Actions>
          <Button busy={take.isPending} onClick={() => take.mutate()}>
            Download my data
          </Button>
          <Button kind="danger" onClick={() => setEnding(true)}>
            Delete account
          </Button>
        </Actions>
      </Fields>
      {isEnding && <DeleteAccount onClose={() => setEnding(false)} />}
    </Card>
  );
}

function DeleteAccount({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation();
  const end = useMutation({
    mutationFn: (current_password: string) => body(api.DELETE("/users/me", { body: { current_password } })),
    onSuccess: () => {
      session.end();
      navigate("/");
      toast("Your account is deleted.");
    },
  });
  const errors = fieldErrors(end.error);
  return (
    <Dialog title="Delete account" onClose={onClose}>
      <form onSubmit={submitted((form) => end.mutate(raw(form, "current_password")))}>
        <Fields>
          <p>Your portfolios, transactions and alerts go with it. This cannot be undone.</p>
          <PasswordField label="Password" name="current_password" error={errors.current_password} />
          {Object.keys(errors).length === 0 && <ProblemNote error={end.error} />}
          <Actions>
            <Button onClick={onClose}>Cancel</Button>
            <Button type="submit" kind="danger" busy={end.isPending}>
              Delete account
            </Button>
          </Actions>
        </Fields>
      </form>
    </Dialog>
  );
}
