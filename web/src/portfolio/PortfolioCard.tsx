import { Link } from "wouter";
import { percentage } from "../format/decimal";
import { Badge } from "../ui/Badge";
import { Change, Gain, Money } from "../ui/figures";
import { Sparkline } from "../ui/Sparkline";
import { Skeleton } from "../ui/states";
import { AllocationBar } from "./AllocationBar";
import { methodName } from "./methods";
import css from "./PortfolioCard.module.css";
import { type Portfolio, useHistory, useHoldings } from "./portfolios";
import { daysAgo } from "./ranges";
import { type Totals, useTotals } from "./worth";

const TREND_DAYS = 30;

interface Props {
  portfolio: Portfolio;
  /** Else its value is as of the last reading. */
  isLive: boolean;
}

/** A portfolio at a glance; all of it leads there. */
export function PortfolioCard({ portfolio, isLive }: Props) {
  const { id, name, base_currency, cost_basis } = portfolio;
  const holdings = useHoldings(id);
  return (
    <article className={css.card}>
      <header className={css.header}>
        <h2 className={css.name}>
          <Link href={`/portfolios/${id}`}>{name}</Link>
        </h2>
        <span className={css.terms}>
          <Badge>{base_currency}</Badge>
          <Badge title="Cost basis">{methodName(cost_basis)}</Badge>
        </span>
      </header>
      {holdings.data ? (
        holdings.data.items.length === 0 ? (
          <p className={`muted ${css.message}`}>Nothing in it yet. Add or import transactions.</p>
        ) : (
          <>
            <div className={css.worth}>
              {isLive ? (
                <LiveWorth id={id} currency={base_currency} />
              ) : (
                <Worth totals={holdings.data.totals} currency={base_currency} />
              )}
              <Trend id={id} />
            </div>
            <AllocationBar items={holdings.data.items} />
          </>
        )
      ) : holdings.error ? (
        <p className={`muted ${css.message}`}>{holdings.error.message}</p>
      ) : (
        <>
          <Skeleton height="3.5rem" width="60%" />
          <Skeleton height="1.75rem" />
        </>
      )}
    </article>
  );
}

function LiveWorth({ id, currency }: { id: string; currency: string }) {
  const totals = useTotals(id);
  return totals && <Worth totals={totals} currency={currency} />;
}

function Worth({ totals, currency }: { totals: Totals; currency: string }) {
  return (
    <div>
      <p className={css.value}>
        <Money value={totals.value} currency={currency} />
      </p>
      <p className={css.gain}>
        <Gain value={totals.unrealized} currency={currency} />{" "}
        <Change value={percentage(totals.unrealized, totals.cost_basis)} />
      </p>
    </div>
  );
}

function Trend({ id }: { id: string }) {
  const { data } = useHistory(id, daysAgo(TREND_DAYS));
  const values = data?.series.map(([, value]) => Number(value)) ?? [];
  return values.length < 2 ? null : (
    <Sparkline values={values} height={44} label="Value in the last 30 days" />
  );
}
