import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import css from "./Notice.module.css";

/** What the figures beside it do not tell, and what to do about it. */
export function Notice({ action, children }: { action?: ReactNode; children: ReactNode }) {
  return (
    <aside className={css.notice}>
      <CircleAlert size={18} aria-hidden className={css.icon} />
      <p>{children}</p>
      {action}
    </aside>
  );
}
