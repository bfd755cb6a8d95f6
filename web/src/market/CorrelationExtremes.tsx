import * as numbers from "../format/numbers";
import { Card } from "../ui/layout";
import css from "./CorrelationPage.module.css";
import { type Correlation, type Pair, pairs, short } from "./correlation";

const SHOWN = 3;

/** The pairs that one looks for first; nothing where there are too few to choose from. */
export function CorrelationExtremes({ correlation }: { correlation: Correlation }) {
  const all = pairs(correlation);
  if (all.length < 2 * SHOWN) return null;
  return (
    <div className={css.extremes}>
      <Card>
        <h2>Most alike</h2>
        <Pairs pairs={all.slice(0, SHOWN)} />
      </Card>
      <Card>
        <h2>Least alike</h2>
        <Pairs pairs={all.slice(-SHOWN).reverse()} />
      </Card>
    </div>
  );
}

function Pairs({ pairs }: { pairs: readonly Pair[] }) {
  return (
    <ul className={css.pairs}>
      {pairs.map(({ one, other, value }) => (
        <li key={`${one} ${other}`}>
          <span>
            {short(one)} and {short(other)}
          </span>
          <span className="number">{numbers.signed(value)}</span>
        </li>
      ))}
    </ul>
  );
}
