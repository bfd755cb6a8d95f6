import { Money, Quantity } from "../../ui/figures";
import type { Total } from "./form";
import css from "./transactions.module.css";

interface Props {
  total: Total | null;
  /** Whether the price may be left to the market. */
  isOptional: boolean;
}

/** What the transaction comes to, as it is typed; its place is kept while that is not known. */
export function TotalPreview({ total, isOptional }: Props) {
  if (!total) {
    return (
      <p className={css.total}>
        <span className="muted">{isOptional ? "Value" : "Total"}</span>
        <span className="muted">{isOptional ? "at the market price of that time" : "–"}</span>
      </p>
    );
  }
  return (
    <p className={css.total}>
      <span className="muted">{total.label}</span>
      <strong>
        <Money value={total.amount} currency={total.currency} />
      </strong>
      {total.fee && (
        <span className={css.totalFee}>
          and a fee of <Quantity value={total.fee.amount} asset={total.fee.asset} />
        </span>
      )}
    </p>
  );
}
