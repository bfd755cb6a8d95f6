// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { Dialog } from "./Dialog";

afterEach(cleanup);

function shown() {
  const onClose = vi.fn();
  render(
    <Dialog title="Edit" onClose={onClose}>
      <input aria-label="Name" />
    </Dialog>,
  );
  return { onClose, backdrop: screen.getByRole("dialog"), input: screen.getByLabelText("Name") };
}

it("closes by a click beside it", () => {
  const { onClose, backdrop } = shown();
  fireEvent.pointerDown(backdrop);
  fireEvent.click(backdrop);
  expect(onClose).toHaveBeenCalledOnce();
});

it("stays where a text is marked from within to beyond its edge", () => {
  const { onClose, backdrop, input } = shown();
  fireEvent.pointerDown(input);
  fireEvent.click(backdrop);
  expect(onClose).not.toHaveBeenCalled();
});
