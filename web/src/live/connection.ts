import { ANSWER_MS, Conversation } from "./conversation";
import type { Values } from "./frames";
import { Holdings } from "./holdings";
import type { Want } from "./wants";

const LONGEST_PAUSE_S = 30; // rule 11

/** `idle`: nobody wants anything, or the session has ended. `live`: the server gives what is wanted. */
export type ConnectionStatus = "idle" | "connecting" | "live" | "reconnecting" | "offline";

export interface ConnectionOptions {
  url: string;
  /** Asked for before each try (rule 16); null: anonymous. What it raises counts as a failed try. */
  ticket: () => Promise<string | null>;
  onValues: (told: Values, isSnapshot: boolean) => void;
  onStatus: (status: ConnectionStatus) => void;
  /** On a new connection the server no longer gives this; it is not asked for again (rule 14). */
  onDropped: (want: Want) => void;
  onSessionEnded: () => void;
}

type Phase = "idle" | "waiting" | "connecting" | "open" | "offline" | "ended";

/** One WebSocket that comes back, by the rules of docs/websocket.md: it is told what is wanted, and sees to it. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #holdings = new Holdings();
  #phase: Phase = "idle";
  #status: ConnectionStatus = "idle";
  #wasLive = false;
  /** Tries to connect since data came. */
  #tries = 0;
  /** Ends the present phase. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #socket: WebSocket | undefined;
  #conversation: Conversation | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    window.addEventListener("offline", this.#goOffline);
    window.addEventListener("online", this.#goOnline);
    document.addEventListener("visibilitychange", this.#wake);
  }

  /** Says all that is wanted from now on. It connects when something is. */
  want(wants: readonly Want[]): void {
    this.#holdings.want(wants);
    if (this.#phase === "idle") void this.#connect();
    this.#conversation?.speak();
  }

  /** Connects anew, as whoever the next ticket says. */
  restart(): void {
    if (this.#phase === "idle" || this.#phase === "offline") return;
    this.#leave();
    void this.#connect();
  }

  /** For good. */
  close(): void {
    window.removeEventListener("offline", this.#goOffline);
    window.removeEventListener("online", this.#goOnline);
    document.removeEventListener("visibilitychange", this.#wake);
    this.#leave();
    this.#enter("ended");
  }

  readonly #goOffline = (): void => {
    if (this.#phase === "ended") return;
    this.#leave();
    this.#enter("offline");
  };

  readonly #goOnline = (): void => {
    if (this.#phase === "offline" || this.#phase === "waiting") void this.#connect();
  };

  /** Who sees the page again, perhaps after the machine has slept, waits for nothing: timers stood still meanwhile. */
  readonly #wake = (): void => {
    if (document.visibilityState !== "visible") return;
    if (this.#phase === "waiting") void this.#connect();
    else this.#conversation?.ping();
  };

  async #connect(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#holdings.isEmpty) {
      this.#enter("idle");
      return;
    }
    this.#tries++;
    const timer = setTimeout(() => this.#lose(), ANSWER_MS);
    this.#timer = timer;
    this.#enter("connecting");
    const ticket = await this.#options.ticket().catch(() => undefined);
    if (timer !== this.#timer) return; // another try took its place
    if (ticket === undefined) this.#lose();
    else this.#open(ticket);
  }

  #open(ticket: string | null): void {
    const { url } = this.#options;
    const socket = new WebSocket(ticket === null ? url : `${url}?ticket=${encodeURIComponent(ticket)}`);
    this.#socket = socket;
    socket.onclose = () => this.#lose();
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#enter("open");
      this.#conversation = new Conversation(socket, this.#holdings, {
        onValues: (told, isSnapshot) => {
          this.#tries = 0;
          this.#options.onValues(told, isSnapshot);
        },
        onAnswer: () => this.#report(),
        onDropped: this.#options.onDropped,
        onEnd: (reason) => this.#ended(reason),
      });
    };
  }

  #ended(reason: string): void {
    if (reason === "session_ended") {
      this.#leave();
      this.#enter("ended");
      this.#options.onSessionEnded();
    } else if (reason === "lost" || this.#tries > 0) {
      this.#lose();
    } else {
      this.#leave();
      void this.#connect();
    }
  }

  /** There is no connection; the next try is after a while (rule 11). */
  #lose(): void {
    this.#leave();
    const pause = Math.random() * Math.min(LONGEST_PAUSE_S, 2 ** this.#tries);
    this.#timer = setTimeout(() => void this.#connect(), pause * 1000);
    this.#enter("waiting");
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#conversation?.close();
    this.#conversation = undefined;
    if (this.#socket) {
      this.#socket.onopen = this.#socket.onclose = null;
      this.#socket.close();
    }
    this.#socket = undefined;
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#report();
  }

  #report(): void {
    const status = this.#now();
    if (status === this.#status) return;
    this.#status = status;
    this.#options.onStatus(status);
  }

  #now(): ConnectionStatus {
    if (this.#phase === "offline") return "offline";
    if (this.#phase === "idle" || this.#phase === "ended") return "idle";
    if (this.#conversation?.isLive) {
      this.#wasLive = true;
      return "live";
    }
    return this.#wasLive ? "reconnecting" : "connecting";
  }
}
