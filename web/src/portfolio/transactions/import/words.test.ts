import { describe, expect, it } from "vitest";
import type { ImportJob } from "./importing";
import { finding, outcome } from "./words";

const JOB: ImportJob = {
  id: "j1",
  status: "done",
  format: "binance",
  dry_run: true,
  lines: 3,
  processed: 3,
  imported: 0,
  skipped_duplicates: 0,
  ignored: 0,
  warnings: [],
  errors: [],
  errors_total: 0,
  created_at: "2026-11-22T12:00:00Z",
  finished_at: "2026-11-22T12:00:01Z",
};

describe("an import in words", () => {
  it.each<[Partial<ImportJob>, string]>([
    [{ imported: 1 }, "1 transaction can be imported."],
    [{ imported: 2, errors_total: 1 }, "2 transactions can be imported."],
    [{ skipped_duplicates: 3 }, "All of it is in this portfolio already."],
    [{ skipped_duplicates: 2, errors_total: 1 }, "Nothing new in this file can be imported."],
    [{ ignored: 3 }, "There is nothing to import in this file."],
    [{ status: "failed", errors_total: 1 }, "The file could not be checked."],
  ])("tells what was found: %j", (job, words) => {
    expect(finding({ ...JOB, ...job })).toBe(words);
  });

  it.each<[Partial<ImportJob>, string]>([
    [{ imported: 4500 }, "4,500 transactions imported."],
    [{ skipped_duplicates: 3 }, "There was nothing new to import."],
    [{ status: "failed", errors_total: 1 }, "Nothing was imported."],
  ])("tells what came of it: %j", (job, words) => {
    expect(outcome({ ...JOB, ...job, dry_run: false })).toBe(words);
  });
});
