import { useSearchParams } from "wouter";
import { Card } from "../../ui/layout";
import { Loaded, Skeleton } from "../../ui/states";
import { benchmarks, useCoins } from "../coins";
import { type Portfolio, usePerformance } from "../portfolios";
import { rangeStart } from "../ranges";
import { AssetGains } from "./AssetGains";
import { PerformanceFigures } from "./PerformanceFigures";
import { RangeSwitch, useRange } from "./RangeSwitch";
import css from "./Returns.module.css";

/** How well a portfolio did in a period, and what each asset had to do with it. */
export function Returns({ portfolio: { id, base_currency } }: { portfolio: Portfolio }) {
  const [range] = useRange();
  const { coins, isPending } = useCoins();
  const comparable = benchmarks(coins, base_currency);
  const [params, setParams] = useSearchParams();
  const benchmark = comparable.find((symbol) => symbol === params.get("benchmark")) ?? comparable[0];
  const performance = usePerformance(id, { start: rangeStart(range), benchmark, isReady: !isPending });
  const compare = (symbol: string) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.set("benchmark", symbol);
        return next;
      },
      { replace: true },
    );
  return (
    <div className={css.returns} aria-busy={performance.isPlaceholderData}>
      <Card title="Performance" actions={<RangeSwitch />}>
        <Loaded query={performance} skeleton={<Skeleton height="24rem" />}>
          {(data) => (
            <PerformanceFigures
              performance={data}
              benchmark={
                benchmark && <Benchmark symbol={benchmark} symbols={comparable} onChange={compare} />
              }
            />
          )}
        </Loaded>
      </Card>
      <Card title="Gain by asset">
        <Loaded query={performance} skeleton={<Skeleton height="24rem" />}>
          {(data) => <AssetGains performance={data} />}
        </Loaded>
      </Card>
    </div>
  );
}

interface BenchmarkProps {
  symbol: string;
  symbols: readonly string[];
  onChange: (symbol: string) => void;
}

function Benchmark({ symbol, symbols, onChange }: BenchmarkProps) {
  return (
    <label className={css.benchmark}>
      Compare with
      <select value={symbol} onChange={(event) => onChange(event.target.value)}>
        {symbols.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}
