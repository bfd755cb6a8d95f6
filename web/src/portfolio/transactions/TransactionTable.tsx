import { Pencil, Trash2 } from "lucide-react";
import { IconButton } from "../../ui/Button";
import { Time } from "../../ui/figures";
import { TableFrame, tableClass } from "../../ui/layout";
import { Fee, Figure, Moved, otherEnd, type Shown, TypeBadge } from "./cells";
import { KINDS } from "./kinds";
import { worthOf } from "./transactions";
import css from "./transactions.module.css";

export function TransactionTable({ items, portfolio, nameOf, onEdit, onDelete }: Shown) {
  return (
    <TableFrame label="Transactions">
      <table className={tableClass}>
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col" data-number>
              Quantity
            </th>
            <th scope="col" data-number>
              Price
            </th>
            <th scope="col" data-number>
              Fee
            </th>
            <th scope="col" data-number>
              Value
            </th>
            <th scope="col">Time</th>
            <th scope="col">Note</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((transaction) => {
            const { id, type, asset, quantity, time, note } = transaction;
            const worth = worthOf(transaction, portfolio.base_currency);
            const name = `${KINDS[type].name} of ${quantity} ${asset}`;
            const details = [otherEnd(transaction, nameOf), note].filter(Boolean).join(" · ");
            return (
              <tr key={id}>
                <td>
                  <TypeBadge transaction={transaction} />
                </td>
                <td data-number>
                  <Moved transaction={transaction} />
                </td>
                <td data-number>
                  <Figure worth={worth} of="price" />
                </td>
                <td data-number>
                  <Fee transaction={transaction} />
                </td>
                <td data-number>
                  <Figure worth={worth} of="value" />
                </td>
                <td className={css.time}>
                  <Time value={time} />
                </td>
                <td className={css.note} title={details}>
                  {details}
                </td>
                <td className={css.rowActions}>
                  <IconButton label={`Edit ${name}`} onClick={() => onEdit(transaction)}>
                    <Pencil size={16} aria-hidden />
                  </IconButton>
                  <IconButton label={`Delete ${name}`} onClick={() => onDelete(transaction)}>
                    <Trash2 size={16} aria-hidden />
                  </IconButton>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </TableFrame>
  );
}
