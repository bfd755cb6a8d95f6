/** What this page keeps where the browser keeps nothing: it blocks storage, or has no room. */
const memory = new Map<string, string>();

/** What an earlier visit kept in this browser; null where there is nothing. */
export function stored(key: string): string | null {
  const here = memory.get(key);
  if (here !== undefined) return here;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keeps a text for the next visit; null takes it away. */
export function store(key: string, text: string | null): void {
  memory.delete(key);
  try {
    if (text === null) localStorage.removeItem(key);
    else localStorage.setItem(key, text);
  } catch {
    if (text !== null) memory.set(key, text);
  }
}
