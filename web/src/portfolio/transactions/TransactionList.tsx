import { ListPlus } from "lucide-react";
import { useState } from "react";
import { Button } from "../../ui/Button";
import { EmptyState, ErrorState, SkeletonRows } from "../../ui/states";
import { useMediaQuery } from "../../ui/useMediaQuery";
import { type Portfolio, usePortfolios } from "../portfolios";
import type { Shown } from "./cells";
import { DeleteTransactionDialog } from "./DeleteTransactionDialog";
import { EditTransactionDialog } from "./EditTransactionDialog";
import { Filters } from "./Filters";
import type { Transaction } from "./form";
import { TransactionRows } from "./TransactionRows";
import { TransactionTable } from "./TransactionTable";
import { type Filter, useTransactions } from "./transactions";
import css from "./transactions.module.css";

interface Props {
  portfolio: Portfolio;
  filter: Filter;
  onAdd: () => void;
  onImport: () => void;
  onFilter: (change: Partial<Filter>) => void;
}

export function TransactionList({ portfolio, filter, onAdd, onImport, onFilter }: Props) {
  const [open, setOpen] = useState<{ action: "edit" | "delete"; transaction: Transaction } | null>(null);
  const list = useTransactions(portfolio.id, filter);
  const portfolios = usePortfolios().data ?? [portfolio];
  const isNarrow = useMediaQuery("(width < 60rem)");
  const close = () => setOpen(null);

  const filters = <Filters filter={filter} onChange={onFilter} />;
  if (list.data === undefined) {
    if (list.error) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
    return (
      <>
        {filters}
        <SkeletonRows rows={8} height={isNarrow ? "4.5rem" : "3.5rem"} />
      </>
    );
  }
  const items = list.data.pages.flatMap((page) => page.items);
  if (items.length === 0 && !list.hasNextPage) {
    if (!filter.type && !filter.asset) return <NoTransactions onAdd={onAdd} onImport={onImport} />;
    return (
      <>
        {filters}
        <EmptyState
          title="No such transactions"
          action={<Button onClick={() => onFilter({ type: null, asset: null })}>Show all</Button>}
        >
          None of this portfolio’s transactions is of this type and asset.
        </EmptyState>
      </>
    );
  }

  const homeOf = ({ from_portfolio_id: source }: Transaction) =>
    source === null ? portfolio : portfolios.find(({ id }) => id === source);
  const home = open?.action === "edit" && homeOf(open.transaction);
  const shown: Shown = {
    items,
    portfolio,
    nameOf: (id) => portfolios.find((each) => each.id === id)?.name ?? "a portfolio that is gone",
    onEdit: (transaction) => setOpen({ action: homeOf(transaction) ? "edit" : "delete", transaction }),
    onDelete: (transaction) => setOpen({ action: "delete", transaction }),
  };
  return (
    <>
      {filters}
      {isNarrow ? <TransactionRows {...shown} /> : <TransactionTable {...shown} />}
      {list.hasNextPage && (
        <div className={css.more}>
          <Button busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {items.length === 0 ? "None among the newest. Look further back" : "Load more"}
          </Button>
        </div>
      )}
      {open && home && (
        <EditTransactionDialog
          home={home}
          id={open.transaction.id}
          onDelete={() => shown.onDelete(open.transaction)}
          onClose={close}
        />
      )}
      {open?.action === "delete" && (
        <DeleteTransactionDialog transaction={open.transaction} onClose={close} />
      )}
    </>
  );
}

function NoTransactions({ onAdd, onImport }: Pick<Props, "onAdd" | "onImport">) {
  return (
    <EmptyState
      title="No transactions yet"
      icon={<ListPlus size={28} aria-hidden />}
      action={
        <div className={css.toolbar}>
          <Button onClick={onImport}>Import a file</Button>
          <Button kind="primary" onClick={onAdd}>
            Add transaction
          </Button>
        </div>
      }
    >
      Enter what you bought, sold or moved, or import the CSV export of Coinbase, Binance or Kraken.
    </EmptyState>
  );
}
