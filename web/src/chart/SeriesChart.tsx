import { ChartSpline } from "lucide-react";
import { useState } from "react";
import { Button } from "../ui/Button";
import { Card } from "../ui/layout";
import { Segmented } from "../ui/Segmented";
import { EmptyState, Loaded, Skeleton } from "../ui/states";
import { type Charted, INTERVALS, type Interval } from "./bars";
import { Chart, chartHeight } from "./Chart";
import { IndicatorDialog } from "./IndicatorDialog";
import type { Indicator } from "./indicators";
import css from "./SeriesChart.module.css";
import { useBars } from "./useBars";
import { useChosen, useIndicators } from "./useIndicators";

interface Props {
  charted: Charted;
  onInterval: (interval: Interval) => void;
}

/** A series' chart, with what there is to choose about it. */
export function SeriesChart({ charted, onInterval }: Props) {
  const [chosen, setChosen] = useChosen();
  const [choosing, setChoosing] = useState(false);
  return (
    <Card
      flush
      actions={
        <div className={css.choices}>
          <Segmented
            label="Length of a candle"
            options={INTERVALS.map(([interval]) => [interval, interval] as const)}
            value={charted.interval}
            onChange={onInterval}
          />
          <Button small onClick={() => setChoosing(true)}>
            <ChartSpline size={16} aria-hidden />
            Indicators
          </Button>
        </div>
      }
    >
      <Live key={`${charted.venue}:${charted.interval}`} charted={charted} chosen={chosen} />
      {choosing && (
        <IndicatorDialog chosen={chosen} onChange={setChosen} onClose={() => setChoosing(false)} />
      )}
    </Card>
  );
}

function Live({ charted, chosen }: { charted: Charted; chosen: readonly Indicator[] }) {
  const { query, askOlder, older } = useBars(charted);
  const bars = query.data?.bars ?? [];
  const indicators = useIndicators(charted, chosen, bars);
  const below = chosen.filter(({ kind }) => kind.place === "below").length;
  const incomplete = bars.some(({ complete }) => !complete) || indicators.data?.complete === false;
  return (
    <Loaded
      query={query}
      skeleton={
        <div className={css.skeleton}>
          <Skeleton height={chartHeight(below)} />
        </div>
      }
      empty={{
        when: ({ bars }) => bars.length === 0,
        show: <EmptyState title="No candles yet">They appear with the first trade.</EmptyState>,
      }}
    >
      {() => (
        <>
          <Chart charted={charted} bars={bars} chosen={chosen} answer={indicators.data} onOldest={askOlder} />
          {older.isError && (
            <Note onRetry={() => older.variables && older.mutate(older.variables)}>
              Older candles could not be loaded.
            </Note>
          )}
          {indicators.error && (
            <Note onRetry={() => void indicators.refetch()}>The indicators could not be loaded.</Note>
          )}
          {incomplete && (
            <p className={css.note}>
              Paler candles lack trades that have not been repaired yet; indicators that rest on them may
              change.
            </p>
          )}
        </>
      )}
    </Loaded>
  );
}

function Note({ onRetry, children }: { onRetry: () => void; children: string }) {
  return (
    <p className={css.note} role="alert">
      {children}{" "}
      <Button small kind="quiet" onClick={onRetry}>
        Try again
      </Button>
    </p>
  );
}
