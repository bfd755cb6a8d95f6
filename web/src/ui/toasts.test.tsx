// @vitest-environment happy-dom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { clearToasts, Toasts, toast } from "./toasts";

const LONG_MS = 60_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  act(clearToasts);
  cleanup();
  vi.useRealTimers();
});

const pass = () => act(async () => void (await vi.advanceTimersByTimeAsync(LONG_MS)));

it("goes by itself, but not from under the pointer or the focus", async () => {
  render(<Toasts />);
  act(() => toast("Saved."));
  const shown = screen.getByText("Saved.");
  fireEvent.pointerEnter(shown);
  screen.getByRole("button", { name: "Dismiss" }).focus();
  await pass();
  fireEvent.pointerLeave(shown);
  await pass();
  expect(screen.queryByText("Saved.")).not.toBeNull();
  act(() => screen.getByRole("button", { name: "Dismiss" }).blur());
  await pass();
  expect(screen.queryByText("Saved.")).toBeNull();
});
