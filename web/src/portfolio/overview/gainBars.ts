import { sum } from "../../format/decimal";

interface AssetGain {
  asset: string;
  gain: string;
  contribution: string | null;
}

/** What an asset gained, for a bar from 0: `size` is -1 to 1, of the largest. */
export interface Bar {
  name: string;
  gain: string;
  contribution: string | null;
  size: number;
}

/** The most that is shown one by one. */
const MOST = 8;

/** The largest gains and losses from the best to the worst; what moved less comes last, together. */
export function gainBars(assets: readonly AssetGain[]): Bar[] {
  const bySize = assets
    .filter(({ gain }) => Number(gain) !== 0)
    .toSorted((a, b) => Math.abs(Number(b.gain)) - Math.abs(Number(a.gain)));
  const shown = bySize.length > MOST ? bySize.slice(0, MOST - 1) : bySize;
  const bars = shown
    .toSorted((a, b) => Number(b.gain) - Number(a.gain))
    .map(({ asset, gain, contribution }) => ({ name: asset, gain, contribution }));
  const rest = bySize.slice(shown.length);
  if (rest.length > 0) bars.push(together(rest));
  const largest = Math.max(...bars.map(({ gain }) => Math.abs(Number(gain))));
  return bars.map((bar) => ({ ...bar, size: Number(bar.gain) / largest || 0 }));
}

function together(rest: readonly AssetGain[]) {
  const contributions = rest.flatMap(({ contribution }) => contribution ?? []);
  return {
    name: `${rest.length} others`,
    gain: sum(rest.map(({ gain }) => gain)),
    contribution: contributions.length === rest.length ? sum(contributions) : null,
  };
}
