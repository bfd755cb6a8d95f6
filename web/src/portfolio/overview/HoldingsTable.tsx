import { memo } from "react";
import { share } from "../../format/numbers";
import { Badge } from "../../ui/Badge";
import { Change, Gain, Money, Price, Quantity } from "../../ui/figures";
import { TableFrame, tableClass } from "../../ui/layout";
import type { Coins } from "../coins";
import type { Holdings } from "../portfolios";
import css from "../TwoLines.module.css";
import own from "./HoldingsTable.module.css";
import { Asset, type HoldingProps, useRepriced } from "./holding";

export function HoldingsTable({ holdings, coins }: { holdings: Holdings; coins: Coins }) {
  const currency = holdings.base_currency;
  return (
    <TableFrame label="Holdings">
      <table className={`${tableClass} ${css.table}`}>
        <thead>
          <tr>
            <th scope="col">
              Asset <span className={css.second}>Quantity</span>
            </th>
            <th scope="col" data-number>
              Value <span className={css.second}>Cost basis</span>
            </th>
            <th scope="col" data-number>
              Unrealized gain <span className={css.second}>In per cent</span>
            </th>
            <th scope="col" data-number>
              Price <span className={css.second}>Average cost</span>
            </th>
            <th scope="col">Allocation</th>
          </tr>
        </thead>
        <tbody>
          {holdings.items.map((holding) => (
            <Row key={holding.asset} holding={holding} currency={currency} coins={coins} />
          ))}
        </tbody>
      </table>
    </TableFrame>
  );
}

const Row = memo(function Row(props: HoldingProps) {
  const { currency } = props;
  const { quantity, average_cost, cost_basis, allocation_pct, price, value, unrealized, unrealized_pct } =
    useRepriced(props);
  return (
    <tr>
      <th scope="row">
        <Asset {...props} />
        <span className={css.second}>
          <Quantity value={quantity} />
        </span>
      </th>
      <td data-number>
        {value === null ? (
          <Badge tone="warning">No price</Badge>
        ) : (
          <Money value={value} currency={currency} />
        )}
        <span className={css.second}>
          <Money value={cost_basis} currency={currency} />
        </span>
      </td>
      <td data-number>
        <Gain value={unrealized} currency={currency} />
        <span className={css.second}>
          <Change value={unrealized_pct} />
        </span>
      </td>
      <td data-number>
        <Price value={price} currency={currency} />
        <span className={css.second}>
          <Price value={average_cost} currency={currency} />
        </span>
      </td>
      <td className={own.allocation}>
        {allocation_pct !== null && (
          <>
            <span className="number">{share(allocation_pct)}</span>
            <span className={own.track} aria-hidden>
              <span style={{ width: `${allocation_pct}%` }} />
            </span>
          </>
        )}
      </td>
    </tr>
  );
});
