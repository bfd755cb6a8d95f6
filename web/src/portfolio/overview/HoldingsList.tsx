import { useTickFeed } from "../../live/hooks";
import { useMediaQuery } from "../../ui/useMediaQuery";
import { symbolIn, useCoins } from "../coins";
import type { Holdings } from "../portfolios";
import { HoldingRows } from "./HoldingRows";
import { HoldingsTable } from "./HoldingsTable";
import own from "./HoldingsTable.module.css";

/** What is held, the most valuable first, at live prices. */
export function HoldingsList({ holdings }: { holdings: Holdings }) {
  const { coins } = useCoins();
  const isNarrow = useMediaQuery("(width < 40rem)");
  useTickFeed(holdings.items.flatMap(({ asset }) => symbolIn(coins, asset, holdings.base_currency) ?? []));
  const Shown = isNarrow ? HoldingRows : HoldingsTable;
  return (
    <>
      <Shown holdings={holdings} coins={coins} />
      {holdings.next_cursor !== null && (
        <p className={own.more}>The {holdings.items.length} most valuable are shown.</p>
      )}
    </>
  );
}
