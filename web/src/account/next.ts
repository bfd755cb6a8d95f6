/** Where to go after signing in: only to a page of our own. */
export function nextPage(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "";
  return /^\/(?![/\\\s])/.test(next) ? next : "/portfolios";
}

/** The way in that leads back to a page; from the pages of signing in it leads where they would. */
export function signInPath(path: string, search: string): string {
  const query = search && `?${search}`;
  if (path === "/sign-in" || path === "/register") return `/sign-in${query}`;
  return `/sign-in?next=${encodeURIComponent(path + query)}`;
}
