import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Bell, Pause, Pencil, Play, Trash2 } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import { Badge } from "../ui/Badge";
import { Button, IconButton } from "../ui/Button";
import { ConfirmDialog } from "../ui/ConfirmDialog";
import { Ago } from "../ui/figures";
import list from "../ui/list.module.css";
import { EmptyState, ErrorState, SkeletonRows } from "../ui/states";
import { toast } from "../ui/toasts";
import { AlertDialog } from "./AlertDialog";
import css from "./alerts.module.css";
import { conditionWords } from "./words";

type Alert = Schema["AlertView"];

const TONES = { armed: "up", fired: "accent", paused: "neutral" } as const;

export function AlertList({ onMake }: { onMake: () => void }) {
  const alerts = useInfiniteQuery({
    queryKey: [PRIVATE, "alerts", "list"],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      body(api.GET("/alerts", { params: { query: { ...(pageParam !== null && { cursor: pageParam }) } } })),
    getNextPageParam: ({ next_cursor }) => next_cursor,
  });
  if (alerts.data === undefined) {
    if (alerts.error) return <ErrorState error={alerts.error} onRetry={() => void alerts.refetch()} />;
    return <SkeletonRows rows={3} height="4.5rem" />;
  }
  const items = alerts.data.pages.flatMap((page) => page.items);
  if (items.length === 0) {
    return (
      <EmptyState
        title="No alerts yet"
        icon={<Bell size={28} aria-hidden />}
        action={
          <Button kind="primary" onClick={onMake}>
            New alert
          </Button>
        }
      >
        Be told when a price crosses a line, or moves by some per cent within a time.
      </EmptyState>
    );
  }
  return (
    <>
      <ul className={list.list}>
        {items.map((alert) => (
          <AlertRow key={alert.id} alert={alert} />
        ))}
      </ul>
      {alerts.hasNextPage && (
        <div className={css.more}>
          <Button busy={alerts.isFetchingNextPage} onClick={() => void alerts.fetchNextPage()}>
            Load more
          </Button>
        </div>
      )}
    </>
  );
}

function AlertRow({ alert }: { alert: Alert }) {
  const [open, setOpen] = useState<"edit" | "delete" | null>(null);
  const client = useQueryClient();
  const path = { alert_id: alert.id };
  const settle = () => client.invalidateQueries({ queryKey: [PRIVATE, "alerts"] });
  const arm = useMutation({
    mutationFn: (status: "armed" | "paused") =>
      body(api.PATCH("/alerts/{alert_id}", { params: { path }, body: { status } })),
    onError: (error) => toast(error.message, "down"),
    onSettled: settle,
  });
  const remove = useMutation({
    mutationFn: () => body(api.DELETE("/alerts/{alert_id}", { params: { path } })),
    onSuccess: settle,
  });
  const name = `${alert.symbol} ${conditionWords(alert)}`;
  return (
    <li className={`${list.item} ${css.item}`}>
      <div>
        <p className={list.name}>
          <Link href={`/market/${alert.symbol}`}>{alert.symbol}</Link> {conditionWords(alert)}{" "}
          <Badge tone={TONES[alert.status]}>{alert.status}</Badge>
          {alert.repeat && <Badge>repeats</Badge>}
        </p>
        <p className={list.detail}>
          {alert.venue}
          {alert.last_fired_at && (
            <>
              {" "}
              · fired <Ago value={alert.last_fired_at} />
            </>
          )}
          {alert.webhook_url && " · webhook"}
          {alert.note && ` · ${alert.note}`}
        </p>
      </div>
      <div className={css.actions}>
        {alert.status === "armed" ? (
          <IconButton label={`Pause: ${name}`} disabled={arm.isPending} onClick={() => arm.mutate("paused")}>
            <Pause size={18} aria-hidden />
          </IconButton>
        ) : (
          <IconButton label={`Arm: ${name}`} disabled={arm.isPending} onClick={() => arm.mutate("armed")}>
            <Play size={18} aria-hidden />
          </IconButton>
        )}
        <IconButton label={`Edit: ${name}`} onClick={() => setOpen("edit")}>
          <Pencil size={18} aria-hidden />
        </IconButton>
        <IconButton label={`Delete: ${name}`} onClick={() => setOpen("delete")}>
          <Trash2 size={18} aria-hidden />
        </IconButton>
      </div>
      {open === "edit" && <AlertDialog alert={alert} symbol={alert.symbol} onClose={() => setOpen(null)} />}
      {open === "delete" && (
        <ConfirmDialog
          title="Delete alert"
          action="Delete alert"
          busy={remove.isPending}
          error={remove.error}
          onConfirm={() => remove.mutate()}
          onClose={() => setOpen(null)}
        >
          {name}: it will not tell you any more.
        </ConfirmDialog>
      )}
    </li>
  );
}
