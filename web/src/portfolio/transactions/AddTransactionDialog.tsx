import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, body } from "../../api/client";
import { idempotencyKeys } from "../../api/idempotencyKeys";
import { Dialog } from "../../ui/Dialog";
import { toast } from "../../ui/toasts";
import type { Portfolio } from "../portfolios";
import { type Draft, newValues } from "./form";
import { TransactionForm } from "./TransactionForm";
import { invalidatePortfolios } from "./transactions";

export function AddTransactionDialog({ portfolio, onClose }: { portfolio: Portfolio; onClose: () => void }) {
  const client = useQueryClient();
  const [keyOf] = useState(idempotencyKeys);
  const [initial] = useState(() => newValues(portfolio, Date.now()));
  const save = useMutation({
    mutationFn: (draft: Draft) =>
      body(
        api.POST("/portfolios/{portfolio_id}/transactions", {
          params: { path: { portfolio_id: portfolio.id }, header: { "Idempotency-Key": keyOf(draft) } },
          body: draft,
        }),
      ),
    onSuccess: () => {
      toast("The transaction is added.", "up");
      onClose();
      return invalidatePortfolios(client);
    },
  });
  return (
    <Dialog title="Add transaction" onClose={onClose}>
      <TransactionForm
        portfolio={portfolio}
        transaction={null}
        initial={initial}
        save={save}
        action="Add transaction"
        onClose={onClose}
      />
    </Dialog>
  );
}
