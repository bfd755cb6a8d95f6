import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api } from "../../api/client";
import { ConfirmDialog } from "../../ui/ConfirmDialog";
import { Quantity, Time } from "../../ui/figures";
import { toast } from "../../ui/toasts";
import { ConflictNote, conflictOf } from "./ConflictNote";
import type { Transaction } from "./form";
import { KINDS } from "./kinds";
import { invalidatePortfolios } from "./transactions";
import css from "./transactions.module.css";

export function DeleteTransactionDialog({
  transaction,
  onClose,
}: {
  transaction: Transaction;
  onClose: () => void;
}) {
  const client = useQueryClient();
  const { id, portfolio_id, type, quantity, asset, time } = transaction;
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE("/portfolios/{portfolio_id}/transactions/{transaction_id}", {
        params: { path: { portfolio_id, transaction_id: id } },
      }),
    onSuccess: () => {
      toast("The transaction is deleted.");
      onClose();
      return invalidatePortfolios(client);
    },
  });
  const conflict = conflictOf(remove.error);
  return (
    <ConfirmDialog
      title="Delete transaction"
      action="Delete transaction"
      busy={remove.isPending}
      error={conflict ? null : remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <div className={css.confirm}>
        <p>
          {KINDS[type].name} of <Quantity value={quantity} asset={asset} /> on <Time value={time} />
        </p>
        <p className="muted">
          {type === "transfer" && "It goes from both portfolios. "}
          Holdings, gains and returns are worked out anew without it.
        </p>
        {conflict && <ConflictNote conflict={conflict} portfolio={portfolio_id} transaction={id} />}
      </div>
    </ConfirmDialog>
  );
}
