import { lazy, Suspense } from "react";
import { Link } from "wouter";
import { Problem } from "../api/problem";
import { NotFoundPage } from "../app/NotFoundPage";
import { buttonClass } from "../ui/Button";
import { Page } from "../ui/layout";
import { EmptyState, ErrorState, Skeleton, SkeletonRows } from "../ui/states";
import { Tabs } from "../ui/Tabs";
import { Gains } from "./gains/Gains";
import { methodName } from "./methods";
import { Overview } from "./overview/Overview";
import { PortfolioWorth } from "./PortfolioWorth";
import { usePortfolio, type Versioned } from "./portfolios";
import { Settings } from "./Settings";

const Transactions = lazy(async () => {
  const { Transactions } = await import("./transactions/Transactions");
  return { default: Transactions };
});

const TABS = [
  { tab: undefined, name: "Overview" },
  { tab: "transactions", name: "Transactions" },
  { tab: "gains", name: "Gains" },
  { tab: "settings", name: "Settings" },
] as const;

export default function PortfolioPage({ id, tab }: { id: string; tab: string | undefined }) {
  const { data, error, refetch } = usePortfolio(id);
  const shown = TABS.find((each) => each.tab === tab);
  if (!shown) return <NotFoundPage />;
  if (error instanceof Problem && error.status === 404) return <Gone />;
  if (!data) {
    return (
      <Page title="Portfolio" heading={<Skeleton height="1.75rem" width="16rem" />} lead={<>&nbsp;</>}>
        {error ? <ErrorState error={error} onRetry={() => void refetch()} /> : <SkeletonRows rows={10} />}
      </Page>
    );
  }
  const { portfolio } = data;
  return (
    <Page
      title={portfolio.name}
      lead={`${portfolio.base_currency} · ${methodName(portfolio.cost_basis)}`}
      actions={<PortfolioWorth portfolio={portfolio} />}
    >
      <Tabs label="Parts of the portfolio">
        {TABS.map(({ tab, name }) => (
          <Link
            key={name}
            href={tab ? `/portfolios/${id}/${tab}` : `/portfolios/${id}`}
            aria-current={tab === shown.tab ? "page" : undefined}
          >
            {name}
          </Link>
        ))}
      </Tabs>
      <Part tab={shown.tab} versioned={data} />
    </Page>
  );
}

interface PartProps {
  tab: (typeof TABS)[number]["tab"];
  versioned: Versioned;
}

function Part({ tab, versioned }: PartProps) {
  switch (tab) {
    case "transactions":
      return (
        <Suspense fallback={<SkeletonRows rows={10} />}>
          <Transactions portfolio={versioned.portfolio} />
        </Suspense>
      );
    case "gains":
      return <Gains portfolio={versioned.portfolio} />;
    case "settings":
      return <Settings versioned={versioned} />;
    case undefined:
      return <Overview portfolio={versioned.portfolio} />;
  }
}

function Gone() {
  return (
    <Page title="Not found">
      <EmptyState
        title="There is no such portfolio"
        action={
          <Link href="/portfolios" className={buttonClass("primary")}>
            To your portfolios
          </Link>
        }
      >
        It may have been deleted, or belong to somebody else.
      </EmptyState>
    </Page>
  );
}
