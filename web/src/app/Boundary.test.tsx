// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { Boundary } from "./Boundary";

afterEach(cleanup);

function Broken(): never {
  throw new Error("no such part");
}

it("tells of a page that cannot be shown, and shows the next one", () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const { rerender } = render(
    <Boundary path="/news">
      <Broken />
    </Boundary>,
  );
  expect(screen.getByRole("heading").textContent).toBe("Something went wrong");
  rerender(
    <Boundary path="/alerts">
      <p>Alerts</p>
    </Boundary>,
  );
  expect(screen.getByText("Alerts")).toBeTruthy();
});
