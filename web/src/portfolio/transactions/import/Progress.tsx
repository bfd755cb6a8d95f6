import * as numbers from "../../../format/numbers";
import css from "./import.module.css";
import type { Chosen, ImportJob } from "./importing";

interface Props {
  doing: "Checking" | "Importing";
  chosen: Chosen;
  /** Not there while the file is on its way. */
  job: ImportJob | null;
}

/** How far a run is. It is read out in steps of 10 %, not for each beat. */
export function Progress({ doing, chosen, job }: Props) {
  const share = job && job.lines > 0 ? job.processed / job.lines : 0;
  return (
    <div className={css.progress}>
      <p>
        {doing} <strong>{chosen.file.name}</strong>
      </p>
      {job?.processed ? (
        <progress aria-label={doing} value={job.processed} max={job.lines} />
      ) : (
        <progress aria-label={doing} />
      )}
      <p className="muted">
        {job
          ? `${numbers.plain(job.processed, 0)} of ${numbers.plain(job.lines, 0)} lines`
          : "The file is on its way."}
      </p>
      <p className="visually-hidden" role="status">
        {doing}: {Math.floor(share * 10) * 10} per cent
      </p>
    </div>
  );
}
