import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { useLocation } from "wouter";
import { api, body, type Schema } from "../api/client";
import { Problem } from "../api/problem";
import { Button } from "../ui/Button";
import { ConfirmDialog } from "../ui/ConfirmDialog";
import { submitted } from "../ui/forms";
import { Actions, Card, Fields } from "../ui/layout";
import { fieldErrors, ProblemNote } from "../ui/states";
import { toast } from "../ui/toasts";
import { PortfolioFields, type PortfolioForm, portfolioForm } from "./PortfolioFields";
import { PORTFOLIOS, type Portfolio, portfolioKey, type Versioned } from "./portfolios";
import css from "./Settings.module.css";

/** A portfolio's name and terms, and its end. */
export function Settings({ versioned }: { versioned: Versioned }) {
  return (
    <div className={css.settings}>
      <Terms versioned={versioned} />
      <Card title="Delete portfolio">
        <Deletion portfolio={versioned.portfolio} />
      </Card>
    </div>
  );
}

function Terms({ versioned: { portfolio, etag } }: { versioned: Versioned }) {
  const client = useQueryClient();
  const save = useMutation({
    mutationFn: (change: Schema["PortfolioChange"]) =>
      body(
        api.PATCH("/portfolios/{portfolio_id}", {
          params: {
            path: { portfolio_id: portfolio.id },
            ...(etag !== null && { header: { "If-Match": etag } }),
          },
          body: change,
        }),
      ),
    onSuccess: () => {
      toast("The portfolio is changed.", "up");
      return client.invalidateQueries({ queryKey: PORTFOLIOS });
    },
    onError: (error) => {
      if (isOutdated(error)) void client.invalidateQueries({ queryKey: portfolioKey(portfolio.id) });
    },
  });
  const errors = fieldErrors(save.error);
  return (
    <Card title="Name and terms">
      <form onSubmit={submitted((form) => save.mutate(changed(portfolioForm(form, portfolio), portfolio)))}>
        <Fields>
          <PortfolioFields
            from={portfolio}
            errors={errors}
            currencyHint="In another one all amounts are told anew, at the rates of their time. What you entered stays as it is."
          />
          {Object.keys(errors).length === 0 && (
            <ProblemNote error={isOutdated(save.error) ? OUTDATED : save.error} />
          )}
          <Actions>
            <Button kind="primary" type="submit" busy={save.isPending}>
              Save changes
            </Button>
          </Actions>
        </Fields>
      </form>
    </Card>
  );
}

const OUTDATED = new Error(
  "This portfolio was changed elsewhere in the meantime. What you typed is kept: save again to apply it over that.",
);

function isOutdated(error: Error | null): boolean {
  return error instanceof Problem && error.status === 412;
}

/** Only what is another: a change of currency is more work than one of the name. */
function changed(
  form: PortfolioForm,
  { name, base_currency, cost_basis }: Portfolio,
): Schema["PortfolioChange"] {
  return {
    ...(form.name !== name && { name: form.name }),
    ...(form.base_currency !== base_currency && { base_currency: form.base_currency }),
    ...(form.cost_basis !== cost_basis && { cost_basis: form.cost_basis }),
  };
}

function Deletion({ portfolio: { id, name } }: { portfolio: Portfolio }) {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [isAsking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: async () => {
      await api.DELETE("/portfolios/{portfolio_id}", { params: { path: { portfolio_id: id } } });
    },
    onSuccess: () => {
      navigate("/portfolios", { replace: true });
      toast(`“${name}” is deleted.`);
      return client.invalidateQueries({ queryKey: PORTFOLIOS, exact: true });
    },
  });
  return (
    <div className={css.deletion}>
      <p className="muted">
        Deletes its transactions, imports and reports for good. Transfers stay in the portfolios they went to
        or came from.
      </p>
      <Button kind="danger" onClick={() => setAsking(true)}>
        <Trash2 size={16} aria-hidden />
        Delete portfolio
      </Button>
      {isAsking && (
        <ConfirmDialog
          title={`Delete “${name}”?`}
          action="Delete portfolio"
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => setAsking(false)}
        >
          All of its transactions are deleted with it, and nobody can bring them back. To keep a copy, export
          them as CSV first.
        </ConfirmDialog>
      )}
    </div>
  );
}
