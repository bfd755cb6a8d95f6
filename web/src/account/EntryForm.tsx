import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Redirect, useLocation, useSearch } from "wouter";
import { EXPIRED, useSession, useSessionExpired } from "../api/session";
import { Button } from "../ui/Button";
import { submitted } from "../ui/forms";
import { Fields, Page } from "../ui/layout";
import { fieldErrors, ProblemNote } from "../ui/states";
import css from "./EntryForm.module.css";
import { nextPage } from "./next";

interface Props {
  title: string;
  action: string;
  enter: (form: FormData) => Promise<void>;
  fields: (errors: Readonly<Record<string, string>>) => ReactNode;
  children: ReactNode;
}

/** The form of signing in or up; whoever is in goes on to the page that asked. */
export function EntryForm({ title, action, enter, fields, children }: Props) {
  const search = useSearch();
  const status = useSession();
  const hasExpired = useSessionExpired();
  const [, navigate] = useLocation();
  const entry = useMutation({
    mutationFn: enter,
    onSuccess: () => navigate(nextPage(search), { replace: true }),
  });
  if (status === "signed-in" && !entry.isPending && !entry.isSuccess)
    return <Redirect to={nextPage(search)} replace />;
  const errors = fieldErrors(entry.error);
  return (
    <Page title={title} heading={null}>
      <form className={css.card} onSubmit={submitted((form) => entry.mutate(form))}>
        <header className={css.header}>
          <img src="/icon.svg" alt="" width={40} height={40} />
          <h1>{title}</h1>
        </header>
        {hasExpired && (
          <p className={css.expired} role="status">
            {EXPIRED}
          </p>
        )}
        <Fields>{fields(errors)}</Fields>
        {Object.keys(errors).length === 0 && <ProblemNote error={entry.error} />}
        <Button type="submit" kind="primary" busy={entry.isPending}>
          {action}
        </Button>
        <p className={css.other}>{children}</p>
      </form>
    </Page>
  );
}
