import { memo } from "react";
import { Link } from "wouter";
import { share } from "../../format/numbers";
import { useTick, useTickFeed } from "../../live/hooks";
import { Badge } from "../../ui/Badge";
import { Change, Gain, Money, Price, Quantity } from "../../ui/figures";
import { TableFrame, tableClass } from "../../ui/layout";
import { type Coins, pageOf, symbolIn, useCoins } from "../coins";
import type { Holdings } from "../portfolios";
import css from "../TwoLines.module.css";
import own from "./HoldingsTable.module.css";
import { type Holding, repriced } from "./repriced";

/** What is held, the most valuable first, at live prices. */
export function HoldingsTable({ holdings }: { holdings: Holdings }) {
  const { coins } = useCoins();
  const currency = holdings.base_currency;
  useTickFeed(holdings.items.flatMap(({ asset }) => symbolIn(coins, asset, currency) ?? []));
  return (
    <>
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
      {holdings.next_cursor !== null && (
        <p className={own.more}>The {holdings.items.length} most valuable are shown.</p>
      )}
    </>
  );
}

interface RowProps {
  holding: Holding;
  currency: string;
  coins: Coins;
}

const Row = memo(function Row({ holding, currency, coins }: RowProps) {
  const { asset, quantity, average_cost, cost_basis, allocation_pct } = holding;
  const tick = useTick(symbolIn(coins, asset, currency) ?? "");
  const { price, value, unrealized, unrealized_pct } = repriced(holding, tick);
  return (
    <tr>
      <th scope="row">
        <Asset asset={asset} currency={currency} coins={coins} />
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

function Asset({ asset, currency, coins }: { asset: string; currency: string; coins: Coins }) {
  const page = pageOf(coins, asset, currency);
  const name = coins.find((coin) => coin.asset === asset)?.name;
  return (
    <span className={own.asset}>
      {page ? <Link href={`/market/${page}`}>{asset}</Link> : asset}
      {name && <span className={own.name}>{name}</span>}
    </span>
  );
}
