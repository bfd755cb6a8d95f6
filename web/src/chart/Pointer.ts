/** The candle under the pointer, for what tells its values: they change without the chart being rendered. */
export class Pointer {
  #time: number | undefined;
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Its start in Unix ms; undefined while nothing is pointed at. */
  readonly time = (): number | undefined => this.#time;

  point(time: number | undefined): void {
    if (this.#time === time) return;
    this.#time = time;
    for (const listener of this.#listeners) listener();
  }
}
