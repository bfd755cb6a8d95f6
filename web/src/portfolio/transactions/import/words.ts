import { plain } from "../../../format/numbers";
import type { ImportJob } from "./importing";

/** What came of an import. */
export function outcome(job: ImportJob): string {
  if (job.status === "failed") return "Nothing was imported.";
  if (job.imported === 0) return "There was nothing new to import.";
  return `${transactions(job.imported)} imported.`;
}

/** What a dry run found. */
export function finding(check: ImportJob): string {
  if (check.status === "failed") return "The file could not be checked.";
  if (check.imported > 0) return `${transactions(check.imported)} can be imported.`;
  if (check.errors_total > 0) return "Nothing new in this file can be imported.";
  if (check.skipped_duplicates > 0) return "All of it is in this portfolio already.";
  return "There is nothing to import in this file.";
}

export function transactions(count: number): string {
  return counted(count, "transaction");
}

export function counted(count: number, noun: string): string {
  return `${plain(count, 0)} ${noun}${count === 1 ? "" : "s"}`;
}
