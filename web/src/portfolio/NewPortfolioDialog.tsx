import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { api, body } from "../api/client";
import { idempotencyKeys } from "../api/idempotencyKeys";
import { usePreferences } from "../app/preferences";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { submitted } from "../ui/forms";
import { Actions, Fields } from "../ui/layout";
import { fieldErrors, ProblemNote } from "../ui/states";
import { PortfolioFields, type PortfolioForm, portfolioForm } from "./PortfolioFields";
import { PORTFOLIOS } from "./portfolios";

export function NewPortfolioDialog({ onClose }: { onClose: () => void }) {
  const { base_currency, cost_basis } = usePreferences().preferences;
  const from = { name: "", base_currency, cost_basis };
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const [keyOf] = useState(idempotencyKeys);
  const make = useMutation({
    mutationFn: (form: PortfolioForm) =>
      body(
        api.POST("/portfolios", {
          params: { header: { "Idempotency-Key": keyOf(form) } },
          body: form,
        }),
      ),
    onSuccess: ({ id }) => {
      void client.invalidateQueries({ queryKey: PORTFOLIOS, exact: true });
      navigate(`/portfolios/${id}`);
    },
  });
  const errors = fieldErrors(make.error);
  return (
    <Dialog title="New portfolio" onClose={onClose}>
      <form onSubmit={submitted((form) => make.mutate(portfolioForm(form, from)))}>
        <Fields>
          <PortfolioFields
            from={from}
            errors={errors}
            currencyHint="All of its amounts are told in this. It can be changed later."
          />
          {Object.keys(errors).length === 0 && <ProblemNote error={make.error} />}
          <Actions>
            <Button onClick={onClose}>Cancel</Button>
            <Button kind="primary" type="submit" busy={make.isPending}>
              Create portfolio
            </Button>
          </Actions>
        </Fields>
      </form>
    </Dialog>
  );
}
