import { useSyncExternalStore } from "react";

class Clock {
  readonly #everyMs: number;
  readonly #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #now = Date.now();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#listeners.size === 0) this.#timer = setInterval(() => this.#tick(), this.#everyMs);
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearInterval(this.#timer);
    };
  };

  /** While nobody listens it does not tick: who comes first sets it right. */
  readonly read = (): number => {
    if (this.#listeners.size === 0 && Date.now() - this.#now >= this.#everyMs) this.#now = Date.now();
    return this.#now;
  };

  #tick(): void {
    this.#now = Date.now();
    for (const listener of this.#listeners) listener();
  }
}

const clocks = new Map<number, Clock>();

function clock(everyMs: number): Clock {
  let kept = clocks.get(everyMs);
  if (!kept) {
    kept = new Clock(everyMs);
    clocks.set(everyMs, kept);
  }
  return kept;
}

/** The time in Unix ms, anew every so often: for ages. All who ask for the same are told at once. */
export function useNow(everyMs = 1000): number {
  const { subscribe, read } = clock(everyMs);
  return useSyncExternalStore(subscribe, read);
}
