import { Link } from "wouter";
import { useTick } from "../../live/hooks";
import { type Coins, pageOf, symbolIn } from "../coins";
import own from "./HoldingsTable.module.css";
import { type Holding, repriced } from "./repriced";

export interface HoldingProps {
  holding: Holding;
  currency: string;
  coins: Coins;
}

/** A holding at its live price. */
export function useRepriced({ holding, currency, coins }: HoldingProps): Holding {
  return repriced(holding, useTick(symbolIn(coins, holding.asset, currency) ?? ""));
}

export function Asset({ holding: { asset }, currency, coins }: HoldingProps) {
  const page = pageOf(coins, asset, currency);
  const name = coins.find((coin) => coin.asset === asset)?.name;
  return (
    <span className={own.asset}>
      {page ? <Link href={`/market/${page}`}>{asset}</Link> : asset}
      {name && <span className={own.name}>{name}</span>}
    </span>
  );
}
