import { useCoins } from "../api/coins";
import * as numbers from "../format/numbers";
import { meaning, tint } from "./correlation";
import css from "./PairNote.module.css";

interface Props {
  one: string | undefined;
  other: string | undefined;
  value: number | null;
}

/** What the cell pointed at says, in words. */
export function PairNote({ one, other, value }: Props) {
  const coins = useCoins().data?.items ?? [];
  const name = (symbol: string) => {
    const [asset] = symbol.split("-");
    return coins.find((coin) => coin.asset === asset)?.name ?? symbol;
  };
  if (one === undefined || other === undefined) return null;
  if (one === other) {
    return <p className={`${css.note} muted`}>{name(one)} and itself: always 1.</p>;
  }
  return (
    <p className={css.note}>
      <strong>
        {name(one)} and {name(other)}
      </strong>
      {value === null ? (
        <span className="muted">Not known: one of both did not move, or has too few prices.</span>
      ) : (
        <>
          <span className={`number ${css.swatch}`} style={{ background: tint(value) }}>
            {numbers.signed(value)}
          </span>
          <span className="muted">
            {value > -0.2 && value < 0.2 ? meaning(value) : `move ${meaning(value)}`}
          </span>
        </>
      )}
    </p>
  );
}
