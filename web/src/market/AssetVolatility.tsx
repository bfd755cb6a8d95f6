import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, body, type Schema } from "../api/client";
import { decimals } from "../chart/scale";
import { unsignedFraction } from "../format/numbers";
import { Explain } from "../ui/Explain";
import { Unknown } from "../ui/figures";
import { Card } from "../ui/layout";
import { Segmented } from "../ui/Segmented";
import { Sparkline } from "../ui/Sparkline";
import { Loaded, Skeleton } from "../ui/states";
import css from "./AssetVolatility.module.css";

type Estimator = Schema["Volatility"]["estimator"];

const ESTIMATORS: Readonly<Record<Estimator, readonly [name: string, explanation: string]>> = {
  close: ["Closes", "The deviation of the daily returns from close to close."],
  parkinson: [
    "Parkinson",
    "From each day's high and low: less noisy than closes alone. It takes it that the price has no trend.",
  ],
  garman_klass: [
    "Garman–Klass",
    "From each day's open, high, low and close: less noisy again. It takes it that the price has no trend.",
  ],
  rogers_satchell: ["Rogers–Satchell", "From each day's open, high, low and close; right in a trend, too."],
  yang_zhang: [
    "Yang–Zhang",
    "From open, high, low and close and the jumps between days; right in a trend, too.",
  ],
};

const WINDOWS = [
  ["7", "7 d"],
  ["30", "30 d"],
  ["90", "90 d"],
] as const;
const BENCHMARK = "BTC-USD";
const DAYS = 180;
const MINUTE = 60_000;

function isEstimator(text: string): text is Estimator {
  return Object.hasOwn(ESTIMATORS, text);
}

interface Props {
  symbol: string;
  venue: string | undefined;
}

/** How much the price moves in a year, and how much of that with Bitcoin. */
export function AssetVolatility({ symbol, venue }: Props) {
  const [estimator, setEstimator] = useState<Estimator>("close");
  const [window, setWindow] = useState<(typeof WINDOWS)[number][0]>("30");
  const volatility = useQuery({
    queryKey: ["volatility", symbol, venue ?? null, estimator, window],
    queryFn: () => {
      const query = { estimator, window: Number(window), limit: DAYS, ...(venue && { venue }) };
      return body(api.GET("/volatility/{symbol}", { params: { path: { symbol }, query } }));
    },
    placeholderData: keepPreviousData,
    staleTime: 10 * MINUTE,
  });
  return (
    <Card
      title={
        <>
          Volatility{" "}
          <Explain term="volatility">{ESTIMATORS[estimator][1]} Scaled to a year of 365 days.</Explain>
        </>
      }
      actions={<Segmented label="Days that count" options={WINDOWS} value={window} onChange={setWindow} />}
    >
      <div className={css.body}>
        <Loaded query={volatility} skeleton={<Skeleton height="8.5rem" />}>
          {(answer) => <Told answer={answer} />}
        </Loaded>
        <label className={css.estimator}>
          Estimator
          <select
            value={estimator}
            onChange={({ target }) => isEstimator(target.value) && setEstimator(target.value)}
          >
            {Object.entries(ESTIMATORS).map(([value, [name]]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        {!symbol.startsWith("BTC-") && <Beta symbol={symbol} venue={venue} />}
      </div>
    </Card>
  );
}

function Told({ answer: { values, window, complete } }: { answer: Schema["Volatility"] }) {
  const known = values.filter((value) => value !== null);
  const last = values.at(-1);
  return (
    <div className={css.told}>
      <p className={css.newest}>
        {last == null ? <Unknown /> : <span className="number">{unsignedFraction(last)}</span>}
        <span className={css.unit}>a year</span>
      </p>
      {known.length > 1 ? (
        <>
          <div className={css.line}>
            <Sparkline
              values={known}
              width={320}
              height={64}
              tone="neutral"
              label={`Volatility of the last ${known.length} days`}
            />
          </div>
          <p className={css.note}>
            {known.length} days, from {unsignedFraction(Math.min(...known))} to{" "}
            {unsignedFraction(Math.max(...known))}
            {!complete && ". Some candles lack trades."}
          </p>
        </>
      ) : (
        <p className={css.note}>Its history is shorter than {window} days yet.</p>
      )}
    </div>
  );
}

function Beta({ symbol, venue }: Props) {
  const beta = useQuery({
    queryKey: ["beta", symbol, venue ?? null],
    queryFn: () => {
      const query = { benchmark: BENCHMARK, ...(venue && { venue }) };
      return body(api.GET("/beta/{symbol}", { params: { path: { symbol }, query } }));
    },
    staleTime: 10 * MINUTE,
  });
  return (
    <div className={css.beta}>
      <span>
        Beta to Bitcoin{" "}
        <Explain term="beta">
          How much it moves when Bitcoin does: 1 is as much, 2 twice as much, below 0 the other way. Of daily
          returns.
        </Explain>
      </span>
      <Loaded query={beta} skeleton={<Skeleton height="1.25rem" width="4rem" />}>
        {(answer) =>
          answer.beta === null ? (
            <Unknown />
          ) : (
            <span className="number" title={`${answer.observations} days`}>
              {decimals(2)(answer.beta)}
            </span>
          )
        }
      </Loaded>
    </div>
  );
}
