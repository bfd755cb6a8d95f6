import type { Schema } from "../api/client";
import { compact, priceDigits, signedMoney } from "../format/numbers";
import { Badge } from "../ui/Badge";
import { Change, Price, Time, Unknown } from "../ui/figures";
import { Skeleton } from "../ui/states";
import css from "./AssetQuote.module.css";
import { useMove, useQuote, useStale } from "./live";
import { venueName } from "./venues";

interface Props {
  price: Schema["Price"];
  asset: string;
  quote: string;
}

/** The price as it is now, and its last 24 hours. */
export function AssetQuote({ price: known, asset, quote }: Props) {
  const { price, time, change, changePct, high, low } = useQuote(known);
  const isStale = useStale(known);
  const move = useMove(price);
  return (
    <div className={css.quote}>
      <div>
        <p className={css.now}>
          <span key={move.times} className={css.price} data-move={move.direction}>
            <Price value={price} currency={quote} />
          </span>
          <span className={css.change}>
            <Change value={changePct} />
            {change !== null && (
              <span className={`number ${css.amount}`}>
                {signedMoney(change, quote, priceDigits(price ?? 0))}
              </span>
            )}
            <span className="muted">24 h</span>
          </span>
        </p>
        <p className={css.source}>
          {known.via ? `Converted by ${known.via}` : venueName(known.venue)}
          {time !== null && (
            <>
              , <Time value={time} style={isStale ? "dateTime" : "clock"} />
            </>
          )}{" "}
          {isStale && <Badge tone="warning">Stale</Badge>}
        </p>
      </div>
      <dl className={css.facts}>
        <div>
          <dt>24 h range</dt>
          <dd className={css.range}>
            <Price value={low} currency={quote} />
            <Range low={low} high={high} price={price} />
            <Price value={high} currency={quote} />
          </dd>
        </div>
        <div>
          <dt>24 h volume</dt>
          <dd className="number">
            {known.volume_24h === null ? <Unknown /> : `${compact(known.volume_24h)} ${asset}`}
          </dd>
        </div>
      </dl>
    </div>
  );
}

/** Where the price lies between the low and the high. */
function Range({ low, high, price }: { low: number | null; high: number | null; price: number | null }) {
  if (low === null || high === null || price === null) return null;
  const place = high > low ? (price - low) / (high - low) : 0.5;
  return (
    <span className={css.track} aria-hidden>
      <span className={css.mark} style={{ insetInlineStart: `${place * 100}%` }} />
    </span>
  );
}

export function QuoteSkeleton() {
  return (
    <div className={css.quote} role="status" aria-label="Loading">
      <div>
        <p className={css.now}>
          <span className={css.price}>
            <Skeleton height="2.5rem" width="10rem" />
          </span>
          <span className={css.change}>
            <Skeleton height="1.3125rem" width="11rem" />
          </span>
        </p>
        <p className={css.source}>
          <Skeleton height="1.25rem" width="9rem" />
        </p>
      </div>
      <div className={css.facts}>
        <Skeleton height="2.5rem" width="16.5rem" />
        <Skeleton height="2.5rem" width="4.5rem" />
      </div>
    </div>
  );
}
