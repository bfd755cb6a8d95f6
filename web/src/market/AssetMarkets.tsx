import { useLocation } from "wouter";
import type { Schema } from "../api/client";
import type { Interval } from "../chart/bars";
import css from "./AssetMarkets.module.css";
import { venueName } from "./venues";

interface Props {
  /** The series of the asset, the reference of each symbol first. */
  listed: readonly Schema["Listed"][];
  symbol: string;
  venue: string;
  interval: Interval;
}

/** In which currency, and where, the asset is traded: one of its series. */
export function AssetMarkets({ listed, symbol, venue, interval }: Props) {
  const [, navigate] = useLocation();
  if (listed.length < 2) return null;
  const shown = listed.findIndex((series) => series.symbol === symbol && series.venue === venue);
  return (
    <select
      aria-label="Market"
      className={css.markets}
      value={shown}
      onChange={(event) => {
        const series = listed[Number(event.target.value)];
        if (series) navigate(addressOf(series, listed, interval));
      }}
    >
      {shown < 0 && <option value={-1}>Choose a market</option>}
      {listed.map((series, index) => (
        <option key={`${series.symbol} ${series.venue}`} value={index}>
          {series.symbol.split("-")[1]} on {venueName(series.venue)}
        </option>
      ))}
    </select>
  );
}

function addressOf(series: Schema["Listed"], listed: Props["listed"], interval: Interval): string {
  const reference = listed.find(({ symbol }) => symbol === series.symbol);
  const search = new URLSearchParams({ interval });
  if (series !== reference) search.set("venue", series.venue);
  return `/market/${series.symbol}?${search}`;
}
