import type { ReactNode } from "react";
import { useEffect } from "react";
import css from "./layout.module.css";

interface PageProps {
  title: string;
  /** Shown in place of the title's plain text; null where the content has it. */
  heading?: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A page: its title in the tab and at the top, its actions beside. */
export function Page({ title, heading, lead, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · CryptoPulse`;
  }, [title]);
  return (
    <div className={css.page}>
      {heading !== null && (
        <header className={css.pageHeader}>
          <div>
            <h1>{heading ?? title}</h1>
            {lead && <p className="muted">{lead}</p>}
          </div>
          {actions && <div className={css.pageActions}>{actions}</div>}
        </header>
      )}
      {children}
    </div>
  );
}

interface CardProps {
  title?: ReactNode;
  actions?: ReactNode;
  /** No padding: for a table that reaches the edges. */
  flush?: boolean;
  children: ReactNode;
}

export function Card({ title, actions, flush = false, children }: CardProps) {
  return (
    <section className={css.card}>
      {(title || actions) && (
        <header className={css.cardHeader}>
          {title && <h2>{title}</h2>}
          {actions}
        </header>
      )}
      <div className={flush ? css.flush : css.cardBody}>{children}</div>
    </section>
  );
}

/** The buttons that end a form or dialog, to the right. */
export function Actions({ children }: { children: ReactNode }) {
  return <div className={css.actions}>{children}</div>;
}

/** Fields below each other, or beside each other where there is room. */
export function Fields({ children, columns = false }: { children: ReactNode; columns?: boolean }) {
  return <div className={columns ? css.fieldColumns : css.fields}>{children}</div>;
}

/** A table that scrolls sideways by itself where the page is narrow. */
export function TableFrame({ label, children }: { label: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls what is cut off
    <section className={css.tableFrame} aria-label={label} tabIndex={0}>
      {children}
    </section>
  );
}

export const tableClass = css.table;
