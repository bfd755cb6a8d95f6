import { CircleAlert, CircleCheck } from "lucide-react";
import * as numbers from "../../../format/numbers";
import { Badge } from "../../../ui/Badge";
import { Explain } from "../../../ui/Explain";
import { TableFrame, tableClass } from "../../../ui/layout";
import type { Currency } from "../../portfolios";
import css from "./import.module.css";
import { FORMATS, type ImportJob, isImportable } from "./importing";
import { Preview } from "./Preview";
import { showsErrors } from "./preview";
import { counted } from "./words";

interface Props {
  title: string;
  file?: string;
  job: ImportJob;
  base: Currency;
}

/** What a run, dry or real, found in the file. */
export function Findings({ title, file, job, base }: Props) {
  const isGood = job.status === "done" && job.errors_total === 0;
  const Icon = isGood ? CircleCheck : CircleAlert;
  return (
    <>
      <div className={css.title} role="status" data-good={isGood}>
        <Icon size={22} aria-hidden />
        <h3>{title}</h3>
        <Badge>{formatName(job.format)}</Badge>
      </div>
      {file && <p className={css.file}>{file}</p>}
      <dl className={css.counts}>
        <Count name="Lines" value={job.lines} />
        <Count name={job.dry_run ? "To import" : "Imported"} value={job.imported}>
          Transactions. One may stand on several lines of the file.
        </Count>
        <Count name="Duplicates" value={job.skipped_duplicates}>
          Transactions that the portfolio has already, or that the file tells twice. They are left out.
        </Count>
        <Count name="Ignored" value={job.ignored}>
          Lines of money alone, or between accounts at the same exchange. Cash is not kept here.
        </Count>
        <Count name="Errors" value={job.errors_total} />
      </dl>
      <Preview job={job} base={base} />
      {job.errors_total > 0 && (
        <section className={css.lines}>
          <h4>{counted(job.errors_total, "error")}</h4>
          {job.dry_run && (
            <p className="muted">
              Mend these lines in the file and choose it again
              {isImportable(job) && ", or import the rest without them"}.
            </p>
          )}
          {!showsErrors(job) && <Lines label="Errors" lines={job.errors} />}
          {job.errors_total > job.errors.length && (
            <p className="muted">These are the first {numbers.plain(job.errors.length, 0)}.</p>
          )}
        </section>
      )}
      {job.warnings.length > 0 && (
        <details className={css.lines} open={job.errors_total === 0}>
          <summary>{counted(job.warnings.length, "warning")}</summary>
          <p className="muted">
            {job.dry_run ? "These lines go in all the same." : "These lines are in all the same."} What is
            missing can be entered later.
          </p>
          <Lines label="Warnings" lines={job.warnings} />
        </details>
      )}
    </>
  );
}

function Count({ name, value, children }: { name: string; value: number; children?: string }) {
  return (
    <div>
      <dt>
        {name} {children && <Explain term={`“${name}”`}>{children}</Explain>}
      </dt>
      <dd className="number">{numbers.plain(value, 0)}</dd>
    </div>
  );
}

function Lines({ label, lines }: { label: string; lines: ImportJob["errors"] }) {
  return (
    <div className={css.scroll}>
      <TableFrame label={label}>
        <table className={tableClass}>
          <thead>
            <tr>
              <th scope="col" data-number>
                Line
              </th>
              <th scope="col">Column</th>
              <th scope="col">What is wrong</th>
            </tr>
          </thead>
          <tbody>
            {lines.map(({ line, field, message }, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: the same may be said twice, and none moves
              <tr key={place}>
                <td data-number>{line || "–"}</td>
                <td>{line === 0 && field === "file" ? "File" : <code>{field}</code>}</td>
                <td>{message}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableFrame>
    </div>
  );
}

function formatName(format: string): string {
  return Object.entries(FORMATS).find(([each]) => each === format)?.[1] ?? format;
}
