import { X } from "lucide-react";
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { IconButton } from "./Button";
import css from "./toasts.module.css";

interface Toast {
  id: number;
  tone: "neutral" | "up" | "down" | "warning";
  text: ReactNode;
}

const LASTS_MS = 8000;
const AT_ONCE = 4;

let toasts: readonly Toast[] = [];
let made = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function drop(id: number): void {
  set(toasts.filter((toast) => toast.id !== id));
}

/** Says something in passing, at the corner of the page. */
export function toast(text: ReactNode, tone: Toast["tone"] = "neutral"): void {
  const id = ++made;
  set([...toasts, { id, tone, text }].slice(-AT_ONCE));
}

export function clearToasts(): void {
  set([]);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <section className={css.toasts} aria-label="Notifications" aria-live="polite">
      {shown.map((each) => (
        <Shown key={each.id} {...each} />
      ))}
    </section>
  );
}

/** It stays while it is pointed at or has the focus. */
function Shown({ id, tone, text }: Toast) {
  const [isPointedAt, setPointedAt] = useState(false);
  const [isFocused, setFocused] = useState(false);
  const stays = isPointedAt || isFocused;
  useEffect(() => {
    if (stays) return;
    const timer = setTimeout(() => drop(id), LASTS_MS);
    return () => clearTimeout(timer);
  }, [id, stays]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: only waits, does nothing
    <div
      className={`${css.toast} ${css[tone]}`}
      onPointerEnter={() => setPointedAt(true)}
      onPointerLeave={() => setPointedAt(false)}
      onFocus={() => setFocused(true)}
      onBlur={() => setFocused(false)}
    >
      <div>{text}</div>
      <IconButton label="Dismiss" onClick={() => drop(id)}>
        <X size={16} aria-hidden />
      </IconButton>
    </div>
  );
}
