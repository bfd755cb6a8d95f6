/** Values by key. They change at any time; who listens to a topic is told once a frame of the screen. */
export class Store<T> {
  readonly #values = new Map<string, T>();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #changed = new Set<string>();
  #frame: number | undefined;

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: T, topic = key): void {
    this.#values.set(key, value);
    this.touch(topic);
  }

  /** What is shown of this topic has changed. */
  touch(topic: string): void {
    this.#changed.add(topic);
    this.#frame ??= requestAnimationFrame(() => this.#tell());
  }

  clear(): void {
    for (const key of this.#values.keys()) this.touch(key);
    this.#values.clear();
  }

  subscribe(topic: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  #tell(): void {
    this.#frame = undefined;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const topic of changed) {
      for (const listener of this.#listeners.get(topic) ?? []) listener();
    }
  }
}
