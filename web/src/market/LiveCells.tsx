import type { Schema } from "../api/client";
import * as numbers from "../format/numbers";
import * as times from "../format/times";
import { useNow } from "../format/useNow";
import { Badge } from "../ui/Badge";
import { Change, Price, Unknown } from "../ui/figures";
import css from "./LiveCells.module.css";
import type { Listing } from "./listings";
import { useMove, useQuote, useStale } from "./live";

/* Each is drawn anew with a tick of its symbol, if it is seen, and nothing around it is. */

interface ListingProps {
  listing: Listing;
  isSeen: boolean;
}

interface PriceProps {
  price: Schema["Price"];
  isSeen?: boolean;
}

/** The price, which lights up as it moves. */
export function LivePrice({ listing: { price, quote, asset }, isSeen }: ListingProps) {
  const { value, direction, times } = useMove(useQuote(price, isSeen).price);
  const converted = price.via === null ? undefined : `Converted: ${asset}-USDT × ${price.via}`;
  return (
    // another name of the same animation begins it anew
    <span
      className={css.price}
      data-direction={direction}
      data-beat={times % 2 === 0 ? "even" : "odd"}
      title={converted}
    >
      <Price value={value} currency={quote} />
    </span>
  );
}

export function LiveChange({ price, isSeen }: PriceProps) {
  return <Change value={useQuote(price, isSeen).changePct} />;
}

/** Where the price stands between the lowest and the highest of 24 hours. */
export function LiveRange({ listing: { price: known, quote }, isSeen }: ListingProps) {
  const { price, low, high } = useQuote(known, isSeen);
  if (price === null || low === null || high === null) return <Unknown />;
  const share = high > low ? (price - low) / (high - low) : 0.5;
  return (
    <div className={css.range}>
      <span className="number">
        <span className="visually-hidden">from </span>
        {numbers.price(low, quote)}
      </span>
      <span className="number">
        <span className="visually-hidden">to </span>
        {numbers.price(high, quote)}
      </span>
      <span className={css.track} aria-hidden>
        <span className={css.now} style={{ translate: `${(share * 100).toFixed(1)}%` }} />
      </span>
    </div>
  );
}

export function LiveAge({ price, isSeen }: PriceProps) {
  const { time } = useQuote(price, isSeen);
  const isStale = useStale(price, isSeen);
  const now = useNow();
  if (time === null) return <Unknown />;
  return (
    <time dateTime={time} title={times.utc(time)} className={`number ${isStale ? css.late : "muted"}`}>
      {times.age(time, now)}
    </time>
  );
}

/** The word for a price that is no longer of this moment. */
export function StaleMark({ price, isSeen }: PriceProps) {
  if (!useStale(price, isSeen)) return null;
  return (
    <Badge tone="warning" title="No newer price for over 5 minutes">
      Stale
    </Badge>
  );
}
