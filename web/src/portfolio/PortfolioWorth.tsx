import type { Schema } from "../api/client";
import { difference, sum } from "../format/decimal";
import { Explain } from "../ui/Explain";
import { Gain, Money } from "../ui/figures";
import { Skeleton } from "../ui/states";
import css from "./PortfolioWorth.module.css";
import { type Portfolio, useHoldings, usePerformance } from "./portfolios";
import { daysAgo } from "./ranges";
import { useTotals } from "./worth";

/** What a portfolio is worth now, and how it does today. */
export function PortfolioWorth({ portfolio: { id, base_currency } }: { portfolio: Portfolio }) {
  const totals = useTotals(id);
  const isFailed = useHoldings(id).isError;
  if (!totals) return isFailed ? null : <Skeleton height="3.875rem" width="15rem" />;
  return (
    <dl className={css.worth}>
      <div className={css.main}>
        <dt className="visually-hidden">Value</dt>
        <dd>
          <Money value={totals.value} currency={base_currency} />
        </dd>
      </div>
      <Today id={id} currency={base_currency} value={totals.value} />
    </dl>
  );
}

function Today({ id, currency, value }: { id: string; currency: string; value: string }) {
  const { data } = usePerformance(id, { start: daysAgo(0) });
  return (
    <div>
      <dt>
        Today{" "}
        <Explain term="today's gain">What it has gained since 00:00 UTC, less what you paid in.</Explain>
      </dt>
      <dd>
        {data ? (
          <Gain value={gainToday(data, value)} currency={currency} />
        ) : (
          <Skeleton height="1rem" width="6rem" />
        )}
      </dd>
    </div>
  );
}

/** Up to the live value; where that leaves out what no market prices, as it was told. */
function gainToday(told: Schema["PerformanceView"], value: string): string {
  if (told.unpriced.length > 0) return told.gain;
  return difference(value, sum([told.value_start, told.net_contributions]));
}
