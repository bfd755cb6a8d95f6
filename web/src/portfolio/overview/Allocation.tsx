import { share } from "../../format/numbers";
import { EmptyState } from "../../ui/states";
import { allocation, countPriced, type Slice } from "../allocation";
import type { Holdings } from "../portfolios";
import css from "./Allocation.module.css";

const SIZE = 176;
const RING = 24;
const RADIUS = (SIZE - RING) / 2;
const AROUND = 2 * Math.PI * RADIUS;
const GAP = 2;

/** What part of the value each asset is: a ring, and in words beside it. */
export function Allocation({ items }: { items: Holdings["items"] }) {
  const slices = allocation(items);
  const priced = countPriced(items);
  if (slices.length === 0) return <EmptyState title="Nothing here has a value now" />;
  return (
    <div className={css.allocation}>
      <svg width={SIZE} height={SIZE} viewBox={`0 0 ${SIZE} ${SIZE}`} aria-hidden className={css.ring}>
        {slices.map((slice) => (
          <circle
            key={slice.name}
            cx={SIZE / 2}
            cy={SIZE / 2}
            r={RADIUS}
            fill="none"
            strokeWidth={RING}
            style={{ stroke: `var(--series-${slice.series})` }}
            {...dashes(slice, slices.length)}
          >
            <title>{`${slice.name} ${share(slice.percent)}`}</title>
          </circle>
        ))}
        <text x="50%" y="48%" className={css.count}>
          {priced}
        </text>
        <text x="50%" y="60%" className={css.unit}>
          {priced < items.length ? `of ${items.length} priced` : items.length === 1 ? "asset" : "assets"}
        </text>
      </svg>
      <ul className={css.legend}>
        {slices.map(({ name, percent, series }) => (
          <li key={name}>
            <span className={css.swatch} style={{ background: `var(--series-${series})` }} />
            {name}
            <span className="number">{share(percent)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** An arc as a dash of the circle's outline. */
function dashes({ from, to }: Slice, count: number) {
  const length = Math.max(1, (to - from) * AROUND - (count > 1 ? GAP : 0));
  return { strokeDasharray: `${length} ${AROUND - length}`, strokeDashoffset: -from * AROUND };
}
