import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import { useSession } from "../api/session";
import { store, stored } from "../api/storage";
import { toast } from "../ui/toasts";

export type Preferences = Schema["Preferences"];
export type Theme = Preferences["theme"];

const KEY = [PRIVATE, "preferences"];
const THEME = "cryptopulse.theme";
const KEPT = "cryptopulse.preferences";
/** As many as the API takes. */
const MOST_WATCHED = 200;
const DEFAULTS: Preferences = { base_currency: "USD", cost_basis: "fifo", watchlist: [], theme: "system" };

interface Use {
  preferences: Preferences;
  /** Not there while nobody knows yet what it would change. */
  change: ((patch: Partial<Preferences>, onKept?: () => void) => void) | undefined;
  /** Why that is so. */
  error: Error | null;
  reload: () => void;
}

/** How the user likes it: with an account kept there, without one in this browser. */
export function usePreferences(): Use {
  const status = useSession();
  const signedIn = status === "signed-in";
  const local = useSyncExternalStore(visitor.subscribe, visitor.read);
  const client = useQueryClient();
  const account = useQuery({
    queryKey: KEY,
    queryFn: () => body(api.GET("/users/me/preferences")),
    enabled: signedIn,
    staleTime: 5 * 60_000,
  });
  const put = useMutation({
    mutationFn: (next: Preferences) => body(api.PUT("/users/me/preferences", { body: next })),
    scope: { id: "preferences" },
    onMutate: (next) => {
      void client.cancelQueries({ queryKey: KEY }); // what is being read is older than this
      const before = client.getQueryData<Preferences>(KEY);
      client.setQueryData(KEY, next);
      return before;
    },
    onError: (error, _, before) => {
      client.setQueryData(KEY, before);
      toast(`Your change was not kept. ${error.message}`, "down");
    },
  });
  const preferences = (signedIn ? account.data : local) ?? local;
  const { mutate } = put;
  const change = useCallback(
    (patch: Partial<Preferences>, onKept?: () => void) => {
      if (!signedIn) visitor.write({ ...visitor.read(), ...patch });
      else if (account.data) mutate({ ...account.data, ...patch }, onKept && { onSuccess: onKept });
    },
    [signedIn, account.data, mutate],
  );
  const isReady = signedIn ? account.data !== undefined : status === "anonymous";
  return {
    preferences,
    change: isReady ? change : undefined,
    error: account.error,
    reload: () => void account.refetch(),
  };
}

/** Shows the theme that the preferences name, and keeps it for the next visit's first paint. */
export function useTheme(): void {
  const signedIn = useSession() === "signed-in";
  const { theme } = usePreferences().preferences;
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    store(THEME, theme);
    if (signedIn) visitor.write({ ...visitor.read(), theme });
  }, [theme, signedIn]);
}

/** What somebody put on the watchlist before he signed in goes with him into the account, once. */
export function useBroughtWatchlist(): void {
  const signedIn = useSession() === "signed-in";
  const { preferences, change } = usePreferences();
  const isTried = useRef(false);
  useEffect(() => {
    if (!signedIn) isTried.current = false;
    if (!signedIn || !change || isTried.current) return;
    isTried.current = true;
    const brought = visitor.read().watchlist ?? [];
    if (brought.length === 0) return;
    const watchlist = [...new Set([...(preferences.watchlist ?? []), ...brought])].slice(0, MOST_WATCHED);
    change({ watchlist }, () => visitor.write({ ...visitor.read(), watchlist: [] }));
  }, [signedIn, change, preferences.watchlist]);
}

/** What an earlier visit kept; nothing where that cannot be read. */
function kept(text: string | null): Partial<Preferences> {
  try {
    return JSON.parse(text ?? "{}");
  } catch {
    return {};
  }
}

/** The preferences of who has no account, in this browser. */
class Visitor {
  #text: string | null = null;
  #preferences = DEFAULTS;
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly read = (): Preferences => {
    const text = stored(KEPT);
    if (text !== this.#text) {
      this.#text = text;
      this.#preferences = { ...DEFAULTS, ...kept(text) };
    }
    return this.#preferences;
  };

  write(preferences: Preferences): void {
    store(KEPT, JSON.stringify(preferences));
    for (const listener of this.#listeners) listener();
  }
}

const visitor = new Visitor();
