import type { ReactNode } from "react";
import css from "./Badge.module.css";

interface Props {
  tone?: "neutral" | "up" | "down" | "warning" | "accent";
  title?: string;
  children: ReactNode;
}

/** A word about what stands beside it. */
export function Badge({ tone = "neutral", title, children }: Props) {
  return (
    <span className={`${css.badge} ${css[tone]}`} title={title}>
      {children}
    </span>
  );
}
