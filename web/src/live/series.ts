import type { Candle, Tick } from "./frames";

/** The newest of each series; what is older never comes back, over reconnections too (rules 2 and 3). */
export class Newest {
  readonly #ranks = new Map<string, number>();

  /** Whether this is as new as what is known, or newer; from now on it is known. */
  take(series: string, rank: number): boolean {
    if (rank < (this.#ranks.get(series) ?? rank)) return false;
    this.#ranks.set(series, rank);
    return true;
  }

  clear(): void {
    this.#ranks.clear();
  }
}

/** What is told once; the last 10,000 are known again (rule 4). */
export class Once {
  readonly #told = new Set<string>();

  take(id: string): boolean {
    if (this.#told.has(id)) return false;
    this.#told.add(id);
    for (const oldest of this.#told) {
      if (this.#told.size <= 10_000) break;
      this.#told.delete(oldest);
    }
    return true;
  }
}

export function tickSeries({ venue, symbol }: Pick<Tick, "venue" | "symbol">): string {
  return `${venue} ${symbol}`;
}

export function candleSeries({ venue, symbol, interval }: Candle): string {
  return `${venue} ${symbol} ${interval}`;
}

/** A closed candle ranks above the open one of the same start, and below those that begin later. */
export function candleRank({ time, closed }: Candle): number {
  return time * 2 + Number(closed);
}
