import type { Schema } from "../../api/client";
import { fraction } from "../../format/numbers";
import { Explain } from "../../ui/Explain";
import { Gain, Unknown } from "../../ui/figures";
import { EmptyState } from "../../ui/states";
import css from "./AssetGains.module.css";
import { gainBars } from "./gainBars";

/** What each asset gained or lost in the period. */
export function AssetGains({ performance }: { performance: Schema["PerformanceView"] }) {
  const bars = gainBars(performance.assets);
  if (bars.length === 0) return <EmptyState title="Nothing has moved yet" />;
  return (
    <div className={css.gains}>
      <ul className={css.bars}>
        {bars.map(({ name, gain, contribution, size }) => (
          <li key={name}>
            <span className={css.name}>{name}</span>
            <span className={css.amounts}>
              <Gain value={gain} currency={performance.base_currency} />
              <span className={`number ${css.contribution}`}>
                {contribution === null ? <Unknown /> : fraction(contribution)}
              </span>
            </span>
            <span className={css.track} aria-hidden>
              <span
                data-loss={size < 0 || undefined}
                style={{ width: `${Math.abs(size) * 50}%`, [size < 0 ? "right" : "left"]: "50%" }}
              />
            </span>
          </li>
        ))}
      </ul>
      <p className={css.note}>
        Per cent of the average capital{" "}
        <Explain term="per cent of the average capital">
          What the asset added to the return: its gain by what was invested on average over this period. These
          add up to the return by that method (modified Dietz), not to the time-weighted one.
        </Explain>
      </p>
    </div>
  );
}
