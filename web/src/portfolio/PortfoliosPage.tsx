import { Plus, WalletCards } from "lucide-react";
import { useState } from "react";
import { Button } from "../ui/Button";
import { Card, Page } from "../ui/layout";
import { EmptyState, Loaded, Skeleton } from "../ui/states";
import { NewPortfolioDialog } from "./NewPortfolioDialog";
import { PortfolioCard } from "./PortfolioCard";
import css from "./PortfoliosPage.module.css";
import { usePortfolios } from "./portfolios";

/** As many as one connection may show. */
const LIVE_AT_ONCE = 20;

export default function PortfoliosPage() {
  const portfolios = usePortfolios();
  const [isMaking, setMaking] = useState(false);
  return (
    <Page
      title="Portfolios"
      actions={
        <Button kind="primary" onClick={() => setMaking(true)}>
          <Plus size={16} aria-hidden />
          New portfolio
        </Button>
      }
    >
      <Loaded
        query={portfolios}
        skeleton={<CardsSkeleton />}
        empty={{ when: (all) => all.length === 0, show: <Newcomer onStart={() => setMaking(true)} /> }}
      >
        {(all) => (
          <ul className={css.cards}>
            {all.map((portfolio, index) => (
              <li key={portfolio.id}>
                <PortfolioCard portfolio={portfolio} isLive={index < LIVE_AT_ONCE} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {isMaking && <NewPortfolioDialog onClose={() => setMaking(false)} />}
    </Page>
  );
}

function Newcomer({ onStart }: { onStart: () => void }) {
  return (
    <Card>
      <EmptyState
        title="See what you hold, and how it does"
        icon={<WalletCards size={32} aria-hidden />}
        action={
          <Button kind="primary" onClick={onStart}>
            Create your first portfolio
          </Button>
        }
      >
        Name it, then enter what you bought or import the CSV of Coinbase, Binance or Kraken. Value, returns
        and taxable gains are worked out for you, to the last digit.
      </EmptyState>
    </Card>
  );
}

function CardsSkeleton() {
  return (
    <div role="status" aria-label="Loading" className={css.cards}>
      {["one", "two", "three"].map((card) => (
        <div key={card} className={css.skeleton}>
          <Skeleton height="1.25rem" width="50%" />
          <Skeleton height="2rem" width="65%" />
          <Skeleton height="3rem" />
        </div>
      ))}
    </div>
  );
}
