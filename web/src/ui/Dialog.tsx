import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./Button";
import css from "./Dialog.module.css";

interface Props {
  title: string;
  onClose: () => void;
  wide?: boolean;
  /** Else only the content's own buttons close it: what it shows or waits for would be lost. */
  dismissible?: boolean;
  children: ReactNode;
}

const FIELD = ":is(input:not([type=radio]), input:checked, select, textarea):not(:disabled)";

/**
 * A modal dialog, open while it is rendered; Escape and the backdrop close it. The focus goes to its first field, without one
 * to its first button below the title; and back to where it was.
 */
export function Dialog({ title, onClose, wide = false, dismissible = true, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const body = useRef<HTMLDivElement>(null);
  const titleId = useId();
  /** A text that is marked from within to beyond the edge ends in a click there, too. */
  const isBackdropPressed = useRef(false);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    const first = body.current?.querySelector<HTMLElement>(FIELD) ?? body.current?.querySelector("button");
    first?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the keyboard's way, and the element's own
    <dialog
      ref={dialog}
      className={`${css.dialog} ${wide ? css.wide : ""}`}
      aria-labelledby={titleId}
      closedby={dismissible ? "closerequest" : "none"}
      onCancel={(event) => {
        event.preventDefault();
        if (dismissible) onClose();
      }}
      onPointerDown={(event) => {
        isBackdropPressed.current = event.target === event.currentTarget;
      }}
      onClick={(event) => {
        if (dismissible && event.target === event.currentTarget && isBackdropPressed.current) onClose();
      }}
    >
      <div className={css.content}>
        <header className={css.header}>
          <h2 id={titleId}>{title}</h2>
          {dismissible && (
            <IconButton label="Close" onClick={onClose}>
              <X size={18} aria-hidden />
            </IconButton>
          )}
        </header>
        <div ref={body} className={css.body}>
          {children}
        </div>
      </div>
    </dialog>
  );
}
