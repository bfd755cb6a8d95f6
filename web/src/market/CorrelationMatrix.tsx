import { type KeyboardEvent, memo, type SyntheticEvent, useRef, useState } from "react";
import * as numbers from "../format/numbers";
import { TableFrame } from "../ui/layout";
import css from "./CorrelationMatrix.module.css";
import { type Correlation, meaning, moved, type Place, short, tint } from "./correlation";
import { PairNote } from "./PairNote";

/** Every two symbols' correlation: a heat map that is a table. One cell is in the tab order, arrow keys lead to the others. */
export function CorrelationMatrix({ correlation }: { correlation: Correlation }) {
  const { symbols, matrix } = correlation;
  const [place, setPlace] = useState<Place>({ row: 0, column: 1 });
  const body = useRef<HTMLTableSectionElement>(null);
  const point = ({ target }: SyntheticEvent) => {
    const at = placeOf(target);
    if (at && (at.row !== place.row || at.column !== place.column)) setPlace(at);
  };
  const walk = (event: KeyboardEvent) => {
    const at = placeOf(event.target);
    const next = at && moved(at, event.key, symbols.length);
    if (!next) return;
    event.preventDefault();
    body.current?.rows[next.row]?.cells[next.column + 1]?.querySelector("button")?.focus();
  };
  return (
    <>
      <PairNote
        one={symbols[place.row]}
        other={symbols[place.column]}
        value={matrix[place.row]?.[place.column] ?? null}
      />
      <TableFrame label="Correlation matrix">
        <table className={css.matrix}>
          <caption className="visually-hidden">Correlation of the returns of each two symbols</caption>
          <thead>
            <tr>
              <td />
              {symbols.map((symbol, column) => (
                <th key={symbol} scope="col" data-current={column === place.column || undefined}>
                  {short(symbol)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody ref={body} onPointerOver={point} onFocus={point} onKeyDown={walk}>
            {symbols.map((symbol, row) => (
              <tr key={symbol}>
                <th scope="row" data-current={row === place.row || undefined}>
                  {short(symbol)}
                </th>
                {symbols.map((other, column) => (
                  <Cell
                    key={other}
                    row={row}
                    column={column}
                    pair={`${short(symbol)} and ${short(other)}`}
                    value={matrix[row]?.[column] ?? null}
                    isCurrent={row === place.row && column === place.column}
                  />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </TableFrame>
    </>
  );
}

interface CellProps extends Place {
  pair: string;
  value: number | null;
  isCurrent: boolean;
}

const Cell = memo(function Cell({ row, column, pair, value, isCurrent }: CellProps) {
  const isItself = row === column;
  const shown = isItself ? "1" : value === null ? "–" : numbers.fixed(value);
  return (
    <td>
      <button
        type="button"
        className={css.cell}
        style={isItself || value === null ? {} : { background: tint(value) }}
        data-row={row}
        data-column={column}
        data-itself={isItself || undefined}
        data-current={isCurrent || undefined}
        tabIndex={isCurrent ? 0 : -1}
        aria-label={`${shown}, ${pair}: ${isItself ? "the same" : value === null ? "not known" : meaning(value)}`}
      >
        {shown}
      </button>
    </td>
  );
});

function placeOf(target: EventTarget): Place | undefined {
  const cell = target instanceof Element ? target.closest<HTMLElement>("[data-row][data-column]") : null;
  return cell ? { row: Number(cell.dataset.row), column: Number(cell.dataset.column) } : undefined;
}
