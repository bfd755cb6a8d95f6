import { memo } from "react";
import { share } from "../../format/numbers";
import { Badge } from "../../ui/Badge";
import { Change, Gain, Money, Price, Quantity } from "../../ui/figures";
import type { Coins } from "../coins";
import type { Holdings } from "../portfolios";
import css from "./HoldingRows.module.css";
import { Asset, type HoldingProps, useRepriced } from "./holding";

/** What is held, where a table would be too wide. */
export function HoldingRows({ holdings, coins }: { holdings: Holdings; coins: Coins }) {
  return (
    <ul className={css.rows} aria-label="Holdings">
      {holdings.items.map((holding) => (
        <Row key={holding.asset} holding={holding} currency={holdings.base_currency} coins={coins} />
      ))}
    </ul>
  );
}

const Row = memo(function Row(props: HoldingProps) {
  const { currency } = props;
  const { quantity, average_cost, cost_basis, allocation_pct, price, value, unrealized, unrealized_pct } =
    useRepriced(props);
  return (
    <li className={css.row}>
      <span className={css.what}>
        <Asset {...props} />
        {allocation_pct !== null && <span className="number muted">{share(allocation_pct)}</span>}
      </span>
      <strong>
        {value === null ? (
          <Badge tone="warning">No price</Badge>
        ) : (
          <Money value={value} currency={currency} />
        )}
      </strong>
      <span className={css.detail}>
        <Quantity value={quantity} />
        {price !== null && (
          <>
            {" × "}
            <Price value={price} currency={currency} />
          </>
        )}
      </span>
      <span className={css.gain}>
        <Gain value={unrealized} currency={currency} />
        {unrealized_pct !== null && <Change value={unrealized_pct} />}
      </span>
      <span className={css.cost}>
        Cost <Money value={cost_basis} currency={currency} />, on average{" "}
        <Price value={average_cost} currency={currency} />
      </span>
    </li>
  );
});
