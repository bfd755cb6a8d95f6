// @vitest-environment happy-dom
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { AllocationBar } from "../AllocationBar";
import type { Holdings } from "../portfolios";
import { Allocation } from "./Allocation";

type Item = Holdings["items"][number];

function held(asset: string, percent: string | null): Item {
  return {
    asset,
    quantity: "1",
    cost_basis: "1",
    average_cost: "1",
    price: percent,
    price_time: null,
    value: percent,
    unrealized: null,
    unrealized_pct: null,
    allocation_pct: percent,
  };
}

const PRICED = [held("BTC", "60"), held("ETH", "40")];

afterEach(cleanup);

it("tells what no market prices from what counts in the value", () => {
  const { rerender } = render(<Allocation items={[...PRICED, held("MINE", null)]} />);
  expect(screen.getByText("of 3 priced").previousSibling?.textContent).toBe("2");
  rerender(<Allocation items={PRICED} />);
  expect(screen.getByText("assets").previousSibling?.textContent).toBe("2");
});

it("says so on a portfolio's card too", () => {
  render(<AllocationBar items={[...PRICED, held("MINE", null)]} />);
  expect(screen.getAllByRole("listitem").at(-1)?.textContent).toBe("1 without a price");
});
