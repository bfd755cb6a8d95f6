// @vitest-environment happy-dom
import { QueryClientProvider } from "@tanstack/react-query";
import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import type { Schema } from "../../../api/client";
import { queries } from "../../../api/query";
import type { ImportJob } from "./importing";
import { Preview } from "./Preview";
import { lineOf, previewLines, showsErrors } from "./preview";

const BUY: Schema["Previewed"] = {
  line: 2,
  time: "2026-03-01T12:00:00.000Z",
  type: "buy",
  asset: "ETH",
  quantity: "2",
  price: "2500",
  currency: null,
  fee: "1.5",
  fee_asset: null,
  counter_asset: null,
  counter_quantity: null,
};
const WRONG = { line: 3, field: "quantity", message: "Expected a decimal number above 0" };

function checked(lines: number[], errors: ImportJob["errors"] = []): ImportJob {
  return {
    id: "j1",
    status: "done",
    format: "cryptopulse",
    dry_run: true,
    lines: 3,
    processed: 3,
    imported: 2,
    skipped_duplicates: 0,
    ignored: 0,
    warnings: [],
    errors,
    errors_total: errors.length,
    created_at: "2026-11-22T12:00:00Z",
    finished_at: "2026-11-22T12:00:01Z",
    preview: {
      transactions: lines.map((line) => ({ ...BUY, line, asset: line === 2 ? "ETH" : "MINE" })),
      assets: ["ETH", "MINE"],
    },
  };
}

afterEach(() => {
  cleanup();
  queries.clear();
});

it("shows each line as it was understood, or why it was not, and warns of what has no price", () => {
  queries.setQueryData(["coins"], {
    items: [{ asset: "ETH", name: "Ether", symbols: [] }],
    next_cursor: null,
  });
  render(
    <QueryClientProvider client={queries}>
      <Preview job={checked([2, 4], [WRONG])} base="EUR" />
    </QueryClientProvider>,
  );
  const [, bought, wrong, mined] = screen.getAllByRole("row").map(({ textContent }) => textContent);
  expect(bought).toMatch(/^2Buy\+2 ETH.*2026.*€2,500.*fee €1.50$/);
  expect(wrong).toBe("3quantity: Expected a decimal number above 0");
  expect(mined).toContain("MINENo price");
  screen.getByText(/no price on any market/);
});

it("leaves out the errors behind what is shown", () => {
  const lines = Array.from({ length: 20 }, (_, index) => index + 4);
  const shown = previewLines(checked(lines, [WRONG, { ...WRONG, line: 24 }, { ...WRONG, line: 0 }]));
  expect(shown.map(lineOf)).toEqual([3, ...lines.slice(0, -1)]);
  expect(showsErrors(checked(lines, [WRONG, { ...WRONG, line: 24 }]))).toBe(false);
  expect(showsErrors(checked(lines, [WRONG]))).toBe(true);
});
