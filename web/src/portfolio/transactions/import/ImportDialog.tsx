import { useEffect, useRef } from "react";
import { Button } from "../../../ui/Button";
import { Dialog } from "../../../ui/Dialog";
import { Actions } from "../../../ui/layout";
import { ProblemNote } from "../../../ui/states";
import type { Portfolio } from "../../portfolios";
import { FileForm } from "./FileForm";
import { Findings } from "./Findings";
import css from "./import.module.css";
import { isImportable } from "./importing";
import { Progress } from "./Progress";
import { useImport } from "./useImport";
import { finding, outcome, transactions } from "./words";

export function ImportDialog({ portfolio, onClose }: { portfolio: Portfolio; onClose: () => void }) {
  const { state, choose, confirm, restart } = useImport(portfolio);
  const content = useRef<HTMLDivElement>(null);
  const { step } = state;
  const shownStep = useRef(step);
  useEffect(() => {
    // The button that was pressed is gone: what came instead takes the focus.
    if (shownStep.current !== step) content.current?.focus();
    shownStep.current = step;
  }, [step]);
  return (
    <Dialog title="Import transactions" onClose={onClose} wide={step === "review" || step === "done"}>
      <div ref={content} tabIndex={-1} className={css.content}>
        {state.step === "choose" && <FileForm error={state.error} onChoose={choose} onClose={onClose} />}
        {state.step === "check" && <Progress doing="Checking" chosen={state.chosen} job={state.job} />}
        {state.step === "review" && (
          <>
            <Findings
              title={finding(state.check)}
              file={state.chosen.file.name}
              job={state.check}
              base={portfolio.base_currency}
            />
            <ProblemNote error={state.error} />
            <Actions>
              <Button onClick={restart}>Choose another file</Button>
              {isImportable(state.check) && (
                <Button kind="primary" onClick={confirm}>
                  {state.check.errors_total > 0
                    ? `Import the other ${transactions(state.check.imported)}`
                    : `Import ${transactions(state.check.imported)}`}
                </Button>
              )}
            </Actions>
          </>
        )}
        {state.step === "import" && (
          <>
            <Progress doing="Importing" chosen={state.chosen} job={state.job} />
            <p className="muted">It goes on when you close this.</p>
          </>
        )}
        {state.step === "done" && (
          <>
            <Findings title={outcome(state.job)} job={state.job} base={portfolio.base_currency} />
            <Actions>
              <Button onClick={restart}>Import another file</Button>
              <Button kind="primary" onClick={onClose}>
                Done
              </Button>
            </Actions>
          </>
        )}
      </div>
    </Dialog>
  );
}
