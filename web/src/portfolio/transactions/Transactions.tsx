import { Download, Plus, Upload } from "lucide-react";
import { useState } from "react";
import { useSearchParams } from "wouter";
import { Button } from "../../ui/Button";
import { Card } from "../../ui/layout";
import type { Portfolio } from "../portfolios";
import { AddTransactionDialog } from "./AddTransactionDialog";
import { ExportDialog } from "./ExportDialog";
import { ImportDialog } from "./import/ImportDialog";
import { isKind } from "./kinds";
import { TransactionList } from "./TransactionList";
import type { Filter } from "./transactions";
import css from "./transactions.module.css";

/** A portfolio's transactions: to read, enter, mend, bring in and take out. */
export function Transactions({ portfolio }: { portfolio: Portfolio }) {
  const [open, setOpen] = useState<"add" | "import" | "export" | null>(null);
  const [params, setParams] = useSearchParams();
  const type = params.get("type");
  const filter: Filter = { type: isKind(type) ? type : null, asset: params.get("asset") };
  const close = () => setOpen(null);

  function setFilter(change: Partial<Filter>): void {
    setParams(
      (before) => {
        for (const [name, value] of Object.entries(change)) {
          if (value) before.set(name, value);
          else before.delete(name);
        }
        return before;
      },
      { replace: true },
    );
  }

  return (
    <Card
      title="Transactions"
      flush
      actions={
        <div className={css.toolbar}>
          <Button small onClick={() => setOpen("import")}>
            <Upload size={16} aria-hidden />
            Import
          </Button>
          <Button small onClick={() => setOpen("export")}>
            <Download size={16} aria-hidden />
            Export
          </Button>
          <Button small kind="primary" onClick={() => setOpen("add")}>
            <Plus size={16} aria-hidden />
            Add
          </Button>
        </div>
      }
    >
      <TransactionList
        portfolio={portfolio}
        filter={filter}
        onAdd={() => setOpen("add")}
        onImport={() => setOpen("import")}
        onFilter={setFilter}
      />
      {open === "add" && <AddTransactionDialog portfolio={portfolio} onClose={close} />}
      {open === "import" && <ImportDialog portfolio={portfolio} onClose={close} />}
      {open === "export" && <ExportDialog portfolio={portfolio} onClose={close} />}
    </Card>
  );
}
