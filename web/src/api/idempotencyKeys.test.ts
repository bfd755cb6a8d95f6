import { expect, it } from "vitest";
import { idempotencyKeys } from "./idempotencyKeys";

it("gives what is sent again its key, and what is changed a new one", () => {
  const keyOf = idempotencyKeys();
  const first = keyOf({ quantity: "1" });
  expect(keyOf({ quantity: "1" })).toBe(first);
  expect(keyOf({ quantity: "2" })).not.toBe(first);
});
