import type { ReactNode } from "react";
import css from "./Tabs.module.css";

/** Links between the parts of a page; the one shown has `aria-current="page"`. */
export function Tabs({ label, children }: { label: string; children: ReactNode }) {
  return (
    <nav className={css.tabs} aria-label={label}>
      {children}
    </nav>
  );
}
