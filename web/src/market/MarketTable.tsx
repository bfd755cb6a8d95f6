import { ChevronDown, ChevronsUpDown, ChevronUp } from "lucide-react";
import { tableClass } from "../ui/layout";
import type { Listing } from "./listings";
import { MarketRow } from "./MarketRow";
import css from "./MarketTable.module.css";
import { type Column, nextOrder, type Order } from "./order";

interface Props {
  listings: readonly Listing[];
  watched: ReadonlySet<string>;
  onWatch: ((symbol: string) => void) | undefined;
  order: Order | undefined;
  onOrder: (order: Order | undefined) => void;
}

export function MarketTable({ listings, watched, onWatch, order, onOrder }: Props) {
  const sort = { order, onOrder };
  return (
    <table className={`${tableClass} ${css.table}`}>
      <caption className="visually-hidden">The market, prices as they change</caption>
      <thead>
        <tr>
          <th scope="col" className={css.watch}>
            <span className="visually-hidden">Watchlist</span>
          </th>
          <SortHead {...sort} column="name" className={css.asset} text="Asset" />
          <th scope="col" className={css.spark}>
            Last 24 h
          </th>
          <SortHead {...sort} column="price" className={css.price} text="Price" isNumber />
          <SortHead {...sort} column="change" className={css.change} text="24 h" isNumber />
          <th scope="col" className={css.range}>
            Low and high, 24 h
          </th>
          <SortHead {...sort} column="volume" className={css.volume} text="Volume, 24 h" isNumber />
          <SortHead {...sort} column="sentiment" className={css.sentiment} text="News" />
          <SortHead {...sort} column="age" className={css.age} text="Age" isNumber />
        </tr>
      </thead>
      <tbody>
        {listings.map((listing) => (
          <MarketRow
            key={listing.symbol}
            listing={listing}
            isWatched={watched.has(listing.symbol)}
            onWatch={onWatch}
          />
        ))}
      </tbody>
    </table>
  );
}

interface HeadProps extends Pick<Props, "order" | "onOrder"> {
  column: Column;
  text: string;
  isNumber?: boolean;
  className: string | undefined;
}

function SortHead({ order, onOrder, column, text, isNumber, className }: HeadProps) {
  const isSorted = order?.by === column;
  const Sign = !isSorted ? ChevronsUpDown : order.descending ? ChevronDown : ChevronUp;
  return (
    <th
      scope="col"
      className={className}
      data-number={isNumber}
      aria-sort={isSorted ? (order.descending ? "descending" : "ascending") : undefined}
    >
      <button type="button" className={css.sort} onClick={() => onOrder(nextOrder(order, column))}>
        {text}
        <Sign size={14} aria-hidden />
      </button>
    </th>
  );
}
