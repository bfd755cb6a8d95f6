import { groupOf, isSame, keyOf, resumedSince, type Want } from "./wants";

/** Something wanted, and how far the server is with it. */
export interface Holding {
  want: Want;
  state: "due" | "asked" | "granted" | "limited" | "refused";
  /** Whether it was, on this connection or an earlier one. */
  wasGranted: boolean;
  /** From when on it was wanted, until the server's time is known. */
  since: number | undefined;
  /** The server's time up to which everything has come. */
  toldAt: number | undefined;
}

export type Some<T> = readonly [T, ...T[]];

/** What is wanted, over all connections. */
export class Holdings {
  readonly #byKey = new Map<string, Holding>();
  /** The server's, as it told last (Unix ms). */
  #time: number | undefined;

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  some(state: Holding["state"]): boolean {
    return [...this.#byKey.values()].some((holding) => holding.state === state);
  }

  /** Replaces what is wanted; what stays keeps its standing. */
  want(wants: readonly Want[]): void {
    const keys = new Set(wants.map(keyOf));
    for (const key of this.#byKey.keys()) {
      if (!keys.has(key)) this.#byKey.delete(key);
    }
    for (const want of wants) this.#add(want);
  }

  #add(want: Want): void {
    const known = this.#byKey.get(keyOf(want));
    const since = sinceOf(want);
    if (!known || !isSame(known.want, want)) {
      this.#byKey.set(keyOf(want), {
        want,
        state: "due",
        wasGranted: false,
        since,
        toldAt: undefined,
      });
    } else if (since !== undefined && since > (sinceOf(known.want) ?? 0)) {
      // One more wants it, and what it missed: a snapshot shows that to all.
      known.want = want;
      known.since = since;
      if (known.state !== "refused") known.state = "due";
    }
  }

  /** All is to be asked for, or some channel (rules 7 and 14), but for what was refused. */
  ask(channel?: Want["channel"]): void {
    for (const holding of this.#byKey.values()) {
      if (holding.state !== "refused" && (channel === undefined || holding.want.channel === channel)) {
        holding.state = "due";
      }
    }
  }

  /** What was too much for a while is to be asked for again. */
  askLimited(): void {
    for (const holding of this.#byKey.values()) {
      if (holding.state === "limited") holding.state = "due";
    }
  }

  /** What one frame can ask for; undefined: nothing is due. */
  due(isBusy: (key: string) => boolean): Some<Holding> | undefined {
    const due = [...this.#byKey.values()].filter(
      ({ state, want }) => state === "due" && !isBusy(keyOf(want)),
    );
    const [first] = due;
    if (!first) return undefined;
    const group = (holding: Holding) => `${groupOf(holding.want)} ${sinceNow(holding)}`;
    return [first, ...due.slice(1).filter((other) => group(other) === group(first))];
  }

  /** The server gives it; what is wanted from now on has nothing to come from before (rule 12). */
  grant(holding: Holding): void {
    if (holding.state === "asked") holding.state = "granted";
    holding.wasGranted = true;
    if (holding.since === undefined) holding.toldAt ??= this.#time;
  }

  /** The server does not give these, or of them only those of `unknown`; returns what it gave before (rule 14). */
  refuse(holdings: readonly Holding[], unknown: readonly string[]): Want[] {
    const dropped: Want[] = [];
    for (const holding of holdings) {
      const rest = known(holding.want, unknown);
      if (rest) {
        holding.want = rest;
        if (holding.state === "asked") holding.state = "due";
      } else {
        holding.state = "refused";
        if (holding.wasGranted && this.#byKey.get(keyOf(holding.want)) === holding)
          dropped.push(holding.want);
      }
    }
    return dropped;
  }

  /** The server's time; `isComplete`: everything has come up to it. */
  tell(time: number, isComplete: boolean): void {
    this.#time = time;
    if (!isComplete || this.some("due") || this.some("asked") || this.some("limited")) return;
    for (const holding of this.#byKey.values()) {
      holding.toldAt = time;
      holding.since = undefined;
    }
  }
}

/** From when on to ask for it now. */
export function sinceNow({ want, since, toldAt }: Holding): number | undefined {
  const resumed = toldAt === undefined ? undefined : resumedSince(want, toldAt);
  if (since === undefined || resumed === undefined) return since ?? resumed;
  return Math.min(since, resumed);
}

function sinceOf(want: Want): number | undefined {
  return "since" in want ? want.since : undefined;
}

/** What is left without the symbols (of news: assets) that the server does not know; undefined: nothing. */
function known(want: Want, unknown: readonly string[]): Want | undefined {
  if (unknown.length === 0) return undefined;
  if ("symbol" in want) return unknown.includes(want.symbol) ? undefined : want;
  if (want.channel !== "news" || !want.assets) return undefined;
  const assets = want.assets.filter((asset) => !unknown.includes(asset));
  return assets.length > 0 ? { ...want, assets } : undefined;
}
