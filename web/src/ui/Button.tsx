import { LoaderCircle } from "lucide-react";
import type { ButtonHTMLAttributes, ReactNode } from "react";
import css from "./Button.module.css";

type Kind = "primary" | "plain" | "quiet" | "danger";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: Kind;
  small?: boolean;
  /** While what it began is under way. */
  busy?: boolean;
}

export function Button({ kind = "plain", small = false, busy = false, children, className, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      disabled={rest.disabled || busy}
      aria-busy={busy}
      className={buttonClass(kind, small, className)}
    >
      {busy && <LoaderCircle size={16} className={css.spin} aria-hidden />}
      {children}
    </button>
  );
}

/** For a link that looks like a button. */
export function buttonClass(kind: Kind = "plain", small = false, more = ""): string {
  return [css.button, css[kind], small && css.small, more].filter(Boolean).join(" ");
}

interface IconProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  children: ReactNode;
}

/** A button that shows an icon alone; its label is read out, and shown on hover. */
export function IconButton({ label, children, className = "", ...rest }: IconProps) {
  return (
    <button type="button" aria-label={label} title={label} {...rest} className={`${css.icon} ${className}`}>
      {children}
    </button>
  );
}
