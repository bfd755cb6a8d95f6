import { ChevronDown } from "lucide-react";
import { useId, useState } from "react";
import { Link } from "wouter";
import * as numbers from "../format/numbers";
import { Ago } from "../ui/figures";
import css from "./ArticleItem.module.css";
import type { Article } from "./articles";
import { SentimentBadge } from "./Sentiment";

export function ArticleItem({ article }: { article: Article }) {
  const { title, source, url, published_at, assets, sentiment } = article;
  const id = useId();
  const [isExplained, setExplained] = useState(false);
  return (
    <li className={css.article}>
      <a href={url} target="_blank" rel="noreferrer" className={css.title}>
        {title}
      </a>
      <div className={css.about}>
        <span className={css.published}>
          {source} <Ago value={published_at} />
        </span>
        <span className={css.assets}>
          {assets.map((asset) => (
            <Link key={asset} href={`/market/${asset}-USD`} className={css.asset}>
              {asset}
            </Link>
          ))}
        </span>
        <button
          type="button"
          className={css.why}
          aria-expanded={isExplained}
          aria-controls={id}
          title="Which words made this score"
          onClick={() => setExplained(!isExplained)}
        >
          <SentimentBadge score={sentiment.score} label={sentiment.label} />
          <ChevronDown size={14} aria-hidden />
          <span className="visually-hidden">Which words made it</span>
        </button>
      </div>
      <div id={id}>{isExplained && <Explanation words={sentiment.words ?? []} />}</div>
    </li>
  );
}

function Explanation({ words }: { words: readonly (string | number)[][] }) {
  return (
    <div className={css.explanation}>
      <p className="muted">
        {words.length > 0
          ? "The words that moved the score, each with its share of it:"
          : "No word of it is known to be good or bad."}
      </p>
      <ul className={css.words}>
        {words.map(([word, share = 0]) => (
          <li key={word}>
            <q>{word}</q>
            <span className={`number ${numbers.sign(share) < 0 ? "down" : "up"}`}>
              {numbers.signed(share)}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
