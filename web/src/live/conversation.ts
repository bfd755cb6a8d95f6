import { type ClientFrame, read, type ServerFrame, type Values } from "./frames";
import { type Holding, type Holdings, sinceNow } from "./holdings";
import { keyOf, subscribing, unsubscribing, type Want } from "./wants";

const PING_MS = 180_000; // rule 8
export const ANSWER_MS = 10_000; // rule 9
const PACE_MS = 100; // rule 15
/** What the server refuses as too much for now is asked for again after this. */
const LIMIT_MS = 30_000;

export interface ConversationEvents {
  /** `isLive` may have changed. */
  onAnswer: () => void;
  onValues: (told: Values, isSnapshot: boolean) => void;
  onDropped: (want: Want) => void;
  /** Over: the server has said `bye`, with a reason, or it is `lost`. */
  onEnd: (reason: string) => void;
}

interface Request {
  action: ClientFrame["action"];
  keys: readonly string[];
  holdings: readonly Holding[];
  timer: Timer;
}

type Answer = Extract<ServerFrame, { id: number }>;
type Refusal = Extract<ServerFrame, { type: "error" }>;
type Timer = ReturnType<typeof setTimeout>;

/** What is said on one open socket, from its first frame to its last. */
export class Conversation {
  readonly #socket: WebSocket;
  readonly #holdings: Holdings;
  readonly #events: ConversationEvents;
  readonly #requests = new Map<number, Request>();
  /** Those of requests: two frames about one thing may overtake each other on their way. */
  readonly #busy = new Set<string>();
  readonly #subscribed = new Map<string, Want>();
  readonly #timers = new Set<Timer>();
  #lastId = 0;
  #seq = 0;
  #resync: "none" | "due" | "asked" | "limited" = "none";
  #isPingDue = true;
  #pingTimer: Timer | undefined;
  #isPaced = false;
  #hasAnswered = false;

  constructor(socket: WebSocket, holdings: Holdings, events: ConversationEvents) {
    this.#socket = socket;
    this.#holdings = holdings;
    this.#events = events;
    holdings.ask();
    socket.onclose = () => this.#end("lost");
    socket.onmessage = ({ data }) => {
      const frame = typeof data === "string" ? read(data) : undefined;
      if (frame) this.#hear(frame);
    };
    this.speak();
  }

  /** Whether the server answers, and refuses nothing for a while. */
  get isLive(): boolean {
    return this.#hasAnswered && this.#resync !== "limited" && !this.#holdings.some("limited");
  }

  /** Nothing more is said or heard. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const { timer } of this.#requests.values()) clearTimeout(timer);
    this.#socket.onclose = this.#socket.onmessage = null;
    this.#socket.close();
  }

  #end(reason: string): void {
    this.close();
    this.#events.onEnd(reason);
  }

  // --- what we say ---

  /** Says what is to be said: one frame now, the next after a while (rule 15). */
  speak(): void {
    if (this.#isPaced) return;
    const said = this.#next();
    if (!said) return;
    const [frame, keys, holdings] = said;
    this.#isPaced = true;
    this.#after(PACE_MS, () => {
      this.#isPaced = false;
      this.speak();
    });
    const id = ++this.#lastId;
    const timer = setTimeout(() => this.#end("lost"), ANSWER_MS);
    this.#requests.set(id, { action: frame.action, keys, holdings, timer });
    for (const key of keys) this.#busy.add(key);
    this.#socket.send(JSON.stringify({ ...frame, id }));
  }

  /** Finds out at once whether there is still somebody (rule 9). */
  ping(): void {
    this.#isPingDue = true;
    this.speak();
  }

  #next(): [frame: ClientFrame, keys: string[], holdings: readonly Holding[]] | undefined {
    if (this.#resync === "due") {
      this.#resync = "asked";
      return [{ action: "resync" }, [], []];
    }
    return this.#nextSubscribe() ?? this.#nextUnsubscribe() ?? this.#nextPing();
  }

  #nextSubscribe(): [ClientFrame, string[], readonly Holding[]] | undefined {
    const due = this.#holdings.due((key) => this.#busy.has(key));
    if (!due) return undefined;
    const [first, ...others] = due;
    for (const holding of due) {
      holding.state = "asked";
      this.#subscribed.set(keyOf(holding.want), holding.want);
    }
    const frame = subscribing([first.want, ...others.map(({ want }) => want)], sinceNow(first));
    return [frame, due.map(({ want }) => keyOf(want)), due];
  }

  #nextUnsubscribe(): [ClientFrame, string[], readonly Holding[]] | undefined {
    const gone = [...this.#subscribed].filter(([key]) => !this.#holdings.has(key) && !this.#busy.has(key));
    const [first, ...others] = gone;
    if (!first) return undefined;
    const group = [
      first,
      ...others.filter(([, want]) => "symbol" in want && want.channel === first[1].channel),
    ];
    for (const [key] of group) this.#subscribed.delete(key);
    const frame = unsubscribing([first[1], ...group.slice(1).map(([, want]) => want)]);
    return [frame, group.map(([key]) => key), []];
  }

  #nextPing(): [ClientFrame, string[], readonly Holding[]] | undefined {
    if (!this.#isPingDue) return undefined;
    this.#isPingDue = false;
    clearTimeout(this.#pingTimer);
    this.#pingTimer = this.#after(PING_MS, () => this.ping());
    return [{ action: "ping" }, [], []];
  }

  #after(ms: number, action: () => void): Timer {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  // --- what we hear ---

  #hear(frame: ServerFrame): void {
    switch (frame.type) {
      case "snapshot":
        this.#events.onValues(frame.told, true);
        break;
      case "values":
        this.#count(frame.seq);
        this.#events.onValues(frame.told, false);
        break;
      case "bye":
        this.#end(frame.reason);
        break;
      default:
        this.#settle(frame);
    }
  }

  /** Rules 6 and 7. */
  #count(seq: number): void {
    if (seq > this.#seq + 1 && this.#resync === "none") {
      this.#resync = "due";
      this.#holdings.ask("candles");
      this.speak();
    }
    this.#seq = seq;
  }

  #settle(answer: Answer): void {
    const request = this.#requests.get(answer.id);
    if (!request) return;
    this.#requests.delete(answer.id);
    clearTimeout(request.timer);
    for (const key of request.keys) this.#busy.delete(key);
    if (request.action === "resync") this.#resync = "none";
    switch (answer.type) {
      case "subscribed":
        for (const holding of request.holdings) this.#holdings.grant(holding);
        break;
      case "pong":
        this.#holdings.tell(answer.time, this.#resync === "none");
        break;
      case "error":
        this.#refuse(request, answer);
        break;
    }
    this.#hasAnswered = true;
    this.#events.onAnswer();
    this.speak();
  }

  /** Rule 14. */
  #refuse({ action, holdings }: Request, { code, symbols }: Refusal): void {
    if (code === "limit" && action !== "ping") {
      if (action === "resync") this.#resync = "limited";
      for (const holding of holdings) holding.state = "limited";
      this.#after(LIMIT_MS, () => this.#askLimited());
      return;
    }
    for (const dropped of this.#holdings.refuse(holdings, symbols)) this.#events.onDropped(dropped);
  }

  #askLimited(): void {
    if (this.#resync === "limited") this.#resync = "due";
    this.#holdings.askLimited();
    this.speak();
  }
}
