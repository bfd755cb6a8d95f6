import { expect, test } from "vitest";
import { nextPage, signInPath } from "./next";

test("goes back to the page that asked", () => {
  expect(nextPage("?next=%2Falerts%3Fsymbol%3DBTC-USD")).toBe("/alerts?symbol=BTC-USD");
});

test.each([
  "",
  "?next=https%3A%2F%2Fevil.example",
  "?next=%2F%2Fevil.example",
  "?next=%2F%5Cevil.example",
  "?next=%2F%09%2Fevil.example",
])("never leaves our pages: %s", (search) => {
  expect(nextPage(search)).toBe("/portfolios");
});

test("the way in leads back, also through the page of registering", () => {
  const signIn = signInPath("/market/BTC-USD", "interval=1m");
  expect(nextPage(signIn.replace("/sign-in", ""))).toBe("/market/BTC-USD?interval=1m");
  expect(nextPage(signInPath("/", "").replace("/sign-in", ""))).toBe("/");
  expect(signInPath("/register", "next=%2Falerts")).toBe("/sign-in?next=%2Falerts");
});
