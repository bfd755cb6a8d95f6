import { expect, test, vi } from "vitest";
import { store, stored } from "./storage";

test("what the browser does not let keep is kept while the page is open", () => {
  vi.stubGlobal("localStorage", undefined);
  expect(stored("theme")).toBeNull();
  store("theme", "dark");
  expect(stored("theme")).toBe("dark");
  store("theme", null);
  expect(stored("theme")).toBeNull();
});

test("what it has no room for counts before what it kept earlier", () => {
  const kept = new Map([["theme", "light"]]);
  const setItem = vi.fn().mockImplementationOnce(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  setItem.mockImplementation((key: string, text: string) => kept.set(key, text));
  vi.stubGlobal("localStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem });
  store("theme", "dark");
  expect(stored("theme")).toBe("dark");
  store("theme", "system");
  expect(stored("theme")).toBe("system");
});
