// @vitest-environment happy-dom
import { cleanup, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useArrival } from "./arrival";

const scrolled = vi.fn();
let content: HTMLElement;

beforeEach(() => {
  scrolled.mockReset();
  vi.stubGlobal("scrollTo", scrolled);
  document.body.innerHTML = '<a href="/news">News</a><main id="content" tabindex="-1"></main>';
  content = document.getElementById("content") as HTMLElement;
  document.querySelector("a")?.focus();
});
afterEach(cleanup);

function from(path: string) {
  history.replaceState(null, "", path);
  const { rerender } = renderHook((shown) => useArrival(shown), { initialProps: path });
  return (next: string) => {
    history.replaceState(null, "", next);
    rerender(next);
  };
}

it("leaves alone the page that one opened", () => {
  from("/news");
  expect(scrolled).not.toHaveBeenCalled();
  expect(document.activeElement).not.toBe(content);
});

it("shows the top of another page, and gives it the focus", () => {
  from("/news")("/market/BTC-USD");
  expect(scrolled).toHaveBeenCalledExactlyOnceWith(0, 0);
  expect(document.activeElement).toBe(content);
});

it.each([
  ["/settings", "/settings/tokens"],
  ["/portfolios/a", "/portfolios/a/gains"],
])("stays where it is from tab to tab: %s", (path, tab) => {
  from(path)(tab);
  expect(scrolled).not.toHaveBeenCalled();
});

it.each([
  ["/portfolios", "/portfolios/a"],
  ["/portfolios/a/gains", "/portfolios/b/gains"],
])("knows a page from a tab: %s", (path, other) => {
  from(path)(other);
  expect(scrolled).toHaveBeenCalled();
});

it("leaves the page that one comes back to as it was, once", () => {
  const go = from("/");
  go("/news");
  history.replaceState(null, "", "/");
  window.dispatchEvent(new PopStateEvent("popstate"));
  go("/");
  expect(scrolled).toHaveBeenCalledTimes(1);
  go("/news");
  go("/");
  expect(scrolled).toHaveBeenCalledTimes(3);
});
