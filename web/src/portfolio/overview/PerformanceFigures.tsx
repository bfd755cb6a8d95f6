import type { ReactNode } from "react";
import type { Schema } from "../../api/client";
import * as numbers from "../../format/numbers";
import { day } from "../../format/times";
import { Gain, Money, Time, Unknown } from "../../ui/figures";
import { Figure, Figures } from "../Figures";
import { listed } from "../lists";
import css from "./Returns.module.css";
import { whyUnknown } from "./whyUnknown";

type Performance = Schema["PerformanceView"];

interface Props {
  performance: Performance;
  /** Chooses what it is compared with. */
  benchmark: ReactNode;
}

/** Returns and risks, each with what it means; docs/returns.md has the formulas. */
export function PerformanceFigures({ performance, benchmark }: Props) {
  const { base_currency: currency, max_drawdown: fall } = performance;
  const why = whyUnknown(performance);
  return (
    <div className={css.figures}>
      <Figures>
        <Figure
          label="Gain"
          explain="Value at the end less value at the start, less what was paid in between. Sold or not, it counts."
          note="In this period"
        >
          <Gain value={performance.gain} currency={currency} />
        </Figure>
        <Figure
          label="Net contributions"
          explain="What you put in (purchases, deposits) less what you took out (sales, withdrawals) in this period. A sale counts as money taken out, for cash is not kept here."
          note="Paid in less taken out"
        >
          <Money value={performance.net_contributions} currency={currency} />
        </Figure>
        <Figure
          label="Time-weighted return"
          explain="What one unit of money made that was there all the time. When and how much you paid in makes no difference, so it can be compared with a fund or a coin."
          note={why.twr}
        >
          <Fraction value={performance.twr} />
        </Figure>
        <Figure
          label="Annualized return"
          explain="The time-weighted return as the even yearly rate that makes the same. Less than 365 days are not scaled up: a good month is no good year."
          note={why.twr_annualized}
        >
          <Fraction value={performance.twr_annualized} />
        </Figure>
        <Figure
          label="Money-weighted return"
          explain="The rate at which all you paid in grew to what you got and have now (XIRR). A large payment before a rise counts for more. A rate per year from 365 days on, of the period below that."
          note={why.mwr}
        >
          <Fraction value={performance.mwr} />
        </Figure>
        {performance.benchmark && (
          <Figure
            label={performance.benchmark.symbol}
            explain="What the price of the benchmark made in the same time, from the first day on which the portfolio held something. Compare it with the time-weighted return."
            note={why.benchmark ?? benchmarkNote(performance.benchmark.symbol, currency)}
          >
            <Fraction value={performance.benchmark.twr} />
          </Figure>
        )}
        <Figure
          label="Maximum drawdown"
          explain="The deepest fall from a top to a later bottom, by daily closes of the time-weighted return. Withdrawals are no loss."
          note={why.max_drawdown ?? fallDays(fall)}
        >
          {fall.value === null ? <Unknown /> : <Plain>{numbers.unsignedFraction(fall.value, 2)}</Plain>}
        </Figure>
        <Figure
          label="Volatility"
          explain="How much the daily returns scatter, scaled to a year of 365 days. The higher, the less sure is what a year brings."
          note={why.volatility ?? "Per year"}
        >
          {performance.volatility === null ? (
            <Unknown />
          ) : (
            <Plain>{numbers.unsignedFraction(performance.volatility, 2)}</Plain>
          )}
        </Figure>
        <Figure
          label="Sharpe ratio"
          explain="Return for the risk taken: the mean daily return by its scatter, scaled to a year. The risk-free rate is taken as 0. The higher the better; over years, 1 is commonly called good."
          note={why.sharpe}
        >
          <Ratio value={performance.sharpe} />
        </Figure>
        <Figure
          label="Sortino ratio"
          explain="As the Sharpe ratio, but only losing days count as risk: large gains are held against nobody."
          note={why.sortino}
        >
          <Ratio value={performance.sortino} />
        </Figure>
      </Figures>
      <footer className={css.footer}>
        <p>
          {day(performance.start.slice(0, 10))} (UTC) to <Time value={performance.end} style="dateTime" />.{" "}
          <Gaps performance={performance} />
        </p>
        {benchmark}
      </footer>
    </div>
  );
}

/** The API converts no series. */
function benchmarkNote(symbol: string, currency: string): string {
  const quote = symbol.slice(symbol.indexOf("-") + 1);
  return quote === currency ? "Benchmark" : `Benchmark in ${quote}, not converted`;
}

function fallDays({ peak, trough }: Performance["max_drawdown"]): string {
  return peak && trough ? `${day(peak)} – ${day(trough)}` : "It never fell";
}

/** Where what is shown rests on prices that were not known. */
function Gaps({ performance: { days_without_price: days, unpriced } }: { performance: Performance }) {
  if (days === 0) return null;
  return (
    <>
      On {days === 1 ? "one day" : `${numbers.plain(days)} days`} something held had no price: its last known
      one was used.{" "}
      {unpriced.length > 0 &&
        `No market knows ${listed(unpriced)}: valued as your transactions told last, else at 0.`}
    </>
  );
}

function Fraction({ value }: { value: string | null }) {
  if (value === null) return <Unknown />;
  const direction = { "-1": "down", "0": "", "1": "up" }[`${numbers.sign(value)}`];
  return <span className={`number ${direction}`}>{numbers.fraction(value)}</span>;
}

function Ratio({ value }: { value: string | null }) {
  return value === null ? <Unknown /> : <Plain>{numbers.plain(value)}</Plain>;
}

function Plain({ children }: { children: ReactNode }) {
  return <span className="number">{children}</span>;
}
