/** Where to go after signing in: only to a page of our own. */
export function nextPage(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "";
  return /^\/(?![/\\\s])/.test(next) ? next : "/portfolios";
}
