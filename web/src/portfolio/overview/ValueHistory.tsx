import { useMemo } from "react";
import { AreaChart, type AreaSeriesData } from "../../chart/AreaChart";
import { Card } from "../../ui/layout";
import { EmptyState, Loaded, Skeleton } from "../../ui/states";
import { type Portfolio, useHistory } from "../portfolios";
import { rangeStart } from "../ranges";
import { RangeSwitch, useRange } from "./RangeSwitch";

const HEIGHT = 260;

/** The value of each day beside what had been paid in by then. */
export function ValueHistory({ portfolio: { id, base_currency } }: { portfolio: Portfolio }) {
  const history = useHistory(id);
  return (
    <Card title="Value over time" actions={<RangeSwitch />}>
      <Loaded query={history} skeleton={<Skeleton height="20.25rem" />}>
        {({ series }) => <Chart days={series} currency={base_currency} />}
      </Loaded>
    </Card>
  );
}

interface ChartProps {
  days: readonly (readonly [day: string, value: string, contributions: string])[];
  currency: string;
}

function Chart({ days, currency }: ChartProps) {
  const [range] = useRange();
  const start = rangeStart(range);
  const series = useMemo<AreaSeriesData[]>(() => {
    const shown = start === undefined ? days : days.filter(([day]) => day >= start);
    return [
      { name: "Value", tone: "accent", points: shown.map(([day, value]) => [day, Number(value)]) },
      {
        name: "Net contributions",
        tone: "muted",
        points: shown.map(([day, , contributions]) => [day, Number(contributions)]),
      },
    ];
  }, [days, start]);
  if ((series[0]?.points.length ?? 0) < 2) {
    return (
      <EmptyState title="A line needs two days">
        The value of each day is kept at 00:00 UTC of the next. Come back tomorrow.
      </EmptyState>
    );
  }
  return <AreaChart label="Value over time" series={series} currency={currency} height={HEIGHT} />;
}
