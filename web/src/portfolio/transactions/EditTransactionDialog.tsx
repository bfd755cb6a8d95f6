import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, body } from "../../api/client";
import { Problem } from "../../api/problem";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Loaded, SkeletonRows } from "../../ui/states";
import { toast } from "../../ui/toasts";
import { type Portfolio, portfolioKey } from "../portfolios";
import { changes, type Draft, read, type Transaction, valuesOf } from "./form";
import { TransactionForm } from "./TransactionForm";
import { invalidatePortfolios } from "./transactions";
import css from "./transactions.module.css";

const OVERTAKEN =
  "It was changed elsewhere since you opened it. Above is what is stored now: make your change again.";

interface Props {
  /** Where it was entered: of a transfer where it comes from. */
  home: Portfolio;
  id: string;
  onDelete: () => void;
  onClose: () => void;
}

export function EditTransactionDialog({ home, id, onDelete, onClose }: Props) {
  const client = useQueryClient();
  const path = { portfolio_id: home.id, transaction_id: id };
  const stored = useQuery({
    queryKey: [...portfolioKey(home.id), "transaction", id],
    queryFn: async () => {
      const call = api.GET("/portfolios/{portfolio_id}/transactions/{transaction_id}", { params: { path } });
      const transaction = await body(call);
      return { transaction, etag: (await call).response.headers.get("etag") };
    },
    // Read when the dialog opens and when it was overtaken; in between the form is the user's.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const save = useMutation({
    mutationFn: async (draft: Draft) => {
      if (!stored.data) return;
      const change = changes(draftOf(stored.data.transaction, home) ?? draft, draft);
      if (Object.keys(change).length === 0) return;
      try {
        await api.PATCH("/portfolios/{portfolio_id}/transactions/{transaction_id}", {
          params: { path, header: { ...(stored.data.etag !== null && { "If-Match": stored.data.etag }) } },
          body: change,
        });
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 412) throw error;
        await stored.refetch();
        throw new Error(OVERTAKEN);
      }
      toast("The transaction is changed.", "up");
    },
    onSuccess: () => {
      onClose();
      return invalidatePortfolios(client);
    },
  });
  return (
    <Dialog title="Edit transaction" onClose={onClose}>
      <Loaded query={stored} skeleton={<SkeletonRows rows={9} height="4rem" />}>
        {({ transaction, etag }) => (
          <TransactionForm
            key={etag}
            portfolio={home}
            transaction={id}
            initial={valuesOf(transaction, home.base_currency)}
            save={save}
            action="Save"
            onClose={onClose}
            extra={
              <Button kind="danger" className={css.apart} onClick={onDelete}>
                Delete
              </Button>
            }
          />
        )}
      </Loaded>
    </Dialog>
  );
}

function draftOf(transaction: Transaction, home: Portfolio): Draft | null {
  const told = read(valuesOf(transaction, home.base_currency), Date.parse(transaction.time));
  return "draft" in told ? told.draft : null;
}
