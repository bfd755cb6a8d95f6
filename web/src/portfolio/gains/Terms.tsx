import { Explain } from "../../ui/Explain";
import { Segmented } from "../../ui/Segmented";
import { METHODS } from "../methods";
import type { Method } from "../portfolios";
import css from "./Gains.module.css";

const OPTIONS = METHODS.map(({ value, short }) => [value, short] as const);

interface Props {
  years: readonly number[];
  year: number;
  method: Method;
  onYear: (year: number) => void;
  onMethod: (method: Method) => void;
}

/** Which year, and by which method. */
export function Terms({ years, year, method, onYear, onMethod }: Props) {
  const chosen = METHODS.find(({ value }) => value === method);
  return (
    <div className={css.terms}>
      <select
        className={css.year}
        aria-label="Year"
        value={year}
        onChange={(event) => onYear(Number(event.target.value))}
      >
        {years.map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
      <Segmented label="Cost basis" options={OPTIONS} value={method} onChange={onMethod} />
      {chosen && (
        <Explain term="this method">
          {chosen.name}. {chosen.text} Switching here only compares: the portfolio's own method is in its
          settings.
        </Explain>
      )}
    </div>
  );
}
