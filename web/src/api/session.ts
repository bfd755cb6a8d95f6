import { useSyncExternalStore } from "react";
import { Problem } from "./problem";
import type { components } from "./schema";

type TokenPair = components["schemas"]["TokenPair"];

/** `restoring`: the refresh cookie may hold a session, and is being asked. */
export type SessionStatus = "restoring" | "anonymous" | "signed-in";

const MARK = "cryptopulse.signed-in";
const LOCK = "cryptopulse.refresh";
const EARLY_MS = 30_000;

/**
 * Who is signed in. The access token lives in memory, the refresh token in a cookie that no script can read.
 * A refresh token is good once, so one tab at a time refreshes; a mark that is no secret tells whether to try.
 */
class Session {
  #status: SessionStatus = "anonymous";
  #access: { token: string; expires: number } | undefined;
  #refreshing: Promise<string | null> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #tabs = new BroadcastChannel("cryptopulse.session");

  constructor() {
    if (localStorage.getItem(MARK) !== null) this.#status = "restoring";
    this.#tabs.onmessage = ({ data }) => (data === "ended" ? this.#forget() : void this.restore());
  }

  get status(): SessionStatus {
    return this.#status;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Takes up the session of an earlier visit, if there is one. */
  async restore(): Promise<void> {
    if (localStorage.getItem(MARK) === null || this.#access) return;
    try {
      await this.accessToken();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#set("anonymous"); // unreachable: the mark stays, the next visit tries again
    }
  }

  /** Raises Problem: 401 when e-mail or password is wrong. */
  async signIn(email: string, password: string): Promise<void> {
    const response = await post("/api/auth/login", { email, password, cookie: true });
    if (!response.ok) throw await Problem.of(response);
    localStorage.setItem(MARK, "1");
    this.#keep(await response.json());
    this.#tabs.postMessage("started");
  }

  async signOut(): Promise<void> {
    const response = await navigator.locks.request(LOCK, () => post("/api/auth/logout"));
    if (!response.ok && response.status !== 401) throw await Problem.of(response);
    this.end();
  }

  /** The session has ended: here and in all tabs. */
  end(): void {
    localStorage.removeItem(MARK);
    this.#forget();
    this.#tabs.postMessage("ended");
  }

  /** A token that is good for a while yet; null when nobody is signed in. */
  accessToken(): Promise<string | null> {
    if (this.#access && this.#access.expires > Date.now() + EARLY_MS)
      return Promise.resolve(this.#access.token);
    if (localStorage.getItem(MARK) === null) return Promise.resolve(null);
    this.#refreshing ??= this.#refreshAlone().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refreshAlone(): Promise<string | null> {
    return await navigator.locks.request(LOCK, () => this.#refresh());
  }

  async #refresh(): Promise<string | null> {
    if (localStorage.getItem(MARK) === null) return null;
    const response = await post("/api/auth/refresh");
    if (response.ok) return this.#keep(await response.json());
    if (response.status !== 401 && response.status !== 403) throw await Problem.of(response);
    this.end();
    return null;
  }

  #keep(pair: TokenPair): string {
    this.#access = { token: pair.access_token, expires: Date.now() + pair.expires_in * 1000 };
    this.#set("signed-in");
    return pair.access_token;
  }

  #forget(): void {
    this.#access = undefined;
    this.#set("anonymous");
  }

  #set(status: SessionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    for (const listener of this.#listeners) listener();
  }
}

async function post(path: string, body?: object): Promise<Response> {
  try {
    return await fetch(path, {
      method: "POST",
      ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
  } catch {
    throw Problem.unreachable();
  }
}

export const session = new Session();

export function useSession(): SessionStatus {
  return useSyncExternalStore(session.subscribe, () => session.status);
}
