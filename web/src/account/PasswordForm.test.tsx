// @vitest-environment happy-dom
import { QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { queries } from "../api/query";
import { PasswordForm } from "./AccountSettings";

it("refuses the password that is there already, and sends nothing", () => {
  const fetch = vi.fn();
  vi.stubGlobal("fetch", fetch);
  render(
    <QueryClientProvider client={queries}>
      <PasswordForm />
    </QueryClientProvider>,
  );
  for (const label of ["Current password", "New password"]) {
    fireEvent.change(screen.getByLabelText(label), { target: { value: "two otters and a kite" } });
  }
  fireEvent.submit(screen.getByRole("button", { name: "Change password" }));
  expect(screen.getByRole("alert").textContent).toBe("Choose another password than the current one.");
  expect(fetch).not.toHaveBeenCalled();
});
