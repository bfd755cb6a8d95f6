import { Info } from "lucide-react";
import { type ReactNode, useId } from "react";
import css from "./Explain.module.css";

/** An explanation that hovering, focusing or touching its sign shows: `<Explain term="TWR">…</Explain>`. */
export function Explain({ term, children }: { term: string; children: ReactNode }) {
  const id = useId();
  return (
    <span className={css.explain}>
      <button type="button" className={css.sign} aria-label={`What ${term} is`} aria-describedby={id}>
        <Info size={14} aria-hidden />
      </button>
      <span role="tooltip" id={id} className={css.tip}>
        {children}
      </span>
    </span>
  );
}
