import { vi } from "vitest";

/** What a client said: `id` and whatever it asked for. */
export interface Said {
  id: number;
  action: string;
  channel?: string;
  symbols?: string[];
  since?: number;
  [field: string]: unknown;
}

/** The server's end of a socket, which says what a test has it say. */
export class Peer {
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  isLeft = false;
  readonly url: string;
  readonly heard: Said[] = [];
  readonly heardAt: number[] = [];

  constructor(url: string) {
    this.url = url;
    peers.push(this);
  }

  send(text: string): void {
    this.heard.push(JSON.parse(text));
    this.heardAt.push(Date.now());
  }

  close(): void {
    this.isLeft = true;
  }

  accept(): void {
    this.onopen?.();
  }

  vanish(): void {
    this.onclose?.();
  }

  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** Those heard of an action, without what tells nothing. */
  asked(action: string): Omit<Said, "id" | "action">[] {
    return this.heard
      .filter((frame) => frame.action === action)
      .map(({ id: _, action: __, ...fields }) => fields);
  }

  /** Answers all that is not answered, until nothing more comes. */
  async grant(time = NOON): Promise<void> {
    for (let done = 0; done < this.heard.length; ) {
      for (const frame of this.heard.slice(done)) {
        done++;
        if (!this.#answered.has(frame.id)) this.answer(frame, time);
      }
      await vi.advanceTimersByTimeAsync(100);
    }
  }

  readonly #answered = new Set<number>();

  answer({ id, action, channel }: Said, time = NOON): void {
    this.#answered.add(id);
    const type = { subscribe: "subscribed", unsubscribe: "unsubscribed", resync: "resynced", ping: "pong" }[
      action
    ];
    this.say({ type, id, channel, interval_ms: 1000, time: new Date(time).toISOString() });
  }

  refuse({ id }: Said, code: string, symbols?: string[]): void {
    this.#answered.add(id);
    this.say({ type: "error", id, code, message: "no", symbols });
  }
}

export const NOON = Date.UTC(2026, 10, 22, 12);

/** All sockets since the test began, the newest last. */
export let peers: Peer[] = [];

/** The newest socket. */
export function peer(): Peer {
  const last = peers.at(-1);
  if (!last) throw new Error("nobody has connected");
  return last;
}

/** Stands in for the network, the clock and chance, which is always 1. */
export function stubWorld(): void {
  peers = [];
  vi.useFakeTimers({ now: NOON });
  vi.stubGlobal("WebSocket", Peer);
  vi.spyOn(Math, "random").mockReturnValue(1);
}

export async function pass(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

export const at = (second: number): string => new Date(NOON + second * 1000).toISOString();

export const tick = (second: number, price: number, symbol = "BTC-USD", venue = "coinbase") => ({
  symbol,
  venue,
  price,
  time: at(second),
});

export const candle = (minute: number, close: number, closed = false, interval = "1m") => ({
  symbol: "BTC-USD",
  venue: "coinbase",
  interval,
  time: NOON + minute * 60_000,
  open: 1,
  high: 9,
  low: 1,
  close,
  volume: 2.5,
  closed,
  complete: true,
});

export const article = (id: string, assets: string[] = ["BTC"]) => ({
  id,
  title: "Up",
  source: "Desk",
  url: "https://example.com/up",
  published_at: at(0),
  assets,
  sentiment: { score: 0.5, label: "positive" },
});

export const alert = (id: string) => ({
  id,
  alert_id: "a",
  symbol: "BTC-USD",
  venue: "coinbase",
  condition: "above",
  threshold: "90000",
  price: "90000.10",
  time: at(0),
  webhook: "none",
});

export const worth = (second: number, value: string, id = "p") => ({
  id,
  time: at(second),
  value,
  cost_basis: "100",
  unrealized: "0",
});
