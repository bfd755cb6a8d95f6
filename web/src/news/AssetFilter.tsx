import { useEffect, useRef } from "react";
import { Link } from "wouter";
import type { Schema } from "../api/client";
import { useCoins } from "../api/coins";
import * as numbers from "../format/numbers";
import { Skeleton } from "../ui/states";
import css from "./AssetFilter.module.css";
import { SentimentMeter } from "./Sentiment";
import { useSentiments } from "./sentiments";

const PLACES = 11;

/** Chooses whose news are shown, and tells of each asset what its news of the last day say. */
export function AssetFilter({ chosen }: { chosen: string | undefined }) {
  const coins = useCoins();
  const assets = coins.data?.items ?? [];
  const sentiments = useSentiments(assets.map(({ asset }) => asset));
  return (
    <nav className={css.filter} aria-label="News by asset">
      <h2 className={css.title}>Sentiment, 24 h</h2>
      <ul className={css.assets}>
        <li>
          <Choice href="/news" isChosen={chosen === undefined}>
            <strong>All</strong>
          </Choice>
        </li>
        {coins.isPending &&
          Array.from({ length: PLACES }, (_, place) => place).map((place) => (
            <li key={place} className={css.asset}>
              <Skeleton height="0.875rem" width="2.5rem" />
            </li>
          ))}
        {assets.map(({ asset, name }) => (
          <li key={asset}>
            <Choice href={`/news?asset=${asset}`} isChosen={asset === chosen}>
              <strong title={name ?? asset}>{asset}</strong>
              <Said sentiment={sentiments.data?.get(asset)} />
            </Choice>
          </li>
        ))}
      </ul>
    </nav>
  );
}

interface ChoiceProps {
  href: string;
  isChosen: boolean;
  children: React.ReactNode;
}

function Choice({ href, isChosen, children }: ChoiceProps) {
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    if (isChosen) link.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [isChosen]);
  return (
    <Link ref={link} href={href} className={css.asset} aria-current={isChosen ? "true" : undefined}>
      {children}
    </Link>
  );
}

function Said({ sentiment }: { sentiment: Schema["AssetSentiment"] | undefined }) {
  if (!sentiment) return null;
  const { score, label, articles } = sentiment;
  if (score === null || label === null) return <span className={`muted ${css.meter}`}>No news</span>;
  return (
    <>
      <span className={css.meter}>
        <SentimentMeter score={score} label={label} />
      </span>
      <span
        className={`number ${css.score}`}
        title={`${label}, ${articles === 1 ? "1 article" : `${articles} articles`}`}
      >
        <span className="visually-hidden">sentiment </span>
        {numbers.signed(score)}
      </span>
    </>
  );
}
