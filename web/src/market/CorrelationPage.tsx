import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useSearchParams } from "wouter";
import { api, body } from "../api/client";
import { useCoins } from "../api/coins";
import { Badge } from "../ui/Badge";
import { Card, Page } from "../ui/layout";
import { EmptyState, Loaded, Skeleton } from "../ui/states";
import { CorrelationExtremes } from "./CorrelationExtremes";
import { CorrelationMatrix } from "./CorrelationMatrix";
import css from "./CorrelationPage.module.css";
import { CorrelationTools } from "./CorrelationTools";
import { type Choice, type Correlation, FEWEST, readChoice } from "./correlation";
import { useWatchlist } from "./watchlist";

export default function CorrelationPage() {
  const coins = useCoins();
  return (
    <Page
      title="Correlation"
      lead="Which prices move together, and which do not: what you hold is spread only if it does not all fall at once."
    >
      <Loaded query={coins} skeleton={<CorrelationSkeleton />}>
        {({ items }) => (
          <Comparison
            tracked={items.flatMap(
              ({ symbols }) => symbols.find(({ symbol }) => symbol.endsWith("-USD"))?.symbol ?? [],
            )}
          />
        )}
      </Loaded>
    </Page>
  );
}

function Comparison({ tracked }: { tracked: readonly string[] }) {
  const { watched } = useWatchlist();
  const [search, setSearch] = useSearchParams();
  const choice = readChoice(search, tracked, [...watched]);
  const { symbols, interval, window, method } = choice;
  const isEnough = symbols.length >= FEWEST;
  const correlation = useQuery({
    queryKey: ["correlation", symbols, interval, window, method],
    queryFn: () =>
      body(
        api.GET("/correlation", {
          params: { query: { symbols: symbols.join(","), interval, window, method } },
        }),
      ),
    enabled: isEnough,
    placeholderData: keepPreviousData,
    staleTime: 5 * 60_000,
  });
  const change = (part: Partial<Choice>) => setSearch((before) => written(before, part), { replace: true });
  return (
    <>
      <Card>
        <CorrelationTools
          choice={choice}
          tracked={tracked}
          onChange={change}
          onReset={() => setSearch({}, { replace: true })}
        />
      </Card>
      {isEnough ? (
        <Loaded query={correlation} skeleton={<MatrixSkeleton size={symbols.length} />}>
          {(told) => (
            <>
              <Card flush>
                <div className={css.result} aria-busy={correlation.isPlaceholderData}>
                  <CorrelationMatrix key={told.symbols.join()} correlation={told} />
                  <Foot correlation={told} />
                </div>
              </Card>
              <CorrelationExtremes correlation={told} />
            </>
          )}
        </Loaded>
      ) : (
        <Card>
          <EmptyState title="Choose two symbols or more">
            Add what you want to compare; your watchlist is taken when you reset.
          </EmptyState>
        </Card>
      )}
    </>
  );
}

/** A window is of one interval: with another it is the usual again. */
function written(before: URLSearchParams, { symbols, interval, window, method }: Partial<Choice>) {
  const next = new URLSearchParams(before);
  if (symbols) next.set("symbols", symbols.join(","));
  if (interval) {
    next.set("interval", interval);
    next.delete("window");
  }
  if (window !== undefined) next.set("window", String(window));
  if (method) next.set("method", method);
  return next;
}

function Foot({ correlation }: { correlation: Correlation }) {
  const { observations, window, interval, complete } = correlation;
  const kind = interval === "1d" ? "daily" : "hourly";
  return (
    <div className={css.foot}>
      <p className={css.observed}>
        {observations === window
          ? `Over ${observations} ${kind} returns.`
          : `Over ${observations} ${kind} returns, of ${window} asked for: only times that all of them have count.`}
        {!complete && (
          <Badge
            tone="warning"
            title="Some of the candles behind it are missing, or are known to lack trades."
          >
            Incomplete: some candles are missing
          </Badge>
        )}
      </p>
      <div className={css.legend} aria-hidden>
        <span>−1 opposite</span>
        <span>0</span>
        <span>+1 together</span>
        <span className={css.scale} />
      </div>
    </div>
  );
}

function CorrelationSkeleton() {
  return (
    <>
      <Card>
        <Skeleton height="6rem" />
      </Card>
      <MatrixSkeleton size={10} />
    </>
  );
}

function MatrixSkeleton({ size }: { size: number }) {
  return (
    <Card>
      <Skeleton height={`${7 + size * 2.875}rem`} />
    </Card>
  );
}
