import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useSyncExternalStore } from "react";
import { api, body, type Schema } from "../api/client";
import { PRIVATE } from "../api/query";
import { useSession } from "../api/session";
import { toast } from "../ui/toasts";

export type Preferences = Schema["Preferences"];
export type Theme = Preferences["theme"];

const KEY = [PRIVATE, "preferences"];
const THEME = "cryptopulse.theme";
const KEPT = "cryptopulse.preferences";
const DEFAULTS: Preferences = { base_currency: "USD", cost_basis: "fifo", watchlist: [], theme: "system" };

interface Use {
  preferences: Preferences;
  change: (patch: Partial<Preferences>) => void;
}

/** How the user likes it: with an account kept there, without one in this browser. */
export function usePreferences(): Use {
  const signedIn = useSession() === "signed-in";
  const local = useSyncExternalStore(visitor.subscribe, visitor.read);
  const client = useQueryClient();
  const stored = useQuery({
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
  const preferences = (signedIn ? stored.data : local) ?? local;
  const { mutate } = put;
  const change = useCallback(
    (patch: Partial<Preferences>) => {
      if (!signedIn) visitor.write({ ...visitor.read(), ...patch });
      else if (stored.data) mutate({ ...stored.data, ...patch });
    },
    [signedIn, stored.data, mutate],
  );
  return { preferences, change };
}

/** Shows the theme that the preferences name, and keeps it for the next visit's first paint. */
export function useTheme(): void {
  const signedIn = useSession() === "signed-in";
  const { theme } = usePreferences().preferences;
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(THEME, theme);
    if (signedIn) visitor.write({ ...visitor.read(), theme });
  }, [theme, signedIn]);
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
    const text = localStorage.getItem(KEPT);
    if (text !== this.#text) {
      this.#text = text;
      this.#preferences = { ...DEFAULTS, ...kept(text) };
    }
    return this.#preferences;
  };

  write(preferences: Preferences): void {
    localStorage.setItem(KEPT, JSON.stringify(preferences));
    for (const listener of this.#listeners) listener();
  }
}

const visitor = new Visitor();
