import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useSearchParams } from "wouter";
import { api, body } from "../../api/client";
import { Button } from "../../ui/Button";
import { Card } from "../../ui/layout";
import { EmptyState, ErrorState, ProblemNote, Skeleton, SkeletonRows } from "../../ui/states";
import { methodOf } from "../methods";
import { MissingNotice } from "../overview/Lacks";
import { type Method, type Portfolio, portfolioKey, useHistory } from "../portfolios";
import { Downloads } from "./Downloads";
import css from "./Gains.module.css";
import { GainsTable } from "./GainsTable";
import { GainTotals } from "./GainTotals";
import { Terms } from "./Terms";
import { yearOf, yearsSince } from "./years";

/** A year's disposals, each with the lots that it took. */
export function Gains({ portfolio }: { portfolio: Portfolio }) {
  const [params, setParams] = useSearchParams();
  const firstDay = useHistory(portfolio.id).data?.series[0]?.[0];
  const years = yearsSince(firstDay);
  const year = yearOf(params.get("year")) ?? new Date().getUTCFullYear();
  const method = methodOf(params.get("method")) ?? portfolio.cost_basis;
  const change = (name: string, value: string) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.set(name, value);
        return next;
      },
      { replace: true },
    );
  return (
    <>
      <div className={css.controls}>
        <Terms
          years={years.includes(year) ? years : [...years, year]}
          year={year}
          method={method}
          onYear={(next) => change("year", String(next))}
          onMethod={(next) => change("method", next)}
        />
        <Downloads portfolio={portfolio} year={year} method={method} />
      </div>
      <Report portfolio={portfolio} year={year} method={method} />
    </>
  );
}

interface ReportProps {
  portfolio: Portfolio;
  year: number;
  method: Method;
}

function Report({ portfolio: { id, base_currency }, year, method }: ReportProps) {
  const gains = useGains(id, year, method);
  const totals = gains.data?.pages[0]?.totals;
  if (!totals) {
    if (gains.error) return <ErrorState error={gains.error} onRetry={() => void gains.refetch()} />;
    return <ReportSkeleton year={year} />;
  }
  const rows = gains.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className={css.report} aria-busy={gains.isPlaceholderData}>
      <GainTotals totals={totals} currency={base_currency} />
      {totals.missing.length > 0 && <MissingNotice id={id} missing={totals.missing} />}
      <Card title={`Disposals in ${year}`} flush>
        {rows.length === 0 ? (
          <EmptyState title={`No disposals in ${year}`}>
            Sales, trades and fees paid in coins appear here, each with the lots that it took.
          </EmptyState>
        ) : (
          <GainsTable rows={rows} currency={base_currency} />
        )}
        {gains.hasNextPage && (
          <div className={css.more}>
            <ProblemNote error={gains.error} />
            <Button busy={gains.isFetchingNextPage} onClick={() => void gains.fetchNextPage()}>
              Show more
            </Button>
          </div>
        )}
      </Card>
      <p className={css.note}>
        Years, and the day on which a coin was bought, are those of UTC. Long-term is what was held for more
        than a year, as US law counts; other countries have other rules. This is no tax advice.
      </p>
    </div>
  );
}

function useGains(id: string, year: number, method: Method) {
  return useInfiniteQuery({
    queryKey: [...portfolioKey(id), "gains", year, method],
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/portfolios/{portfolio_id}/gains", {
          params: {
            path: { portfolio_id: id },
            query: { year, method, ...(pageParam && { cursor: pageParam }) },
          },
        }),
      ),
    placeholderData: keepPreviousData,
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
  });
}

function ReportSkeleton({ year }: { year: number }) {
  return (
    <>
      <Card>
        <Skeleton height="4.75rem" />
      </Card>
      <Card title={`Disposals in ${year}`} flush>
        <SkeletonRows rows={6} height="4rem" />
      </Card>
    </>
  );
}
