import type { Schema } from "../../../api/client";
import { isPassing } from "../../../api/query";

export type ImportJob = Schema["ImportView"];

export interface Chosen {
  file: File;
  format: Format;
}

export const FORMATS = {
  auto: "Found by its header",
  binance: "Binance",
  coinbase: "Coinbase",
  kraken: "Kraken",
  cryptopulse: "CryptoPulse",
} as const;
export type Format = keyof typeof FORMATS;

/** How far an import is: a file is chosen, checked by a dry run, looked at, then imported. */
export type Importing =
  | { step: "choose"; error: Error | null }
  | { step: "check"; chosen: Chosen; job: ImportJob | null }
  | { step: "review"; chosen: Chosen; check: ImportJob; error: Error | null }
  | { step: "import"; chosen: Chosen; check: ImportJob; job: ImportJob | null }
  | { step: "done"; job: ImportJob };

export type ImportEvent =
  | { type: "chosen"; chosen: Chosen }
  | { type: "told"; job: ImportJob }
  | { type: "failed"; error: Error }
  | { type: "confirmed" }
  | { type: "restarted" };

export const START: Importing = { step: "choose", error: null };

/** What comes after an event; one that does not belong to the step changes nothing. */
export function next(state: Importing, event: ImportEvent): Importing {
  switch (event.type) {
    case "chosen":
      return state.step === "choose" ? { step: "check", chosen: event.chosen, job: null } : state;
    case "told":
      return told(state, event.job);
    case "failed":
      if (state.step === "check") return { step: "choose", error: event.error };
      if (state.step === "import") return { ...state, step: "review", error: event.error };
      return state;
    case "confirmed":
      if (state.step !== "review" || !isImportable(state.check)) return state;
      return { step: "import", chosen: state.chosen, check: state.check, job: null };
    case "restarted":
      return state.step === "review" || state.step === "done" ? START : state;
  }
}

function told(state: Importing, job: ImportJob): Importing {
  const isOver = job.finished_at !== null;
  if (state.step === "check") {
    return isOver ? { step: "review", chosen: state.chosen, check: job, error: null } : { ...state, job };
  }
  if (state.step === "import") return isOver ? { step: "done", job } : { ...state, job };
  return state;
}

/** Whether a dry run found anything to import. */
export function isImportable(check: ImportJob): boolean {
  return check.status === "done" && check.imported > 0;
}

const POLL_MS = 1000;
const SLOWEST_POLL_MS = 15_000;

interface Follow {
  read: (id: string) => Promise<ImportJob>;
  told: (job: ImportJob) => void;
  signal: AbortSignal;
  wait?: (ms: number) => Promise<void>;
}

/** Tells how a job comes along until it is finished; what passes, as a lost connection, is waited out. */
export async function follow(job: ImportJob, { read, told, signal, wait = pause }: Follow): Promise<void> {
  let last = job;
  let delay = POLL_MS;
  told(last);
  while (last.finished_at === null) {
    await wait(delay);
    if (signal.aborted) return;
    try {
      last = await read(last.id);
      delay = POLL_MS;
    } catch (error) {
      if (!(error instanceof Error) || !isPassing(error)) throw error;
      delay = Math.min(delay * 2, SLOWEST_POLL_MS);
      continue;
    }
    if (signal.aborted) return;
    told(last);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
