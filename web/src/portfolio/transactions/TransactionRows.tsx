import { ChevronRight } from "lucide-react";
import { Time } from "../../ui/figures";
import { Fee, Figure, Moved, otherEnd, type Shown, TypeBadge } from "./cells";
import { worthOf } from "./transactions";
import css from "./transactions.module.css";

/** Two lines each; touching one opens it. */
export function TransactionRows({ items, portfolio, nameOf, onEdit }: Shown) {
  return (
    <ul className={css.rows}>
      {items.map((transaction) => {
        const { id, time, note, price, fee } = transaction;
        const worth = worthOf(transaction, portfolio.base_currency);
        const details = [otherEnd(transaction, nameOf), note].filter(Boolean).join(" · ");
        return (
          <li key={id}>
            <button type="button" className={css.row} onClick={() => onEdit(transaction)}>
              <span className={css.what}>
                <TypeBadge transaction={transaction} />
                <Moved transaction={transaction} />
              </span>
              <span className={css.value}>
                <Figure worth={worth} of="value" />
              </span>
              <span className={css.when} data-alone={price === null}>
                <Time value={time} />
                {details && ` · ${details}`}
                {fee !== null && (
                  <span className={css.fee}>
                    {" "}
                    · fee <Fee transaction={transaction} />
                  </span>
                )}
              </span>
              {price !== null && (
                <span className={css.at}>
                  at <Figure worth={worth} of="price" />
                </span>
              )}
              <ChevronRight size={16} aria-hidden className={css.chevron} />
            </button>
          </li>
        );
      })}
    </ul>
  );
}
