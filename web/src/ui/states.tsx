import type { UseQueryResult } from "@tanstack/react-query";
import { Inbox, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Problem } from "../api/problem";
import { Button } from "./Button";
import css from "./states.module.css";

interface LoadedProps<T> {
  query: Pick<UseQueryResult<T, Error>, "data" | "error"> & { refetch: () => Promise<unknown> };
  /** Of the final size, so that nothing moves when the data come. */
  skeleton: ReactNode;
  /** Shown instead when there is nothing to show. */
  empty?: { when: (data: T) => boolean; show: ReactNode };
  children: (data: T) => ReactNode;
}

/** What a query's state shows: a skeleton, its error with a way to try again, nothing yet, or the data. */
export function Loaded<T>({ query, skeleton, empty, children }: LoadedProps<T>) {
  if (query.data !== undefined) {
    return empty?.when(query.data) ? empty.show : children(query.data);
  }
  if (query.error) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  return skeleton;
}

export function ErrorState({ error, onRetry }: { error: Error; onRetry: () => void }) {
  return (
    <div className={css.state} role="alert">
      <TriangleAlert size={28} aria-hidden className={css.warning} />
      <p>{error.message}</p>
      <RequestId error={error} />
      <Button small onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}

interface EmptyProps {
  title: string;
  icon?: ReactNode;
  action?: ReactNode;
  children?: ReactNode;
}

/** Nothing is here yet: what it would be, and how to get it. */
export function EmptyState({ title, icon, action, children }: EmptyProps) {
  return (
    <div className={css.state}>
      <span className={css.icon}>{icon ?? <Inbox size={28} aria-hidden />}</span>
      <h2>{title}</h2>
      {children && <p className="muted">{children}</p>}
      {action}
    </div>
  );
}

/** Why what was sent was refused, where it is not said at a field. */
export function ProblemNote({ error }: { error: Error | null }) {
  if (!error) return null;
  return (
    <div className={css.note} role="alert">
      <p>{error.message}</p>
      <RequestId error={error} />
    </div>
  );
}

/** By field, what a form's answer said is wrong. */
export function fieldErrors(error: Error | null): Readonly<Record<string, string>> {
  return error instanceof Problem ? error.fields : {};
}

function RequestId({ error }: { error: Error }) {
  if (!(error instanceof Problem) || error.status < 500 || error.requestId === undefined) return null;
  return <p className={css.id}>Request {error.requestId}</p>;
}

/** A grey place for what is being loaded. */
export function Skeleton({ height, width = "100%" }: { height: string; width?: string }) {
  return <span className={css.skeleton} style={{ height, width }} aria-hidden />;
}

/** Rows of a table or list that is being loaded. */
export function SkeletonRows({ rows, height = "3rem" }: { rows: number; height?: string }) {
  return (
    <div role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they are all alike
        <div key={row} className={css.row} style={{ height }}>
          <Skeleton height="0.875rem" width={`${88 - ((row * 17) % 40)}%`} />
        </div>
      ))}
    </div>
  );
}
