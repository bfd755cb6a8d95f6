import type { Schema } from "../../api/client";
import { Gain, Money } from "../../ui/figures";
import { Card } from "../../ui/layout";
import { Figure, Figures } from "../Figures";

interface Props {
  totals: Schema["GainTotals"];
  currency: string;
}

/** Of the whole year. */
export function GainTotals({ totals, currency }: Props) {
  return (
    <Card>
      <Figures>
        <Figure
          label="Gain"
          explain="Proceeds less cost of all that was sold: short-term and long-term together."
        >
          <Gain value={totals.gain} currency={currency} />
        </Figure>
        <Figure label="Short-term" explain="Gain of what was held for a year or less.">
          <Gain value={totals.short} currency={currency} />
        </Figure>
        <Figure label="Long-term" explain="Gain of what was held for more than a year.">
          <Gain value={totals.long} currency={currency} />
        </Figure>
        <Figure
          label="Income"
          explain="What rewards and airdrops were worth when they came. It is not part of the gain; selling them later gains what they have risen since."
        >
          <Money value={totals.income} currency={currency} />
        </Figure>
        <Figure label="Proceeds" explain="What the sales brought in, less fees.">
          <Money value={totals.proceeds} currency={currency} />
        </Figure>
        <Figure label="Cost" explain="What had been paid for all that was sold, with fees.">
          <Money value={totals.cost_basis} currency={currency} />
        </Figure>
      </Figures>
    </Card>
  );
}
