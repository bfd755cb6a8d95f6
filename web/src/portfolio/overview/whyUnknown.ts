import type { Schema } from "../../api/client";

type Figure =
  | "twr"
  | "twr_annualized"
  | "mwr"
  | "benchmark"
  | "max_drawdown"
  | "volatility"
  | "sharpe"
  | "sortino";

const IDLE = "Nothing was held";
const DAYS = "Needs two days";

/** Why a figure is null; undefined where it is known. docs/returns.md tells when it cannot be computed. */
export function whyUnknown(told: Schema["PerformanceView"]): Readonly<Record<Figure, string | undefined>> {
  const why = (value: string | null | undefined, reason: string) => {
    if (value !== null) return undefined;
    return told.twr === null ? IDLE : reason;
  };
  return {
    twr: why(told.twr, IDLE),
    twr_annualized: why(told.twr_annualized, "Needs 365 days"),
    mwr: why(told.mwr, "No single rate fits"),
    benchmark: why(told.benchmark?.twr, "No price at the start"),
    max_drawdown: why(told.max_drawdown.value, IDLE),
    volatility: why(told.volatility, DAYS),
    sharpe: why(told.sharpe, told.volatility === null ? DAYS : "All days are alike"),
    sortino: why(told.sortino, told.volatility === null ? DAYS : "No losing day"),
  };
}
