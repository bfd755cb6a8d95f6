import { share } from "../format/numbers";
import css from "./AllocationBar.module.css";
import { allocation, countPriced } from "./allocation";
import type { Holdings } from "./portfolios";

const NAMED = 3;

/** What a portfolio is made of, in one line. */
export function AllocationBar({ items }: { items: Holdings["items"] }) {
  const slices = allocation(items);
  const priced = countPriced(items);
  if (slices.length === 0) return null;
  return (
    <div>
      <div className={css.bar} aria-hidden>
        {slices.map(({ name, from, to, series }) => (
          <span key={name} style={{ flexGrow: to - from, background: `var(--series-${series})` }} />
        ))}
      </div>
      <ul className={css.legend} aria-label="Allocation">
        {slices.slice(0, NAMED).map(({ name, percent, series }) => (
          <li key={name}>
            <span className={css.swatch} style={{ background: `var(--series-${series})` }} />
            {name} <span className="number muted">{share(percent)}</span>
          </li>
        ))}
        {slices.length > NAMED && <li className="muted">+{priced - NAMED} more</li>}
        {priced < items.length && <li className="muted">{items.length - priced} without a price</li>}
      </ul>
    </div>
  );
}
