import { Link } from "wouter";
import { buttonClass } from "../../ui/Button";
import { Card } from "../../ui/layout";
import { EmptyState, Loaded, Skeleton, SkeletonRows } from "../../ui/states";
import { type Holdings, type Portfolio, useHoldings } from "../portfolios";
import { Allocation } from "./Allocation";
import { HoldingsList } from "./HoldingsList";
import { Lacks } from "./Lacks";
import css from "./Overview.module.css";
import { Returns } from "./Returns";
import { Totals } from "./Totals";
import { ValueHistory } from "./ValueHistory";

/** What a portfolio holds and how it has done. */
export function Overview({ portfolio }: { portfolio: Portfolio }) {
  const holdings = useHoldings(portfolio.id);
  return (
    <Loaded query={holdings} skeleton={<OverviewSkeleton />}>
      {(data) =>
        isUntouched(data) ? <Beginning id={portfolio.id} /> : <Shown portfolio={portfolio} data={data} />
      }
    </Loaded>
  );
}

/** Nothing was ever bought, as far as holdings can tell: a gain or a lack would show what was sold. */
function isUntouched({ items, missing, totals }: Holdings): boolean {
  return items.length === 0 && missing.length === 0 && totals.realized === "0";
}

function Shown({ portfolio, data }: { portfolio: Portfolio; data: Holdings }) {
  return (
    <>
      <Totals portfolio={portfolio} realized={data.totals.realized} />
      <Lacks id={portfolio.id} unpriced={data.unpriced} missing={data.missing} />
      <div className={css.charts}>
        <ValueHistory portfolio={portfolio} />
        <Card title="Allocation">
          <Allocation items={data.items} />
        </Card>
      </div>
      <Card title="Holdings" flush>
        {data.items.length === 0 ? (
          <EmptyState title="Nothing is held now">All that was bought has been sold or sent away.</EmptyState>
        ) : (
          <HoldingsList holdings={data} />
        )}
      </Card>
      <Returns portfolio={portfolio} />
    </>
  );
}

function Beginning({ id }: { id: string }) {
  return (
    <Card>
      <EmptyState
        title="Nothing in it yet"
        action={
          <Link href={`/portfolios/${id}/transactions`} className={buttonClass("primary")}>
            Add or import transactions
          </Link>
        }
      >
        Enter what you bought, sold or received, or import the CSV of Coinbase, Binance or Kraken. Value,
        returns and gains appear here.
      </EmptyState>
    </Card>
  );
}

function OverviewSkeleton() {
  return (
    <>
      <Card>
        <Skeleton height="4.75rem" />
      </Card>
      <div className={css.charts}>
        <Card title="Value over time">
          <Skeleton height="20.25rem" />
        </Card>
        <Card title="Allocation">
          <Skeleton height="20.25rem" />
        </Card>
      </div>
      <Card title="Holdings" flush>
        <SkeletonRows rows={6} height="4rem" />
      </Card>
    </>
  );
}
