import { Badge } from "../../../ui/Badge";
import { Price, Time } from "../../../ui/figures";
import { TableFrame, tableClass } from "../../../ui/layout";
import { useCoins } from "../../coins";
import { listed } from "../../lists";
import { Notice } from "../../Notice";
import type { Currency } from "../../portfolios";
import { Fee, Moved, TypeBadge } from "../cells";
import css from "./import.module.css";
import type { ImportJob } from "./importing";
import { lineOf, type PreviewLine, previewLines } from "./preview";

interface Props {
  job: ImportJob;
  /** What a price without a currency is in. */
  base: Currency;
}

/** The first lines of the file as they were understood, to be compared with it. */
export function Preview({ job, base }: Props) {
  const { coins } = useCoins();
  const lines = previewLines(job);
  const tracked = new Set(coins.map(({ asset }) => asset));
  const unknown = tracked.size === 0 ? [] : (job.preview?.assets ?? []).filter((each) => !tracked.has(each));
  if (lines.length === 0) return null;
  return (
    <section className={css.lines}>
      {unknown.length > 0 && (
        <Notice>
          <strong>{listed(unknown)}</strong> {unknown.length === 1 ? "has" : "have"} no price on any market we
          follow, and will count nothing in value and totals. Is a code mistyped?
        </Notice>
      )}
      <h4>The first lines, as they were understood</h4>
      <div className={css.scroll}>
        <TableFrame label="The first lines">
          <table className={`${tableClass} ${css.preview}`}>
            <thead>
              <tr>
                <th scope="col" data-number>
                  Line
                </th>
                <th scope="col">Transaction</th>
                <th scope="col" data-number>
                  Price and fee
                </th>
              </tr>
            </thead>
            <tbody>
              {lines.map((line, place) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: one line may tell several, and none moves
                <tr key={place}>
                  <td data-number>{lineOf(line)}</td>
                  <Cells line={line} base={base} isUnknown={(asset) => unknown.includes(asset)} />
                </tr>
              ))}
            </tbody>
          </table>
        </TableFrame>
      </div>
    </section>
  );
}

interface CellsProps {
  line: PreviewLine;
  base: Currency;
  isUnknown: (asset: string) => boolean;
}

function Cells({ line, base, isUnknown }: CellsProps) {
  if ("error" in line) {
    const { field, message } = line.error;
    return (
      <td colSpan={2} className="down">
        <code>{field}</code>: {message}
      </td>
    );
  }
  const { understood } = line;
  const { time, asset, counter_asset: counter, price, currency, fee, fee_asset } = understood;
  const moved = { ...understood, from_portfolio_id: null };
  const paid = { fee, fee_asset: fee_asset ?? currency ?? base };
  return (
    <>
      <td>
        <span className={css.what}>
          <TypeBadge transaction={understood} />
          <Moved transaction={moved} />
          {(isUnknown(asset) || (counter !== null && isUnknown(counter))) && (
            <Badge tone="warning">No price</Badge>
          )}
        </span>
        <span className={css.second}>
          <Time value={time} />
        </span>
      </td>
      <td data-number>
        {price !== null && <Price value={price} currency={currency ?? base} />}
        {fee !== null && (
          <span className={css.second}>
            fee <Fee transaction={paid} />
          </span>
        )}
      </td>
    </>
  );
}
