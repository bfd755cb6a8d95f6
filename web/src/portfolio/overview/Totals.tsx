import { percentage } from "../../format/decimal";
import { Change, Gain, Money } from "../../ui/figures";
import { Card } from "../../ui/layout";
import { Figure, Figures } from "../Figures";
import { methodName } from "../methods";
import type { Portfolio } from "../portfolios";
import { useTotals } from "../worth";

interface Props {
  portfolio: Portfolio;
  realized: string;
}

export function Totals({ portfolio: { id, base_currency, cost_basis }, realized }: Props) {
  const totals = useTotals(id);
  if (!totals) return null;
  const { cost_basis: cost, unrealized } = totals;
  return (
    <Card>
      <Figures>
        <Figure
          label="Unrealized gain"
          explain="What you would gain if you sold all of it now: the value less the cost basis."
          note={<Change value={percentage(unrealized, cost)} />}
        >
          <Gain value={unrealized} currency={base_currency} />
        </Figure>
        <Figure
          label="Realized gain"
          explain="What all of your sales so far have gained: their proceeds less what was sold had cost."
          note="All sales so far"
        >
          <Gain value={realized} currency={base_currency} />
        </Figure>
        <Figure
          label="Cost basis"
          explain="What the coins you hold now had cost, with fees. Those without a price are left out, so that it can be held against the value."
          note={methodName(cost_basis)}
        >
          <Money value={cost} currency={base_currency} />
        </Figure>
      </Figures>
    </Card>
  );
}
