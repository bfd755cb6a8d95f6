import { useSearchParams } from "wouter";
import { Segmented } from "../../ui/Segmented";
import { RANGES, type Range, rangeOf } from "../ranges";

/** The period that is looked at, one for the whole page. */
export function useRange(): [Range, (range: Range) => void] {
  const [params, setParams] = useSearchParams();
  const change = (range: Range) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        next.set("range", range);
        return next;
      },
      { replace: true },
    );
  return [rangeOf(params.get("range")), change];
}

export function RangeSwitch() {
  const [range, change] = useRange();
  return <Segmented label="Period" options={RANGES} value={range} onChange={change} />;
}
