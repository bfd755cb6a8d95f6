import { memo } from "react";
import { Link } from "wouter";
import * as numbers from "../format/numbers";
import { SentimentMeter, SentimentWords } from "../news/Sentiment";
import { Unknown } from "../ui/figures";
import { Sparkline } from "../ui/Sparkline";
import { useOnScreen } from "../ui/useOnScreen";
import { LiveAge, LiveChange, LivePrice, LiveRange, StaleMark } from "./LiveCells";
import type { Listing } from "./listings";
import css from "./MarketTable.module.css";
import { turnover } from "./order";
import { WatchButton } from "./WatchButton";

interface Props {
  listing: Listing;
  isWatched: boolean;
  onWatch: ((symbol: string) => void) | undefined;
}

/** Drawn anew when the API is asked again; what ticks change are its cells. */
export const MarketRow = memo(function MarketRow({ listing, isWatched, onWatch }: Props) {
  const { symbol, name, price } = listing;
  const [row, isSeen] = useOnScreen<HTMLTableRowElement>();
  return (
    <tr ref={row} className={css.row}>
      <td className={css.watch}>
        <WatchButton name={name} isWatched={isWatched} onToggle={onWatch && (() => onWatch(symbol))} />
      </td>
      <th scope="row" className={css.asset}>
        <Link href={`/market/${symbol}`} className={css.name}>
          {name}
        </Link>
        <span className={css.symbol}>
          {symbol}
          <StaleMark price={price} isSeen={isSeen} />
        </span>
      </th>
      <td className={css.spark}>
        <Sparkline
          values={(price.sparkline ?? []).filter((close) => close !== null)}
          label={`${name}, the last 24 hours`}
        />
      </td>
      <td data-number className={css.price}>
        <LivePrice listing={listing} isSeen={isSeen} />
        <span className={css.priceChange}>
          <LiveChange price={price} isSeen={isSeen} />
        </span>
      </td>
      <td data-number className={css.change}>
        <LiveChange price={price} isSeen={isSeen} />
      </td>
      <td className={css.range}>
        <LiveRange listing={listing} isSeen={isSeen} />
      </td>
      <td data-number className={css.volume}>
        <Volume listing={listing} />
      </td>
      <td className={css.sentiment}>
        <Sentiment sentiment={listing.sentiment} />
      </td>
      <td data-number className={css.age}>
        <LiveAge price={price} isSeen={isSeen} />
      </td>
    </tr>
  );
});

function Volume({ listing: { price, asset, quote } }: { listing: Listing }) {
  const value = turnover(price);
  if (value === null || price.volume_24h == null) return <Unknown />;
  return (
    <span className="number" title={`${numbers.compact(price.volume_24h)} ${asset} at ${price.venue}`}>
      {numbers.compactMoney(value, quote)}
    </span>
  );
}

function Sentiment({ sentiment }: { sentiment: Listing["sentiment"] }) {
  if (!sentiment) return null;
  const { score, label, articles } = sentiment;
  if (score === null || label === null) return <span className="muted">No news</span>;
  return (
    <div className={css.said} title={articles === 1 ? "1 article" : `${articles} articles`}>
      <SentimentWords score={score} label={label} />
      <SentimentMeter score={score} label={label} />
    </div>
  );
}
