import { useSyncExternalStore } from "react";
import { Problem } from "./problem";
import { isPassing } from "./query";
import type { components } from "./schema";
import { store, stored } from "./storage";

type TokenPair = components["schemas"]["TokenPair"];

/** `restoring`: the refresh cookie may hold a session, and is being asked. */
export type SessionStatus = "restoring" | "anonymous" | "signed-in";

/** Said of a session that ended without being asked to. */
export const EXPIRED = "Your session has ended. Sign in again.";

const MARK = "cryptopulse.signed-in";
const LOCK = "cryptopulse.refresh";
const UNDER_WAY = "cryptopulse.refreshing";
const EARLY_MS = 30_000;
/** For the answer to a page that left while it refreshed. */
const LEFT_BEHIND_MS = 2_000;
const RESTORE_AGAIN_S = 10;

/**
 * Who is signed in. The access token lives in memory, the refresh token in a cookie that no script can read.
 * A refresh token is good once, so one tab at a time refreshes; a mark that is no secret tells whether to try.
 */
class Session {
  #status: SessionStatus = "anonymous";
  #hasExpired = false;
  #access: { token: string; expires: number } | undefined;
  #refreshing: Promise<string | null> | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #tabs = new BroadcastChannel("cryptopulse.session");

  constructor() {
    if (stored(MARK) !== null) this.#status = "restoring";
    this.#tabs.onmessage = ({ data }) => {
      if (data === "started") this.#takeOver();
      else this.#forget(data === "expired");
    };
  }

  get status(): SessionStatus {
    return this.#status;
  }

  /** Whether the last session ended without being asked to, and nobody has signed in since. */
  get hasExpired(): boolean {
    return this.#hasExpired;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Takes up the session of an earlier visit, if there is one. */
  async restore(): Promise<void> {
    if (stored(MARK) === null || this.#access) return;
    try {
      await this.accessToken();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.#set("anonymous"); // the mark stays: it is tried again
      if (isPassing(error))
        setTimeout(() => void this.restore(), (error.retryAfter ?? RESTORE_AGAIN_S) * 1000);
    }
  }

  /** Somebody has signed in in another tab: the cookie is theirs, and what is here may be another user's. */
  #takeOver(): void {
    if (this.#access) {
      this.#access = undefined;
      this.#set("restoring");
    }
    void this.restore();
  }

  /** Raises Problem: 401 when e-mail or password is wrong. */
  async signIn(email: string, password: string): Promise<void> {
    const response = await alone(() => post("/api/auth/login", { email, password, cookie: true }));
    if (!response.ok) throw await Problem.of(response);
    store(MARK, "1");
    this.#keep(await response.json());
    this.#tabs.postMessage("started");
  }

  async signOut(): Promise<void> {
    const response = await alone(() => post("/api/auth/logout"));
    if (!response.ok && response.status !== 401) throw await Problem.of(response);
    this.end();
  }

  /** The user has ended the session: here and in all tabs. */
  end(): void {
    this.#end(false);
  }

  /** The server knows the session no longer. */
  expire(): void {
    if (stored(MARK) !== null) this.#end(true);
  }

  /** The server refuses an access token: one of an earlier session, answered late, says nothing of this one. */
  refused(token: string | null | undefined): void {
    if (token === this.#access?.token) this.expire();
  }

  #end(hasExpired: boolean): void {
    store(MARK, null);
    this.#forget(hasExpired);
    this.#tabs.postMessage(hasExpired ? "expired" : "ended");
  }

  /** A token that is good for a while yet; null when nobody is signed in. */
  accessToken(): Promise<string | null> {
    if (this.#access && this.#access.expires > Date.now() + EARLY_MS)
      return Promise.resolve(this.#access.token);
    if (stored(MARK) === null) return Promise.resolve(null);
    this.#refreshing ??= alone(() => this.#refresh()).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(): Promise<string | null> {
    if (stored(MARK) === null) return null;
    const response = await spend();
    if (response.ok) return this.#keep(await response.json());
    if (response.status !== 401 && response.status !== 403) throw await Problem.of(response);
    this.expire();
    return null;
  }

  #keep(pair: TokenPair): string {
    this.#access = { token: pair.access_token, expires: Date.now() + pair.expires_in * 1000 };
    this.#hasExpired = false;
    this.#set("signed-in");
    return pair.access_token;
  }

  #forget(hasExpired: boolean): void {
    this.#access = undefined;
    this.#hasExpired = hasExpired;
    this.#set("anonymous");
  }

  #set(status: SessionStatus): void {
    if (this.#status === status) return;
    this.#status = status;
    for (const listener of this.#listeners) listener();
  }
}

/**
 * Spends the refresh token, which a second time would end the session. So a page that is left meanwhile (`keepalive`) still
 * gets the next one for whoever comes after, who waits for it: the lock went with the page, this mark did not.
 */
async function spend(): Promise<Response> {
  if (stored(UNDER_WAY) !== null) await pause(LEFT_BEHIND_MS);
  store(UNDER_WAY, "1");
  try {
    return await post("/api/auth/refresh");
  } finally {
    store(UNDER_WAY, null);
  }
}

/** One tab at a time; where storage is blocked, so are locks, and there is no session to share. */
async function alone<T>(act: () => Promise<T>): Promise<T> {
  let isAlone = false;
  try {
    return await navigator.locks.request(LOCK, () => {
      isAlone = true;
      return act();
    });
  } catch (error) {
    if (isAlone) throw error;
    return act();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function post(path: string, body?: object): Promise<Response> {
  try {
    return await fetch(path, {
      method: "POST",
      keepalive: true,
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

export function useSessionExpired(): boolean {
  return useSyncExternalStore(session.subscribe, () => session.hasExpired);
}
