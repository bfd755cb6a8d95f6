import type { ReactNode } from "react";
import { Explain } from "../ui/Explain";
import css from "./Figures.module.css";

/** Figures side by side, as many as there is room for. */
export function Figures({ children }: { children: ReactNode }) {
  return <dl className={css.figures}>{children}</dl>;
}

interface Props {
  label: string;
  /** What it is, in plain words. */
  explain?: ReactNode;
  /** Beneath it: more of it, or why it is not known. */
  note?: ReactNode;
  children: ReactNode;
}

export function Figure({ label, explain, note, children }: Props) {
  return (
    <div className={css.figure}>
      <dt>
        {label}
        {explain && <Explain term={label}>{explain}</Explain>}
      </dt>
      <dd className={css.value}>{children}</dd>
      {note && <dd className={css.note}>{note}</dd>}
    </div>
  );
}
