import type { Schema } from "../../../api/client";
import type { ImportJob } from "./importing";

type Previewed = Schema["Previewed"];
type LineError = ImportJob["errors"][number];

/** A line of the file: as it was understood, or why it was not. */
export type PreviewLine = { understood: Previewed } | { error: LineError };

/** As many as the API shows. */
const MOST = 20;

/** The first transactions of a file with the errors among them, in its order. */
export function previewLines({ preview, errors }: ImportJob): PreviewLine[] {
  const understood = preview?.transactions ?? [];
  const last = understood.length < MOST ? Number.POSITIVE_INFINITY : (understood.at(-1)?.line ?? 0);
  const among = errors.filter(({ line }) => line > 0 && line <= last);
  return [...understood.map((each) => ({ understood: each })), ...among.map((error) => ({ error }))]
    .sort((one, other) => lineOf(one) - lineOf(other))
    .slice(0, MOST);
}

/** Whether the errors stand among them, all of them. */
export function showsErrors(job: ImportJob): boolean {
  return previewLines(job).filter((shown) => "error" in shown).length === job.errors_total;
}

export function lineOf(shown: PreviewLine): number {
  return "error" in shown ? shown.error.line : shown.understood.line;
}
