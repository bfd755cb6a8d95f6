import { useEffect, useRef } from "react";

/** A page that one goes to begins at its top and has the focus; one that one comes back to is as it was left. */
export function useArrival(path: string): void {
  const page = path.replace(TABS, "$1");
  const shown = useRef(page);
  const cameBackTo = useRef<string>(undefined);
  useEffect(() => {
    const comeBack = () => {
      cameBackTo.current = location.pathname;
    };
    window.addEventListener("popstate", comeBack, { capture: true }); // before the page is drawn
    return () => window.removeEventListener("popstate", comeBack, { capture: true });
  }, []);
  useEffect(() => {
    if (page === shown.current) return;
    shown.current = page;
    const isBack = cameBackTo.current === path;
    cameBackTo.current = undefined;
    if (!isBack) arrive();
  }, [page, path]);
}

/** Tabs of one page. */
const TABS = /^(\/settings|\/portfolios\/[^/]+)\/.*/;

function arrive(): void {
  window.scrollTo(0, 0);
  const content = document.getElementById("content");
  const held = document.activeElement;
  // A field of the new page may have the focus already; what is left of the old one is not drawn any more.
  const isThere = content?.contains(held) && held?.getClientRects().length;
  if (!isThere) content?.focus({ preventScroll: true });
}
