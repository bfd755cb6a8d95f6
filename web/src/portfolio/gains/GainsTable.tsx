import type { Schema } from "../../api/client";
import { Badge } from "../../ui/Badge";
import { Gain, Money, Quantity, Time } from "../../ui/figures";
import { TableFrame, tableClass } from "../../ui/layout";
import css from "../TwoLines.module.css";
import own from "./Gains.module.css";

interface Props {
  rows: readonly Schema["GainRow"][];
  currency: string;
}

/** A line for each lot that a disposal took. */
export function GainsTable({ rows, currency }: Props) {
  return (
    <TableFrame label="Disposals by lot">
      <table className={`${tableClass} ${css.table}`}>
        <thead>
          <tr>
            <th scope="col">
              Asset <span className={css.second}>Quantity</span>
            </th>
            <th scope="col" data-number>
              Gain <span className={css.second}>Term</span>
            </th>
            <th scope="col" className={own.dates}>
              Disposed <span className={css.second}>Acquired</span>
            </th>
            <th scope="col" data-number>
              Proceeds <span className={css.second}>Cost</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a disposal may take a lot twice, and rows are only added at the end
            <Row key={index} row={row} currency={currency} />
          ))}
        </tbody>
      </table>
    </TableFrame>
  );
}

function Row({ row, currency }: { row: Schema["GainRow"]; currency: string }) {
  return (
    <tr>
      <th scope="row">
        <strong>{row.asset}</strong>
        <span className={css.second}>
          <Quantity value={row.quantity} />
        </span>
      </th>
      <td data-number>
        <Gain value={row.gain} currency={currency} />
        <span className={css.second}>
          <Badge tone={row.term === "long" ? "accent" : "neutral"}>
            {row.term === "long" ? "Long-term" : "Short-term"}
          </Badge>
        </span>
      </td>
      <td className={own.dates}>
        <Time value={row.disposed_at} />
        <span className={css.second}>
          {row.acquired_at === null ? (
            <Badge tone="warning" title="Its cost counts as 0">
              Not known
            </Badge>
          ) : (
            <Time value={row.acquired_at} />
          )}
        </span>
      </td>
      <td data-number>
        <Money value={row.proceeds} currency={currency} />
        <span className={css.second}>
          <Money value={row.cost_basis} currency={currency} />
        </span>
      </td>
    </tr>
  );
}
