import { expect, test } from "vitest";
import { fieldMessage } from "./Field";

test("the API's words about a field follow its name", () => {
  expect(fieldMessage("Current password", "Is not the account's password")).toBe(
    "Current password: is not the account's password.",
  );
  expect(fieldMessage("Webhook", "URL is too long")).toBe("Webhook: URL is too long.");
});

test("a whole sentence stays as it is", () => {
  expect(fieldMessage("Quantity", "Enter how much it was.")).toBe("Enter how much it was.");
});
