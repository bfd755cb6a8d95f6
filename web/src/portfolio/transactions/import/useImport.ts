import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useReducer, useRef } from "react";
import { api, body } from "../../../api/client";
import { session } from "../../../api/session";
import { toast } from "../../../ui/toasts";
import type { Portfolio } from "../../portfolios";
import { invalidatePortfolios } from "../transactions";
import { type Chosen, follow, type ImportJob, next, START } from "./importing";
import { packed } from "./pack";
import { outcome } from "./words";

/**
 * Imports a file in two runs, a dry one and the real one. A real run that was begun goes on when the dialog is closed, and
 * its end is told by a toast then.
 */
export function useImport(portfolio: Portfolio) {
  const [state, dispatch] = useReducer(next, START);
  const client = useQueryClient();
  const keys = useRef({ check: "", import: "" });
  const dialog = useRef(new AbortController());
  useEffect(() => {
    dialog.current = new AbortController();
    return () => dialog.current.abort();
  }, []);

  async function run(chosen: Chosen, isDry: boolean, isPartial: boolean, key: string): Promise<void> {
    const { signal } = dialog.current;
    const path = { portfolio_id: portfolio.id };
    try {
      const first = await body(
        api.POST("/portfolios/{portfolio_id}/transactions/import", {
          params: {
            path,
            query: { format: chosen.format, dry_run: isDry, partial: isPartial },
            header: { "Idempotency-Key": key },
          },
          headers: { "Content-Type": "application/gzip" },
          body: await packed(chosen.file),
          bodySerializer: (file) => file,
        }),
      );
      await follow(first, {
        read: (id) =>
          body(
            api.GET("/portfolios/{portfolio_id}/imports/{import_id}", {
              params: { path: { ...path, import_id: id } },
            }),
          ),
        told: (job) => {
          dispatch({ type: "told", job });
          if (!isDry && job.finished_at !== null) void finished(job, signal.aborted);
        },
        signal: isDry ? signal : new AbortController().signal,
      });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      dispatch({ type: "failed", error });
      if (!isDry && signal.aborted && session.status === "signed-in")
        toast(`Your import broke off. ${error.message}`, "down");
    }
  }

  function finished(job: ImportJob, isClosed: boolean): Promise<void> {
    if (isClosed) toast(`${portfolio.name}: ${outcome(job)}`, job.status === "done" ? "up" : "down");
    return invalidatePortfolios(client);
  }

  return {
    state,
    choose(chosen: Chosen): void {
      keys.current = { check: crypto.randomUUID(), import: crypto.randomUUID() };
      dispatch({ type: "chosen", chosen });
      // With `partial` the dry run also counts what is good beside what is not.
      void run(chosen, true, true, keys.current.check);
    },
    confirm(): void {
      if (state.step !== "review") return;
      dispatch({ type: "confirmed" });
      void run(state.chosen, false, state.check.errors_total > 0, keys.current.import);
    },
    restart(): void {
      dispatch({ type: "restarted" });
    },
  };
}
