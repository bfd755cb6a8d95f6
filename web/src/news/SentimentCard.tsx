import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, body, type Schema } from "../api/client";
import * as numbers from "../format/numbers";
import { Explain } from "../ui/Explain";
import { Card } from "../ui/layout";
import { Segmented } from "../ui/Segmented";
import { Loaded, Skeleton } from "../ui/states";
import { SentimentBadge } from "./Sentiment";
import css from "./SentimentCard.module.css";
import { SentimentSeries } from "./SentimentSeries";

const WINDOWS = [
  ["24h", "24 h"],
  ["7d", "7 days"],
  ["30d", "30 days"],
] as const;

type Window = (typeof WINDOWS)[number][0];

/** What the news of an asset says together, and how that changed. */
export function SentimentCard({ asset }: { asset: string }) {
  const [window, setWindow] = useState<Window>("24h");
  const sentiment = useQuery({
    queryKey: ["sentiment", "series", asset, window],
    queryFn: () => body(api.GET("/sentiment/{asset}", { params: { path: { asset }, query: { window } } })),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    refetchInterval: 5 * 60_000,
  });
  return (
    <Card
      title={
        <>
          {asset} in the news{" "}
          <Explain term="sentiment">
            The mean of what the words of its articles say, from −1, bad for who holds it, to 1, good; newer
            articles weigh more. It tells what is written, and forecasts nothing.
          </Explain>
        </>
      }
      actions={<Segmented label="Period" options={WINDOWS} value={window} onChange={setWindow} />}
    >
      <Loaded query={sentiment} skeleton={<Skeleton height="12rem" />}>
        {(told) => <Told told={told} />}
      </Loaded>
    </Card>
  );
}

type Answer = Omit<Schema["AssetSentimentSeries"], "series" | "correlation"> & {
  series: readonly (number | null)[][];
};

function Told({ told }: { told: Answer }) {
  const { score, label, articles, trend, series } = told;
  if (score === null || label === null) {
    return <p className={`${css.body} ${css.none}`}>No article named {told.asset} in this time.</p>;
  }
  return (
    <div className={css.body}>
      <dl className={css.figures}>
        <div className={css.figure}>
          <dt>Sentiment</dt>
          <dd className={css.score}>
            <span className="number">{numbers.signed(score)}</span>
            <SentimentBadge label={label} />
          </dd>
        </div>
        {trend !== null && (
          <div className={css.figure}>
            <dt>
              Trend{" "}
              <Explain term="the trend">
                The mean of the newer half of this time, less that of the older half.
              </Explain>
            </dt>
            <dd>
              <span className="number">{numbers.signed(trend)}</span> {direction(trend)}
            </dd>
          </div>
        )}
        <div className={css.figure}>
          <dt>Articles</dt>
          <dd className="number">{numbers.plain(articles, 0)}</dd>
        </div>
      </dl>
      <SentimentSeries asset={told.asset} series={series} />
    </div>
  );
}

function direction(trend: number): string {
  if (Math.abs(trend) < 0.005) return "as before";
  return trend > 0 ? "brighter" : "gloomier";
}
