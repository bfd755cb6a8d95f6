import { useInfiniteQuery } from "@tanstack/react-query";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import { Badge } from "../ui/Badge";
import { Button } from "../ui/Button";
import { Price, Time } from "../ui/figures";
import list from "../ui/list.module.css";
import { EmptyState, ErrorState, SkeletonRows } from "../ui/states";
import css from "./alerts.module.css";
import { conditionWords, quoteOf } from "./words";

const WEBHOOK = { none: null, pending: "neutral", delivered: "up", failed: "down" } as const;

export function AlertHistory() {
  const fired = useInfiniteQuery({
    queryKey: [PRIVATE, "alerts", "history"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      body(
        api.GET("/alerts/history", {
          params: { query: { limit: 20, ...(pageParam !== null && { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: ({ next_cursor }) => next_cursor,
  });
  if (fired.data === undefined) {
    if (fired.error) return <ErrorState error={fired.error} onRetry={() => void fired.refetch()} />;
    return <SkeletonRows rows={2} height="4rem" />;
  }
  const items = fired.data.pages.flatMap((page) => page.items);
  if (items.length === 0) {
    return (
      <EmptyState title="Nothing has fired yet">
        Each firing is listed here with the price that did it.
      </EmptyState>
    );
  }
  return (
    <>
      <ul className={list.list}>
        {items.map((each) => (
          <FiredRow key={each.id} fired={each} />
        ))}
      </ul>
      {fired.hasNextPage && (
        <div className={css.more}>
          <Button busy={fired.isFetchingNextPage} onClick={() => void fired.fetchNextPage()}>
            Load more
          </Button>
        </div>
      )}
    </>
  );
}

function FiredRow({ fired }: { fired: Schema["FiredView"] }) {
  const tone = WEBHOOK[fired.webhook];
  return (
    <li className={`${list.item} ${css.item}`}>
      <div>
        <p className={list.name}>
          {fired.symbol} {conditionWords(fired)}
        </p>
        <p className={list.detail}>
          <Time value={fired.time} /> · {fired.venue}
        </p>
      </div>
      <div className={css.actions}>
        {tone && <Badge tone={tone}>webhook {fired.webhook}</Badge>}
        <Price value={fired.price} currency={quoteOf(fired.symbol)} />
      </div>
    </li>
  );
}
