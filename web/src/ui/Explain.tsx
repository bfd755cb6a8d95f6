import { Info } from "lucide-react";
import { type ReactNode, useId, useRef } from "react";
import css from "./Explain.module.css";

const MARGIN = 8;

/** An explanation that hovering, focusing or touching its sign shows: `<Explain term="TWR">…</Explain>`. */
export function Explain({ term, children }: { term: string; children: ReactNode }) {
  const id = useId();
  const tip = useRef<HTMLSpanElement>(null);
  const place = () => tip.current && keepInWindow(tip.current);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: places what CSS shows, does nothing else
    <span className={css.explain} onPointerEnter={place} onFocus={place}>
      <button type="button" className={css.sign} aria-label={`What ${term} is`} aria-describedby={id}>
        <Info size={14} aria-hidden />
      </button>
      <span role="tooltip" id={id} ref={tip} className={css.tip}>
        {children}
      </span>
    </span>
  );
}

/** Moves it sideways where it would stand beyond the window's edge. */
function keepInWindow(tip: HTMLElement): void {
  tip.style.setProperty("--shift", "0px");
  const { left, right } = tip.getBoundingClientRect();
  const beyond = Math.max(0, right + MARGIN - document.documentElement.clientWidth);
  tip.style.setProperty("--shift", `${left < MARGIN ? MARGIN - left : -beyond}px`);
}
