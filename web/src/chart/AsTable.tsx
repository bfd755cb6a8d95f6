import { type ReactNode, useState } from "react";
import { TableFrame, tableClass } from "../ui/layout";
import css from "./AsTable.module.css";

interface Props {
  label: string;
  columns: readonly string[];
  /** The newest first; asked for while the table is open. */
  rows: () => readonly { key: string | number; cells: readonly ReactNode[] }[];
}

/** What a chart shows as a table, for who cannot see it; the first column names the row, the others are numbers. */
export function AsTable({ label, columns, rows }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <details className={css.details} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Show as table</summary>
      {open && (
        <TableFrame label={label}>
          <table className={tableClass}>
            <thead>
              <tr>
                {columns.map((column, index) => (
                  <th key={column} scope="col" data-number={index > 0 || undefined}>
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows().map(({ key, cells }) => (
                <tr key={key}>
                  {cells.map((cell, index) => (
                    <td key={columns[index]} data-number={index > 0 || undefined}>
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </TableFrame>
      )}
    </details>
  );
}
