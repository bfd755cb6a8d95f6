// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { ConfirmDialog } from "./ConfirmDialog";
import { Dialog } from "./Dialog";
import { SecretDialog } from "./SecretDialog";

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

it("has the focus in its first field, and gives it back", () => {
  render(<button type="button">Open</button>);
  screen.getByRole("button", { name: "Open" }).focus();
  const { unmount } = render(
    <Dialog title="Edit" onClose={vi.fn()}>
      <input type="radio" aria-label="One" />
      <input type="radio" aria-label="Two" defaultChecked />
      <button type="button">Cancel</button>
    </Dialog>,
  );
  expect(document.activeElement).toBe(screen.getByLabelText("Two"));
  unmount();
  expect(document.activeElement).toBe(screen.getByRole("button", { name: "Open" }));
});

it("has the focus on what changes nothing where there is no field", () => {
  render(
    <ConfirmDialog
      title="Delete"
      action="Delete alert"
      busy={false}
      error={null}
      onConfirm={vi.fn()}
      onClose={vi.fn()}
    >
      Sure?
    </ConfirmDialog>,
  );
  expect(document.activeElement).toBe(screen.getByRole("button", { name: "Cancel" }));
});

it("with a secret closes by its own button alone", () => {
  const onClose = vi.fn();
  render(<SecretDialog title="Your new token" label="Bot" secret="cp_1" onClose={onClose} />);
  const dialog = screen.getByRole("dialog");
  fireEvent.pointerDown(dialog);
  fireEvent.click(dialog);
  expect(fireEvent(dialog, new Event("cancel", { cancelable: true }))).toBe(false);
  expect(dialog.getAttribute("closedby")).toBe("none");
  expect(screen.queryByRole("button", { name: "Close" })).toBeNull();
  expect(onClose).not.toHaveBeenCalled();
  fireEvent.click(screen.getByRole("button", { name: "Done" }));
  expect(onClose).toHaveBeenCalledOnce();
});
